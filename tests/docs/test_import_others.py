"""What is said of nets that no rule was written for was measured; `NETSPEC_UPDATE=1` writes it anew."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from typing import Any

from support.places import DOCS, ROOT

FOUND = json.loads((ROOT / "benchmarks/results/imports_others.json").read_text(encoding="utf-8"))
PAGE = DOCS / "import.md"
STARTS = "Nets that no rule was written for:"


def runs(net: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {word: run for word, run in net.items() if isinstance(run, dict)}


def sentence() -> str:
    found = FOUND["summary"]
    return (
        f"{STARTS} of {found['nets']} others of torchvision and timm, one of each family as a rule, "
        f"{found['proven']} of {found['read']} readings of {found['files']} files are proven, "
        f"{found['refused']} are refused, {found['crashed']} end otherwise; {found['again']} of "
        f"{found['written_again']} texts are those of their own files too."
    )


def wrapped(text: str, width: int = 118) -> str:
    lines = [""]
    for word in text.split():
        lines.append("") if len(lines[-1]) + len(word) + 1 > width else None
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def test_the_page_has_the_count() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("NETSPEC_UPDATE"):
        text = re.sub(
            rf"{STARTS}.*? files too\.", wrapped(sentence()), text, count=1, flags=re.DOTALL
        )
        PAGE.write_text(text, encoding="utf-8")
    assert sentence() in " ".join(text.split())


def test_the_count_is_that_of_the_nets() -> None:
    every = [run for net in FOUND["nets"].values() for run in runs(net).values()]
    kinds = Counter(
        next(word for word in ("proof", "refused", "crash") if run.get(word)) for run in every
    )
    found = FOUND["summary"]
    assert kinds["proof"] == found["proven"]
    assert kinds["refused"] == found["refused"]
    assert kinds["crash"] == found["crashed"] == 0
    assert len(every) == found["read"] == 2 * found["files"]
    assert found["nets"] >= 100


def test_what_is_proven_is_read_quickly_and_alike_without_names() -> None:
    for name, net in FOUND["nets"].items():
        for word, run in runs(net).items():
            if not run.get("proof"):
                continue
            assert run["proof"]["error"] <= 1e-4, name
            assert run.get("reading", 0) <= 5, name
            blind = net.get(f"{word}_scrambled")
            assert blind is None or blind["tokens"] <= 1.1 * run["tokens"], name


def test_every_refusal_says_why() -> None:
    for net in FOUND["nets"].values():
        for run in runs(net).values():
            assert run.get("proof") or re.match(r"error\[NS80\d\]: .", run["refused"])

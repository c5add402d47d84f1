"""The figures of imports on their page are those that were measured; `NETSPEC_UPDATE=1` writes them anew."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from support.places import DOCS, ROOT

FOUND = json.loads((ROOT / "benchmarks" / "results" / "imports.json").read_text())
PAGE = DOCS / "import.md"
HEAD = "| net | by hand | traced | dynamo | traced, scrambled | dynamo, scrambled | differs by |"
# How many times the tokens of the spec by hand the text may have.
MOST = {
    "resnet50": 1.3,
    "googlenet": 1.3,
    "vgg16": 1.3,
    "densenet121": 1.3,
    "mobilenet_v2": 1.3,
    "inception_v3": 1.3,
    "unet": 1.3,
    "swin_t": 1.3,
    "nasnetalarge": 2,
}
RUNS = ("traced", "dynamo", "traced_scrambled", "dynamo_scrambled")
nets = pytest.mark.parametrize("name", sorted(FOUND["nets"]))


def cell(run: dict[str, Any] | None) -> str:
    if run is None:
        return "not written"
    return str(run["tokens"]) if run.get("proof") else "refused"


def row(name: str) -> str:
    net = FOUND["nets"][name]
    worst = max((run["proof"]["error"] for run in runs(net) if run.get("proof")), default=0.0)
    cells = [name, str(net["hand"] or ""), *(cell(net.get(run)) for run in RUNS)]
    return f"| {' | '.join(cells)} | {worst:.1e} |".replace("|  |", "| |")


def runs(net: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in net.values() if isinstance(run, dict)]


def sentence() -> str:
    found = FOUND["summary"]
    return (
        f"{found['files']} files that torch's two exporters wrote of {found['nets']} nets, as they are "
        f"and with all their names scrambled: {found['proven']} of {found['read']} are proven, "
        f"{found['bitwise']} of them bitwise."
    )


def table() -> str:
    lines = [HEAD, "|" + " --- |" * 7, *(row(name) for name in sorted(FOUND["nets"]))]
    return "\n".join(lines) + "\n"


def test_the_page_has_the_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("NETSPEC_UPDATE"):
        before, _, rest = text.partition(HEAD)
        after = rest.partition("\n\n")[2]
        text = f"{before}{table()}\n{after}"
        PAGE.write_text(text, encoding="utf-8")
    assert table() in text
    assert sentence() in " ".join(text.split())


@nets
def test_what_is_proven_is_short_and_quick(name: str) -> None:
    net = FOUND["nets"][name]
    for run in runs(net):
        if not run.get("proof"):
            continue
        # Or no more than one rounding of its inputs moves the file's own outputs.
        assert run["proof"]["error"] <= max(1e-4, run["proof"]["rounding"] or 0)
        assert run["tokens"] <= MOST.get(name, 4) * (net["hand"] or 10_000)
        assert run["reading"] <= 5


def test_the_nets_are_those_that_are_named() -> None:
    assert FOUND["nets"].keys() >= MOST.keys()
    for name in MOST:
        assert all(FOUND["nets"][name][run].get("proof") for run in RUNS)
    assert FOUND["versions"].keys() == {
        "torch",
        "torchvision",
        "timm",
        "transformers",
        "onnxscript",
    }

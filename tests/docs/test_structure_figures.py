"""What is said of shipped nets read back is what was measured; `NETSPEC_UPDATE=1` writes it anew."""

from __future__ import annotations

import json
import os
import re
from textwrap import fill
from typing import Any

import pytest
from support.places import DOCS, ROOT

FOUND = json.loads((ROOT / "benchmarks" / "results" / "structure.json").read_text())
PAGE = DOCS / "import.md"
# The outputs of a file and of its spec differ by rounding where the file computes differently.
CLOSE = 1e-5
# How many times the tokens of the spec by hand; 1.3 of the others. Layers of an LSTM whose states are read
# come back one by one, what RWKV computes of each layer's number is written out, and so are Conv-TasNet's
# units, of which each calls the next by hand.
LONGEST = {
    "luong_attention": 2.7,
    "rwkv4_430m": 1.7,
    "conv_tasnet": 2.8,
    # Units whose input a later level reads too are spelt otherwise, and are blocks of their own.
    "ddpm_cifar10": 1.32,
    "stable_diffusion_unet": 1.8,
    # Its steps share their weights, and are written one after the other.
    "raft_large": 2.2,
}
# Of more nodes reading takes longer, it is linear, and of files of more than a gigabyte.
PER_SECOND = 200
GIGABYTES = {"gpt2_medium", "t5_large_encoder", "wav2vec2_large"}
# Drawn weights make one rounding of the inputs a hundredth of what it gives: so near is the spec.
UNSTEADY = {"mamba_130m": 1e-2}
FILES = [
    (net, form, run, figures)
    for net, row in FOUND.items()
    for form in row.keys() - {"hand"}
    for run, figures in row[form].items()
    if isinstance(figures, dict)
]


def measured(form: str) -> dict[str, dict[str, Any]]:
    return {net: row[form] for net, row in FOUND.items() if form in row}


def whole(runs: dict[str, Any]) -> bool:
    return all("refused" not in run for run in read_as(runs).values())


def read_as(runs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The readings of a file, as it is and without names."""
    return {name: run for name, run in runs.items() if isinstance(run, dict)}


def sentence() -> str:
    folded = measured("folded")
    read = {net: runs for net, runs in folded.items() if whole(runs)}
    fixed = sum(all(run["fixed"] for run in read_as(runs).values()) for runs in read.values())
    longest = max(
        run["tokens"] / FOUND[net]["hand"]
        for net, runs in read.items()
        for run in read_as(runs).values()
    )
    others = [net for net, row in FOUND.items() if len(row) > 3]
    proven = sum("error" in runs["named"] for runs in read.values())
    larger = sum(bool(runs.get("proven_by")) for runs in read.values())
    return (
        f"Of {len(folded)} shipped nets written as files, {len(read)} are read, and the texts of {fixed} "
        f"are fixed points, with the names of the file and without. {proven} were run beside their texts "
        f"and are proven; {larger} are larger nets of the same specs, and {len(read) - proven - larger} "
        f"too large to be run here, or of drawn weights that overflow. The longest text has {longest:.2f} "
        f"times the tokens of the spec by hand. So it is for {len(others)} of them written in four other "
        "forms."
    )


def test_the_page_says_what_was_measured() -> None:
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("NETSPEC_UPDATE"):
        found = re.search(r"Of \d+ shipped nets written as files,.*?other forms\.", text, re.DOTALL)
        assert found is not None
        text = text.replace(found[0], fill(sentence(), 108))
        PAGE.write_text(text, encoding="utf-8")
    assert sentence() in " ".join(text.split())


@pytest.mark.parametrize("form", ["folded", "plain", "opset13", "opset22", "blocks"])
def test_what_is_read_is_proven_short_quick_and_fixed(form: str) -> None:
    for net, runs in measured(form).items():
        if not whole(runs):
            continue
        # What is too large to be run says which smaller net of the same spec was, if any was.
        assert ("error" in runs["named"]) == ("proven_by" not in runs), net
        assert runs["named"].get("error", 0) <= UNSTEADY.get(net, CLOSE), net
        for name, run in read_as(runs).items():
            assert run["fixed"], (net, name)
            most = max(10 if net in GIGABYTES else 5, run["nodes"] / PER_SECOND)
            # Where others ran at the same time nothing was timed.
            assert run.get("seconds", 0) <= most, (net, name)
            assert run["tokens"] <= LONGEST.get(net, 1.3) * FOUND[net]["hand"], (net, name)


def test_what_proves_a_larger_net_was_run_itself() -> None:
    for net, row in FOUND.items():
        for form in row.keys() - {"hand"}:
            smaller = row[form].get("proven_by")
            assert not smaller or "error" in FOUND[smaller][form]["named"], net


def test_what_is_not_read_says_which_nodes() -> None:
    for net, _, _, run in FILES:
        if "refused" in run:
            assert re.search(r"\d+ of \d+ nodes of .* have no operator", run["refused"]), net

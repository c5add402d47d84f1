"""Weights from a file, as the commands take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli.common import say

if TYPE_CHECKING:
    from netspec.checkpoints import Loaded
    from netspec.graph import Graph


def read_weights(
    graph: Graph,
    path: Path,
    *,
    mapping: Path | None = None,
    partial: bool = False,
    strict: bool = False,
    seed: int = 0,
    quiet: bool = False,
) -> Loaded:
    """The weights in a file, with what is worth knowing of them said on standard error."""
    from netspec.checkpoints import load
    from netspec.diagnostics import render

    loaded = load(path, graph, mapping=mapping, partial=partial, strict=strict, seed=seed)
    if loaded.warnings:
        say(render(loaded.warnings), quiet)
    taken, initial, unused = len(loaded.pairs), len(loaded.initial), len(loaded.unused)
    say(f"{path}: {taken} tensors taken, {initial} left initial, {unused} unused", quiet)
    return loaded

"""The shipped specs, read for listings."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.published import published, records
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every shipped net by name, building blocks excluded."""
    for name in shipped_names():
        if "/" not in name:
            yield name, build(read_spec(name))


def charted(style: str) -> list[Graph]:
    """The shipped nets that a chart of errors shows where none are named.

    bubble: all that state a top-1 error; depth: each year's best that beat the years before.
    """
    nets = [graph for _, graph in graphs()]
    if style == "bubble":
        return [item.graph for item in published(nets, "top1")]
    return [item.graph for item in records(published(nets, "top5"))]

"""The shipped specs, read for listings."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.published import states
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every shipped net by name, building blocks excluded."""
    for name in shipped_names():
        if "/" not in name:
            yield name, build(read_spec(name))


def charted(measure: str) -> list[Graph]:
    """The shipped nets that state this error, as their own or as an entry of a challenge."""
    return [graph for _, graph in graphs() if states(graph.metadata, measure)]

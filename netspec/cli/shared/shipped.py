"""The shipped specs, read for listings."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.published import states
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every net of the lectures by name."""
    for name in shipped_names("lectures"):
        yield name, build(read_spec(name))


def charted(style: str) -> tuple[list[Graph], str]:
    """The lectures' nets that a chart of errors is made from where none are named, and its challenge.

    bubble: all that state a top-1 error; depth: all that state a top-5 error, and ILSVRC.
    """
    measure, challenge = {"bubble": ("top1", ""), "depth": ("top5", "ILSVRC")}[style]
    return [graph for _, graph in graphs() if states(graph.metadata, measure)], challenge

"""The shipped specs, read for listings."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.build import build
from netspec.files import read_spec, shipped_names
from netspec.graph import Graph


def graphs() -> Iterator[tuple[str, Graph]]:
    """Every shipped net by name, building blocks excluded."""
    for name in shipped_names():
        if "/" not in name:
            yield name, build(read_spec(name))


def with_errors() -> tuple[str, ...]:
    """The shipped specs that state an ImageNet error."""
    found = []
    for name, graph in graphs():
        errors = dict(dict(graph.metadata).get("error", ()))  # type: ignore[call-overload]
        if ("top1" in errors or "top5" in errors) and graph.outputs[0].value.shape == (1000,):
            found.append(name)
    return tuple(found)

"""A spec beside a file: they are compared by what files hold."""

from __future__ import annotations

from dataclasses import replace

from netspec.analysis.difference.difference import Difference, difference
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.passes.folding.fold import fold


def differing(a: Graph, b: Graph, are_files: tuple[bool, bool]) -> Difference:
    """What the second net computes otherwise than the first; `are_files` says which are ONNX files.

    A file says nothing of how weights start and holds nothing that acts in training only, and whoever wrote
    it may have folded layers into each other. So a spec is compared with a file as it is deployed, and
    folded where that is nearer to the file.
    """
    starts = not any(are_files)
    if all(are_files) or starts:
        return difference(a, b, starts=starts)
    spec = b if are_files[0] else a
    found: list[Difference] = []
    for form, words in _forms(spec):
        pair = (a, form) if spec is b else (form, b)
        note = f"{spec.source.name} is compared {words}" if words else ""
        found.append(replace(difference(*pair, starts=False), note=note))
        if not found[-1]:
            break
    return min(found, key=_distance)


def _distance(found: Difference) -> int:
    """How many layers only one net has, or are told otherwise."""
    alone = len(found.a.nodes) + len(found.b.nodes) - 2 * len(found.pairs)
    return alone + sum(len(change.changed) for change in found.changes)


def _forms(spec: Graph) -> list[tuple[Graph, str]]:
    """The net as it is deployed and as it is folded, with what was done to it in words."""
    deployed = deploy(spec)
    words = "as it is deployed" if len(deployed.nodes) < len(spec.nodes) else ""
    folded = fold(deployed).graph
    return [(deployed, words), (folded, "as it is deployed, with layers folded into each other")]

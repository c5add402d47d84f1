"""The difference of two checked graphs."""

from __future__ import annotations

from netspec.analysis.costs import costs
from netspec.analysis.difference.align import align
from netspec.analysis.difference.causes import Causes
from netspec.analysis.difference.changes import changes
from netspec.analysis.difference.facts import facts
from netspec.analysis.difference.interface import heads, output_pairs, outputs
from netspec.analysis.difference.pairing import Alignment
from netspec.analysis.difference.record import Change, Found
from netspec.analysis.difference.tensors import tensors
from netspec.analysis.difference.texts import Pair
from netspec.graph.checked import Graph, Node


def compare(a: Graph, b: Graph, starts: bool = True) -> Found:
    """What the second graph computes otherwise than the first, and where their specs say so.

    Layout, comments, the names of steps and blocks, the order of declarations and of steps that do not
    read each other, and whether something is said by a block, a default or an argument are no difference.
    How weights start is one if `starts`; files of weights do not say.
    """
    pair = Pair(a, b)
    found = align(a, b, pair, starts)
    texts = pair.a, pair.b
    known = facts(found)
    listed: list[Change] = []
    moved: dict[Node, Node] = {}
    if known:
        told, moved = changes(found, Causes(found, *pair.compared()), known)
        listed += told
    listed += outputs(found, *texts)
    listed += heads(found, *texts)
    pairs = {**moved, **found.ahead}
    figures = costs(a), costs(b)
    return Found(a, b, tuple(listed), figures, _shapes(found), tensors(a, b, pairs), found.ahead)


def _shapes(found: Alignment) -> tuple[tuple[str, str, str], ...]:
    """Inputs and outputs of another type: a name, and both types."""
    inputs = [(x, found.ahead[x]) for x in found.a.graph.inputs if x in found.ahead]
    pairs = [(y.path, x.output, y.output) for x, y in inputs]
    pairs += [(y.name, x.value, y.value) for x, y in output_pairs(found)]
    return tuple(
        (name, str(x.type), str(y.type)) for name, x, y in pairs if str(x.type) != str(y.type)
    )

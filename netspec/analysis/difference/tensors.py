"""Which tensors of one net's state_dict another net takes."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.difference.record import Tensors
from netspec.graph.checked import Graph, Node

Shape = tuple[int, ...]


def tensors(a: Graph, b: Graph, pairs: dict[Node, Node]) -> Tensors:
    """Compares by layer, not by name: a name may be that of another layer in the other net.

    `pairs` are nodes of the first net and what they are in the second.
    """
    same, renamed, reshaped, new, gone = [], [], [], [], []
    names: dict[str, str] = {}
    old = shapes(a)
    back = {y: x for x, y in pairs.items()}
    for y in b.nodes:
        x = back.get(y)
        mine = dict(_named(x)) if x is not None else {}
        for part, (name, shape) in dict(_named(y)).items():
            if part not in mine:
                new.append((name, shape))
                continue
            before, was = mine.pop(part)
            names[before] = name
            if was != shape:
                reshaped.append((before, name, was, shape))
            elif before == name:
                same.append(name)
            else:
                renamed.append((before, name))
        gone += [name for name, _ in mine.values()]
    for x in a.nodes:
        if x not in pairs:
            gone += [name for name, _ in dict(_named(x)).values()]
    # What a state_dict would give to a layer that is not the one it is of.
    theirs = [*new, *((after, old.get(before, ())) for before, after in renamed)]
    misled = [name for name, shape in theirs if old.get(name) == shape]
    return Tensors(
        tuple(same),
        tuple(renamed),
        tuple(reshaped),
        tuple(name for name, _ in new),
        tuple(gone),
        tuple(misled),
    )


def shapes(graph: Graph) -> dict[str, Shape]:
    """The tensors of a net's state_dict by name."""
    return dict(found for node in graph.nodes for _, found in _named(node))


def _named(node: Node) -> Iterator[tuple[str, tuple[str, Shape]]]:
    """A node's own stored tensors: its name for each, the name in a state_dict, and the shape."""
    if node.owner == node.path and node.inputs:
        for weight in node.op.weights(*node.input_types):
            if not weight.known:
                yield weight.name, (f"{node.path}.{weight.name}", weight.shape)

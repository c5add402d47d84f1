"""What a layer or a block is to a picture of slabs: drawn or not, one slab or several."""

from __future__ import annotations

from math import prod

from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Port,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.draw.structure.labels import data_inputs, family
from netspec.draw.structure.repeats import signature
from netspec.draw.styles.assumed import Assumed
from netspec.draw.styles.volumes.parts import Window
from netspec.graph.checked import Node
from netspec.sizes.shapes import TensorType

_STEP = 1.5
_DRAWN = frozenset({"conv", "pool", "fc", "rnn", "join", "in"})


def resizes(repeat: Repeat, assumed: Assumed) -> bool:
    """Whether the copies are of several resolutions, each of which is worth a slab."""
    kinds = [nodes_of(copy)[-1].types[0] for copy in repeat.copies]
    areas = [prod(assumed.shape(kind)[1:]) for kind in kinds]
    return max(areas) >= _STEP * min(areas)


def is_drawn(node: Node) -> bool:
    """Whether a layer has a volume: not one that keeps the size of the one thing it reads."""
    if family(node.op) in _DRAWN or len(node.inputs) != 1 or not data_inputs(node):
        return True
    return node.types[0].shape != node.inputs[0].type.shape


def is_chain(series: Series) -> bool:
    """Whether all that a block does is one after the other."""
    return not series.arcs and all(
        isinstance(item, Step | Block)
        or (isinstance(item, Repeat) and isinstance(item.element, Step | Block))
        for item in series.items
    )


def is_plain(series: Series) -> bool:
    """Whether slabs can show what a block does: one tensor flows in."""
    for item in series.items:
        once = item.element if isinstance(item, Repeat) else item
        match once:
            case Port():
                return False
            case Tangle():
                if not is_plain(Series(once.items)):
                    return False
            case Series():
                if not is_plain(once):
                    return False
            case Parallel():
                if not all(map(is_plain, once.branches)):
                    return False
    return True


def is_towers(parallel: Parallel) -> bool:
    """Whether the branches do the same and are only laid side by side."""
    join = parallel.join
    if join is None or join.node.op.spelling != "concat" or not parallel.opens:
        return False
    return len({repr(signature(branch)) for branch in parallel.branches}) == 1


def shares(last: Element | None, kind: TensorType) -> tuple[int, ...]:
    """The channels of each branch, where a block ends by laying branches of maps together."""
    if not isinstance(last, Parallel) or last.join is None:
        return ()
    node = last.join.node
    if node.op.spelling != "concat" or node.types[0].shape != kind.shape:
        return ()
    found = [value.type.channels for value in data_inputs(node)]
    if (
        not all(isinstance(size, int) for size in found)
        or sum(map(int, map(str, found))) != kind.channels
    ):
        return ()
    return tuple(int(str(size)) for size in found)


def is_residual(last: Element | None) -> bool:
    """Whether a block ends by adding what passes it by, or no more than one layer of it."""
    if not isinstance(last, Parallel) or last.join is None:
        return False
    short = min(len(branch.items) for branch in last.branches)
    return last.join.node.op.spelling == "add" and len(last.branches) == 2 and short <= 1


def window(node: Node, assumed: Assumed) -> Window | None:
    """The kernel as shares of the map that it slides over, or of the larger one it spreads to."""
    if not node.inputs or len(node.inputs[0].type.shape) != len(node.types[0].shape):
        return None
    read, given = (assumed.shape(kind)[1:] for kind in (node.inputs[0].type, node.types[0]))
    grows = prod(given) > prod(read)
    found = node.op.window(*node.input_types)
    kernel = _spread(node, len(given)) if grows else found.reach if found else None
    if not kernel:
        return None
    shares = [min(1.0, k / n) for k, n in zip(kernel, given if grows else read, strict=True)]
    return Window(shares[-1] if len(shares) > 1 else 1.0, shares[-2:][0], grows)


def _spread(node: Node, rank: int) -> tuple[int, ...] | None:
    """The kernel of an operator that makes a larger map."""
    kernel = node.op.__dict__.get("kernel")
    if isinstance(kernel, int):
        return (kernel,) * rank
    return kernel if isinstance(kernel, tuple) and len(kernel) == rank else None

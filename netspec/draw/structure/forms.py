"""What blocks do, their numbers left out of account: the same for a wide one and a narrow one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from netspec.draw.structure.elements import Block, Element, Parallel, Repeat, Series, Step, Tangle
from netspec.draw.structure.labels import is_minor, spelling, tag
from netspec.graph.checked import Node

# What tells two layers of one operator apart in a picture, and how that is said of several blocks.
_FIGURES = {
    "kernel": "kernels",
    "width": "widths",
    "stride": "strides",
    "groups": "groups",
    "dilation": "dilations",
    "heads": "heads",
}


def form(element: Element, *, inner: bool = True) -> object:
    """Equal for elements of the same layers and connections, whatever their numbers.

    How often something is repeated is a number too, and so is which activation follows a layer. Without
    `inner`, of blocks inside only their names count: that is what a picture in which they are closed shows.
    """
    if isinstance(element, Block) and not inner:
        return ("block", element.call.block, _held(element.body, _outside))
    return _held(element, _whole)


def _whole(block: Block) -> object:
    return ("block", block.call.block, _held(block.body, _whole))


def _outside(block: Block) -> object:
    """The form of a closed block; one that holds nothing but another block is drawn as that."""
    only = block.only
    held = only.element if isinstance(only, Repeat) else only
    return ("block", block.call.block, *([_outside(held)] if isinstance(held, Block) else []))


def _held(element: Element, block: Callable[[Block], object]) -> object:
    match element:
        case Step():
            return tuple(dict.fromkeys(kind for n in element.nodes if (kind := _kind(n))))
        case Block():
            return block(element)
        case Series():
            forms = tuple(_held(item, block) for item in element.items)
            if element.arcs:
                return (forms, element.arcs)
            once = tuple(key for key, _ in groupby(forms))
            return once[0] if len(once) == 1 else once
        case Parallel():
            join = _held(element.join, block) if element.join else None
            return ("parallel", tuple(_held(branch, block) for branch in element.branches), join)
        case Tangle():
            return ("tangle", _wired(element, block))
        case Repeat():
            return _held(element.element, block)
    return ("other",)


def _wired(tangle: Tangle, block: Callable[[Block], object]) -> tuple[int, ...]:
    """The same for tangles of the same items and connections, in whatever order they stand.

    Each item is known by what it is and, round by round, by what leads to it and from it.
    """
    known = [hash(_held(item, block)) for item in tangle.items]
    count = len(known)
    inner = [(a, b) for a, b in tangle.edges if a >= 0 and b < count]
    # What flows in leads to these, and what flows out comes from these.
    entered = [b for a, b in tangle.edges if a < 0]
    left = [a for a, b in tangle.edges if b >= count]
    for _ in range(count.bit_length() + 1):
        before: list[list[int]] = [[] for _ in known]
        after: list[list[int]] = [[] for _ in known]
        for a, b in inner:
            before[b].append(known[a])
            after[a].append(known[b])
        known = [
            hash((own, tuple(sorted(into)), tuple(sorted(out)), entered.count(i), left.count(i)))
            for i, (own, into, out) in enumerate(zip(known, before, after, strict=True))
        ]
    return tuple(sorted(known))


def _kind(node: Node) -> str:
    """What a layer is, of those that normalise, activate and drop only which of these they do."""
    if not is_minor(node):
        return spelling(node.op)
    kind = type(node.op).__module__.rpartition(".")[2]
    return "" if kind == "regular" else kind


def differing(blocks: Sequence[Block]) -> list[str]:
    """The figures that blocks of one form differ in, as `widths`, `strides`."""
    told = [[n for n in block.nodes if not is_minor(n)] for block in blocks]
    found: dict[str, None] = {}
    if len({len(nodes) for nodes in told}) > 1:
        found["numbers of layers"] = None
        # Blocks inside differ: of those only their own panels tell.
        told = [
            [n for n in nodes if n.path.rpartition(".")[0] == block.path]
            for block, nodes in zip(blocks, told, strict=True)
        ]
    for nodes in zip(*told, strict=False):
        for name, words in _FIGURES.items():
            values = {str(node.op.__dict__.get(name)) for node in nodes}
            if len(values) > 1:
                found[words] = None
    acts = [{tag(n) for n in block.nodes if _kind(n) == "activation"} for block in blocks]
    if any(each != acts[0] for each in acts):
        found["activations"] = None
    return list(found)

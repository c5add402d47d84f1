"""Repeats folded, with what differs said: `×3, first: /2, + projection`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from netspec.draw.structure.elements import (
    Block,
    Element,
    Omitted,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.draw.structure.knots import FEWEST, knot, loosened, repeated, together
from netspec.draw.structure.labels import family, label, spelling, tag
from netspec.draw.structure.periods import LONGEST, in_turn
from netspec.graph.checked import Call, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import SchemeParam
from netspec.ops.elementwise.regular import DropPath

_MOST_NOTES = 3
_KEPT = 12


def fold(series: Series, marks: Mapping[Node, str] | None = None) -> Series:
    """The series with runs of equal elements, at every level, as repeats; equal are the marks too."""
    marks = marks or {}
    inner = partial(fold, marks=marks)
    items = tuple(_folded(item, marks) for item in series.items)
    if not (series.arcs or series.asides):
        items = _apart(items)
    runs = _Runs(items, series, marks)
    found: list[Element] = []
    where: dict[int, int] = {}
    at = 0
    while at < len(items):
        period, count, note = runs.at(at)
        for k in range(period * count):
            where[at + k] = len(found)
        copies = items[at : at + period * count]
        if count > 1:
            # The last copy is the typical one: a first that differs is what the note is about.
            body = copies[-period:]
            element = body[0] if period == 1 else inner(Series(body))
            found.append(Repeat(element, count, note, copies))
        else:
            found.append(items[at])
        at += period * count
    where[-1], where[len(items)] = -1, len(found)
    arcs = {(where[a], where[b]): None for a, b in series.arcs if where[b] - where[a] > 1}
    asides = tuple((where[i], replace(b, body=inner(b.body))) for i, b in series.asides)
    return Series(tuple(found), tuple(arcs), asides, tuple(map(inner, series.makers)))


def _apart(items: tuple[Element, ...]) -> tuple[Element, ...]:
    """Equal branches one after the other, what follows the last of them alone as a layer of its own.

    So a norm at the end of a stack of residuals does not make its last one another.
    """
    found: list[Element] = []
    for item in items:
        before = found[-1] if found else None
        if (
            isinstance(item, Parallel)
            and isinstance(before, Parallel)
            and item.join
            and before.join
        ):
            count, nodes = len(before.join.nodes), item.join.nodes
            bare = replace(item, join=replace(item.join, nodes=nodes[:count]))
            if len(nodes) > count and not item.join.blocks and signature(bare) == signature(before):
                found += [bare, Step(nodes[count:])]
                continue
        found.append(item)
    return tuple(found)


def _folded(element: Element, marks: Mapping[Node, str]) -> Element:
    """The element with what is in it folded; that of which nothing is marked is folded once."""
    if marks and not marks.keys().isdisjoint(nodes_of(element)):
        return _knotted(_inside(element, partial(fold, marks=marks)), marks)
    return _unmarked(element)


@lru_cache(maxsize=4096)
def _unmarked(element: Element) -> Element:
    return _knotted(_inside(element, fold), {})


def _knotted(element: Element, marks: Mapping[Node, str]) -> Element:
    """A tangle with what comes again and again as one; so too what uses the same weights abreast."""
    if isinstance(element, Parallel):
        return _side_by_side(element, marks)
    if not isinstance(element, Tangle):
        return element
    loose = loosened(element, lambda item: True)
    keys = [(signature(item), _marks_of(item, marks)) for item in loose.items]
    folded = repeated(loose, keys, _alike)
    links = [*zip(folded.edges, folded.ports, strict=True)]
    return _with_abreast(knot(folded.items, links, folded.entries, folded.exits), marks)


def _with_abreast(tangle: Tangle, marks: Mapping[Node, str]) -> Tangle:
    """A tangle in which blocks that do the same with the same weights side by side are one."""
    chains = [item.items if isinstance(item, Series) else (item,) for item in tangle.items]
    keys = Counter(key for chain in chains for item in chain if (key := _shared(item, marks)))
    several = {key for key, count in keys.items() if count >= FEWEST}
    if not several:
        return tangle
    loose = loosened(tangle, lambda item: _shared(item, marks) in several)
    found = together(loose, [_shared(item, marks) for item in loose.items], _abreast)
    links = [*zip(found.edges, found.ports, strict=True)]
    return knot(found.items, links, found.entries, found.exits)


def _shared(element: Element, marks: Mapping[Node, str]) -> object:
    """Equal for blocks that do the same with the same weights; None of what has no weights."""
    if not marks or not isinstance(element, Block):
        return None
    owners = tuple(n.owner for n in element.nodes if n.op.weights(*n.input_types))
    return (signature(element), owners, _marks_of(element, marks)) if owners else None


def _abreast(copies: Sequence[Element]) -> Repeat:
    return Repeat(copies[0], len(copies), "one for each input", (*copies,), abreast=True)


def _side_by_side(parallel: Parallel, marks: Mapping[Node, str]) -> Parallel:
    """Branches with one branch in place of those that are the same block with the same weights."""
    alone = [b.items[0] if len(b.items) == 1 and not b.asides else None for b in parallel.branches]
    keys = [item and _shared(item, marks) for item in alone]
    if len(keys) < FEWEST or keys[0] is None or any(key != keys[0] for key in keys):
        return parallel
    return replace(parallel, branches=(Series((_abreast([item for item in alone if item]),)),))


def _alike(element: Element, copies: Sequence[Element], count: int, others: int) -> Repeat:
    besides = f"the {others} other inputs" if others > 1 else "the other input"
    return Repeat(element, count, f"each reads {besides} too" if others else "", (*copies,))


def shortened(series: Series) -> Series:
    """The series with the middle of long chains left out, at every level."""
    items = tuple(_inside(item, shortened) for item in series.items)
    spare = len(items) - 2 * _KEPT
    if spare < _KEPT or series.arcs or series.asides or series.makers:
        return replace(series, items=items)
    left_out = tuple(node for item in items[_KEPT:-_KEPT] for node in nodes_of(item))
    return Series((*items[:_KEPT], Omitted(left_out), *items[-_KEPT:]))


def _inside(element: Element, change: Callable[[Series], Series]) -> Element:
    match element:
        case Block():
            return replace(element, body=change(element.body))
        case Series():
            return change(element)
        case Parallel():
            return replace(element, branches=tuple(change(b) for b in element.branches))
        case Tangle():
            return replace(element, items=tuple(_inside(item, change) for item in element.items))
        case Repeat():
            return replace(element, element=_inside(element.element, change))
    return element


class _Runs:
    """Runs of equal elements in a series, asked for from its start to its end."""

    def __init__(
        self, items: tuple[Element, ...], series: Series, marks: Mapping[Node, str]
    ) -> None:
        self.items = items
        self.marked = [_marks_of(item, marks) for item in items]
        self.keys = [
            (signature(item), marked, _borrows(item) if marks else ())
            for item, marked in zip(items, self.marked, strict=True)
        ]
        self.arcs = sorted(series.arcs)
        # Only the last copy of a repeat may be read from aside, only the first may read so.
        self.left = sorted({*(a for a, _ in self.arcs), *(i for i, _ in series.asides)})
        self.entered = sorted({b for _, b in self.arcs})
        self.same = list(range(1, len(items) + 1))
        for i in reversed(range(len(items) - 1)):
            if self.keys[i] == self.keys[i + 1]:
                self.same[i] = self.same[i + 1]
        self.unruly = 0

    def at(self, at: int) -> tuple[int, int, str]:
        """The period, the count and the note of the repeat that starts here; count 1 if none."""
        if self.arcs and not isinstance(self.items[at], Block):
            return 1, 1, ""
        longest = 1 if self.arcs else LONGEST
        period, count = in_turn(self.keys, at, self.same[at] - at, longest)
        note = None
        if count == 1 and at + 1 < len(self.items) and self._alike(at):
            note = difference(self.items[at], self.items[at + 1])
            if note is not None:
                count = self.same[at + 1] - at
        reads, count = self._connected(at, period, count)
        if count <= min(period, 2):
            return 1, 1, ""
        return period, count, "; ".join(filter(None, (reads, note)))

    def _alike(self, at: int) -> bool:
        """Whether an element and the next are marked as a whole and the same, or not at all."""
        ours, theirs = set(self.marked[at]), set(self.marked[at + 1])
        return ours == theirs and len(ours) < 2

    def _connected(self, at: int, period: int, count: int) -> tuple[str, int]:
        """How connections inside a run read in words, and how many copies they allow."""
        end = at + period * count
        if count > 1 and at >= self.unruly:
            near = self.arcs[bisect_left(self.arcs, (at, 0)) : bisect_left(self.arcs, (end, 0))]
            inside = {(a, b) for a, b in near if b < end}
            reads = _ladder(at, count, inside)
            if reads:
                return reads, count
            # Nothing that starts before the last of these connections follows a rule either.
            self.unruly = max((a + 1 for a, _ in inside), default=at)
        left, entered = bisect_left(self.left, at), bisect_right(self.entered, at)
        ends = [end, *(a + 1 for a in self.left[left : left + 1])]
        ends += self.entered[entered : entered + 1]
        return "", max(1, (min(ends) - at) // period)


def _marks_of(element: Element, marks: Mapping[Node, str]) -> tuple[str, ...]:
    """The marks of an element's nodes; none where no node is marked."""
    nodes = nodes_of(element) if marks else ()
    if marks.keys().isdisjoint(nodes):
        return ()
    return tuple(marks.get(node, "") for node in nodes)


def _borrows(element: Element) -> tuple[bool, ...]:
    """Which layers use the weights of others; a block that does is like the one whose it uses.

    Its card says so of all copies, where layers say whose weights they are.
    """
    if isinstance(element, Block):
        return ()
    return tuple(node.owner != node.path for node in nodes_of(element))


def _ladder(at: int, count: int, inside: set[tuple[int, int]]) -> str | None:
    """How the arcs inside a run read in words; None where they follow no rule."""
    if not inside:
        return ""
    if inside == {(i, i + 2) for i in range(at, at + count - 2)}:
        return "each also reads the one before the last"
    if 2 * len(inside) == (count - 1) * (count - 2):
        return "each reads all before it"
    return None


@lru_cache(maxsize=4096)
def signature(element: Element) -> object:
    """Equal for elements that do the same, whatever the sizes of what flows in."""
    match element:
        case Step():
            return tuple(_says(node) for node in element.nodes), element.told
        case Block():
            return (element.call.block, signature(element.body))
        case Series():
            return (tuple(signature(item) for item in element.items), element.arcs)
        case Parallel():
            join = signature(element.join) if element.join else None
            return ("parallel", tuple(signature(b) for b in element.branches), join)
        case Tangle():
            return (
                "tangle",
                tuple(signature(item) for item in element.items),
                element.edges,
                element.ports,
            )
        case Repeat():
            return ("repeat", element.count, element.note, signature(element.element))
        case Omitted():
            return ("omitted", element.nodes)
    return ("port", element.number)


def _says(node: Node) -> object:
    # An input is like no other layer, so that two inputs of a net stay apart. Fully connected
    # layers of one width are not alike where one of them reads a whole map.
    reads = node.input_types if family(node.op) == "fc" else ()
    return (
        (_does(node.op) if node.inputs else node.path),
        reads,
        node.frozen,
    )


def _does(op: Operator) -> object:
    """What an operator is told, but how its weights start, and the rates of stochastic depth.

    Those grow from layer to layer.
    """
    if isinstance(op, DropPath):
        return DropPath
    told = (v for k, v in op.__dict__.items() if not isinstance(op.params[k], SchemeParam))
    return type(op), *told


def difference(first: Element, rest: Element) -> str | None:
    """How the first of a run differs from the others; None if they are not of one kind."""
    if not (isinstance(first, Block) and isinstance(rest, Block)):
        return None
    if first.call.block != rest.call.block or first.type.shape != rest.type.shape:
        return None
    ours, theirs = _major(first), _major(rest)
    notes: dict[str, None] = {}
    widths = False
    for name in sorted(set(ours) | set(theirs), key=lambda key: (key not in theirs, key)):
        mine, other = ours.get(name), theirs.get(name)
        if other is None and mine is not None:
            notes[f"+ {_role(mine)}"] = None
        elif mine is None and other is not None:
            notes[f"no {_role(other)}"] = None
        elif mine is not None and other is not None and label(mine) != label(other):
            stride = _stride(mine)
            if stride != _stride(other):
                notes[stride] = None
            widths = widths or _width(mine) != _width(other)
            if stride == _stride(other) and _width(mine) == _width(other):
                # It does something else, as Swin's attention in windows that are not shifted.
                notes[label(mine)] = None
    if widths and not _extends(first.call, rest.call):
        return None
    if not notes and not widths:
        notes = dict.fromkeys(_minor_notes(first, rest))
        if not notes:
            return "first differs"
    order = sorted(notes, key=lambda note: not note.startswith("/"))
    if len(order) > _MOST_NOTES:
        return "first differs"
    return "first: " + ", ".join(order) if order else ""


def _minor_notes(first: Block, rest: Block) -> list[str]:
    """What normalises or activates in one of them alone."""
    mine, other = (Counter(_minor_tags(block)) for block in (first, rest))
    return [f"+ {name}" for name in mine - other] + [f"no {name}" for name in other - mine]


def _minor_tags(block: Block) -> list[str]:
    return [tag(n) for n in nodes_of(block) if family(n.op) == "minor"]


def _extends(first: Call, rest: Call) -> bool:
    """Whether the first call says all that the others say, and perhaps a stride more."""
    return first.arguments == rest.arguments or first.arguments.startswith(rest.arguments + ",")


def _major(block: Block) -> dict[str, Node]:
    inside = len(block.path) + 1
    kept = (n for n in nodes_of(block) if family(n.op) != "minor")
    return {node.path[inside:]: node for node in kept}


def _stride(node: Node) -> str:
    stride = node.op.__dict__.get("stride", 1)
    if stride == 1:
        return "stride 1"
    return "/" + ("×".join(map(str, stride)) if isinstance(stride, tuple) else str(stride))


def _width(node: Node) -> object:
    return node.op.__dict__.get("width")


def _role(node: Node) -> str:
    """What an extra layer is for: the inline block that made it, or what it is."""
    for call in node.call.ancestors() if node.call else ():
        if call.component is not None:
            break
        if call.block != "residual":
            return call.block
    return {"add": "shortcut"}.get(spelling(node.op), spelling(node.op))


__all__ = ["difference", "fold", "signature"]

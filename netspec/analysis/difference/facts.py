"""What differs between two aligned graphs, node by node: what steps are told and read, what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netspec.analysis.difference.marks import Side, is_unordered, schemes, told
from netspec.analysis.difference.pairing import Alignment, made_from
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node, Value
from netspec.graph.same import WINDOW as _WINDOW
from netspec.ops.declare.source import Input
from netspec.ops.spatial.pool import AvgPool
from netspec.ops.vectors.sources import Repeat


@record
class Told:
    """A step of both is told something else: the parameter, and both values."""

    x: Node
    y: Node
    name: str


@record
class Became:
    """A step of both does something else."""

    x: Node
    y: Node


@record
class Reads:
    """A step of both reads other tensors: what it read, and what it reads in their place."""

    x: Node
    y: Node
    before: tuple[Value, ...]
    after: tuple[Value, ...]


@record
class Trained:
    """A step of both is frozen in one of them, or shares its weights otherwise."""

    x: Node
    y: Node


@record
class Fed:
    """An input of both has another name or another type."""

    x: Node
    y: Node


@record
class Only:
    """A step, or all that a block call makes, that only one graph has; `new` where the second has it."""

    item: Node | Call
    nodes: tuple[Node, ...]
    new: bool


Fact = Told | Became | Reads | Trained | Fed | Only


def facts(found: Alignment) -> tuple[Fact, ...]:
    """Every fact in the order of the nodes, those of the second graph first."""
    listed: list[Fact] = []
    for y in found.b.graph.nodes:
        x = found.back.get(y)
        if x is not None and not isinstance(x.op, Input):
            listed += _of_pair(found, x, y)
        elif x is not None and (x.path, x.types) != (y.path, y.types):
            listed.append(Fed(x, y))
    listed += _only(found.b, found.back, new=True)
    listed += _only(found.a, found.ahead, new=False)
    return tuple(listed)


def _of_pair(found: Alignment, x: Node, y: Node) -> Iterator[Fact]:
    if type(x.op) is not type(y.op):
        yield Became(x, y)
    else:
        yield from told_otherwise(x, y, found.starts)
    shared = found.a.owners[x.owner], found.b.owners[y.owner]
    if x.frozen != y.frozen or not (
        found.ahead.get(shared[0]) is shared[1] or (x.owner == x.path and y.owner == y.path)
    ):
        yield Trained(x, y)
    before, after = _read(found, x, y)
    if before or after:
        yield Reads(x, y, before, after)


def told_otherwise(x: Node, y: Node, starts: bool) -> Iterator[Told]:
    """What two steps of one kind are told otherwise; with `starts` also how their weights start."""
    mine, other = told(x.op), told(y.op)
    alike = _alike_in_windows(x, y)
    if not any(node.input_types[0].spatial for node in (x, y)):
        # All of a vector are its channels.
        alike.add("over")
    for name in mine:
        if mine[name] != other[name] and name not in alike:
            yield Told(x, y, name)
    start = schemes(x.op), schemes(y.op)
    if starts:
        yield from (Told(x, y, name) for name in start[0] if start[0][name] != start[1][name])


def _alike_in_windows(x: Node, y: Node) -> set[str]:
    """What comes to the same in two windows, however it is said: `pad=same` of a 3x3 kernel is `pad=1`."""
    mine, other = x.op.window(*x.input_types), y.op.window(*y.input_types)
    if mine is None or other is None:
        return set()
    whole = {*_WINDOW, "ceil"}
    if mine == other:
        return whole
    one, two = mine.window(), other.window()
    parts = ("kernel", "stride", "dilation")
    # What an average is divided by depends on how its border came to be.
    if not isinstance(x.op, AvgPool):
        # As many that start at the same places of the same map are the same, whatever pads it behind.
        maps = [(node.input_types[0].spatial, node.types[0].spatial) for node in (x, y)]
        if one == two and maps[0] == maps[1]:
            return whole
    return {name for name in parts if getattr(one, name) == getattr(two, name)}


def _read(found: Alignment, x: Node, y: Node) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """What a step reads otherwise, but for what follows from steps that only one graph has."""
    mine = [_counterparts(v, found) for v in x.inputs]
    theirs = [_sources(w, found) for w in y.inputs]
    if len(mine) == len(theirs) and not is_unordered(x.op):
        wrong = [i for i in range(len(mine)) if not mine[i] & theirs[i]]
        return tuple(x.inputs[i] for i in wrong), tuple(y.inputs[i] for i in wrong)
    left, right = list(range(len(mine))), list(range(len(theirs)))
    met: list[tuple[int, int]] = []
    for exact in (True, False):
        for i in list(left):
            one = x.inputs[i], mine[i]
            fits = (j for j in right if _meet(one, (y.inputs[j], theirs[j]), found, exact))
            if (match := next(fits, None)) is not None:
                left.remove(i)
                right.remove(match)
                met += [(i, match)] if exact else []
    # Branches that only one graph has are said where they are.
    kept = tuple(x.inputs[i] for i in left if x.inputs[i].node in found.ahead)
    come = tuple(y.inputs[j] for j in right if y.inputs[j].node in found.back)
    order = [j for _, j in sorted(met)]
    if not (kept or come or is_unordered(x.op)) and order != sorted(order):
        return tuple(x.inputs[i] for i, _ in sorted(met)), tuple(y.inputs[j] for j in sorted(order))
    return kept, come


def _meet(
    one: tuple[Value, set[Value]], other: tuple[Value, set[Value]], found: Alignment, exact: bool
) -> bool:
    """Whether two inputs are the same tensor; or else, made of the same."""
    if exact:
        return one[0].node in found.ahead and one[1] == {other[0]}
    return bool(one[1] & other[1])


def made_of(found: Alignment, value: Value, other: Value) -> bool:
    """Whether a tensor of the first graph is one of the second, but for steps that only one has."""
    return bool(_counterparts(value, found) & _sources(other, found))


def _counterparts(value: Value, found: Alignment) -> set[Value]:
    """The tensors of the second graph that a tensor of the first is made of."""
    return {Value(found.ahead[v.node], v.index) for v in made_from(value, found.ahead)}


def _sources(value: Value, found: Alignment) -> set[Value]:
    return set(made_from(value, found.back))


def _only(side: Side, paired: dict[Node, Node], *, new: bool) -> Iterator[Only]:
    """What only one graph has: whole block calls as one, but for copies that a merge made of a row."""
    left = {node for node in side.graph.nodes if node not in paired}
    whole = {call: all(n in left for n in nodes) for call, nodes in side.inside.items()}
    seen: set[Call] = set()
    for node in side.graph.nodes:
        if node not in left or isinstance(node.op, Repeat):
            continue
        outermost = None
        for call in node.call.ancestors() if node.call else ():
            if not whole[call]:
                break
            outermost = call
        if outermost is None:
            yield Only(node, (node,), new)
        elif outermost not in seen:
            seen.add(outermost)
            yield Only(outermost, tuple(side.inside[outermost]), new)


def paths(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The nodes' paths, in order, each once."""
    return tuple(dict.fromkeys(node.path for node in nodes))

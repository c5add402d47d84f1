"""Blocks that use the tensors of another block: they are called as that one's module is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netspec.backends.torch.levels import Level, Levels
from netspec.foundation.records import changed
from netspec.graph.checked import Graph, Head, Node, Output, Value
from netspec.ops.declare.operator import Operator


class Twins:
    """Which blocks of a net's `levels` are others once more, with the same tensors."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self._by_path = {level.path: level for level in every(levels.root)}
        self._nodes = {node.path: node for node in levels.graph.nodes}
        self._like: dict[Level, Level | None] = {}
        self._of: dict[Level, Level | None] = {}

    def of(self, level: Level) -> Level | None:
        """The block whose module stands for this one too; None where there is none."""
        if level not in self._of:
            twin = self.like(level)
            self._of[level] = twin if twin is not None and self._fits(level, twin) else None
        return self._of[level]

    def _fits(self, level: Level, twin: Level) -> bool:
        stands = _counterparts(level, twin)
        if stands is None:
            return False
        # What is read of it has to be what the other one's class gives.
        given = {stands[value] for value in self._levels.boundary(twin)[1]}
        return given.issuperset(self._levels.boundary(level)[1])

    def like(self, level: Level) -> Level | None:
        """The block beside this one whose tensors are all that this one uses, if it holds the same steps."""
        if level not in self._like:
            self._like[level] = self._found(level)
        return self._like[level]

    def _found(self, level: Level) -> Level | None:
        weighted = [node for node in level.nodes() if node.op.weights(*node.input_types)]
        if not weighted or any(node.owner == node.path for node in weighted):
            return None
        inside = weighted[0].path.removeprefix(f"{level.path}.")
        path = weighted[0].owner.removesuffix(f".{inside}")
        twin = self._by_path.get(path)
        around = level.path.rpartition(".")[0]
        if twin is None or twin is level or path.rpartition(".")[0] != around:
            # One whose tensors are a further one's may stand beside it.
            twin = self._beside(level, weighted[0].owner, inside)
        return twin if twin is not None and _alike(level, twin) else None

    def ends(self, level: Level) -> tuple[list[Value], list[Value]]:
        """What a block takes and gives, in order: as its twin does, if it has one."""
        twin = self.of(level)
        if twin is None:
            return self._levels.boundary(level)
        stands = _counterparts(level, twin) or {}
        reads, writes = self._levels.boundary(twin)
        return [stands[value] for value in reads], [stands[value] for value in writes]

    def _beside(self, level: Level, owner: str, inside: str) -> Level | None:
        around = level.path.rpartition(".")[0]
        for path, other in self._by_path.items():
            if path == level.path:
                return None
            if path and path.rpartition(".")[0] == around:
                node = self._nodes.get(f"{path}.{inside}")
                if node is not None and node.owner == owner:
                    return other
        return None


class _Again(Operator):
    """A tensor once more, where a class takes or gives one that this call has under another name."""

    batches = "own"

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0]


def told_apart(graph: Graph) -> Graph:
    """The graph, in which what a block takes and gives is what any that uses its tensors does.

    Where one tensor is read in two places, and a block that uses the same tensors reads two there, it is two
    for both; what is read of that one alone is given by both.
    """
    levels = Levels(graph)
    twins = Twins(levels)
    families: dict[str, list[Level]] = {}
    for level in every(levels.root):
        twin = twins.like(level)
        if twin is not None and twins.of(level) is None:
            families.setdefault(twin.path, [twin]).append(level)
    before: dict[Node, list[_More]] = {}
    after: dict[Node, list[_More]] = {}
    for family in families.values():
        for more in _more(levels, family):
            nodes = family[0].nodes()
            if more.places:
                before.setdefault(nodes[0], []).append(more)
            else:
                after.setdefault(nodes[-1], []).append(more)
    return _with_more(graph, before, after) if before or after else graph


class _More:
    """A tensor once more: for inputs of a block's nodes, by node and number, or for what is around it."""

    def __init__(self, value: Value, level: Level, places: list[tuple[Node, int]]) -> None:
        self.value, self.level, self.places = value, level, places


def _more(levels: Levels, family: list[Level]) -> Iterator[_More]:
    """What the first of a family has to take and give besides."""
    first = family[0]
    inside = set(first.nodes())
    rows = list(zip(*(level.nodes() for level in family), strict=True))
    seen: dict[Value, tuple[Value, ...]] = {}
    further: dict[tuple[Value, ...], _More] = {}
    for row in rows:
        for i, values in enumerate(zip(*(node.inputs for node in row), strict=True)):
            if values[0].node in inside or seen.setdefault(values[0], values) == values:
                continue
            more = further.setdefault(values, _More(values[0], first, []))
            more.places.append((row[0], i))
    yield from further.values()
    ends = [set(levels.boundary(level)[1]) for level in family]
    for row in rows:
        for values in zip(*(node.outputs for node in row), strict=True):
            if values[0] not in ends[0] and any(map(set.__contains__, ends, values)):
                yield _More(values[0], first, [])


def _with_more(
    graph: Graph, before: dict[Node, list[_More]], after: dict[Node, list[_More]]
) -> Graph:
    nodes: list[Node] = []
    now: dict[Value, Value] = {}
    instead: dict[tuple[Node, int], Value] = {}
    taken = {node.path for node in graph.nodes}

    def add(more: _More) -> None:
        around = more.level.path.rpartition(".")[0]
        prefix = f"{around}." if around else ""
        path = next(
            p for p in (f"{prefix}again{i}" for i in range(1, 2 + len(taken))) if p not in taken
        )
        taken.add(path)
        call, like = more.level.call, more.level.nodes()[0]
        assert call is not None
        made = changed(
            like,
            index=len(nodes),
            op=_AGAIN,
            inputs=(now[more.value],),
            types=(more.value.type,),
            path=path,
            owner=path,
            call=call.parent,
        )
        nodes.append(made)
        instead.update(dict.fromkeys(more.places, made.output))

    for node in graph.nodes:
        for more in before.get(node, ()):
            add(more)
        inputs = tuple(instead.get((node, i)) or now[v] for i, v in enumerate(node.inputs))
        made = changed(node, inputs=inputs, index=len(nodes))
        nodes.append(made)
        now |= zip(node.outputs, made.outputs, strict=True)
        for more in after.get(node, ()):
            add(more)
    outputs = tuple(Output(out.name, now[out.value], out.tap) for out in graph.outputs)
    heads = tuple(Head(head.name, now[head.value], head.loss) for head in graph.heads)
    begun = tuple(now[node.output].node for node in graph.inputs)
    return graph.replace(nodes=tuple(nodes), outputs=outputs, heads=heads, inputs=begun)


_AGAIN = _Again()


def every(level: Level, but: Callable[[Level], bool] = lambda level: False) -> Iterator[Level]:
    """A level and those in it, inner ones first; some are left out, and what is in them."""
    for item in level.items.values():
        if isinstance(item, Level) and not but(item):
            yield from every(item, but)
    yield level


def _counterparts(level: Level, twin: Level) -> dict[Value, Value] | None:
    """What stands in a block for the values of its twin; None where two things stand for one."""
    found: dict[Value, Value] = {}
    for own, other in zip(_own(level), _own(twin), strict=True):
        pairs = zip((*other.inputs, *other.outputs), (*own.inputs, *own.outputs), strict=True)
        if any(found.setdefault(key, value) != value for key, value in pairs):
            return None
    return found


def _own(level: Level) -> list[Node]:
    """The nodes of a block but for what only names a tensor again."""
    return [node for node in level.nodes() if node.op is not _AGAIN]


def _alike(one: Level, other: Level) -> bool:
    """Whether two blocks hold the same steps by the same names."""
    mine, theirs = (
        {
            name: item
            for name, item in level.items.items()
            if getattr(item, "op", None) is not _AGAIN
        }
        for level in (one, other)
    )
    if one.kind != other.kind or list(mine) != list(theirs):
        return False
    for a, b in zip(mine.values(), theirs.values(), strict=True):
        if isinstance(a, Level) or isinstance(b, Level):
            if not (isinstance(a, Level) and isinstance(b, Level) and _alike(a, b)):
                return False
        elif a.op is not b.op or len(a.inputs) != len(b.inputs):
            return False
    return True

"""The net with inner steps as further outputs, each called after its path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import count

from netspec.diagnostics.messages.backends import BadTap, UnknownTap
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest, renew_budget
from netspec.graph.checked import Graph, Node, Output, Value
from netspec.graph.loops import Loop, around, loops
from netspec.ops.arranging.recurrence import All
from netspec.ops.declare.source import Input

# Parts of a block that are named where a path ends wrong.
_SHOWN = 8


def tapped(graph: Graph, paths: Iterable[str]) -> Graph:
    """The graph with what these paths name as outputs, behind its own.

    A path is a step's, which gives what that step alone computes; or a block's, or a name given with
    `as`, which give what flows on from there. `*` stands for any part of one component. A wire of
    several tensors gives `path.1`, `path.2` and so on; what a step of a recurrence makes is joined along
    time. Of an unchecked path raises NetspecError. Made before any pass, so that each sees what is
    wanted; where a step is dropped, what flows into it stands in.
    """
    wanted = list(dict.fromkeys(paths))
    if not wanted:
        return graph
    known = _known(graph)
    found: dict[str, Value] = {}
    for path in wanted:
        for name in _matching(path, known):
            values = known[name]
            several = len(values) > 1
            found |= {f"{name}.{i}" if several else name: v for i, v in enumerate(values, 1)}
    taken = {output.name: output.value for output in graph.outputs}
    taken |= {head.name: head.value for head in graph.heads}
    added = []
    joining = _Joining(graph)
    for name, value in found.items():
        if name not in taken:
            added.append(Output(name, joining.whole(value), tap=True))
        elif taken[name] != value:
            raise NetspecError(BadTap(name, "an output of that name is another step's"), status=2)
    nodes = (*graph.nodes, *joining.nodes)
    return graph.replace(nodes=nodes, outputs=(*graph.outputs, *added))


class _Joining:
    """What joins along time what the steps of recurrences make, for those who look from outside."""

    def __init__(self, graph: Graph) -> None:
        self._around = around(graph)
        self._loops = {loop.each: loop for loop in loops(graph)}
        self._paths = {node.path for node in graph.nodes}
        self._count = len(graph.nodes)
        self.nodes: list[Node] = []

    def whole(self, value: Value) -> Value:
        """A value of a step as all of them along time, of recurrences inside others innermost first."""
        begun = self._around.get(value.node, ())
        if value.node in self._loops:
            begun = (*begun, value.node)
        for each in reversed(begun):
            value = self._joined(self._loops[each], value)
        return value

    def _joined(self, loop: Loop, value: Value) -> Value:
        op, inputs = All(), (value, loop.each.inputs[0], loop.last.output)
        prefix = loop.each.path.rpartition(".")[0]
        numbered = (f"{prefix}.{op.spelling}{number}" for number in count(1))
        path = next(path for path in numbered if path not in self._paths)
        self._paths.add(path)
        node = replace(
            loop.last,
            index=self._count + len(self.nodes),
            op=op,
            inputs=inputs,
            types=(op.infer(*(one.type for one in inputs)),),
            path=path,
            owner=path,
        )
        self.nodes.append(node)
        return node.output


def _known(graph: Graph) -> dict[str, tuple[Value, ...]]:
    """By path or name, what can be tapped; a step's own path comes first."""
    steps = [node for node in graph.nodes if not isinstance(node.op, Input)]
    inputs = {node.path for node in graph.inputs}
    named = {name: wire for name, wire in graph.names.items() if name not in inputs}
    return {**named, **graph.results, **{node.path: _carried(node) for node in steps}}


def _carried(node: Node) -> tuple[Value, ...]:
    """What flows on from a node: not, for one, the places of a pooling's maxima."""
    return node.outputs[: node.op.carried]


def _matching(path: str, known: dict[str, tuple[Value, ...]]) -> Iterator[str]:
    if path in known:
        yield path
        return
    parts, count = path.split("."), 0
    if "*" in path:
        for name in known:
            own = name.split(".")
            if len(own) == len(parts) and all(map(fnmatchcase, own, parts)):
                count += 1
                yield name
    if not count:
        raise NetspecError(UnknownTap(path, _advice(path, known)), status=2)


def _advice(path: str, known: dict[str, tuple[Value, ...]]) -> str:
    renew_budget()
    near = closest(path, known)
    if near:
        return f"did you mean {near}?"
    parts = path.split(".")
    around = next(i for i in range(len(parts) - 1, -1, -1) if not i or ".".join(parts[:i]) in known)
    inside = (name.split(".") for name in known)
    inner = list(dict.fromkeys(n[around] for n in inside if n[:around] == parts[:around] != n))
    where = f"in `{'.'.join(parts[:around])}` there are" if around else "there are"
    return f"{where} {', '.join(inner[:_SHOWN])}{', ...' if len(inner) > _SHOWN else ''}"

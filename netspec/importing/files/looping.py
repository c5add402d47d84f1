"""Loops: the nodes of a step once, between a node that begins it and those that end it and join its tensors.

`Scan`, and `Loop` whose number of passes is known and that takes what it reads at the place of the pass, run
over sequences. `Loop` that counts otherwise is written out, pass after pass, where these are few.

`loop.Each` reads sequences, `axes` says along which axis each, and what the states start from; it gives a
step of each and the states. `loop.Last` reads what the states are in the next step, and a step; it gives what
they are after the last. `loop.All` reads what steps make, a sequence and what `loop.Last` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TypeProto, helper

from netspec.foundation.records import record
from netspec.importing.files.adding import Adding, NoLoop
from netspec.importing.files.lists import item_of, pieces
from netspec.importing.files.program import Node
from netspec.importing.files.scoping import scopes_of

EACH, LAST, ALL = "loop.Each", "loop.Last", "loop.All"
# The attributes that say why a loop is not read, and what the file has in the place of a node.
UNREAD, KIND = "why", "kind"
LOOPS = frozenset({"Scan", "Loop"})
LISTS = frozenset(
    {
        "SequenceEmpty",
        "SequenceConstruct",
        "SequenceInsert",
        "ConcatFromSequence",
        "SplitToSequence",
    }
)
# Passes that are written out, and nodes that all loops of a file come to.
_MOST, _MOST_NODES = 64, 20_000
# What only moves the count of passes.
_MOVES = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_ENDLESS = 2**31


@record
class Count:
    """The number of the pass times `by`, and `plus`, as a tensor of so many axes of one place."""

    loop: Any
    by: int
    plus: int
    rank: int


@record(eq=False, frozen=False)
class _Loop:
    """One loop while its nodes are added: its sequences, the tensors of a step and of all by these."""

    name: str
    passes: int
    steps: dict[tuple[str, int, int, int], str]
    before: frozenset[str]
    given: dict[str, str]


@record(eq=False)
class _Joined:
    """A list of what all steps of a loop made."""

    made: str
    sequence: str
    last: str
    passes: int
    name: str
    kind: str
    scopes: Any


_Items = _Joined | tuple[str, ...]


class Loops:
    """Adds loops, and lists that they make, to the nodes of a file."""

    def __init__(self, to: Adding) -> None:
        self.to = to
        self.counts: dict[str, Count] = {}
        self.lists: dict[str, _Items] = {}
        # How many loops the node at hand stands in, and how many nodes of loops there have been.
        self.depth = self.ran = 0

    def has(self, proto: NodeProto, inputs: Sequence[str]) -> bool:
        """Whether a node is a loop, counts passes, or makes or reads a list."""
        known = (self.counts, self.lists)
        return proto.op_type in LOOPS | LISTS or any(n in names for n in inputs for names in known)

    def add(self, proto: NodeProto, inputs: Sequence[str]) -> NoLoop | None:
        """Adds such a node; why it is not read where it is not."""
        try:
            if proto.op_type in LOOPS:
                (self._scan if proto.op_type == "Scan" else self._loop)(proto, inputs)
            elif not self.counts.keys().isdisjoint(inputs):
                self._counted(proto, inputs)
            else:
                self._listed(proto, inputs)
        except NoLoop as problem:
            return problem
        return None

    # loops

    def _scan(self, proto: NodeProto, inputs: Sequence[str]) -> None:
        given = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        body, many = given["body"], given.get("num_scan_inputs", 0)
        count = len(inputs) - many
        if not 0 < many <= len(inputs) or len(body.input) != len(inputs):
            raise NoLoop("a loop that is not as ONNX has it")
        outs = len(body.output) - count
        axes = list(given.get("scan_input_axes", [0] * many))
        ways = list(given.get("scan_input_directions", [0] * many))
        sizes = [self._size(name) for name in inputs[count:]]
        axes = [axis % len(size) for axis, size in zip(axes, sizes, strict=True)]
        lengths = {size[axis] for axis, size in zip(axes, sizes, strict=True)}
        if len(lengths) != 1:
            raise NoLoop("a loop over sequences of other lengths than each other")
        graph = renamed(body, f" of {proto.output[0]}")
        steps = [item.name for item in graph.input[count:]]
        loop = self._begun(proto, lengths.pop())
        for name, axis, way, step in zip(inputs[count:], axes, ways, steps, strict=True):
            self._step(loop, name, axis, -1 if way else 1, loop.passes - 1 if way else 0, step)
        states = [item.name for item in graph.input[:count]]
        at = len(self.to.nodes)
        self._states(states, inputs[:count])
        self._run(graph)
        ends = [self.to.real(item.name) for item in graph.output]
        axes = list(given.get("scan_output_axes", [0] * outs))
        ways = list(given.get("scan_output_directions", [0] * outs))
        last = self._closed(proto, loop, at, inputs[:count], states, ends[:count])
        for made, out, axis, way in zip(
            ends[count:], proto.output[count:], axes, ways, strict=True
        ):
            if out:
                self._joined(proto, loop, last, made, out, axis, backwards=bool(way))

    def _loop(self, proto: NodeProto, inputs: Sequence[str]) -> None:
        body = next(a.g for a in proto.attribute if a.name == "body")
        most, going, *starts = (*inputs, "", "")[: max(2, len(inputs))]
        passes = self.to.constants.get(most)
        if passes is None or passes.size != 1:
            raise NoLoop("a loop that ends when what it computes says so")
        if going and not self._true(going):
            raise NoLoop("a loop that may not begin")
        if len(body.input) != 2 + len(starts) or len(body.output) <= len(starts):
            raise NoLoop("a loop that is not as ONNX has it")
        count, saved = int(passes.item()), len(self.to.nodes)
        try:
            self._rolled(proto, body, count, starts)
        except NoLoop:
            if not 0 < count <= _MOST:
                raise
            del self.to.nodes[saved:]
            self._written_out(proto, body, count, starts)

    def _rolled(self, proto: NodeProto, body: GraphProto, passes: int, starts: list[str]) -> None:
        graph = renamed(body, f" of {proto.output[0] or proto.name}")
        number, going, *states = (item.name for item in graph.input)
        loop = self._begun(proto, passes)
        self.counts[number] = Count(loop, 1, 0, 0)
        self.to.constants[going] = np.asarray(True)
        at = len(self.to.nodes)
        lists = [i for i, start in enumerate(starts) if start in self.lists]
        plain = [i for i in range(len(starts)) if i not in lists]
        for i in lists:
            if self.lists[starts[i]] != ():
                raise NoLoop("a loop that adds to a list")
            self.lists[states[i]] = ()
        self._states([states[i] for i in plain], [starts[i] for i in plain])
        self._run(graph)
        if not self._true(self.to.real(graph.output[0].name)):
            raise NoLoop("a loop that ends when what it computes says so")
        ends = [self.to.real(item.name) for item in graph.output[1:]]
        if not loop.steps:
            raise NoLoop(f"a loop of {passes:,} passes that goes over no tensor")
        added = {i: self.lists.get(ends[i]) for i in lists}
        if not all(isinstance(found, tuple) and len(found) == 1 for found in added.values()):
            raise NoLoop("a loop that does not add one tensor to each list")
        named = NodeProto(name=proto.name, op_type=proto.op_type)
        named.metadata_props.extend(proto.metadata_props)
        named.output.extend(proto.output[i] for i in plain)
        last = self._closed(
            named, loop, at, [starts[i] for i in plain], [states[i] for i in plain],
            [ends[i] for i in plain],
        )  # fmt: skip
        sequence = self._first(loop)
        for i, found in added.items():
            assert isinstance(found, tuple)
            self.lists[proto.output[i]] = _Joined(
                found[0], sequence, last, passes, proto.name, proto.op_type, scopes_of(proto)
            )
        for made, out in zip(ends[len(starts) :], proto.output[len(starts) :], strict=True):
            if out:
                self._joined(proto, loop, last, made, out, 0)

    def _written_out(
        self, proto: NodeProto, body: GraphProto, passes: int, starts: list[str]
    ) -> None:
        count, states = len(starts), list(starts)
        made: list[list[str]] = [[] for _ in body.output[1 + count :]]
        for i in range(passes):
            graph = renamed(body, f" {i} of {proto.output[0] or proto.name}")
            number, going, *inner = (item.name for item in graph.input)
            self.to.constants[number] = np.asarray(i, np.int64)
            self.to.constants[going] = np.asarray(True)
            for name, state in zip(inner, states, strict=True):
                self._alias(name, state)
            self._run(graph)
            again, *ends = (self.to.real(item.name) for item in graph.output)
            if not self._true(again):
                raise NoLoop("a loop that ends when what it computes says so")
            states = ends[:count]
            for every, end in zip(made, ends[count:], strict=True):
                every.append(end)
        for out, state in zip(proto.output, states, strict=False):
            if out:
                self._alias(out, state)
        for out, every in zip(proto.output[count:], made, strict=True):
            if out:
                self._stacked(proto.name, every, out, 0)

    def _alias(self, name: str, other: str) -> None:
        if other in self.lists:
            self.lists[name] = self.lists[other]
        else:
            self.to.same[name] = other

    def _begun(self, proto: NodeProto, passes: int) -> _Loop:
        return _Loop(proto.output[0] or proto.name, passes, {}, frozenset(self.to.types), {})

    def _states(self, states: Sequence[str], starts: Sequence[str]) -> None:
        for name, start in zip(states, starts, strict=True):
            self.to.types[name] = self._type(start)

    def _run(self, graph: GraphProto) -> None:
        for tensor in graph.initializer:
            self.to.constants[tensor.name] = self.to.array(tensor)
        self.ran += 1 + len(graph.node)
        if self.ran > _MOST_NODES:
            raise NoLoop(f"loops that come to more than {_MOST_NODES:,} nodes")
        self.depth += 1
        try:
            for node in graph.node:
                self.to.add(node)
        finally:
            self.depth -= 1

    def _step(self, loop: _Loop, name: str, axis: int, by: int, plus: int, step: str) -> str:
        """The name of a step of a sequence along an axis, whose place is `by` times the pass and `plus`."""
        key = (name, axis, by, plus)
        if key not in loop.steps:
            kind = self._type(name)
            sizes = list(self._size(name))
            del sizes[axis]
            self.to.types[step] = helper.make_tensor_type_proto(kind.tensor_type.elem_type, sizes)
            loop.steps[key] = step
        elif loop.steps[key] != step:
            self.to.same[step] = loop.steps[key]
        return loop.steps[key]

    def _closed(
        self,
        proto: NodeProto,
        loop: _Loop,
        at: int,
        starts: Sequence[str],
        states: Sequence[str],
        ends: Sequence[str],
    ) -> str:
        """Adds what begins and ends a loop whose nodes begin at a place; what its first state comes to."""
        for start, end in zip(starts, ends, strict=True):
            if self._size(start) != self._size(end):
                raise NoLoop("a loop whose states change their sizes")
        inside = {*states, *loop.steps.values()}
        own, outside = [], []
        for node in self.to.nodes[at:]:
            if inside.isdisjoint(node.inputs):
                outside.append(node)
            else:
                own.append(node)
                inside.update(node.outputs)
        if any(name in inside for name, *_ in loop.steps):
            raise NoLoop("a loop over what it makes itself")
        del self.to.nodes[at:]
        self.to.nodes += outside
        sequences = [self._sequence(loop, *key) for key in loop.steps]
        scopes = scopes_of(proto)
        axes = tuple(axis for _, axis, _, _ in loop.steps)
        steps = tuple(loop.steps.values())
        loop.given = dict(zip(steps, sequences, strict=True))
        made = (*steps, *states)
        self.to.nodes.append(
            Node(
                EACH,
                (*sequences, *starts),
                made,
                {"axes": axes, KIND: proto.op_type},
                proto.name,
                scopes,
            )
        )
        self.to.nodes += own
        outs = tuple(
            out or f"{state} at last" for out, state in zip(proto.output, states, strict=False)
        )
        for out, state in zip(outs, states, strict=True):
            self.to.types[out] = self.to.types[state]
        if not outs:  # it carries nothing on
            outs = (f"{steps[0]} at last",)
            self.to.types[outs[0]] = TypeProto()
        self.to.nodes.append(
            Node(LAST, (*ends, steps[0]), outs, {KIND: proto.op_type}, proto.name, scopes)
        )
        return outs[0]

    def _first(self, loop: _Loop) -> str:
        return next(iter(loop.given.values()))

    def _sequence(self, loop: _Loop, name: str, axis: int, by: int, plus: int) -> str:
        """The sequence that a loop goes over from its first step to its last, cut and turned from another."""
        size = self._size(name)[axis]
        low = plus if by > 0 else plus - loop.passes + 1
        if not 0 <= low <= low + loop.passes <= size:
            raise NoLoop("a loop over other steps than a sequence has")
        if (low, loop.passes) != (0, size):
            name = self._slice(
                name, f"{loop.name} {name} cut {axis}", axis, low, low + loop.passes, 1
            )
        if by < 0:
            name = self._slice(name, f"{loop.name} {name} turned {axis}", axis, -1, -_ENDLESS, -1)
        return name

    def _slice(self, name: str, out: str, axis: int, start: int, end: int, step: int) -> str:
        if out in self.to.types:
            return out
        given = {"starts": (start,), "ends": (end,), "axes": (axis,), "steps": (step,)}
        sizes = list(self._size(name))
        sizes[axis] = len(range(sizes[axis])[start : end if end > -_ENDLESS else None : step])
        kind = self._type(name).tensor_type.elem_type
        self.to.types[out] = helper.make_tensor_type_proto(kind, sizes)
        self.to.nodes.append(Node("Slice", (name,), (out,), given, ""))
        return out

    def _joined(
        self,
        proto: NodeProto,
        loop: _Loop,
        last: str,
        made: str,
        out: str,
        axis: int,
        *,
        backwards: bool = False,
    ) -> None:
        whole = f"{out} in order" if backwards else out
        item = _Joined(
            made, self._first(loop), last, loop.passes, proto.name, proto.op_type, scopes_of(proto)
        )
        self._all(item, whole, axis)
        if backwards:
            axis %= len(self._size(whole))
            self._slice(whole, out, axis, -1, -_ENDLESS, -1)

    def _all(self, item: _Joined, out: str, axis: int) -> None:
        """Adds what joins all that steps made, along a new axis."""
        sizes = list(self._size(item.made))
        axis %= len(sizes) + 1
        sizes.insert(axis, item.passes)
        kind = self._type(item.made).tensor_type.elem_type
        self.to.types[out] = helper.make_tensor_type_proto(kind, sizes)
        reads = (item.made, item.sequence, item.last)
        given = {"axis": axis, KIND: item.kind}
        self.to.nodes.append(Node(ALL, reads, (out,), given, item.name, item.scopes))

    # counts

    def _counted(self, proto: NodeProto, inputs: Sequence[str]) -> None:
        """A node that reads the number of the pass."""
        out = proto.output[0]
        place = next(i for i, name in enumerate(inputs) if name in self.counts)
        count = self.counts[inputs[place]]
        if proto.op_type in _MOVES and place == 0:
            ranks = {"Unsqueeze": 1, "Squeeze": 0, "Reshape": 1, "Flatten": 2}
            self.counts[out] = Count(
                count.loop, count.by, count.plus, ranks.get(proto.op_type, count.rank)
            )
            return
        if proto.op_type in ("Add", "Sub") and len(inputs) == 2:
            other = self.to.constants.get(inputs[1 - place])
            if other is not None and other.size == 1 and other.dtype.kind in "iu":
                by, plus, value = count.by, count.plus, int(other.item())
                if proto.op_type == "Add":
                    plus += value
                elif place == 0:
                    plus -= value
                else:
                    by, plus = -by, value - plus
                self.counts[out] = Count(count.loop, by, plus, count.rank)
                return
        if proto.op_type == "Gather" and place == 1 and count.rank < 2:
            self._taken(proto, inputs[0], count)
            return
        raise NoLoop("a loop that computes with the number of the pass")

    def _taken(self, proto: NodeProto, name: str, count: Count) -> None:
        """What a loop takes of a tensor at the place of the pass."""
        if name in self.counts or name in self.lists:
            raise NoLoop("a loop that computes with the number of the pass")
        size = self._size(name)
        axis = next((a.i for a in proto.attribute if a.name == "axis"), 0) % len(size)
        plus = count.plus + size[axis] if count.by < 0 and count.plus < 0 else count.plus
        out = proto.output[0]
        step = self._step(count.loop, name, axis, count.by, plus, f"{out} of the step")
        if not count.rank:
            self.to.same[out] = step
            return
        sizes = list(size)
        sizes[axis] = 1
        self.to.types[out] = helper.make_tensor_type_proto(
            self._type(name).tensor_type.elem_type, sizes
        )
        self.to.nodes.append(
            Node("Unsqueeze", (step,), (out,), {"axes": (axis,)}, proto.name, scopes_of(proto))
        )

    # lists

    def _listed(self, proto: NodeProto, inputs: Sequence[str]) -> None:
        """A node that makes a list or reads one."""
        out = proto.output[0]
        given = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        items = self.lists.get(inputs[0]) if inputs else None
        if proto.op_type == "SequenceEmpty":
            self.lists[out] = ()
        elif proto.op_type == "SequenceConstruct":
            self.lists[out] = tuple(inputs)
        elif proto.op_type == "Identity":
            self.lists[out] = self.lists[inputs[0]]
        elif proto.op_type == "SequenceInsert" and len(inputs) == 2 and inputs[0] in self.lists:
            before = self.lists[inputs[0]]
            if isinstance(before, _Joined):
                raise NoLoop("a list that a loop made and others add to")
            self.lists[out] = (*before, inputs[1])
        elif proto.op_type == "ConcatFromSequence" and inputs[0] in self.lists:
            self._concatenated(proto, self.lists[inputs[0]], given)
        elif proto.op_type == "SplitToSequence":
            self.lists[out] = pieces(self.to, proto, inputs, given)
        elif proto.op_type == "SequenceAt" and isinstance(items, tuple):
            self.to.same[out] = item_of(self.to, items, inputs[1])
        elif proto.op_type == "SequenceLength" and isinstance(items, tuple):
            self.to.constants[out] = np.asarray(len(items), np.int64)
        else:
            raise NoLoop("a list of tensors")

    def _concatenated(self, proto: NodeProto, items: _Items, given: Mapping[str, Any]) -> None:
        out, axis, new = proto.output[0], given["axis"], given.get("new_axis", 0)
        if not isinstance(items, _Joined):
            if new:
                self._stacked(proto.name, items, out, axis)
            else:
                self.to.add(
                    helper.make_node("Concat", list(items), [out], name=proto.name, axis=axis)
                )
            return
        rank = len(self._size(items.made))
        axis = axis % (rank + 1 if new else rank)
        if new:
            self._all(items, out, axis)
            return
        whole = f"{out} apart"
        self._all(items, whole, axis)
        sizes = list(self._size(whole))
        sizes[axis : axis + 2] = [sizes[axis] * sizes[axis + 1]]
        self.to.constants[f"{out} sizes"] = np.asarray(sizes, np.int64)
        self.to.add(helper.make_node("Reshape", [whole, f"{out} sizes"], [out], name=proto.name))

    def _stacked(self, name: str, items: Sequence[str], out: str, axis: int) -> None:
        """Adds tensors side by side along a new axis."""
        axis %= len(self._size(items[0])) + 1
        columns = []
        for i, item in enumerate(items):
            columns.append(f"{out} column {i}")
            sizes = list(self._size(item))
            sizes.insert(axis, 1)
            self.to.constants[f"{columns[-1]} sizes"] = np.asarray(sizes, np.int64)
            self.to.add(
                helper.make_node(
                    "Reshape", [item, f"{columns[-1]} sizes"], [columns[-1]], name=name
                )
            )
        self.to.add(helper.make_node("Concat", columns, [out], name=name, axis=axis))

    # tensors

    def _true(self, name: str) -> bool:
        value = self.to.constants.get(name)
        return value is not None and value.size == 1 and bool(value.item())

    def _size(self, name: str) -> tuple[int, ...]:
        size = self.to.size_of(name)
        if size is None:
            raise NoLoop("a loop that reads what is of no known sizes")
        return size

    def _type(self, name: str) -> TypeProto:
        array = self.to.constants.get(name)
        if array is not None:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            return helper.make_tensor_type_proto(kind, array.shape)
        return self.to.types[name]


def renamed(graph: GraphProto, more: str) -> GraphProto:
    """A graph whose own tensors, and those of graphs in it, have longer names."""
    found = GraphProto()
    found.CopyFrom(graph)
    names: dict[str, str] = {}
    _named(found, lambda name: names.setdefault(name, f"{name}{more}"))
    _rewritten(found, names)
    return found


def _named(graph: GraphProto, name: Callable[[str], object]) -> None:
    for item in (*graph.input, *graph.initializer):
        name(item.name)
    for node in graph.node:
        for out in filter(None, node.output):
            name(out)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _named(attribute.g, name)


def _rewritten(graph: GraphProto, names: MutableMapping[str, str]) -> None:
    for item in (*graph.input, *graph.initializer, *graph.output):
        item.name = names.get(item.name, item.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rewritten(attribute.g, names)


def scanned(graph: GraphProto) -> set[str]:
    """The tensors that loops of a graph go over along the first axis: their batch is the second."""
    found: set[str] = set()
    for node in graph.node:
        body = next((a.g for a in node.attribute if a.name == "body"), None)
        if body is None or node.op_type not in LOOPS:
            continue
        if node.op_type == "Scan":
            given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            many = given.get("num_scan_inputs", 0)
            axes = given.get("scan_input_axes", [0] * many)
            pairs = zip(node.input[len(node.input) - many :], axes, strict=False)
            found |= {name for name, axis in pairs if axis == 0}
            continue
        moved = {body.input[0].name} if body.input else set()
        for inner in body.node:
            if inner.op_type in _MOVES and not moved.isdisjoint(inner.input):
                moved.update(inner.output)
            axis = next((a.i for a in inner.attribute if a.name == "axis"), 0)
            if inner.op_type == "Gather" and inner.input[1] in moved and axis == 0:
                found.add(inner.input[0])
    return found

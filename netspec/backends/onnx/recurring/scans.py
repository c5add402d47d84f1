"""A lowered model whose recurrences are loops: what stands for one step becomes the body of a `Scan`.

The lowering writes one step in plain operators, between those that begin and end the recurrence, so that
every stage before this one sees flat nodes. What depends on the step or on a state is the body; what does not
is computed once, outside, and the body reads it from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from onnx import AttributeProto, GraphProto, NodeProto, TypeProto, ValueInfoProto

from netspec.backends.onnx.model import Model
from netspec.backends.onnx.types import value_type
from netspec.foundation.records import record
from netspec.graph.checked import Node, Value
from netspec.graph.loops import beginning
from netspec.graph.nesting import Part, nested
from netspec.ops.arranging.recurrence import Each, Last

# What the steps that begin and end a recurrence are written in; what else is theirs rounds or casts.
_AROUND = frozenset({"Concat", "Expand", "Gather", "Identity", "Shape", "Slice", "Unsqueeze"})
# A node of a model, and the step that it is for.
_Placed = tuple[NodeProto, Node | None]


def inside(model: Model) -> frozenset[str]:
    """The names of what a lowered model makes within its recurrences: a file has it step by step."""
    placed = _placed(model)
    loops = _loops(placed)
    given = {one.out for loop in loops for one in (*loop.ends, *loop.joined)}
    around = _around(placed)
    found = {
        name
        for (node, _), loops in zip(placed, around, strict=True)
        if loops
        for name in node.output
    }
    ends = (node for node, owner in placed if _bounds(node, owner) is not None)
    return frozenset(
        found.union(name for node in ends for name in node.output if name not in given)
    )


def stepwise(model: Model) -> frozenset[str]:
    """The names of `inside`, and of what its recurrences give."""
    loops = _loops(_placed(model))
    given = (one.out for loop in loops for one in (*loop.ends, *loop.joined))
    return inside(model) | frozenset(given)


def closed(model: Model) -> Model:
    """The lowered model with a loop for each recurrence; without any, the model itself."""
    if not any(owner is not None and isinstance(owner.op, Each) for owner in model.owners):
        return model
    graph = GraphProto.FromString(model.graph)
    known = {item.name: item for item in (*graph.value_info, *graph.input, *graph.output)}
    placed = _looped(_placed(model), known)
    kept = {name for node, _ in placed for name in node.output}
    ends = {item.name for item in (*graph.input, *graph.output)}
    described = [item for name, item in known.items() if name in kept - ends]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(node for node, _ in placed)
    graph.value_info.extend(described)
    read = {name for node in graph.node for name in reads(node)}
    constants = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    around = kept | {item.name for item in graph.input}
    return replace(
        model.with_graph(graph),
        values={value: name for value, name in model.values.items() if name in around},
        owners=tuple(owner for _, owner in placed),
    )


def _placed(model: Model) -> list[_Placed]:
    nodes = GraphProto.FromString(model.graph).node
    owners = [*model.owners, *([None] * (len(nodes) - len(model.owners)))]
    return list(zip(nodes, owners, strict=True))


class _End(NamedTuple):
    """A tensor of a step and what it is outside, by name and in the net."""

    name: str
    out: str
    made: Value
    given: Value


@record(frozen=False, eq=False)
class _Loop:
    """One recurrence: what begins it, and the names that its nodes have.

    `starts` has what a state starts from by the state's name. `ends` say what flows into the next step and
    out of the last, `joined` what a step makes and what all of it is.
    """

    each: Node
    sequence: str
    step: str
    axis: int
    starts: dict[str, str]
    ends: list[_End]
    joined: list[_End]


def _loops(placed: Sequence[_Placed]) -> list[_Loop]:
    """The recurrences in the order in which they begin."""
    found: dict[Node, _Loop] = {}
    columns: dict[str, str] = {}
    for node, owner in placed:
        if owner is None:
            continue
        if isinstance(owner.op, Each) and node.op_type == "Gather":
            axis = next(int(a.i) for a in node.attribute if a.name == "axis")
            found[owner] = _Loop(owner, node.input[0], node.output[0], axis, {}, [], [])
        elif isinstance(owner.op, Each) and node.op_type == "Identity":
            found[owner].starts[node.output[0]] = node.input[0]
        begun = beginning(owner)
        if begun is None:
            continue
        loop = found[begun]
        if isinstance(owner.op, Last) and node.op_type == "Identity":
            i = len(loop.ends)
            pair = node.input[0], node.output[0]
            loop.ends.append(_End(*pair, owner.inputs[i], owner.outputs[i]))
        elif node.op_type == "Unsqueeze":
            columns[node.output[0]] = node.input[0]
        elif node.op_type == "Expand":
            pair = columns[node.input[0]], node.output[0]
            loop.joined.append(_End(*pair, owner.inputs[0], owner.output))
    return list(found.values())


def _bounds(node: NodeProto, owner: Node | None) -> Node | None:
    """What begins the recurrence that a node begins, ends, or joins what it made; None of others."""
    if owner is None or node.op_type not in _AROUND:
        return None
    return owner if isinstance(owner.op, Each) else beginning(owner)


def reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, and what the graph inside it reads from outside."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            made = {item.name for item in attribute.g.input}
            for inner in attribute.g.node:
                yield from (name for name in reads(inner) if name not in made)
                made.update(inner.output)


def _around(placed: Sequence[_Placed]) -> list[tuple[Node, ...]]:
    """What begins the recurrences that each node runs in, outermost first."""
    parts = []
    for node, owner in placed:
        loop = _bounds(node, owner)
        begins = loop is owner
        parts.append(
            Part(node.input, node.output, loop if begins else None, None if begins else loop)
        )
    return nested(parts)


def _looped(placed: Sequence[_Placed], known: dict[str, ValueInfoProto]) -> list[_Placed]:
    """The nodes with one loop in place of each recurrence, where it ends."""
    # What stands in each loop, and outside: a loop in another stands there by what begins it.
    inside: dict[Node | None, list[_Placed | Node]] = {None: []}
    ends: dict[Node, NodeProto] = {}
    for (node, owner), around in zip(placed, _around(placed), strict=True):
        stands = inside.setdefault(around[-1] if around else None, [])
        begun = _bounds(node, owner)
        if begun is None:
            stands.append((node, owner))
        elif owner is not None and isinstance(owner.op, Last) and begun not in ends:
            ends[begun] = node
            stands.append(begun)
    loops = {loop.each: loop for loop in _loops(placed)}

    def written(each: Node | None) -> Iterator[_Placed]:
        for item in inside.get(each, ()):
            if not isinstance(item, Node):
                yield item
                continue
            for made in _scan(loops[item], [node for node, _ in written(item)], known):
                made.metadata_props.extend(ends[item].metadata_props)
                # A loop reads what no call of a function could hand in: it stands in none.
                yield made, None

    return list(written(None))


def _scan(
    loop: _Loop, body: Sequence[NodeProto], known: dict[str, ValueInfoProto]
) -> Iterator[NodeProto]:
    """The loop, between nodes that turn the axis of time to the front, where readers want it, and back."""
    name = loop.each.path.rpartition(".")[0]
    inner = GraphProto(name=name, node=body)
    made = {output for node in body for output in node.output}
    given: set[str] = set()
    for state in (*loop.starts, loop.step):
        inner.input.append(_item(state, known[state].type))
    for one in (*loop.ends, *loop.joined):
        value, out = one.name, one.out
        end = value
        # A graph gives what its own nodes make, each under a name of its own.
        if value not in made or value in given:
            end = _free(f"{out}.step", known)
            inner.node.add(op_type="Identity", name=end, input=[value], output=[end])
        given.add(end)
        inner.output.append(_item(end, _kind(value, one.made, known)))
    around = {item.name for item in (*inner.input, *inner.output)}
    inner.value_info.extend(known[one] for one in sorted(made - around) if one in known)
    node = NodeProto(op_type="Scan", name=name)
    whole = _kind(loop.sequence, loop.each.inputs[0], known)
    axes = range(len(whole.tensor_type.shape.dim))
    order = [loop.axis, *(axis for axis in axes if axis != loop.axis)]
    steps = _free(f"{loop.step}.steps", known)
    turned = _turned(loop.sequence, steps, order)
    known[steps] = _item(steps, _permuted(whole, order))
    node.input.extend([*loop.starts.values(), turned.output[0]])
    node.output.extend(one.out for one in loop.ends)
    after = []
    for one in loop.joined:
        steps = _free(f"{one.out}.steps", known)
        kind = _kind(one.out, one.given, known)
        rest = range(3, len(kind.tensor_type.shape.dim))
        known[steps] = _item(steps, _permuted(kind, [2, 0, 1, *rest]))
        node.output.append(steps)
        after.append(_turned(steps, one.out, [1, 2, 0, *rest]))
    node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, g=inner))
    node.attribute.append(AttributeProto(name="num_scan_inputs", type=AttributeProto.INT, i=1))
    yield turned
    yield node
    yield from after


def _turned(name: str, new: str, order: list[int]) -> NodeProto:
    node = NodeProto(op_type="Transpose", name=new, input=[name], output=[new])
    node.attribute.append(AttributeProto(name="perm", type=AttributeProto.INTS, ints=order))
    return node


def _kind(name: str, value: Value, known: Mapping[str, ValueInfoProto]) -> TypeProto:
    """The type of a tensor, that of a value of the net where none is said."""
    return known[name].type if name in known else value_type(value, None)


def _free(name: str, known: dict[str, ValueInfoProto]) -> str:
    while name in known:
        name += "."
    return name


def _permuted(kind: TypeProto, order: Sequence[int]) -> TypeProto:
    found = TypeProto()
    found.CopyFrom(kind)
    sizes = [kind.tensor_type.shape.dim[axis] for axis in order]
    del found.tensor_type.shape.dim[:]
    found.tensor_type.shape.dim.extend(sizes)
    return found


def _item(name: str, kind: TypeProto) -> ValueInfoProto:
    """A tensor of a graph."""
    item = ValueInfoProto(name=name)
    item.type.CopyFrom(kind)
    return item

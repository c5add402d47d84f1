"""A lowered model whose recurrences are loops: what stands for one step becomes the body of a `Scan`.

The lowering writes one step in plain operators, between those that begin and end the recurrence, so that
every stage before this one sees flat nodes. What depends on the step or on a state is the body; what does not
is computed once, outside, and the body reads it from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from onnx import AttributeProto, GraphProto, NodeProto, ValueInfoProto

from netspec.backends.onnx.model import Model
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.graph.loops import beginning
from netspec.ops.arranging.recurrence import Each, Last

# What the steps that begin and end a recurrence are written in; what else is theirs rounds or casts.
_AROUND = frozenset({"Concat", "Expand", "Gather", "Identity", "Shape", "Slice", "Unsqueeze"})
# A node of a model, and the step that it is for.
_Placed = tuple[NodeProto, Node | None]


def inside(model: Model) -> frozenset[str]:
    """The names of what a lowered model makes within its recurrences: a file has it step by step."""
    placed = _placed(model)
    found: set[str] = set()
    for loop in _loops(placed):
        found |= {loop.step, *loop.starts}
        found.update(name for node, _ in _parted(loop, placed)[0] for name in node.output)
        given = {out for _, out in (*loop.ends, *loop.joined)}
        ends = (one[0] for one in placed if _is_of(one, loop))
        found.update(name for node in ends for name in node.output if name not in given)
    return frozenset(found)


def stepwise(model: Model) -> frozenset[str]:
    """The names of `inside`, and of what its recurrences give."""
    given = (out for loop in _loops(_placed(model)) for _, out in (*loop.ends, *loop.joined))
    return inside(model) | frozenset(given)


def closed(model: Model) -> Model:
    """The lowered model with a loop for each recurrence; without any, the model itself."""
    if not any(owner is not None and isinstance(owner.op, Each) for owner in model.owners):
        return model
    graph = GraphProto.FromString(model.graph)
    known = {item.name: item for item in (*graph.value_info, *graph.input, *graph.output)}
    placed = _placed(model)
    # Those inside others begin after them: they are nodes of their bodies then.
    for loop in reversed(_loops(placed)):
        placed = _looped(loop, placed, known)
    kept = {name for node, _ in placed for name in node.output}
    described = [item for item in graph.value_info if item.name in kept]
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


@record(frozen=False, eq=False)
class _Loop:
    """One recurrence: what begins it, and the names that its nodes have.

    `starts` has what a state starts from by the state's name. `ends` are pairs of what flows into the next
    step and what flows out of the last, `joined` of what a step makes and all of it.
    """

    each: Node
    sequence: str
    step: str
    axis: int
    starts: dict[str, str]
    ends: list[tuple[str, str]]
    joined: list[tuple[str, str]]


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
            loop.ends.append((node.input[0], node.output[0]))
        elif node.op_type == "Unsqueeze":
            columns[node.output[0]] = node.input[0]
        elif node.op_type == "Expand":
            loop.joined.append((columns[node.input[0]], node.output[0]))
    return list(found.values())


def _is_of(placed: _Placed, loop: _Loop) -> bool:
    """Whether a node begins or ends the recurrence, or joins what it made."""
    node, owner = placed
    if owner is None or node.op_type not in _AROUND:
        return False
    return owner is loop.each or beginning(owner) is loop.each


def reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, and what the graph inside it reads from outside."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            made = {item.name for item in attribute.g.input}
            for inner in attribute.g.node:
                yield from (name for name in reads(inner) if name not in made)
                made.update(inner.output)


def _parted(loop: _Loop, placed: Iterable[_Placed]) -> tuple[list[_Placed], list[_Placed]]:
    """The nodes that run at every step, and the others without those that begin and end the recurrence."""
    names = {loop.step, *loop.starts}
    body: list[_Placed] = []
    others: list[_Placed] = []
    for node, owner in placed:
        if _is_of((node, owner), loop):
            # Its place stays until the loop stands there.
            others.append((node, owner))
        elif not names.isdisjoint(reads(node)):
            names.update(node.output)
            body.append((node, owner))
        else:
            others.append((node, owner))
    return body, others


def _looped(loop: _Loop, placed: list[_Placed], known: dict[str, ValueInfoProto]) -> list[_Placed]:
    """The nodes with one loop in place of a recurrence, where it ends."""
    body, others = _parted(loop, placed)
    found: list[_Placed] = []
    scan: NodeProto | None = None
    for node, owner in others:
        if not _is_of((node, owner), loop):
            found.append((node, owner))
        elif owner is not None and isinstance(owner.op, Last) and scan is None:
            scan = _scan(loop, [node for node, _ in body], known)
            scan.metadata_props.extend(node.metadata_props)
            # Its graph reads what no call of a function could hand in: it stands in none.
            found.append((scan, None))
    return found


def _scan(loop: _Loop, body: Sequence[NodeProto], known: dict[str, ValueInfoProto]) -> NodeProto:
    name = loop.each.path.rpartition(".")[0]
    inner = GraphProto(name=name, node=body)
    made = {output for node in body for output in node.output}
    given: set[str] = set()
    for state in (*loop.starts, loop.step):
        inner.input.append(_item(state, known[state]))
    for value, out in (*loop.ends, *loop.joined):
        end = value
        # A graph gives what its own nodes make, each under a name of its own.
        if value not in made or value in given:
            end = f"{out}.step"
            while end in known:
                end += "."
            inner.node.add(op_type="Identity", name=end, input=[value], output=[end])
        given.add(end)
        inner.output.append(_item(end, known[value]))
    around = {item.name for item in (*inner.input, *inner.output)}
    inner.value_info.extend(known[one] for one in sorted(made - around) if one in known)
    node = NodeProto(op_type="Scan", name=name)
    node.input.extend([*loop.starts.values(), loop.sequence])
    node.output.extend(out for _, out in (*loop.ends, *loop.joined))
    node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, g=inner))
    node.attribute.append(AttributeProto(name="num_scan_inputs", type=AttributeProto.INT, i=1))
    axes = {"scan_input_axes": [loop.axis], "scan_output_axes": [2] * len(loop.joined)}
    for key, values in axes.items():
        if values:
            node.attribute.append(AttributeProto(name=key, type=AttributeProto.INTS, ints=values))
    return node


def _item(name: str, like: ValueInfoProto) -> ValueInfoProto:
    """A tensor of a graph of the type of another."""
    item = ValueInfoProto(name=name)
    item.type.CopyFrom(like.type)
    return item

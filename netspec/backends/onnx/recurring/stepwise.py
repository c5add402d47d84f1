"""The loops of a file written out as one step: what a file with recurrences computes, as flat nodes.

It is the other way of `scans`, for whoever looks at a file before it runs: the nodes of a body stand among
the others once, between nodes that cut the first step from the sequence and make what is joined as large as
it gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

# Recurrences inside recurrences.
_DEEPEST = 64
_ATTRIBUTES = frozenset({"body", "num_scan_inputs"})


def check_scans(model: ModelProto) -> None:
    """Raises ValueError where a loop of a model is not as netspec writes it."""
    taken = [item.name for item in (*model.graph.input, *model.graph.initializer)]
    taken += [name for node in model.graph.node for name in node.output]
    names = set(taken)
    for node in model.graph.node:
        _check(node, names, 0)


def inner_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes with those of loops in their places."""
    for node in nodes:
        body = body_of(node)
        if body is None:
            yield node
        else:
            yield from inner_nodes(body.node)


def bodies(nodes: Iterable[NodeProto]) -> Iterator[GraphProto]:
    """The graphs that loops among some nodes run, those of loops inside behind each."""
    for node in nodes:
        body = body_of(node)
        if body is not None:
            yield body
            yield from bodies(body.node)


def body_of(node: NodeProto) -> GraphProto | None:
    """The graph that a loop runs; None of other nodes."""
    if node.op_type != "Scan" or node.domain not in ("", "ai.onnx"):
        return None
    return next((a.g for a in node.attribute if a.name == "body" and a.HasField("g")), None)


def written_out(model: ModelProto) -> ModelProto:
    """A checked model with its loops written out in place, as one step each."""
    if any(node.op_type == "Scan" for node in model.graph.node):
        writer = _Writer(model)
        nodes = [NodeProto.FromString(n.SerializeToString()) for n in writer.nodes()]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(writer.constants.values())
    return model


def _check(node: NodeProto, names: set[str], depth: int) -> None:
    body = body_of(node)
    if body is None:
        return
    given = {a.name: a for a in node.attribute}
    joined = len(node.output) - (len(node.input) - 1)
    if (
        depth >= _DEEPEST
        or not _ATTRIBUTES.issuperset(given)
        or given.get("num_scan_inputs", AttributeProto()).i != 1
        or joined < 0
        or (len(body.input), len(body.output)) != (len(node.input), len(node.output))
        or not all((*node.input, *node.output))
        or body.initializer
        or body.sparse_initializer
    ):
        raise ValueError(f"the loop {node.name} is not as netspec writes it")
    made = [item.name for item in body.input] + [n for inner in body.node for n in inner.output]
    for name in filter(None, made):
        if name in names:
            raise ValueError(f"the loop {node.name} makes {name}, which is there already")
        names.add(name)
    if not {n for inner in body.node for n in inner.output}.issuperset(o.name for o in body.output):
        raise ValueError(f"the loop {node.name} does not make what it gives")
    for inner in body.node:
        _check(inner, names, depth + 1)


class _Writer:
    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        around = (*model.graph.input, *model.graph.initializer)
        self._taken = {item.name for item in around}
        self._taken |= {n for node in inner_nodes(model.graph.node) for n in node.output}
        self.constants: dict[tuple[int, ...], TensorProto] = {}

    def nodes(self) -> Iterator[NodeProto]:
        """The model's nodes."""
        return self._written(self._graph.node)

    def _written(self, nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
        for node in nodes:
            body = body_of(node)
            if body is None:
                yield node
            else:
                yield from self._step(node, body)

    def _step(self, node: NodeProto, body: GraphProto) -> Iterator[NodeProto]:
        *states, step = body.input
        *starts, sequence = node.input
        first = NodeProto(
            op_type="Gather", name=step.name, input=[sequence, self._integers()], output=[step.name]
        )
        yield first
        for start, state in zip(starts, states, strict=True):
            yield _renamed(start, state.name)
        yield from self._written(body.node)
        shape = self._free(f"{step.name}.shape")
        yield NodeProto(op_type="Shape", name=shape, input=[sequence], output=[shape])
        steps = self._free(f"{step.name}.steps")
        at = [shape, self._integers(0)]
        yield NodeProto(op_type="Gather", name=steps, input=at, output=[steps])
        for i, (end, out) in enumerate(zip(body.output, node.output, strict=True)):
            if i < len(states):
                yield _renamed(end.name, out)
                continue
            column, sizes = self._free(f"{out}.step"), self._free(f"{out}.sizes")
            rank = len(end.type.tensor_type.shape.dim)
            yield NodeProto(
                op_type="Unsqueeze",
                name=column,
                input=[end.name, self._integers(0)],
                output=[column],
            )
            parts = [steps, self._integers(*[1] * rank)]
            joined = NodeProto(op_type="Concat", name=sizes, input=parts, output=[sizes])
            joined.attribute.append(AttributeProto(name="axis", type=AttributeProto.INT, i=0))
            yield joined
            yield NodeProto(op_type="Expand", name=out, input=[column, sizes], output=[out])

    def _integers(self, *values: int) -> str:
        """The name of a constant vector; without values, of the number zero."""
        if values not in self.constants:
            name = self._free(f"step {' '.join(map(str, values))}")
            dims = [len(values)] if values else []
            self.constants[values] = TensorProto(
                name=name, data_type=TensorProto.INT64, dims=dims, int64_data=list(values or (0,))
            )
        return str(self.constants[values].name)

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "."
        self._taken.add(name)
        return name


def _renamed(name: str, new: str) -> NodeProto:
    return NodeProto(op_type="Identity", name=new, input=[name], output=[new])

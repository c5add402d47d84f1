"""The arithmetic of one layer, written out: shape, parameters, multiply-adds, receptive field."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.analysis.costs import node_cost
from netspec.analysis.layers import describe, field_text
from netspec.analysis.memory import output_bytes
from netspec.analysis.quantities import as_bytes, grouped, shape
from netspec.analysis.receptive_field import Axis, Field, Seen, Unknown, receptive_fields
from netspec.analysis.text_layout import broken
from netspec.diagnostics.messages.budget import UnknownLayerPath
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.reach import Upsampling, Window
from netspec.ops.declare.source import Input
from netspec.ops.spatial.conv import Conv, DepthwiseConv, TransposedConv
from netspec.ops.vectors.linear import Linear
from netspec.sizes.dims import Dim

_WRITTEN = 60
# How far in what goes on below stands: beside what the line is about.
_BESIDE = 9
_NOT_COUNTED = (
    "0: only convolutions, fully connected and recurrent layers, attention and products count"
)


def explain(graph: Graph, layer_path: str, width: int | None = None) -> str:
    """How the numbers of one layer come about, or those of a block, line by line.

    `layer_path` is a layer's path (`inception3a.conv3`) or a block's (`inception3a`). What is longer than
    `width` goes on below.
    Raises NetspecError where the net has neither.
    """
    layers = {node.path: node for node in graph.nodes if not isinstance(node.op, Input)}
    if layer_path in layers:
        return _text(_layer(graph, layers[layer_path]), width)
    inside = [node for path, node in layers.items() if path.startswith(layer_path + ".")]
    if not inside:
        blocks = {path.rpartition(".")[0] for path in layers} - {""}
        near = closest(layer_path, layers.keys() | blocks)
        advice = f"did you mean {near}?" if near else "`netspec summary --flat` lists the layers"
        raise NetspecError(UnknownLayerPath(graph.name, layer_path, advice), status=2)
    return _text(_block(graph, layer_path, inside), width)


def _text(lines: Iterator[str], width: int | None) -> str:
    each = ([line] if width is None else broken(line, width, _BESIDE) for line in lines)
    return "".join(f"{line}\n" for parts in each for line in parts)


def _layer(graph: Graph, node: Node) -> Iterator[str]:
    op = " ".join(part for part in (node.op.spelling, describe(node.op, node.input_types)) if part)
    written = " ".join(node.span.text.split())
    if len(written) > _WRITTEN:
        written = written[: _WRITTEN - 3] + "..."
    yield f"{node.path}: {op}, written as `{written}` at {node.span}"
    for value in node.inputs:
        yield _line("input", f"{shape(value.shape)} from {value.node.path}")
    yield from _shape(node)
    yield from _params(graph, node)
    yield from _macs(graph, node)
    yield from _field(graph, node)
    sizes = _factors(node.types[0].shape) or "1"
    made = output_bytes(graph, node)
    yield _line("memory", f"{sizes} * 4 bytes = {grouped(made)} bytes = {as_bytes(made)}")


def _block(graph: Graph, path: str, inside: list[Node]) -> Iterator[str]:
    yield f"{path}: {len(inside)} layers"
    params, macs = 0, _total(graph, inside)
    for node in inside:
        cost = node_cost(graph, node)
        params += cost.params + cost.params_frozen
    for what, total in (("params", params), ("MACs", macs)):
        terms = [_term(graph, node, what) for node in inside]
        kept = [
            (n.path.removeprefix(path + "."), t) for n, t in zip(inside, terms, strict=True) if t
        ]
        for name, term in kept:
            yield _line(what, f"{name}: {grouped(term)}")
        yield _line(what, f"sum: {grouped(total)}")
    yield _line("output", shape(inside[-1].types[0].shape))


def _total(graph: Graph, nodes: list[Node]) -> Dim:
    total: Dim = 0
    for node in nodes:
        total = total + node_cost(graph, node).macs
    return total


def _term(graph: Graph, node: Node, what: str) -> Dim:
    cost = node_cost(graph, node)
    return cost.macs if what == "MACs" else cost.params + cost.params_frozen


def _shape(node: Node) -> Iterator[str]:
    given, made = node.input_types[0], node.types[0]
    window = node.op.window(*node.input_types)
    if window:
        sums = _upsampled if isinstance(node.op, TransposedConv) else _slid
        each = enumerate(zip(given.spatial, made.spatial, strict=True))
        yield from _axes("size", [sums(size, out, i, window) for i, (size, out) in each])
    yield _line("output", shape(made.shape))


def _slid(size: Dim, out: Dim, axis: int, window: Geometry) -> str:
    (before, after), reach = window.pads[axis], window.reach[axis]
    kernel, dilation = window.kernel[axis], window.dilation[axis]
    extent = str(kernel) if dilation == 1 else f"(({kernel} - 1) * {dilation} + 1)"
    rounding = "ceil" if window.ceil else "floor"
    text = f"{rounding}(({size} + {before} + {after} - {extent}) / {window.stride[axis]}) + 1"
    full = -((reach - size - before - after) // window.stride[axis]) + 1 if window.ceil else out
    # The last window has to start inside the input or the padding before it.
    return f"{text} = {out}" if full == out else f"{text} - 1 = {out}"


def _upsampled(size: Dim, out: Dim, axis: int, window: Geometry) -> str:
    (before, after), reach, stride = window.pads[axis], window.reach[axis], window.stride[axis]
    extra = out - ((size - 1) * stride + reach - before - after)
    more = f" + {extra}" if extra != 0 else ""
    return f"({size} - 1) * {stride} + {reach} - {before} - {after}{more} = {out}"


def _params(graph: Graph, node: Node) -> Iterator[str]:
    kinds = {"statistic": "running statistics", "constant": "fixed", "default": "fixed"}
    for weight in node.op.weights(*node.input_types):
        kind = kinds.get(weight.kind, "frozen" if node.frozen else "trained")
        product = " * ".join(map(str, weight.shape))
        sizes = (
            f"{product} = {grouped(weight.size)}" if len(weight.shape) > 1 else grouped(weight.size)
        )
        yield _line("params", f"{weight.name}: {sizes} {kind}")
    if node.owner != node.path:
        yield _line("params", f"all of them those of {node.owner}, counted there")
    cost = node_cost(graph, node)
    yield _line("params", f"sum: {grouped(cost.params + cost.params_frozen)}")


def _macs(graph: Graph, node: Node) -> Iterator[str]:
    cost = node_cost(graph, node).macs
    formula = (_product(node) or _per_weight(node, cost)) if cost else ""
    if formula:
        yield _line("MACs", formula)
    batch = node.types[0].batch
    rows = batch.rows(graph.nominal_sizes)
    times = f" ({batch} = {rows} of them)" if rows != 1 and cost else ""
    yield _line("MACs", f"{grouped(cost)}{times}" if cost else _NOT_COUNTED)


def _product(node: Node) -> str:
    """The factors of the multiply-adds of a convolution or fully connected layer."""
    given, made = node.input_types[0], node.types[0]
    if isinstance(node.op, Linear):
        places = f"{_times(made.spatial)} places * " if made.spatial else ""
        into = node.op.weights(given)[0].shape[1]
        return f"{places}{node.op.width} outputs * {into} inputs"
    window = node.op.window(*node.input_types)
    if not window or not isinstance(node.op, Conv | DepthwiseConv | TransposedConv):
        return ""
    taps = " * ".join(map(str, window.kernel))
    weight = node.op.weights(given)[0].shape
    if isinstance(node.op, TransposedConv):
        return (
            f"{_times(given.spatial)} input places * {weight[0]} input channels "
            f"* {weight[1]} output channels{_group(node)} * ({taps}) taps"
        )
    return (
        f"{_times(made.spatial)} output places * {weight[0]} output channels "
        f"* {weight[1]} input channels{_group(node)} * ({taps}) taps"
    )


def _per_weight(node: Node, cost: Dim) -> str:
    """Every weight of the matrices used equally often: recurrent layers, connection tables."""
    found = node.op.weights(*node.input_types)
    used = sum(weight.size for weight in found if len(weight.shape) > 1)
    if not used or not isinstance(cost, int) or cost % used:
        return ""
    return f"{cost // used} places or steps * {grouped(used)} weights"


def _group(node: Node) -> str:
    if isinstance(node.op, DepthwiseConv):
        return " each"
    return " of each group" if vars(node.op)["groups"] != 1 else ""


def _times(sizes: tuple[Dim, ...]) -> str:
    return f"({_factors(sizes)})"


def _factors(sizes: tuple[Dim, ...]) -> str:
    """The sizes as a product; a sum among them stands in parentheses."""
    return " * ".join(f"({size})" if " " in str(size) else str(size) for size in sizes)


def _field(graph: Graph, node: Node) -> Iterator[str]:
    fields = receptive_fields(graph)
    reach = node.op.reach(*node.input_types)
    several = len(fields[node]) > 1
    for name, seen in fields[node].items():
        before = fields[node.inputs[0].node].get(name)
        label = f"{name}: " if several else ""
        if isinstance(seen, Field) and isinstance(before, Field) and isinstance(reach, Window):
            each = enumerate(zip(before.axes, seen.axes, strict=True))
            yield from _axes("field", [label + _grown(a, b, reach, i) for i, (a, b) in each])
        elif (
            isinstance(seen, Field) and isinstance(before, Field) and isinstance(reach, Upsampling)
        ):
            kernels = "x".join(map(str, reach.kernel))
            yield _line(
                "field", f"{label}{kernels} kernel, each step 1/{reach.factor[0]} of before"
            )
            yield _line("field", label + field_text(((name, seen),)))
        else:
            yield _line("field", label + _said(seen))


def _grown(old: Axis, new: Axis, window: Window, axis: int) -> str:
    reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    return (
        f"{old.size} + ({reach} - 1) * {old.stride} = {new.size}; "
        f"stride {old.stride} * {window.stride[axis]} = {new.stride}; "
        f"start {old.start} - {window.before[axis]} * {old.stride} = {new.start}"
    )


def _said(seen: Seen) -> str:
    if isinstance(seen, Unknown):
        return f"cannot be said: {seen.reason}"
    text = field_text((("", seen),))
    return "the whole input" if text == "all" else text


def _axes(what: str, texts: list[str]) -> Iterator[str]:
    """One line for each axis, or one where they are all alike."""
    if len(texts) > 1 and len(set(texts)) == 1:
        yield _line(what, f"{texts[0]}, along each axis")
        return
    for text in texts:
        yield _line(what, text)


def _line(what: str, text: str) -> str:
    return f"  {what:<{_BESIDE - 2}}{text}"

"""One record for each layer of a net: what it is, what it makes and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from netspec.analysis.costs import node_cost
from netspec.analysis.memory import output_bytes
from netspec.analysis.presets import Preset
from netspec.analysis.receptive_field import (
    Field,
    OutputField,
    Seen,
    Seens,
    Whole,
    receptive_fields,
)
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node
from netspec.graph.loops import times
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.source import Input
from netspec.ops.declare.values import show
from netspec.ops.spatial.conv import DepthwiseConv
from netspec.passes.deploy import deployed_paths
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


@record
class Layer:
    """One node. `detail` is what its operator was given: `3x3/2 p1 g32`.

    `macs` follows the summary's convention; `activation` is the bytes of what it makes.
    `field` maps each input of the net that it depends on to what it sees of it.
    `shares` is the path whose weights it uses, if they are not its own. `training_only` layers are
    not in the deployed net: those of heads, and what only a sampling layer reads. `kept` is the bytes
    that it is the first to keep for backward, where those of a training step were asked for.
    A block that a depth closes stands for its `layers`, with their sums.
    """

    path: str
    op: str
    detail: str
    output: tuple[Dim, ...]
    params: int
    params_frozen: int
    buffers: int
    constants: int
    macs: Dim
    activation: Dim
    field: Seens
    shares: str | None
    head: str | None
    training_only: bool
    node: Node
    kept: int = 0
    layers: int = 0

    @property
    def text(self) -> str:
        """`conv 3x3/2 p1`, and of a block `unit(64)`."""
        if self.layers:
            return f"{self.op}({self.detail})" if self.detail else self.op
        shared = f"weights of {self.shares}" if self.shares else ""
        return " ".join(part for part in (self.op, self.detail, shared) if part)


def layers_of(
    graph: Graph, preset: Preset, kept: Mapping[str, int] | None = None
) -> tuple[Layer, ...]:
    """The layers in the order of the spec, training-only ones included; `kept` is bytes by path."""
    fields = receptive_fields(graph)
    deployed = deployed_paths(graph)
    found = []
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        cost = node_cost(graph, node)
        found.append(
            Layer(
                path=node.path,
                op=node.op.spelling,
                detail=describe(node.op, node.input_types),
                output=node.types[0].shape,
                params=cost.params,
                params_frozen=cost.params_frozen,
                buffers=cost.buffers,
                constants=cost.constants,
                macs=preset.count(graph, node),
                activation=output_bytes(graph, node) * times(graph, node),
                field=tuple(fields[node].items()),
                shares=None if node.owner == node.path else node.owner,
                head=node.head,
                training_only=node.path not in deployed,
                node=node,
                kept=(kept or {}).get(node.path, 0),
            )
        )
    return tuple(found)


def describe(op: Operator, inputs: tuple[TensorType, ...]) -> str:
    """Kernel, stride, padding, dilation and groups; for others what is not their default."""
    window = op.window(*inputs)
    parts = _window_parts(window) if window else []
    groups = vars(op).get("groups", 1)
    if window and groups != 1:
        parts.append(f"g{groups}")
    if isinstance(op, DepthwiseConv) and op.multiplier != 1:
        parts.append(f"multiplier {op.multiplier}")
    parts += [
        show(vars(op)[name])
        for name in op.order
        if vars(op)[name] != op.params[name].default
        and not (window or name == "width" or name in op.follows)
    ]
    return " ".join(parts)


def _window_parts(window: Geometry) -> list[str]:
    kernel = "x".join(map(str, window.kernel))
    parts = [kernel if set(window.stride) == {1} else f"{kernel}/{_every(window.stride)}"]
    if any(before or after for before, after in window.pads):
        sides = [str(b) if b == a else f"({b},{a})" for b, a in window.pads]
        parts.append(f"p{sides[0] if len(set(sides)) == 1 else 'x'.join(sides)}")
    if set(window.dilation) != {1}:
        parts.append(f"d{_every(window.dilation)}")
    if window.ceil:
        parts.append("ceil")
    return parts


def _every(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def field_text(field: Seens) -> str:
    """`715/32`: size, then stride; for several inputs each with its name."""
    if len(field) == 1:
        return _seen_text(field[0][1])
    return ", ".join(f"{name}: {_seen_text(seen)}" for name, seen in field)


def last_map_text(field: OutputField) -> str:
    """The field of an output's last map, `301/16..397/112` where several maps are the last."""
    texts = list(dict.fromkeys(field_text(seen) for _, seen in field.maps))
    return "..".join(texts if len(texts) < 2 else (texts[0], texts[-1]))


def _seen_text(seen: Seen) -> str:
    if isinstance(seen, Field):
        if not seen.axes:
            return "1"
        size, stride = _every(seen.size), seen.stride
        steps = [str(step) for step in stride]
        text = steps[0] if len(set(steps)) == 1 else "x".join(steps)
        return size if text == "1" else f"{size}/{text}"
    return "all" if isinstance(seen, Whole) else "?"


def field_json(field: Seens, attribute: str = "size") -> object:
    """The size along each axis, `"all"` for the whole input, null where it cannot be said.

    With several inputs an object of these by input; `attribute` may be `stride` or `start` instead.
    """
    if len(field) == 1:
        return _seen_json(field[0][1], attribute)
    return {name: _seen_json(seen, attribute) for name, seen in field}


def _seen_json(seen: Seen, attribute: str) -> object:
    if isinstance(seen, Field):
        values = getattr(seen, attribute)
        return [str(v) if isinstance(v, Fraction) and v.denominator > 1 else int(v) for v in values]
    return "all" if isinstance(seen, Whole) else None


def calls_of(node: Node) -> tuple[Call, ...]:
    """The block calls around a node that are levels of its path, outermost first."""
    if node.call is None:
        return ()
    return tuple(reversed([call for call in node.call.ancestors() if call.component]))

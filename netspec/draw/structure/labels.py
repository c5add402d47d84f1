"""What pictures say of a layer: its words, its shape, its cost, its colour class."""

from __future__ import annotations

from typing import Any

from netspec.graph.checked import Node, Value
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.source import Input
from netspec.ops.declare.values import show
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

_WORDS = {
    "maxpool": "max pool",
    "avgpool": "avg pool",
    "gap": "global avg pool",
    "gmp": "global max pool",
}
_FAMILIES = {
    "conv": "conv",
    "pool": "pool",
    "linear": "fc",
    "norm": "minor",
    "activation": "minor",
    "regular": "minor",
    "merge": "join",
    "source": "in",
    "recurrent": "rnn",
    "embedding": "rnn",
}
_LONGEST_SIZE = 14


def spelling(op: Operator) -> str:
    """The word for an operator; `input` for an input, which has none."""
    return "input" if isinstance(op, Input) else op.spelling


def family(op: Operator) -> str:
    """The class that colours an operator: conv, pool, fc, join, minor, in, out, rnn or op."""
    if spelling(op) == "softmax":
        return "out"
    return _FAMILIES.get(type(op).__module__.rpartition(".")[2], "op")


def is_minor(node: Node) -> bool:
    """Normalisation, activation, dropout: drawn with the layer they follow."""
    return family(node.op) == "minor" and len(node.inputs) == 1


def is_join(node: Node) -> bool:
    """Whether several tensors meet in the node."""
    return node.op.joins and len(node.inputs) > 1


def data_inputs(node: Node) -> tuple[Value, ...]:
    """What the node computes with: not what only gives it a size."""
    first = node.op.sized_by
    if first is None:
        return node.inputs
    return (*node.inputs[:first], *(value for value in node.inputs[first:] if value.index))


def label(node: Node, *, kernel: bool = True) -> str:
    """What the layer is, as papers write it: `7×7 conv, 64, /2`."""
    op = node.op
    if isinstance(op, Input):
        return op.name
    word = _WORDS.get(op.spelling, op.spelling.replace("_", " "))
    values = op.__dict__
    if "kernel" not in values:
        if values.get("width") is not None:
            window = op.window(*node.input_types)
            wide = kernel and window is not None and set(window.kernel) != {1}
            over = f"{_window(window.kernel, node)} " if wide and window else ""
            return f"{over}{word} {values['width']}"
        given = _given(op)
        parts = [f"{word} {given}" if given else word]
        if values.get("shift"):
            parts.append(f"shifted {_window(values['shift'], node, square=False)}")
        if values.get("spaced"):
            parts.append("spaced")
        return ", ".join(parts)
    size = values["kernel"]
    if size is None and (window := op.window(*node.input_types)):
        size = window.kernel
    parts = [f"{_window(size, node)} {word}" if kernel else word]
    if "width" in values:
        parts.append(str(values["width"]))
    stride = values.get("stride")
    if stride not in (None, 1) and kernel:
        parts.append("/" + _window(stride, node, square=False))
    if values.get("groups", 1) != 1:
        parts.append(f"{values['groups']} groups")
    if values.get("dilation", 1) != 1 and kernel:
        parts.append(f"dilated {_window(values['dilation'], node, square=False)}")
    if values.get("fixed") is not None:
        parts.append("fixed")
    return ", ".join(parts)


def _window(size: int | tuple[int, ...], node: Node, *, square: bool = True) -> str:
    if isinstance(size, tuple):
        return "×".join(map(str, size))
    rank = len(node.input_types[0].spatial) if node.inputs and square else 1
    return "×".join([str(size)] * max(1, rank))


def _given(op: Operator) -> str:
    """The values an operator is usually given by position, where they are not the default."""
    shown = [
        f"{value:.4g}" if isinstance(value := op.__dict__[name], float) else show(value)
        for name in op.order
        if op.__dict__[name] is not None and op.__dict__[name] != op.params[name].default
    ]
    text = ", ".join(shown)
    return text if len(text) <= 2 * _LONGEST_SIZE else ""


def tag(node: Node) -> str:
    """A minor layer in one word or two: `bn`, `relu`, `dropout 0.5`."""
    given = _given(node.op)
    return f"{spelling(node.op)} {given}" if given else spelling(node.op)


def dim(size: Dim) -> str:
    """A size as text, cut where a formula is long."""
    text = str(size)
    return text if len(text) <= _LONGEST_SIZE else text[: _LONGEST_SIZE - 1] + "…"


def shape(tensor: TensorType) -> str:
    """`64×112×112`; `16 ids` for integers."""
    text = "×".join(dim(size) for size in tensor.shape) or "scalar"
    return text if tensor.ids is None else f"{text} ids"


def resolution(tensor: TensorType) -> str:
    """The spatial sizes, by which bands are drawn; empty for vectors."""
    return "×".join(dim(size) for size in tensor.spatial)


def human(number: Any) -> str:
    """Three digits and a unit: `25.6 M`; formulas as they are, shortened."""
    if not isinstance(number, int | float):
        return dim(number)
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return (
                f"{number / size:.3g} {unit}"
                if number < 999.5 * size
                else f"{number / size:.0f} {unit}"
            )
    return str(number)


def counted(count: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

"""Functions of one element, or of elements at the same place: what each keeps for backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.analysis.training.known import KNOWN, known
from netspec.analysis.training.layout import Sizes, elementwise
from netspec.analysis.training.tensors import (
    BOOL,
    FLOAT32,
    INT64,
    Dtype,
    Tape,
    Tensor,
)
from netspec.analysis.training.views import broadcast

# What functions of one tensor keep.
_INPUT = (
    "gelu silu elu selu celu mish hardswish hardsigmoid hardtanh relu6 leaky_relu softplus "
    "abs log log2 sin cos square clamp clamp_min"
)
_RESULT = "relu sigmoid tanh exp sqrt rsqrt reciprocal"
_NOTHING = "neg floor ceil round sign"


def _one(keeps_input: bool, keeps_result: bool) -> Callable[..., Tensor]:
    def function(tape: Tape, x: Tensor, *args: Any, **named: Any) -> Tensor:
        return pointwise(tape, [x], keep=[x] if keeps_input else [], itself=keeps_result)

    return function


KNOWN.update(dict.fromkeys(_INPUT.split(), _one(True, False)))
KNOWN.update(dict.fromkeys(_RESULT.split(), _one(False, True)))
KNOWN.update(dict.fromkeys(_NOTHING.split(), _one(False, False)))


def promoted(operands: list[Any]) -> Dtype:
    """The type in which operands meet; numbers and tensors without axes yield to the others."""
    tensors = [x for x in operands if isinstance(x, Tensor)]
    wide = [x.dtype for x in tensors if x.shape] or [x.dtype for x in tensors]
    found = max(wide, key=lambda kind: kind.rank)
    for x in operands:
        kind = x.dtype if isinstance(x, Tensor) else _kind(x)
        if kind.floating > found.floating or (not found.floating and kind.rank > found.rank):
            found = kind
    return found


def _kind(number: bool | int | float) -> Dtype:
    if isinstance(number, bool):
        return BOOL
    return INT64 if isinstance(number, int) else FLOAT32


def pointwise(
    tape: Tape,
    operands: list[Any],
    *,
    dtype: Dtype | None = None,
    keep: list[Tensor] | None = None,
    itself: bool = False,
) -> Tensor:
    """What is computed of each element of operands, some of which may be numbers."""
    tensors = [x for x in operands if isinstance(x, Tensor)]
    shape = broadcast(*(x.shape for x in tensors))
    strides = elementwise(shape, [x.layout_of for x in tensors])
    kind = dtype or promoted(operands)
    return tape.result(tensors, shape, dtype=kind, strides=strides, keep=keep or [], itself=itself)


@known("add", "sub")
def add(tape: Tape, x: Any, y: Any) -> Tensor:
    """Sums and differences: nothing is kept."""
    return pointwise(tape, [x, y])


def _other(one: Any, other: Any) -> list[Tensor]:
    """A factor, where the other one needs it for its gradient; a number is no tensor."""
    both = isinstance(one, Tensor) and isinstance(other, Tensor)
    return [one] if both and other.needs else []


@known("mul")
def mul(tape: Tape, x: Any, y: Any) -> Tensor:
    """Keeps each factor where the other one needs it."""
    return pointwise(tape, [x, y], keep=_other(y, x) + _other(x, y))


@known("div")
def div(tape: Tape, x: Any, y: Any) -> Tensor:
    """Keeps the divisor, and the dividend where the divisor needs it; a number over x its inverse."""
    if not isinstance(y, Tensor):
        return pointwise(tape, [x, y], dtype=_divided(x, y))
    if not isinstance(x, Tensor):
        return pointwise(tape, [y], dtype=_divided(x, y), itself=True)
    keep = [y, *([x] if y.needs else [])] if x.needs or y.needs else []
    return pointwise(tape, [x, y], dtype=_divided(x, y), keep=keep)


def _divided(x: Any, y: Any) -> Dtype:
    kind = promoted([x, y])
    return kind if kind.floating else FLOAT32


@known("floor_divide", "remainder")
def floor_divide(tape: Tape, x: Any, y: Any) -> Tensor:
    """Whole quotients and rests: nothing is kept."""
    return pointwise(tape, [x, y])


@known("pow")
def power(tape: Tape, x: Any, y: Any) -> Tensor:
    """Keeps the base, and result and exponent where that is a tensor."""
    keep = [operand for operand in (x, y) if isinstance(operand, Tensor)]
    return pointwise(tape, [x, y], keep=keep, itself=isinstance(y, Tensor))


@known("maximum", "minimum")
def extreme(tape: Tape, x: Tensor, y: Tensor) -> Tensor:
    """The larger or the smaller: keeps both."""
    return pointwise(tape, [x, y], keep=[x, y])


@known("lt", "le", "gt", "ge", "eq", "ne")
def compared(tape: Tape, x: Any, y: Any) -> Tensor:
    """Truths: no gradient flows."""
    return pointwise(tape, [x, y], dtype=BOOL)


@known("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not")
def bitwise(tape: Tape, *operands: Any) -> Tensor:
    """Truths of truths: no gradient flows."""
    return pointwise(tape, list(operands))


@known("where")
def where(tape: Tape, condition: Tensor, x: Any, y: Any) -> Tensor:
    """Keeps the condition."""
    shape = broadcast(*(t.shape for t in (condition, x, y) if isinstance(t, Tensor)))
    tensors = [t for t in (x, y) if isinstance(t, Tensor)]
    operands = [condition, *tensors]
    strides = elementwise(shape, [t.layout_of for t in operands])
    return tape.result(tensors, shape, dtype=promoted([x, y]), strides=strides, keep=[condition])


@known("masked_fill")
def masked_fill(tape: Tape, x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Keeps the mask."""
    shape = broadcast(x.shape, mask.shape)
    strides: Sizes = elementwise(shape, [x.layout_of])
    return tape.result([x], shape, strides=strides, keep=[mask])


@known("softsign")
def softsign(tape: Tape, x: Tensor) -> Tensor:
    """x / (1 + |x|): keeps what its parts do."""
    return div(tape, x, add(tape, tape.call("abs", x), 1))


@known("prelu")
def prelu(tape: Tape, x: Tensor, weight: Tensor) -> Tensor:
    """Keeps the input and the slopes."""
    slopes = weight
    if weight.numel() != 1 or x.dim() > 1:
        ones = (1,) * (x.dim() - 2)
        slopes = weight.alias((1, weight.numel(), *ones), (weight.numel(), 1, *(1 for _ in ones)))
    return tape.result(
        [x, slopes],
        x.shape,
        strides=elementwise(x.shape, [x.layout_of]),
        keep=[x, slopes],
    )


@known("softmax", "log_softmax")
def softmax(tape: Tape, x: Tensor, dim: int | None = None, **named: Any) -> Tensor:
    """Keeps the result."""
    return tape.result([x], x.shape, itself=True)


@known("dropout")
def dropout(tape: Tape, x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Keeps what is multiplied by: numbers as wide as the input's, and on CUDA bytes."""
    if p == 0 or not training:
        return x
    if tape.device == "cuda":
        mask = tape.fresh(x.shape, BOOL, elementwise(x.shape, [x.layout_of]))
        return pointwise(tape, [x], keep=[mask])
    return mul(tape, x, _noise(tape, x, x.shape, p))


@known("dropout1d", "dropout2d", "dropout3d")
def feature_dropout(tape: Tape, x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Keeps a number for each channel."""
    if p == 0 or not training:
        return x
    return mul(tape, x, _noise(tape, x, (*x.shape[:2], *(1 for _ in x.shape[2:])), p))


def _noise(tape: Tape, x: Tensor, shape: Sizes, p: float) -> Tensor:
    if p == 1:
        return tape.fresh((), x.dtype)
    strides = elementwise(shape, [x.layout_of]) if shape == x.shape else None
    return tape.fresh(shape, x.dtype, strides)

"""How a tensor that a class of the file owns starts, as an expression.

What the net says itself is said: numbers in lists, zeros, windows. What is drawn is drawn anew, as
torch's own layers are, since whoever wants the spec's numbers loads those of `to_torch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.backends.torch.source.code import Bin, Code, Const, Fn, Seq, Slot, Text, mapped
from netspec.backends.torch.source.sizes import Untold
from netspec.backends.torch.source.trace import Torch, Trace
from netspec.ops.declare.weight import Weight
from netspec.weights.seeded import draw

# More numbers than this are no text to read.
_MOST = 1024
# Of what is drawn and is no layer of torch's.
_DEVIATION = Text("0.02")


def started(weight: Weight) -> tuple[Code, dict[str, Callable[..., Any]]]:
    """The tensor as it starts, and the functions that this calls; raises Untold."""
    shape = tuple(Const(int(size)) for size in weight.shape)
    value = weight.init.constant()
    if value is not None:
        return _filled(shape, value), {}
    if weight.init.drawn:
        return Bin("*", _DEVIATION, Fn(Text("torch.randn"), shape)), {}
    trace = Trace()
    if weight.init.computed(Torch(trace), weight) is not None:
        return _whole(trace), trace.helpers
    return _listed(weight), {}


def _whole(trace: Trace) -> Code:
    """What is computed, as one expression."""
    held: dict[int, Code] = {}
    for line in trace.lines:
        held[line.gives[0]] = mapped(
            line.code, lambda c: held[c.index] if isinstance(c, Slot) else None
        )
    return held[trace.lines[-1].gives[0]]


def _sample(weight: Weight) -> Any:
    """Some of the numbers that a weight may start as."""
    return next(draw(weight, "source", 0))


def _filled(shape: tuple[Code, ...], value: float) -> Code:
    if value in (0.0, 1.0):
        return Fn(Text("torch.zeros" if value == 0 else "torch.ones"), shape)
    return Fn(Text("torch.full"), (Seq(shape), Const(value)))


def _listed(weight: Weight) -> Code:
    """Numbers in lists; those that repeat along the first axes once."""
    array = _sample(weight).reshape(weight.shape)
    if array.ndim == 2 and np.array_equal(array, np.eye(len(array))):
        return Fn(Text("torch.eye"), (Const(len(array)),))
    once = array
    while once.ndim and (once == once[:1]).all():
        once = once[0]
    if once.size > _MOST:
        raise Untold(f"{once.size:,} numbers that are known beforehand")
    if once.ndim == 0:
        return _filled(tuple(Const(int(size)) for size in weight.shape), float(str(once)))
    made: Code = Fn(Text("torch.tensor"), (_nested(once),))
    if once.ndim == array.ndim:
        return made
    more = array.shape[: array.ndim - once.ndim]
    times = tuple(Const(int(size)) for size in (*more, *[1] * once.ndim))
    return Fn(Text("torch.tile"), (made, Seq(times)))


def _nested(array: Any) -> Code:
    if array.ndim == 0:
        # As short as single precision takes it.
        return Const(float(str(array)))
    return Seq(tuple(map(_nested, array)), "[]")

"""Tensors made of nothing: filled, drawn, counted up, or given by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.analysis.training.known import known
from netspec.analysis.training.layout import Sizes
from netspec.analysis.training.tensors import BOOL, FLOAT32, INT64, Tape, Tensor
from netspec.analysis.training.views import flat, preserved


def _shape(sizes: tuple[Any, ...]) -> Sizes:
    return tuple(flat(sizes))


@known("zeros", "ones", "empty", "rand", "randn")
def filled(tape: Tape, *sizes: Any, dtype: Any = None, **named: Any) -> Tensor:
    """A tensor of one number, or drawn."""
    return tape.fresh(_shape(sizes), dtype or FLOAT32)


@known("full")
def full(tape: Tape, size: Sequence[int], value: Any, *, dtype: Any = None, **named: Any) -> Tensor:
    """A tensor of one number."""
    return filled(tape, size, dtype=dtype)


@known("new_zeros", "new_ones", "new_empty")
def new_filled(tape: Tape, x: Tensor, *sizes: Any, dtype: Any = None, **named: Any) -> Tensor:
    """A tensor of one number, of a tensor's type."""
    return tape.fresh(_shape(sizes), dtype or x.dtype)


@known("zeros_like", "ones_like", "empty_like", "rand_like", "randn_like")
def filled_like(tape: Tape, x: Tensor, *, dtype: Any = None, **named: Any) -> Tensor:
    """A tensor of one number or drawn, that lies as another one."""
    return tape.fresh(x.shape, dtype or x.dtype, preserved(x))


@known("arange")
def arange(tape: Tape, *ends: Any, dtype: Any = None, **named: Any) -> Tensor:
    """Numbers counted up."""
    whole = all(isinstance(end, int) for end in ends)
    start, stop, step = (0, ends[0], 1) if len(ends) == 1 else (*ends, 1)[:3]
    size = max(0, -int(-(stop - start) // step))
    return filled(tape, size, dtype=dtype or (INT64 if whole else None))


@known("tensor", "asarray")
def tensor(tape: Tape, values: Any, *, dtype: Any = None, **named: Any) -> Tensor:
    """Numbers given in lists."""
    shape: list[int] = []
    while isinstance(values, list | tuple):
        shape.append(len(values))
        values = values[0] if values else 0.0
    kind = BOOL if isinstance(values, bool) else INT64 if isinstance(values, int) else None
    return filled(tape, shape, dtype=dtype or kind)


@known("meshgrid")
def meshgrid(tape: Tape, *axes: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Each axis as a view of all places."""
    shape = tuple(len(axis) for axis in axes)
    found = []
    for at, axis in enumerate(axes):
        steps = [axis.strides[0] if i == at else 0 for i in range(len(shape))]
        found.append(axis.alias(shape, steps))
    return tuple(found)

"""Checks that several operators make of what they are given; each raises Rejection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.diagnostics.messages.shapes import (
    NotIds,
    UnknownSize,
    WrongCount,
    WrongPartner,
    WrongRank,
)
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import Param, Reference
from netspec.sizes.batch import Batch
from netspec.sizes.shapes import TensorType, numel


def need_numbers(op: Operator, inputs: Sequence[TensorType]) -> None:
    """Refuses ids where numbers are needed and numbers where ids are."""
    if op.moves:
        return
    plain, named = op.apart(inputs)
    numbers = (tensor for name, tensor in named.items() if not _takes_either(op.params[name]))
    for tensor in (*plain, *numbers):
        if (tensor.ids is not None) != op.takes_ids:
            expected = "integer ids" if op.takes_ids else "numbers"
            advice = (
                "an input says so and how many there are: `input 16 ids(1000)`"
                if op.takes_ids
                else "`embedding-64` gives each of them a vector of numbers"
            )
            raise Rejection(NotIds(op.spelling, expected, str(tensor), advice))


def _takes_either(param: Param) -> bool:
    return isinstance(param, Reference) and param.ids


def type_of(tensor: Any) -> TensorType:
    """The type of a batch of torch's, for `compute`. While torch traces, sizes are tensors too."""
    # Made here, since torch.compile takes no default that is an object of ours.
    sizes = (size if isinstance(size, int) else int(size) for size in tensor.shape[1:])
    return TensorType(tuple(sizes), Batch())


def need_spatial(op: Operator, tensor: TensorType, *ranks: int) -> int:
    """The number of spatial axes; raises Rejection unless it is in `ranks`, by default 1 to 3."""
    rank = len(tensor.shape) - 1
    if rank not in (ranks or (1, 2, 3)):
        advice = "a vector has no axes to slide over; use fc" if not (rank or ranks) else ""
        expected = f"channels and {_counted(ranks or (1, 2, 3))}"
        if ranks == (1,) and rank > 1:
            advice = "`sequence` before it makes one of a map"
        raise Rejection(WrongRank(op.spelling, expected, str(tensor), advice))
    return rank


def _counted(ranks: tuple[int, ...]) -> str:
    if len(ranks) > 1:
        return f"{ranks[0]} to {ranks[-1]} spatial axes"
    return "time" if ranks == (1,) else f"{ranks[0]} spatial axes"


def need_partners(
    op: Operator, wire: Sequence[object], references: Sequence[object], count: int
) -> None:
    """Refuses anything but one tensor on the wire and `count` tensors by reference."""
    if len(wire) != 1:
        raise Rejection(WrongCount(op.spelling, "one tensor", f"{len(wire)} tensors"))
    if len(references) != count:
        expected = (
            f"{count} tensor by reference, as in `{op.examples[-1][1]}`"
            if count
            else ("no tensor by reference here")
        )
        raise Rejection(WrongPartner(op.spelling, expected))


def fixed_channels(op: str, tensor: TensorType) -> int:
    """The number of channels; raises Rejection where it is a symbol."""
    channels = tensor.channels
    if not isinstance(channels, int):
        raise Rejection(UnknownSize(op, str(tensor), "channels must be a number"))
    return channels


def flat_size(op: str, tensor: TensorType) -> int:
    """The number of elements; raises Rejection where it depends on a symbol."""
    size = numel(tensor.shape)
    if not isinstance(size, int):
        advice = "put gap before it, or write it as a convolution"
        raise Rejection(UnknownSize(op, str(tensor), advice))
    return size

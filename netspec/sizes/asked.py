"""What was asked of the sizes of tensors while steps ran.

Steps that are run again on tensors of other sizes go the same way where the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from netspec.sizes.dims import Dim, exact
from netspec.sizes.shapes import TensorType, strides

# The axis that a letter means, counted as Python does.
SIZES = {"C": 0, "D": -3, "H": -2, "W": -1, "T": -1, "L": -1}
# How many axes a tensor has at least that the letter is a size of.
_LEAST = {"C": 1, "D": 4, "H": 3, "W": 3}


class Sized(Protocol):
    """What has a type: a value on the wire."""

    @property
    def type(self) -> TensorType:
        """The tensor's type, for one sample."""


class Question(NamedTuple):
    """The size of a tensor that a letter means, or without one the stride from one to the other."""

    letter: str
    tensors: tuple[Any, ...]
    answer: Any


def size_of(letter: str, tensor: TensorType) -> Dim | None:
    """The size that a letter means; None of a tensor that has no such axis. One row of ids is a sequence."""
    rank = len(tensor.shape)
    if letter in "TL" and (rank != 2 and (rank != 1 or tensor.ids is None)):
        return None
    return tensor.shape[SIZES[letter]] if rank >= _LEAST.get(letter, 1) else None


def answer(letter: str, *types: TensorType) -> Any:
    """What tells one answer to a question from another; None where there is none."""
    if letter:
        # Of a map of fewer axes another size would be meant.
        size = size_of(letter, types[0])
        return len(types[0].shape), None if size is None else exact(size)
    large, small = types
    return strides(large, small) if len(large.shape) == len(small.shape) else None


_current: ContextVar[list[Question] | None] = ContextVar("asked", default=None)


@contextmanager
def asking(found: list[Question]) -> Iterator[None]:
    """Questions that are put meanwhile go into `found`."""
    token = _current.set(found)
    try:
        yield
    finally:
        _current.reset(token)


def ask(letter: str, *tensors: Sized) -> None:
    """Takes note of a question, which has an answer."""
    found = _current.get()
    if found is not None:
        types = (tensor.type for tensor in tensors)
        found.append(Question(letter, tensors, answer(letter, *types)))

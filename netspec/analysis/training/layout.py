"""How a tensor's elements lie: strides, as PyTorch decides which of them a result has.

Whether a reshape is a view or a copy follows from them, and so does what is kept once or twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Sizes = tuple[int, ...]


def contiguous(shape: Sequence[int]) -> Sizes:
    """The strides of elements in order, the last axis fastest."""
    found, step = [], 1
    for size in reversed(shape):
        found.append(step)
        step *= max(size, 1)
    return tuple(reversed(found))


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements lie in order."""
    return same(shape, strides, contiguous(shape))


def same(shape: Sequence[int], strides: Sequence[int], others: Sequence[int]) -> bool:
    """Whether elements lie alike by two strides; along an axis of size 1 there is no step."""
    steps = zip(shape, strides, others, strict=True)
    return all(size == 1 or one == other for size, one, other in steps)


def is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements fill their storage without gap or overlap, in some order of the axes."""
    step = 1
    for stride, size in sorted((t, s) for s, t in zip(shape, strides, strict=True) if s != 1):
        if stride != step:
            return False
        step *= size
    return True


def channels_last(shape: Sequence[int]) -> Sizes:
    """The strides of (N, C, *sizes) whose channels lie side by side."""
    order = [0, *range(2, len(shape)), 1]
    return permuted(shape, order)


def permuted(shape: Sequence[int], order: Sequence[int]) -> Sizes:
    """The strides of a dense tensor whose axes lie in this order, the last of them fastest."""
    steps = contiguous([shape[axis] for axis in order])
    found = [0] * len(shape)
    for axis, step in zip(order, steps, strict=True):
        found[axis] = step
    return tuple(found)


def suggests_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether PyTorch takes a map for one whose channels lie side by side."""
    if len(shape) not in (4, 5) or strides[1] == 0 or 0 in shape:
        return False
    least = 0
    for axis in (1, *reversed(range(2, len(shape))), 0):
        if strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * max(shape[axis], 1)
    return True


def like_map(shape: Sequence[int], like: tuple[Sizes, Sizes]) -> Sizes:
    """The strides of a map that a layer makes of one with that shape and strides."""
    return channels_last(shape) if suggests_channels_last(*like) else contiguous(shape)


def viewed(shape: Sequence[int], strides: Sequence[int], wanted: Sequence[int]) -> Sizes | None:
    """The strides of the same elements in another shape; None where only a copy has it."""
    if 0 in shape:
        return contiguous(wanted)
    found = [0] * len(wanted)
    at, chunk, chunk_size, seen = len(wanted) - 1, strides[-1] if strides else 1, 1, 1
    for axis in reversed(range(len(shape))):
        chunk_size *= shape[axis]
        ends = axis == 0 or (shape[axis - 1] != 1 and strides[axis - 1] != chunk_size * chunk)
        if not ends:
            continue
        while at >= 0 and (seen < chunk_size or wanted[at] == 1):
            found[at] = seen * chunk
            seen *= wanted[at]
            at -= 1
        if seen != chunk_size:
            return None
        if axis > 0:
            chunk, chunk_size, seen = strides[axis - 1], 1, 1
    return tuple(found) if at == -1 else None


def elementwise(shape: Sizes, operands: Sequence[tuple[Sizes, Sizes]]) -> Sizes:
    """The strides of what is computed of each element of operands, given as shape and strides."""
    if all(given == shape for given, _ in operands):
        if all(is_contiguous(*operand) for operand in operands):
            return contiguous(shape)
        if len(shape) in (4, 5) and all(strides == channels_last(shape) for _, strides in operands):
            return channels_last(shape)
        first = operands[0][1]
        if all(strides == first for _, strides in operands) and is_dense(shape, first):
            return first
    steps = [_broadcast(shape, *operand) for operand in operands]
    # The fastest axis first, as PyTorch's iterator sorts them.
    order = list(reversed(range(len(shape))))
    for i in range(1, len(order)):
        current = i
        for before in reversed(range(i)):
            swap = _compared(order[before], order[current], shape, steps)
            if swap > 0:
                order[before], order[current] = order[current], order[before]
                current = before
            elif swap < 0:
                break
    return permuted(shape, list(reversed(order)))


def _compared(one: int, other: int, shape: Sizes, steps: Sequence[Sizes]) -> int:
    for strides in steps:
        first, second = strides[one], strides[other]
        if first == 0 or second == 0:
            continue
        if first != second:
            return -1 if first < second else 1
        if shape[one] > shape[other]:
            return 1
    return 0


def _broadcast(shape: Sizes, given: Sizes, strides: Sizes) -> Sizes:
    missing = len(shape) - len(given)
    return (0,) * missing + tuple(
        0 if size == 1 and whole != 1 else stride
        for size, stride, whole in zip(given, strides, shape[missing:], strict=True)
    )


def elements(shape: Sequence[int]) -> int:
    """How many elements a shape has."""
    return prod(shape)

"""The same elements by other sizes: views, which share their storage, and the copies where none can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.analysis.training.known import known
from netspec.analysis.training.layout import (
    Sizes,
    elements,
    elementwise,
    is_dense,
    viewed,
)
from netspec.analysis.training.tensors import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT64,
    Dtype,
    Tape,
    Tensor,
)


def broadcast(*shapes: Sequence[int]) -> Sizes:
    """The shape that shapes are broadcast to."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(
        next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True)
    )


def spread(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The tensor expanded to a shape: a view."""
    missing = len(shape) - tensor.dim()
    given = (1,) * missing + tensor.shape
    sizes = [old if new == -1 else new for old, new in zip(given, shape, strict=True)]
    steps = [0] * missing + [
        0 if old == 1 and new != 1 else step
        for old, new, step in zip(tensor.shape, sizes[missing:], tensor.strides, strict=True)
    ]
    return tensor.alias(sizes, steps)


def flat(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes that were given one by one, or in a list."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], list | tuple) else sizes


def _filled(total: int, sizes: Sequence[int]) -> Sizes:
    """Sizes with the one that is left open."""
    if -1 not in sizes:
        return tuple(sizes)
    rest = elements([size for size in sizes if size != -1])
    return tuple(total // rest if size == -1 else size for size in sizes)


@known("expand")
def expand(tape: Tape, x: Tensor, *sizes: Any) -> Tensor:
    """A view."""
    return spread(x, flat(sizes))


@known("expand_as")
def expand_as(tape: Tape, x: Tensor, other: Tensor) -> Tensor:
    """A view."""
    return spread(x, other.shape)


@known("broadcast_tensors")
def broadcast_tensors(tape: Tape, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of one shape."""
    shape = broadcast(*(tensor.shape for tensor in tensors))
    return tuple(spread(tensor, shape) for tensor in tensors)


@known("view")
def view(tape: Tape, x: Tensor, *sizes: Any) -> Tensor:
    """A view of another shape."""
    wanted = _filled(x.numel(), flat(sizes))
    found = viewed(x.shape, x.strides, wanted)
    assert found is not None, "torch would refuse this view"
    return x.alias(wanted, found)


@known("reshape")
def reshape(tape: Tape, x: Tensor, *sizes: Any) -> Tensor:
    """A view of another shape, or a copy where there is none."""
    wanted = _filled(x.numel(), flat(sizes))
    found = viewed(x.shape, x.strides, wanted)
    if found is not None:
        return x.alias(wanted, found)
    return tape.result([x], wanted)


@known("flatten")
def flatten(tape: Tape, x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes joined: a view, or a copy where there is none."""
    first, last = start_dim % x.dim(), end_dim % x.dim()
    joined = elements(x.shape[first : last + 1])
    return reshape(tape, x, *x.shape[:first], joined, *x.shape[last + 1 :])


@known("unflatten")
def unflatten(tape: Tape, x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """An axis split: a view."""
    axis = dim % x.dim()
    parts = _filled(x.shape[axis], tuple(sizes))
    return view(tape, x, *x.shape[:axis], *parts, *x.shape[axis + 1 :])


@known("permute")
def permute(tape: Tape, x: Tensor, *axes: Any) -> Tensor:
    """Axes in another order: a view."""
    order = [axis % x.dim() for axis in flat(axes)]
    return x.alias([x.shape[axis] for axis in order], [x.strides[axis] for axis in order])


@known("transpose")
def transpose(tape: Tape, x: Tensor, one: int, other: int) -> Tensor:
    """Two axes swapped: a view."""
    order = list(range(x.dim()))
    one, other = one % x.dim(), other % x.dim()
    order[one], order[other] = other, one
    return permute(tape, x, order)


@known("movedim")
def movedim(tape: Tape, x: Tensor, source: int, destination: int) -> Tensor:
    """An axis moved: a view."""
    order = [axis for axis in range(x.dim()) if axis != source % x.dim()]
    order.insert(destination % x.dim(), source % x.dim())
    return permute(tape, x, order)


@known("unsqueeze")
def unsqueeze(tape: Tape, x: Tensor, dim: int) -> Tensor:
    """An axis of size 1 more: a view."""
    axis = dim % (x.dim() + 1)
    step = x.shape[axis] * x.strides[axis] if axis < x.dim() else 1
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    return x.alias(shape, (*x.strides[:axis], step, *x.strides[axis:]))


@known("squeeze")
def squeeze(tape: Tape, x: Tensor, dim: int) -> Tensor:
    """An axis of size 1 less: a view."""
    axis = dim % x.dim()
    if x.shape[axis] != 1:
        return x
    return x.alias(x.shape[:axis] + x.shape[axis + 1 :], x.strides[:axis] + x.strides[axis + 1 :])


@known("narrow")
def narrow(tape: Tape, x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A piece: a view."""
    axis = dim % x.dim()
    return x.alias((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.strides)


@known("unbind")
def unbind(tape: Tape, x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Slices along an axis: views."""
    axis = dim % x.dim()
    shape, strides = x.shape, x.strides
    rest = shape[:axis] + shape[axis + 1 :], strides[:axis] + strides[axis + 1 :]
    return tuple(x.alias(*rest) for _ in range(shape[axis]))


@known("split")
def split(tape: Tape, x: Tensor, sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of sizes: views."""
    if isinstance(sizes, int):
        whole = x.shape[dim]
        sizes = [min(sizes, whole - start) for start in range(0, whole, sizes)]
    return tuple(narrow(tape, x, dim, 0, size) for size in sizes)


@known("chunk")
def chunk(tape: Tape, x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Equal pieces: views."""
    return split(tape, x, -(-x.shape[dim] // chunks), dim)


@known("detach")
def detach(tape: Tape, x: Tensor) -> Tensor:
    """A view that no gradient flows into."""
    found = x.alias(x.shape, x.strides)
    found.needs = False
    return found


def preserved(x: Tensor) -> Sizes:
    """The strides of a copy that keeps them where they are dense."""
    return x.strides if is_dense(*x.layout_of) else elementwise(x.shape, [x.layout_of])


@known("clone")
def clone(tape: Tape, x: Tensor) -> Tensor:
    """A copy that lies as the tensor."""
    return tape.result([x], x.shape, strides=preserved(x))


@known("contiguous")
def as_contiguous(tape: Tape, x: Tensor) -> Tensor:
    """The tensor, or a copy whose elements lie in order."""
    return x if x.is_contiguous() else tape.result([x], x.shape)


@known("to", "type")
def to(tape: Tape, x: Tensor, kind: Any = None, **named: Any) -> Tensor:
    """Another type: a copy; nothing is kept."""
    dtype = named.get("dtype", kind)
    if not isinstance(dtype, Dtype) or dtype is x.dtype:
        return x
    return tape.result([x], x.shape, dtype=dtype, strides=preserved(x))


@known("getitem")
def getitem(tape: Tape, x: Tensor, index: Any) -> Tensor:
    """Slices are views; tensors of places are kept."""
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(1 for item in items if item is not None and item is not Ellipsis)
    if Ellipsis not in [item for item in items if not isinstance(item, Tensor)]:
        items.append(Ellipsis)
    shape: list[int] = []
    strides: list[int] = []
    chosen: dict[int, Tensor] = {}
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
            strides.append(x.shape[axis] * x.strides[axis] if axis < x.dim() else 1)
        elif item is Ellipsis:
            rest = x.dim() - used
            shape += x.shape[axis : axis + rest]
            strides += x.strides[axis : axis + rest]
            axis += rest
        elif isinstance(item, slice):
            start, stop, step = item.indices(x.shape[axis])
            shape.append(max(0, -(-(stop - start) // step)))
            strides.append(x.strides[axis] * step)
            axis += 1
        elif isinstance(item, Tensor):
            chosen[len(shape)] = item
            shape.append(x.shape[axis])
            strides.append(x.strides[axis])
            axis += 1
        else:
            axis += 1
    found = x.alias(shape, strides)
    return _indexed(tape, found, chosen) if chosen else found


def _indexed(tape: Tape, x: Tensor, chosen: dict[int, Tensor]) -> Tensor:
    """The elements that tensors of places choose, by axis."""
    places = broadcast(*(tensor.shape for tensor in chosen.values()))
    axes = sorted(chosen)
    rest = [size for axis, size in enumerate(x.shape) if axis not in chosen]
    together = axes == list(range(axes[0], axes[-1] + 1))
    at = axes[0] if together else 0
    shape = (*rest[:at], *places, *rest[at:])
    return tape.result([x], shape, keep=list(chosen.values()))


def _converting(dtype: Dtype) -> None:
    def converted(tape: Tape, x: Tensor) -> Tensor:
        return to(tape, x, dtype)

    known({"float32": "float", "int64": "long", "float64": "double"}.get(dtype.name, dtype.name))(
        converted
    )


for _dtype in (FLOAT32, FLOAT64, INT64, BOOL):
    _converting(_dtype)

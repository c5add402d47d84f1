"""Functions along axes: sums, joins, choices by place; what each keeps for backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.analysis.training.known import known
from netspec.analysis.training.layout import (
    Sizes,
    channels_last,
    contiguous,
    like_map,
    suggests_channels_last,
)
from netspec.analysis.training.pointwise import div, promoted
from netspec.analysis.training.tensors import BOOL, INT64, Tape, Tensor
from netspec.analysis.training.views import narrow, preserved, spread, unsqueeze


def reduced(x: Tensor, dim: Any, keepdim: bool) -> Sizes:
    """The shape without axes, or with 1 in their place."""
    axes = range(x.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % x.dim() for axis in axes}
    if keepdim:
        return tuple(1 if axis in gone else size for axis, size in enumerate(x.shape))
    return tuple(size for axis, size in enumerate(x.shape) if axis not in gone)


@known("sum", "mean")
def total(tape: Tape, x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Sums and means: nothing is kept."""
    dtype = x.dtype if x.dtype.floating else INT64
    return tape.result([x], reduced(x, dim, keepdim), dtype=dtype)


@known("cumsum")
def cumsum(tape: Tape, x: Tensor, dim: int) -> Tensor:
    """Sums up to each place: nothing is kept."""
    return tape.result([x], x.shape)


@known("amax", "amin", "prod")
def extreme(tape: Tape, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Keeps the input and the result."""
    return tape.result([x], reduced(x, dim, keepdim), keep=[x], itself=True)


@known("linalg_vector_norm")
def vector_norm(tape: Tape, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The length of vectors: keeps the input and the result."""
    return tape.result([x], reduced(x, dim, keepdim), keep=[x], itself=True)


@known("normalize")
def normalize(tape: Tape, x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Vectors divided by their length: keeps what its parts do."""
    length = tape.call("clamp_min", tape.call("linalg_vector_norm", x, dim, True), eps)
    return div(tape, x, spread(length, x.shape))


@known("any", "all")
def any_of(tape: Tape, x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether any is true: no gradient flows."""
    return tape.fresh(reduced(x, dim, keepdim), BOOL)


@known("argmax", "argmin")
def argmax(tape: Tape, x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Places: no gradient flows."""
    return tape.fresh(reduced(x, dim, keepdim), INT64)


@known("sort")
def sort(tape: Tape, x: Tensor, dim: int = -1, **named: Any) -> tuple[Tensor, Tensor]:
    """Values in order, and their places, which are kept."""
    places = tape.fresh(x.shape, INT64, preserved(x))
    return tape.result([x], x.shape, strides=preserved(x), keep=[places]), places


@known("cat")
def cat(tape: Tape, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors side by side: a new one, nothing is kept."""
    first = tensors[0]
    axis = dim % first.dim()
    joined = sum(tensor.shape[axis] for tensor in tensors)
    shape = (*first.shape[:axis], joined, *first.shape[axis + 1 :])
    last = all(suggests_channels_last(*tensor.layout_of) for tensor in tensors)
    strides = channels_last(shape) if last else contiguous(shape)
    return tape.result(tensors, shape, dtype=promoted(list(tensors)), strides=strides)


@known("stack")
def stack(tape: Tape, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors along a new axis: a new one, nothing is kept."""
    axis = dim % (tensors[0].dim() + 1)
    return cat(tape, [unsqueeze(tape, tensor, axis) for tensor in tensors], axis)


@known("gather")
def gather(tape: Tape, x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Keeps the input and the places."""
    return tape.result([x], index.shape, keep=[x, index])


@known("index_select")
def index_select(tape: Tape, x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Keeps the places."""
    axis = dim % x.dim()
    shape = (*x.shape[:axis], len(index), *x.shape[axis + 1 :])
    return tape.result([x], shape, keep=[index])


@known("scatter")
def scatter(tape: Tape, x: Tensor, dim: int, index: Tensor, source: Tensor | float) -> Tensor:
    """Keeps the places."""
    given = [x, source] if isinstance(source, Tensor) else [x]
    return tape.result(given, x.shape, strides=preserved(x), keep=[index])


@known("index_copy")
def index_copy(tape: Tape, x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Keeps the places."""
    return tape.result([x, source], x.shape, strides=preserved(x), keep=[index])


@known("embedding")
def embedding(tape: Tape, index: Tensor, weight: Tensor) -> Tensor:
    """Rows of a table: keeps the ids."""
    return tape.result([weight], (*index.shape, weight.shape[1]), keep=[index])


@known("one_hot")
def one_hot(tape: Tape, index: Tensor, count: int) -> Tensor:
    """Ones at places: no gradient flows."""
    return tape.fresh((*index.shape, count), INT64)


@known("flip")
def flip(tape: Tape, x: Tensor, *axes: Any) -> Tensor:
    """The elements in another order: a copy, nothing is kept."""
    return tape.result([x], x.shape, strides=preserved(x))


@known("roll")
def roll(tape: Tape, x: Tensor, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
    """Two pieces swapped along each axis, of which one may be empty: copies, nothing is kept."""
    for shift, dim in zip(shifts, dims, strict=True):
        start = -shift % x.shape[dim]
        pieces = [narrow(tape, x, dim, start, x.shape[dim] - start), narrow(tape, x, dim, 0, start)]
        x = cat(tape, pieces, dim)
    return x


@known("repeat_interleave")
def repeat_interleave(tape: Tape, x: Tensor, repeats: int, dim: int) -> Tensor:
    """Each element several times: a copy, nothing is kept."""
    axis = dim % x.dim()
    wide = unsqueeze(tape, x, axis + 1)
    copied = (*wide.shape[: axis + 1], repeats, *wide.shape[axis + 2 :])
    whole = (*x.shape[:axis], x.shape[axis] * repeats, *x.shape[axis + 1 :])
    made = tape.result([x], copied)
    return made.alias(whole, contiguous(whole))


@known("pad")
def pad(
    tape: Tape, x: Tensor, pads: Sequence[int], mode: str = "constant", value: Any = None
) -> Tensor:
    """A border: of a constant or circular it keeps nothing, mirrored what it mirrors."""
    shape = list(x.shape)
    for i in range(len(pads) // 2):
        shape[-1 - i] += pads[2 * i] + pads[2 * i + 1]
    if mode in _BORDERS:
        found: Tensor = tape.call(f"{_BORDERS[mode]}_pad{len(pads) // 2}d", x, shape)
        return found
    return tape.result([x], shape, strides=like_map(shape, x.layout_of))


_BORDERS = {"reflect": "reflection", "replicate": "replication"}


@known(*(f"{border}_pad{rank}d" for border in _BORDERS.values() for rank in (1, 2, 3)))
def mirrored(tape: Tape, x: Tensor, shape: Sequence[int]) -> Tensor:
    """A border of a map's own elements: keeps the map."""
    return tape.result([x], shape, strides=like_map(shape, x.layout_of), keep=[x])

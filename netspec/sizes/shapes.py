"""The types of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

from netspec.foundation.records import record
from netspec.sizes.batch import SAMPLES, Batch
from netspec.sizes.dims import Dim, exact, ratio, substitute


@record(slots=False)
class TensorType:
    """The type of one tensor: shape without the leading batch dimension.

    `batch` is what the leading dimension counts. Spatial tensors are channels first: (C, L),
    (C, H, W), (C, D, H, W). `ids` is the number of distinct integer ids for int64 inputs, else None.
    """

    shape: tuple[Dim, ...]
    batch: Batch = SAMPLES
    ids: int | None = None

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Types are looked up by often, and shared by all that have them.
        return hash((self.shape, self.batch, self.ids))

    @property
    def dtype(self) -> str:
        """`float32`, or `int64` for ids."""
        return "float32" if self.ids is None else "int64"

    @cached_property
    def exact(self) -> Any:
        """What tells types apart that are equal: where their sizes come from, too."""
        return tuple(map(exact, self.shape)), self.batch.exact, self.ids

    @cached_property
    def elements(self) -> Dim:
        """How many elements it has for one row of its batch."""
        return prod([int(dim) if isinstance(dim, int) else dim for dim in self.shape])

    @property
    def channels(self) -> Dim:
        """The first size; 1 where there is none."""
        return self.shape[0] if self.shape else 1

    @property
    def spatial(self) -> tuple[Dim, ...]:
        """The sizes after the channels."""
        return self.shape[1:]

    def with_shape(self, *shape: Dim) -> TensorType:
        """A tensor of numbers of the same batch, of another shape."""
        return TensorType(shape, self.batch)

    def resized(self, axis: int, size: Dim) -> TensorType:
        """The same tensor, ids of ids, with another size along an axis."""
        return TensorType((*self.shape[:axis], size, *self.shape[axis + 1 :]), self.batch, self.ids)

    def with_symbols(self, sizes: Mapping[str, Dim]) -> TensorType:
        """The same tensor with symbols in its shape replaced."""
        shape = tuple(substitute(dim, sizes) for dim in self.shape)
        return TensorType(shape, self.batch.with_symbols(sizes), self.ids)

    def __str__(self) -> str:
        sizes = map(str, self.shape)
        text = "x".join(size if size.isalnum() else f"[{size}]" for size in sizes) or "scalar"
        return text if self.ids is None else f"{text} ids({self.ids})"


# Channels that an image has: grey, three colours, and a mask beside them.
_OF_IMAGES = (1, 3, 4)


def channels_last(sizes: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """The sizes with their channels first, where they look like those of an image with them last."""
    if len(sizes) != 3 or not all(isinstance(size, int) for size in sizes):
        return None
    height, width, channels = sizes
    small = channels == 3 or (channels in _OF_IMAGES and height == width)
    if not small or any(isinstance(size, int) and size <= 4 for size in (height, width)):
        return None
    return (channels, height, width)


def batch_first(sizes: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """The sizes without the first, where it looks like a batch before those of an image.

    Channels come first then, also where those of the image stand last.
    """
    if len(sizes) != 4 or not all(isinstance(size, int) for size in sizes):
        return None
    if moved := channels_last(sizes[1:]):
        return moved
    _, channels, height, width = sizes
    image = channels in (1, 3) and height == width and isinstance(height, int) and height > 4
    return (channels, height, width) if image else None


def image_first(sizes: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """The sizes of one sample, channels first, where they look like an image's in another order."""
    return channels_last(sizes) or batch_first(sizes)


def strides(large: TensorType, small: TensorType) -> int | tuple[int, ...]:
    """The stride from one map to another of its rank: one number where all axes agree."""
    found = tuple(ratio(a, b) for a, b in zip(large.spatial, small.spatial, strict=True))
    return found if len(set(found)) > 1 else (*found, 1)[0]


def same_ranks(mine: Sequence[TensorType], others: Sequence[TensorType]) -> bool:
    """Whether tensors have as many axes as others, in order."""
    return [len(t.shape) for t in mine] == [len(t.shape) for t in others]


def numel(shape: tuple[Dim, ...]) -> Dim:
    """How many elements a shape has."""
    return prod(shape) if shape else 1

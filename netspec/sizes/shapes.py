"""The types of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from netspec.foundation.records import record
from netspec.sizes.batch import SAMPLES, Batch
from netspec.sizes.dims import Dim, ratio, substitute


@record(slots=False)
class TensorType:
    """The type of one tensor: shape without the leading batch dimension.

    `batch` is what the leading dimension counts. Spatial tensors are channels first: (C, L),
    (C, H, W), (C, D, H, W). `ids` is the number of distinct integer ids for int64 inputs, else None.
    """

    shape: tuple[Dim, ...]
    batch: Batch = SAMPLES
    ids: int | None = None

    @property
    def dtype(self) -> str:
        """`float32`, or `int64` for ids."""
        return "float32" if self.ids is None else "int64"

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

    def with_symbols(self, sizes: Mapping[str, Dim]) -> TensorType:
        """The same tensor with symbols in its shape replaced."""
        shape = tuple(substitute(dim, sizes) for dim in self.shape)
        return TensorType(shape, self.batch.with_symbols(sizes), self.ids)

    def __str__(self) -> str:
        sizes = map(str, self.shape)
        text = "x".join(size if size.isalnum() else f"[{size}]" for size in sizes) or "scalar"
        return text if self.ids is None else f"{text} ids({self.ids})"


def strides(large: TensorType, small: TensorType) -> int | tuple[int, ...]:
    """The stride from one map to another of its rank: one number where all axes agree."""
    found = tuple(ratio(a, b) for a, b in zip(large.spatial, small.spatial, strict=True))
    return found if len(set(found)) > 1 else (*found, 1)[0]


def numel(shape: tuple[Dim, ...]) -> Dim:
    """How many elements a shape has."""
    return prod(shape) if shape else 1

"""How layers that are linear say so: what it takes to fold one into another.

Numbers of a folded layer are recipes: records that say how they are made of the tensors of the
written net. Nothing is computed here; `netspec.weights.derived` does, piece by piece.
"""

from __future__ import annotations

from math import prod
from typing import Union

from netspec.foundation.records import record
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.weight import Weight


@record
class Tensor:
    """A tensor of the written net, by its `state_dict` name."""

    name: str
    weight: Weight


@record
class Constant:
    """The same number in every place."""

    value: float


@record
class Product:
    """Element by element."""

    factors: tuple[Vector, ...]


@record
class Sum:
    """Element by element."""

    terms: tuple[Vector, ...]


@record
class InverseRoot:
    """1 / sqrt(vector + plus): of a variance, what it is divided by."""

    vector: Vector
    plus: float


@record
class Part:
    """The channels from `start` to `stop`."""

    vector: Vector
    start: int
    stop: int


@record
class Contracted:
    """What a kernel makes of an input that has one number for each channel, the same everywhere."""

    kernel: Kernel
    vector: Vector


# One number for each channel.
Vector = Union[Tensor, Constant, Product, Sum, InverseRoot, Part, Contracted]


@record
class Layout:
    """How a kernel lies in memory: planes of `window`, one for each pair of channels that meet.

    Planes are ordered by output channel, then by the input channels of its group; in a `transposed`
    kernel by input channel, then by the output channels of its group.
    """

    out: int
    into: int
    groups: int
    window: tuple[int, ...]
    transposed: bool = False

    @property
    def planes(self) -> int:
        """How many pairs of channels meet."""
        return self.out * self.into // self.groups

    @property
    def taps(self) -> int:
        """How many numbers a plane has."""
        return prod(self.window)


@record
class Standardised:
    """A tensor whose `rows`, one after the other, each get mean 0 and variance 1.

    From each number its row's mean is taken, and the rest divided by sqrt(variance + eps).
    """

    tensor: Tensor
    rows: int
    eps: float


@record
class Term:
    """A kernel among those that a kernel is the sum of; the identity where it has no tensor.

    `window` is its own, whose first tap lies at `offset` in the sum's. Its output channels are
    multiplied by `rows` and its input channels by `columns`, where there are any.
    """

    tensor: Tensor | Standardised | None
    window: tuple[int, ...]
    offset: tuple[int, ...]
    rows: tuple[Vector, ...] = ()
    columns: tuple[Vector, ...] = ()


@record
class Kernel:
    """The sum of some kernels, in one layout."""

    layout: Layout
    terms: tuple[Term, ...]


# How a tensor of a folded net is made of those of the written net.
Recipe = Union[Kernel, Vector]


@record
class Scaling:
    """scale * x + shift, for each channel; None for no shift at all."""

    scale: Vector
    shift: Vector | None


@record(slots=False)
class Linear:
    """A layer that slides a kernel, its tensor `weight`, and adds a bias of its output channels.

    `padded` says that some of its outputs see fewer taps than others: zeros beyond the border, or
    the rim of a transposed convolution. `border` is what the padding holds where that is not zeros.
    """

    kernel: Kernel
    bias: Vector | None
    geometry: Geometry
    padded: bool
    border: str = "zeros"


def own_kernel(
    weight: Tensor | Standardised, layout: Layout, rows: tuple[Vector, ...] = ()
) -> Kernel:
    """The kernel that a layer has by itself, its output channels multiplied by `rows`."""
    return Kernel(layout, (Term(weight, layout.window, (0,) * len(layout.window), rows),))

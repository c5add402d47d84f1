"""What an output element sees of the input, for receptive fields."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class Window:
    """What an output element sees along each spatial axis, for receptive fields.

    `stride` is negative along an axis that is read from its end.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]


@record
class Upsampling:
    """One output element sees `kernel` input elements; `factor` outputs share one input step."""

    kernel: tuple[int, ...]
    factor: tuple[int, ...]
    before: tuple[int, ...]


@record
class Unsupported:
    """Not possible, and why. A value, so that nothing counts silently as zero."""

    reason: str


class Pointwise:
    """An output element sees the input at its own place only."""


class Everywhere:
    """An output element sees the whole input."""


POINTWISE = Pointwise()
EVERYWHERE = Everywhere()

Reach = Window | Upsampling | Pointwise | Everywhere | Unsupported

"""What optimisers of `torch.optim` hold of each parameter while they train, in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netspec.foundation.records import record

# A number in float32, and the count of steps that most hold of each parameter.
_NUMBER = _STEPS = 4


@record
class Optimizer:
    """An optimiser: how many numbers as large as a parameter it holds, and whether it counts steps.

    `factored` ones hold a row and a column in the place of a matrix (Shazeer and Stern 2018).
    """

    moments: int
    counts: bool
    factored: bool = False

    def state(self, shape: Sequence[int]) -> int:
        """Bytes held of a parameter of this shape."""
        size = prod(shape)
        numbers = self.moments * size
        if self.factored and len(shape) > 1:
            numbers = size // shape[-1] + size // shape[-2]
        elif self.factored:
            numbers = size
        return _NUMBER * numbers + _STEPS * self.counts


OPTIMIZERS = {
    "sgd": Optimizer(0, counts=False),
    "momentum": Optimizer(1, counts=False),
    "adam": Optimizer(2, counts=True),
    "adamw": Optimizer(2, counts=True),
    "adafactor": Optimizer(0, counts=True, factored=True),
    "adagrad": Optimizer(1, counts=True),
    "rmsprop": Optimizer(1, counts=True),
}

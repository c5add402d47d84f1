"""The variants of a sweep: all combinations of its axes' values, by number, none of them written out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import prod

from netspec.diagnostics.messages.sweeping import TooManyVariants
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.sweeping.axes import MOST_COUNTED, Axis, Value


@record
class Grid:
    """Every combination of the values of the axes; those of the last axis change first."""

    axes: tuple[Axis, ...]

    @property
    def count(self) -> int:
        """How many variants there are."""
        return prod(len(axis.values) for axis in self.axes)

    def at(self, number: int) -> tuple[Value, ...]:
        """The values of a variant, from number 0 on, in the order of the axes."""
        found: list[Value] = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            found.append(axis.values[place])
        return tuple(reversed(found))

    def numbers(
        self, sample: int | None = None, seed: int = 0, part: tuple[int, int] = (1, 1)
    ) -> Sequence[int]:
        """The numbers of the variants to build, in their order.

        `sample` draws so many without repetition; the seed decides which. `part` is one of several parts,
        `(2, 8)` the second of eight: their tables one after the other are the whole.
        Raises NetspecError where there are more than 2^63 - 1 variants.
        """
        if self.count > MOST_COUNTED:
            advice = "leave values out, or parameters"
            raise NetspecError(
                TooManyVariants(
                    f"{self.count:,}", f"{MOST_COUNTED:,}", "which can be counted", advice
                ),
                status=2,
            )
        numbers: Sequence[int] = range(self.count)
        if sample is not None and sample < 1:
            raise ValueError(f"sample is at least 1, not {sample}")
        if sample is not None and sample < self.count:
            numbers = sorted(random.Random(seed).sample(numbers, sample))
        which, parts = part
        if not 1 <= which <= parts:
            raise ValueError(f"part says which of how many, as (2, 8), not {part}")
        bounds = [len(numbers) * i // parts for i in (which - 1, which)]
        return numbers[slice(*bounds)]

"""Maps rolled before they are cut and back behind that: `shift` of the parts, if nothing attends there."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.importing.recognise.parts.around import around, taken_in
from netspec.importing.recognise.parts.parting import Parting, rolling, rolls
from netspec.importing.recognise.steps import Step
from netspec.importing.recognise.views import size_of


def shifted(parts: Iterable[Parting], steps: list[Step]) -> None:
    """Takes rolls around cuts into the parts, in place; what they leave is unused.

    Attention would keep apart what the roll brings together: parts that it reads are left alone.
    """
    for part, roll, after in around(parts, steps):
        if part.open or any(part.shift) or part.spaced or part.filled:
            continue
        if not roll.head.startswith("roll(") or "=" in roll.head:
            continue
        shift = tuple(-by for by in rolls(roll))
        if len(shift) != len(part.sizes) or any(
            not 0 <= by < size_of(axis) for by, axis in zip(shift, part.sizes, strict=True)
        ):
            continue
        if all(back.head == rolling(shift) for back in after):
            part.shift = shift
            taken_in(part, roll, after)

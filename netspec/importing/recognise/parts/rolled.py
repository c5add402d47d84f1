"""Maps rolled before they are cut and back behind that: `shift` of the parts, if nothing attends there."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.importing.recognise.parts.parting import Parting, rolling, rolls
from netspec.importing.recognise.steps import Step
from netspec.importing.recognise.views import size_of


def shifted(parts: Iterable[Parting], steps: list[Step]) -> None:
    """Takes rolls around cuts into the parts, in place; what they leave is unused.

    Attention would keep apart what the roll brings together: parts that it reads are left alone.
    """
    readers: dict[int, list[Step]] = {}
    for step in steps:
        for wire in (*step.inputs, *step.named.values()):
            readers.setdefault(id(wire), []).append(step)
    used = set(map(id, steps))
    for part in parts:
        roll = part.whole.step
        if roll is None or id(part.cut) not in used or part.open or any(part.shift):
            continue
        if not roll.head.startswith("roll(") or "=" in roll.head or part.spaced or part.filled:
            continue
        before, joins = roll.inputs[0], [step for step in part.joins if id(step) in used]
        shift = tuple(-by for by in rolls(roll))
        if len(shift) != len(part.sizes) or any(
            not 0 <= by < size_of(axis) for by, axis in zip(shift, part.sizes, strict=True)
        ):
            continue
        after = [readers.get(id(join.made[0]), []) for join in joins]
        if not all(len(backs) == 1 and backs[0].head == rolling(shift) for backs in after):
            continue
        part.shift, part.whole, part.cut.inputs = shift, before, (before,)
        for join, (back,) in zip(joins, after, strict=True):
            back.head, back.inputs = join.head, (join.inputs[0], before)
        part.joins = [back for (back,) in after]

"""What stands around the cuts of a map: a step before each, and those behind its joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netspec.importing.recognise.parts.parting import Parting
from netspec.importing.recognise.steps import Step


def around(
    parts: Iterable[Parting], steps: Sequence[Step]
) -> Iterator[tuple[Parting, Step, list[Step]]]:
    """Each part that is cut from what a step makes: the part, that step, and what alone reads each join.

    Parts of which a join is read by several steps, or by none, are left out.
    """
    readers: dict[int, list[Step]] = {}
    for step in steps:
        for wire in (*step.inputs, *step.named.values()):
            readers.setdefault(id(wire), []).append(step)
    used = set(map(id, steps))
    for part in parts:
        before = part.whole.step
        if before is None or id(part.cut) not in used:
            continue
        part.joins = [join for join in part.joins if id(join) in used]
        after = [readers.get(id(join.made[0]), []) for join in part.joins]
        if all(len(behind) == 1 for behind in after):
            yield part, before, [behind for (behind,) in after]


def taken_in(part: Parting, before: Step, after: Sequence[Step]) -> None:
    """Makes the steps around a part's cut and joins its own, in place; what they leave is unused."""
    (source,) = before.inputs
    part.whole, part.cut.inputs = source, (source,)
    for join, behind in zip(part.joins, after, strict=True):
        behind.head, behind.inputs = join.head, (join.inputs[0], source)
    part.joins = [*after]

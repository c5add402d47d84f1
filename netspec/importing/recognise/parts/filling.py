"""Maps padded to whole parts before they are cut, and what is cut off again: `fill` of the parts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netspec.importing.recognise.parts.parting import Parting
from netspec.importing.recognise.steps import Step
from netspec.importing.recognise.views import size_of

_PAIR = re.compile(r"\((\d+), (\d+)\)")
_AXIS = re.compile(r"slice\(0, \d+, axis=(depth|height|width)\)")


def filled(parts: Iterable[Parting], steps: list[Step]) -> None:
    """Takes pads before cuts and crops behind them into the parts, in place; what they leave is unused."""
    readers: dict[int, list[Step]] = {}
    for step in steps:
        for wire in (*step.inputs, *step.named.values()):
            readers.setdefault(id(wire), []).append(step)
    used = set(map(id, steps))
    for part in parts:
        pad = part.whole.step
        if pad is None or id(part.cut) not in used or part.spaced or not _pads_end(pad, part):
            continue
        before = pad.inputs[0]
        joins = [step for step in part.joins if id(step) in used]
        after = [readers.get(id(join.made[0]), []) for join in joins]
        if not all(len(crops) == 1 and _cuts_end(crops[0]) for crops in after):
            continue
        if any(crops[0].made[0].sizes[1:] != before.sizes[1:] for crops in after):
            continue
        part.filled, part.whole, part.cut.inputs = True, before, (before,)
        for join, (crop,) in zip(joins, after, strict=True):
            crop.head, crop.inputs = join.head, (join.inputs[0], before)
        part.joins = [crop for (crop,) in after]


def _pads_end(step: Step, part: Parting) -> bool:
    """Whether zeros are added behind the last places alone, fewer than a part has."""
    ends = _PAIR.findall(step.head) if step.head.startswith("pad(") else []
    if not ends or any(int(first) for first, _ in ends) or "=" in step.head:
        return False
    return all(int(more) < size_of(axis) for (_, more), axis in zip(ends, part.sizes, strict=True))


def _cuts_end(step: Step) -> bool:
    """Whether places are cut off at the ends alone."""
    if _AXIS.fullmatch(step.head):
        return True
    if not step.head.startswith("crop("):
        return False
    if "size=" in step.head:
        pairs = zip(step.inputs[0].sizes[1:], step.made[0].sizes[1:], strict=True)
        return all(whole - kept < 2 for whole, kept in pairs)
    ends = _PAIR.findall(step.head)
    return bool(ends) and not any(int(first) for first, _ in ends)

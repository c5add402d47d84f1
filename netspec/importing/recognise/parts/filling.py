"""Maps padded to whole parts before they are cut, and what is cut off again: `fill` of the parts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netspec.importing.recognise.parts.around import around, taken_in
from netspec.importing.recognise.parts.parting import Parting
from netspec.importing.recognise.steps import Step
from netspec.importing.recognise.views import size_of

_PAIR = re.compile(r"\((\d+), (\d+)\)")
_AXIS = re.compile(r"slice\(0, \d+, axis=(depth|height|width)\)")


def filled(parts: Iterable[Parting], steps: list[Step]) -> None:
    """Takes pads before cuts and crops behind them into the parts, in place; what they leave is unused."""
    for part, pad, after in around(parts, steps):
        if part.spaced or not _pads_end(pad, part) or not all(map(_cuts_end, after)):
            continue
        if all(crop.made[0].sizes[1:] == pad.inputs[0].sizes[1:] for crop in after):
            part.filled = True
            taken_in(part, pad, after)


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

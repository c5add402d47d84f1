"""Templates that are others without some parts: one class, whose parts stand behind an `if`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from netspec.backends.torch.source.code import Code, Hole, Slot, mapped, parts
from netspec.backends.torch.source.code import slots as slots_of
from netspec.backends.torch.source.templates import Option, Part, Template
from netspec.foundation.records import record


@record
class Instance:
    """One step or block of a class: its numbers, None for what it lacks, and which options it has."""

    owner: Any
    numbers: tuple[Any, ...]
    names: tuple[str, ...]
    values: dict[str, Any]
    has: tuple[bool, ...] = ()


def merged(
    groups: dict[Template, list[Instance]],
) -> list[tuple[Template, list[Instance]]]:
    """Templates with their instances; one that is another without some parts goes into that one."""
    found: list[tuple[Template, list[Instance]]] = []
    for template in sorted(groups, key=lambda t: -len(t.parts)):
        members = groups[template]
        for i, (large, held) in enumerate(found):
            how = _embedded(template, large) if not large.options else None
            if how is not None:
                found[i] = _joined(large, held, template, members, *how)
                break
        else:
            found.append((template, members))
    return found


def _joined(
    large: Template,
    held: list[Instance],
    small: Template,
    members: list[Instance],
    places: Sequence[int | None],
    options: tuple[Option, ...],
) -> tuple[Template, list[Instance]]:
    """A template with options, and the instances with and without them."""
    sizes = [_holes(part) for part in large.parts]
    starts = [0]
    for part in small.parts:
        starts.append(starts[-1] + _holes(part))
    joined = [replace(member, has=(True,) * len(options)) for member in held]
    for member in members:
        numbers: list[Any] = []
        for place, size in zip(places, sizes, strict=True):
            if place is None:
                numbers += [None] * size
            else:
                numbers += member.numbers[starts[place] : starts[place + 1]]
        joined.append(
            replace(member, numbers=tuple(numbers), names=(), has=(False,) * len(options))
        )
    return replace(large, options=options), joined


def _holes(part: Part) -> int:
    """How many numbers a part has."""
    told = (code for _, code in part.fixed)
    codes = [part.made, *told, *(line.code for line in part.lines), *(part.span or ())]
    return sum(isinstance(leaf, Hole) for code in codes if code is not None for leaf in parts(code))


def _embedded(
    small: Template, large: Template
) -> tuple[tuple[int | None, ...], tuple[Option, ...]] | None:
    """How the first is the second without some parts: what is each part in the first, and the options.

    None where it is not. Both have holes for numbers.
    """
    if small.inputs != large.inputs or small.owned or large.owned or small.random != large.random:
        return None
    if small.steps or large.steps:
        return None
    slots = {i: i for i in range(large.inputs)}
    places: list[int | None] = []
    # What was left out and gives a tensor that is none of the first yet.
    open_slots: set[int] = set()
    i = 0
    for part in large.parts:
        matched = i < len(small.parts) and _matches(small.parts[i], part, slots, open_slots)
        places.append(i if matched else None)
        if matched:
            i += 1
            continue
        if part.span is not None or part.guarded or not part.lines:
            return None
        open_slots |= {slot for line in part.lines for slot in line.gives}
    if (
        i < len(small.parts)
        or None not in places
        or not all(
            _same_slot(a, b, slots, open_slots)
            for a, b in zip(small.returns, large.returns, strict=False)
        )
    ):
        return None
    if len(small.returns) != len(large.returns):
        return None
    options = []
    for start, end in _gaps(places):
        gives = large.parts[end - 1].lines[-1].gives
        if len(gives) != 1 or gives[0] not in slots:
            return None
        back = [
            slot for slot, value in slots.items() if value == slots[gives[0]] and slot < gives[0]
        ]
        inner = {
            slot for part in large.parts[start:end] for line in part.lines for slot in line.gives
        }
        back = [slot for slot in back if slot not in inner]
        if not back or any(slot in slots for slot in inner - {gives[0]}):
            return None
        options.append(Option(start, end, gives[0], back[-1]))
    return tuple(places), tuple(options)


def _gaps(places: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    start = None
    for i, place in enumerate([*places, 0]):
        if place is None and start is None:
            start = i
        elif place is not None and start is not None:
            yield start, i
            start = None


def _same_slot(small: int, large: int, slots: dict[int, int], left_out: set[int]) -> bool:
    if large in slots:
        return slots[large] == small
    if large not in left_out:
        return False
    slots[large] = small
    return True


def _matches(small: Part, large: Part, slots: dict[int, int], left_out: set[int]) -> bool:
    """Whether two parts are the same but for numbers and the numbering of tensors."""
    if (small.made is None) != (large.made is None) or small.guarded or large.guarded:
        return False
    if small.made is not None and large.made is not None:
        named = small.name == large.name
        if not named or _bare(small.made) != _bare(large.made):
            return False
    if (small.frozen, small.still) != (large.frozen, large.still):
        return False
    told = [[(name, _bare(code)) for name, code in part.fixed] for part in (small, large)]
    if told[0] != told[1]:
        return False
    if (small.span is None) != (large.span is None) or len(small.lines) != len(large.lines):
        return False
    tried = dict(slots)
    for a, b in zip(small.lines, large.lines, strict=True):
        if _bare(a.code) != _bare(b.code) or len(a.gives) != len(b.gives):
            return False
        pairs = list(zip(slots_of(a.code), slots_of(b.code), strict=True))
        if not all(_same_slot(one, other, tried, left_out) for one, other in pairs):
            return False
        tried.update(zip(b.gives, a.gives, strict=True))
    slots.update(tried)
    return True


def _bare(code: Code) -> Code:
    """An expression without its numbers and tensors."""

    def change(part: Code) -> Code | None:
        return Slot(0) if isinstance(part, Slot) else Hole(0) if isinstance(part, Hole) else None

    return mapped(code, change)

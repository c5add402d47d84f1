"""Parts of a class that repeat, as loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import count, pairwise
from math import lcm
from typing import Any

from netspec.backends.torch.source.code import (
    Bin,
    Code,
    Const,
    Fn,
    Get,
    Slot,
    Text,
    mapped,
    slots,
)
from netspec.backends.torch.source.numbers import fraction
from netspec.backends.torch.source.templates import LOOP, Part, Template
from netspec.backends.torch.source.trace import Line

# So many are written one by one rather than in a loop.
_FEW = 3


def looped(parts: Sequence[Part], returns: Sequence[int], first: bool) -> tuple[Part, ...]:
    """The parts, those that repeat one after the other as one.

    With `first` the first of equal ones stays apart, as the first of a stage does that differs.
    """
    readers: dict[int, int] = {}
    for part in parts:
        for line in part.lines:
            for slot in slots(line.code):
                readers[slot] = readers.get(slot, 0) + 1
    for slot in returns:
        readers[slot] = readers.get(slot, 0) + 1
    found: list[Part] = []
    i = 0
    while i < len(parts):
        end = _run(parts, i, readers)
        grown = [_difference(a, b) for a, b in pairwise(parts[i:end])]
        if first and end - i > 1 and len(set(grown[1:])) < 2 and not any(map(any, grown[1:])):
            found += [parts[i], _loop(parts[i + 1 : end])]
            i = end
            continue
        # Of two that differ it cannot be told how they go on.
        same = next((n for n, step in enumerate(grown) if step != grown[0]), len(grown)) + 1
        # A few numbers are sooner read than how they grow.
        few = same <= _FEW and any(isinstance(step, Fraction) for step in (grown or [()])[0])
        if same < 2 or few or (same < 3 and any(grown[0])):
            found.append(parts[i])
            i += 1
            continue
        found.append(_loop(parts[i : i + same]))
        i += same
    return tuple(found)


def _numbered(part: Part) -> tuple[str, int] | None:
    word = part.name.rstrip("0123456789")
    number = part.name[len(word) :]
    return (word, int(number)) if word and number and not number.startswith("0") else None


def _run(parts: Sequence[Part], start: int, readers: dict[int, int]) -> int:
    """Where a run of parts ends that are of one class, each called on what the one before gives."""
    end = start + 1
    first = _numbered(parts[start])
    if first is None or not _chained(parts[start]):
        return end
    while end < len(parts):
        before, part = parts[end - 1], parts[end]
        given = before.lines[0].gives[0]
        numbered = _numbered(part) == (first[0], first[1] + end - start)
        if not numbered or not _chained(part) or readers.get(given, 0) != 1:
            break
        call = part.lines[0].code
        assert isinstance(call, Fn)
        assert isinstance(before.made, Fn)
        assert isinstance(part.made, Fn)
        if call.args != (Slot(given),) or before.made.target != part.made.target:
            break
        end += 1
    return end


def _chained(part: Part) -> bool:
    return (
        isinstance(part.made, Fn)
        and part.span is None
        and not part.guarded
        and not part.frozen
        and isinstance(part.made.target, Text)
        and not part.made.target.text.startswith("nn.")
        and len(part.lines) == 1
        and len(part.lines[0].gives) == 1
        and isinstance(part.lines[0].code, Fn)
        and len(part.lines[0].code.args) == 1
    )


def _difference(one: Part, other: Part) -> tuple[Any, ...]:
    """How much the numbers grow that two parts are made of."""
    assert isinstance(one.made, Fn)
    assert isinstance(other.made, Fn)
    pairs = zip(one.made.named, other.made.named, strict=True)
    return tuple(_growth(a, b) for (_, a), (_, b) in pairs)


def _growth(one: Code, other: Code) -> object:
    """How much a number grows: by a fraction, by 0, or by what equals nothing where that cannot be said."""
    assert isinstance(one, Const)
    assert isinstance(other, Const)
    a, b = one.value, other.value
    if a == b:
        return 0
    if isinstance(a, int) and isinstance(b, int):
        return b - a
    if isinstance(a, float) and isinstance(b, float):
        first, second = fraction(a), fraction(b)
        if first is not None and second is not None:
            return second - first
    return object()


def _loop(parts: Sequence[Part]) -> Part:
    """Parts that repeat, as one."""
    first, last = parts[0], parts[-1]
    numbered = _numbered(first)
    assert numbered is not None
    word, start = numbered
    made = first.made
    assert isinstance(made, Fn)
    grown = _difference(first, parts[1] if len(parts) > 1 else first)
    named: list[tuple[str, Code]] = []
    for (name, value), step in zip(made.named, grown, strict=True):
        assert isinstance(value, Const)
        if isinstance(step, Fraction):
            whole = fraction(value.value)
            assert whole is not None
            under = lcm(whole.denominator, step.denominator)
            grows = _growing(whole * under, step * under, start)
            named.append((name, Bin("/", grows, Const(under))))
        elif step:
            named.append((name, _growing(value.value, step, start)))
        else:
            named.append((name, value))
    code = first.lines[0].code
    assert isinstance(code, Fn)
    line = Line(last.lines[0].gives, Fn(Text(word), code.args))
    span = (Const(start), Const(start + len(parts)))
    return replace(
        first, name=word, made=replace(made, named=tuple(named)), lines=(line,), span=span
    )


def _growing(first: Any, step: Any, start: int) -> Code:
    """Whole numbers that grow from the first."""
    base = int(first - step * start)
    term: Code = Bin("*", Const(int(step)), LOOP) if step != 1 else LOOP
    if not base:
        return term
    return Bin("+", Const(base), term) if base > 0 else Bin("-", term, Const(-base))


def unrolled(template: Template) -> Template:
    """The template with what all its instances repeat a few times as the parts that these are."""
    used = [slot for part in template.parts for line in part.lines for slot in line.gives]
    if template.steps is not None:
        used += (*template.steps.begun, *template.steps.gives)
    fresh = count(max([template.inputs, *used]) + 1)
    found: list[Part] = []
    places = [0]
    for part in template.parts:
        found += _apart(part, fresh)
        places.append(len(found))
    options = tuple(
        replace(option, start=places[option.start], end=places[option.end])
        for option in template.options
    )
    return replace(template, parts=tuple(found), options=options)


def _apart(part: Part, fresh: Iterator[int]) -> list[Part]:
    if part.span is None or part.made is None:
        return [part]
    start, end = part.span
    if not (isinstance(start, Const) and isinstance(end, Const)):
        return [part]
    assert isinstance(start.value, int)
    assert isinstance(end.value, int)
    if end.value - start.value > _FEW:
        return [part]
    (line,) = part.lines
    assert isinstance(line.code, Fn)
    found = []
    args = line.code.args
    for number in range(start.value, end.value):
        name = f"{part.name}{number}"
        gives = line.gives if number + 1 == end.value else (next(fresh),)
        made = mapped(part.made, lambda code, n=number: Const(n) if code == LOOP else None)  # type: ignore[misc]
        call = Line(gives, Fn(Get(Text("self"), name), args))
        found.append(replace(part, name=name, made=made, lines=(call,), span=None))
        args = (Slot(gives[0]),)
    return found

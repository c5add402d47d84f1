"""What a sweep varies: the values of a parameter, or the sizes of an input, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Union, overload

from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.sweeping import BadAxis
from netspec.diagnostics.raised import NetspecError, Rejection
from netspec.elaborate.settings import setting
from netspec.foundation.records import record

# Numbers and yes or no as such; all else as the text that a spec has for it.
Value = Union[bool, int, float, str]

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(?::\s*({_NUMBER})\s*)?\Z")
# What Python can count the elements of a sequence by.
MOST_COUNTED = 2**63 - 1
_DIGITS = 18
_OPENING, _CLOSING = "([{", ")]}"
# The most values of several ranges that are joined; one range alone is never written out.
_MOST = 10**6


@record
class Steps(Sequence[float]):
    """Evenly spaced fractions, each the decimal number that is nearest to it."""

    first: Decimal
    step: Decimal
    number: int

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        if isinstance(at, slice):
            return tuple(self[i] for i in range(*at.indices(self.number)))
        return float(self.first + self.step * range(self.number)[at])


@record
class Axis:
    """A parameter, or an input, and its values. `column` is what the table calls it."""

    name: str
    column: str
    values: Sequence[Value]

    @property
    def kind(self) -> type:
        """What all values are: bool, int, float, which whole numbers may stand among, or str."""
        if isinstance(self.values, range):
            return int
        kinds = {float} if isinstance(self.values, Steps) else set(map(type, self.values))
        if kinds == {int, float}:
            return float
        return kinds.pop() if len(kinds) == 1 else str


def axis_of(name: str, given: object, limits: Limits = DEFAULT) -> Axis:
    """The axis of a parameter: a text as `--set` takes it, a range, several values, or one.

    Raises NetspecError, with status 2, where there is no value or one is no value of the language.
    """
    if isinstance(given, str):
        values = _written(name, given, limits)
    elif isinstance(given, range):
        for end in (given[0], given[-1]) if given else ():
            _whole(name, end)
        values = given
    elif isinstance(given, Iterable):
        values = _distinct(_value(name, item, limits) for item in given)
    else:
        values = (_value(name, given, limits),)
    if not len(values):
        raise _bad(name, _shown(given), "there is no value")
    return Axis(name, f"set_{name}", values)


def input_axes(given: Iterable[str]) -> tuple[Axis, ...]:
    """The axes of `--input`: several sizes of one input, `3x224x224` or `NAME:3x224x224`, are one."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, _ = text.rpartition(":") if ":" in text else text.rpartition("=")
        found.setdefault(name, []).append(text)
    return tuple(
        Axis("", f"input_{name}" if name else "input", _once(name or "input", texts))
        for name, texts in found.items()
    )


def axes_of(settings: Mapping[str, object], limits: Limits = DEFAULT) -> tuple[Axis, ...]:
    """The axes of parameters, in the order given."""
    return tuple(axis_of(name, given, limits) for name, given in settings.items())


def shown(value: Value) -> str:
    """A value as a spec has it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _written(name: str, text: str, limits: Limits) -> Sequence[Value]:
    parts = list(_parts(text))
    if len(parts) == 1 and (only := _range(name, parts[0])) is not None:
        return only
    values: list[Value] = []
    alone: list[Value] = []
    for part in parts:
        found = _range(name, part)
        if found is None:
            alone.append(_value(name, part, limits))
        values += alone[-1:] if found is None else found
        if len(values) > _MOST:
            raise _bad(name, text, f"it has more than {_MOST:,} values")
    _once(name, alone)  # ranges may overlap
    return _distinct(values)


def _range(name: str, text: str) -> Sequence[Value] | None:
    """The values of `16..64:8`, both ends included; None where the text is no range."""
    match = _RANGE.match(text)
    if match is None:
        return None
    parts = [part or "1" for part in match.groups()]
    if max(sum(map(str.isdigit, part)) for part in parts) > _DIGITS:
        raise _bad(name, text, f"numbers have at most {_DIGITS} digits")
    first, last, step = map(Decimal, parts)
    if not step:
        raise _bad(name, text, "the step is 0")
    count = int((last - first) / step) + 1 if (last - first) / step >= 0 else 0
    if not count:
        raise _bad(name, text, "it has no value")
    if count > MOST_COUNTED:
        raise _bad(name, text, f"it has {count:,} values")
    if all(part == part.to_integral_value() for part in (first, step)):
        return range(int(first), int(first + count * step), int(step))
    return Steps(first, step, count)


def _value(name: str, given: object, limits: Limits) -> Value:
    """One value: numbers as they are, a text as what it says if that is a number, a list as a text."""
    if isinstance(given, bool):
        return given
    if isinstance(given, Integral):
        return _whole(name, int(given))
    if isinstance(given, Real):
        return float(given)
    if isinstance(given, list | tuple):
        inner = (shown(_value(name, item, limits)) for item in given)
        given = f"[{', '.join(inner)}]"
    text = "none" if given is None else str(given).strip()
    if not text:
        raise _bad(name, str(given), "a value is empty")
    try:
        value = setting(name, text, limits)
    except Rejection as rejection:
        raise NetspecError(rejection.problem, status=2) from None
    except NetspecError as error:
        raise NetspecError(error.diagnostics, status=2, more=error.more) from None
    return value if isinstance(value, bool | int | float) else text


def _whole(name: str, number: int) -> int:
    """The number; raises NetspecError for one that the language does not hold."""
    if abs(number) >= 10**_DIGITS:
        raise _bad(name, str(number), f"numbers have at most {_DIGITS} digits")
    return number


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas outside brackets and quotes."""
    depth, quoted, part = 0, False, ""
    for letter in text:
        quoted ^= letter == '"'
        if not quoted:
            depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and not quoted and not depth:
            yield part
            part = ""
        else:
            part += letter
    yield part


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value once: `1` and `yes` differ."""
    return tuple({(isinstance(value, bool), value): value for value in values}.values())


def _once(name: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Values that were typed; NetspecError for one that is there twice, and was meant to be another."""
    found = _distinct(values)
    if len(found) < len(values):
        seen: set[tuple[bool, Any]] = set()
        for value in values:
            if (key := (isinstance(value, bool), value)) in seen:
                raise _bad(name, ",".join(map(shown, values)), f"it has {shown(value)} twice")
            seen.add(key)
    return found


def _shown(given: object) -> str:
    return str(list(given)) if isinstance(given, Iterable) else str(given)


def _bad(name: str, text: str, reason: str) -> NetspecError:
    return NetspecError(BadAxis(name, text, reason), status=2)

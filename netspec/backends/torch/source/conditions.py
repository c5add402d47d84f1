"""When a class has its optional parts: a comparison that a reader can follow, or a parameter that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netspec.backends.torch.source.code import Bin, Code, Const, Text
from netspec.backends.torch.source.templates import Column, Number

# What numbers are compared with each other, or with one, by the argument they are: channels, strides.
_CHANNELS = {"in_channels", "out_channels", "in_features", "out_features", "num_features", "into"}
_STRIDES = {"stride", "s"}
_SIGNS = {"==": "__eq__", "!=": "__ne__", ">": "__gt__"}


def condition(
    part: str,
    present: Sequence[bool],
    columns: Sequence[tuple[str, Code, Column]],
    said: Mapping[str, tuple[Number, ...]],
) -> Code | None:
    """What holds of just the instances that have an option, which starts with `part`; None if nothing does.

    `columns` are the numbers of the class: as which argument, how written, and in each instance; `said`
    the parameters that the instances have in the spec. Parts are there for a reason, so only what may be
    one is compared: a third of something for `count > 2`, channels with each other, a stride with a number.
    """
    channels: dict[Code, Column] = {}
    strides: dict[Code, Column] = {}
    for name, code, column in columns:
        if not isinstance(code, Const) and None not in column:
            word = name.rstrip("0123456789")
            if word in _CHANNELS:
                channels.setdefault(code, column)
            elif word in _STRIDES:
                strides.setdefault(code, column)
    for found in (
        _counted(part, present, said),
        _pairs(present, channels),
        _single(present, strides),
        _single(present, channels),
    ):
        first = next(found, None)
        if first is not None:
            return first
    return None


def _counted(
    part: str, present: Sequence[bool], said: Mapping[str, tuple[Number, ...]]
) -> Iterator[Code]:
    """The number of a part against how many the spec asks for."""
    digits = part[len(part.rstrip("0123456789")) :]
    number = int(digits or 0) - 1
    for name, values in said.items():
        if number > 0 and [value > number for value in values] == list(present):
            yield Bin(">", Text(name), Const(number))


def _pairs(present: Sequence[bool], found: Mapping[Code, Column]) -> Iterator[Code]:
    items = list(found.items())
    for i, (one, first) in enumerate(items):
        for other, second in items[i + 1 :]:
            differ = [a != b for a, b in zip(first, second, strict=True)]
            if differ == list(present):
                yield Bin("!=", one, other)
            if [not value for value in differ] == list(present):
                yield Bin("==", one, other)


def _single(present: Sequence[bool], found: Mapping[Code, Column]) -> Iterator[Code]:
    for sign, method in _SIGNS.items():
        for code, column in found.items():
            for value in sorted({v for v in column if v is not None}):
                if [bool(getattr(v, method)(value)) for v in column] == list(present):
                    yield Bin(sign, code, Const(value))

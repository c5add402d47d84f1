"""Classes as templates: instances of a block that differ in numbers alone are one class with parameters."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from netspec.backends.torch.source.code import (
    Bin,
    Code,
    Const,
    Fn,
    Hole,
    Signature,
    Text,
    mapped,
)
from netspec.backends.torch.source.trace import Line
from netspec.foundation.records import record

Number = int | float


@record
class Part:
    """One step or block in a class: its name and how it is made, if it is, and its statements.

    A `guarded` one runs in training alone, a `still` one has running statistics that stay as they are.
    With `span` it stands for several, called `name` and a number, from the first up to before the last:
    each reads what the one before gives, and `LOOP` in its code is the number. `fixed` are the tensors of
    its module that are not trained but known, by name. In a class that runs `Steps` one that is `once` is
    computed before the first.
    """

    name: str
    made: Code | None
    lines: tuple[Line, ...]
    guarded: bool = False
    frozen: bool = False
    still: bool = False
    span: tuple[Code, Code] | None = None
    fixed: tuple[tuple[str, Code], ...] = ()
    once: bool = False


@record
class State:
    """A tensor that flows from step to step, as four: the first, at a step, for the next, and the last."""

    start: int
    begun: int
    carried: int
    final: int


@record
class Steps:
    """How a class runs its parts at every step of a sequence, by the numbers of tensors.

    The `sequence` is cut along `axis`, and `step` is what it gives, called `variable` in the spec. `joined`
    has what the steps make and all of it along time.
    """

    variable: str
    axis: int
    sequence: int
    step: int
    states: tuple[State, ...]
    joined: tuple[tuple[int, int], ...]

    @property
    def begun(self) -> tuple[int, ...]:
        """What there is at the beginning of a step."""
        return (self.step, *(state.begun for state in self.states))

    @property
    def reads(self) -> tuple[int, ...]:
        """What it reads besides the parts."""
        ends = (slot for state in self.states for slot in (state.start, state.carried))
        return (self.sequence, *ends, *(made for made, _ in self.joined))

    @property
    def gives(self) -> tuple[int, ...]:
        """What there is after the last step."""
        return (*(state.final for state in self.states), *(whole for _, whole in self.joined))

    @property
    def lists(self) -> list[str]:
        """What the lists of what the steps make are called."""
        word = "results" if self.variable.startswith("outputs") else "outputs"
        count = len(self.joined)
        return [word] if count == 1 else [f"{word}{i}" for i in range(1, count + 1)]

    def numbered(self, table: Mapping[int, int]) -> Steps:
        """The same with other numbers."""
        states = tuple(
            State(table[s.start], table[s.begun], table[s.carried], table[s.final])
            for s in self.states
        )
        joined = tuple((table[made], table[whole]) for made, whole in self.joined)
        return replace(
            self,
            sequence=table[self.sequence],
            step=table[self.step],
            states=states,
            joined=joined,
        )


@record
class Option:
    """Parts that some instances have: from `start` up to before `end`.

    Without them the tensor `gives` is the tensor `instead`. `when` says which instances have them.
    """

    start: int
    end: int
    gives: int
    instead: int
    when: Code = Const(None)


@record
class Template:
    """A class: what it owns, its parts, and the tensors it takes and gives by number.

    `owned` are its tensors, by name, and whether they are trained. In training `train` takes the place
    of the parts. With `random` its `forward` is given the net's draws. With `steps` it runs its parts at
    every step of a sequence.
    """

    kind: str
    inputs: int
    returns: tuple[int, ...]
    parts: tuple[Part, ...]
    owned: tuple[tuple[str, bool, Code], ...] = ()
    train: tuple[tuple[Line, ...], tuple[int, ...]] | None = None
    random: bool = False
    options: tuple[Option, ...] = ()
    steps: Steps | None = None


LOOP = Text("i")


@record(frozen=False, eq=False, slots=False)
class Class:
    """A class of the file: its name, its template with parameters in it, and those parameters."""

    name: str
    template: Template
    params: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    instances: list[Any] = field(default_factory=list)

    def made(self, values: Sequence[Number]) -> Fn:
        """The call that makes one with these parameters."""
        named = tuple((n, Const(v)) for n, v in zip(self.params, values, strict=True))
        pairs: tuple[tuple[str, object], ...] = tuple((name, ...) for name in self.params)
        return Fn(Text(self.name), (), named, Signature(pairs, len(pairs)))


def changed(template: Template, change: Any) -> Template:
    """The template with its expressions changed, in one order."""

    def lines(given: tuple[Line, ...]) -> tuple[Line, ...]:
        return tuple(replace(line, code=mapped(line.code, change)) for line in given)

    owned = tuple((name, kind, mapped(code, change)) for name, kind, code in template.owned)
    found = []
    for part in template.parts:
        made = None if part.made is None else mapped(part.made, change)
        span = part.span and (mapped(part.span[0], change), mapped(part.span[1], change))
        fixed = tuple((name, mapped(code, change)) for name, code in part.fixed)
        found.append(replace(part, fixed=fixed, made=made, lines=lines(part.lines), span=span))
    train = template.train and (lines(template.train[0]), template.train[1])
    return replace(template, owned=owned, parts=tuple(found), train=train)


def abstract(template: Template) -> tuple[Template, tuple[Number, ...], tuple[str, ...]]:
    """The template with a hole for each number, the numbers, and what each is called where it stands."""
    numbers: list[Number] = []
    names: list[str] = []

    def holes(code: Code, name: str = "") -> Code | None:
        match code:
            case Const(value) if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.append(value)
                names.append(name)
                return Hole(len(numbers) - 1)
            case Fn(target, args, named, signature) if named:
                pairs = tuple((n, mapped(v, lambda c, n=n: holes(c, n))) for n, v in named)  # type: ignore[misc]
                return Fn(target, tuple(mapped(a, holes) for a in args), pairs, signature)
        return None

    found = changed(template, holes)
    return found, tuple(numbers), tuple(names)


Column = tuple[Number | None, ...]


def solved(
    rows: Sequence[Column], names: Sequence[str], values: Sequence[Mapping[str, Number]]
) -> tuple[list[Code], dict[str, tuple[Number, ...]]]:
    """An expression for each hole, and the parameters they are of with their values by instance.

    `rows` are the numbers of each instance, None for what it has not; `values` the parameters that it
    has in the spec.
    """
    given = shared(values)
    used: set[str] = set()
    further: dict[str, tuple[Number, ...]] = {}
    codes: list[Code] = []
    for column, name in zip(zip(*rows, strict=True), names, strict=True):
        told = {value for value in column if value is not None}
        if len(told) == 1 and len({type(value) for value in column if value is not None}) == 1:
            codes.append(Const(told.pop()))
            continue
        found = _formula(column, {**further, **given}, further)
        if found is None:
            word = "size" if name.rstrip("0123456789") in ("", "size") else name
            new = _free(_PARAMETERS.get(name, word), {*given, *further})
            filler = next(value for value in column if value is not None)
            further[new] = tuple(filler if value is None else value for value in column)
            found = (new,), Text(new)
        used |= {*found[0]}
        codes.append(found[1])
    kept = {name: column for name, column in given.items() if name in used}
    return codes, {**further, **kept}


def shared(values: Iterable[Mapping[str, Number]]) -> dict[str, tuple[Number, ...]]:
    """The parameters that all instances have in the spec, with their values by instance."""
    rows = list(values)
    return {
        as_parameter(name): tuple(found[name] for found in rows)
        for name in (rows[0] if rows else ())
        if all(name in found for found in rows)
    }


def as_parameter(name: str) -> str:
    """A name that hides nothing the class uses."""
    return f"{name}_" if keyword.iskeyword(name) or name in _USED else name


_USED = {"self", "torch", "nn", "F", "Tensor", "super", "range", "float", "i", "draws"}
# What a number is called as a parameter, by the argument it is first met as.
_PARAMETERS = {
    "in_channels": "into",
    "in_features": "into",
    "num_features": "channels",
    "out_channels": "width",
    "out_features": "width",
    "p": "rate",
}


def _formula(
    column: Column, given: Mapping[str, tuple[Number, ...]], further: Mapping[str, Any]
) -> tuple[tuple[str, ...], Code] | None:
    """The numbers by a short formula of parameters; the parameters it uses, and the formula."""
    for name, values in given.items():
        if all(
            b is None or (a == b and type(a) is type(b))
            for a, b in zip(values, column, strict=True)
        ):
            return (name,), Text(name)
    if all(value is None or isinstance(value, float) for value in column):
        return _rest(column, given)
    if not all(value is None or isinstance(value, int) for value in column):
        return None
    whole = {
        name: values
        for name, values in given.items()
        if all(type(value) is int for value in values) and len(set(values)) > 1
    }
    for name, values in whole.items():
        for sign, number in _factors(column, values):
            left, right = (
                (Const(number), Text(name)) if sign == "*" else (Text(name), Const(number))
            )
            return (name,), Bin(sign, left, right)
    for one in further:
        for other, second in whole.items():
            if other not in further and one in whole:
                triples = list(zip(whole[one], second, column, strict=True))
                for sign, plain in {"*": int.__mul__, "+": int.__add__}.items():
                    if all(c is None or plain(int(a), int(b)) == c for a, b, c in triples):
                        return (one, other), Bin(sign, Text(other), Text(one))
    return None


def _rest(
    column: Column, given: Mapping[str, tuple[Number, ...]]
) -> tuple[tuple[str, ...], Code] | None:
    """What is left of 1, as of a rate."""
    for name, values in given.items():
        pairs = zip(values, column, strict=True)
        if all(type(a) is float and (b is None or 1 - a == b) for a, b in pairs):
            return (name,), Bin("-", Const(1), Text(name))
    return None


def _factors(column: Column, values: Sequence[Any]) -> Iterator[tuple[str, int]]:
    pairs = [(a, b) for a, b in zip(values, column, strict=True) if b is not None]
    first, value = pairs[0]
    assert isinstance(value, int)
    if first and value % first == 0 and value // first > 1:
        factor = value // first
        if all(a * factor == b for a, b in pairs):
            yield "*", factor
    if value and first % value == 0 and first // value > 1:
        factor = first // value
        if all(a // factor == b for a, b in pairs):
            yield "//", factor
    step = value - first
    if 0 < abs(step) <= 4 and all(a + step == b for a, b in pairs):
        yield ("+", step) if step > 0 else ("-", -step)


def _free(name: str, taken: set[str]) -> str:
    """The name, or it with a number where it is taken."""
    found, word, number = name, name.rstrip("0123456789"), 2
    while found in taken:
        found, number = f"{word}{number}", number + 1
    return found

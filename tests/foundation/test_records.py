"""Records behave as the standard library's dataclasses do, which are the witness here."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import pytest

from netspec.foundation.records import record

Maker = Callable[..., Any]


def _plain(make: Maker) -> type:
    @make()
    class Plain:
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        d: Any = field(default=None, compare=False, repr=False)
        KIND: ClassVar[str] = "plain"

    return Plain


def _named(make: Maker) -> type:
    @make(kw_only=True)
    class Named:
        a: int = 1
        b: int = 2

    return Named


def _fixed(make: Maker) -> type:
    @make()
    class Fixed:
        a: float = field(default=0.5, init=False)

    return Fixed


def _checked(make: Maker) -> type:
    @make()
    class Checked:
        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError(self.a)

    return Checked


def _empty(make: Maker) -> type:
    @make()
    class Empty:
        """Nothing."""

    return Empty


KINDS = (_plain, _named, _fixed, _checked, _empty)


def _standard(**options: Any) -> Any:
    return dataclass(frozen=True, slots=True, **options)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (_plain, [((1,), {}), ((1, "x"), {}), ((), {"a": 1, "c": [2]}), ((2,), {"d": 5})]),
        (_named, [((), {}), ((), {"b": 3}), ((), {"a": 1, "b": 2})]),
        (_fixed, [((), {})]),
        (_checked, [((3,), {})]),
        (_empty, [((), {})]),
    ],
)
def test_a_record_is_made_shown_and_compared_as_a_dataclass(
    kind: Callable[[Maker], type], arguments: list[tuple[tuple[Any, ...], dict[str, Any]]]
) -> None:
    ours, theirs = kind(record), kind(_standard)
    assert [f.name for f in fields(ours)] == [f.name for f in fields(theirs)]
    assert ours.__match_args__ == theirs.__match_args__
    made = [(ours(*values, **named), theirs(*values, **named)) for values, named in arguments]
    for mine, standard in made:
        assert repr(mine) == repr(standard)
        assert not hasattr(mine, "__dict__")
        assert [mine == other for other, _ in made] == [standard == other for _, other in made]
        assert mine != standard
        assert copy.deepcopy(mine) == mine
    taken, wanted = (inspect.signature(each).parameters.values() for each in (ours, theirs))
    assert [(p.name, p.kind, p.annotation) for p in taken] == [
        (p.name, p.kind, p.annotation) for p in wanted
    ]


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (_plain, (), {}),
        (_plain, (1, "b", [], None, 5), {}),
        (_plain, (1,), {"a": 2}),
        (_plain, (1,), {"z": 2}),
        (_named, (1,), {}),
        (_fixed, (1.0,), {}),
        (_checked, (-1,), {}),
    ],
)
def test_what_a_dataclass_refuses_a_record_refuses(
    kind: Callable[[Maker], type], values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    errors = []
    for make in (record, _standard):
        with pytest.raises((TypeError, ValueError)) as caught:
            kind(make)(*values, **named)
        errors.append((caught.type, str(caught.value).rpartition(".")[2]))
    assert errors[0] == errors[1]


def test_frozen_records_hash_by_what_they_compare_and_refuse_assignment() -> None:
    kind = _plain(record)
    assert hash(kind(1, "b", (), 5)) == hash(kind(1, "b", (), 6))
    item = kind(1)
    with pytest.raises(FrozenInstanceError):
        item.a = 2
    with pytest.raises(FrozenInstanceError):
        del item.a
    assert replace(item, a=2) == kind(2)


@record(frozen=False)
class Open:
    """A record that may change."""

    a: int
    names: dict[str, int] = field(default_factory=dict)


@record(eq=False)
class Alone:
    """A record that equals itself alone."""

    a: int


@record(slots=False)
class Base:
    """A record with room for what is worked out once."""

    a: int

    @cached_property
    def twice(self) -> int:
        return 2 * self.a


@record(slots=False)
class Derived(Base):
    """A record of a record."""

    b: int = 0

    def __repr__(self) -> str:
        return "as it likes"


class Further(Derived):
    """Not a record itself."""


def test_options_hold() -> None:
    item = Open(1)
    item.a = 2
    assert item == Open(2)
    assert item.names is not Open(2).names
    with pytest.raises(TypeError, match="unhashable"):
        hash(item)
    one, other = Alone(1), Alone(1)
    assert one != other
    assert len({one, other}) == 2
    assert (Base(3).twice, Derived(3, 4).b, repr(Derived(3))) == (6, 4, "as it likes")
    assert Further(1, 2) == Further(1, 2)
    assert Further(1, 2) != Derived(1, 2)


@pytest.mark.parametrize("item", [Open(1, {"x": 2}), Base(3), Derived(3, 4), Further(5)])
def test_records_travel(item: Any) -> None:
    assert pickle.loads(pickle.dumps(item)) == item


def test_a_record_matches_by_position() -> None:
    match Derived(1, 2):
        case Derived(a, b):
            assert (a, b) == (1, 2)


def test_what_a_record_compares_by_takes_no_methods_place() -> None:
    class Own:
        def _compared(self) -> int:
            return 1

    with pytest.raises(TypeError, match="compares by"):

        @record
        class Beside(Own):
            a: int

    @record(eq=False)
    class Free(Own):
        a: int

    assert Free(2)._compared() == 1

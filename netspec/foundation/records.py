"""Records that are cheap to declare: dataclasses whose methods are made when first needed.

A spec is checked in less time than Python takes to write the methods of a hundred dataclasses. Here
the field machinery stays the standard library's, so `dataclasses.fields`, `field` and `replace`
work; `__init__` is compiled when the first instance is made, and what compares, hashes and shows is
shared by all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from types import FunctionType, MemberDescriptorType
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")
# The names of a class's fields, and what reads them.
_HELD: dict[type[Any], tuple[tuple[str, ...], Callable[[Any], Any]]] = {}


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(
    *, frozen: bool = True, eq: bool = True, slots: bool = True, kw_only: bool = False
) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(
    cls: type[T] | None = None,
    /,
    *,
    frozen: bool = True,
    eq: bool = True,
    slots: bool = True,
    kw_only: bool = False,
) -> Any:
    """Makes a class a record; a decorator, with or without options.

    `frozen` records refuse assignment. With `eq` two are equal if their fields are, and frozen ones
    hash by them; without, each is equal to itself alone. `slots` leaves no room for other
    attributes. Records without are those that torch.compile can make while it traces a module,
    which fills no slots and compiles no `__init__`. Fields of `kw_only` records are given by name.
    Raises TypeError for one with a method called `_compared`: what it compares by would take its place.
    """

    def made(cls: type[Any]) -> type[Any]:
        # Without a text of its own, the standard library would work out the signature for one.
        if not cls.__doc__:
            cls.__doc__ = cls.__name__
        stated = set(vars(cls))
        found: Any = dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
        init = _first_init(found) if slots else _compiled_init(found)
        methods: dict[str, Any] = {"__init__": init, "__repr__": _repr}
        if eq:
            own = getattr(cls, "_compared", _nothing)
            if isinstance(own, FunctionType) and own is not _nothing:
                raise TypeError(f"{cls.__name__}._compared is what the record compares by")
            compared = [item.name for item in fields(found) if item.compare]
            found._compared = attrgetter(*compared) if compared else _nothing
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _refuse_setting, "__delattr__": _refuse_deleting}
        if slots:
            methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
        for name in methods.keys() - stated:
            setattr(found, name, methods[name])
        return found  # type: ignore[no-any-return]

    return made if cls is None else made(cls)


def changed(item: T, **changes: Any) -> T:
    """The record with other fields, as `dataclasses.replace` gives it, in a third of the time.

    For records of several fields that take them all.
    """
    cls: Any = type(item)
    held = _HELD.get(cls)
    if held is None:
        names = tuple(item.name for item in fields(cls))
        held = _HELD[cls] = names, attrgetter(*names)
    return cls(**dict(zip(held[0], held[1](item), strict=True)) | changes)  # type: ignore[no-any-return]


def _first_init(cls: type[Any]) -> Callable[..., None]:
    """An `__init__` that compiles the real one in its own place."""

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        cls.__init__ = _compiled_init(cls)
        cls.__init__(self, *values, **named)

    return __init__


def _compiled_init(cls: type[Any]) -> Callable[..., None]:
    space: dict[str, Any] = {"MISSING": MISSING}
    arguments, body = {False: ["self"], True: ["*"]}, []
    for number, item in enumerate(fields(cls)):
        name, value, default = item.name, item.name, ""
        if item.default is not MISSING:
            space[f"default{number}"] = item.default
            default = f"=default{number}"
        elif item.default_factory is not MISSING:
            space[f"make{number}"] = item.default_factory
            value, default = f"make{number}() if {name} is MISSING else {name}", "=MISSING"
        if item.init:
            arguments[bool(item.kw_only)].append(name + default)
        elif default:
            value = f"default{number}" if item.default is not MISSING else f"make{number}()"
        else:
            continue
        slot = vars(cls).get(name)
        if isinstance(slot, MemberDescriptorType):
            space[f"set{number}"] = slot.__set__
            body.append(f"set{number}(self, {value})")
        else:
            # Spelt out: torch.compile knows the call by this spelling alone.
            body.append(f"object.__setattr__(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    takes = arguments[False] + (arguments[True] if len(arguments[True]) > 1 else [])
    exec(f"def __init__({', '.join(takes)}):\n " + "\n ".join(body or ["pass"]), space)
    made: Callable[..., None] = space["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {item.name: item.type for item in fields(cls) if item.init}
    made.__annotations__["return"] = None
    return made


def _repr(self: Any) -> str:
    shown = (f"{i.name}={getattr(self, i.name)!r}" for i in fields(self) if i.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _nothing(self: object) -> tuple[()]:
    return ()


def _eq(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    compared = type(self)._compared
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(type(self)._compared(self))


def _refuse_setting(self: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, item.name) for item in fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for item, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, item.name, value)

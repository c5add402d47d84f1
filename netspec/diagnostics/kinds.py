"""What kinds of values a function's annotations name, and whether a value is of one of them.

A caller from Python may give anything. What is no value of the kind is refused before it gets anywhere,
and what only another library has a type for, as numpy's integers, goes on as Python's own.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from netspec.foundation.records import record


class Unfit(Exception):
    """A value is not of a kind."""


@record
class Kind:
    """A kind of values: what it is called, and what makes a plain value of one; that raises Unfit."""

    name: str
    plain: Callable[[Any], Any]


# What is read in order, or once; sets have no order, and a text is meant as one.
_SEVERAL = frozenset({"Sequence", "Collection", "tuple", "list"})
_LAZY = frozenset({"Iterable", "Iterator"})
_NO_LISTS = (str, bytes, Mapping, set, frozenset)
_LIBRARIES = frozenset({"netspec", "torch"})


def _none(value: Any) -> None:
    if value is not None:
        raise Unfit


def _instance(*classes: type[Any]) -> Callable[[Any], Any]:
    def plain(value: Any) -> Any:
        if not isinstance(value, classes):
            raise Unfit
        return value

    return plain


def _mapping(named: bool) -> Callable[[Any], Any]:
    def plain(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit
        if named and not all(isinstance(key, str) for key in value):
            raise Unfit
        return value

    return plain


def _is_truth(value: Any) -> bool:
    """Whether a value is True or False, numpy's too, which is no bool."""
    return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")


def _truth(value: Any) -> bool:
    if not _is_truth(value):
        raise Unfit
    return bool(value)


def _number(value: Any, name: str, convert: Callable[[Any], Any]) -> Any:
    if _is_truth(value) or not hasattr(type(value), name):
        raise Unfit
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):  # arrays of several
        raise Unfit from None


def _integer(value: Any) -> int:
    found: int = _number(value, "__index__", operator.index)
    return found


def _real(value: Any) -> int | float:
    if isinstance(value, int) and not _is_truth(value):
        return value
    found: float = _number(value, "__float__", float)
    return found


_PLAIN = {
    "None": Kind("None", _none),
    "str": Kind("a text", _instance(str)),
    "bytes": Kind("bytes", _instance(bytes)),
    "Path": Kind("a path", _instance(os.PathLike)),
    "int": Kind("an integer", _integer),
    "float": Kind("a number", _real),
    "bool": Kind("True or False", _truth),
    "Any": Kind("anything", lambda value: value),
}


@cache
def kind_of(annotation: str) -> Kind | None:
    """The kind that an annotation names; None where it may be any value."""
    kinds = [_single(part) for part in _apart(annotation, "|")]
    if None in kinds or any(kind is _PLAIN["Any"] for kind in kinds):
        return None
    found = [kind for kind in kinds if kind is not None]
    names = list(dict.fromkeys(kind.name for kind in found))
    if names[-1] == "None" and len(names) > 1:
        names = [*names[:-1], "None"]
    return Kind(" or ".join(names), _either(found)) if len(found) > 1 else found[0]


def _single(annotation: str) -> Kind | None:
    """The kind of an annotation without `|`."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    word, bracket, _ = annotation.rstrip("]").partition("[")
    if word == "Mapping":
        keys = next(_apart(annotation[len(word) + 1 : -1], ","))
        return Kind("a mapping" + " of names" * (keys == "str"), _mapping(keys == "str"))
    if word in _LAZY:
        return Kind("several values", _iterable)
    if word in _SEVERAL and bracket:
        return _several(word, list(_apart(annotation[len(word) + 1 : -1], ",")))
    name = annotation.rpartition(".")[2]
    return Kind(f"a {name}", _named(name)) if name.isidentifier() and name[0].isupper() else None


def _several(word: str, parts: list[str]) -> Kind | None:
    count = len(parts) if word == "tuple" and parts[-1] != "..." else None
    inner = kind_of(parts[0])

    def plain(value: Any) -> tuple[Any, ...]:
        _iterable(value)
        items = tuple(value)
        if count is not None and len(items) != count:
            raise Unfit
        return items if inner is None else tuple(map(inner.plain, items))

    what = "values" if inner is None else inner.name.removeprefix("an ").removeprefix("a ") + "s"
    return Kind(f"{count or 'a list of'} {what}", plain)


def _iterable(value: Any) -> Any:
    if isinstance(value, _NO_LISTS) or not isinstance(value, Iterable):
        raise Unfit
    if getattr(value, "shape", None) == ():  # an array that is one number
        raise Unfit
    return value


def _named(name: str) -> Callable[[Any], Any]:
    """A class of this name, of ours or of torch: it may not be loaded."""

    def plain(value: Any) -> Any:
        for cls in type(value).__mro__:
            if cls.__name__ == name and cls.__module__.partition(".")[0] in _LIBRARIES:
                return value
        raise Unfit

    return plain


def _either(kinds: list[Kind]) -> Callable[[Any], Any]:
    def plain(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.plain(value)
            except Unfit:
                continue
        raise Unfit

    return plain


def _apart(text: str, mark: str) -> Iterator[str]:
    """The parts of an annotation between marks that stand in no brackets."""
    depth = start = 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == mark and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()

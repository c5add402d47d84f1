"""Kinds of operator parameters: what a step may be given, and how it is checked and shown."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.names import BadValue
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare.known import float32, values
from netspec.ops.declare.schemes import scheme
from netspec.ops.declare.values import Layer, Name, show
from netspec.ops.declare.weight import Scheme

MISSING: Any = object()
_LARGEST = 2**31 - 1


@record(kw_only=True)
class Param:
    """One parameter: `default` is MISSING where it must be given.

    That is, unless one of the parameters `implied_by` is given as lists, whose lengths then say it.
    """

    default: Any = MISSING
    doc: str = ""
    implied_by: tuple[str, ...] = ()

    expects = "a value"
    # Whether only numbers will do, so that a word in its place must be a name nobody gave.
    numeric = False

    def accept(self, value: Any) -> Any:
        """The value in its checked form; raises Rejection(BadValue) if it is not of this kind."""
        return value

    def refuse(self, value: Any) -> Rejection:
        """The rejection of a value that is not of this kind."""
        return Rejection(BadValue(self.expects, show(value)))


def _integral(value: Any) -> Any:
    """The value with whole floats as integers, in tuples too: division gives floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return tuple(map(_integral, value)) if isinstance(value, tuple) else value


@record(kw_only=True)
class Count(Param):
    """An integer in [low, high]."""

    low: int = 1
    high: int = _LARGEST
    optional: bool = False

    numeric = True

    @property
    def expects(self) -> str:  # type: ignore[override]
        high = "2^31-1" if self.high == _LARGEST else self.high
        return f"an integer from {self.low} to {high}" + (" or none" if self.optional else "")

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        value = _integral(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(value)
        if not self.low <= value <= self.high:
            raise self.refuse(value)
        return value


@record(kw_only=True)
class Real(Param):
    """A number in [low, high] that float32 can hold."""

    low: float = float("-inf")
    high: float = float("inf")
    optional: bool = False

    numeric = True

    @property
    def expects(self) -> str:  # type: ignore[override]
        bounds = {
            (False, False): "a number",
            (True, False): f"a number of at least {self.low:g}",
            (False, True): f"a number of at most {self.high:g}",
            (True, True): f"a number from {self.low:g} to {self.high:g}",
        }
        return bounds[self.low != float("-inf"), self.high != float("inf")]

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(value)
        if not self.low <= value <= self.high:
            raise self.refuse(value)
        return float32(value)


@record(kw_only=True)
class Flag(Param):
    """`yes` or `no`."""

    expects = "yes or no"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value


@record(kw_only=True)
class Choice(Param):
    """One of a few words."""

    words: tuple[str, ...] = ()
    optional: bool = False

    @property
    def expects(self) -> str:  # type: ignore[override]
        return " or ".join((*self.words, "none") if self.optional else self.words)

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        text = value.text if isinstance(value, Name) else value
        if isinstance(value, bool):
            text = show(value)
        if text not in self.words:
            raise self.refuse(value)
        return text


@record(kw_only=True)
class PerAxis(Param):
    """One integer for every spatial axis, or one for each: `3`, `1x7`, `(1, 7)`; or a word.

    With `rest` one of them may be -1, for what the others leave.
    """

    low: int = 1
    optional: bool = False
    words: tuple[str, ...] = ()
    rest: bool = False

    @property
    def numeric(self) -> bool:  # type: ignore[override]
        return not self.words

    @property
    def expects(self) -> str:  # type: ignore[override]
        sizes = f"integers of at least {self.low}, one or one for each axis"
        sizes += ", -1 for what the others leave" if self.rest else ""
        return ", ".join((*self.words, sizes))

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        text = value.text if isinstance(value, Name) else value
        if text in self.words:
            return text
        value = _integral(value)
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, bool) or not isinstance(part, int):
                raise self.refuse(value)
            left = self.rest and part == -1 and parts.count(-1) == 1
            if not left and not self.low <= part <= _LARGEST:
                raise self.refuse(value)
        return parts if isinstance(value, tuple) else parts[0]


PAD_WORDS = ("same", "tf_same", "valid", "full")


@record(kw_only=True)
class Padding(Param):
    """How much is padded: a word, one integer, one for each axis, or (before, after) for each."""

    words: tuple[str, ...] = PAD_WORDS
    optional: bool = False

    @property
    def expects(self) -> str:  # type: ignore[override]
        sizes = "an integer, one for each axis, or (before, after) for each"
        return ", ".join((*self.words, sizes))

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        if isinstance(value, Name) and value.text in self.words:
            return value.text
        value = _integral(value)
        if _is_size(value):
            return value
        if isinstance(value, tuple) and value:
            if all(_is_size(item) for item in value):
                return value
            if all(isinstance(i, tuple) and len(i) == 2 and all(map(_is_size, i)) for i in value):
                return value
        raise self.refuse(value)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**20


@record(kw_only=True)
class LayerParam(Param):
    """A layer that follows the step, or `none`."""

    expects = "a layer such as relu or leaky(0.1), or none"

    def accept(self, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Name):
            return Layer(value.text, unit=value.unit)
        if not isinstance(value, Layer):
            raise self.refuse(value)
        return value


@record(kw_only=True)
class Reference(LayerParam):
    """A further tensor: a step, `@name`, or a layer of what flows in. The operator holds yes or none.

    With `ids` it may be of ids as well as of numbers.
    """

    ids: bool = False

    expects = "a step such as @name, a layer of what flows in such as relu, or none"


@record(kw_only=True)
class Integers(Param):
    """A tuple of integers, or a tuple of such tuples when `nested`."""

    nested: bool = False
    optional: bool = False

    numeric = True

    @property
    def expects(self) -> str:  # type: ignore[override]
        return "a list of lists of integers" if self.nested else "a list of integers"

    def accept(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        value = _integral(value)
        if not self.nested and isinstance(value, int) and not isinstance(value, bool):
            value = (value,)
        if not isinstance(value, tuple) or not value:
            raise self.refuse(value)
        rows = value if self.nested else (value,)
        for row in rows:
            if not isinstance(row, tuple) or not all(_is_whole(item) for item in row):
                raise self.refuse(value)
        return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


@record(kw_only=True)
class _TensorParam(Param):
    """What a tensor holds: a scheme by its name, or numbers in lists."""

    def accept(self, value: Any) -> Any:
        if value is None or isinstance(value, Scheme):
            return value
        if isinstance(value, tuple) and value:
            return values(value)
        if isinstance(value, Name):
            value = Layer(value.text)
        if isinstance(value, bool | int | float):
            value = Layer("constant", (value,))
        if not isinstance(value, Layer):
            raise self.refuse(value)
        return scheme(value)


@record(kw_only=True)
class SchemeParam(_TensorParam):
    """An initialisation: `he`, `gaussian(0.01)`; see `netspec.ops.declare.schemes`."""

    expects = "an initialisation such as he or gaussian(0.01), or numbers in lists"


@record(kw_only=True)
class KnownParam(_TensorParam):
    """What a tensor holds that is not trained: numbers, or a scheme that draws none.

    Part of what an operator computes, as a start is not.
    """

    expects = "numbers in lists, or a filter that is not drawn such as gaussian_window(1.5)"

    def accept(self, value: Any) -> Any:
        found = _TensorParam.accept(self, value)
        if found is not None and found.drawn:
            raise self.refuse(value)
        return found


# The functions operators declare their fields with. They return Any so that a field can be
# annotated with the type its instances hold.


def count(default: Any = MISSING, *, low: int = 1, high: int = _LARGEST, doc: str = "") -> Any:
    """Declares an integer in [low, high]; may be none where `default` is None."""
    return Count(default=default, low=low, high=high, optional=default is None, doc=doc)


def real(
    default: Any = MISSING, *, low: float = float("-inf"), high: float = float("inf"), doc: str = ""
) -> Any:
    """Declares a number in [low, high]; may be none where `default` is None."""
    return Real(default=default, low=low, high=high, optional=default is None, doc=doc)


def flag(default: Any = MISSING, *, doc: str = "") -> Any:
    """Declares yes or no."""
    return Flag(default=default, doc=doc)


def choice(*words: str, default: Any = MISSING, doc: str = "") -> Any:
    """Declares one of the words, or none where that is the default."""
    return Choice(default=default, words=words, optional=default is None, doc=doc)


def per_axis(
    default: Any = MISSING,
    *,
    low: int = 1,
    words: tuple[str, ...] = (),
    implied_by: tuple[str, ...] = (),
    rest: bool = False,
    doc: str = "",
) -> Any:
    """Declares integers of at least `low`, one or one for each axis, or one of the words.

    With `rest` one may be -1.
    """
    return PerAxis(
        default=default,
        low=low,
        optional=default is None,
        words=words,
        implied_by=implied_by,
        rest=rest,
        doc=doc,
    )


def padding(default: Any = 0, *, doc: str = "") -> Any:
    """Declares how much is padded: a word of `PAD_WORDS`, or sizes."""
    return Padding(default=default, doc=doc)


def amounts(default: Any = MISSING, *, doc: str = "") -> Any:
    """Declares sizes for the sides of each axis, without words."""
    return Padding(default=default, words=(), optional=default is None, doc=doc)


def layer(default: Any = None, *, doc: str = "") -> Any:
    """Declares a layer that follows the step, none by default."""
    return LayerParam(default=default, doc=doc)


def reference(*, ids: bool = False, doc: str = "") -> Any:
    """Declares a further tensor that is given by name, none by default; it may be of `ids`."""
    return Reference(default=None, ids=ids, doc=doc)


def integers(default: Any = MISSING, *, nested: bool = False, doc: str = "") -> Any:
    """Declares a list of integers, or with `nested` a list of such lists."""
    return Integers(default=default, nested=nested, optional=default is None, doc=doc)


def scheme_of(default: Any = None, *, doc: str = "") -> Any:
    """Declares an initialisation; None leaves it to the operator."""
    return SchemeParam(default=default, doc=doc)


def known(default: Any = None, *, doc: str = "") -> Any:
    """Declares what a tensor holds that is not trained; None where it is."""
    return KnownParam(default=default, doc=doc)

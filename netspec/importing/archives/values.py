"""Values as archives write them: a kind and what is of it, such as `{"as_ints": [1, 2]}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# torch's numbers for types, and for how tensors lie.
TYPES = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64"},
    **{6: "float16", 7: "float32", 8: "float64", 12: "bool", 13: "bfloat16"},
}
_FORMATS = {
    1: "contiguous_format",
    2: "channels_last",
    3: "channels_last_3d",
    4: "preserve_format",
}
_STRIDED = 7
# Words that are arguments: of modes and approximations.
# A mode, or which axes of which tensor are summed.
_WORD = re.compile(r"[a-z_]{0,24}|[A-Za-z ,.]{1,99}->[A-Za-z .]{0,99}")
_LONGEST = 2**16
# JSON has no such numbers.
_ENDLESS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


class Values:
    """Decodes values; `tensor` gives what a name stands for.

    Raises ValueError, KeyError and TypeError for what is none of the kinds.
    """

    def __init__(self, torch: Any, tensor: Callable[[str], Any]) -> None:
        self._torch, self._tensor = torch, tensor

    def of(self, value: Mapping[str, Any]) -> Any:
        """The value that `{kind: ...}` is."""
        ((kind, held),) = value.items()
        rule = _RULES.get(kind)
        if rule is None:
            raise ValueError(f"it holds a value of the kind {kind}, which is not read")
        return rule(self, held)

    def _none(self, held: Any) -> None:
        return None

    def _named(self, held: Mapping[str, Any]) -> Any:
        return self._tensor(held["name"])

    def _size(self, held: Mapping[str, Any]) -> Any:
        """A number, or one that is computed."""
        ((kind, value),) = held.items()
        if kind == "as_name":
            return self._tensor(value)
        if kind == "as_int":
            return whole(value)
        if kind == "as_float":
            return self._float(value)
        return self._flag(value)

    def _optional(self, held: Mapping[str, Any]) -> Any:
        ((kind, value),) = held.items()
        return None if kind == "as_none" else self._named(value)

    def _float(self, held: Any) -> float:
        if isinstance(held, str):
            return _ENDLESS[held]
        if isinstance(held, bool) or not isinstance(held, int | float):
            raise TypeError("it holds something else where a number is said")
        return float(held)

    def _flag(self, held: Any) -> bool:
        if not isinstance(held, bool):
            raise TypeError("it holds something else where yes or no is said")
        return held

    def _word(self, held: Any) -> str:
        if not isinstance(held, str) or not _WORD.fullmatch(held):
            raise ValueError("it holds a text that is no argument's word")
        return held

    def _type(self, held: Any) -> Any:
        return getattr(self._torch, TYPES[whole(held)])

    def _format(self, held: Any) -> Any:
        return getattr(self._torch, _FORMATS[whole(held)])

    def _layout(self, held: Any) -> Any:
        if held != _STRIDED:
            raise ValueError("it holds a tensor that is sparse")
        return self._torch.strided

    def _device(self, held: Any) -> Any:
        return self._torch.device("cpu")


def whole(held: Any) -> int:
    """A whole number that torch can hold."""
    if isinstance(held, bool) or not isinstance(held, int) or abs(held) >= 2**63:
        raise ValueError("it holds something else where a whole number is said")
    return held


def _each(rule: Callable[[Values, Any], Any]) -> Callable[[Values, Any], list[Any]]:
    def listed(values: Values, held: Any) -> list[Any]:
        if not isinstance(held, list) or len(held) > _LONGEST:
            raise ValueError("it holds something else where a list is said")
        return [rule(values, item) for item in held]

    return listed


_RULES: dict[str, Callable[[Values, Any], Any]] = {
    "as_none": Values._none,
    "as_tensor": Values._named,
    "as_tensors": _each(Values._named),
    "as_optional_tensor": Values._optional,
    "as_optional_tensors": _each(Values._optional),
    "as_int": lambda values, held: whole(held),
    "as_ints": _each(lambda values, held: whole(held)),
    "as_sym_int": Values._size,
    "as_sym_ints": _each(Values._size),
    "as_float": Values._float,
    "as_floats": _each(Values._float),
    "as_sym_float": Values._size,
    "as_bool": Values._flag,
    "as_bools": _each(Values._flag),
    "as_sym_bool": Values._size,
    "as_string": Values._word,
    "as_scalar_type": Values._type,
    "as_memory_format": Values._format,
    "as_layout": Values._layout,
    "as_device": Values._device,
}

"""Constants of a file, each once, named by what they hold: no other constant moves their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto

# So many numbers stand in a name, and so many are read when shapes are inferred.
_SPELT, _READ = 8, 1024
_KINDS = {"int64": TensorProto.INT64}


class Constants:
    """Arrays by name."""

    def __init__(self) -> None:
        self._held: dict[str, TensorProto] = {}

    def copy(self) -> Constants:
        """Another one that holds the same."""
        other = Constants()
        other._held = dict(self._held)
        return other

    def add(self, value: Any) -> str:
        """The name of an array; equal ones have one."""
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        name = _name(array)
        if name not in self._held:
            self._held[name] = TensorProto(
                dims=array.shape,
                data_type=_KINDS.get(str(array.dtype), TensorProto.FLOAT),
                name=name,
                raw_data=array.tobytes(),
            )
        return name

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> TensorProto:
        return self._held[name]

    def __iter__(self) -> Iterator[TensorProto]:
        return iter(self._held.values())


def _name(array: np.ndarray[Any, Any]) -> str:
    """What an array holds, if that is short, else its hash: `1d_int64_0_64_-1`, `0d_float32_0p5`.

    No name that a spec gives begins with a digit, and none of a weight is without a dot.
    """
    if array.ndim > 1 or array.size > _SPELT or np.isnan(array).any():
        size = "x".join(map(str, array.shape)) or "0d"
        return f"{size}_{array.dtype}_{hashlib.sha256(array.tobytes()).hexdigest()[:16]}"
    numbers = (str(number).replace(".", "p") for number in array.reshape(-1))
    return "_".join([f"{array.ndim}d_{array.dtype}", *numbers])

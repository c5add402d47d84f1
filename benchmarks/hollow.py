"""Files of large nets without their numbers: what a spec is read from is the steps, and the sizes of weights.

`hollow()` is a context in which files that are written hold of each large tensor that is drawn where it would
begin in one sequence of noise, and in which what reads them takes it from there: no two are alike, and
those of a billion parameters take the memory of their largest. Nothing else can run such files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx

from netspec.backends.onnx import file
from netspec.backends.onnx.builder import Initializer
from netspec.backends.onnx.model import Model
from netspec.importing.files import reading
from netspec.system.atomic import replacing
from netspec.weights.sources import WeightSource

Array = np.ndarray[Any, Any]
# Tensors of fewer numbers stand in the file: norms and biases, and what may be tables.
LARGE = 2**16
# Numbers after which the noise begins anew.
_PERIOD = 2**22 + 15
# How far one tensor begins behind the one before: no two of a file begin at the same number.
_APART = 4099


class _Noise:
    def __init__(self) -> None:
        drawn = np.random.default_rng(0).standard_normal(_PERIOD, np.float32)
        self.once = self.numbers = np.float32(0.02) * drawn

    def taken(self, begin: int, count: int) -> Array:
        """So many numbers from one on."""
        if begin + count > self.numbers.size:
            self.numbers = np.empty(-(-(begin + count) // _PERIOD) * _PERIOD, np.float32)
            self.numbers.reshape(-1, _PERIOD)[:] = self.once
        return self.numbers[begin : begin + count]


def _is_hollow(item: Initializer) -> bool:
    return item.weight.size >= LARGE and not item.weight.known and item.dtype == "float32"


@contextmanager
def hollow() -> Iterator[None]:
    """Within, files are written and read so."""
    noise = _Noise()

    def write(model: Model, path: Path, source: WeightSource, **_: Any) -> tuple[Path, ...]:
        tensors = []
        for number, item in enumerate(model.weights):
            if _is_hollow(item):
                begin = number * _APART % _PERIOD
                place = file._Place(4 * begin, 4 * item.weight.size)
                tensors.append(file._external(item, "noise", place))
            else:
                pieces = source.pieces(item.name, item.weight)
                numbers = b"".join(bytes(file._stored(item, piece)) for piece in pieces)
                tensors.append(file._tensor_head(item) + numbers)
        with replacing(path) as out:
            file._write_graph(model, out, [len(tensor) for tensor in tensors])
            for tensor in tensors:
                out.write(file._field(file._INITIALIZER, len(tensor)))
                out.write(tensor)
        return ()

    plain = reading._array

    def array(path: Path, tensor: onnx.TensorProto) -> Array:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            return plain(path, tensor)
        where = {entry.key: entry.value for entry in tensor.external_data}
        taken = noise.taken(int(where["offset"]) // 4, int(where["length"]) // 4)
        return taken.reshape(tuple(tensor.dims))

    with mock.patch.object(file, "write", write), mock.patch.object(reading, "_array", array):
        yield

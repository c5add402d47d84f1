"""Arrays as numpy stores one: a header of few bytes, then the numbers.

What the header claims is held against the bytes that are there before anything is allocated.
"""

from __future__ import annotations

import io
from math import prod
from typing import IO, Any

from netspec.checkpoints.formats.tensors import Shape
from netspec.foundation.records import record

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_AT_ONCE = 2**20


@record
class Header:
    """The shape, order and type of an array, and how many bytes it and its header have."""

    shape: Shape
    fortran: bool
    dtype: Any
    length: int
    size: int


def read_header(file: IO[bytes], size: int) -> Header:
    """The header of an array in a file of `size` bytes; ValueError where there is none that fits.

    Numpy's own function evaluates the text: it is given short texts only, and raises what it likes.
    """
    import numpy as np

    start = file.read(8)
    if start[:6] != _MAGIC or len(start) < 8 or start[6] not in (1, 2, 3):
        raise ValueError("it does not start as numpy's arrays do")
    width = 2 if start[6] == 1 else 4
    told = file.read(width)
    length = int.from_bytes(told, "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"its header claims {length:,} bytes")
    text = io.BytesIO(told + file.read(length))
    read = (
        np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(text, max_header_size=_LONGEST_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    if not dtype.itemsize:
        raise ValueError(f"it holds {dtype}, which has no size")
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("it has a size that is not a whole number")
    before = 8 + width + length
    if before + prod(shape) * dtype.itemsize != size:
        claim = "x".join(map(str, shape)) or "one number"
        raise ValueError(f"it claims {claim} of {dtype} in {max(0, size - before):,} bytes")
    return Header(tuple(shape), fortran, dtype, before, size)


def read_numbers(file: IO[bytes], head: Header) -> Any:
    """The array whose header this is, from a file that stands at its start."""
    import numpy as np

    file.read(head.length)
    data = np.empty(head.size - head.length, np.uint8)
    into, at = data.data, 0
    while at < len(into):
        piece = file.read(min(_AT_ONCE, len(into) - at))
        if not piece:
            raise ValueError("it is cut short")
        into[at : at + len(piece)] = piece
        at += len(piece)
    return data.view(head.dtype).reshape(head.shape, order="F" if head.fortran else "C")

"""Protobuf messages on disk, field by field: what a field holds is not read unless it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from netspec.foundation.records import record

# Protobuf's kinds of fields: a number, 8 bytes, a length and so many bytes, 4 bytes.
_NUMBER, _EIGHT, BYTES, _FOUR = 0, 1, 2, 5


@record
class Field:
    """One field: its number and kind, where it starts, where what it holds starts, and where it ends."""

    number: int
    kind: int
    start: int
    body: int
    end: int


def fields(file: BinaryIO, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two places of a file, in order.

    Between two of them whoever asks may read elsewhere. Raises ValueError where there is no message.
    """
    while start < end:
        file.seek(start)
        number, kind = divmod(_varint(file), 8)
        body = file.tell()
        if kind == _NUMBER:
            _varint(file)
            after = file.tell()
        elif kind in (_EIGHT, _FOUR):
            after = body + (8 if kind == _EIGHT else 4)
        elif kind == BYTES:
            length = _varint(file)
            body = file.tell()
            after = body + length
        else:
            raise ValueError(f"a field of kind {kind}")
        if after > end:
            raise ValueError("the file ends inside a field")
        yield Field(number, kind, start, body, after)
        start = after


def held(file: BinaryIO, field: Field) -> bytes:
    """What a field of bytes holds."""
    file.seek(field.body)
    return file.read(field.end - field.body)


def size_of(file: BinaryIO) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def _varint(file: BinaryIO) -> int:
    found = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("the file ends inside a field")
        found |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return found
    raise ValueError("a number has no end")

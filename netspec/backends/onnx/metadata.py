"""Metadata of an ONNX file that is there already: texts by key, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from onnx import ModelProto, StringStringEntryProto

from netspec.system.atomic import replacing
from netspec.system.reading import open_regular

_PIECE = 2**20
# Protobuf's kinds of fields: a number, 8 bytes, a length and so many bytes, 4 bytes.
_NUMBER, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_METADATA = ModelProto.DESCRIPTOR.fields_by_name["metadata_props"].number


def write_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Writes entries into the metadata of an ONNX file, in place of those of the same keys.

    The file is copied in pieces, so a large one takes no memory. Raises NetspecError where it cannot
    be written and ValueError where it is no protobuf message; then it is what it was.
    """
    more = ModelProto()
    for key, value in entries.items():
        more.metadata_props.add(key=key, value=value)
    with open_regular(path) as model, replacing(path) as file:
        size = os.fstat(model.fileno()).st_size
        while model.tell() < size:
            _copy_field(model, file, size, entries)
        # Protobuf reads fields that follow a message as part of it.
        file.write(more.SerializeToString(deterministic=True))


def _copy_field(model: BinaryIO, file: BinaryIO, size: int, replaced: Mapping[str, str]) -> None:
    """Copies one field of the message, unless it is an entry that is replaced."""
    start = model.tell()
    number, kind = divmod(_varint(model), 8)
    if kind == _NUMBER:
        _varint(model)
    elif kind in (_EIGHT, _FOUR):
        model.seek(8 if kind == _EIGHT else 4, os.SEEK_CUR)
    elif kind == _BYTES:
        length = _varint(model)
        end = model.tell() + length
        if number == _METADATA and end <= size and _key(model.read(length)) in replaced:
            return
        model.seek(end)
    else:
        raise ValueError(f"a field of kind {kind}")
    end = model.tell()
    if end > size:
        raise ValueError("the file ends inside a field")
    model.seek(start)
    while start < end:
        start += file.write(model.read(min(_PIECE, end - start)))


def _key(entry: bytes) -> str:
    return str(StringStringEntryProto.FromString(entry).key)


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

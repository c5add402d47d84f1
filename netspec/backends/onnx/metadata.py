"""Metadata of an ONNX file that is there already: texts by key, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto, StringStringEntryProto

from netspec.system.atomic import replacing
from netspec.system.protobuf import BYTES, fields, held, size_of
from netspec.system.reading import open_regular

_PIECE = 2**20
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
        for field in fields(model, 0, size_of(model)):
            is_entry = field.number == _METADATA and field.kind == BYTES
            if is_entry and _key(held(model, field)) in entries:
                continue
            model.seek(field.start)
            start = field.start
            while start < field.end:
                start += file.write(model.read(min(_PIECE, field.end - start)))
        # Protobuf reads fields that follow a message as part of it.
        file.write(more.SerializeToString(deterministic=True))


def _key(entry: bytes) -> str:
    return str(StringStringEntryProto.FromString(entry).key)

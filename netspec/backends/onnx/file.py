"""ONNX files, written as a stream: no tensor and no encoding ever stands in memory whole.

A protobuf message is the concatenation of its fields, and every tensor's length is known before
its numbers are: so the small parts are encoded by protobuf and the weights are passed through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from onnx import ModelProto, StringStringEntryProto, TensorProto, helper

from netspec.backends.onnx.builder import Initializer
from netspec.backends.onnx.data import data_file, tidy
from netspec.backends.onnx.model import Model
from netspec.diagnostics.messages.files import CannotStream
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.system.atomic import Check, Paths, draft, planned, replacing, sweep, telling
from netspec.system.locks import alone
from netspec.system.protobuf import BYTES, fields, held, size_of
from netspec.system.reading import open_regular
from netspec.weights.sources import WeightSource

# protobuf cannot hold 2 GiB; beyond this, weights go to a data file of their own.
SINGLE_FILE_LIMIT = 3 * 2**29
_ALIGNMENT = 64
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def write(
    model: Model,
    path: Path,
    source: WeightSource,
    *,
    limit: int = SINGLE_FILE_LIMIT,
    check: Check | None = None,
    keep: Paths = (),
) -> tuple[Path, ...]:
    """Writes the model with its weights to `path`, whole or not at all; returns its data files.

    `check` gets the finished file under its temporary name; if it raises, `path` stays as it was.
    A file of `keep` is not replaced.

    Beyond `limit` bytes of weights they go to `NAME-HASH.data` beside it, so that the rename of the
    model is the moment the new one counts. Data files of this name that no model beside them refers
    to are removed last: an earlier model's, and what a killed run left.
    """
    try:
        if sum(item.nbytes for item in model.weights) <= limit:
            with replacing(path, check, keep=keep) as file:
                _write_single(model, file, source)
            return ()
        return (_write_both(model, path, source, check, keep),)
    finally:
        tidy(path)


# --- one file


def _write_single(model: Model, file: BinaryIO, source: WeightSource) -> None:
    heads = [_tensor_head(item) for item in model.weights]
    sizes = [len(head) + i.nbytes for head, i in zip(heads, model.weights, strict=True)]
    _write_graph(model, file, sizes)
    for item, head, size in zip(model.weights, heads, sizes, strict=True):
        file.write(_field(_INITIALIZER, size))
        file.write(head)
        for piece in source.pieces(item.name, item.weight):
            file.write(_stored(item, piece))


def _write_graph(model: Model, file: BinaryIO, sizes: list[int]) -> None:
    """Writes the model up to its weights, whose encodings have these sizes."""
    total = len(model.graph) + sum(len(_field(_INITIALIZER, size)) + size for size in sizes)
    file.write(model.head.SerializeToString(deterministic=True))
    file.write(_field(_GRAPH, total))
    file.write(model.graph)


def _described(item: Initializer) -> TensorProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(item.dtype))
    return TensorProto(dims=item.weight.shape, data_type=kind, name=item.name)


def _stored(item: Initializer, piece: np.ndarray[Any, Any]) -> memoryview:
    """A piece of a tensor as the file has it."""
    return piece.astype(np.dtype(item.dtype).newbyteorder("<"), copy=False).data


def _tensor_head(item: Initializer) -> bytes:
    """A tensor's encoding up to its numbers."""
    tensor = _described(item)
    encoded: bytes = tensor.SerializeToString(deterministic=True)
    return encoded + _field(_RAW_DATA, item.nbytes)


def _field(number: int, length: int) -> bytes:
    """The tag and length before a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


# --- weights in a data file


@record
class _Place:
    offset: int
    length: int


def _write_both(
    model: Model, path: Path, source: WeightSource, check: Check | None, keep: Paths
) -> Path:
    """Writes the data file, whose name holds its hash, and the model; returns the former."""
    folder = path.parent
    target = planned(path, keep)
    if target.stream:
        reason = "weights of this size go to a file beside the model, and a stream has no place"
        raise NetspecError(CannotStream(str(path), reason))
    with telling(path, folder):
        sweep(folder)
        with draft(folder, target.mode) as numbers, draft(folder, target.mode) as main:
            places, digest = _write_data(model, numbers.file, source)
            numbers.finish()
            data = data_file(path, digest)
            _write_external(model, main.file, data.name, places)
            main.finish()
            # From here on the draft of the model refers to the data, so that nobody removes it.
            with alone(folder):
                numbers.place(data)
            main.hold_to(check, path)
            with alone(folder):
                main.place(path)
    return data


def _write_data(
    model: Model, file: BinaryIO, source: WeightSource
) -> tuple[dict[str, _Place], str]:
    """Writes the weights; returns where each is, and the hash of them all."""
    places: dict[str, _Place] = {}
    digest = hashlib.sha256()
    offset = 0
    for item in model.weights:
        gap = -offset % _ALIGNMENT
        file.write(bytes(gap))
        digest.update(bytes(gap))
        offset += gap
        places[item.name] = _Place(offset, item.nbytes)
        for piece in source.pieces(item.name, item.weight):
            data = _stored(item, piece)
            file.write(data)
            digest.update(data)
        offset += item.nbytes
    return places, digest.hexdigest()


def _write_external(model: Model, file: BinaryIO, location: str, places: dict[str, _Place]) -> None:
    tensors = [_external(item, location, places[item.name]) for item in model.weights]
    _write_graph(model, file, [len(tensor) for tensor in tensors])
    for tensor in tensors:
        file.write(_field(_INITIALIZER, len(tensor)))
        file.write(tensor)


def _external(item: Initializer, location: str, place: _Place) -> bytes:
    tensor = _described(item)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", place.offset), ("length", place.length)):
        tensor.external_data.add(key=key, value=str(value))
    encoded: bytes = tensor.SerializeToString(deterministic=True)
    return encoded


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

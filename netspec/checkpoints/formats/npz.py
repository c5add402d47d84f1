"""npz archives of numpy: one array a member of a zip archive."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from netspec.checkpoints.formats.npy import Header, read_header, read_numbers
from netspec.checkpoints.formats.tensors import Stored, Tensors, bad_file, integer_type, refused
from netspec.diagnostics.messages.weights import BadTensor
from netspec.system.reading import reading

# What a compressed archive may unpack to: this much, or this many times its size.
_UNPACKED, _TIMES = 2**30, 16
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(path: Path, members: list[zipfile.ZipInfo]) -> Tensors:
    """Shapes from the headers; numbers only when asked for, so that no bomb is unpacked.

    The archive stays open as long as something may be read: its directory is as long as the file has
    tensors, and is read once.
    """
    _check_sizes(path, members)
    archive = zipfile.ZipFile(path)
    found: dict[str, Stored] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise refused(BadTensor(path.name, name, "is there twice"))
        found[name] = _stored(path, archive, member, name)
    if not found:
        raise bad_file(path, "it holds no tensors")
    return found


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuses a bomb from the directory alone: a member never unpacks to more than it says there."""
    for member in members:
        if member.compress_type not in _PLAIN:
            raise bad_file(
                path, f"its member `{member.filename}` is packed in a way that numpy never uses"
            )
    claimed, size = sum(member.file_size for member in members), path.stat().st_size
    if claimed > max(_UNPACKED, _TIMES * size):
        advice = "save it with np.savez, which does not compress"
        raise bad_file(path, f"it would unpack to {claimed:,} bytes, and has {size:,}", advice)


def _stored(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Stored:
    with (
        reading(lambda reason: refused(BadTensor(path.name, name, f"is no array: {reason}"))),
        archive.open(member) as file,
    ):
        head = read_header(file, member.file_size)
    read = partial(_from_npz, archive, member, head)
    return Stored(head.shape, read, integer_type(head.dtype.kind, head.dtype.itemsize))


def _from_npz(archive: zipfile.ZipFile, member: zipfile.ZipInfo, head: Header) -> Any:
    with archive.open(member) as file:
        return read_numbers(file, head)

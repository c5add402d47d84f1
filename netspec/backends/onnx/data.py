"""The data files that hold the weights of large models: their names, and which may be removed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from netspec.system.locks import alone

# A name may have 255 bytes, hash and ending included.
_LONGEST_LABEL = 200
# The first byte of a model: the field that holds its version. Protobuf writes fields in order.
_FIRST = b"\x08"
_CHUNK = 2**20


def data_files(path: Path) -> Iterator[Path]:
    """The data files that bear the name of the model at `path`: one, unless a run was killed."""
    digits = "[0-9a-f]" * 16
    return path.parent.glob(f"{_glob_escape(_label(path))}-{digits}.data")


def data_file(path: Path, digest: str) -> Path:
    """The data file of the model at `path` whose weights have this hash: no other model's has its name."""
    return path.parent / f"{_label(path)}-{digest[:16]}.data"


def _label(path: Path) -> str:
    """What the names of a model's data files start with: its own name, where ONNX can hold that."""
    try:
        plain = len(path.name.encode()) <= _LONGEST_LABEL and "\\" not in path.name
    except UnicodeEncodeError:
        plain = False
    return path.name if plain else hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]


def _glob_escape(text: str) -> str:
    return "".join(f"[{ch}]" if ch in "*?[" else ch for ch in text)


def tidy(path: Path) -> None:
    """Removes the data files of this name that no model beside them refers to.

    They are an earlier model's, or what a killed run left. Where folders cannot be locked they stay,
    since another process may be about to place the model that needs one.
    """
    with contextlib.suppress(OSError):
        if not any(data_files(path)):
            return
        with alone(path.parent) as locked:
            found = {os.fsencode(file.name): file for file in data_files(path)} if locked else {}
            for file in _regular_files(path):
                for name in _mentioned(file, list(found)) if found else ():
                    del found[name]
            for stale in found.values():
                stale.unlink(missing_ok=True)


def _regular_files(path: Path) -> Iterator[Path]:
    """The files in a model's folder, it first: the one that most likely refers to its data."""
    if path.is_file():
        yield path
    with os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.is_file() and entry.name != path.name:
                yield path.parent / entry.name


def _mentioned(path: Path, names: list[bytes]) -> set[bytes]:
    """Which of some names stand in a model; none where the file is no model.

    It is read in pieces: it may be large, and change while it is read.
    """
    found: set[bytes] = set()
    longest = max(map(len, names))
    with path.open("rb") as file:
        piece = file.read(1)
        if piece != _FIRST:
            return found
        while more := file.read(_CHUNK):
            piece = piece[-longest:] + more
            found.update(name for name in names if name in piece)
    return found

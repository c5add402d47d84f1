"""npz archives of numpy: one array a member of a zip archive."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from netspec.checkpoints.formats.tensors import Stored, Tensors, bad_file, integer_type, refused
from netspec.diagnostics.messages.weights import BadTensor


def read_npz(path: Path, members: list[zipfile.ZipInfo]) -> Tensors:
    """Shapes from the headers; numbers only when asked for, so that no bomb is unpacked.

    The archive stays open as long as something may be read: its directory is as long as the file has
    tensors, and is read once.
    """
    import numpy as np

    archive = zipfile.ZipFile(path)
    found: dict[str, Stored] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise refused(BadTensor(path.name, name, "is there twice"))
        try:
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                reads = {(1, 0): np.lib.format.read_array_header_1_0}
                head = reads.get(version, np.lib.format.read_array_header_2_0)
                shape, _, dtype = head(file)
        except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            raise refused(BadTensor(path.name, name, f"is no array: {error}")) from None
        if dtype.hasobject:
            raise refused(BadTensor(path.name, name, "holds Python objects, not numbers"))
        read = partial(_from_npz, archive, member)
        integer = integer_type(dtype.kind, dtype.itemsize)
        found[name] = Stored(tuple(shape), read, integer)
    if not found:
        raise bad_file(path, "it holds no tensors")
    return found


def _from_npz(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Any:
    import numpy as np

    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)

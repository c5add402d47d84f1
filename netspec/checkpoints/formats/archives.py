"""Zip archives: told apart by what they hold."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from netspec.checkpoints.formats.npz import read_npz
from netspec.checkpoints.formats.tensors import KERAS_ADVICE, Tensors, bad_file
from netspec.checkpoints.formats.torch_zip import read_torch
from netspec.system.reading import reading


def read_zip(path: Path) -> Mapping[str, Tensors]:
    """The sets of tensors of a zip archive: a PyTorch checkpoint if it holds a pickle, else npz."""
    with (
        reading(
            lambda reason: bad_file(path, f"it is a broken archive, perhaps cut short: {reason}")
        ),
        zipfile.ZipFile(path) as archive,
    ):
        members = archive.infolist()
    if any(member.filename.endswith(".h5") for member in members):
        raise bad_file(path, "it is a Keras archive", KERAS_ADVICE)
    if any(member.filename.endswith("data.pkl") for member in members):
        return read_torch(path, members)
    return {"": read_npz(path, members)}

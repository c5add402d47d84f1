"""The numbers of an archive: bytes that the JSON beside them describes, or a checkpoint inside it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from netspec.checkpoints.formats.archives import read_zip
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.importing.archives.members import Members, refused
from netspec.importing.archives.values import TYPES, whole
from netspec.system.reading import MOST_AXES, reading

# Where archives have their numbers since torch 2.8, with the JSON that describes them; and before.
_DESCRIBED = {
    "data/weights/": "data/weights/model_weights_config.json",
    "data/constants/": "data/constants/model_constants_config.json",
}
_CHECKPOINTS = ("serialized_state_dict.pt", "serialized_constants.pt")


def tensors_of(torch: Any, members: Members) -> dict[str, Any]:
    """Every tensor of an archive, by its name there."""
    found: dict[str, Any] = {}
    for folder, described in _DESCRIBED.items():
        if described not in members:
            continue
        config = members.text(described)
        with reading(partial(_refused, members, described)):
            entries = dict(config["config"])
        for name, entry in entries.items():
            with reading(partial(_refused, members, name)):
                found[name] = _tensor(torch, members, folder, entry)
    for name in _CHECKPOINTS:
        if name in members:
            found |= _checkpoint(torch, members, name)
    return found


def _refused(members: Members, name: str, reason: str) -> NetspecError:
    return refused(members.path, f"{printable(name)}: {reason}")


def _tensor(torch: Any, members: Members, folder: str, entry: Mapping[str, Any]) -> Any:
    """A tensor from its bytes, of the sizes and strides that the JSON says; raises ValueError if it lies."""
    if entry["use_pickle"]:
        raise ValueError("it is pickled, which is not read")
    meta, data = entry["tensor_meta"], members.data(f"{folder}{entry['path_name']}")
    dtype = getattr(torch, TYPES[whole(meta["dtype"])])
    sizes, strides = ([whole(item["as_int"]) for item in meta[key]] for key in ("sizes", "strides"))
    offset = whole(meta["storage_offset"]["as_int"])
    count = len(data) // dtype.itemsize
    if min([*sizes, *strides, offset, 0]) < 0 or not len(sizes) == len(strides) <= MOST_AXES:
        raise ValueError("its sizes are none")
    if 0 in sizes:
        return torch.zeros(sizes, dtype=dtype)
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if last >= count or prod(sizes) > count:
        raise ValueError("it claims more numbers than it has")
    flat = torch.frombuffer(bytearray(data), dtype=dtype, count=count)
    return flat.as_strided(sizes, strides, offset).clone()


def _checkpoint(torch: Any, members: Members, name: str) -> dict[str, Any]:
    """The tensors of a checkpoint that is a member, by the reader of checkpoints."""
    data = members.data(name)
    if not data:
        return {}
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        sets = read_zip(path)
        found = {}
        for key, stored in next(iter(sets.values()), {}).items():
            array = stored.read()
            found[key] = torch.from_numpy(array.copy())
    return found

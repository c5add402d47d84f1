"""safetensors: a JSON header, then the numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from netspec.checkpoints.formats.tensors import Stored, Tensors, bad_file, integer_type, refused
from netspec.diagnostics.messages.weights import BadTensor
from netspec.foundation.records import record
from netspec.system.reading import MOST_AXES, open_regular, reading

_HEADER_LIMIT = 100_000_000
# Types that are read, by the name in the header: numpy's type of the stored bytes.
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"},
}


def read_safetensors(path: Path) -> Mapping[str, Tensors]:
    """The tensors of a safetensors file, each read when asked for."""
    header, start = _header(path)
    _check_whole(path)
    room = path.stat().st_size - start
    found: dict[str, Stored] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            found[name] = _tensor(path, name, entry, start, room)
    return {"": found}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    size = path.stat().st_size
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(_HEADER_LIMIT, size - 8):
            raise bad_file(path, f"its header claims {length} bytes, the file has {size}")
        text = file.read(length)
    with reading(lambda reason: bad_file(path, f"its header is not JSON: {reason}")):
        header = json.loads(text, object_pairs_hook=lambda pairs: _once(path, pairs))
    if not isinstance(header, dict):
        raise bad_file(path, "its header is not a JSON object")
    return header, 8 + length


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The format forbids a name twice; readers differ in which one they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise refused(BadTensor(path.name, twice, "is there twice"))
    return found


def _check_whole(path: Path) -> None:
    """The format's own reader refuses overlaps, holes and trailing bytes."""
    from safetensors import safe_open

    with reading(lambda reason: bad_file(path, reason)), safe_open(path, framework="numpy"):
        pass


def _tensor(path: Path, name: str, entry: Any, start: int, room: int) -> Stored:
    import numpy as np

    def wrong(reason: str) -> Exception:
        return refused(BadTensor(path.name, name, reason))

    try:
        kind, shape = str(entry["dtype"]), tuple(entry["shape"])
        first, last = entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise wrong("has no dtype, shape and data_offsets") from None
    if len(shape) > MOST_AXES:
        raise wrong(f"has {len(shape):,} axes")
    if not all(type(number) is int and 0 <= number < 2**63 for number in (*shape, first, last)):
        raise wrong("has a size that is not a whole number")
    dtype = _DTYPES.get(kind)
    if dtype is None:
        raise wrong(f"holds {kind}, which is not read")
    count = prod(shape)
    if not first <= last <= room or count * np.dtype(dtype).itemsize != last - first:
        claim = "x".join(map(str, shape)) or "scalar"
        raise wrong(f"claims {claim} of {kind} in {last - first} bytes")

    def read() -> Any:
        stored = np.fromfile(path, dtype, count, offset=start + first).reshape(shape)
        if kind == "BF16":
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return stored

    held = np.dtype(dtype)
    return Stored(shape, read, "" if kind == "BF16" else integer_type(held.kind, held.itemsize))


@record
class Numbers:
    """A tensor that is written: its type in the header, its shape, and its numbers piece by piece."""

    kind: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[Any]]

    @property
    def width(self) -> int:
        """How many bytes one number takes."""
        return int(_DTYPES[self.kind][2:])


def write_safetensors(
    file: BinaryIO, tensors: Mapping[str, Numbers], about: Mapping[str, str] | None = None
) -> None:
    """Writes tensors and texts `about` them as a stream: no tensor stands in memory whole.

    The widest type comes first, then names in order, as the format's own writer has them: so that every
    tensor begins at a multiple of its type's size.
    """
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].width, item[0]))
    header: dict[str, Any] = {"__metadata__": dict(about)} if about else {}
    start = 0
    for name, tensor in ordered:
        end = start + prod(tensor.shape) * tensor.width
        offsets = [start, end]
        header[name] = {"dtype": tensor.kind, "shape": list(tensor.shape), "data_offsets": offsets}
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for _, tensor in ordered:
        for piece in tensor.pieces():
            file.write(piece.astype(_DTYPES[tensor.kind], copy=False).data)

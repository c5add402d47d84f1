"""Files of weights, opened without running anything from them and read tensor by tensor.

An attacker may have written the file: what it claims about a tensor is checked against the bytes
that are there before any of them is read, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.checkpoints.folded import folded
from netspec.checkpoints.formats.archives import read_zip
from netspec.checkpoints.formats.onnx import read_onnx
from netspec.checkpoints.formats.safetensors import read_safetensors
from netspec.checkpoints.formats.tensors import (
    KERAS_ADVICE,
    Reader,
    Shape,
    Stored,
    Tensors,
    bad_file,
    refused,
)
from netspec.diagnostics.messages.weights import BadTensor
from netspec.diagnostics.raised import NetspecError
from netspec.system.reading import open_regular, reading

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]

# Of names that libraries give, the longest have about 100 characters and 20 levels.
_LONGEST_NAME, _DEEPEST_NAME = 2_000, 200
_LEVELS = re.compile(r"[./]")
_PREFIXES = ("module.", "_orig_mod.")


class Checkpoint(Mapping[str, Shape]):
    """Tensors of a file: the shape of each by name, in file order; `read` gives one as float32.

    They may be one of several sets that the file holds: `chosen` is its name there, `others` are
    those of the rest.
    """

    def __init__(
        self, path: Path, tensors: Tensors, chosen: str = "", others: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.chosen = chosen
        self.others = tuple(others)
        self._tensors = dict(tensors)

    def without(self, prefixes: tuple[str, ...]) -> Checkpoint:
        """The file without the tensors whose names start so."""
        kept = {n: value for n, value in self._tensors.items() if not n.startswith(prefixes)}
        return Checkpoint(self.path, _as_weights(kept))

    def excluding(self, names: Iterable[str]) -> Checkpoint:
        """The file without these tensors; the others keep the names they have."""
        gone = set(names)
        kept = {name: value for name, value in self._tensors.items() if name not in gone}
        return Checkpoint(self.path, kept)

    def integer(self, name: str) -> str:
        """The type of a tensor that holds whole numbers or truths, `I64` or `BOOL`; else nothing."""
        return self._tensors[name].integer

    def under(self, prefix: str) -> Checkpoint:
        """What the file has under a name, without that name; raises NetspecError for nothing."""
        start = f"{prefix.removesuffix('.')}."
        kept = {
            name.removeprefix(start): value
            for name, value in self._tensors.items()
            if name.startswith(start)
        }
        if not kept:
            raise bad_file(self.path, f"it has nothing under `{start}`")
        return Checkpoint(self.path, _as_weights(kept))

    def parts(self, name: str) -> tuple[str, ...]:
        """The names in the file of what the tensor is folded from; its own if it is there whole, or not."""
        return (self._tensors[name].parts if name in self._tensors else ()) or (name,)

    def changed(self, tensors: Tensors) -> Checkpoint:
        """The file with some tensors replaced; the others and the order stay."""
        return Checkpoint(self.path, {**self._tensors, **tensors}, self.chosen, self.others)

    def stored(self, name: str) -> Reader:
        """What reads the tensor as it is stored."""
        return self._tensors[name].read

    def __getitem__(self, name: str) -> Shape:
        return self._tensors[name].shape

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def read(self, name: str) -> Array:
        """The tensor as a C-ordered float32 array; half precision is widened."""
        import numpy as np

        with reading(lambda reason: self.refusal(name, f"cannot be read: {reason}")):
            array = np.asarray(self._tensors[name].read())
        if array.dtype.kind not in "fiu":
            raise self.refusal(name, f"holds {array.dtype}, not real numbers")
        with np.errstate(over="ignore"):  # infinite weights are reported with the others
            return np.ascontiguousarray(array, dtype=np.float32)

    def refusal(self, name: str, reason: str) -> NetspecError:
        """The error that refuses one tensor of the file, for this reason."""
        return refused(BadTensor(self.path.name, name, reason))


def _as_weights(tensors: Tensors) -> dict[str, Stored]:
    """The tensors by the names that a net may have for them, normed weights folded."""
    return folded(_without_wrapping(tensors))


def _without_wrapping(tensors: Tensors) -> dict[str, Stored]:
    """Names without the prefixes that data parallelism and compilation put before all of them."""
    found = dict(tensors)
    for prefix in _PREFIXES:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def open_checkpoint(path: str | Path, prefix: str | None = None) -> Checkpoint:
    """A safetensors file, PyTorch checkpoint, npz archive or ONNX model, told by its first bytes.

    `prefix` takes what is under that name only. Raises NetspecError where the file is none of
    these, is not what it claims to be, or has nothing under the prefix.
    """
    path = Path(path)
    with reading(lambda reason: bad_file(path, reason)):
        with open_regular(path) as file:
            start = file.read(16)
        if not start:
            raise bad_file(path, "it is empty")
        sets = _reader(path, start)(path)
    for tensors in sets.values():
        _check_names(path, tensors)
    names = list(sets)
    if prefix is not None and prefix.removesuffix(".") in names:
        return Checkpoint(path, _as_weights(sets[prefix.removesuffix(".")]))
    found = Checkpoint(path, _as_weights(sets[names[0]]), names[0], names[1:])
    return found if prefix is None else found.under(prefix)


def _check_names(path: Path, names: Iterable[str]) -> None:
    """Refuses names that nobody gives, so that what is asked of names is bounded."""
    for name in names:
        reason = ""
        if len(name) > _LONGEST_NAME:
            reason = f"has a name of {len(name):,} characters; {_LONGEST_NAME:,} are read"
        elif len(_LEVELS.findall(name)) > _DEEPEST_NAME:
            reason = f"has a name of more than {_DEEPEST_NAME} levels"
        elif any("\ud800" <= ch <= "\udfff" for ch in name):
            reason = "has a name that is no text"
        if reason:
            raise refused(BadTensor(path.name, name, reason))


def _reader(path: Path, start: bytes) -> Callable[[Path], Mapping[str, Tensors]]:
    """What reads such a file: gives its sets of tensors by name, the one to take first."""
    if path.suffix == ".onnx":
        return read_onnx
    if start[:2] == b"PK":
        return read_zip
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return read_safetensors
    if start[:1] == b"\x80":
        advice = "load it with PyTorch and save it again with torch.save, or as safetensors"
        raise bad_file(path, "it is a bare pickle, as PyTorch saved before version 1.6", advice)
    if start[:4] == b"\x89HDF":
        raise bad_file(path, "it is HDF5, as Keras saves", KERAS_ADVICE)
    raise bad_file(path, "it is neither safetensors, a PyTorch checkpoint, npz nor ONNX")

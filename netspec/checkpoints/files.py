"""Files of weights, opened without running anything from them and read tensor by tensor.

An attacker may have written the file: what it claims about a tensor is checked against the bytes
that are there before any of them is read, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import NetspecError, Problem
from netspec.errors.weights import BadCheckpoint, BadTensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]

Shape = tuple[int, ...]
Reader = Callable[[], Any]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module")
# Averages over the steps of training, taken only where the weights themselves are not there.
_AVERAGES = ("state_dict_ema", "ema_state_dict", "model_ema", "ema")
_PREFIXES = ("module.", "_orig_mod.")


class Checkpoint(Mapping[str, Shape]):
    """Tensors of a file: the shape of each by name, in file order; `read` gives one as float32."""

    def __init__(self, path: Path, tensors: Mapping[str, tuple[Shape, Reader]]) -> None:
        self.path = path
        self._tensors = _without_wrapping(tensors)

    def __getitem__(self, name: str) -> Shape:
        return self._tensors[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def read(self, name: str) -> Array:
        """The tensor as a C-ordered float32 array; half precision is widened."""
        import numpy as np

        try:
            array = np.asarray(self._tensors[name][1]())
        except (OSError, ValueError, MemoryError, RuntimeError) as error:
            raise self.refusal(name, f"cannot be read: {error}") from None
        if array.dtype.kind not in "fiu":
            raise self.refusal(name, f"holds {array.dtype}, not real numbers")
        return np.ascontiguousarray(array, dtype=np.float32)

    def refusal(self, name: str, reason: str) -> NetspecError:
        return refused(BadTensor(self.path.name, name, reason))


def refused(problem: Problem) -> NetspecError:
    return NetspecError(problem)


def bad_file(path: Path, reason: str, advice: str = "") -> NetspecError:
    """The refusal of a whole file."""
    return refused(BadCheckpoint(path.name, reason, advice))


def _without_wrapping(
    tensors: Mapping[str, tuple[Shape, Reader]],
) -> dict[str, tuple[Shape, Reader]]:
    """Names without the prefixes that data parallelism and compilation put before all of them."""
    found = dict(tensors)
    for prefix in _PREFIXES:
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def open_checkpoint(path: str | Path) -> Checkpoint:
    """A safetensors file, PyTorch checkpoint, npz archive or ONNX model, told by its first bytes.

    Raises NetspecError where the file is none of these, or is not what it claims to be.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise bad_file(path, error.strerror or "it cannot be read") from None
    if not start:
        raise bad_file(path, "it is empty")
    return Checkpoint(path, _reader(path, start)(path))


def _reader(path: Path, start: bytes) -> Callable[[Path], Mapping[str, tuple[Shape, Reader]]]:
    from netspec.checkpoints import archives, safetensors_file

    if path.suffix == ".onnx":
        return archives.read_onnx
    if start[:2] == b"PK":
        return archives.read_zip
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return safetensors_file.read_safetensors
    if start[:1] == b"\x80":
        advice = "load it with PyTorch and save it again with torch.save, or as safetensors"
        raise bad_file(path, "it is a bare pickle, as PyTorch saved before version 1.6", advice)
    raise bad_file(path, "it is neither safetensors, a PyTorch checkpoint, npz nor ONNX")


def unwrapped(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state dict in what a training script saved: itself, or under a usual key of it."""
    for key in (*_WRAPPERS, *_AVERAGES):
        inner = tensors.get(key)
        if isinstance(inner, Mapping):
            return unwrapped(inner)
    return tensors

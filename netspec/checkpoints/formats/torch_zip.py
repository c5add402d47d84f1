"""PyTorch checkpoints: a pickle of tensors by name, and their numbers, in a zip archive."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from netspec.checkpoints.formats.pickles import LONGEST, Costly, check_cost
from netspec.checkpoints.formats.tensors import Stored, Tensors, bad_file, integer_type, refused
from netspec.diagnostics.messages.weights import BadTensor
from netspec.system.extras import need
from netspec.system.reading import reading

# How torch's own unpickler names what it does not let a file make.
_CODE = re.compile(r"GLOBAL (\S+)")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module")
# Averages over the steps of training, taken only where the weights themselves are not there.
_AVERAGES = ("state_dict_ema", "ema_state_dict", "model_ema", "ema")
_LEVELS = 3


def read_torch(path: Path, members: list[zipfile.ZipInfo]) -> Mapping[str, Tensors]:
    """PyTorch stores without compression: anything else is a bomb or another program's file."""
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise bad_file(
                path, f"its member `{member.filename}` is compressed, which PyTorch never does"
            )
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise bad_file(path, "its members claim more bytes than the file has")
    for member in members:
        if member.filename.endswith("data.pkl"):
            _check_pickle(path, member)
    torch = need("torch", "reading a PyTorch checkpoint", ", or convert it to safetensors")
    with reading(lambda reason: bad_file(path, f"PyTorch refuses it: {reason}")):
        try:
            # Never with weights_only=False: that would run code from the file.
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except UnpicklingError as error:
            if code := _CODE.search(str(error)):
                advice = "load it where it was made, and save only its state_dict with torch.save"
                reason = f"it holds a `{code[1]}`, which only running code would make"
                raise bad_file(path, reason, advice) from None
            raise
    if not isinstance(held, Mapping):
        raise bad_file(path, f"it holds a {type(held).__name__}, not tensors by name")
    sets = {key: _torch_tensors(path, inner) for key, inner in state_dicts(held).items()}
    found = {key: tensors for key, tensors in sets.items() if tensors}
    if not found:
        raise bad_file(path, "it holds no tensors")
    return found


def _check_pickle(path: Path, member: zipfile.ZipInfo) -> None:
    if member.file_size > LONGEST:
        raise bad_file(path, f"its pickle has {member.file_size:,} bytes, {LONGEST:,} are read")
    with reading(lambda reason: bad_file(path, f"its pickle is broken: {reason}")):
        with zipfile.ZipFile(path) as archive:
            pickled = archive.read(member)
        try:
            check_cost(pickled)
        except Costly as error:
            raise bad_file(path, str(error)) from None


def _torch_tensors(path: Path, held: Mapping[Any, Any]) -> Tensors:
    import torch

    found: dict[str, Stored] = {}
    for name, tensor in held.items():
        if isinstance(tensor, torch.Tensor):
            if not isinstance(name, str):
                raise bad_file(path, f"a tensor is called {name!r}, which is not a name")
            _check_tensor(path, name, tensor)
            read = partial(_from_torch, tensor)
            found[name] = Stored(tuple(tensor.shape), read, _integer(tensor))
    return found


def _from_torch(tensor: Any) -> Any:
    import torch

    plain = tensor.detach()
    return (plain if plain.dtype in (torch.bool, torch.float64) else plain.float()).numpy()


def _integer(tensor: Any) -> str:
    import torch

    if tensor.is_floating_point():
        return ""
    kind = "b" if tensor.dtype == torch.bool else "i" if tensor.dtype.is_signed else "u"
    return integer_type(kind, tensor.element_size())


def _check_tensor(path: Path, name: str, tensor: Any) -> None:
    """Refuses what is not plain numbers, all of them in the file."""
    import torch

    reason = ""
    if tensor.is_meta:
        reason = "has no numbers"
    elif tensor.layout != torch.strided or tensor.is_nested:
        reason = "is sparse"
    elif tensor.is_quantized:
        reason = "is quantised"
    elif tensor.is_complex():
        reason = "is complex"
    elif tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        reason = f"claims {tensor.numel()} numbers, the file has fewer"
    elif 0 in tensor.stride() and tensor.numel() > 1 and not tensor.is_contiguous():
        reason = "repeats its numbers (a stride of 0)"
    if reason:
        raise refused(BadTensor(path.name, name, reason))


def state_dicts(held: Mapping[str, Any], depth: int = 0) -> dict[str, Mapping[str, Any]]:
    """The state dicts in what a training script saved, by their keys: itself if it has no usual key.

    The trained weights come first, averages of them after. Looked for in few levels: what is saved
    may hold itself.
    """
    found = {}
    for key in (*_WRAPPERS, *_AVERAGES) if depth < _LEVELS else ():
        inner = held.get(key)
        if isinstance(inner, Mapping):
            found[key] = next(iter(state_dicts(inner, depth + 1).values()))
    return found or {"": held}

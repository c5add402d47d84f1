"""Archives that hold weights: PyTorch checkpoints, npz files and netspec's own ONNX models."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from netspec.checkpoints.files import (
    KERAS_ADVICE,
    Reader,
    Shape,
    Tensors,
    bad_file,
    refused,
    state_dicts,
)
from netspec.diagnostics.messages.backends import NotInstalled
from netspec.diagnostics.messages.weights import BadTensor

# How torch's own unpickler names what it does not let a file make.
_CODE = re.compile(r"GLOBAL (\S+)")


def read_zip(path: Path) -> Mapping[str, Tensors]:
    """The sets of tensors of a zip archive: a PyTorch checkpoint if it holds a pickle, else npz."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise bad_file(path, f"it is a broken archive, perhaps cut short: {error}") from None
    if any(member.filename.endswith(".h5") for member in members):
        raise bad_file(path, "it is a Keras archive", KERAS_ADVICE)
    if any(member.filename.endswith("data.pkl") for member in members):
        return _read_torch(path, members)
    return {"": _read_npz(path, members)}


def _read_torch(path: Path, members: list[zipfile.ZipInfo]) -> Mapping[str, Tensors]:
    """PyTorch stores without compression: anything else is a bomb or another program's file."""
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise bad_file(
                path, f"its member `{member.filename}` is compressed, which PyTorch never does"
            )
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise bad_file(path, "its members claim more bytes than the file has")
    try:
        import torch
    except ImportError:
        advice = "pip install torch, or convert the file to safetensors"
        raise refused(NotInstalled("reading a PyTorch checkpoint", "torch", advice)) from None
    try:
        # Never with weights_only=False: that would run code from the file.
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises pickle's, zip's and its own errors here
        code = _CODE.search(str(error))
        if code:
            advice = "load it where it was made, and save only its state_dict with torch.save"
            reason = f"it holds a `{code[1]}`, which only running code would make"
            raise bad_file(path, reason, advice) from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise bad_file(path, f"PyTorch refuses it: {reason}") from None
    if not isinstance(held, Mapping):
        raise bad_file(path, f"it holds a {type(held).__name__}, not tensors by name")
    sets = {key: _torch_tensors(path, inner) for key, inner in state_dicts(held).items()}
    found = {key: tensors for key, tensors in sets.items() if tensors}
    if not found:
        raise bad_file(path, "it holds no tensors")
    return found


def _torch_tensors(path: Path, held: Mapping[Any, Any]) -> Tensors:
    import torch

    found: dict[str, tuple[Shape, Reader]] = {}
    for name, tensor in held.items():
        if isinstance(tensor, torch.Tensor):
            if not isinstance(name, str):
                raise bad_file(path, f"a tensor is called {name!r}, which is not a name")
            _check_tensor(path, name, tensor)
            found[name] = tuple(tensor.shape), partial(_from_torch, tensor)
    return found


def _from_torch(tensor: Any) -> Any:
    import torch

    plain = tensor.detach()
    return (plain if plain.dtype == torch.bool else plain.float()).numpy()


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


def _read_npz(path: Path, members: list[zipfile.ZipInfo]) -> Tensors:
    """Shapes from the headers; numbers only when asked for, so that no bomb is unpacked."""
    import numpy as np

    found: dict[str, tuple[Shape, Reader]] = {}
    with zipfile.ZipFile(path) as archive:
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
            found[name] = tuple(shape), partial(_from_npz, path, member.filename)
    if not found:
        raise bad_file(path, "it holds no tensors")
    return found


def _from_npz(path: Path, member: str) -> Any:
    import numpy as np

    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def read_onnx(path: Path) -> Mapping[str, Tensors]:
    """The named weights of an ONNX model written by netspec; its constants are not weights."""
    from onnx import TensorProto

    from netspec.backends.runtime import check_model

    found: dict[str, tuple[Shape, Reader]] = {}
    for tensor in check_model(path).graph.initializer:
        if "." not in tensor.name:
            continue
        if tensor.name in found:
            raise refused(BadTensor(path.name, tensor.name, "is there twice"))
        if tensor.data_type != TensorProto.FLOAT:
            raise refused(BadTensor(path.name, tensor.name, "is not float32"))
        found[tensor.name] = tuple(tensor.dims), partial(_from_onnx, path, tensor)
    if not found:
        raise bad_file(path, "it holds no named weights")
    return {"": found}


def _from_onnx(path: Path, tensor: Any) -> Any:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if tensor.data_location != TensorProto.EXTERNAL:
        return numpy_helper.to_array(tensor)
    place = {entry.key: entry.value for entry in tensor.external_data}
    shape = tuple(tensor.dims)
    count, offset = int(np.prod(shape)), int(place.get("offset", "0"))
    return np.fromfile(path.parent / place["location"], "<f4", count, offset=offset).reshape(shape)

"""ONNX models written by netspec, as files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from netspec.checkpoints.formats.tensors import Stored, Tensors, bad_file, refused
from netspec.diagnostics.messages.weights import BadTensor


def read_onnx(path: Path) -> Mapping[str, Tensors]:
    """The named weights of an ONNX model written by netspec; its constants are not weights."""
    from onnx import TensorProto

    from netspec.backends.onnx.guard import check_model

    found: dict[str, Stored] = {}
    for tensor in check_model(path).graph.initializer:
        if "." not in tensor.name:
            continue
        if tensor.name in found:
            raise refused(BadTensor(path.name, tensor.name, "is there twice"))
        if tensor.data_type != TensorProto.FLOAT:
            raise refused(BadTensor(path.name, tensor.name, "is not float32"))
        found[tensor.name] = Stored(tuple(tensor.dims), partial(_from_onnx, path, tensor))
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

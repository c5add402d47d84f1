"""What a flat model means in single precision, and what was taken out for that."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto, TensorProto

from netspec.foundation.records import record
from netspec.importing.files.meaning.narrowing import narrowed
from netspec.importing.files.meaning.parts import Array, Parts, save
from netspec.importing.files.meaning.rounding import is_rounded, unrounded
from netspec.importing.files.meaning.widening import is_half, widened


@record(eq=False)
class Meant:
    """A model in single precision in the place of a file's: `dtype` is the file's, `fp16` or `bf16` if half.

    `rounded` says that the file computes in eight bits.
    """

    model: ModelProto
    arrays: dict[str, Array]
    dtype: str
    rounded: bool

    def save(self, path: Path) -> None:
        """Writes the model, for ONNX Runtime to run."""
        read = {name for node in self.model.graph.node for name in node.input}
        read |= {item.name for item in self.model.graph.output}
        save(self.model, {n: a for n, a in self.arrays.items() if n in read}, path)


def meant(path: Path, proto: ModelProto, arrays: dict[str, Array]) -> Meant | None:
    """The model in single precision that a file means; None for one that is in single precision.

    Raises NetspecError where it computes with integers in ways that have no such meaning.
    """
    rounded = is_rounded(proto.graph.node)
    if not rounded and not _is_half(proto):
        return None
    parts = Parts(path, proto, arrays)
    dtype = widened(parts)
    if rounded:
        unrounded(parts)
        narrowed(parts)
    return Meant(parts.model(), parts.arrays, dtype, rounded)


def _is_half(proto: ModelProto) -> bool:
    """Whether a model has tensors in half precision."""
    graph = proto.graph
    kinds = [tensor.data_type for tensor in graph.initializer]
    kinds += [item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)]
    for node in graph.node:
        for item in node.attribute:
            kinds += [item.t.data_type] if item.HasField("t") else []
            kinds += [item.i] if item.name in ("to", "dtype") else []
    return any(is_half(kind) for kind in kinds if kind != TensorProto.UNDEFINED)

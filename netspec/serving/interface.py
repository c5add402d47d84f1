"""What a server has to know of a file: its tensors, and whether requests can be joined to batches."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, ValueInfoProto

from netspec.foundation.records import record
from netspec.serving.declared import Declared, declared

# Types of ONNX as Triton's configuration calls them.
_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.FLOAT16: "TYPE_FP16",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.INT32: "TYPE_INT32",
    TensorProto.UINT8: "TYPE_UINT8",
    TensorProto.INT8: "TYPE_INT8",
    TensorProto.BOOL: "TYPE_BOOL",
}


@record
class Tensor:
    """An input or output of a file; `sizes` are all of them, the leading one first.

    A size that is open is a symbol or a formula.
    """

    name: str
    type: str
    sizes: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.type} {'x'.join(map(str, self.sizes))}"


@record
class Interface:
    """The tensors of a file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The inputs, then the outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def rows(self) -> str | None:
        """The symbol of the leading dimension where all tensors have the same; None where not."""
        return None if self.alone else str(self.inputs[0].sizes[0])

    @property
    def alone(self) -> str:
        """Why requests cannot be joined; empty where they can."""
        leading = {tensor.name: tensor.sizes[0] for tensor in self.tensors}
        for name, size in leading.items():
            if isinstance(size, int):
                return f"the leading dimension of {name} is {size}, not open"
        first = self.inputs[0].name
        for name, size in leading.items():
            if size != leading[first]:
                return f"{first} has {leading[first]} rows and {name} has {size}"
        return ""

    def difference(self, other: Interface) -> str:
        """The first tensor that the other has otherwise; empty where they agree.

        Symbols count as what they are to a client: an open size.
        """
        for kind, mine, theirs in (
            ("input", self.inputs, other.inputs),
            ("output", self.outputs, other.outputs),
        ):
            ours = {tensor.name: tensor for tensor in mine}
            for tensor in theirs:
                before = ours.pop(tensor.name, None)
                if before is None:
                    return f"{kind} {tensor} is new"
                if _seen(before) != _seen(tensor):
                    return f"{kind} {before} would become {tensor.type} {_sizes(tensor)}"
            for gone in ours.values():
                return f"{kind} {gone} would be gone"
        return ""


def _seen(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return tensor.type, tuple(size if isinstance(size, int) else -1 for size in tensor.sizes)


def _sizes(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.sizes))


def interface_of(path: Path) -> Interface:
    """The tensors of an ONNX file; raises NetspecError where it is none."""
    return interface(declared(path))


def interface(found: Declared) -> Interface:
    """The tensors that a file declares."""
    return Interface(tuple(map(_tensor, found.inputs)), tuple(map(_tensor, found.outputs)))


def _tensor(item: ValueInfoProto) -> Tensor:
    kind = item.type.tensor_type
    sizes = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in kind.shape.dim
    )
    word = TensorProto.DataType.Name(kind.elem_type)
    return Tensor(item.name, _TYPES.get(kind.elem_type, f"TYPE_{word}"), sizes)

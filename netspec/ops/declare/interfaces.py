"""What an operator's hooks are given: the back-ends implement these, so operators import none.

A hook gets a view of the net (`Value`, `Source`), of the ONNX graph under construction (`Builder`,
`Operand`) or of torch's modules (`Modules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from netspec.foundation.records import record
from netspec.ops.declare.geometry import Geometry
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

if TYPE_CHECKING:
    from typing import Self

V = TypeVar("V", bound="Value")
V_co = TypeVar("V_co", bound="Value", covariant=True)


class Value(Protocol):
    """What flows along the wire: one output of one node."""

    @property
    def type(self) -> TensorType:
        """The tensor's type, for one sample."""

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The tensor's sizes, for one sample, channels first."""

    @property
    def node(self) -> Source[Self]:
        """The node that gives it."""


class Source(Protocol[V_co]):
    """The node a value comes from: its operator, what it reads and what it gives."""

    @property
    def op(self) -> object:
        """The node's operator."""

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of its outputs."""

    @property
    def inputs(self) -> tuple[V_co, ...]:
        """What it reads, in order."""

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """The types of what it reads."""

    @property
    def outputs(self) -> tuple[V_co, ...]:
        """What it gives, in order."""


@record
class Operand:
    """A tensor in the ONNX graph: its name there and its type."""

    name: str
    type: TensorType


class Builder(Protocol):
    """The ONNX graph, as an operator's `onnx` hook adds nodes to it. Tensors are known by name.

    What ONNX spells differently in its opsets has a method here; no hook asks for a version.
    """

    def node(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds one node with one output; returns the output's name."""

    def nodes(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Adds one node with several outputs; returns their names."""

    def weight(self, name: str) -> str:
        """The name of one of the operator's own tensors."""

    def channel_weight(self, name: str, rank: int) -> str:
        """One of the operator's vectors over channels, shaped for `rank` spatial axes."""

    def scaled(self, name: str, factor: float) -> str:
        """The name of a tensor times a constant."""

    def constant(self, value: Any) -> str:
        """The name of a constant array; equal constants are one."""

    def integers(self, values: Sequence[int]) -> str:
        """The name of a constant vector of int64: axes, shapes, indices."""

    def is_read(self, index: int) -> bool:
        """Whether anything reads this output of the operator."""

    def has(self, feature: str) -> bool:
        """Whether the opset and the reader have an operator, or a feature of one.

        Those that are written out elsewhere, as `Gelu` is, need no asking.
        """

    def want(self, feature: str) -> None:
        """Says that the step needs a feature that its nodes do not show, as a rank."""

    def reduce(self, op_type: str, name: str, axes: Sequence[int], keep: bool = True) -> str:
        """The name of what a `Reduce...` gives along some axes; `keep` leaves them, of size 1."""

    def split(self, name: str, sizes: Sequence[int], axis: int) -> tuple[str, ...]:
        """The names of pieces of these sizes along an axis."""

    def pad(
        self, name: str, sides: Sequence[tuple[int, int]], value: float = 0.0, mode: str = ""
    ) -> str:
        """The name of a tensor with a border: (before, after) for each axis, the batch first."""

    def layer_norm(self, name: str, scale: str, shift: str, eps: float) -> str:
        """The name of a tensor of mean 0 along its last axis, normalised there and scaled."""

    def grid_sample(self, name: str, grid: str, mode: str, padding: str, align: bool) -> str:
        """The name of a map (N, C, H, W) read at a grid (N, H', W', 2), where there is GridSample.

        `mode` is `bilinear`, `nearest` or `bicubic`.
        """

    def mapped(self, name: str, rank: int, axis: int, matrix: Any) -> str:
        """The name of a tensor of `rank` axes, one of them multiplied by a matrix (size, new size)."""

    def sizes(self, name: str, start: int, end: int | None = None) -> str:
        """The name of a vector: the sizes of a tensor from axis `start` on, before axis `end`."""

    def size(self, operand: Operand, axis: int) -> str:
        """The name of a vector of one: the operand's size along an axis, batch included."""

    def steps(self, operand: Operand, axis: int) -> str:
        """The name of a vector of int64: 0, 1, ... below the operand's size along an axis."""

    def shape(self, operand: Operand) -> str:
        """The name of a shape for Reshape: the operand's own, its batch kept."""


class Modules(Protocol):
    """torch, as an operator's `torch` hook makes modules with it. `nn` is `torch.nn`."""

    @property
    def nn(self) -> Any:
        """`torch.nn`."""

    @property
    def torch(self) -> Any:
        """`torch` itself."""

    def is_read(self, index: int) -> bool:
        """Whether anything reads this output of the operator.

        Where nothing reads any but the first, the module gives that one, and else all in a tuple.
        """

    def apply(self, op: Any, *inputs: TensorType) -> Any:
        """A module that calls the operator's `compute`."""

    def linear(
        self, kind: str, into: int, out: int, bias: bool, kernel: tuple[int, ...] = ()
    ) -> Any:
        """A linear layer: `plain` of a vector, `flat` of a map, of `windows` of this kernel."""

    def over_time(self, kind: str, into: int, width: int, **options: Any) -> Any:
        """torch's recurrent layer over (C, T): `LSTM`, `GRU` or `RNN`."""

    def windowed(self, kind: str, window: Geometry, *args: Any, **kwargs: Any) -> Any:
        """torch's module for a sliding window: `Conv`, `ConvTranspose` or `MaxPool`."""

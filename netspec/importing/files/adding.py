"""What loops and lists need of the file that is being read."""

from __future__ import annotations

from typing import Protocol

from onnx import NodeProto, TensorProto, TypeProto

from netspec.importing.files.program import Array, Node


class NoLoop(Exception):
    """Why a loop is not read."""


class Adding(Protocol):
    """The nodes of a file so far, which a loop adds its own to."""

    nodes: list[Node]
    constants: dict[str, Array]
    types: dict[str, TypeProto]
    same: dict[str, str]

    def add(self, proto: NodeProto) -> None:
        """Adds a node."""

    def real(self, name: str) -> str:
        """What a tensor is that others are the same as."""

    def size_of(self, name: str) -> tuple[int, ...] | None:
        """The sizes of a tensor, if they are known."""

    def array(self, tensor: TensorProto) -> Array:
        """The numbers of a tensor of a graph."""

"""What recognising works on: nodes in order, constants as arrays, and the size of every tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.meaning.meant import Meant
from netspec.importing.scopes import Scope

Array = np.ndarray[Any, Any]


@record(eq=False)
class Node:
    """One node: its operator in today's spelling, tensors by name, and what the file calls it.

    An absent input is the empty name. `scopes` are the blocks around it, outermost first.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    scopes: tuple[Scope, ...] = ()

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what it is where it is left out."""
        return self.attributes.get(name, default)


@record(eq=False)
class Input:
    """An input of a file: its sizes, None where the file leaves one open, and which axis the batch is.

    That is the first, but of the sequences and states that recurrences read, whose second it is. `symbols`
    are the names of sizes that are open, the batch's first, of the file where it has one; empty for others.
    The rows of `regions` are those of images, of any number, and not samples. What is `counted` the file has
    as whole numbers, and reads as numbers. What is of `bytes` are images, and no ids.
    """

    name: str
    sizes: tuple[int | None, ...]
    integers: bool
    symbols: tuple[str, ...] = ()
    batch: int = 0
    regions: bool = False
    counted: bool = False
    bytes: bool = False

    @property
    def places(self) -> int:
        """The first axis of places: ids have no channels before them."""
        return 1 if self.integers else 2

    def of_sample(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """The sizes of its tensor but for that of the batch."""
        shape = shapes[self.name]
        return shape[: self.batch] + shape[self.batch + 1 :]

    @property
    def is_free(self) -> bool:
        """Whether the file leaves the batch open."""
        return self.batch < len(self.sizes) and self.sizes[self.batch] is None


@record(eq=False)
class Program:
    """A file as nodes in order. `shapes` are the sizes of every tensor, at a batch of `batch`.

    `tables` are those that some constants are the first rows of, and the axis of these.
    `opset` is that of the file; `free` says whether the file leaves the batch open. `meant` is the model
    that this is where that is not the file's own, which computes in half precision or eight bits.
    """

    name: str
    nodes: list[Node]
    constants: dict[str, Array]
    shapes: dict[str, tuple[int, ...]]
    integers: frozenset[str]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    batch: int
    free: bool
    opset: int
    meant: Meant | None = None
    tables: Mapping[str, tuple[Array, int]] = field(default_factory=dict)

    def makers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def readers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, in order."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return found

    def used(self) -> list[Node]:
        """The nodes that an output depends on, in order."""
        wanted, kept = set(self.outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                kept.append(node)
                wanted.update(node.inputs)
        return kept[::-1]

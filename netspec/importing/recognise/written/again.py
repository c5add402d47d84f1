"""A step lowered on its own, for the opset of a file and on tensors of given sizes, and read as files are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import prod

import numpy as np
from onnx import ModelProto, numpy_helper

from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.targets import EVERY, OPSETS, TARGETS, Target
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.importing.files.program import Array, Program
from netspec.importing.files.specialise import program_of
from netspec.passes.deploy import deploy

# Letters for sizes that are open, of axes of places.
_OPEN = "HWDT"


@record
class Candidate:
    """A step that nodes may have written out: its head and arguments, what it reads, and the sizes of that.

    The first axis of each size is that of the batch; in `regions` it is that of regions. Of what it reads,
    `repeated` are those that have one place where others have more, and `numbers` the constants: which of
    them, how they lie, and the float32 numbers in order.
    """

    head: str
    given: tuple[str, ...]
    reads: tuple[str, ...]
    sizes: tuple[tuple[int, ...], ...]
    regions: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    numbers: tuple[tuple[int, tuple[int, ...], bytes], ...] = ()

    def text(self, *, opened: bool) -> str:
        """A net of the step alone; with letters for sizes of places if `opened`."""
        lines, made, names = [], [], []
        for i, whole in enumerate(self.sizes):
            names.append(f"one{i}" if i in self.repeated else f"i{i}")
            if i in self.repeated:
                # One place of an input may be meant for any size: of what is made it is always one.
                lines.append(f"input i{i}: {prod(whole[1:])}")
                shape = ", ".join(map(str, whole[1:]))
                made.append(f"@i{i}; reshape(({shape})) as {names[-1]}")
                continue
            letters = _OPEN if len(whole) > 3 else "T"
            many = opened and i == 0 and len(whole) > 2
            places = letters[: len(whole) - 2] if many else whole[2:]
            rows = f" batch(R={whole[0]})" if i in self.regions else ""
            lines.append(f"input i{i}: {'x'.join(map(str, (*whole[1:2], *places)))}{rows}")
        given = [*(f"@{name}" for name in names[1:]), *self.given]
        return "\n".join([*lines, *made, f"@{names[0]}; {self.head}({', '.join(given)})"]) + "\n"

    @property
    def constants(self) -> dict[int, Array]:
        """The constants that it reads, by which of the tensors they are."""
        return {i: np.frombuffer(n, np.float32).reshape(shape) for i, shape, n in self.numbers}


# How a step is spelt: with letters for sizes of places or not, and for whom.
Spelling = tuple[bool, Target]


def spellings(opset: int) -> list[Spelling]:
    """The ways in which a step may be written in an opset."""
    return [(opened, target) for opened in (False, True) for target in _targets(opset)]


def lowered(
    candidate: Candidate, opset: int, order: Sequence[Spelling]
) -> Iterator[tuple[Spelling, Program]]:
    """What netspec writes for the step in each of these spellings, in their order."""
    known: set[bytes] = set()
    graphs: dict[bool, Graph | None] = {}
    for spelling in order:
        opened, target = spelling
        if opened not in graphs:
            graphs[opened] = _graph(candidate, opened)
        graph = graphs[opened]
        # Letters may stand for sizes that are not legal.
        with suppress(NetspecError):
            model = None if graph is None else lower(graph, opset=opset, target=target)
            if model is not None and model.graph not in known:
                known.add(model.graph)
                yield spelling, _program(model, candidate)


def _graph(candidate: Candidate, opened: bool) -> Graph | None:
    """The step as a net, if the language has it."""
    with suppress(NetspecError):
        return deploy(build(Source("<step>", candidate.text(opened=opened))))
    return None


def _program(model: Model, candidate: Candidate) -> Program:
    """A model of the step as files are read, its weights inputs. Raises NetspecError where that fails."""
    proto = model.proto
    _read(proto, candidate)
    for weight in model.weights:
        given = proto.graph.input.add(name=weight.name)
        given.type.tensor_type.elem_type = 1
        for size in weight.weight.shape:
            given.type.tensor_type.shape.dim.add(dim_value=size)
    return program_of(proto)


def _read(proto: ModelProto, candidate: Candidate) -> None:
    """Gives what a model reads the sizes and numbers that it has in the file, in place."""
    graph = proto.graph
    for i in candidate.repeated:
        shaped = next(node for node in graph.node if f"i{i}" in node.input)
        for node in graph.node:
            node.input[:] = [f"i{i}" if n == shaped.output[0] else n for n in node.input]
        graph.node.remove(shaped)
    for item, whole in zip(graph.input, candidate.sizes, strict=True):
        item.type.tensor_type.ClearField("shape")
        for size in whole:
            item.type.tensor_type.shape.dim.add(dim_value=size)
    for i, array in candidate.constants.items():
        graph.initializer.append(numpy_helper.from_array(array, f"i{i}"))
    for i in sorted(candidate.constants, reverse=True):
        del graph.input[i]


def _targets(opset: int) -> Sequence[Target]:
    """Everyone, and who lacks operators: those have them written out."""
    if opset not in OPSETS:
        return ()
    return (EVERY, *(t for t in TARGETS.values() if t.lacks and opset <= t.newest))

"""A step lowered on its own, for the opset of a file and on tensors of given sizes, and read as files are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.targets import EVERY, OPSETS, TARGETS, Target
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.importing.files.program import Program
from netspec.importing.files.specialise import program_of
from netspec.passes.deploy import deploy

# Letters for sizes that are open, of axes of places.
_OPEN = "HWDT"


@record
class Candidate:
    """A step that nodes may have written out: its head and arguments, what it reads, and the sizes of that.

    The first axis of each size is that of the batch; in `regions` it is that of regions.
    """

    head: str
    given: tuple[str, ...]
    reads: tuple[str, ...]
    sizes: tuple[tuple[int, ...], ...]
    regions: tuple[int, ...] = ()

    def text(self, *, opened: bool) -> str:
        """A net of the step alone; with letters for sizes of places if `opened`."""
        lines = []
        for i, whole in enumerate(self.sizes):
            letters = _OPEN if len(whole) > 3 else "T"
            many = opened and i == 0 and len(whole) > 2
            places = letters[: len(whole) - 2] if many else whole[2:]
            rows = f" batch(R={whole[0]})" if i in self.regions else ""
            lines.append(f"input i{i}: {'x'.join(map(str, (*whole[1:2], *places)))}{rows}")
        given = [*(f"@i{i}" for i in range(1, len(self.sizes))), *self.given]
        return "\n".join([*lines, f"@i0; {self.head}({', '.join(given)})"]) + "\n"


def lowered(candidate: Candidate, opset: int) -> Iterator[Program]:
    """What netspec writes for the step: in each spelling of this opset, of fixed and of open sizes."""
    known: set[bytes] = set()
    for opened in (False, True):
        try:
            graph = deploy(build(Source("<step>", candidate.text(opened=opened))))
        except NetspecError:
            continue
        for target in _targets(opset):
            try:
                model = lower(graph, opset=opset, target=target)
            except NetspecError:
                continue
            if model.graph in known:
                continue
            known.add(model.graph)
            proto = model.proto
            for item, whole in zip(proto.graph.input, candidate.sizes, strict=True):
                for dim, size in zip(item.type.tensor_type.shape.dim, whole, strict=True):
                    dim.dim_value = size
            for weight in model.weights:
                given = proto.graph.input.add(name=weight.name)
                given.type.tensor_type.elem_type = 1
                for size in weight.weight.shape:
                    given.type.tensor_type.shape.dim.add(dim_value=size)
            # Letters may stand for sizes that are not legal.
            with suppress(NetspecError):
                yield program_of(proto)


def _targets(opset: int) -> Sequence[Target]:
    """Everyone, and who lacks operators: those have them written out."""
    if opset not in OPSETS:
        return ()
    return (EVERY, *(t for t in TARGETS.values() if t.lacks and opset <= t.newest))

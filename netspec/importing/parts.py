"""A text that lacks nodes of a file, beside it: given what these make there, it makes what they read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.importing import NotProven
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.importing.apart import Apart, in_words
from netspec.importing.files.program import Program
from netspec.importing.proof import (
    Proof,
    batches_of,
    compared,
    feeds_of,
    leading,
    plain,
    session_run,
    told,
)
from netspec.importing.recognise.recognising import Recognised
from netspec.system.extras import need
from netspec.system.reading import reading
from netspec.weights.sources import WeightSource

# How far it may be: what is lacking hides how much rounding makes of the inputs.
_MOST = 1e-5


def prove_parts(
    path: Path, graph: Graph, source: WeightSource, program: Program, found: Recognised
) -> Proof | None:
    """Runs both, the file with what its cut nodes read and make as outputs too; None where it does not run.

    Raises NetspecError where the text makes something else of what it is given.
    """
    need("onnxruntime", "import")
    makers = {id(wire): name for item in found.unread for name, wire in item.makes}
    made = {wire.name: makers[id(wire)] for wire in found.missing}
    wanted = {wire.name: name for item in found.unread for name, wire in item.reads if name}
    wanted |= {wire.name: name for name, wire in found.ends}
    names = [item.name for item in program.inputs]
    shown = [*made.values(), *wanted.values()]
    feeds = feeds_of((program,), graph, found.inputs)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        try:
            _show(plain(path, program.meant, folder), Path(folder) / "shown.onnx", shown)
            run = session_run(Path(folder) / "shown.onnx", names, shown, of=path)
            there = [told(path, run, feed) for feed in feeds]
        except NetspecError:
            return None
        own = Path(folder) / "model.onnx"
        compile_graph(graph, own, FileOptions(optimize=False), source=source)
        ours = session_run(own, [*found.inputs, *made], list(wanted), of=path)
        axes = {wire.name: axis for (_, wire), axis in zip(found.ends, found.batches, strict=True)}
        worst = 0.0
        for feed, theirs in zip(feeds, there, strict=True):
            given = [*leading(program, found.inputs, feed).values(), *theirs[: len(made)]]
            here = told(path, ours, dict(zip((*found.inputs, *made), given, strict=True)))
            for name, one, other in zip(wanted, here, theirs[len(made) :], strict=True):
                worst = max(
                    worst, compared(path, name, np.moveaxis(one, 0, axes.get(name, 0)), other)
                )
    if worst > _MOST:
        reason = f"what is read of it differs by {worst:.1e} of its largest value"
        raise NetspecError(NotProven(str(path), reason))
    batches = tuple(dict.fromkeys(batches_of(program)))
    apart = None
    if program.meant is not None:
        apart = Apart(in_words(program.meant), None, "only parts of it were read")
    return Proof(batches, len(wanted), worst, parts=True, apart=apart)


def _show(path: Path, to: Path, names: list[str]) -> None:
    """Writes a file with tensors inside of it as outputs too."""
    import onnx

    with reading(lambda reason: NetspecError(NotProven(str(path), reason))):
        model = onnx.load(path)
        there = {item.name for item in model.graph.output}
        model.graph.output.extend(
            onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in there
        )
        onnx.save(model, to)

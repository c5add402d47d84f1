"""A model's file to a spec, its weights and the proof that they are the same net."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from netspec.diagnostics.messages.importing import NoOperator, NoSpec, Unreadable
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.importing.files.program import Array
from netspec.importing.files.specialise import read_program
from netspec.importing.proof import Proof, Run, prove
from netspec.importing.recognise.recognising import Recognised, Unread, recognised
from netspec.importing.structure.find import structured
from netspec.syntax.fmt import format_text
from netspec.system.reading import reading
from netspec.weights.sources import given

_LISTED = 20


@record(eq=False)
class Imported:
    """A model as a spec: its text, the checked graph of it, and its weights by the text's names.

    `proof` is None where `unread` nodes have inputs in their place; `nodes` is how many the file has. `dtype`
    is what the file computes in, `fp32`, `fp16` or `bf16`, and `quantized` whether it does so in eight bits:
    the weights are the numbers that its own stand for.
    """

    text: str
    graph: Graph
    weights: Mapping[str, Array]
    proof: Proof | None
    unread: tuple[Unread, ...]
    nodes: int
    dtype: str = "fp32"
    quantized: bool = False

    def save_weights(self, path: Path) -> None:
        """Writes the weights as safetensors, in the file's `dtype` where it holds them."""
        from netspec.checkpoints.formats.safetensors import write_safetensors
        from netspec.importing.numbers import numbers
        from netspec.system.atomic import replacing

        with replacing(path) as file:
            write_safetensors(file, {n: numbers(a, self.dtype) for n, a in self.weights.items()})


def import_file(
    path: Path, *, name: str = "", partial: bool = False, run: Run | None = None
) -> Imported:
    """The ONNX file at `path` as a spec, called after the file or `name`.

    Raises NetspecError for a file that cannot be read or is not proven, and, unless `partial`, where nodes
    have no operator. `run` computes what the file stands for, the file itself by default.
    """

    def failed(reason: str) -> NetspecError:
        return NetspecError(Unreadable(str(path), reason))

    with reading(failed):
        program = read_program(path)
        found = recognised(program, _net_name(name or path.stem))
    dtype = "fp32" if program.meant is None else program.meant.dtype
    quantized = program.meant is not None and program.meant.rounded
    if found.unread and not partial:
        raise NetspecError(_no_operator(path, found))
    if found.unread:
        return Imported(
            format_text(found.text),
            _built(path, found.text),
            found.weights,
            None,
            found.unread,
            found.nodes,
            dtype,
            quantized,
        )
    flat = _built(path, found.text)
    text = structured(flat, {step: tuple(around) for step, around in found.scopes.items()})
    graph = _built(path, text)
    paths = same(flat, graph)
    assert paths is not None, "structured text is checked where it is made"
    weights = {}
    for key, array in found.weights.items():
        node, _, own = key.partition(".")
        if node in paths:  # what nothing reads is not in the text
            weights[f"{paths[node]}.{own}"] = array
    source = given(graph, weights)
    proof = prove(
        path,
        graph,
        source,
        program,
        found.inputs,
        found.batches,
        found.outputs,
        run,
    )
    return Imported(text, graph, weights, proof, (), found.nodes, dtype, quantized)


def _built(path: Path, text: str) -> Graph:
    try:
        return build(Source(f"<{path.name}>", text))
    except NetspecError as refusal:
        reason = str(refusal.diagnostics[0].problem)
        raise NetspecError(NoSpec(str(path), reason)) from None


def _no_operator(path: Path, found: Recognised) -> NoOperator:
    shown = "; ".join(map(str, found.unread[:_LISTED]))
    more = f"; ... ({len(found.unread)})" if len(found.unread) > _LISTED else ""
    return NoOperator(len(found.unread), found.nodes, str(path), shown + more)


def _net_name(stem: str) -> str:
    from netspec.syntax.expected import KEYWORDS

    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60]
    if not name or name[0].isdigit() or name.lower() in {word.lower() for word in KEYWORDS}:
        name = f"net_{name}".rstrip("_")
    return name

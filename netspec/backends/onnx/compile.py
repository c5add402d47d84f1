"""Graph to ONNX file: the passes, the lowering and the writing, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.backends.onnx.options import FileOptions
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.weights.sources import Seeded, WeightSource

_DEFAULT = FileOptions()


if TYPE_CHECKING:
    from netspec.backends.onnx.lowering import Model
    from netspec.backends.onnx.rounding import Quantized

    # Turns the lowered model of a graph with these weights into one of eight bits.
    Quantize = Callable[[Model, Graph, WeightSource], tuple[Model, WeightSource, Quantized]]


@record
class Written:
    """What writing a file made beside it: the data files that its large weights are in.

    `quantized` says what a file in eight bits keeps of its output and in fp32, None of others.
    """

    data: tuple[Path, ...]
    quantized: Quantized | None = None


def prepared(graph: Graph, *, logits: bool = False, heads: bool = False) -> Graph:
    """The graph as it is deployed: heads and training-only layers dropped, softmax on request."""
    from netspec.passes.deploy import deploy
    from netspec.passes.logits import logits as without_softmax

    deployed = deploy(graph, heads=heads)
    return without_softmax(deployed) if logits else deployed


def compile_graph(
    graph: Graph,
    path: Path,
    options: FileOptions = _DEFAULT,
    *,
    source: WeightSource | None = None,
    metadata: dict[str, str] | None = None,
    check: Callable[[Path], None] | None = None,
    keep: Iterable[str | Path] = (),
    quantize: Quantize | None = None,
) -> Written:
    """Writes a graph as an ONNX file: same graph, weights and options, same bytes.

    Weights come from `source`, by default the spec's own initialisation from seed 0. The metadata
    holds the spec's text, its hash and its settings. `check` gets the finished file under a
    temporary name; if it raises, nothing takes the name `path`. A file of `keep` and those that the
    spec was read from are not replaced. `quantize` makes it a file in eight bits, as what
    `netspec.backends.quantize.quantize.quantizing` gives does. Raises NetspecError where nothing was
    written.
    """
    from netspec.backends.onnx.file import write
    from netspec.backends.onnx.lowering import OPSET, lower

    deployed = prepared(graph, logits=options.logits, heads=options.heads)
    text = graph.source.text
    about = {
        "netspec.spec": text,
        "netspec.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "netspec.settings": ", ".join(f"{k}={show(v)}" for k, v in graph.parameters),
        **(metadata or {}),
    }
    model = lower(deployed, opset=options.opset or OPSET, batch=options.batch, metadata=about)
    source, quantized = source or Seeded(), None
    if quantize is not None:
        model, source, quantized = quantize(model, deployed, source)
    keep = (*graph.files, *keep)
    return Written(write(model, path, source, check=check, keep=keep), quantized)

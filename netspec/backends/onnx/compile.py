"""Graph to ONNX file: the passes, the lowering and the writing, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.weights.sources import Seeded, WeightSource

if TYPE_CHECKING:
    import numpy as np

    from netspec.backends.onnx.half import Precision
    from netspec.backends.onnx.lowering import Model

    Array = np.ndarray[Any, Any]

_DEFAULT = FileOptions()


@record
class Written:
    """What writing a file made beside it, and what its stages report.

    `data` are the data files that its large weights are in. `precision` says what a file in half
    precision keeps in single, None of a file in single precision.
    """

    data: tuple[Path, ...]
    precision: Precision | None = None


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
    samples: Iterable[Mapping[str, Array]] = (),
) -> Written:
    """Writes a graph as an ONNX file: same graph, weights and options, same bytes.

    Weights come from `source`, by default the spec's own initialisation from seed 0. The metadata
    holds the spec's text, its hash and its settings. `check` gets the finished file under a
    temporary name; if it raises, nothing takes the name `path`. A file of `keep` and those that the
    spec was read from are not replaced. `samples` are arrays by input name, on which values are
    measured where a precision asks for them. Raises NetspecError where nothing was written.
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
    source, precision = source or Seeded(), None
    if options.dtype == "fp16":
        model, precision = _halved(model, source, options, samples)
    keep = (*graph.files, *keep)
    return Written(write(model, path, source, check=check, keep=keep), precision)


def _halved(
    model: Model, source: WeightSource, options: FileOptions, samples: Iterable[Mapping[str, Array]]
) -> tuple[Model, Precision]:
    """The model in half precision, its values measured where ONNX Runtime is there and runs it."""
    from netspec.backends.onnx.half import halved

    ranges, unmeasured = None, "there were no samples"
    try:
        from netspec.backends.ranges import extremes

        ranges = extremes(model, source, samples)
    except NetspecError as refusal:
        unmeasured = refusal.diagnostics[0].problem.headline
    return halved(model, source, options, ranges, "" if ranges else unmeasured)

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

if TYPE_CHECKING:
    from netspec.backends.onnx.half import Precision
    from netspec.backends.onnx.lowering import Model

    # The least and the largest value of each tensor of a model with these weights, by name.
    Measure = Callable[[Model, WeightSource], dict[str, tuple[float, float]]]


class Unmeasured(Exception):
    """What was to measure values could not: why."""


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
    measure: Measure | None = None,
) -> Written:
    """Writes a graph as an ONNX file: same graph, weights and options, same bytes.

    Weights come from `source`, by default the spec's own initialisation from seed 0. The metadata
    holds the spec's text, its hash and its settings. `check` gets the finished file under a
    temporary name; if it raises, nothing takes the name `path`. A file of `keep` and those that the
    spec was read from are not replaced. `measure` is asked for the ranges of values where a precision
    depends on them, such as what `netspec.backends.ranges.measuring` gives. Raises NetspecError where
    nothing was written.
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
        model, precision = _halved(model, source, options, measure)
    keep = (*graph.files, *keep)
    return Written(write(model, path, source, check=check, keep=keep), precision)


def _halved(
    model: Model, source: WeightSource, options: FileOptions, measure: Measure | None
) -> tuple[Model, Precision]:
    """The model in half precision, its values measured where that is possible."""
    from netspec.backends.onnx.half import halved

    if measure is None:
        return halved(model, source, options, {}, "nothing was there to measure it")
    try:
        return halved(model, source, options, measure(model, source))
    except Unmeasured as refusal:
        return halved(model, source, options, {}, str(refusal))

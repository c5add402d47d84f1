"""Graph to ONNX file: the passes, the lowering and the writing, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from netspec.backends.onnx.options import FileOptions
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.weights.sources import Seeded, WeightSource

_DEFAULT = FileOptions()


@record
class Written:
    """What was written: the data files that large weights are in, the opset and the IR version."""

    data: tuple[Path, ...]
    opset: int
    ir_version: int


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
) -> Written:
    """Writes a graph as an ONNX file: same graph, weights and options, same bytes.

    Weights come from `source`, by default the spec's own initialisation from seed 0. The metadata
    holds the spec's text, its hash and its settings. `check` gets the finished file under a
    temporary name; if it raises, nothing takes the name `path`. A file of `keep` and those that the
    spec was read from are not replaced. Raises NetspecError where nothing was written.
    """
    from netspec.backends.onnx.file import write
    from netspec.backends.onnx.lowering import lower
    from netspec.backends.onnx.targets import target_named

    deployed = prepared(graph, logits=options.logits, heads=options.heads)
    text = graph.source.text
    about = {
        "netspec.spec": text,
        "netspec.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "netspec.settings": ", ".join(f"{k}={show(v)}" for k, v in graph.parameters),
        **(metadata or {}),
    }
    target = target_named(options.target)
    if options.target is not None:
        about["netspec.target"] = target.name
    model = lower(deployed, opset=options.opset, target=target, batch=options.batch, metadata=about)
    keep = (*graph.files, *keep)
    data = write(model, path, source or Seeded(), check=check, keep=keep)
    return Written(data, model.head.opset_import[0].version, model.head.ir_version)

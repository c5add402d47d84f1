"""Graph to ONNX file: the passes, the lowering and the writing, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from netspec.analysis.preprocessing import Preprocessing, preprocessings
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.backends import NoPreprocessing
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.weights.sources import Seeded, WeightSource

_DEFAULT = FileOptions()


@record
class Written:
    """What writing a file made: the data files that its large weights are in, and what is in it.

    `taps` are the names of the outputs that are inner steps. `preprocessed` says, for each input
    that takes pixels, how they are prepared.
    """

    data: tuple[Path, ...]
    taps: tuple[str, ...] = ()
    preprocessed: Mapping[str, Preprocessing] = field(default_factory=dict)


def prepared(
    graph: Graph, *, logits: bool = False, heads: bool = False, taps: Sequence[str] = ()
) -> Graph:
    """The graph as it is deployed: heads and training-only layers dropped, softmax on request.

    The inner steps that `taps` name become outputs too; see `netspec.passes.taps`.
    """
    from netspec.passes.deploy import deploy
    from netspec.passes.logits import logits as without_softmax
    from netspec.passes.taps import tapped

    deployed = deploy(tapped(graph, taps), heads=heads)
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
    holds the spec's text, its hash, its settings and how images are prepared. `check` gets the
    finished file under a temporary name; if it raises, nothing takes the name `path`. A file of
    `keep` and those that the spec was read from are not replaced. Raises NetspecError where nothing
    was written.
    """
    from netspec.backends.onnx.file import write
    from netspec.backends.onnx.images import IMAGES, as_text, taking_pixels
    from netspec.backends.onnx.lowering import OPSET, lower

    images = preprocessings(graph)
    if options.preprocess and not images:
        raise NetspecError(NoPreprocessing(graph.name), status=2)
    deployed = prepared(graph, logits=options.logits, heads=options.heads, taps=options.taps)
    text = graph.source.text
    about = {
        "netspec.spec": text,
        "netspec.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "netspec.settings": ", ".join(f"{k}={show(v)}" for k, v in graph.parameters),
        **({IMAGES: as_text(images)} if images else {}),
        **(metadata or {}),
    }
    model = lower(deployed, opset=options.opset or OPSET, batch=options.batch, metadata=about)
    if options.preprocess:
        model = taking_pixels(model, images)
    data = write(model, path, source or Seeded(), check=check, keep=(*graph.files, *keep))
    taps = tuple(output.name for output in deployed.outputs if output.tap)
    return Written(data, taps, images if options.preprocess else {})

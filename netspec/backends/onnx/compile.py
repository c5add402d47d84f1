"""Graph to ONNX file: the passes, the lowering and the writing, in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.analysis.folding import Savings, savings
from netspec.analysis.preprocessing import Preprocessing, preprocessings
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.backends import NoPreprocessing, TargetLacks
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.passes.folding.draft import Folded
from netspec.weights.derived import Derived
from netspec.weights.sources import Seeded, WeightSource

if TYPE_CHECKING:
    from netspec.backends.onnx.blocks.functions import Blocks
    from netspec.backends.onnx.half import Precision
    from netspec.backends.onnx.model import Model

    # The least and the largest value of each tensor of a model with these weights, by name.
    Measure = Callable[[Model, WeightSource], dict[str, tuple[float, float]]]


class Unmeasured(Exception):
    """What was to measure values could not: why."""


_DEFAULT = FileOptions()
# The entry of a file's metadata that says which steps went into which; without, none did.
FOLDED = "netspec.folded"


if TYPE_CHECKING:
    from netspec.backends.onnx.model import Model
    from netspec.backends.onnx.rounding import Quantized

    # Turns the lowered model of a graph with these weights into one of eight bits.
    Quantize = Callable[[Model, Graph, WeightSource], tuple[Model, WeightSource, Quantized]]


@record
class Written:
    """What was written: the data files that large weights are in, and how the file was made.

    `savings` are what folding saved. `taps` are the names of the outputs that are inner steps.
    `preprocessed` says, for each input that takes pixels, how they are prepared. `precision` says what
    a file in half precision keeps in single, `quantized` what one in eight bits keeps of its output and
    in single, `blocks` what became of the blocks of one that has functions; each is None of others.
    """

    data: tuple[Path, ...]
    opset: int
    ir_version: int
    savings: Savings | None = None
    taps: tuple[str, ...] = ()
    preprocessed: Mapping[str, Preprocessing] = field(default_factory=dict)
    precision: Precision | None = None
    quantized: Quantized | None = None
    blocks: Blocks | None = None

    def as_json(self) -> dict[str, Any]:
        """What `netspec compile --json` says of the file."""
        return {
            "data": [str(path) for path in self.data],
            "opset": self.opset,
            "ir_version": self.ir_version,
            "folded": None if self.savings is None else self.savings.as_json(),
            "taps": list(self.taps),
            "preprocess": {name: how.as_said() for name, how in self.preprocessed.items()},
            **({"precision": self.precision.as_json()} if self.precision else {}),
            **({"quantized": self.quantized.as_json()} if self.quantized else {}),
            **({"blocks": self.blocks.as_json()} if self.blocks else {}),
        }

    def lines(self) -> Iterator[str]:
        """What there is to say of how the file was made."""
        if self.savings is not None and self.savings.any:
            yield str(self.savings)
        for name, how in self.preprocessed.items():
            yield f"input {name}: pixels, uint8 NxHxWxC; {', '.join(how.numbers())}"
        if self.precision is not None:
            yield self.precision.text()
        if self.quantized is not None:
            yield self.quantized.text()
            if not self.quantized.reached:
                wanted = f"{self.quantized.wanted:g} dB were not reached"
                yield f"warning: {wanted} with a tenth of the multiply-adds in fp32"
        if self.blocks is not None:
            yield self.blocks.text()


def prepared(
    graph: Graph,
    *,
    logits: bool = False,
    heads: bool = False,
    taps: Sequence[str] = (),
    target: str | None = None,
) -> Graph:
    """The graph as it is deployed: heads and training-only layers dropped, softmax on request.

    The inner steps that `taps` name become outputs too; see `netspec.passes.taps`. Recurrences that the
    reader called `target` does not run as loops are written out, if the number of their steps is known.
    """
    from netspec.backends.onnx.targets import target_named
    from netspec.passes.deploy import deploy
    from netspec.passes.logits import logits as without_softmax
    from netspec.passes.taps import tapped
    from netspec.passes.unroll import unroll

    reader = target_named(target)
    deployed = deploy(tapped(graph, taps), heads=heads)
    deployed = unroll(deployed, lambda loop: not reader.runs(loop))
    return without_softmax(deployed) if logits else deployed


def optimized(graph: Graph, *, optimize: bool = True) -> Folded:
    """A deployed graph as a file has it: folded, or as it is written."""
    from netspec.passes.folding.fold import fold, literal

    return fold(graph) if optimize else literal(graph)


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
    quantize: Quantize | None = None,
) -> Written:
    """Writes a graph as an ONNX file: same graph, weights and options, same bytes.

    Weights come from `source`, by default the spec's own initialisation from seed 0. The metadata
    holds the spec's text, its hash, its settings and how images are prepared. `check` gets the
    finished file under a temporary name; if it raises, nothing takes the name `path`. A file of
    `keep` and those that the spec was read from are not replaced. `measure` is asked for the ranges of
    values where a precision depends on them, such as what `netspec.backends.ranges.measuring` gives.
    `quantize` makes it a file in eight bits, as what `netspec.backends.quantize.quantize.quantizing`
    gives does. Raises NetspecError where nothing was written.
    """
    from netspec.backends.onnx.blocks.functions import as_functions
    from netspec.backends.onnx.file import write
    from netspec.backends.onnx.images import IMAGES, as_text, taking_pixels
    from netspec.backends.onnx.lowering import lower_steps
    from netspec.backends.onnx.model import described
    from netspec.backends.onnx.recurring.scans import closed
    from netspec.backends.onnx.targets import target_named

    images = preprocessings(graph)
    if options.preprocess and not images:
        raise NetspecError(NoPreprocessing(graph.name), status=2)
    deployed = prepared(
        graph,
        logits=options.logits,
        heads=options.heads,
        taps=options.taps,
        target=options.target,
    )
    folded = optimized(deployed, optimize=options.optimize)
    text = graph.source.text
    about = {
        "netspec.spec": text,
        "netspec.spec_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "netspec.settings": ", ".join(f"{k}={show(v)}" for k, v in graph.parameters),
        **(folding_metadata(folded) if options.optimize else {}),
        **({IMAGES: as_text(images)} if images else {}),
        **(metadata or {}),
    }
    target = target_named(options.target)
    if options.blocks is not None and not target.functions:
        lack = TargetLacks(target.title, "functions", "it reads ONNX's own operators only")
        raise NetspecError(lack, status=2)
    if options.target is not None:
        about["netspec.target"] = target.name
    model = lower_steps(
        folded.graph, opset=options.opset, target=target, batch=options.batch, metadata=about
    )
    made: WeightSource = Derived(source or Seeded(), folded.recipes)
    precision, quantized = None, None
    if options.dtype == "fp16":
        model, precision = _halved(model, made, options, measure)
    if quantize is not None:
        model, made, quantized = quantize(model, folded.graph, made)
    if options.preprocess:
        model = taking_pixels(model, images)
    if options.preprocess or quantized is not None:
        model = described(model, folded.graph)
    model = closed(model)
    blocks = None
    if options.blocks is not None:
        model, blocks = as_functions(model, graph.name, options.blocks)
    keep = (*graph.files, *keep)
    data = write(model, path, made, check=check, keep=keep)
    return Written(
        data,
        model.head.opset_import[0].version,
        model.head.ir_version,
        savings(deployed, folded) if options.optimize else None,
        tuple(output.name for output in deployed.outputs if output.tap),
        images if options.preprocess else {},
        precision,
        quantized,
        blocks,
    )


def folding_metadata(folded: Folded) -> dict[str, str]:
    """What a folded file says of itself: for each step, the steps that went into it."""
    steps = {into.path: into.steps for into in folded.into}
    return {FOLDED: json.dumps(steps, separators=(",", ":"), ensure_ascii=False)}


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

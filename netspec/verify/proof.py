"""Verification: an ONNX file, PyTorch and a double-precision reference, side by side.

A verification must be able to fail. Without weights of its own a net gets seeded ones under which
every layer matters; what is compared is every output, on several inputs, in two batch sizes; and
where outputs do not respond to a layer, agreement does not count as proof.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.backends.onnx.options import FileOptions
from netspec.system.extras import need
from netspec.verify.report import Case, Report
from netspec.verify.size import reduced

if TYPE_CHECKING:
    from netspec.analysis.preprocessing import Preprocessing
    from netspec.graph.checked import Graph, Node
    from netspec.weights.sources import WeightSource

_PLAIN = FileOptions()
# What is told of a verification under way: the stage, and the layer that runs where it is known.
Progress = Callable[[str, str], None]


def _untold(stage: str, layer: str) -> None:
    pass


def need_both() -> None:
    """Raises NetspecError of status 3 unless PyTorch and ONNX Runtime are installed."""
    for module in ("torch", "onnxruntime"):
        need(module, "verification")


def verify(
    graph: Graph,
    *,
    weights: WeightSource | None = None,
    seed: int = 0,
    device: str = "cpu",
    tf32: bool = False,
    logits: bool = True,
    full_size: bool = False,
    options: FileOptions = _PLAIN,
    progress: Progress = _untold,
) -> Report:
    """Compiles a graph, folded as `compile` does, and compares the file with PyTorch's net as written.

    `options` say how it is written: in half precision it is held to what half precision can do.

    Without `weights`, seeded ones are used that keep every layer's values at size 1. Final
    softmaxes are left out unless `logits=False`, since they flatten differences. An output is
    accepted up to an error of 32 times PyTorch's own plus 1e-5, relative to its largest value.
    A net of more than 40 billion multiply-adds whose weights do not depend on the size of its image
    is verified at a smaller one, which the report names, unless `full_size`. A device that is not
    there raises NetspecError; whatever is wrong with the net is in the report. `progress` is called
    with the stage and the layer that start.
    """
    from netspec.backends.onnx.compile import compile_graph, prepared
    from netspec.backends.ranges import measuring
    from netspec.verify.samples import noise

    need_both()
    smaller = None if full_size else reduced(graph)
    net = prepared(smaller.graph if smaller else graph, logits=logits, target=options.target)
    source = weights or _seeded(net, seed, progress)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        progress("writing the file", "")
        compile_graph(net, path, options, source=source, measure=measuring(noise(net)))
        report = _verified(
            net,
            path,
            source,
            seed=seed,
            device=device,
            tf32=tf32,
            given=weights is not None,
            progress=progress,
        )
    return replace(report, reduced=smaller.change) if smaller else report


def verify_file(
    graph: Graph,
    path: Path,
    *,
    weights: WeightSource,
    seed: int = 0,
    device: str = "cpu",
    tf32: bool = False,
    options: FileOptions = _PLAIN,
) -> Report:
    """Compares a file that was compiled from a graph with these weights and options."""
    from netspec.analysis.preprocessing import preprocessings
    from netspec.backends.onnx.compile import prepared

    need_both()
    net = prepared(graph, logits=options.logits, taps=options.taps, target=options.target)
    return _verified(
        net,
        path,
        weights,
        seed=seed,
        device=device,
        tf32=tf32,
        given=True,
        images=preprocessings(graph) if options.preprocess else {},
    )


def require_file(
    graph: Graph,
    path: Path,
    *,
    weights: WeightSource,
    options: FileOptions = _PLAIN,
    device: str = "cpu",
) -> Report:
    """Raises NetspecError unless a compiled file agrees with PyTorch; returns the report.

    `options` say how it was written. Where the file's own weights prove too little, as freshly
    initialised ones can, the net is verified with seeded weights as well: outputs may not respond to
    layers, or a final softmax make rounding large.
    """
    report = verify_file(graph, path, weights=weights, options=options, device=device)
    if report.agrees and (report.vacuous or report.unsteady):
        report = verify(graph, device=device, options=options)
    report.require()
    return report


def embed(report: Report, path: Path) -> None:
    """Writes what the report says into the metadata of an ONNX file, whole or not at all."""
    from netspec.backends.onnx.file import write_metadata

    write_metadata(path, report.metadata())


def _seeded(net: Graph, seed: int, progress: Progress) -> WeightSource:
    from netspec.verify.weights import fitted

    return fitted(net, seed, lambda layer: progress("fitting weights", layer))


def _verified(
    net: Graph,
    path: Path,
    source: WeightSource,
    *,
    seed: int,
    device: str,
    tf32: bool,
    given: bool,
    progress: Progress = _untold,
    images: Mapping[str, Preprocessing] | None = None,
) -> Report:
    from netspec.backends.onnx.half import dtype_of
    from netspec.backends.runtime import Session
    from netspec.backends.switches import Switches
    from netspec.diagnostics.messages.backends import RuntimeFailed
    from netspec.diagnostics.raised import NetspecError
    from netspec.verify.compare import Reference
    from netspec.verify.locate import Locator
    from netspec.verify.report import culprit_of, versions
    from netspec.verify.response import responses
    from netspec.verify.samples import Images, sample_runs
    from netspec.verify.tolerance import tolerance

    start = time.perf_counter()
    stage = "loading PyTorch"
    progress(stage, "")
    dtype = dtype_of(path)
    limits = tolerance(dtype, tf32=tf32)
    reference = Reference(net, source, lambda layer: progress(stage, layer), limits)
    pixels = Images(images or {})
    locator = Locator(net, path, reference, device, tf32, pixels)
    runs = pixels.in_place(sample_runs(net, seed))
    found: list[Case] = []
    failure, provider = None, ""
    node: Node | None = None
    wrong_by = 0.0
    try:
        session = Session(path, device=device, switches=Switches(tf32=tf32), most=None)
        provider = session.provider
        for number, run in enumerate(runs):
            progress(f"run {number + 1} of {len(runs)}: ONNX Runtime", "")
            outputs = session.run(pixels.taken(run.inputs)).outputs
            stage = f"run {number + 1} of {len(runs)}: PyTorch"
            cases = reference.cases(outputs, run.inputs, run.batch, run.seed)
            if not all(case.steady for case in cases):
                stage = f"run {number + 1} of {len(runs)}: layer by layer"
                worst, off, torch_error = locator.worst_layer(run.inputs)
                cases = [
                    case
                    if case.steady
                    else replace(
                        case,
                        error=off,
                        torch_error=torch_error,
                        allowed=limits.allowed(torch_error),
                        by_layer=True,
                    )
                    for case in cases
                ]
                if node is None and not all(case.ok for case in cases):
                    node, wrong_by = worst, off
            found += cases
        del session
    except NetspecError as refusal:
        problem = refusal.diagnostics[0].problem
        if not isinstance(problem, RuntimeFailed):
            raise
        failure = problem.reason
    if node is None and (failure or not all(case.ok for case in found)):
        stage = "looking for the wrong layer"
        # On inputs that showed it: a mistake can need more than one sample.
        shown = next((c.seed for c in found if not c.ok), seed)
        inputs = next(run.inputs for run in runs if run.seed == shown)
        first = locator.first_wrong(inputs)
        node, wrong_by = first or (None, 0.0)
    stage = "changing layers"
    moved = () if failure else responses(reference.single, net, [run.inputs for run in runs])
    return Report(
        net=net.name,
        device=device,
        provider=provider,
        seed=seed,
        weights="given weights" if given else f"seeded weights, seed {seed}",
        cases=tuple(found),
        responses=moved,
        culprit=culprit_of(node, wrong_by) if node is not None else None,
        failure=failure,
        versions=versions(),
        seconds=time.perf_counter() - start,
        node=node,
        dtype=dtype,
    )

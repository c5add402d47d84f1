"""Verification: an ONNX file, PyTorch and a double-precision reference, side by side.

A verification must be able to fail. Without weights of its own a net gets seeded ones under which
every layer matters; what is compared is every output, on several inputs, in two batch sizes; and
where outputs do not respond to a layer, agreement does not count as proof.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.system.extras import need
from netspec.verify.report import Case, Report

if TYPE_CHECKING:
    from netspec.graph.checked import Graph
    from netspec.weights.sources import WeightSource

# The input's seed and the batch size of each run.
_RUNS = ((0, 1), (1, 1), (2, 3))


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
) -> Report:
    """Compiles a graph and compares the file with PyTorch.

    Without `weights`, seeded ones are used that keep every layer's values at size 1. Final
    softmaxes are left out unless `logits=False`, since they flatten differences. An output is
    accepted up to an error of 32 times PyTorch's own plus 1e-5, relative to its largest value.
    A device that is not there raises NetspecError; whatever is wrong with the net is in the report.
    """
    from netspec.backends.onnx.compile import prepared
    from netspec.backends.onnx.file import write
    from netspec.backends.onnx.lowering import lower

    need_both()
    net = prepared(graph, logits=logits)
    source = weights or _seeded(net, seed)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        write(lower(net), path, source)
        return _verified(
            net, path, source, seed=seed, device=device, tf32=tf32, given=weights is not None
        )


def verify_file(
    graph: Graph,
    path: Path,
    *,
    weights: WeightSource,
    seed: int = 0,
    device: str = "cpu",
    tf32: bool = False,
    logits: bool = False,
) -> Report:
    """Compares a file that was compiled from a graph with these weights and options."""
    from netspec.backends.onnx.compile import prepared

    need_both()
    net = prepared(graph, logits=logits)
    return _verified(net, path, weights, seed=seed, device=device, tf32=tf32, given=True)


def require_file(
    graph: Graph, path: Path, *, weights: WeightSource, logits: bool = False, device: str = "cpu"
) -> Report:
    """Raises NetspecError unless a compiled file agrees with PyTorch; returns the report.

    Where the file's own weights prove too little, as freshly initialised ones can, the net is
    verified with seeded weights as well.
    """
    report = verify_file(graph, path, weights=weights, logits=logits, device=device)
    if report.agrees and report.vacuous:
        report = verify(graph, device=device)
    report.require()
    return report


def embed(report: Report, path: Path) -> None:
    """Writes what the report says into the metadata of an ONNX file, whole or not at all."""
    from onnx import ModelProto

    from netspec.system.atomic import replacing

    more = ModelProto()
    for key, value in report.metadata().items():
        more.metadata_props.add(key=key, value=value)
    with path.open("rb") as model, replacing(path) as file:
        shutil.copyfileobj(model, file)
        # Protobuf reads fields that follow a message as part of it.
        file.write(more.SerializeToString(deterministic=True))


def _seeded(net: Graph, seed: int) -> WeightSource:
    from netspec.verify.weights import fitted

    return fitted(net, seed)


def _verified(
    net: Graph,
    path: Path,
    source: WeightSource,
    *,
    seed: int,
    device: str,
    tf32: bool,
    given: bool,
) -> Report:
    from netspec.backends.onnx.lowering import lower
    from netspec.backends.runtime import Session
    from netspec.diagnostics.messages.backends import RuntimeFailed
    from netspec.diagnostics.raised import NetspecError
    from netspec.verify.compare import Reference, cases
    from netspec.verify.locate import first_wrong
    from netspec.verify.report import culprit_of, versions
    from netspec.verify.samples import sample_inputs

    start = time.perf_counter()
    reference = Reference(net, source)
    found: list[Case] = []
    failure, provider = None, ""
    try:
        session = Session(path, device=device, tf32=tf32)
        provider = session.provider
        for run_seed, batch in _RUNS:
            inputs = sample_inputs(net, batch=batch, seed=seed + run_seed)
            outputs = session.run(inputs).outputs
            found += cases(reference, outputs, inputs, batch, seed + run_seed, tf32=tf32)
        del session
    except NetspecError as refusal:
        problem = refusal.diagnostics[0].problem
        if not isinstance(problem, RuntimeFailed):
            raise
        failure = problem.reason
    inputs = sample_inputs(net, batch=1, seed=seed)
    node, off = None, 0.0
    if failure or not all(case.ok for case in found):
        wrong = first_wrong(net, lower(net), path, reference, inputs, device=device, tf32=tf32)
        node, off = wrong or (None, off)
    responses = reference.responses(inputs) if not failure else ()
    return Report(
        net=net.name,
        device=device,
        provider=provider,
        seed=seed,
        weights="given weights" if given else f"seeded weights, seed {seed}",
        cases=tuple(found),
        responses=responses,
        culprit=culprit_of(node, off) if node is not None else None,
        failure=failure,
        versions=versions(),
        seconds=time.perf_counter() - start,
        node=node,
    )

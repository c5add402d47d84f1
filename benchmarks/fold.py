"""What folding saves in each shipped net, how far it moves numbers, and what time it takes off.

    python -m pip install -c constraints.txt ".[all]" onnxscript
    python benchmarks/fold.py [-o benchmarks/results/fold.json] [--nets resnet50,vgg16_bn] [--rounds 20]

For each net: steps, stored numbers and multiply-adds as written and as folded, and how far the
outputs of the folded net are off, both in double precision, relative to the largest. Weights are
varied ones: no scale is one, no shift zero. Nets of several inputs and all sizes count.

For each net of --timed: ONNX Runtime's time per run and per load of the file that `compile -O0`
writes, over that of `-O1` and of both of PyTorch's exporters' files: above 1, the first is slower.
Four sessions in one process, in random order in each round, with `session.intra_op.allow_spinning=0`,
so that no session's threads wait on another's time; medians of the rounds' ratios.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import machine, options, write

import netspec
from netspec.analysis.folding import savings
from netspec.backends.onnx.compile import prepared
from netspec.graph.checked import Graph
from netspec.passes.folding.fold import fold
from netspec.syntax.files import shipped_names
from netspec.verify.numbers import error, outputs
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import Varied
from netspec.weights.derived import Derived
from netspec.weights.sources import WeightSource

TIMED = "densenet121,resnet50,inception_v3,mobilenet_v2,wrn28_10,fractalnet20,nasnet_mobile"
# How far folding may move the outputs.
LIMIT = 1e-5


def compared(graph: Graph) -> tuple[float, int]:
    """How far the folded net is off, and how many tensors were made."""
    from netspec.verify.size import reduced

    smaller = reduced(graph)
    written = prepared(smaller.graph if smaller else graph, logits=True)
    folded = fold(written)
    inputs = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in sample_inputs(written).items()
    }
    expected = _outputs(written, Varied(0), inputs)
    found = _outputs(folded.graph, Derived(Varied(0), folded.recipes), inputs)
    assert all(np.isfinite(values).all() for values in expected.values())
    return max(error(found[name], expected[name]) for name in expected), len(folded.recipes)


def _outputs(graph: Graph, source: WeightSource, inputs: dict[str, Any]) -> dict[str, Any]:
    from netspec.backends.torch.modules import to_module

    module = to_module(graph, source).eval().double()
    try:
        return outputs(module, graph, inputs)
    finally:
        del module
        gc.collect()


def saved(name: str) -> dict[str, Any]:
    """The figures of one net."""
    graph = netspec.load(name).graph
    written = prepared(graph, logits=True)
    found = savings(written, fold(written))
    if not found.into and not found.dropped and not found.moved:
        return {"steps": list(found.steps)}
    off, made = compared(graph)
    if not off < LIMIT:
        raise SystemExit(f"{name} is off by {off:.2g}")
    figures = {k: v for k, v in found.as_json().items() if k in ("steps", "numbers", "macs")}
    return {**figures, "tensors_made": made, "moved": len(found.moved), "off": float(f"{off:.2g}")}


def files(name: str, folder: Path) -> dict[str, Path]:
    """The net as written, as folded and as PyTorch's exporters have it, with the same weights."""
    import torch

    net = netspec.load(name)
    paths = {
        kind: folder / f"{kind}.onnx" for kind in ("written", "folded", "torch", "torchscript")
    }
    net.to_onnx(paths["written"], logits=True, optimize=False, batch=1)
    net.to_onnx(paths["folded"], logits=True, batch=1)
    module = net.to_torch(logits=True).eval()
    x = torch.from_numpy(next(iter(sample_inputs(net.graph).values())))
    torch.onnx.export(module, (x,), paths["torch"], dynamo=True, verbose=False)
    torch.onnx.export(module, (x,), paths["torchscript"], dynamo=False)
    return paths


def raced(name: str, rounds: int) -> dict[str, Any]:
    """How many times as long the net as written takes as each of its other files."""
    import onnxruntime as ort

    chosen = ort.SessionOptions()
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.log_severity_level = 3
    (x,) = sample_inputs(netspec.load(name).graph).values()
    with tempfile.TemporaryDirectory() as folder:
        paths = files(name, Path(folder))

        def opened(kind: str) -> Any:
            providers = ["CPUExecutionProvider"]
            return ort.InferenceSession(str(paths[kind]), chosen, providers=providers)

        sessions = {kind: opened(kind) for kind in paths}

        def run(kind: str) -> Any:
            session = sessions[kind]
            return session.run(None, {session.get_inputs()[0].name: x})[0]

        expected = run("written")
        off = {kind: error(run(kind), expected) for kind in paths}
        ran = _turns({kind: lambda kind=kind: run(kind) for kind in paths}, rounds)
        loads = {kind: lambda kind=kind: opened(kind) for kind in ("written", "folded")}
        loaded = _turns(loads, max(3, rounds // 4))
    return {
        "milliseconds_written": round(1000 * statistics.median(ran["written"]), 2),
        "run": _ratios(ran),
        "run_least": _least(ran),
        "load": _ratios(loaded),
        "off": {kind: float(f"{value:.2g}") for kind, value in off.items() if kind != "written"},
    }


def _turns(calls: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, in random order in each round."""
    found: dict[str, list[float]] = {kind: [] for kind in calls}
    shuffler = random.Random(0)
    for _ in range(rounds):
        order = list(calls)
        shuffler.shuffle(order)
        for kind in order:
            start = time.perf_counter()
            calls[kind]()
            found[kind].append(time.perf_counter() - start)
    return found


def _ratios(found: dict[str, list[float]]) -> dict[str, float]:
    return {
        kind: round(
            statistics.median(a / b for a, b in zip(found["written"], each, strict=True)), 3
        )
        for kind, each in found.items()
        if kind != "written"
    }


def _least(found: dict[str, list[float]]) -> dict[str, float]:
    """The same of the least times, which a busy machine moves least."""
    least = {kind: min(each) for kind, each in found.items()}
    return {k: round(least["written"] / v, 3) for k, v in least.items() if k != "written"}


def main() -> None:
    parser = options(__doc__, rounds=20)
    parser.add_argument(
        "--nets", default=",".join(shipped_names()), help="compared; all by default"
    )
    parser.add_argument("--timed", default=TIMED, help="timed; empty for none")
    chosen = parser.parse_args()
    import onnxruntime

    held = {**machine("numpy", "onnx", "torch"), "onnxruntime": onnxruntime.__version__}
    found: dict[str, Any] = {"machine": held}
    found["nets"] = {name: saved(name) for name in filter(None, chosen.nets.split(","))}
    found["timed"] = {
        name: raced(name, chosen.rounds) for name in filter(None, chosen.timed.split(","))
    }
    write(found, chosen.output)


if __name__ == "__main__":
    main()

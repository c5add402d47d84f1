"""What folding saves in each shipped net, how far it moves numbers, and what time it takes off.

    python -m pip install -c constraints.txt ".[all]" onnxscript
    python benchmarks/fold.py [-o benchmarks/results/fold.json] [--nets resnet50,vgg16_bn] [--rounds 20]

For each net: steps, stored numbers and multiply-adds as written and as folded, and how far the
outputs of the folded net are off, both in double precision, relative to the largest, and those of
the written one in single. Weights are
those under which values have size 1, with no scale one and no shift zero. Nets of several inputs and
all sizes count; of nets of more than --most parameters the outputs are not compared. What the output
file has already is not run again.

For each net of --timed: ONNX Runtime's time per run and per load of the file that `compile -O0`
writes, over that of `-O1` and of both of PyTorch's exporters' files: above 1, the first is slower.
Four sessions in one process, in random order in each round; medians of the rounds' ratios. `run` is
the time on the wall with ONNX Runtime's own number of threads and `session.intra_op.allow_spinning=0`,
so that no session's threads take another's time; `one_thread` is the processor's time of a single
thread, which a busy machine moves least. `repvgg_a0` is the net of Ding et al. 2021, Table 2, in the
form in which it is trained.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import kept, machine, options, write

import netspec
from netspec.analysis.costs import costs
from netspec.analysis.folding import savings
from netspec.backends.onnx.compile import prepared
from netspec.graph.checked import Graph
from netspec.passes.folding.fold import fold
from netspec.syntax.files import shipped_names
from netspec.verify.numbers import error, outputs
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import fitted
from netspec.weights.derived import Derived
from netspec.weights.sources import WeightSource

TIMED = "densenet121,resnet50,inception_v3,mobilenet_v2,wrn28_10,repvgg_a0"
REPVGG = """
input 3x224x224
default conv(bias=no)
block down(width) { add { | conv3-width/2(pad=1); bn | conv1-width/2; bn }; relu }
block rep { add { | conv3-C(pad=1); bn | conv1-C; bn | bn }; relu }
down(48); down(48); rep x1; down(96); rep x3; down(192); rep x13; down(1280); gap; fc-1000
"""
# How far folding may move the outputs, unless PyTorch in single precision is further off.
LIMIT = 1e-5


def compared(graph: Graph) -> tuple[float, float, int]:
    """How far the folded net is off, how far the written one in single precision, and the tensors made."""
    from netspec.verify.size import reduced

    smaller = reduced(graph)
    written = prepared(smaller.graph if smaller else graph, logits=True)
    folded, source = fold(written), fitted(written)
    inputs = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in sample_inputs(written).items()
    }
    expected = _outputs(written, source, inputs)
    found = _outputs(folded.graph, Derived(source, folded.recipes), inputs)
    assert all(np.isfinite(values).all() for values in expected.values())
    plain = _outputs(written, source, sample_inputs(written), double=False)
    off, single = (max(error(y[name], expected[name]) for name in y) for y in (found, plain))
    return off, single, len(folded.recipes)


def _outputs(
    graph: Graph, source: WeightSource, inputs: dict[str, Any], *, double: bool = True
) -> dict[str, Any]:
    from netspec.backends.torch.modules import to_module

    module = to_module(graph, source).eval()
    module = module.double() if double else module
    try:
        return outputs(module, graph, inputs)
    finally:
        del module
        gc.collect()


def saved(name: str, most: int) -> dict[str, Any]:
    """The figures of one net; `off` is None where it has more than `most` parameters."""
    graph = netspec.load(name).graph
    written = prepared(graph, logits=True)
    found = savings(written, fold(written))
    if not found.into and not found.dropped and not found.moved:
        return {"steps": list(found.steps)}
    off, single, made = None, None, len(fold(written).recipes)
    if costs(graph).params <= most:
        *far, made = compared(graph)
        off, single = (float(f"{value:.2g}") for value in far)
    figures = {k: v for k, v in found.as_json().items() if k in ("steps", "numbers", "macs")}
    made_of = {"tensors_made": made, "moved": len(found.moved)}
    return {**figures, **made_of, "off": off, "off_in_single": single}


def files(name: str, folder: Path) -> dict[str, Path]:
    """The net as written, as folded and as PyTorch's exporters have it, with the same weights."""
    import torch

    net = _net(name)
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


def _net(name: str) -> netspec.Net:
    return netspec.load(REPVGG if name == "repvgg_a0" else name)


def raced(name: str, rounds: int) -> dict[str, Any]:
    """How many times as long the net as written takes as each of its other files."""
    import onnxruntime as ort

    (x,) = sample_inputs(_net(name).graph).values()
    with tempfile.TemporaryDirectory() as folder:
        paths = files(name, Path(folder))

        def opened(kind: str, threads: int) -> Any:
            chosen = ort.SessionOptions()
            chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
            chosen.log_severity_level = 3
            chosen.intra_op_num_threads = threads
            providers = ["CPUExecutionProvider"]
            return ort.InferenceSession(str(paths[kind]), chosen, providers=providers)

        def runs(threads: int) -> dict[str, Callable[[], Any]]:
            sessions = {kind: opened(kind, threads) for kind in paths}
            feeds = {kind: {s.get_inputs()[0].name: x} for kind, s in sessions.items()}
            return {k: lambda k=k: sessions[k].run(None, feeds[k])[0] for k in paths}

        each = runs(0)
        off = {kind: error(run(), each["written"]()) for kind, run in each.items()}
        ran = _turns(each, rounds, time.perf_counter)
        alone = _turns(runs(1), rounds, time.thread_time)
        loads = {kind: lambda kind=kind: opened(kind, 1) for kind in ("written", "folded")}
        loaded = _turns(loads, max(3, rounds // 4), time.thread_time)
    return {
        "run": {"milliseconds_written": _middle(ran), "times": _ratios(ran)},
        "one_thread": {"milliseconds_written": _middle(alone), "times": _ratios(alone)},
        "load": {"milliseconds_written": _middle(loaded), "times": _ratios(loaded)},
        "off": {kind: float(f"{value:.2g}") for kind, value in off.items() if kind != "written"},
    }


def _turns(
    calls: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each call, in random order in each round; the first run of each is left out."""
    found: dict[str, list[float]] = {kind: [] for kind in calls}
    for call in calls.values():
        call()
    shuffler = random.Random(0)
    for _ in range(rounds):
        order = list(calls)
        shuffler.shuffle(order)
        for kind in order:
            start = clock()
            calls[kind]()
            found[kind].append(clock() - start)
    return found


def _ratios(found: dict[str, list[float]]) -> dict[str, float]:
    return {
        kind: round(
            statistics.median(a / b for a, b in zip(found["written"], each, strict=True)), 3
        )
        for kind, each in found.items()
        if kind != "written"
    }


def _middle(found: dict[str, list[float]]) -> float:
    return round(1000 * statistics.median(found["written"]), 2)


def main() -> None:
    parser = options(__doc__, rounds=20)
    parser.add_argument(
        "--nets", default=",".join(shipped_names()), help="compared; all by default"
    )
    parser.add_argument("--timed", default=TIMED, help="timed; empty for none")
    parser.add_argument("--most", type=int, default=150_000_000)
    chosen = parser.parse_args()
    import onnxruntime

    about = {**machine("numpy", "onnx", "torch"), "onnxruntime": onnxruntime.__version__}
    found = {"nets": {}, "timed": {}, **kept(chosen.output), "machine": about}

    def keep(kind: str, name: str, row: dict[str, Any]) -> None:
        found[kind][name] = row
        found[kind] = dict(sorted(found[kind].items()))
        print(json.dumps({name: row}), flush=True)
        write(found, chosen.output, quiet=True)

    for name in filter(None, chosen.nets.split(",")):
        if name not in found["nets"]:
            keep("nets", name, saved(name, chosen.most))
    for name in filter(None, chosen.timed.split(",")):
        if name not in found["timed"]:
            keep("timed", name, raced(name, chosen.rounds))
    known = {name: row for name, row in found["nets"].items() if row.get("off") is not None}
    wrong = [n for n, row in known.items() if row["off"] >= max(LIMIT, row["off_in_single"])]
    if wrong:
        raise SystemExit(f"moved too far: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

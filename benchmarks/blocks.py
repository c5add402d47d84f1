"""What the shipped nets become with their blocks as functions, and what ONNX Runtime makes of them.

    python -m pip install -c constraints.txt ".[run]"
    python benchmarks/blocks.py [-o benchmarks/results/blocks.json] [--nets resnet50,vgg16_bn] [--rounds 15]

For each net: the nodes of the flat file and of the other's top, its functions, the blocks that stay flat
since they read what they give, and the bytes of its graph over those of the flat one's, weights left out.
`inlines` says whether `onnx.inliner` gives the flat file's nodes again: operators, attributes, and what each
follows from, to the names of inputs, weights and constants. `same` says whether ONNX Runtime gives the
same bits for both, of the net in the size that verification takes; null for nets of more than --most
parameters, which are not run. Nets that the output file has already are not run again.

For each net of --timed: the processor's time that ONNX Runtime takes to load the file with functions, and
to run it, on one thread, over that of the flat file: in turns, in random order. `median` is that of the
rounds' ratios, `least` the ratio of the two least times, which a busy machine moves least.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx.inliner import inline_local_functions
from report import kept, machine, options, write

import netspec
from netspec.analysis.costs import costs
from netspec.backends.onnx.blocks.functions import as_functions
from netspec.backends.onnx.compile import compile_graph, optimized, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names
from netspec.verify.samples import sample_inputs
from netspec.verify.size import reduced

TIMED = "resnet50,densenet121"


def identities(proto: onnx.ModelProto) -> list[str]:
    """What each node computes, by all that it follows from, whatever it is called."""
    known = {item.name: item.name for item in proto.graph.input}
    found = []
    for node in proto.graph.node:
        attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
        inputs = [known.get(name, name) for name in node.input]
        said = repr((node.domain, node.op_type, inputs, attributes, len(node.output)))
        found.append(hashlib.sha256(said.encode()).hexdigest())
        known |= {name: f"{found[-1]}:{i}" for i, name in enumerate(node.output)}
    return [*sorted(found), *(f"{item.name} {known[item.name]}" for item in proto.graph.output)]


def size(model: Model) -> int:
    """The bytes of a model without its weights."""
    return len(model.proto.SerializeToString())


def both(graph: Graph, folder: Path) -> tuple[Path, Path]:
    """The flat file of a net, and that with functions."""
    flat, nested = folder / "flat.onnx", folder / "blocks.onnx"
    compile_graph(graph, flat)
    compile_graph(graph, nested, FileOptions(blocks=()))
    return flat, nested


def compared(graph: Graph, folder: Path, most: int) -> dict[str, Any]:
    """What one net becomes."""
    model = lower(optimized(prepared(graph)).graph)
    grouped, blocks = as_functions(model, graph.name)
    smaller = reduced(graph)
    small = smaller.graph if smaller else graph
    same = None
    if costs(graph).params <= most:
        feeds = sample_inputs(small)
        flat, nested = (Session(path, most=None).run(feeds).outputs for path in both(small, folder))
        same = all(np.array_equal(flat[n], nested[n], equal_nan=True) for n in flat)
    return {
        "flat": blocks.flat,
        "top": blocks.top,
        "functions": len(blocks.functions),
        "stays_flat": list(blocks.refused),
        "graph_bytes": round(size(grouped) / size(model), 3),
        "inlines": identities(inline_local_functions(grouped.proto)) == identities(model.proto),
        "same": same,
    }


def timed(graph: Graph, folder: Path, rounds: int) -> dict[str, Any]:
    """How long the file with functions loads and runs, over the flat one."""
    paths = both(graph, folder)
    feeds = sample_inputs(graph)
    loads: list[list[float]] = [[], []]
    runs: list[list[float]] = [[], []]
    sessions = [_loaded(path) for path in paths]
    for _ in range(rounds):
        for which in random.sample((0, 1), 2):
            loads[which].append(_time(lambda path=paths[which]: _loaded(path)))
        for which in random.sample((0, 1), 2):
            runs[which].append(_time(lambda session=sessions[which]: session.run(None, feeds)))
    return {"rounds": rounds, "load": _ratio(loads), "run": _ratio(runs)}


def _loaded(path: Path) -> ort.InferenceSession:
    """ONNX Runtime alone: what netspec asks of a file before is not in its time."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def _time(action: Callable[[], Any]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def _ratio(times: list[list[float]]) -> dict[str, float]:
    median = statistics.median(b / a for a, b in zip(*times, strict=True))
    return {"median": round(median, 3), "least": round(min(times[1]) / min(times[0]), 3)}


def main() -> None:
    parser = options(__doc__, 15)
    parser.add_argument("--nets", default=",".join(shipped_names()))
    parser.add_argument("--timed", default=TIMED)
    parser.add_argument("--most", type=int, default=30_000_000)
    args = parser.parse_args()
    held = kept(args.output)
    nets, times = held.get("nets", {}), held.get("timed", {})
    about = {**machine("onnx"), "onnxruntime": ort.__version__}

    def keep(kind: dict[str, Any], name: str, row: dict[str, Any]) -> None:
        kind[name] = row
        print(json.dumps({name: row}), flush=True)
        found = {"machine": about, "timed": times, "nets": dict(sorted(nets.items()))}
        write(found, args.output, quiet=True)

    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, args.timed.split(",")):
            if name not in times:
                keep(times, name, timed(netspec.load(name).graph, Path(folder), args.rounds))
        for name in filter(None, args.nets.split(",")):
            if name not in nets:
                keep(nets, name, compared(netspec.load(name).graph, Path(folder), args.most))
    wrong = [name for name, row in nets.items() if row["same"] is False or not row["inlines"]]
    if wrong:
        raise SystemExit(f"not the same as the flat file: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

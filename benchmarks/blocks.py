"""What the shipped nets become with their blocks as functions, and what ONNX Runtime makes of them.

    python -m pip install -c constraints.txt ".[run]"
    python benchmarks/blocks.py [-o benchmarks/results/blocks.json] [--nets resnet50,vgg16_bn] [--rounds 20]

For each net: the nodes of the flat file and of the other's top, its functions, the blocks that stay flat
since they read what they give, and the bytes of its graph over those of the flat one's, weights left out.
`inlines` says whether `onnx.inliner` gives the flat file's nodes again: operators, attributes, and what each
follows from, to the names of inputs, weights and constants. `same` says whether ONNX Runtime gives the
same bits for both, of the net in the size that verification takes.

For each net of --timed: the time that ONNX Runtime takes to load the file with functions, and to run it,
over that of the flat file: in turns, in random order, medians of the rounds' ratios.
"""

from __future__ import annotations

import hashlib
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.inliner import inline_local_functions
from report import machine, options, write

import netspec
from netspec.backends.onnx.blocks.functions import as_functions
from netspec.backends.onnx.compile import compile_graph, optimized, prepared
from netspec.backends.onnx.lowering import Model, lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names
from netspec.verify.samples import sample_inputs
from netspec.verify.size import reduced

TIMED = "resnet50,densenet121,nasnet_mobile"


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


def compared(graph: Graph, folder: Path) -> dict[str, Any]:
    """What one net becomes."""
    model = lower(optimized(prepared(graph)).graph)
    grouped, blocks = as_functions(model, graph.name)
    smaller = reduced(graph)
    small = smaller.graph if smaller else graph
    feeds = sample_inputs(small)
    flat, nested = (Session(path, most=None).run(feeds).outputs for path in both(small, folder))
    return {
        "flat": blocks.flat,
        "top": blocks.top,
        "functions": len(blocks.functions),
        "stays_flat": list(blocks.refused),
        "graph_bytes": round(size(grouped) / size(model), 3),
        "inlines": identities(inline_local_functions(grouped.proto)) == identities(model.proto),
        "same": all(np.array_equal(flat[n], nested[n], equal_nan=True) for n in flat),
    }


def timed(graph: Graph, folder: Path, rounds: int) -> dict[str, Any]:
    """How long the file with functions loads and runs, over the flat one."""
    paths = both(graph, folder)
    feeds = sample_inputs(graph)
    loads: list[list[float]] = [[], []]
    runs: list[list[float]] = [[], []]
    switches = Switches(spinning="never")
    sessions = [Session(path, most=None, switches=switches) for path in paths]
    bound = [session.bind(feeds) for session in sessions]
    for session in bound:
        session.run()
    for _ in range(rounds):
        for which in random.sample((0, 1), 2):
            loads[which].append(_loading(paths[which]))
        for which in random.sample((0, 1), 2):
            runs[which].append(min(bound[which].run() for _ in range(3)))
    return {"rounds": rounds, "load": _ratio(loads), "run": _ratio(runs)}


def _loading(path: Path) -> float:
    """ONNX Runtime's own time: what netspec asks of a file before is not in it."""
    import onnxruntime as ort

    start = time.perf_counter()
    ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return time.perf_counter() - start


def _ratio(times: list[list[float]]) -> dict[str, float]:
    ratios = sorted(b / a for a, b in zip(*times, strict=True))
    tenth = len(ratios) // 10
    return {
        "median": round(statistics.median(ratios), 3),
        "p10": round(ratios[tenth], 3),
        "p90": round(ratios[-1 - tenth], 3),
        "least_over_least": round(min(times[1]) / min(times[0]), 3),
    }


def main() -> None:
    parser = options(__doc__, 20)
    parser.add_argument("--nets", default=",".join(shipped_names()))
    parser.add_argument("--timed", default=TIMED)
    args = parser.parse_args()
    nets, times = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, args.timed.split(",")):
            times[name] = timed(netspec.load(name).graph, Path(folder), args.rounds)
            print(name, times[name], flush=True)
        for name in filter(None, args.nets.split(",")):
            nets[name] = compared(netspec.load(name).graph, Path(folder))
            print(name, nets[name], flush=True)
    wrong = [name for name, found in nets.items() if not (found["same"] and found["inlines"])]
    write(args.output, {"machine": machine("onnx", "onnxruntime"), "timed": times, "nets": nets})
    if wrong:
        raise SystemExit(f"not the same as the flat file: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

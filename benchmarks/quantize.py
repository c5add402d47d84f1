"""What eight bits keep and how fast they run: `netspec compile --quantize int8` on shipped nets.

    python -m pip install -c constraints.txt ".[torch,run]"
    python benchmarks/quantize.py [-o benchmarks/results/quantize.json]

For each net, with the weights of `netspec verify` (seeded, every layer's values at size 1; no trained
ones are needed): the signal-to-noise ratio of the output with noise as samples, the share of
multiply-adds left in fp32 and the seconds that took; the files' sizes; and how much faster ONNX Runtime
runs the file than that in fp32. Speed is a ratio of lower deciles, the time that a tenth of the runs take at
most, since other work on the machine only adds to it; the files have their turns in a random order in each
round, one image at a time. Idle threads wait busily while a run lasts, as by default, and not after it
(`session.force_spinning_stop=1`), so that the sessions do not steal each other's time: where they sleep,
each node waits for them to wake, which a file of many short nodes suffers from most. Each thread has a core
(Linux). `load` says how many
other processes wanted the cores.
Random weights amplify noise: so some nets are trained on scikit-learn's digits too, and judged by
their accuracy on held-out digits and the signal-to-noise ratio of all their logits.
`speed` is ONNX Runtime as it comes, `speed_whole` that of a file with no layer kept in fp32 for accuracy,
as nets that were trained need none, `speed_bound` what that would be if its convolutions and matrix
products took as long as they do and all else no time, by ONNX Runtime's own profile, `speed_exact`
with `session.x64quantprecision=1`, which processors without VNNI need to add up weights of eight bits
without overflow and others ignore.
With `--nets` or `--trained` only some are run, and what the output file has of others stays.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from report import machine, options, write

import netspec
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.quantize.quantize import Quantization, decibels, quantizing
from netspec.backends.runtime import Session
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import fitted
from netspec.weights.sources import Given

NETS = (
    "resnet50",
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "inception_v3",
    "vgg16",
    "shufflenet_v2",
    "se_resnet50",
)
# Nets small enough to be trained here: their settings, and the passes over 1,437 digits.
TRAINED: dict[str, tuple[dict[str, Any], int]] = {
    "resnet20_cifar": ({"input": "1x16x16"}, 4),
    "densenet40_12": ({"input": "1x16x16", "depth": 22}, 4),
    "mobilenet_v2": ({"input": "1x32x32", "alpha": 0.35, "classes": 10}, 6),
}
# What decides how fast integers are multiplied on x86.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")
THREADS = 2
# What multiplies by weights in eight bits.
PRODUCTS = ("QLinearConv", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat")


def features() -> dict[str, bool]:
    """Which instructions for integers the processor has, where Linux tells."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text().split() if path.exists() else []
    return {name: name in flags for name in FEATURES}


def model() -> str:
    """The processor's name, where Linux tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line[:10] == "model name"), "")


def workers() -> str:
    """The cores of a session's threads but the first, as ONNX Runtime counts them."""
    return ";".join(str(core + 1) for core in sorted(os.sched_getaffinity(0))[1:THREADS])


@contextmanager
def first_core() -> Iterator[None]:
    """Keeps this thread on the first core meanwhile."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def session(path: Path, exact: bool = False, profile: Path | None = None) -> ort.InferenceSession:
    """A session that leaves the cores alone between its runs; it may note how long each node takes."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = THREADS
    settings.log_severity_level = 4
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    # Beside other work two threads that wait for each other can end up on one core.
    settings.add_session_config_entry("session.intra_op_thread_affinities", workers())
    settings.add_session_config_entry("session.x64quantprecision", str(int(exact)))
    if profile is not None:
        settings.enable_profiling, settings.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def undisturbed(times: Sequence[float]) -> float:
    """The time that a tenth of them stay under."""
    return statistics.quantiles(times, n=10, method="inclusive")[0]


def speeds(paths: dict[str, tuple[Path, bool]], feed: Any, rounds: int) -> dict[str, float]:
    """The seconds of a run of each file that nothing disturbs, in turns."""
    sessions = {name: session(path, exact) for name, (path, exact) in paths.items()}
    found: dict[str, list[float]] = {name: [] for name in sessions}
    with first_core():
        for made in sessions.values():
            made.run(None, feed)
        for _ in range(rounds):
            for name in random.sample(list(sessions), len(sessions)):
                start = time.perf_counter()
                sessions[name].run(None, feed)
                found[name].append(time.perf_counter() - start)
    return {name: undisturbed(times) for name, times in found.items()}


def products(path: Path, feed: Any, rounds: int) -> float:
    """The share of a file's time that its products take, of that in which ONNX Runtime runs nodes."""
    made = session(path, profile=path.parent / "profile")
    with first_core():
        for _ in range(rounds):
            made.run(None, feed)
    times: dict[tuple[str, str], list[int]] = {}
    for event in json.loads(Path(made.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = event["name"], event["args"]["op_name"]
            times.setdefault(key, []).append(event["dur"])
    usual = {key: undisturbed(found) for key, found in times.items()}
    return sum(t for (_, kind), t in usual.items() if kind in PRODUCTS) / sum(usual.values())


def measured(name: str, rounds: int, samples: int) -> dict[str, Any]:
    """What one net keeps, costs and gains."""
    graph = netspec.load(name).graph
    weights = fitted(graph)
    feeds = [sample_inputs(graph, seed=seed) for seed in range(samples)]
    with tempfile.TemporaryDirectory() as folder:
        exact, eight = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        whole = Path(folder) / "whole.onnx"
        compile_graph(graph, exact, source=weights)
        start = time.perf_counter(), time.process_time()
        told = compile_graph(
            graph, eight, source=weights, quantize=quantizing(feeds, Quantization())
        ).quantized
        seconds, busy = time.perf_counter() - start[0], time.process_time() - start[1]
        assert told is not None
        compile_graph(
            graph, whole, source=weights, quantize=quantizing(feeds[:4], Quantization(share=0))
        )
        files = {
            "fp32": (exact, False),
            "int8": (eight, False),
            "int8 exact": (eight, True),
            "whole": (whole, False),
        }
        times = speeds(files, feeds[0], rounds)
        share = products(whole, feeds[0], rounds)
        return {
            "decibels": round(told.decibels, 2),
            "fp32_share": round(told.share, 4),
            "fp32_steps": [step.path for step in told.steps if step.exact],
            "worst_step": round(min(s.decibels for s in told.steps if s.decibels is not None), 1),
            "samples": told.samples,
            "seconds": round(seconds, 1),
            "processor_seconds": round(busy, 1),
            "bytes": {"fp32": exact.stat().st_size, "int8": eight.stat().st_size},
            "speed": round(times["fp32"] / times["int8"], 2),
            "speed_whole": round(times["fp32"] / times["whole"], 2),
            "speed_bound": round(times["fp32"] / times["whole"] / share, 2),
            "speed_exact": round(times["fp32"] / times["int8 exact"], 2),
            "fp32_milliseconds": round(1000 * times["fp32"], 1),
        }


def trained(name: str, samples: int) -> dict[str, Any]:
    """What a net that was trained on digits keeps, of its logits and of its answers."""
    examples = str(Path(__file__).resolve().parent.parent / "examples")
    if examples not in sys.path:
        sys.path.insert(0, examples)
    import train

    torch.set_num_threads(1)
    settings, epochs = TRAINED[name]
    net = netspec.load(name, **settings)
    given = [f"{key}={value}" for key, value in settings.items() if key != "input"]
    seen, held = train.read("digits", net, 0)
    held_out, classes = (np.stack(part) for part in zip(*held, strict=True))
    feeds = [{"input": seen[i][0][None].numpy()} for i in range(samples)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--spec", name, "--input", settings["input"], "--epochs", str(epochs)]
        arguments += [part for setting in given for part in ("--set", setting)]
        files = ["--checkpoint", f"{folder}/trained.pt", "--output", f"{folder}/trained.onnx"]
        start = time.process_time()
        train.main.main([*arguments, *files], standalone_mode=False)
        busy = time.process_time() - start
        module = net.to_torch(weights=f"{folder}/trained.pt", logits=True)
        exact, eight = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        net.to_onnx(exact, weights=module, logits=True)
        stage = quantizing(feeds, Quantization())
        weights = Given(dict(module.state_dict()))
        told = compile_graph(
            net.graph, eight, FileOptions(logits=True), source=weights, quantize=stage
        ).quantized
        assert told is not None
        logits = [
            next(iter(Session(path).run({"input": held_out}).outputs.values()))
            for path in (exact, eight)
        ]
        right = [float((found.argmax(1) == classes).mean()) for found in logits]
        return {
            **settings,
            "epochs": epochs,
            "training_processor_seconds": round(busy, 1),
            "decibels": round(told.decibels, 2),
            "held_out_decibels": round(decibels(*logits), 2),
            "fp32_share": round(told.share, 4),
            "held_out": len(classes),
            "accuracy": {"fp32": round(right[0], 4), "int8": round(right[1], 4)},
            "samples": told.samples,
            "bytes": {"fp32": exact.stat().st_size, "int8": eight.stat().st_size},
        }


def main() -> None:
    parser = options(__doc__, 20)
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--trained", nargs="*", default=list(TRAINED))
    parser.add_argument("--samples", type=int, default=32)
    given = parser.parse_args()
    random.seed(0)
    np.random.seed(0)
    print("processor:", ", ".join(f"{k} {'yes' if v else 'no'}" for k, v in features().items()))
    found: dict[str, Any] = {"trained": {}, "nets": {}}
    if given.output is not None and given.output.exists():
        found = json.loads(given.output.read_text())
    found |= {
        "machine": {**machine("onnxruntime-gpu"), "model": model(), **features()},
        "load": os.getloadavg(),
        "threads": THREADS,
    }
    for name in given.trained:
        found["trained"][name] = trained(name, given.samples)
        write(found, given.output)
    for name in given.nets:
        found["nets"][name] = measured(name, given.rounds, given.samples)
        write(found, given.output)


if __name__ == "__main__":
    main()

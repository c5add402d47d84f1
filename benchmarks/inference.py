"""How fast netspec's files run, beside what else there is for the same net with the same weights.

    python -m pip install -c constraints.txt '.[all]' onnxscript openvino
    python benchmarks/inference.py -o benchmarks/results/inference.json
    python benchmarks/inference.py -o benchmarks/results/inference.json --nets vgg16 googlenet

For each net at each batch size, netspec's fp32 file against: the files that PyTorch's two exporters
write of `net.to_torch()`, the same net with the same weights, in the same ONNX Runtime; that module,
eager and under torch.compile; and OpenVINO on netspec's file, in fp32 and, where the processor has it,
in bf16. What is not installed is named as missing. Final softmaxes are left out, which hide what differs.

Each contender is alone in a process with as many threads as there are cores and its makers' defaults.
They have their turns in a random order in each round, with a pause until the others are quiet. Ratios
are to netspec's file in the same rounds: above 1 the contender is slower. What each computes is held
to what netspec's file computes.

Each net's figures are written when they are there; a net that is in the file is left out next time,
unless --again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from report import machine, options, write
from sides import error, figures, timed, why

from netspec.backends.measure import Apart, Facts, Run, in_turns
from netspec.backends.switches import cores
from netspec.diagnostics.raised import NetspecError

NETS = (
    "vgg16",
    "googlenet",
    "resnet50",
    "resnet152",
    "densenet121",
    "inception_v3",
    "mobilenet_v2",
    "nasnet_large",
)
OURS = "netspec"
# Seconds that a contender may take to start, which for some is to compile, or to have a turn.
PATIENCE = 1800.0
PACKAGES = ("torch", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "openvino", "numpy")


def module(net: str) -> Any:
    import torch

    import netspec

    torch.set_num_threads(cores())
    return netspec.load(net).to_torch(seed=0, logits=True).eval()


def noise(net: str, batch: int) -> Any:
    """The net's one input."""
    import netspec
    from netspec.verify.samples import sample_inputs

    (array,) = sample_inputs(netspec.load(net).graph, batch=batch).values()
    return array


def onnxruntime_on(path: str, net: str, batch: int) -> tuple[Run, Facts]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: noise(net, batch)}
    return timed(lambda: session.run(None, feeds)[0], lambda found: found, batch=batch)


def eager(_path: str, net: str, batch: int) -> tuple[Run, Facts]:
    import torch

    model, x = module(net), torch.from_numpy(noise(net, batch))

    @torch.inference_mode()
    def run() -> Any:
        return model(x)

    return timed(run, lambda found: found.numpy(), batch=batch)


def compiled(_path: str, net: str, batch: int) -> tuple[Run, Facts]:
    import torch

    model, x = torch.compile(module(net)), torch.from_numpy(noise(net, batch))

    @torch.inference_mode()
    def run() -> Any:
        return model(x)

    return timed(run, lambda found: found.numpy(), batch=batch)


def openvino_on(path: str, net: str, batch: int, precision: str) -> tuple[Run, Facts]:
    import openvino

    core = openvino.Core()
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": cores(),
    }
    request = core.compile_model(core.read_model(path), "CPU", hints).create_infer_request()
    x = noise(net, batch)
    return timed(lambda: request.infer([x])[0], lambda found: found, batch=batch)


def openvino_f32(path: str, net: str, batch: int) -> tuple[Run, Facts]:
    return openvino_on(path, net, batch, "f32")


def openvino_bf16(path: str, net: str, batch: int) -> tuple[Run, Facts]:
    return openvino_on(path, net, batch, "bf16")


def written(net: str, path: str, how: str) -> tuple[Run, Facts]:
    """Writes a net's file, in a process of its own: exporters take memory and do not give it back."""
    if how == OURS:
        import netspec

        netspec.load(net).to_onnx(path, seed=0, logits=True)
    else:
        import torch

        x = torch.from_numpy(noise(net, 2))
        if how == "torch_dynamo":
            shapes = ({0: torch.export.Dim.DYNAMIC},)
            torch.onnx.export(module(net), (x,), path, dynamo=True, dynamic_shapes=shapes)
        else:
            axes = {"input": {0: "N"}}
            names = ["input"]
            torch.onnx.export(
                module(net), (x,), path, dynamo=False, input_names=names, dynamic_axes=axes
            )
    import onnx

    nodes = len(onnx.load(path, load_external_data=False).graph.node)
    return (lambda: 0.0), {"nodes": nodes}


# What runs each contender, what it needs, and the file that it runs, if any.
CONTENDERS: dict[str, tuple[Callable[..., tuple[Run, Facts]], tuple[str, ...], str]] = {
    OURS: (onnxruntime_on, ("onnxruntime",), OURS),
    "torch_torchscript": (onnxruntime_on, ("onnxruntime", "torch"), "torch_torchscript"),
    "torch_dynamo": (onnxruntime_on, ("onnxruntime", "torch", "onnxscript"), "torch_dynamo"),
    "torch_eager": (eager, ("torch",), ""),
    "torch_compile": (compiled, ("torch",), ""),
    "openvino_fp32": (openvino_f32, ("openvino",), OURS),
    "openvino_bf16": (openvino_bf16, ("openvino",), OURS),
}


def without(name: str) -> str:
    """Why a contender cannot take part; nothing where it can."""
    for package in CONTENDERS[name][1]:
        if find_spec(package) is None:
            return f"{package} is not installed"
    if name == "openvino_bf16":
        import openvino

        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "this processor has no bf16"
    return ""


def files(net: str, folder: str, names: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The files of a net by who wrote them, and what is said of each."""
    paths, said = {}, {}
    for how in dict.fromkeys(CONTENDERS[name][2] for name in names):
        if not how:
            continue
        path = str(Path(folder) / f"{how}.onnx")
        try:
            writer = Apart(written, net, path, how, patience=PATIENCE)
            said[how] = writer.facts
            writer.close()
            paths[how] = path
        except NetspecError as error:
            said[how] = {"missing": why(error)}
    return paths, said


def at_batch(
    net: str, batch: int, rounds: int, paths: dict[str, str], missing: dict[str, str]
) -> dict[str, Any]:
    """The contenders' figures, or why there are none."""
    found: dict[str, Any] = {name: {"missing": reason} for name, reason in missing.items()}
    running: dict[str, Apart] = {}
    try:
        for name, (make, _, file) in CONTENDERS.items():
            if name in missing:
                continue
            try:
                running[name] = Apart(make, paths.get(file, ""), net, batch, patience=PATIENCE)
            except NetspecError as refusal:
                if name == OURS:
                    raise
                found[name] = {"missing": why(refusal)}
        turns = dict(zip(running, in_turns(list(running.values()), rounds), strict=True))
    finally:
        for contender in running.values():
            contender.close()
    reference = running[OURS].facts["answer"]
    for name, contender in running.items():
        found[name] = {
            **figures(turns[name], turns[OURS]),
            "error": error(contender.facts["answer"], reference),
        }
    return {name: found[name] for name in CONTENDERS}


def measured(net: str, batches: list[int], rounds: int, chosen: list[str]) -> dict[str, Any]:
    start, load = time.perf_counter(), os.getloadavg()[0]
    missing = {name: "not asked for" for name in CONTENDERS if name not in (OURS, *chosen)}
    for name in CONTENDERS.keys() - missing.keys():
        if reason := without(name):
            missing[name] = reason
    with tempfile.TemporaryDirectory() as folder:
        paths, said = files(net, folder, [name for name in CONTENDERS if name not in missing])
        for name, (_, _, file) in CONTENDERS.items():
            if name not in missing and file and file not in paths:
                missing[name] = said[file]["missing"]
        found = {str(b): at_batch(net, b, rounds, paths, missing) for b in batches}
    return {
        "files": said,
        "batches": found,
        "load_before": round(load, 2),
        "seconds": round(time.perf_counter() - start, 1),
    }


def installed() -> list[str]:
    def there(package: str) -> bool:
        try:
            return bool(version(package))
        except PackageNotFoundError:
            return False

    return [package for package in PACKAGES if there(package)]


def resumed(output: Path | None, again: bool, about: dict[str, Any]) -> dict[str, Any]:
    """What an earlier run has found, if it was on this machine and measured the same way."""
    if output is None or not output.exists() or again:
        return {**about, "nets": {}}
    found: dict[str, Any] = json.loads(output.read_text())
    if {key: found.get(key) for key in about} != about:
        raise SystemExit(
            f"{output} is of another machine, versions or settings: --again forgets it"
        )
    return found


def main() -> None:
    parser = options(__doc__, 15)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--nets", nargs="*", default=NETS, metavar="NET")
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--contenders", nargs="*", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--again", action="store_true", help="forget what the output file holds")
    chosen = parser.parse_args()
    settings = {"rounds": chosen.rounds, "batches": chosen.batches, "threads": cores()}
    about = {"machine": machine(*installed()), "settings": settings}
    found = resumed(chosen.output, chosen.again, about)
    for net in chosen.nets:
        if net in found["nets"]:
            continue
        found["nets"][net] = measured(net, chosen.batches, chosen.rounds, chosen.contenders)
        print(f"{net}: {found['nets'][net]['seconds']:.0f} s", file=sys.stderr)
        if chosen.output:
            write(found, chosen.output, quiet=True)
    if not chosen.output:
        write(found, None)


if __name__ == "__main__":
    main()

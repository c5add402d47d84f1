"""What netspec's files do on a GPU: proof of every shipped net, and times beside PyTorch's.

    python benchmarks/gpu.py -o gpu.json                     # at most eight minutes, whatever happens
    python benchmarks/gpu.py -o gpu.json --steps compiled
    python benchmarks/gpu.py -o gpu.json --device cpu --nets lenet5 --verify lenet5 --batches 1 2

It needs torch with CUDA and onnxruntime-gpu. In this order, each within what is left of --seconds:

1. For each of --nets at each batch size, in turns: netspec's file in fp32 and fp16 (NHWC, bound inputs
   and outputs, a CUDA graph), and PyTorch, eager, channels last, in fp32 and fp16. TF32 is off.
2. Every shipped net through ONNX Runtime on the device against PyTorch in double precision, the
   cheapest first; those that no time is left for are named.
3. netspec's fp16 file again, beside torch.compile in fp16 (max-autotune, channels last), which takes
   minutes to compile: what it does not compile in the time left is named.

All have the same weights, drawn so that values neither vanish nor outgrow fp16; the error is the largest
difference from netspec's fp32 file in that file's largest value.
Ratios are to netspec's file of the same precision in the same rounds: above 1 the contender is slower.
Shares are of the chip's limits: multiply-adds, two operations each, of the peak that its maker states,
and weights, inputs and outputs, read or written once, of the memory's bandwidth. No node that reads what
a sample holds may run on the CPU: a session that puts one there is not made. The JSON is written after
each step, and steps that are not asked for stay in it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from report import options, write
from sides import error, figures, timed, why
from verify_all import SHIPPED, machine, measured

from netspec.backends.measure import Apart, Facts, Run, in_turns
from netspec.diagnostics.raised import NetspecError

NETS = ("resnet50", "googlenet", "densenet121", "vgg16")
# Seconds of a turn: a GPU that was idle takes some time to its full clock.
TURN = 0.1
# What the steps have of the time, in parts; the last has what is left.
STEPS = {"times": 8, "proofs": 7, "compiled": 5}
# Seconds that one net's proof may take, and that ending takes.
PROOF, ENDING = 120.0, 10.0

# Peak operations a second, dense, in fp16 with tensor cores and in fp32 without, and bytes a second,
# by the name that CUDA gives: NVIDIA's data sheets "H100 Tensor Core GPU" (2024), "H200" (2024),
# "A100" (2021), "L40S" (2023), "L4" (2023), "A10" (2021), "T4" (2019), "V100" (2020). Where a sheet
# states figures with sparsity, they are halved.
CHIPS = {
    "NVIDIA H200": (989.5e12, 67e12, 4.8e12),
    "NVIDIA H100 80GB HBM3": (989.5e12, 67e12, 3.35e12),
    "NVIDIA H100 PCIe": (756.5e12, 51e12, 2.0e12),
    "NVIDIA H100 NVL": (835.5e12, 60e12, 3.9e12),
    "NVIDIA A100-SXM4-80GB": (312e12, 19.5e12, 2.039e12),
    "NVIDIA A100-SXM4-40GB": (312e12, 19.5e12, 1.555e12),
    "NVIDIA A100 80GB PCIe": (312e12, 19.5e12, 1.935e12),
    "NVIDIA A100-PCIE-40GB": (312e12, 19.5e12, 1.555e12),
    "NVIDIA L40S": (362e12, 91.6e12, 0.864e12),
    "NVIDIA L4": (121e12, 30.3e12, 0.3e12),
    "NVIDIA A10": (125e12, 31.2e12, 0.6e12),
    "Tesla T4": (65e12, 8.1e12, 0.32e12),
    "Tesla V100-SXM2-16GB": (125e12, 15.7e12, 0.9e12),
    "Tesla V100-SXM2-32GB": (125e12, 15.7e12, 0.9e12),
}
WIDTH = {"fp32": 4, "fp16": 2}


class Budget:
    """Seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())

    def part(self, seconds: float) -> Budget:
        """As much of it, or what is left."""
        return Budget(min(seconds, self.left()))


def netspec_file(
    path: str, weights: str, net: str, batch: int, device: str, dtype: str, quiet: Any
) -> tuple[Run, Facts]:
    """netspec's file, bound to the device."""
    import numpy as np

    import netspec
    from netspec.backends.onnx.compile import compile_graph
    from netspec.backends.onnx.options import FileOptions
    from netspec.backends.runtime import Session
    from netspec.backends.switches import Switches

    graph = netspec.load(net).graph
    more: dict[str, Any] = {"dtype": dtype, "io": dtype} if dtype != "fp32" else {}
    compile_graph(
        graph, Path(path), FileOptions(logits=True, batch=batch, **more), source=given(weights)
    )
    on_gpu = device == "cuda"
    switches = Switches(cuda_graph=on_gpu, nhwc=on_gpu and dtype == "fp16", tf32=False)
    session = Session(Path(path), device=device, switches=switches, most=None)
    arrays = inputs(net, batch)
    said = {
        "provider": session.provider,
        "precision": session.precision,
        "switches": session.switches.differences(Switches(threads=0)),
        "batch": batch,
    }

    def answer(_seconds: float) -> Any:
        (array,) = bound.outputs().values()
        return array.astype(np.float32)

    with quiet:
        bound = session.bind(arrays)
        _, facts = timed(bound.run, answer, **said)
    return bound.run, facts


def given(weights: str) -> Any:
    """The weights that are in a file of arrays."""
    import numpy as np

    from netspec.weights.sources import Given

    return Given(dict(np.load(weights)))


def drawn(net: str, path: str) -> None:
    """Writes weights of a net with which values neither vanish nor outgrow fp16."""
    import numpy as np

    import netspec
    from netspec.backends.onnx.compile import prepared
    from netspec.verify.weights import fitted

    tensors = fitted(prepared(netspec.load(net).graph, logits=True)).tensors
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})


def torch_on(
    weights: str,
    net: str,
    batch: int,
    device: str,
    dtype: str,
    quiet: Any,
    wrap: Callable[[Any], Any],
) -> tuple[Run, Facts]:
    """The net in PyTorch, channels last."""
    import torch

    import netspec
    from netspec.backends.onnx.compile import prepared
    from netspec.backends.torch.modules import to_module

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    kind = {"fp32": torch.float32, "fp16": torch.float16}[dtype]
    placed: dict[str, Any] = {
        "device": device,
        "dtype": kind,
        "memory_format": torch.channels_last,
    }
    graph = prepared(netspec.load(net).graph, logits=True)
    model = wrap(to_module(graph, given(weights)).eval().to(**placed))
    (x,) = (torch.from_numpy(array).to(**placed) for array in inputs(net, batch).values())

    @torch.inference_mode()
    def run() -> Any:
        found = model(x)
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    facts = {"batch": batch, "provider": f"torch {device}", "precision": dtype}
    with quiet:
        return timed(run, lambda found: found.float().cpu().numpy(), **facts)


def torch_eager(
    _path: str, weights: str, net: str, batch: int, device: str, dtype: str, quiet: Any
) -> tuple[Run, Facts]:
    return torch_on(weights, net, batch, device, dtype, quiet, lambda model: model)


def torch_compile(
    _path: str, weights: str, net: str, batch: int, device: str, dtype: str, quiet: Any
) -> tuple[Run, Facts]:
    import torch

    def wrap(model: Any) -> Any:
        if device == "cpu":  # a rehearsal: nothing is generated
            return torch.compile(model, backend="eager")
        return torch.compile(model, mode="max-autotune")

    return torch_on(weights, net, batch, device, dtype, quiet, wrap)


def inputs(net: str, batch: int) -> dict[str, Any]:
    import netspec
    from netspec.verify.samples import sample_inputs

    return dict(sample_inputs(netspec.load(net).graph, batch=batch))


Contender = tuple[Callable[..., tuple[Run, Facts]], str]
FIRST: dict[str, Contender] = {
    "netspec_fp32": (netspec_file, "fp32"),
    "netspec_fp16": (netspec_file, "fp16"),
    "torch_eager_fp32": (torch_eager, "fp32"),
    "torch_eager_fp16": (torch_eager, "fp16"),
}
LAST: dict[str, Contender] = {
    "netspec_fp16": (netspec_file, "fp16"),
    "torch_compile_fp16": (torch_compile, "fp16"),
}


def started(
    contenders: dict[str, Contender], net: str, batch: int, device: str, folder: str, budget: Budget
) -> tuple[dict[str, Apart], dict[str, Any]]:
    """The contenders, each in its process, and why others are not there.

    They start together, but the first run, which tries algorithms, is made by one at a time.
    """
    quiet = multiprocessing.get_context("spawn").Lock()

    def start(name: str) -> Apart:
        make, dtype = contenders[name]
        path = str(Path(folder) / f"{name}.onnx")
        weights = str(Path(folder).parent / f"{Path(net).stem}.npz")
        return Apart(make, path, weights, net, batch, device, dtype, quiet, patience=budget.left())

    running: dict[str, Apart] = {}
    missing: dict[str, Any] = {}
    with ThreadPoolExecutor(len(contenders)) as pool:
        for name, future in [(name, pool.submit(start, name)) for name in contenders]:
            try:
                running[name] = future.result()
            except NetspecError as refusal:
                missing[name] = {"missing": why(refusal)}
    return running, missing


def side_by_side(
    contenders: dict[str, Contender],
    net: str,
    batch: int,
    device: str,
    folder: str,
    rounds: int,
    budget: Budget,
    chip: tuple[float, float, float] | None,
) -> dict[str, Any]:
    """The figures of the contenders on one net at one batch size."""
    with tempfile.TemporaryDirectory(dir=folder) as inner:
        running, found = started(contenders, net, batch, device, inner, budget)
    try:
        turns = dict(zip(running, in_turns(list(running.values()), rounds, turn=TURN), strict=True))
    except NetspecError as refusal:
        return {name: {"missing": why(refusal)} for name in contenders}
    finally:
        for contender in running.values():
            contender.close()
    reference = next((c.facts["answer"] for c in running.values()), None)
    for name, contender in running.items():
        facts = contender.facts
        ours = f"netspec_{facts['precision']}"
        answer = facts.pop("answer")
        figured = figures(turns[name], turns.get(ours, turns[name]))
        if ours not in turns:
            figured = {key: value for key, value in figured.items() if "ratio" not in key}
        found[name] = {
            **figured,
            **shares(net, batch, facts["precision"], figured["median_ms"] / 1000, chip),
            "error": error(answer, reference),
            **facts,
        }
    return {name: found[name] for name in contenders}


def shares(
    net: str, batch: int, precision: str, seconds: float, chip: tuple[float, float, float] | None
) -> dict[str, float]:
    """Of the chip's peak and of its bandwidth; nothing of a chip that is not known."""
    if chip is None:
        return {}
    import netspec
    from netspec.analysis.costs import costs
    from netspec.sizes.shapes import numel

    graph = netspec.load(net).graph
    cost = costs(graph)
    values = [n.types[0] for n in graph.inputs] + [o.value.type for o in graph.outputs]
    moved = cost.stored + batch * sum(int(numel(value.shape)) for value in values)
    peak = chip[0] if precision == "fp16" else chip[1]
    return {
        "share_of_peak": round(2 * int(cost.macs) * batch / seconds / peak, 4),
        "share_of_bandwidth": round(moved * WIDTH[precision] / seconds / chip[2], 4),
    }


def proven(
    names: list[str], device: str, workers: int, budget: Budget, kept: Callable[[Any], None]
) -> None:
    """Each net against double precision, as `verify_all.py` does; `kept` gets each result."""

    def one(name: str) -> dict[str, Any]:
        left = budget.left()
        if left < 1:
            return {"name": name, "ok": None, "failure": "no time was left"}
        return measured("net", (name, device, (), 1), min(PROOF, left))

    with ThreadPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(one, name) for name in names]):
            kept(future.result())


def cheapest_first() -> list[str]:
    import netspec
    from netspec.analysis.costs import costs

    def cost(name: str) -> float:
        found = costs(netspec.load(name).graph)
        macs = found.macs if isinstance(found.macs, int) else 1e12
        return 10.0 * macs + found.stored

    paths = [*SHIPPED.glob("*.ns"), *(SHIPPED / "today").glob("*.ns")]
    return sorted((path.stem for path in paths), key=cost)


def everything(chosen: argparse.Namespace, budget: Budget, folder: str) -> dict[str, Any]:
    """The steps that are chosen, written as they go."""
    found = begun(chosen)
    known = found["chip"]
    chip = tuple(known.values()) if isinstance(known, dict) else None
    parts = sum(STEPS[step] for step in chosen.steps)

    def share(step: str) -> Budget:
        last = step == chosen.steps[-1]
        return budget if last else budget.part(chosen.seconds * STEPS[step] / parts)

    def save() -> None:
        if chosen.output:
            write(found, chosen.output, quiet=True)

    def times(into: str, contenders: dict[str, Contender], part: Budget) -> None:
        work = [(net, batch) for net in chosen.nets for batch in chosen.batches]
        for i, (net, batch) in enumerate(work):
            weights = Path(folder) / f"{Path(net).stem}.npz"
            if not weights.exists():
                drawn(net, str(weights))
            fair = part.part(max(part.left() / (len(work) - i), 0.6 * part.left()))
            here = side_by_side(
                contenders, net, batch, chosen.device, folder, chosen.rounds, fair, chip
            )
            found[into].setdefault(net, {})[str(batch)] = here
            save()
            print(f"{into}: {net}, batch {batch}; {budget.left():.0f} s left", file=sys.stderr)

    def prove(result: dict[str, Any]) -> None:
        proofs, name = found["proofs"], result["name"]
        if result["ok"] is None:
            proofs["not_run"][name] = result["failure"]
        elif result["ok"]:
            provider = result["verify"]["provider"]
            proofs["ok"].append({"name": name, "provider": provider})
        else:
            proofs["wrong"].append({"name": name, **result})
        save()

    save()
    if "times" in chosen.steps:
        times("times", FIRST, share("times"))
    if "proofs" in chosen.steps:
        names = cheapest_first() if chosen.verify is None else chosen.verify
        # Many processes side by side: each with few threads.
        os.environ["OMP_NUM_THREADS"] = "2"
        proven(names, chosen.device, chosen.workers, share("proofs"), prove)
        del os.environ["OMP_NUM_THREADS"]
    if "compiled" in chosen.steps:
        times("compiled", LAST, share("compiled"))
    found["seconds_left"] = round(budget.left(), 1)
    write(found, chosen.output)
    return found


def begun(chosen: argparse.Namespace) -> dict[str, Any]:
    """What is found before the first step: other steps of the same machine, where the file has them."""
    about = machine(chosen.device)
    chip = CHIPS.get(about.get("gpu", ""))
    found: dict[str, Any] = {
        "machine": about,
        "chip": dict(zip(("fp16_peak", "fp32_peak", "bandwidth"), chip, strict=True))
        if chip
        else "not known: no shares",
        "settings": {"rounds": chosen.rounds, "seconds": chosen.seconds, "turn_seconds": TURN},
        "weights": "drawn so that values neither vanish nor outgrow fp16",
    }
    empty = {"times": {}, "proofs": {"ok": [], "wrong": [], "not_run": {}}, "compiled": {}}
    if chosen.output and chosen.output.exists():
        before = json.loads(chosen.output.read_text())
        if before["machine"] == about:
            empty |= {step: before[step] for step in STEPS if step not in chosen.steps}
    return found | empty


def main() -> None:
    parser = options(__doc__, 7)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=470.0, help="for all of it")
    parser.add_argument(
        "--steps",
        nargs="+",
        default=list(STEPS),
        choices=list(STEPS),
        help="the others stay in the file as they are",
    )
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--batches", nargs="*", type=int, default=[256, 1])
    parser.add_argument("--verify", nargs="*", help="nets to prove; all that ship by default")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) * 3 // 4))
    chosen = parser.parse_args()
    # Should anything hang, it ends all the same; what was found is in the file.
    last = threading.Timer(chosen.seconds, os._exit, (3,))
    last.daemon = True
    last.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = everything(chosen, Budget(chosen.seconds - ENDING), folder)
    finally:
        last.cancel()
    raise SystemExit(1 if found["proofs"]["wrong"] else 0)


if __name__ == "__main__":
    main()

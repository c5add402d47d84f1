"""The memory of a training step as netspec says it, beside what torch keeps and allocates.

    python benchmarks/training_memory.py -o benchmarks/results/training_memory.json
    python benchmarks/training_memory.py lenet5 resnet50

For each net, in training mode on noise: the bytes of the distinct storages that autograd keeps for
backward (`saved_tensors_hooks`; parameters, buffers and inputs do not count), in float32 and under
`torch.autocast` in bfloat16, on the CPU; the bytes of the module's parameters and buffers, and of AdamW's
state after a step; and the most bytes that torch holds at once of what it allocates from the start of the
forward pass to the end of the backward pass, by its profiler. Each net runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from report import machine, options, write

ROOT = Path(__file__).parent.parent
# Each net with its input where sizes are open, and the batch.
NETS: dict[str, tuple[tuple[str, ...], int]] = {
    "lenet5": ((), 8),
    "alexnet": ((), 2),
    "vgg16": ((), 2),
    "googlenet": ((), 2),
    "resnet50": ((), 2),
    "densenet121": ((), 2),
    "mobilenet_v2": ((), 2),
    "efficientnet_b0": ((), 2),
    "unet": ((), 1),
    "vit_b_16": ((), 2),
    "swin_t": ((), 2),
    "convnext_tiny": ((), 2),
    "maxvit_t": ((), 2),
    "captioning": ((), 2),
    "conformer_large": (("80x200",), 2),
    "bert_base": (("words=128", "segments=128"), 2),
    "gpt2": (("128",), 2),
    "yolov8n": ((), 2),
    "detr_resnet50": ((), 1),
}


def measured(name: str) -> dict[str, Any]:
    """One net's figures."""
    sys.path.insert(0, str(ROOT / "tests"))
    import torch
    from support.differential import inputs_for
    from support.kept import kept_by_torch, profiled_peak

    import netspec

    shapes, batch = NETS.get(name, ((), 2))
    net = netspec.load(name, input=shapes)
    module = net.to_torch().train()
    tensors = [torch.from_numpy(array) for array in inputs_for(net.graph, batch, {})]
    taken = {dtype: net.training_memory(batch=batch, dtype=dtype) for dtype in ("fp32", "bf16")}
    kept = {dtype: sum(kept_by_torch(module, tensors, dtype)[1]) for dtype in taken}
    peak = profiled_peak(module, tensors)
    optimizer = torch.optim.AdamW(module.parameters())
    optimizer.step()
    state = sum(value.nbytes for held in optimizer.state.values() for value in held.values())
    ours = taken["fp32"]
    beside = ours.weights + ours.buffers + ours.optimizer_state + ours.inputs
    own = sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
    return {
        "net": name,
        "input": list(shapes),
        "batch": batch,
        **{f"kept_{dtype}": pair(step.activations, kept[dtype]) for dtype, step in taken.items()},
        "weights_and_buffers": pair(ours.weights + ours.buffers, own),
        "adamw_state": pair(ours.optimizer_state, state),
        "peak_without_what_was_there": pair(ours.peak - beside, peak),
    }


def pair(said: int, found: int) -> dict[str, Any]:
    """What was said, what was found, and the ratio."""
    return {"said": said, "measured": found, "ratio": round(said / found, 4)}


def main() -> None:
    parser = options(__doc__, 1)
    parser.add_argument("nets", nargs="*", help="shipped nets; those of the page by default")
    parser.add_argument("--one", help="the figures of one net, for the benchmark itself")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one)))
        return
    rows = []
    for name in given.nets or NETS:
        run = [sys.executable, __file__, "--one", name]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        figures = {key: value for key, value in rows[-1].items() if isinstance(value, dict)}
        print(name, {key: value["ratio"] for key, value in figures.items()}, flush=True)
    write({"machine": machine("torch"), "nets": rows}, given.output, quiet=True)


if __name__ == "__main__":
    main()

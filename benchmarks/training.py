"""Training in one process and in two: the losses of both, and what each process and each step holds.

    torchrun --standalone --nproc-per-node 2 benchmarks/training.py

Three steps of SGD on a batch of four, dropout off; the loss is the mean square of every output, heads by
their weights. Two processes, by DistributedDataParallel and by FSDP2, are held against one that computes
the batch whole; where a net has batch statistics, against one that computes it in two parts.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from report import machine, options, write
from torch import Tensor, nn

import netspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from train import spread

# Input sizes, and the blocks that are computed anew.
NETS: dict[str, tuple[dict[str, Any], str]] = {
    "googlenet": ({}, "inception"),
    "examples/vit_tiny.ns": ({}, "encoder"),
    "unet": ({"input": "1x188x188"}, ""),
    "resnet18": ({"input": "3x64x64"}, "basic"),
    "mobilenet_v2": ({"input": "3x64x64"}, "inverted"),
    "tdnn": ({}, ""),
}
BATCH, STEPS, RATE = 4, 3, 1e-3


def square(output: Any) -> Tensor:
    """The mean square of an output, or of several together."""
    several = output if isinstance(output, tuple) else (output,)
    return sum(tensor.square().mean() for tensor in several)  # type: ignore[return-value]


def losses(module: nn.Module, model: nn.Module, parts: list[Tensor]) -> list[float]:
    """The loss of each step, of all processes."""
    optimizer = torch.optim.SGD(netspec.param_groups(model, lr=RATE), momentum=0.9)
    found = []
    for _ in range(STEPS):
        total = torch.zeros(())
        for part in parts:
            loss = module.total_loss(square, model(part)) / len(parts)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        dist.all_reduce(total)
        found.append(total.item() / dist.get_world_size())
    return found


def furthest(found: list[float], expected: list[float]) -> float:
    """The largest difference, of the loss that it is of."""
    gaps = [abs(x - y) / abs(y) for x, y in zip(found, expected, strict=True)]
    return float(f"{max(gaps):.1e}")


def kept(module: nn.Module, images: Tensor) -> int:
    """Bytes of what a step keeps for backward, parameters among them, each storage once."""
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = module(images)
        square(outputs if isinstance(outputs, Tensor) else outputs.main)
    return sum(held.values())


def measured(name: str) -> dict[str, Any]:
    """What is told of one net."""
    settings, blocks = NETS[name]
    net = netspec.load(name, **settings)
    base = net.to_torch(logits=True)
    for layer in base.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    shape = net.graph.inputs[0].types[0].shape
    images = torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(0))
    normed = any("running" in key for key in base.state_dict())
    parts = [images[0::2], images[1::2]] if normed else [images]
    module = copy.deepcopy(base)
    alone = losses(module, module, parts)
    rank, world = dist.get_rank(), dist.get_world_size()
    told: dict[str, Any] = {"parameters": net.params, "batch statistics": normed, "loss": alone[0]}
    for how in ("ddp", "fsdp"):
        module = copy.deepcopy(base)
        model = spread(module, how)
        told[how] = furthest(losses(module, model, [images[rank::world]]), alone)
    shares = [p.to_local().numel() for p in module.parameters()]
    told["units"] = len(netspec.sharding_units(base))
    told["held"] = round(sum(shares) / sum(p.numel() for p in base.parameters()), 3)
    if blocks:
        told["kept"] = kept(copy.deepcopy(base), images)
        again = copy.deepcopy(base)
        netspec.recompute_blocks(again, blocks)
        told["recomputed"] = blocks
        told["kept then"] = kept(again, images)
    return told


def main() -> None:
    parser = options(__doc__, 1)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    given = parser.parse_args()
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    found: dict[str, Any] = {"machine": machine("torch"), "processes": dist.get_world_size()}
    found["nets"] = {name: measured(name) for name in given.nets}
    if dist.get_rank() == 0:
        write(found, given.output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

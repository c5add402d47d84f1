"""Trains a classifier in one process or several, and exports it.

    python examples/train.py                              # LeNet-5 on scikit-learn's digits
    python examples/train.py --spec resnet20_cifar --input 1x16x16 --epochs 4
    python examples/train.py --spec tuned.ns --data photos --weights old.pt --part '*=0.1' --part scores=1
    torchrun --nproc-per-node 2 examples/train.py --parallel ddp        # or fsdp

`--data` is `digits`, a folder with a folder of images for each class, prepared as the spec's `preprocess`
line says, or an .npz file: `images`, float (N, C, H, W), and `labels` (N). A fifth is held out.

After each epoch `--checkpoint` has all that training goes on from, in any number of processes: the same
command again goes on after a crash. `netspec compile SPEC --weights NAME.pt` takes the weights from it.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.fsdp import fully_shard
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau
from torch.utils.data import DataLoader, Subset
from training_images import Moved, read

import netspec
from netspec.backends.runtime import Session
from netspec.checkpoints import load

WHOLE = states.StateDictOptions(full_state_dict=True, cpu_offload=True)


def shares(count: int, batch: int, accumulate: int, seed: int) -> list[list[int]]:
    """The images that this process takes of each batch, in `accumulate` parts of the same size.

    The batches are the same however many processes there are; images that fill none wait for an epoch.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    rank, world = dist.get_rank(), dist.get_world_size()
    starts = range(0, count - batch + 1, batch)
    parts = [(start, rank + world * k) for start in starts for k in range(accumulate)]
    return [order[start + first : start + batch : world * accumulate] for start, first in parts]


def mean(values: Tensor) -> Tensor:
    """The mean over all processes."""
    dist.all_reduce(values)
    return values / dist.get_world_size()


def tell(text: str) -> None:
    """Says it once, however many processes there are."""
    if dist.get_rank() == 0:
        click.echo(text)


def spread(module: nn.Module, parallel: str) -> nn.Module:
    """The net as its processes have it: whole in each, or a share of each block's weights in each."""
    if parallel == "ddp":
        return DistributedDataParallel(module)
    if parallel == "fsdp":
        for block in [*netspec.sharding_units(module), module]:
            fully_shard(block)
    return module


def exchanging(model: nn.Module, now: bool) -> AbstractContextManager[None]:
    """Processes add up their gradients only once a batch is through."""
    if hasattr(model, "set_requires_gradient_sync"):  # FSDP2
        model.set_requires_gradient_sync(now)
    return (
        model.no_sync() if isinstance(model, DistributedDataParallel) and not now else nullcontext()
    )


def train_epoch(
    model: nn.Module, optimizer: Any, loader: DataLoader, o: dict[str, Any]
) -> list[float]:
    """One pass over the batches; gives the loss of each, of all processes."""
    net = getattr(model, "module", model)
    model.train()
    losses = []
    for part, (images, classes) in enumerate(loader, start=1):
        images, classes = images.to(o["device"]), classes.to(o["device"])
        last = part % o["accumulate"] == 0
        with exchanging(model, last):
            with torch.autocast(images.device.type, torch.bfloat16, enabled=o["dtype"] == "bf16"):
                loss = net.total_loss(F.cross_entropy, model(images), classes)
            (loss / o["accumulate"]).backward()
        losses.append(loss.detach())
        if last:
            optimizer.step()
            optimizer.zero_grad()
    for buffer in model.buffers():
        # BatchNorm sees each part by itself: its running statistics are those of the first process.
        dist.broadcast(buffer, 0)
    return mean(torch.stack(losses)).view(-1, o["accumulate"]).mean(1).tolist()


@torch.no_grad()
def accuracy(model: nn.Module, data: Subset, o: dict[str, Any]) -> float:
    """The share of images whose class the net gives. Each process looks at as many, some at one again."""
    model.eval()
    count, rank, world = len(data), dist.get_rank(), dist.get_world_size()
    mine = range(rank, count + -count % world, world)
    loader = DataLoader(Subset(data, [i % count for i in mine]), 64)
    found = [model(images.to(o["device"])).argmax(1).cpu() == kinds for images, kinds in loader]
    right = torch.cat(found) & torch.tensor([i < count for i in mine])
    return mean(right.sum(dtype=torch.float32).to(o["device"])).item() * world / count


def schedule_of(optimizer: Any, o: dict[str, Any]) -> LRScheduler:
    """`cosine` falls to zero; `plateau` to a tenth after each two epochs that were not better."""
    if o["schedule"] == "plateau":
        return ReduceLROnPlateau(optimizer, "max", factor=0.1, patience=2)
    return CosineAnnealingLR(optimizer, o["epochs"])


def train(net: netspec.Net, o: dict[str, Any]) -> list[float]:
    """Trains, or goes on after what the checkpoint has; gives the loss of each batch."""
    seen, held_out = read(o["data"], net, o["seed"])
    if len(seen) < o["batch"]:
        raise click.UsageError(f"{len(seen)} images fill no batch of {o['batch']}")
    weights = load(o["weights"], net.graph, partial=True) if o["weights"] else None
    module = net.to_torch(weights=weights, seed=o["seed"], logits=True).to(o["device"])
    model = spread(module, o["parallel"])
    parts = {path: float(times) for path, times in o["part"]}
    groups = netspec.param_groups(model, parts, lr=o["lr"], weight_decay=o["weight_decay"])
    sgd = o["optimizer"] == "sgd"
    optimizer = torch.optim.SGD(groups, momentum=0.9) if sgd else torch.optim.AdamW(groups)
    schedule = schedule_of(optimizer, o)
    epoch, losses = 0, []
    if o["checkpoint"].exists():
        held = torch.load(o["checkpoint"], weights_only=True)
        epoch, losses = held["epoch"], held["losses"]
        schedule.load_state_dict(held["schedule"])
        tell(f"{o['checkpoint']}: goes on after epoch {epoch}")
        states.set_model_state_dict(model, held["model"], options=WHOLE)
        states.set_optimizer_state_dict(model, optimizer, held["optimizer"], options=WHOLE)
    while epoch < o["epochs"]:
        seed = o["seed"] * 10**6 + epoch
        torch.manual_seed(seed * dist.get_world_size() + dist.get_rank())  # other masks for dropout
        mine = shares(len(seen), o["batch"], o["accumulate"], seed)
        loader = DataLoader(
            Moved(seen, seed, o["mirror"]), batch_sampler=mine, num_workers=o["workers"]
        )
        losses += (found := train_epoch(model, optimizer, loader, o))
        right = accuracy(model, held_out, o)
        schedule.step(right) if o["schedule"] == "plateau" else schedule.step()
        epoch += 1
        weights, state = states.get_state_dict(model, optimizer, options=WHOLE)
        if dist.get_rank() == 0:
            told = {"schedule": schedule.state_dict(), "epoch": epoch, "losses": losses}
            torch.save({"model": weights, "optimizer": state, **told}, f"{o['checkpoint']}.new")
            os.replace(f"{o['checkpoint']}.new", o["checkpoint"])  # whole, or as it was
        tell(f"epoch {epoch}: loss {np.mean(found):.4f}, {right:.1%} of held-out images right")
    if dist.get_rank() == 0:
        export(net, torch.stack([held_out[i][0] for i in range(min(64, len(held_out)))]), o)
    return losses


def export(net: netspec.Net, images: Tensor, o: dict[str, Any]) -> None:
    """Writes the ONNX file, and refuses it where it answers otherwise than the module."""
    path = net.to_onnx(o["output"], weights=o["checkpoint"])
    with torch.no_grad():
        expected = net.to_torch(weights=o["checkpoint"]).eval()(images).numpy()
    (found,) = Session(path).run({net.graph.inputs[0].path: images.numpy()}).outputs.values()
    if not np.allclose(found, expected, atol=1e-4):
        raise click.ClickException(f"{path}: ONNX Runtime gives other answers than PyTorch")
    tell(f"{path}: ONNX Runtime gives the same answers as PyTorch")


def pair(_: Any, __: Any, given: tuple[str, ...]) -> list[tuple[str, ...]]:
    """`NAME=VALUE` of the command line."""
    if wrong := [text for text in given if "=" not in text]:
        raise click.BadParameter(f"{wrong[0]} has no value: NAME=VALUE")
    return [tuple(text.split("=", 1)) for text in given]


@click.command()
@click.option("--spec", default="lenet5", help="A shipped spec, or the path of one.")
@click.option("--set", "settings", multiple=True, callback=pair, help="NAME=VALUE of the spec.")
@click.option("--input", "size", help="The input's size, such as 1x32x32; the spec's by default.")
@click.option("--data", default="digits", help="`digits`, a folder of classes, or an .npz file.")
@click.option("--mirror", is_flag=True, help="Mirrors half of the images.")
@click.option("--weights", type=click.Path(exists=True), help="A checkpoint to start from.")
@click.option("--parallel", type=click.Choice(["ddp", "fsdp"]), help="How, under torchrun.")
@click.option("--epochs", default=30, help="Passes over the training images.")
@click.option("--batch", default=32, help="Images of a step, in all processes together.")
@click.option("--accumulate", default=1, help="Parts that a process computes its images in.")
@click.option("--optimizer", type=click.Choice(["adam", "sgd"]), default="adam")
@click.option("--lr", default=3e-3, help="Learning rate.")
@click.option("--part", multiple=True, callback=pair, help="PATH=X: X times the rate for a part.")
@click.option("--weight-decay", default=0.0, help="Of weights, not of norms and biases.")
@click.option("--schedule", type=click.Choice(["cosine", "plateau"]), default="cosine")
@click.option("--dtype", type=click.Choice(["fp32", "bf16"]), default="fp32", help="bf16: mixed.")
@click.option("--workers", default=0, help="Processes that read images, for each that trains.")
@click.option("--seed", default=0, help="Of the weights, the order, the split and dropout.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="NAME.pt by default.")
@click.option("--output", type=click.Path(path_type=Path), help="ONNX file; NAME.onnx by default.")
def main(**o: Any) -> list[float]:
    """Train a spec on images of classes and export it."""
    gpu, several = torch.cuda.is_available(), int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several != bool(o["parallel"]):
        raise click.UsageError("--parallel and torchrun go together")
    own = not dist.is_initialized()
    if own:
        how = {} if several else {"store": dist.HashStore(), "rank": 0, "world_size": 1}
        dist.init_process_group("nccl" if gpu and several else "gloo", **how)
    try:
        if o["batch"] % (dist.get_world_size() * o["accumulate"]):
            raise click.UsageError("--batch is to have equal parts for all processes")
        o["device"] = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if gpu else "cpu")
        net = netspec.load(o["spec"], input=o["size"] or (), **dict(o["settings"]))
        o["checkpoint"] = o["checkpoint"] or Path(f"{net.name}.pt")
        return train(net, o)
    except netspec.NetspecError as error:
        raise click.ClickException(str(error)) from None
    finally:
        if own:
            dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""Trains LeNet-5 on scikit-learn's digits, exports it, and asks ONNX Runtime the same questions.

    python examples/train_digits.py            # under half a minute
    python examples/train_digits.py --spec mlp --input 1x8x8 --output digits.onnx

Any spec that takes one image of one channel and gives ten classes will do. The digits are 8x8; they
are enlarged to the spec's input.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional as F

import netspec

BATCH = 32


def digits(height: int, width: int, seed: int) -> list[np.ndarray]:
    """Training images, held-out images, and the classes of both; a fifth is held out."""
    data = load_digits()
    images = torch.from_numpy(data.images.astype(np.float32) / 8 - 1)[:, None]
    images = F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
    return train_test_split(
        images.numpy(), data.target, test_size=0.2, random_state=seed, stratify=data.target
    )


def train(module: torch.nn.Module, images: np.ndarray, classes: np.ndarray, epochs: int) -> None:
    """Adam with a learning rate that falls to zero; the net gives logits."""
    x, y = torch.from_numpy(images), torch.from_numpy(classes)
    steps = epochs * -(-len(x) // BATCH)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    module.train()
    with click.progressbar(range(epochs), label="training") as bar:
        for _ in bar:
            for chosen in torch.randperm(len(x)).split(BATCH):
                optimizer.zero_grad()
                F.cross_entropy(module(shifted(x[chosen])), y[chosen]).backward()
                optimizer.step()
                schedule.step()


def shifted(images: torch.Tensor) -> torch.Tensor:
    """The images moved together by up to a sixteenth of their size."""
    far = images.shape[-1] // 16
    down, right = torch.randint(-far, far + 1, (2,)).tolist()
    return images.roll((down, right), (2, 3))


def predictions(module: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """The class of each image, as PyTorch sees it."""
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(images)).argmax(1).numpy()


@click.command()
@click.option("--spec", default="lenet5", help="A shipped spec, or the path of one.")
@click.option("--input", "size", help="The input's size, such as 1x32x32; the spec's by default.")
@click.option("--epochs", default=30, help="Passes over the training images.")
@click.option("--seed", default=0, help="Seed of the weights, the order and the split.")
@click.option("--output", type=click.Path(path_type=Path), default="digits.onnx", help="ONNX file.")
def main(spec: str, size: str | None, epochs: int, seed: int, output: Path) -> None:
    """Train a spec on handwritten digits and export it."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # more threads cost more than they save on images this small
    net = netspec.load(spec, input=size or ())
    _, height, width = net.graph.inputs[0].types[0].shape
    seen, held_out, seen_classes, held_out_classes = digits(height, width, seed)
    module = net.to_torch(seed=seed, logits=True)
    train(module, seen, seen_classes, epochs)
    found = predictions(module, held_out)
    click.echo(f"{net.name}: {(found == held_out_classes).mean():.1%} of held-out digits are right")
    net.to_onnx(output, weights=module.state_dict())
    result = net.run(held_out, weights=module.state_dict())
    (probabilities,) = result.outputs.values()
    same = (probabilities.argmax(1) == found).all()
    click.echo(f"{output}: ONNX Runtime gives {'the same' if same else 'OTHER'} predictions")
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()

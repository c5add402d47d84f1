"""Specs compute what plain PyTorch, written out by hand from the papers, computes."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from netspec.api.net import Net
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec

Weights = Iterator[Tensor]


def unet(x: Tensor, w: Weights, depth: int = 4) -> Tensor:
    skips = []
    for _ in range(depth):
        x = twice(x, w)
        skips.append(x)
        x = F.max_pool2d(x, 2)
    # Recursion makes every contracting layer before the first expanding one.
    x = twice(x, w)
    for skip in reversed(skips):
        x = F.conv_transpose2d(x, next(w), next(w), stride=2)
        top = (skip.shape[2] - x.shape[2]) // 2
        left = (skip.shape[3] - x.shape[3]) // 2
        kept = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        x = twice(torch.cat([kept, x], 1), w)
    return F.conv2d(x, next(w), next(w))


def twice(x: Tensor, w: Weights) -> Tensor:
    for _ in range(2):
        x = F.relu(F.conv2d(x, next(w), next(w)))
    return x


def normed(x: Tensor, w: Weights) -> Tensor:
    scale, shift, mean, variance = (next(w) for _ in range(4))
    return F.batch_norm(x, mean, variance, scale, shift)


def fractal(x: Tensor, w: Weights, columns: int) -> list[Tensor]:
    """The open columns, shallowest first: f(c) = { conv, f(c-1) joined, then f(c-1) }."""
    ends = [F.relu(normed(F.conv2d(x, next(w), padding=1), w))]
    if columns > 1:
        joined = torch.stack(fractal(x, w, columns - 1)).mean(0)
        ends += fractal(joined, w, columns - 1)
    return ends


def fractalnet(x: Tensor, w: Weights) -> Tensor:
    for _ in range(5):
        x = F.max_pool2d(torch.stack(fractal(x, w, 3)).mean(0), 2)
    return F.linear(x.flatten(1), next(w), next(w)).softmax(1)


def shuffled(x: Tensor, groups: int) -> Tensor:
    n, channels, height, width = x.shape
    x = x.view(n, groups, channels // groups, height, width).transpose(1, 2)
    return x.reshape(n, channels, height, width)


def shuffle_branch(x: Tensor, w: Weights, stride: int, first: int, groups: int) -> Tensor:
    x = F.relu(normed(F.conv2d(x, next(w), groups=first), w))
    x = shuffled(x, groups)
    x = normed(F.conv2d(x, next(w), stride=stride, padding=1, groups=x.shape[1]), w)
    return normed(F.conv2d(x, next(w), groups=groups), w)


def shufflenet_v1(x: Tensor, w: Weights) -> Tensor:
    x = F.relu(normed(F.conv2d(x, next(w), stride=2, padding=1), w))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, units in enumerate((3, 7, 3)):
        branch = F.relu(shuffle_branch(x, w, 2, 3 if stage else 1, 3))
        x = torch.cat([F.avg_pool2d(x, 3, 2, 1), branch], 1)
        for _ in range(units):
            x = F.relu(x + shuffle_branch(x, w, 1, 3, 3))
    return F.linear(x.mean((2, 3)), next(w)).softmax(1)


def dense_cifar(x: Tensor, w: Weights) -> Tensor:
    x = F.conv2d(x, next(w), padding=1)
    for block in range(3):
        for _ in range(2):
            x = torch.cat([x, F.conv2d(F.relu(normed(x, w)), next(w), padding=1)], 1)
        if block < 2:
            x = F.avg_pool2d(F.conv2d(F.relu(normed(x, w)), next(w)), 2)
    return F.linear(F.relu(normed(x, w)).mean((2, 3)), next(w), next(w)).softmax(1)


def after(x: Tensor) -> Tensor:
    """TensorFlow's SAME of a 3x3 window with stride 2 on an even size: one pixel, at the end."""
    return F.pad(x, (0, 1, 0, 1))


def upsampled(x: Tensor, w: Weights, stride: int) -> Tensor:
    """The transpose of that convolution: what falls on the padding is dropped."""
    x = F.conv_transpose2d(x, next(w), next(w), stride=stride)
    return x[:, :, :-1, :-1] if stride == 2 else x[:, :, 1:-1, 1:-1]


def vae(x: Tensor, w: Weights) -> tuple[Tensor, Tensor, Tensor]:
    for _ in range(2):
        x = F.relu(F.conv2d(after(x), next(w), next(w), stride=2))
    x = F.relu(F.linear(x.flatten(1), next(w), next(w)))
    mean, log_variance = (F.linear(x, next(w), next(w)) for _ in range(2))
    x = F.relu(F.linear(mean, next(w), next(w))).view(-1, 64, 7, 7)
    for stride in (2, 2):
        x = F.relu(upsampled(x, w, stride))
    return upsampled(x, w, 1).sigmoid(), mean, log_variance


def autoencoder(x: Tensor, w: Weights) -> Tensor:
    for _ in range(2):
        x = F.max_pool2d(F.relu(F.conv2d(x, next(w), next(w), padding=1)), 2)
    for _ in range(2):
        x = F.relu(upsampled(x, w, 2))
    return F.conv2d(x, next(w), next(w), padding=1).sigmoid()


def tdnn(x: Tensor, w: Weights) -> Tensor:
    for _ in range(2):
        x = F.conv1d(x, next(w), next(w)).sigmoid()
    return x.sum(2).sigmoid()


CASES: list[tuple[str, dict[str, object], str, Callable[..., object]]] = [
    ("unet", {"n": 4}, "1x192x220", unet),
    ("fractalnet20", {"width": 4}, "3x32x32", fractalnet),
    ("shufflenet_v1", {"width": 48, "first": 12}, "3x96x64", shufflenet_v1),
    ("densenet40_12", {"depth": 10, "k": 4}, "3x32x32", dense_cifar),
    ("vae", {}, "1x28x28", vae),
    ("autoencoder", {}, "1x28x28", autoencoder),
    ("tdnn", {}, "16x21", tdnn),
]


@pytest.mark.parametrize(("name", "settings", "size", "reference"), CASES)
def test_a_spec_computes_what_the_paper_says(
    name: str, settings: dict[str, object], size: str, reference: Callable[..., object]
) -> None:
    module = Net(build(read_spec(name), settings, (size,))).to_torch(seed=3).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if tensor.is_floating_point() and tensor.dim() == 1:
                noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(noise + 0.5 if "var" in key or "weight" in key else noise - 0.5)
        shape = [int(part) for part in size.split("x")]
        image = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        floats = [t for t in module.state_dict().values() if t.is_floating_point()]
        weights = iter(floats)
        expected = reference(image, weights)
        found = module(image)
    assert next(weights, None) is None
    pairs = zip(
        found if isinstance(found, tuple) else (found,),
        expected if isinstance(expected, tuple) else (expected,),
        strict=True,
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs)

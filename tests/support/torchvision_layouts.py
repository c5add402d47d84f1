"""Networks as torchvision lays them out, in plain PyTorch: its names, in its order of definition.

Written apart from netspec, so that what a checkpoint answers can be computed without it, under any
numbers. `NETS` has one function for each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from support.torchvision_inceptions import GoogLeNet, InceptionV3
from torch import Tensor, nn


def alexnet() -> nn.Module:
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    fc = [nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096)]
    return classified(features, 6, [*fc, nn.ReLU(), nn.Linear(4096, 1000)])


def classified(features: nn.Module, size: int, classifier: list[nn.Module]) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            features=features,
            avgpool=nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten()),
            classifier=nn.Sequential(*classifier),
        )
    )


def vgg(*counts: int, norm: bool = False) -> nn.Module:
    layers: list[nn.Module] = []
    into = 3
    for out, count in zip((64, 128, 256, 512, 512), counts, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(into, out, 3, padding=1))
            layers += [nn.BatchNorm2d(out), nn.ReLU()] if norm else [nn.ReLU()]
            into = out
        layers.append(nn.MaxPool2d(2))
    fc: list[nn.Module] = [nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout()]
    fc += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000)]
    return classified(nn.Sequential(*layers), 7, fc)


class Fire(nn.Module):
    def __init__(self, into: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(into, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def squeezenet1_1() -> nn.Module:
    pool = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
    features = nn.Sequential(
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(),
        Fire(64, 16, 64), Fire(128, 16, 64), pool(),
        Fire(128, 32, 128), Fire(256, 32, 128), pool(),
        Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
    )  # fmt: skip
    last = [nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(OrderedDict(features=features, classifier=nn.Sequential(*last)))


class Residual(nn.Module):
    """`conv1`, `bn1` and so on, then `downsample` where the shape changes."""

    def __init__(self, into: int, out: int, stride: int, convs: list[nn.Conv2d]) -> None:
        super().__init__()
        self.count = len(convs)
        for i, conv in enumerate(convs, 1):
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(conv.out_channels))
        self.downsample = None
        if stride > 1 or into != out:
            conv = nn.Conv2d(into, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            y = y.relu() if i < self.count else y
        return (y + (self.downsample(x) if self.downsample else x)).relu()


def basic(into: int, width: int, stride: int) -> Residual:
    first = nn.Conv2d(into, width, 3, stride, 1, bias=False)
    return Residual(into, width, stride, [first, nn.Conv2d(width, width, 3, padding=1, bias=False)])


def bottleneck(groups: int, base: int, into: int, width: int, stride: int) -> Residual:
    inner, out = width * base // 64 * groups, 4 * width
    convs = [
        nn.Conv2d(into, inner, 1, bias=False),
        nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False),
        nn.Conv2d(inner, out, 1, bias=False),
    ]
    return Residual(into, out, stride, convs)


def resnet(*counts: int, unit: Callable[[int, int, int], Residual]) -> nn.Module:
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "bn1": nn.BatchNorm2d(64),
        "relu": nn.ReLU(), "maxpool": nn.MaxPool2d(3, 2, 1),
    }  # fmt: skip
    into, expansion = 64, 1 if unit is basic else 4
    for stage, count in enumerate(counts):
        units = []
        for i in range(count):
            units.append(unit(into, 64 * 2**stage, 2 if stage and not i else 1))
            into = 64 * 2**stage * expansion
        parts[f"layer{stage + 1}"] = nn.Sequential(*units)
    parts["avgpool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    parts["fc"] = nn.Linear(into, 1000)
    return nn.Sequential(OrderedDict(parts))


class DenseLayer(nn.Sequential):
    def __init__(self, into: int) -> None:
        super().__init__(
            OrderedDict(
                norm1=nn.BatchNorm2d(into), relu1=nn.ReLU(),
                conv1=nn.Conv2d(into, 128, 1, bias=False),
                norm2=nn.BatchNorm2d(128), relu2=nn.ReLU(),
                conv2=nn.Conv2d(128, 32, 3, padding=1, bias=False),
            )
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], 1)


def densenet(*counts: int) -> nn.Module:
    parts: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "norm0": nn.BatchNorm2d(64),
        "relu0": nn.ReLU(), "pool0": nn.MaxPool2d(3, 2, 1),
    }  # fmt: skip
    width = 64
    for stage, count in enumerate(counts, 1):
        block = OrderedDict(
            (f"denselayer{i + 1}", DenseLayer(width + 32 * i)) for i in range(count)
        )
        parts[f"denseblock{stage}"] = nn.Sequential(block)
        width += 32 * count
        if stage < len(counts):
            conv = nn.Conv2d(width, width // 2, 1, bias=False)
            transition = OrderedDict(
                norm=nn.BatchNorm2d(width), relu=nn.ReLU(), conv=conv, pool=nn.AvgPool2d(2)
            )
            parts[f"transition{stage}"] = nn.Sequential(transition)
            width //= 2
    parts["norm5"] = nn.BatchNorm2d(width)
    pool = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    ends = OrderedDict(
        features=nn.Sequential(OrderedDict(parts)), pool=pool, classifier=nn.Linear(width, 1000)
    )
    return nn.Sequential(ends)


def conv_bn(
    into: int, out: int, kernel: int, stride: int = 1, groups: int = 1, act: Any = nn.ReLU
) -> list[nn.Module]:
    conv = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out), *([act()] if act else [])]


class Shortcut(nn.Module):
    """Adds its input to what its one part, under a name of the library's choice, makes of it."""

    def __init__(self, name: str, part: nn.Module, added: bool) -> None:
        super().__init__()
        self.add_module(name, part)
        self.name, self.added = name, added

    def forward(self, x: Tensor) -> Tensor:
        y = self.get_submodule(self.name)(x)
        return x + y if self.added else y


def mobilenet_v2() -> nn.Module:
    layers: list[nn.Module] = [nn.Sequential(*conv_bn(3, 32, 3, 2, act=nn.ReLU6))]
    into = 32
    for t, out, count, s in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(count):
            stride, wide = s if not i else 1, t * into
            parts: list[nn.Module] = []
            if t > 1:
                parts.append(nn.Sequential(*conv_bn(into, wide, 1, act=nn.ReLU6)))
            parts.append(nn.Sequential(*conv_bn(wide, wide, 3, stride, wide, nn.ReLU6)))
            parts += conv_bn(wide, out, 1, act=None)
            layers.append(Shortcut("conv", nn.Sequential(*parts), stride == 1 and into == out))
            into = out
    layers.append(nn.Sequential(*conv_bn(into, 1280, 1, act=nn.ReLU6)))
    return classified(nn.Sequential(*layers), 1, [nn.Dropout(), nn.Linear(1280, 1000)])


def mnasnet1_0() -> nn.Module:
    layers = [*conv_bn(3, 32, 3, 2), *conv_bn(32, 32, 3, 1, 32), *conv_bn(32, 16, 1, act=None)]
    into = 16
    for kernel, t, out, count, s in (
        (3, 3, 24, 3, 2), (5, 3, 40, 3, 2), (5, 6, 80, 3, 2), (3, 6, 96, 2, 1), (5, 6, 192, 4, 2),
        (3, 6, 320, 1, 1),
    ):  # fmt: skip
        units = []
        for i in range(count):
            stride, wide = s if not i else 1, t * into
            parts = [*conv_bn(into, wide, 1), *conv_bn(wide, wide, kernel, stride, wide)]
            parts += conv_bn(wide, out, 1, act=None)
            units.append(Shortcut("layers", nn.Sequential(*parts), stride == 1 and into == out))
            into = out
        layers.append(nn.Sequential(*units))
    layers += [*conv_bn(into, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    last = nn.Sequential(nn.Dropout(), nn.Linear(1280, 1000))
    return nn.Sequential(OrderedDict(layers=nn.Sequential(*layers), classifier=last))


class Shuffled(nn.Module):
    """A unit of ShuffleNet v2; with a stride, both halves of the output see the whole input."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        half, self.stride = out // 2, stride
        seen = into if stride > 1 else half
        self.branch1 = nn.Sequential()
        if stride > 1:
            parts = [*conv_bn(into, into, 3, stride, into, None), *conv_bn(into, half, 1)]
            self.branch1 = nn.Sequential(*parts)
        depthwise = conv_bn(half, half, 3, stride, half, None)
        self.branch2 = nn.Sequential(*conv_bn(seen, half, 1), *depthwise, *conv_bn(half, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        left, right = (x, x) if self.stride > 1 else x.chunk(2, 1)
        return torch.stack([self.branch1(left), self.branch2(right)], 2).flatten(1, 2)


def shufflenet_v2_x1_0() -> nn.Module:
    parts: dict[str, nn.Module] = {
        "conv1": nn.Sequential(*conv_bn(3, 24, 3, 2)), "maxpool": nn.MaxPool2d(3, 2, 1)
    }  # fmt: skip
    into = 24
    for stage, (out, count) in enumerate(((116, 4), (232, 8), (464, 4)), 2):
        units = [Shuffled(into, out, 2), *(Shuffled(out, out, 1) for _ in range(count - 1))]
        parts[f"stage{stage}"] = nn.Sequential(*units)
        into = out
    parts["conv5"] = nn.Sequential(*conv_bn(into, 1024, 1))
    parts["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    parts["fc"] = nn.Linear(1024, 1000)
    return nn.Sequential(OrderedDict(parts))


NETS: dict[str, Callable[[], nn.Module]] = {
    "alexnet": alexnet,
    "vgg16": partial(vgg, 2, 2, 3, 3, 3),
    "vgg16_bn": partial(vgg, 2, 2, 3, 3, 3, norm=True),
    "squeezenet1_1": squeezenet1_1,
    "resnet18": partial(resnet, 2, 2, 2, 2, unit=basic),
    "resnet50": partial(resnet, 3, 4, 6, 3, unit=partial(bottleneck, 1, 64)),
    "resnet152": partial(resnet, 3, 8, 36, 3, unit=partial(bottleneck, 1, 64)),
    "wide_resnet50_2": partial(resnet, 3, 4, 6, 3, unit=partial(bottleneck, 1, 128)),
    "resnext50_32x4d": partial(resnet, 3, 4, 6, 3, unit=partial(bottleneck, 32, 4)),
    "densenet121": partial(densenet, 6, 12, 24, 16),
    "googlenet": GoogLeNet,
    "inception_v3": InceptionV3,
    "mobilenet_v2": mobilenet_v2,
    "mnasnet1_0": mnasnet1_0,
    "shufflenet_v2_x1_0": shufflenet_v2_x1_0,
}

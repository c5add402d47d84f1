"""ResNet, VGG-16 and DenseNet-121 in plain PyTorch, as one would write them to export them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_bn(into: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)
    )


class Bottleneck(nn.Module):
    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        self.a = conv_bn(into, width, 1, stride)
        self.b = conv_bn(width, width, 3)
        self.c = conv_bn(width, 4 * width, 1)
        self.shortcut = conv_bn(into, 4 * width, 1, stride) if into != 4 * width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(torch.relu(self.b(torch.relu(self.a(x)))))
        return torch.relu(y + self.shortcut(x))


def resnet(*counts: int) -> nn.Module:
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    into = 64
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        for i in range(count):
            layers.append(Bottleneck(into, width, 2 if stage and not i else 1))
            into = 4 * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(into, 1000), nn.Softmax(1)]
    return nn.Sequential(*layers)


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    into = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(into, width, 3, padding=1), nn.ReLU()]
            into = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout()]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000), nn.Softmax(1)]
    return nn.Sequential(*layers)


class Dense(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(into),
            nn.ReLU(),
            nn.Conv2d(into, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 32, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


def densenet121() -> nn.Module:
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for i, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            layers.append(Dense(width))
            width += 32
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        if i < 3:
            layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 1000), nn.Softmax(1)]
    return nn.Sequential(*layers)


NETS = {
    "resnet50": lambda: resnet(3, 4, 6, 3),
    "resnet152": lambda: resnet(3, 8, 36, 3),
    "vgg16": vgg16,
    "densenet121": densenet121,
}


def export(name: str, path: str, dynamo: bool) -> None:
    """Builds a net and writes it with one of PyTorch's exporters, the batch symbolic."""
    model = NETS[name]().eval()
    x = torch.zeros(1, 3, 224, 224)
    if dynamo:
        shapes = ({0: torch.export.Dim.DYNAMIC},)
        torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=shapes)
    else:
        axes = {"input": {0: "N"}}
        torch.onnx.export(model, (x,), path, dynamo=False, input_names=["input"], dynamic_axes=axes)

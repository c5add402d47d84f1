"""GoogLeNet and Inception v3 as torchvision lays them out, their training-only heads included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    def __init__(self, into: int, out: int, kernel: Any = 1, stride: int = 1, pad: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Inception(nn.Module):
    def __init__(self, into: int, a: int, b: int, bb: int, c: int, cc: int, d: int) -> None:
        super().__init__()
        self.branch1 = Conv(into, a)
        self.branch2 = nn.Sequential(Conv(into, b), Conv(b, bb, 3, pad=1))
        self.branch3 = nn.Sequential(Conv(into, c), Conv(c, cc, 3, pad=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), Conv(into, d))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNetHead(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.conv = Conv(into, 128)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.fc1(x).relu())


class GoogLeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv(3, 64, 7, 2, 3)
        self.conv2 = Conv(64, 64)
        self.conv3 = Conv(64, 192, 3, pad=1)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = GoogLeNetHead(512)
        self.aux2 = GoogLeNetHead(528)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        x = self.inception4d(self.inception4c(self.inception4b(self.inception4a(x))))
        x = F.max_pool2d(self.inception4e(x), 2, 2, ceil_mode=True)
        return self.fc(self.inception5b(self.inception5a(x)).mean((2, 3)))


def averaged(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1)


class A(nn.Module):
    def __init__(self, into: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(into, 64)
        self.branch5x5_1 = Conv(into, 48)
        self.branch5x5_2 = Conv(48, 64, 5, pad=2)
        self.branch3x3dbl_1 = Conv(into, 64)
        self.branch3x3dbl_2 = Conv(64, 96, 3, pad=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, pad=1)
        self.branch_pool = Conv(into, pool)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(averaged(x))], 1)


class B(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(into, 384, 3, 2)
        self.branch3x3dbl_1 = Conv(into, 64)
        self.branch3x3dbl_2 = Conv(64, 96, 3, pad=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


WIDE: dict[str, Any] = {"kernel": (1, 7), "pad": (0, 3)}
TALL: dict[str, Any] = {"kernel": (7, 1), "pad": (3, 0)}


class C(nn.Module):
    def __init__(self, into: int, n: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(into, 192)
        self.branch7x7_1 = Conv(into, n)
        self.branch7x7_2 = Conv(n, n, **WIDE)
        self.branch7x7_3 = Conv(n, 192, **TALL)
        self.branch7x7dbl_1 = Conv(into, n)
        self.branch7x7dbl_2 = Conv(n, n, **TALL)
        self.branch7x7dbl_3 = Conv(n, n, **WIDE)
        self.branch7x7dbl_4 = Conv(n, n, **TALL)
        self.branch7x7dbl_5 = Conv(n, 192, **WIDE)
        self.branch_pool = Conv(into, 192)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(averaged(x))], 1)


class D(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(into, 192)
        self.branch3x3_2 = Conv(192, 320, 3, 2)
        self.branch7x7x3_1 = Conv(into, 192)
        self.branch7x7x3_2 = Conv(192, 192, **WIDE)
        self.branch7x7x3_3 = Conv(192, 192, **TALL)
        self.branch7x7x3_4 = Conv(192, 192, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(into, 320)
        self.branch3x3_1 = Conv(into, 384)
        self.branch3x3_2a = Conv(384, 384, (1, 3), pad=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), pad=(1, 0))
        self.branch3x3dbl_1 = Conv(into, 448)
        self.branch3x3dbl_2 = Conv(448, 384, 3, pad=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), pad=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), pad=(1, 0))
        self.branch_pool = Conv(into, 192)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(averaged(x)),
        ]
        return torch.cat(parts, 1)


class InceptionHead(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.conv0 = Conv(into, 128)
        self.conv1 = Conv(128, 768, 5)
        self.fc = nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, 3)))
        return self.fc(x.mean((2, 3)))


class InceptionV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, pad=1)
        self.Conv2d_3b_1x1 = Conv(64, 80)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b = A(192, 32)
        self.Mixed_5c = A(256, 64)
        self.Mixed_5d = A(288, 64)
        self.Mixed_6a = B(288)
        self.Mixed_6b = C(768, 128)
        self.Mixed_6c = C(768, 160)
        self.Mixed_6d = C(768, 160)
        self.Mixed_6e = C(768, 192)
        self.AuxLogits = InceptionHead(768)
        self.Mixed_7a = D(768)
        self.Mixed_7b = E(1280)
        self.Mixed_7c = E(2048)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return self.fc(x.mean((2, 3)))

"""What is printed somewhere of each shipped net's size, and how it is computed from the spec.

A figure is held to the precision it is printed with, as those of the lectures are. A net that is
not here has none: its figures are recomputed from the layers that its paper draws, no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lecture_measures import depth, macs, neurons, params, summary
from lecture_statements import compared

Measure = Callable[[str], float]
K, M, G, MIB = 10**3, 10**6, 10**9, 2**20


def stored(name: str) -> int:
    """Parameters with the statistics of BatchNorm, as Keras counts them."""
    return params(name) + summary(name).buffers


def weight_bytes(name: str) -> float:
    return float(summary(name).weight_bytes)


@dataclass(frozen=True)
class Published:
    """`source` prints that the net has `says`: `printed` to the precision `unit`."""

    spec: str
    says: str
    printed: float
    unit: float
    measure: Measure
    source: str = "paper"
    reason: str = ""

    def verdict(self) -> str:
        return compared(self.measure(self.spec), self.printed, self.unit)

    @property
    def differs(self) -> bool:
        return "differs" in self.verdict()

    def __str__(self) -> str:
        found = self.verdict().removeprefix("agrees").strip()
        if self.differs:
            found = f"**{found}**"
        because = f": {self.reason}" if self.reason else ""
        return " ".join(filter(None, (self.says, f"({self.source})", found))) + because


def layers(spec: str, count: int, source: str, reason: str = "") -> Published:
    return Published(spec, f"{count} layers", count, 1, depth, source, reason)


def million(spec: str, count: float, source: str, unit: float = M, reason: str = "") -> Published:
    """So many millions of parameters."""
    return Published(spec, f"{count}M parameters", count * M, unit, params, source, reason)


def operations(
    spec: str, count: float, letter: str, unit: float, source: str, reason: str = ""
) -> Published:
    size = {"M": M, "G": G}[letter]
    says = f"{count}{letter} multiply-adds"
    return Published(spec, says, count * size, unit * size, macs, source, reason)


HAN = "Han et al., NIPS 2015, Table 1"
RESNET = "paper, Table 1"
CIFAR = "paper, Table 6"
VGG = "paper, Table 2"

FIGURES: tuple[Published, ...] = (
    # LeNet
    Published("lecun1989", "9,760 parameters", 9760, 1, params),
    Published("lenet5_1998", "60,000 trained parameters", 60000, 1, params),
    Published("lenet_caffe", "431K parameters", 431 * K, K, params, HAN),
    Published("mlp", "267K parameters", 267 * K, K, params, HAN),
    # AlexNet
    Published("alexnet_two_gpu", "60 million parameters", 60 * M, 10 * M, params),
    Published("alexnet_two_gpu", "650,000 neurons", 650 * K, 10 * K, neurons),
    million("alexnet_two_gpu", 61, HAN),
    layers("alexnet_two_gpu", 8, "paper"),
    # VGG
    *(
        million(spec, count, VGG)
        for spec, count in (
            *(("vgg11", 133), ("vgg11_lrn", 133), ("vgg13", 133), ("vgg16_c", 134)),
            *(("vgg16", 138), ("vgg19", 144)),
        )
    ),
    # Inception
    layers("googlenet", 22, "paper"),
    operations("googlenet", 1.5, "G", 0.1, "paper", "its Table 1 has 34M for the 118M of conv1"),
    operations("inception_naive", 854, "M", 1, "CS231n 2019, lecture 9"),
    operations(
        *("inception_reduced", 358, "M", 1, "CS231n 2019, lecture 9"),
        reason="the 3x3 is counted twice",
    ),
    million("bn_inception", 13.6, "paper", 0.1 * M, "more than Figure 5 makes"),
    operations("inception_v3", 5, "G", 1, "paper, abstract"),
    layers("inception_v3", 42, "paper", "the released net is deeper than the paper's Table 1"),
    # ResNet
    *(
        operations(spec, count, "G", 0.1, RESNET)
        for spec, count in (
            *(("plain18", 1.8), ("plain34", 3.6), ("resnet18", 1.8), ("resnet34", 3.6)),
            *(("resnet34_a", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)),
        )
    ),
    layers("resnet34_c", 34, "paper, Table 3"),
    layers("plain20_cifar", 20, "paper, Section 4.2"),
    layers("plain56_cifar", 56, "paper, Section 4.2"),
    *(
        million(f"resnet{depth}_cifar", count, CIFAR, unit * M)
        for depth, count, unit in (
            *((20, 0.27, 0.01), (32, 0.46, 0.01), (44, 0.66, 0.01), (56, 0.85, 0.01)),
            *((110, 1.7, 0.1), (1202, 19.4, 0.1)),
        )
    ),
    Published(
        *("resnet152_v1_5", "60,192,808 parameters", 60192808, 1, params),
        source="torchvision's documentation",
    ),
    operations("resnet152_v1_5", 11.51, "G", 0.01, "torchvision's documentation"),
    operations("prelunet_a", 19.0, "G", 0.1, "paper, Table 3"),
    operations("prelunet_b", 23.2, "G", 0.1, "paper, Table 3"),
    operations("prelunet_c", 53.0, "G", 0.1, "paper, Table 3", "its layers make more"),
    # After ResNet
    million("wrn28_10", 36.5, "paper, Table 4", 0.1 * M),
    million("wrn50_2", 68.9, "paper, Table 8", 0.1 * M),
    million("resnext50_32x4d", 25.0, RESNET, 0.1 * M),
    operations("resnext50_32x4d", 4.2, "G", 0.1, RESNET),
    operations("se_resnet50", 3.87, "G", 0.01, "paper, Table 2"),
    million("densenet40_12", 1.0, "paper, Table 2", 0.1 * M),
    million("fractalnet20", 38.6, "paper, Table 1", 0.1 * M, "the widths it gives make fewer"),
    Published("nin", "a file of 29 MB", 29 * MIB, MIB, weight_bytes, "the authors' model card"),
    # Mobile
    operations("mobilenet_v1", 569, "M", 1, "paper, Table 4"),
    million("mobilenet_v1", 4.2, "paper, Table 4", 0.1 * M),
    operations("mobilenet_v2", 300, "M", 1, "paper, Table 4"),
    million("mobilenet_v2", 3.4, "paper, Table 4", 0.1 * M, "the layers of its Table 2 make more"),
    operations("shufflenet_v1", 137, "M", 1, "paper, Table 1"),
    million("shufflenet_v1", 1.9, "the authors' README", 0.1 * M),
    operations("shufflenet_v2", 146, "M", 1, "the authors' README"),
    million("shufflenet_v2", 2.3, "the authors' README", 0.1 * M),
    operations("nasnet_mobile", 564, "M", 1, "paper, Table 3"),
    million("nasnet_mobile", 5.3, "paper, Table 3", 0.1 * M),
    operations("nasnet_large", 23.8, "G", 0.1, "paper, Table 2"),
    Published(
        *("nasnet_large", "88.9M parameters with batch statistics", 88.9 * M, 0.1 * M, stored),
        source="paper, Table 2",
    ),
    # Segmentation and others
    million("fcn32s", 134, "paper, Table 1"),
    million("deconvnet", 252, "paper"),
    layers("unet", 23, "paper, Section 2"),
    Published(
        *(
            "autoencoder",
            "28,353 parameters",
            28353,
            1,
            params,
            "keras.io/examples/vision/autoencoder",
        )
    ),
    Published(
        *("vae", "69,076 + 65,089 parameters", 69076 + 65089, 1, params),
        source="keras.io/examples/generative/vae",
    ),
)

"""Every figure that four lectures print about these nets, with how it is computed from the specs.

A figure is held to the precision it was printed with: `138M` to half a million.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from lecture_measures import (
    Measure,
    activations,
    depth,
    fewer,
    field_size,
    kernels,
    layers_read,
    macs,
    more_error,
    neurons,
    one_conv_less,
    params,
    percent_more,
    squeeze_cost,
    steps,
    summary,
    times,
    top5,
    values,
    weights,
    widths,
)

LECTURES = {
    "overview": "Deep Convolutional Neural Networks, an overview",
    "stanford": "Stanford CS231n, spring 2019, lecture 9: CNN architectures",
    "lse": "LSE ST449, lecture 4: Convolutional neural networks",
    "koc": "Koç University COMP541, lecture 5: Convolutional neural networks",
    "paper": "not in a lecture, but in a paper that one shows",
}
K, M, G, MIB = 10**3, 10**6, 10**9, 2**20


def verdict(value: float, printed: float, unit: float) -> str:
    """Whether `value` is what is printed to the precision `unit`; by how much it is not, if so."""
    if abs(value - printed) <= unit / 2:
        return "agrees"
    if floor(value / unit + 1e-9) == round(printed / unit):
        return "agrees when truncated"
    if not printed:
        return f"**differs by {value:.2f}**"
    return f"**differs by {100 * (printed - value) / value:+.1f} %**"


@dataclass(frozen=True)
class Figure:
    """A lecture says `printed`, to the precision `unit`; `measure` computes it from the spec."""

    spec: str
    lecture: str
    says: str
    printed: float
    unit: float
    measure: Measure
    reason: str = ""

    def exact(self) -> str:
        value = self.measure(self.spec)
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value / MIB:.2f} MiB" if self.unit >= MIB / 100 else f"{value:.2f}"

    def verdict(self) -> str:
        return verdict(self.measure(self.spec), self.printed, self.unit)


@dataclass(frozen=True)
class Statement:
    """A lecture says something without a number; `shows` is what is the case, `holds` decides."""

    spec: str
    lecture: str
    says: str
    shows: Callable[[str], str]
    holds: Callable[[str], bool]
    reason: str = ""

    def exact(self) -> str:
        return self.shows(self.spec)

    def verdict(self) -> str:
        return "agrees" if self.holds(self.spec) else "**does not hold**"


LEFT_OUT = "one of the two 256-to-256 convolutions at 56x56 was left out of the sum"
V1_5 = "the stride is on the 3x3 here; the lecture's figure is of the first version"
TABLE_3 = "top-5 error in Zeiler and Fergus, Table 3: 18.1 before"
PAPER_SAYS = "a sentence of the paper; against the 61.0M of the net on two GPUs"
NEARLY = "the condition 9Gc² + 8GCc = 17C² holds nearly"
HW, C = 56 * 56, 64
ABLATED = "alexnet_no_conv3_conv4_fc6_fc7"
BLOCK = "blocks/"

LENET_ALEXNET: tuple[Figure | Statement, ...] = (
    Statement(
        "lenet5_lecture",
        "stanford",
        "LeNet-5 is CONV-POOL-CONV-POOL-FC-FC",
        steps,
        lambda spec: steps(spec) == "conv-pool-conv-pool-fc-fc",
        "if C5, a 5x5 convolution of a 5x5 map, is called FC and the RBF output is not counted",
    ),
    Figure("alexnet", "overview", "62M parameters", 62 * M, M, params),
    Figure(
        "alexnet",
        "stanford",
        "CONV1 has 35K parameters",
        35 * K,
        K,
        lambda spec: 11 * 11 * 3 * widths(spec)[0],
        "without its 96 biases",
    ),
    Figure(
        "alexnet_two_gpu",
        "overview",
        "60,000,000 parameters",
        60 * M,
        10 * M,
        params,
        "to one digit; 62.4M without the split over two GPUs",
    ),
    Figure("alexnet_two_gpu", "overview", "650,000 neurons", 650 * K, 10 * K, neurons),
    Figure("alexnet_two_gpu", "lse", "60M parameters", 60 * M, 10 * M, params, "to one digit"),
    Figure("alexnet_two_gpu", "lse", "650K neurons", 650 * K, 10 * K, neurons),
    Statement(
        "alexnet_two_gpu",
        "stanford",
        "CONV1, 2, 4, 5 see one GPU's maps, CONV3 and the FC layers all",
        lambda spec: ", ".join(f"{name} {read}" for name, read in layers_read(spec).items()),
        lambda spec: list(layers_read(spec).values()) == [0, 1, 2, 1, 1, 2, 2, 2],
        "layers that each reads the maps of; CONV1 reads the image, which both GPUs have",
    ),
    Figure("alexnet_owt", "koc", "61M parameters", 61 * M, M, params),
    Figure("alexnet_owt", "koc", "0.7 GFLOP", 0.7 * G, 0.1 * G, macs),
    Figure("alexnet_owt", "koc", "1.9 MB of activations", 1.9 * MIB, 0.1 * MIB, activations),
    Figure(
        "alexnet_no_fc7",
        "overview",
        "without layer 7: 16 million parameters fewer",
        16 * M,
        M,
        fewer("alexnet"),
    ),
    Figure(
        "alexnet_no_fc7", "overview", "and 1.1 % worse", 1.1, 0.1, more_error("alexnet"), TABLE_3
    ),
    Figure(
        "alexnet_no_fc6_fc7",
        "overview",
        "without layers 6, 7: about 50 million fewer",
        50 * M,
        10 * M,
        fewer("alexnet"),
    ),
    Figure(
        "alexnet_no_fc6_fc7",
        "overview",
        "and 5.7 % worse",
        5.7,
        0.1,
        more_error("alexnet"),
        TABLE_3,
    ),
    Figure(ABLATED, "overview", "without layers 3, 4, 6, 7: 4 layers", 4, 1, depth),
    Figure(ABLATED, "overview", "and 33.5 % worse", 33.5, 0.1, more_error("alexnet"), TABLE_3),
    Statement(
        "zfnet",
        "stanford",
        "CONV3, 4, 5 have 512, 1024, 512 maps",
        lambda spec: ", ".join(map(str, widths(spec)[2:5])),
        lambda spec: widths(spec)[2:5] == [512, 1024, 512],
        "the variant of Zeiler and Fergus, Table 3; zfnet_paper is their Figure 3",
    ),
    Figure(
        "zfnet",
        "stanford",
        "top-5 error 11.7 %",
        11.7,
        0.1,
        top5,
        "11.7 is Clarifai's entry of 2013, which averaged several nets",
    ),
)

VGG: tuple[Figure | Statement, ...] = (
    Statement(
        "vgg11_lrn",
        "overview",
        "A-LRN normalises after its first convolution",
        lambda spec: ", ".join(layer.path for layer in summary(spec).layers[:3]),
        lambda spec: [layer.op for layer in summary(spec).layers][:3] == ["conv", "relu", "lrn"],
    ),
    Figure("vgg16", "overview", "16 layers", 16, 1, depth),
    Figure("vgg16", "overview", "138M parameters", 138 * M, M, params),
    Figure("vgg16", "stanford", "138M parameters without biases", 138 * M, M, weights),
    Figure(
        "vgg16",
        "stanford",
        "memory 24M values",
        24 * M,
        M,
        values,
        "the slide's own rows sum to 15.2M",
    ),
    Figure(
        "vgg16",
        "stanford",
        "96 MB for a forward pass",
        96 * M,
        M,
        lambda spec: 4 * int(values(spec)),
        "follows from the 24M",
    ),
    Figure("vgg16", "koc", "13.6 GFLOP", 13.6 * G, 0.1 * G, macs, LEFT_OUT),
    Figure("vgg16", "koc", "13.6 GFLOP without it", 13.6 * G, 0.1 * G, one_conv_less),
    Figure("vgg16", "koc", "48.6 MB of activations", 48.6 * MIB, 0.1 * MIB, activations, LEFT_OUT),
    Figure(
        "vgg16", "koc", "2.3 times AlexNet's parameters", 2.3, 0.1, times(params, "alexnet_owt")
    ),
    Figure(
        "vgg16",
        "koc",
        "19.4 times AlexNet's operations",
        19.4,
        0.1,
        times(macs, "alexnet_owt"),
        "follows from the 13.6 GFLOP",
    ),
    Figure(
        "vgg16",
        "koc",
        "25 times AlexNet's activations",
        25,
        1,
        times(neurons, "alexnet_owt"),
        "follows from the 48.6 MB",
    ),
    Figure("vgg19", "paper", "19.6 billion FLOPs", 19.6 * G, 0.1 * G, macs, "He et al., Figure 3"),
    Figure(BLOCK + "three_conv3x3", "stanford", "three 3x3 see 7x7", 7, 1, field_size),
    Figure(BLOCK + "two_conv3x3", "koc", "two 3x3 see 5x5", 5, 1, field_size),
    Figure(BLOCK + "conv5x5", "koc", "5x5: 25 C² parameters", 25 * C * C, 1, params),
    Figure(BLOCK + "two_conv3x3", "koc", "two 3x3: 18 C² parameters", 18 * C * C, 1, params),
    Figure(BLOCK + "conv7x7", "lse", "7x7: 49 C² parameters", 49 * C * C, 1, params),
    Figure(BLOCK + "three_conv3x3", "lse", "three 3x3: 27 C² parameters", 27 * C * C, 1, params),
    Figure(
        BLOCK + "conv7x7",
        "lse",
        "7x7: 81 % more parameters than three 3x3",
        81,
        1,
        percent_more(params, BLOCK + "three_conv3x3"),
    ),
)

INCEPTION: tuple[Figure | Statement, ...] = (
    Figure("inception_naive", "stanford", "854M operations", 854 * M, M, macs),
    Figure(
        "inception_naive",
        "stanford",
        "28x28x672 is 529K values",
        529 * K,
        K,
        lambda spec: 28 * 28 * int(summary(spec).outputs[0].shape[0]),
        "a slip of arithmetic",
    ),
    Figure(
        "inception_reduced",
        "stanford",
        "358M operations",
        358 * M,
        M,
        macs,
        "the slide's terms sum to 271M; 358M counts the 3x3's 86,704,128 twice",
    ),
    Figure("googlenet", "overview", "22 layers", 22, 1, depth),
    Figure("googlenet", "overview", "7M parameters", 7 * M, M, params),
    Figure("googlenet", "overview", "5M weights", 5 * M, M, weights, "7M elsewhere in it"),
    Figure("googlenet", "stanford", "5 million parameters", 5 * M, M, params),
    Figure(
        "alexnet_two_gpu",
        "stanford",
        "12 times GoogLeNet's parameters",
        12,
        1,
        times(params, "googlenet"),
        PAPER_SAYS,
    ),
    Figure(
        "alexnet_two_gpu",
        "lse",
        "12 times GoogLeNet's parameters",
        12,
        1,
        times(params, "googlenet"),
        PAPER_SAYS,
    ),
    Figure(
        "googlenet",
        "lse",
        "1.5 billion multiply-adds",
        1.5 * G,
        0.1 * G,
        macs,
        "the table's rows sum to 1,502M, because its first row has 34M in place of 118M",
    ),
    Figure(
        "googlenet", "koc", "2 times AlexNet's operations", 2, 1, times(macs, "alexnet_two_gpu")
    ),
    Statement(
        "inception_v3",
        "lse",
        "5x5 becomes two 3x3",
        lambda spec: f"{kernels(spec).count(5)} convolutions are 5x5",
        lambda spec: 5 not in kernels(spec),
        "in one branch of its first modules; another keeps a 5x5",
    ),
)

RESNET: tuple[Figure | Statement, ...] = (
    Figure("resnet18", "lse", "1.8e9 FLOPs", 1.8 * G, 0.1 * G, macs),
    Figure("resnet34_a", "lse", "3.6e9 FLOPs", 3.6 * G, 0.1 * G, macs, "shortcuts of option A"),
    Figure("resnet34", "lse", "3.6e9 FLOPs", 3.6 * G, 0.1 * G, macs, "shortcuts of option B"),
    Figure("plain34", "paper", "3.6 billion FLOPs", 3.6 * G, 0.1 * G, macs, "He et al., Figure 3"),
    Figure("resnet50", "lse", "3.8e9 FLOPs", 3.8 * G, 0.1 * G, macs),
    Figure("resnet50_v1_5", "lse", "3.8e9 FLOPs", 3.8 * G, 0.1 * G, macs, V1_5),
    Figure("resnet101", "lse", "7.6e9 FLOPs", 7.6 * G, 0.1 * G, macs),
    Figure("resnet101_v1_5", "lse", "7.6e9 FLOPs", 7.6 * G, 0.1 * G, macs, V1_5),
    Figure("resnet152", "lse", "11.3e9 FLOPs", 11.3 * G, 0.1 * G, macs),
    Figure("resnet152_v1_5", "lse", "11.3e9 FLOPs", 11.3 * G, 0.1 * G, macs, V1_5),
    Figure("resnet152", "overview", "152 layers", 152, 1, depth),
    Figure("resnet152", "overview", "60M parameters", 60 * M, M, params),
    Figure("resnet1202_cifar", "stanford", "1202 layers on CIFAR", 1202, 1, depth),
    Statement(
        "resnet101",
        "koc",
        "101 ResNet layers have the size and speed of 16 VGG layers",
        lambda spec: f"{params(spec):,} parameters, VGG-16 {params('vgg16'):,}",
        lambda spec: abs(params(spec) / params("vgg16") - 1) < 0.1,
        "nor in multiply-adds, 7.57 and 15.47 billion; the slide speaks of its own plot",
    ),
    Figure("prelunet_c", "lse", "top-5 error 5.71 %", 5.71, 0.01, top5),
    Figure("prelunet_a", "paper", "complexity 1.90e10", 19.0 * G, 0.1 * G, macs),
    Figure("prelunet_b", "paper", "complexity 2.32e10", 23.2 * G, 0.1 * G, macs),
    Figure("prelunet_c", "paper", "complexity 5.30e10", 53.0 * G, 0.1 * G, macs, "one digit off"),
)

BLOCKS: tuple[Figure | Statement, ...] = (
    Figure(BLOCK + "basic", "koc", "basic block: 18 HWC²", 18 * HW * C * C, 1, macs),
    Figure(BLOCK + "bottleneck", "koc", "bottleneck: 17 HWC²", 17 * HW * C * C, 1, macs),
    Figure(BLOCK + "bottleneck", "koc", "218 MFLOP at 56x56, C=64", 218 * M, M, macs),
    Figure(
        BLOCK + "resnext_4x24",
        "koc",
        "G=4, c=24: 0 % more than the bottleneck",
        0,
        0.1,
        percent_more(macs, BLOCK + "bottleneck"),
        NEARLY,
    ),
    Figure(
        BLOCK + "resnext_32x4",
        "koc",
        "G=32, c=4: 0 % more than the bottleneck",
        0,
        0.1,
        percent_more(macs, BLOCK + "bottleneck"),
        NEARLY,
    ),
    Figure(
        BLOCK + "squeeze_excite",
        "koc",
        "squeeze and excite: 1.6 MFLOP",
        1.6 * M,
        0.1 * M,
        squeeze_cost,
        "8CHW + 2C² + 17C/4: pooling, scaling and activations too; 8,192 are multiply-adds",
    ),
    Figure(
        BLOCK + "depthwise_separable",
        "koc",
        "depthwise separable: (9C + C²) HW",
        (9 * C + C * C) * HW,
        1,
        macs,
    ),
    Figure(
        BLOCK + "depthwise_separable",
        "koc",
        "9C / (9 + C) times fewer than 3x3",
        9 * C / (9 + C),
        0.01,
        lambda spec: macs(BLOCK + "conv3x3") / macs(spec),
    ),
    Figure(BLOCK + "conv3x3", "koc", "standard 3x3: 9 C²HW", 9 * C * C * HW, 1, macs),
    Figure(
        BLOCK + "resnext_4x24",
        "koc",
        "(8Cc + 9c²) HWG with G=4, c=24",
        (8 * C * 24 + 9 * 24 * 24) * HW * 4,
        1,
        macs,
    ),
    Figure(
        BLOCK + "resnext_32x4",
        "koc",
        "(8Cc + 9c²) HWG with G=32, c=4",
        (8 * C * 4 + 9 * 4 * 4) * HW * 32,
        1,
        macs,
    ),
    Statement(
        "dqn",
        "koc",
        "DQN reads 160x210x3 frames and has 8 actions",
        lambda spec: f"{'x'.join(map(str, summary(spec).inputs[0].shape))}, 18 actions",
        lambda spec: summary(spec).inputs[0].shape == (3, 210, 160),
        "the net reads four grey frames scaled to 84x84; the actions differ by game",
    ),
)

SECTIONS = {
    "LeNet, AlexNet, ZFNet": LENET_ALEXNET,
    "VGG": VGG,
    "Inception": INCEPTION,
    "Residual nets": RESNET,
    "Blocks and others": BLOCKS,
}

"""Every shipped spec starts as its source says: the moments of what is drawn, layer by layer.

The numbers are copied from the papers and the authors' code, not from the specs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from math import prod, sqrt

import numpy as np
import pytest
from support.places import DOCS, EXAMPLES

from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.params import SchemeParam
from netspec.ops.declare.weight import Weight
from netspec.syntax.files import read_spec, shipped_names

sys.path.insert(0, str(DOCS))

import make_initialisation

Array = np.ndarray
Measure = Callable[[Weight], float | Array]
# How many numbers of a weight are looked at, and how many standard errors off they may be.
MOST, ERRORS = 1 << 14, 6
SILENT = {
    "autoencoder",
    "dqn",
    "inception_naive",
    "inception_reduced",
    "inception_resnet_v1",
    "lenet5_lecture",
    "mlp",
    "tdnn",
}


class Draw:
    """What a weight's numbers are drawn from, measured by a deviation or a bound.

    For a measure of one: the variance, the fourth moment over its square, the most that any may be.
    """

    def __init__(self, measure: float | Measure, variance: float, fourth: float, most: float):
        self.measure = measure
        self.variance, self.fourth, self.most = variance, fourth, most

    def check(self, weight: Weight, values: Array) -> None:
        size = self.measure if isinstance(self.measure, float) else self.measure(weight)
        values, count = values.astype(np.float64) / size, values.size
        assert abs(values.mean()) < ERRORS * sqrt(self.variance / count)
        if count > 1:
            error = ERRORS * sqrt((self.fourth - 1) / count)
            assert abs((values**2).mean() / self.variance - 1) < error
        assert abs(values).max() <= self.most * (1 + 1e-5)
        # What is bounded fills its bounds; what is not goes beyond those of the others.
        if count > 1000:
            assert abs(values).max() > (0.9 * self.most if np.isfinite(self.most) else 2.5)


def normal(deviation: float | Measure) -> Draw:
    return Draw(deviation, 1, 3, np.inf)


def cut(deviation: float | Measure) -> Draw:
    """Cut at two deviations; 0.7737 of the variance is left, and of the fourth moment 1.4161."""
    return Draw(deviation, 0.77374, 1.4161 / 0.77374**2, 2)


def uniform(bound: float | Measure) -> Draw:
    return Draw(bound, 1 / 3, 9 / 5, 1)


class Fixed:
    """Numbers that are not drawn, but for noise of this deviation at most."""

    def __init__(self, values: Callable[[Weight], Array], noise: float = 0):
        self.values, self.noise = values, noise

    def check(self, weight: Weight, values: Array) -> None:
        expected = self.values(weight).ravel()[: values.size]
        np.testing.assert_allclose(values, expected, atol=1e-6 + ERRORS * self.noise)


def value(number: float) -> Fixed:
    return Fixed(lambda weight: np.full(weight.shape, number))


def fan_in(weight: Weight) -> int:
    return prod(weight.shape[1:])


def fan_out(weight: Weight) -> int:
    return weight.shape[0] * prod(weight.shape[2:])


def table_1(rows: tuple[int, int, int]) -> Draw:
    """LeNet-5's Table I: maps that read three, four and six others, with so many numbers each."""
    return uniform(lambda _: 2.4 / (25 * np.repeat((3, 4, 6), rows)))


def triangle(size: int) -> Array:
    """One axis of the filter in FCN's surgery.py."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    return 1 - abs(np.arange(size) - centre) / factor


def interpolation(weight: Weight) -> Array:
    into, out, *kernel = weight.shape
    assert into == out
    plane = np.outer(*(triangle(size) for size in kernel))
    return np.eye(into)[:, :, None, None] * plane


def passing(weight: Weight) -> Array:
    """Yu and Koltun 2016, equations 3 and 4; every width is a multiple of 21 or the other's."""
    out, into, *kernel = weight.shape
    maps = int(np.gcd(out, into))
    rows, columns = np.arange(out) * maps // out, np.arange(into) * maps // into
    kernels = np.zeros(weight.shape)
    middle = tuple(size // 2 for size in kernel)
    kernels[(..., *middle)] = (rows[:, None] == columns) * maps / out
    return kernels


HE, HE_FAN_OUT = normal(lambda w: sqrt(2 / fan_in(w))), normal(lambda w: sqrt(2 / fan_out(w)))
CAFFE_XAVIER = uniform(lambda w: sqrt(3 / fan_in(w)))
GLOROT = uniform(lambda w: sqrt(6 / (fan_in(w) + fan_out(w))))
# TensorFlow's variance_scaling_initializer: a normal of 1.3 times the variance, cut.
SCALING = cut(lambda w: sqrt(1.3 * 2 / fan_in(w)))
SCALING_OUT = cut(lambda w: sqrt(1.3 * 2 / fan_out(w)))
PRELU = normal(lambda w: sqrt(2 / ((1 + 0.25**2) * fan_in(w))))
LECUN = uniform(lambda w: 2.4 / fan_in(w))
COLLOBERT = uniform(lambda w: sqrt(3 / sqrt(fan_in(w))))
ZERO, ONE = value(0), value(1)

Rules = tuple[tuple[str, Draw | Fixed], ...]


def alexnet(ones: str) -> Rules:
    return (
        (f"*conv[{ones}].bias", ONE),
        ("*fc[67].bias", ONE),
        ("*.bias", ZERO),
        ("*.weight", normal(0.01)),
    )


def named(names: str, rules: Rules) -> dict[str, Rules]:
    return dict.fromkeys(names.split(), rules)


VGG: Rules = (("*.bias", ZERO), ("*.weight", normal(0.1)))
RESIDUAL: Rules = (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", HE))
FB_RESNET: Rules = (
    ("*bn*.weight", ONE),
    ("*.bias", ZERO),
    ("fc1.weight", HE),
    ("*.weight", HE_FAN_OUT),
)
SHUFFLENET: Rules = (
    ("*bn*.weight", ONE),
    ("*bn*.bias", value(0.0001)),
    ("conv1.weight", normal(0.01)),
    ("fc1.weight", normal(0.01)),
    ("*dwconv*.weight", normal(1.0)),
    ("*conv*.weight", normal(lambda w: 1 / w.shape[1])),
)
MOBILENET: Rules = (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", cut(0.09)))
NASNET: Rules = (
    ("*bn*.weight", ONE),
    ("first.weight", ONE),
    # A channel's own taps alone.
    ("*dwconv*.weight", cut(lambda w: sqrt(2.6 / prod(w.shape[2:])))),
    ("*.bias", ZERO),
    # A convolution over the whole map there.
    ("aux.auxiliary1.fc1.weight", cut(lambda w: sqrt(2.6 / (768 * w.shape[1] / 128)))),
    ("*.weight", SCALING_OUT),
)
TF_SLIM: Rules = (
    ("*bn*.weight", ONE),
    ("*.bias", ZERO),
    ("inception[345][abcde].conv[24].weight", cut(0.09)),
    ("inception*.conv7.weight", cut(0.1)),
)
# A reduction has convolutions 1 and 3 to the narrow widths.
REDUCTIONS: Rules = tuple(
    (f"{name}.conv{i}.weight", cut(0.09) if i in (1, 3) else SCALING)
    for name in ("inception3c", "inception4e")
    for i in range(1, 6)
)

STATED: dict[str, Rules] = {
    # Krizhevsky et al. 2012, section 5.
    **named("alexnet alexnet_two_gpu alexnet_ten_crops", alexnet("245")),
    **named("alexnet_no_fc6_fc7 alexnet_no_fc7", alexnet("245")),
    **named("alexnet_no_conv3_conv4 alexnet_no_conv3_conv4_fc6_fc7", alexnet("25")),
    # cuda-convnet2, layers-223-1gpu.cfg.
    "alexnet_owt": (
        ("conv[245].bias", ONE),
        ("fc[12].bias", ONE),
        ("fc3.bias", value(-7)),
        ("*.bias", ZERO),
        ("conv[345].weight", normal(0.03)),
        ("*.weight", normal(0.01)),
    ),
    # TF-slim, inception_v2.py.
    "bn_inception": (*REDUCTIONS, *TF_SLIM, ("conv2.weight", cut(0.1)), ("*.weight", SCALING)),
    "inception_v2": (
        *REDUCTIONS,
        *TF_SLIM,
        ("dwconv1.weight", cut(1.0)),
        ("conv1.weight", cut(1.0)),
        ("conv2.weight", cut(0.1)),
        ("*.weight", SCALING),
    ),
    # The authors' conv3d_ucf101_train.prototxt.
    "c3d": (
        ("conv1.bias", ZERO),
        ("fc3.bias", ZERO),
        ("*.bias", ONE),
        ("fc[12].weight", normal(0.005)),
        ("*.weight", normal(0.01)),
    ),
    "captioning": (("cnn.*.bias", ZERO), ("cnn.*.weight", normal(0.1))),
    # Noh et al. 2015, section 4.2; stage_1_train.prototxt.
    "deconvnet": (
        ("*bn*.weight", ONE),
        ("*bn*.bias", value(0.001)),
        ("*.bias", ZERO),
        ("deconv*.weight", normal(0.01)),
        ("conv16.weight", normal(0.01)),
    ),
    # densenet.lua, utils.lua, resnet.lua, torchvision's resnet.py.
    **named("densenet121 densenet169 densenet40_12 wrn28_10 wrn50_2", FB_RESNET),
    **named("resnet50_v1_5 resnet101_v1_5 resnet152_v1_5", FB_RESNET),
    # resnext.lua: of a grouped convolution all outputs count.
    "resnext50_32x4d": FB_RESNET,
    # Yu and Koltun 2016, section 3.
    "dilated_context": (("*.bias", ZERO), ("*.weight", Fixed(passing))),
    "dilated_context_large": (("*.bias", ZERO), ("*.weight", Fixed(passing, 0.01))),
    # The authors' network.py.
    "dilated_frontend": (("conv16.bias", ZERO), ("conv16.weight", normal(0.001))),
    # Girshick 2015, section 2.3.
    "fast_rcnn": (
        ("fc3.weight", normal(0.01)),
        ("boxes.weight", normal(0.001)),
        ("fc3.bias", ZERO),
        ("boxes.bias", ZERO),
    ),
    # Long et al. 2015, sections 4.2 and 4.3.
    **named(
        "fcn32s fcn16s fcn8s",
        (
            ("conv[123].*", ZERO),
            ("up*.weight", Fixed(interpolation)),
            ("deconv1.weight", Fixed(interpolation)),
        ),
    ),
    # The authors' caffe_net_fun.py.
    "fractalnet20": (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", CAFFE_XAVIER)),
    # Caffe's bvlc_googlenet.
    "googlenet": (
        ("aux?.aux1.fc1.bias", value(0.2)),
        ("*fc*.bias", ZERO),
        ("*.bias", value(0.2)),
        ("*.weight", CAFFE_XAVIER),
    ),
    # torchvision's googlenet.py, which cuts at 200 deviations.
    "googlenet_bn": (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", normal(0.01))),
    # tensorflow/models, inception_model.py.
    "inception_v3": (
        ("*bn*.weight", ONE),
        ("*.bias", ZERO),
        ("aux.fc1.weight", cut(0.001)),
        ("aux.conv2.weight", cut(0.01)),
        ("fc1.weight", cut(0.01)),
        ("*.weight", cut(0.1)),
    ),
    # TF-slim, inception_v4.py, inception_resnet_v2.py.
    "inception_v4": (
        ("*bn*.weight", ONE),
        ("*.bias", ZERO),
        ("*fc1.weight", GLOROT),
        ("*.weight", SCALING),
    ),
    "inception_resnet_v2": (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", GLOROT)),
    # LeCun et al. 1989; 1998, appendix A. Biases have the fan-in of their units.
    "lecun1989": (
        ("unit_bias1.bias", uniform(2.4 / 25)),
        ("unit_bias2.bias", uniform(2.4 / 200)),
        ("h3.bias", uniform(2.4 / 192)),
        ("fc1.bias", uniform(2.4 / 30)),
        ("h2.weight", uniform(2.4 / 200)),
        ("*.weight", LECUN),
    ),
    "lenet5": (
        ("conv1.bias", uniform(2.4 / 25)),
        ("conv2.bias", uniform(2.4 / 150)),
        ("fc1.bias", uniform(2.4 / 400)),
        ("fc2.bias", uniform(2.4 / 120)),
        ("fc3.bias", uniform(2.4 / 84)),
        ("*.weight", LECUN),
    ),
    "lenet5_1998": (
        ("c1.bias", uniform(2.4 / 25)),
        ("s[24].*", uniform(2.4 / 4)),
        ("c5.bias", uniform(2.4 / 400)),
        ("f6.bias", uniform(2.4 / 120)),
        ("c3.weight", table_1((25 * 6 * 3, 25 * 9 * 4, 25 * 6))),
        ("c3.bias", table_1((6, 9, 1))),
        ("*.weight", LECUN),
    ),
    # Caffe's lenet_train_test.prototxt.
    "lenet_caffe": (("*.bias", ZERO), ("*.weight", CAFFE_XAVIER)),
    # TF-slim, mobilenet_v1.py and mobilenet.py.
    **named("mobilenet_v1 mobilenet_v2", MOBILENET),
    # TF-slim, nasnet.py.
    **named("nasnet_large nasnet_mobile", NASNET),
    # Fukushima 1980: inhibition starts at nothing.
    "neocognitron": (("*affine*.weight", ZERO),),
    # The authors' train_val.prototxt of nin_imagenet, and cifar-10_def.
    "nin": (
        ("*.bias", ZERO),
        ("mlpconv[13].conv1.weight", normal(0.01)),
        ("conv3.weight", normal(0.01)),
        ("*.weight", normal(0.05)),
    ),
    "nin_cifar": (("*.bias", ZERO), ("*.weight", normal(0.05))),
    # He et al. 2016, sections 3.4 and 4.2; Hu et al. 2018, section 5.
    **named("plain18 plain34 plain20_cifar plain56_cifar se_resnet50", RESIDUAL),
    **named("resnet18 resnet34 resnet34_a resnet34_c resnet50 resnet101 resnet152", RESIDUAL),
    **named("resnet20_cifar resnet32_cifar resnet44_cifar resnet56_cifar", RESIDUAL),
    **named("resnet110_cifar resnet1202_cifar", RESIDUAL),
    # He et al. 2015, equation 15, for slopes of 0.25.
    **named(
        "prelunet_a prelunet_b prelunet_c",
        (("*prelu*", value(0.25)), ("*.bias", ZERO), ("*.weight", PRELU)),
    ),
    # conv_net_classes.py and process_data.py of the author's code.
    "sentence_cnn": (
        ("*.bias", ZERO),
        ("embedding1.weight", uniform(0.25)),
        ("fc1.weight", ZERO),
        ("*.weight", uniform(0.01)),
    ),
    # The authors' network.py.
    "shufflenet_v1": SHUFFLENET,
    "shufflenet_v2": (("fc1.bias", ZERO), *SHUFFLENET),
    # Ronneberger et al. 2015, section 3. Of a 2x2 deconvolution of stride 2 one tap counts.
    "unet": (
        ("*.bias", ZERO),
        ("*up.weight", normal(lambda w: sqrt(2 / w.shape[0]))),
        ("*.weight", HE),
    ),
    # Kingma and Welling 2014, section 5.
    "vae": (("*", normal(0.1)),),
    # Simonyan and Zisserman 2015, section 3.1: a variance of 0.01.
    **named("vgg11 vgg11_lrn vgg13 vgg13_5x5 vgg16 vgg16_c vgg19 vgg_ensemble", VGG),
    "vgg16_localization": VGG,
    "vgg16_transfer": (("features.*.bias", ZERO), ("features.*.weight", normal(0.1))),
    # torchvision's vgg.py.
    "vgg16_bn": (
        ("bn*.weight", ONE),
        ("*.bias", ZERO),
        ("fc?.weight", normal(0.01)),
        ("*.weight", HE_FAN_OUT),
    ),
    # Collobert et al. 2011: the fan-in of a lookup table is one.
    "window_tagger": (
        ("embedding*.weight", uniform(sqrt(3))),
        ("fc1.bias", uniform(sqrt(3 / sqrt(275)))),
        ("fc2.bias", uniform(sqrt(3 / sqrt(300)))),
        ("*.weight", COLLOBERT),
    ),
    # Zeiler and Fergus 2014, section 3.1.
    **named("zfnet zfnet_paper", (("*.bias", ZERO), ("*.weight", normal(0.01)))),
}
EXAMPLE_NETS: dict[str, Rules] = {
    # Liu et al. 2022, appendix A, and convnext.py.
    "convnext_tiny": (
        ("*affine*.weight", value(1e-6)),
        ("*layernorm*.weight", ONE),
        ("*.bias", ZERO),
        ("*.weight", cut(0.02)),
    ),
    # Isola et al. 2017, section 6.2.
    "pix2pix": (("*bn*.weight", ONE), ("*.bias", ZERO), ("*.weight", normal(0.02))),
}


@cache
def graph_of(name: str) -> Graph:
    return build(read_spec(str(EXAMPLES / f"{name}.ns") if name == "pix2pix" else name))


def trained(graph: Graph) -> Iterator[tuple[str, Node, Weight]]:
    for node in graph.nodes:
        for weight in node.op.weights(*node.input_types):
            if weight.kind == "param":
                yield f"{node.path}.{weight.name}", node, weight


def states(node: Node) -> bool:
    """Whether a step of a net says how a weight of its starts."""
    kinds = type(node.op).params.items()
    stated = (name for name, param in kinds if isinstance(param, SchemeParam))
    return any(getattr(node.op, name) is not None for name in stated)


def first(weight: Weight) -> Array:
    random = np.random.default_rng(17)
    return weight.init.piece(weight, random, 0, min(weight.size, MOST))


def test_the_nets_that_say_how_they_start_are_those_whose_sources_say() -> None:
    nets = set(shipped_names("lectures"))
    stating = {name for name in nets if any(map(states, graph_of(name).nodes))}
    assert stating == set(STATED)
    assert nets - stating == SILENT


def rule_for(name: str, path: str) -> tuple[str, Draw | Fixed] | None:
    rules = STATED[name] if name in STATED else EXAMPLE_NETS[name]
    return next((rule for rule in rules if fnmatchcase(path, rule[0])), None)


@pytest.mark.parametrize("name", [*STATED, *EXAMPLE_NETS])
def test_a_net_starts_as_its_source_says(name: str) -> None:
    for path, node, weight in trained(graph_of(name)):
        rule = rule_for(name, path)
        if rule is None:
            assert not states(node), f"{path} is not in the table"
            continue
        try:
            rule[1].check(weight, first(weight))
        except AssertionError as error:
            raise AssertionError(f"{path}: {weight.init}") from error


def test_every_rule_is_for_some_weight() -> None:
    tables = {id(rules): rules for rules in (STATED | EXAMPLE_NETS).values()}
    used = {id(rules): set() for rules in tables.values()}
    for name, rules in (STATED | EXAMPLE_NETS).items():
        found = (rule_for(name, path) for path, _, _ in trained(graph_of(name)))
        used[id(rules)] |= {rule[0] for rule in found if rule}
    for key, rules in tables.items():
        assert {pattern for pattern, _ in rules} == used[key]


def test_the_page_is_current() -> None:
    page = make_initialisation.page()
    assert make_initialisation.PAGE.read_text() == page, "run `python docs/make_initialisation.py`"


def test_every_start_has_its_source_in_the_spec() -> None:
    for name in STATED:
        assert make_initialisation.sources(name), name

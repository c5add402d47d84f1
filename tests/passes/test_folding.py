"""Folded nets compute what the written ones do; what must not fold stays as it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Built
from support.folding import difference, folded, hostile, steps, tensors_of
from support.generated_checkpoints import case
from support.generated_nets import FAMILIES
from support.generated_specs import spec

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.ops.declare.linear import Linear, Scaling, Tensor
from netspec.ops.elementwise.norm import BatchNorm
from netspec.ops.spatial.conv import TransposedConv
from netspec.passes.folding import algebra, parallel, scales
from netspec.verify import verify
from netspec.verify.weights import Varied
from netspec.weights.sources import Given

# Weights are rounded once; what is folded wrongly is off by much more.
NEAR = 2e-6

# What is written, its input, and the steps that are left.
FOLDS = {
    "conv and bn": ("conv3-6(bias=no); bn; relu", "3x8x8", "conv1 relu1"),
    "conv with a bias and bn": ("conv3-6/2(pad=1); bn(eps=0.001); relu", "3x8x8", "conv1 relu1"),
    "bn without scale": ("conv3-6; bn(affine=no); relu", "3x8x8", "conv1 relu1"),
    "groups": ("conv3-6(groups=3, pad=same); bn; relu", "3x8x8", "conv1 relu1"),
    "depthwise": ("dwconv3(multiplier=2); bn; relu; dwconv3; bn", "3x8x8", "dwconv1 relu1 dwconv2"),
    "transposed": ("deconv3-6/2(pad=1, bias=no); bn; relu", "4x5x6", "deconv1 relu1"),
    "transposed groups": ("deconv4-6/2(groups=2); bn; relu", "4x5x6", "deconv1 relu1"),
    "fully connected": ("fc-5; bn; relu; fc-4(bias=no); affine", "3x4x4", "fc1 relu1 fc2"),
    "at each place": ("fc-5(over=channels); bn; relu", "3x4x4", "fc1 relu1"),
    "at each window": ("bn; fc-5(over=3); bn; relu", "3x5x6", "fc1 relu1"),
    "in one dimension": ("conv3-6; bn; relu; deconv2-4; bn", "3x9", "conv1 relu1 deconv1"),
    "in three dimensions": ("conv3-4; bn; relu; bn; conv1-2", "2x5x6x5", "conv1 relu1 conv2"),
    "a fixed kernel": ("dwconv(fixed=[[1, 2], [3, 4]], bias=no); bn", "3x5x5", "dwconv1"),
    "an initialised kernel": ("conv-2(init=[[[[1, 2]]], [[[3, 4]]]]); bn", "1x4x5", "conv1"),
    "a fixed kernel, no bias": ("dwconv3(fixed=binomial, bias=no); affine(bias=no)", "3x5x5", "dwconv1"),
    "symbolic sizes": ("conv3-6(pad=same, norm=bn, act=relu)", "3xHxW", "conv1 relu1"),
    "chains before": ("scaled(2, 1); affine; bn; conv3-4; relu", "3x6x6", "conv1 relu1"),
    "chains after": ("conv3-4; bn; affine; scaled(0.3, -1); relu", "3x6x6", "conv1 relu1"),
    "a chain alone": ("relu; bn; affine; bn; relu", "3x6x6", "relu1 bn2 relu2"),
    "a chain of factors": ("relu; affine(bias=no); scaled(2); relu", "3x6", "relu1 scaled1 relu2"),
    "a chain of constants": ("relu; scaled(2, 1); scaled(3, 4); relu", "3x6", "relu1 scaled2 relu2"),
    "bn on a vector": ("relu; bn; fc-4; relu", "6", "relu1 fc1 relu2"),
    "bn before a flattened map": ("relu; bn; fc-4; relu", "3x4x5", "relu1 fc1 relu2"),
    "bn before groups": ("relu; bn; conv3-6(groups=3); relu", "6x5x5", "relu1 conv1 relu2"),
    "one factor for all": ("conv3-4; affine(per=layer); relu", "3x6x6", "conv1 relu1"),
    "one factor for layers joined": (
        "concat { | conv1-2 | conv1-5 }; affine(per=layer); relu",
        "3x6x6",
        "conv1 conv2 concat1 relu1",
    ),
    "a factor before padding": ("affine(bias=no); conv3-4(pad=1); relu", "3x6x6", "conv1 relu1"),
    "a factor before a deconv": ("scaled(3); deconv3-4/2(pad=1); relu", "3x6x6", "deconv1 relu1"),
    "several readers after bn": (
        "conv3-4(pad=1); bn; concat { | relu | sigmoid }", "3x6x6", "conv1 relu1 sigmoid1 concat1",
    ),
    "idle steps": ("relu; scaled(1); concat; relu", "3x6x6", "relu1 relu2"),
    "layers side by side": (
        "concat { | conv3-4(pad=1) | conv1-2(bias=no) }; bn; relu", "3x6x6", "conv1 conv2 concat1 relu1",
    ),
    "repvgg": (
        "relu; add { | conv3-4(pad=1, bias=no); bn | conv1-4(bias=no); bn | bn }; relu",
        "4x7x7", "relu1 conv1 relu2",
    ),
    "repvgg with a stride": (
        "add { | conv3-6/2(pad=1); bn | conv1-6/2; bn }; relu", "4x7x8", "conv1 relu1",
    ),
    "repvgg with groups": (
        "relu; add { | conv3-4(pad=1, groups=2); bn | conv1-4(groups=2); bn | identity }; relu",
        "4x7x7", "relu1 conv1 relu2",
    ),
    "rows and columns": (
        "relu; add { | conv3-4(pad=1) | conv1x3-4(pad=same) | conv3x1-4(pad=same) }; bn; relu",
        "3x6x7", "relu1 conv1 relu2",
    ),
    "dilated branches": (
        "relu; add { | conv3-4(pad=2, dilation=2) | conv1-4 | identity }; relu",
        "4x7x7", "relu1 conv1 relu2",
    ),
    "a shifted branch": (
        "relu; add { | conv4-4(pad=(1, 2)) | conv2-4(pad=(1, 0)) }; relu", "4x9", "relu1 conv1 relu2",
    ),
    "matrices": ("relu; add { | fc-4; bn | fc-4(bias=no) | identity }; relu", "4", "relu1 fc1 relu2"),
    "branches in one dimension": (
        "relu; add { | conv5-4(pad=2); bn | conv3-4(pad=1) | bn }; relu", "4x9", "relu1 conv1 relu2",
    ),
    "a sum that keeps one": (
        "relu; add { | conv3-4(pad=1) | sigmoid | conv1-4 }; relu",
        "4x7x7", "relu1 conv1 sigmoid1 add1 relu2",
    ),
    "pooling first": ("conv1-6; avgpool2; bn; relu", "4x6x8", "avgpool1 conv1 relu1"),
    "pooling with a border": (
        "conv1-6(bias=no); avgpool3/2(pad=1); relu", "4x7x8", "avgpool1 conv1 relu1",
    ),
    "pooling that leaves the border out": (
        "conv1-6; avgpool3/2(pad=1, count_pad=no, ceil=yes); relu", "4x7x8", "avgpool1 conv1 relu1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
def test_what_folds_computes_the_same(name: str, net: Built) -> None:
    spec, size, left = FOLDS[name]
    written, found = folded(net(spec, size))
    assert steps(found.graph) == left.split()
    for seed in range(2):
        assert difference(written, found, hostile(written, seed), seed) < NEAR


# What is written, its input; each has a twin among those that fold.
KEPT = {
    "something between": ("conv3-4; relu; bn; relu", "3x6x6"),
    "a convolution that is read twice": ("conv3-4 as a; bn; add { | @a | relu }", "3x6x6"),
    "a convolution that is an output": ("conv3-4 as a; bn; relu as b; output a, b", "3x6x6"),
    "a shift before padding": ("relu; bn; conv3-4(pad=1)", "3x6x6"),
    "a shift before a deconv": ("relu; bn; deconv2-4/2", "3x6x6"),
    "bn that is read twice": ("relu; bn; concat { | conv1-4 | conv2-4(pad=same) }", "3x6x6"),
    "a border of mirrors": ("conv3-4; pad(1, mode=reflect); bn; relu", "3x6x6"),
    "mirrors before a convolution": ("relu; bn; pad(1, mode=reflect); conv3-4", "3x6x6"),
    "a table": ("tableconv3-2(table=[[0, 2], [1]]); bn", "3x6x6"),
    "one channel made several": ("conv3-1; affine-4; relu", "3x6x6"),
    "joined in time": ("concat(axis=time) { | conv1-4 | conv1-4 }; bn", "3x6"),
    "side by side, one read twice": (
        "{ | conv1-4 as a | conv1-4 }; concat; bn; { | identity | @a }; concat", "3x6",
    ),
    "another stride": ("relu; add { | conv1-4 | relu }; relu", "4x6x6"),
    "another group count": ("relu; add { | conv3-4(pad=1, groups=2) | conv1-4 }", "4x6x6"),
    "taps beyond": ("relu; add { | conv3-4(pad=1) | conv3-4(pad=2, dilation=2) }", "4x6x6"),
    "another place": ("relu; add { | conv2-4(pad=(1, 0)) | conv2-4(pad=(0, 1)) }", "4x9"),
    "other inputs": ("relu as a; relu; add { | conv3-4(pad=1) | @a; conv1-4 }", "4x6x6"),
    "a product": ("relu; mul { | conv3-4(pad=1) | conv1-4 }", "4x6x6"),
    "a vector over a map": ("relu; add { | conv3-4(pad=1) | gap; fc-4 }", "4x6x6"),
    "pooling zeros with a bias": ("conv1-6; avgpool3/2(pad=1); relu", "4x7x8"),
    "pooling more than it saves": ("conv1-1; avgpool3/1; relu", "4x7x8"),
    "pooling after a step": ("conv1-6/2; avgpool2; relu", "4x8x8"),
    "pooling the largest": ("conv1-6; maxpool2; bn; relu", "4x8x8"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_would_change_the_numbers_stays(name: str, net: Built) -> None:
    spec, size = KEPT[name]
    written, found = folded(net(spec, size))
    assert steps(found.graph) == steps(written)
    assert not found.recipes
    assert {old: new.node.path for old, new in found.places.items()} == {
        value: node.path for node in written.nodes for value in node.outputs
    }


def test_places_tell_where_values_are(net: Built) -> None:
    written, found = folded(net("conv3-4; bn; relu; scaled(1)", "3x6x6"))
    assert {old.node.path: new.node.path for old, new in found.places.items()} == {
        "input": "input",
        "bn1": "conv1",
        "relu1": "relu1",
        "scaled1": "relu1",
    }
    assert [(into.path, into.steps) for into in found.into] == [("conv1", ("bn1",))]
    assert found.dropped == ("scaled1",)
    assert found.graph.outputs[0].name == written.outputs[0].name


SHARED = """
input 3x8x8
conv3-4(pad=same, bias=no) as c; bn as n; relu; conv1-3
conv3-4(pad=same, bias=no, weights=@c); {bn}; relu
"""


def test_shared_weights_fold_where_all_their_steps_agree(net: Built) -> None:
    """One normalisation for both: the tensor stays one. One for each: none is folded."""
    for second, left in (("bn(weights=@n)", 0), ("bn", 2), ("sigmoid", 1)):
        written, found = folded(net(SHARED.replace("{bn}", second)))
        assert sum(isinstance(n.op, BatchNorm) for n in found.graph.nodes) == left
        assert difference(written, found, hostile(written)) < NEAR
        if second == "bn(weights=@n)":
            assert sorted(found.recipes) == ["c.bias", "c.weight"]


def test_a_normalisation_shared_by_other_layers_folds_into_each(net: Built) -> None:
    text = "conv3-4(pad=same); bn as n; relu; conv3-4(pad=same); bn(weights=@n); relu"
    written, found = folded(net(text, "3x8x8"))
    assert steps(found.graph) == ["conv1", "relu1", "conv2", "relu2"]
    assert difference(written, found, hostile(written)) < NEAR


def test_a_shared_normalisation_that_changes_in_one_place_does_not_in_the_other(net: Built) -> None:
    text = "relu; bn as n; affine; relu; bn(weights=@n); relu"
    written, found = folded(net(text, "3x8x8"))
    assert difference(written, found, hostile(written)) < NEAR


HEADED = "conv3-4; bn as stem; relu; head aux(loss=0.3) { conv1-4; bn; relu; gap; fc-2 }; gap; fc-3"


@pytest.mark.parametrize("heads", [False, True])
def test_training_heads_fold_where_they_are_kept(heads: bool, net: Built) -> None:
    written, found = folded(net(HEADED, "3x8x8"), heads=heads)
    assert not any(isinstance(node.op, BatchNorm) for node in found.graph.nodes)
    assert len(found.graph.heads) == heads
    assert all(head.value.node in found.graph.nodes for head in found.graph.heads)
    assert difference(written, found, hostile(written)) < NEAR


def test_frozen_layers_fold(net: Built) -> None:
    written, found = folded(net("freeze { conv3-4; bn }; relu; conv1-2(frozen=yes); bn", "3x8x8"))
    assert len(steps(found.graph)) == 3
    assert difference(written, found, hostile(written)) < NEAR


@pytest.mark.parametrize("family", FAMILIES)
def test_folded_nets_of_every_family_compute_the_same(family: str) -> None:
    for seed in range(3):
        made = case(seed, family)
        written, found = folded(build(Source("<generated>", made.spec)))
        assert difference(written, found, Varied(seed), seed) < NEAR, made.spec


def test_folded_nets_of_every_operator_compute_the_same() -> None:
    changed = 0
    for seed in range(60):
        changed += folds_alike(seed)
    assert changed > 10


def folds_alike(seed: int) -> bool:
    """Whether a generated net folds at all; it computes the same."""
    made = spec(seed)
    written, found = folded(made.graph)
    if steps(found.graph) == steps(written):
        return False
    assert difference(written, found, Varied(seed), seed) < 10 * NEAR, made.text
    return True


# A mistake in each rule, and a net that shows it.
NORMED = "conv3-4(pad=1, bias=no); bn(eps=0.001); relu; fc-3"
BEFORE = "relu; bn; conv3-4; relu; fc-3"
BRANCHES = "relu; add { | conv3-4(pad=1) | conv2-4(pad=(1, 0)) }; relu; fc-3"


def other_eps(*_: Any) -> Any:
    scaling = BatchNorm.scaling

    def wrong(self: BatchNorm, own: Any, *inputs: Any) -> Scaling:
        return scaling(BatchNorm(**{**vars(self), "eps": 0.1}), own, *inputs)

    return BatchNorm, "scaling", wrong


def no_bias_scaled(*_: Any) -> Any:
    def wrong(linear: Linear, scaling: Scaling) -> Linear:
        made = algebra.scaled(linear, scaling)
        return replace(made, bias=algebra.total(linear.bias, scaling.shift))

    return scales, "scaled", wrong


def no_shift(*_: Any) -> Any:
    def wrong(linear: Linear, scaling: Scaling) -> Linear:
        return algebra.fed(linear, Scaling(scaling.scale, None))

    return scales, "fed", wrong


def one_off(*_: Any) -> Any:
    return parallel, "_offset", lambda base, branch: (0,) * len(base.kernel)


def wrong_layout(*_: Any) -> Any:
    linear = TransposedConv.linear

    def wrong(self: TransposedConv, own: dict[str, Tensor], *inputs: Any) -> Linear:
        made = linear(self, own, *inputs)
        layout = replace(made.kernel.layout, transposed=False)
        return replace(made, kernel=replace(made.kernel, layout=layout))

    return TransposedConv, "linear", wrong


@pytest.mark.parametrize(
    ("mistake", "text", "size"),
    [
        (other_eps, NORMED, "3x8x8"),
        (no_bias_scaled, "conv3-4; bn; relu; fc-3", "3x8x8"),
        (no_shift, BEFORE, "3x8x8"),
        (one_off, "relu; add { | conv3-4(pad=1) | conv1-4 }; relu; fc-3", "4x9x9"),
        (wrong_layout, "deconv2-3/2; bn; relu; fc-3", "4x4x4"),
    ],
)
def test_a_mistake_in_a_rule_is_found_by_verification(
    mistake: Any, text: str, size: str, net: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = net(text, size)
    assert verify(graph).ok
    monkeypatch.setattr(*mistake())
    written, found = folded(graph)
    assert difference(written, found, hostile(written)) > 1e-3
    report = verify(graph)
    assert not report.agrees
    assert report.culprit is not None
    assert report.culprit.layer in ("bn1", "conv1", "add1")


def test_a_variance_alone_is_widened_by_eps(net: Built) -> None:
    """By hand: weight 2, mean 3, variance 0.25, eps 0.75, scale 4, shift 5: 4 * (2x - 3) + 5."""
    _, found = folded(net("conv1-1(bias=no); bn(eps=0.75)", "1x1x1"))
    numbers = {"conv1.weight": [[[[2.0]]]], "bn1.weight": [4.0], "bn1.bias": [5.0]}
    numbers |= {"bn1.running_mean": [3.0], "bn1.running_var": [0.25]}
    source = Given({name: np.array(value, np.float32) for name, value in numbers.items()})
    assert {n: t.tolist() for n, t in tensors_of(found, source).items()} == {
        "conv1.weight": [[[[8.0]]]],
        "conv1.bias": [-7.0],
    }

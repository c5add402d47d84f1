"""Learning rates for parts of a net: every trainable parameter is in one group, the right one."""

from __future__ import annotations

import pytest
import torch

import netspec
from netspec.backends.torch.net import NetModule
from netspec.diagnostics.raised import NetspecError

NET = """
net parts(frozen=no)
input 3x8x8
default conv(pad=same, norm=bn, act=relu)
block unit { conv3-4 x2 }
block stage(n) { unit x(n) }
conv3-4 as stem
stage(2) as stage1
stage(1) as stage10
head aux { gap; fc-5 }
gap
fc-4(act=relu, frozen=frozen) as hidden
fc-4(weights=@hidden) as again
fc-5 as scores
"""


def made(**settings: object) -> NetModule:
    return netspec.load(NET, **settings).to_torch()


def grouped(
    model: NetModule, parts: dict[str, float], rest: float = 1
) -> dict[str, tuple[float, set[str]]]:
    """The groups' multiples and the parameters' names, by the groups' names."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = netspec.param_groups(model, parts, lr=0.5, rest=rest)
    every = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(names.__getitem__, every)) == sorted(
        name for parameter, name in names.items() if parameter.requires_grad
    )
    assert all(group["params"] for group in groups)
    return {g["name"]: (g["lr"] / 0.5, {names[p] for p in g["params"]}) for g in groups}


def parts_of(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_a_path_holds_for_all_inside_and_for_nothing_that_starts_alike():
    found = grouped(made(), {"stage1": 0.1, "scores": 2}, rest=0.01)
    assert list(found) == ["stage1", "scores", "rest"]
    assert [multiple for multiple, _ in found.values()] == [0.1, 2, 0.01]
    assert parts_of(found["stage1"][1]) == {"stage1"}
    assert len(found["stage1"][1]) == 2 * 2 * 4
    assert found["scores"][1] == {"scores.weight", "scores.bias"}
    assert parts_of(found["rest"][1]) == {"stem", "stem_bn", "stage10", "aux", "hidden"}


def test_the_deepest_path_decides_whatever_the_order():
    parts = {"stage1.unit2.conv1": 3.0, "stage1": 1.0, "stage1.unit2": 2.0}
    for order in (list(parts), list(reversed(parts))):
        found = grouped(made(), {part: parts[part] for part in order}, rest=0)
        assert {part: found[part][0] for part in parts} == parts
        assert found["stage1.unit2.conv1"][1] == {"stage1.unit2.conv1.weight"} | {
            name for name in found["stage1.unit2.conv1"][1] if name.endswith("conv1.bias")
        }
        assert all(name.startswith("stage1.unit1.") for name in found["stage1"][1])


def test_a_glob_matches_one_name_of_a_path_and_the_later_of_two_that_name_the_same_holds():
    found = grouped(made(), {"stage*": 1, "stage?": 2, "*.unit2": 3, "stage1.unit1.bn?": 4})
    assert {part: multiple for part, (multiple, _) in found.items()} == {
        **{"stage*": 1, "stage?": 2, "*.unit2": 3, "stage1.unit1.bn?": 4, "rest": 1}
    }
    assert parts_of(found["stage*"][1]) == {"stage10"}
    assert {name.split(".")[1] for name in found["stage?"][1]} == {"unit1"}
    assert {name.split(".")[2] for name in found["stage1.unit1.bn?"][1]} == {"bn1", "bn2"}


def test_what_is_named_without_a_glob_comes_before_globs_whatever_the_order():
    for parts in ({"stage1": 3, "*": 2}, {"*": 2, "stage1": 3}):
        found = grouped(made(), parts)
        assert {part: multiple for part, (multiple, _) in found.items()} == parts
        assert parts_of(found["stage1"][1]) == {"stage1"}


def test_parts_at_the_top_may_be_given_by_name():
    model = made()
    found = netspec.param_groups(model, {"stage1.unit1": 3}, scores=1, stem=0.1, lr=1, rest=0)
    assert [(group["name"], group["lr"]) for group in found] == [
        *(("stage1.unit1", 3), ("scores", 1), ("stem", 0.1), ("rest", 0))
    ]
    with pytest.raises(NetspecError, match="did you mean `scores`"):
        netspec.param_groups(model, score=1, lr=1)


# All that a net trains: what multiplies decays, what is added or scales one channel does not.
EVERY = """
net all_kinds
input 4x8x8
conv3-4(norm=bn, act=prelu, pad=same) as a; groupnorm(2); layernorm; deconv2-4/2 as b; dwconv3 as c
windows(7) { attention(2, scores=relative(2)) as w }
sequence; position; lstm-6 as d; rmsnorm; attention(2) as e; gru-6 as f
max_over_time; { | identity | parameter(6) as g }; add
fc-3 as h
"""


def test_weights_decay_and_biases_norms_and_slopes_do_not():
    model = netspec.load(EVERY).to_torch()
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = netspec.param_groups(model, {"h": 2}, lr=0.1, weight_decay=0.3)
    assert [(group["name"], group["weight_decay"], group["lr"]) for group in groups] == [
        *(("h", 0.3, 0.2), ("h, no decay", 0, 0.2), ("rest", 0.3, 0.1), ("rest, no decay", 0, 0.1))
    ]
    every = [names[p] for group in groups for p in group["params"]]
    assert sorted(every) == sorted(names.values())
    decayed = {names[p] for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {
        *("a.weight", "b.weight", "c.weight", "h.weight", "position1.weight"),
        *("d.weight_ih_l0", "d.weight_hh_l0", "f.weight_ih_l0", "f.weight_hh_l0"),
        *("e.in_proj_weight", "e.out_proj.weight", "windows1.w.in_proj_weight"),
        "windows1.w.out_proj.weight",
    }
    torch.optim.AdamW(groups)
    assert netspec.param_groups(model, lr=1, weight_decay=0)[0]["weight_decay"] == 0


def test_what_is_frozen_is_left_out_and_what_is_shared_goes_with_its_owner():
    found = grouped(made(), {"hidden": 0.1})
    assert found["hidden"][1] == {"hidden.weight", "hidden.bias"}
    frozen = grouped(made(frozen=True), {"hidden": 0.1})
    assert "hidden" not in frozen
    assert not {"hidden.weight", "hidden.bias"} & frozen["rest"][1]


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        ("stage", "did you mean `stage1` or `stage10`?"),
        ("stage1.unit3", "did you mean `stage1.unit2` or `stage1.unit1`"),
        ("classifier", "netspec summary --flat"),
        ("unit1", "netspec summary --flat"),
        ("stage1.*.relu1", "netspec summary --flat"),
        # It uses the weights of another, whose learning rate it is.
        ("again", "netspec summary --flat"),
        ("", "netspec summary --flat"),
    ],
)
def test_a_path_that_is_not_there_is_refused_with_the_nearest(part, advice):
    with pytest.raises(NetspecError) as caught:
        netspec.param_groups(made(), {"stem": 1, part: 1}, lr=0.1)
    assert f"error[NS711]: parts has no layer `{part}`" in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize("multiple", [-1, float("nan"), float("inf")])
def test_a_multiple_is_a_number_from_0_on(multiple):
    for parts, rest in (({"stem": multiple}, 1), ({}, multiple)):
        with pytest.raises(ValueError, match="a multiple of the learning rate is 0 or more"):
            netspec.param_groups(made(), parts, lr=0.1, rest=rest)
    with pytest.raises(ValueError, match="a decay is 0 or more"):
        netspec.param_groups(made(), lr=0.1, weight_decay=multiple)


def test_what_is_put_around_the_module_is_seen_through():
    compiled = torch.compile(torch.nn.DataParallel(made()), backend="eager")
    assert [group["name"] for group in netspec.param_groups(compiled, {"scores": 1}, lr=1)] == [
        *("scores", "rest")
    ]
    net = netspec.load("input 3; fc-2 as module").to_torch()
    assert [group["name"] for group in netspec.param_groups(net, {"module": 1}, lr=1)] == ["module"]


def test_an_optimizer_moves_each_part_by_its_own_rate():
    model = made()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    groups = netspec.param_groups(model, {"scores": 0.1, "stage1": 0}, lr=1.0, rest=0.01)
    optimizer = torch.optim.SGD(groups, lr=123.0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        rate = {"scores": 0.1, "stage1": 0.0}.get(name.split(".")[0], 0.01)
        torch.testing.assert_close(before[name] - parameter, torch.full_like(parameter, rate))

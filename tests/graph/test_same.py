"""Two graphs that compute the same are found to, whatever their names; others are not."""

import pytest
from support.shelves import shipped
from support.watching import at_most

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.graph.written import written


def built(text: str) -> Graph:
    return build(Source("net", text))


@pytest.mark.parametrize(
    "name",
    ["resnet50", "googlenet", "unet", "swin_t", "captioning", "vgg_ensemble", "detr_resnet50"],
)
def test_a_net_written_flat_is_the_same(name: str) -> None:
    graph = shipped(name)
    paths = same(graph, build(Source("flat", written(graph))))
    assert paths is not None
    assert len(set(paths.values())) == len(paths)
    weighted = [node for node in graph.nodes if node.op.weights(*node.input_types)]
    assert {node.path for node in weighted} <= paths.keys()


BASE = "input 4x8x8\n"


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("conv3-4(pad=1)", "conv3-4(pad=same) as a"),
        ("conv3-4(pad=1, init=he)", "conv3-4(pad=same, init=gaussian(1))"),
        ("conv3-4; bn; relu", "default conv(norm=bn, act=relu)\nconv3-4"),
        ("add { | conv1-4 | conv3-4(pad=1) }", "add { | conv3-4(pad=1) | conv1-4 }"),
        ("add { | conv1-4 | identity }", "residual { conv1-4 }"),
        ("maxpool2", "maxpool2/2"),
        (
            "relu as a\nconv1-2 as b; @a; conv1-2; add(@b)",
            "block t { relu; add { | conv1-2 | conv1-2 } }\nt",
        ),
        ("conv1-4 as a; conv1-4(weights=@a)", "conv1-4 as b; conv1-4(weights=@b)"),
        # All of a vector are its channels.
        ("gap; fc-3", "gap; fc-3(over=channels)"),
        ("gap; softmax", "gap; softmax(over=last)"),
    ],
)
def test_what_computes_the_same_is_the_same(mine: str, other: str) -> None:
    assert same(built(BASE + mine), built(BASE + other)) is not None


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("conv3-4(pad=1)", "conv3-4(pad=1, bias=no)"),
        ("conv3-4(pad=1)", "conv3-4(pad=1, pad_mode=reflect)"),
        ("conv1-4; conv1-4", "conv1-4"),
        ("sub { | relu | tanh }", "sub { | tanh | relu }"),
        ("concat { | relu | tanh }", "concat { | tanh | relu }"),
        ("add { | relu | tanh | sigmoid }", "add { | tanh | relu | sigmoid }"),
        ("conv1-4 as a; conv1-4(weights=@a)", "conv1-4; conv1-4"),
        (
            "conv1-4 as a; conv1-4 as b; conv1-4(weights=@a)",
            "conv1-4 as a; conv1-4 as b; conv1-4(weights=@b)",
        ),
        ("freeze { conv1-4 }", "conv1-4"),
        ("{ | relu | tanh }", "{ | tanh | relu }"),
        ("conv1-4 as a; add { | relu | @a }", "conv1-4; relu; add { | identity | identity }"),
        ("relu; head h(loss=0.3) { conv1-1 }; tanh", "relu; head h(loss=0.4) { conv1-1 }; tanh"),
        ("dwconv3(fixed=binomial, bias=no)", "dwconv3(fixed=gaussian_window(1), bias=no)"),
        ("split(2) as a, b; @a; conv1-4", "split(2) as a, b; @b; conv1-4"),
        ("{ | relu | tanh }", "relu"),
        ("relu; head h { conv1-1 }; tanh", "relu; tanh"),
        ("relu; tanh", "relu; head h { conv1-1 }; tanh"),
        ("relu; head h { conv1-1 }; tanh", "relu; head g { conv1-1 }; tanh"),
        ("relu; head h { conv1-1 }; tanh", "relu; head h { conv1-2 }; tanh"),
        ("concat { | relu | relu }", "relu; concat { | identity | identity }"),
        ("add { | relu | sub { | tanh | relu } }", "add { | sub { | relu | tanh } | relu }"),
        ("split(2) as x, y; @x", "split(2) as x, y; @y"),
        ("softmax", "softmax(over=last)"),
        ("dropout", "dropout(over=channels)"),
    ],
)
def test_what_computes_another_thing_is_not(mine: str, other: str) -> None:
    assert same(built(BASE + mine), built(BASE + other)) is None


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("input 4x8x8\nrelu", "input 4x8x9\nrelu"),
        ("input 4x8x8\nrelu", "input 4xHxW\nrelu"),
        ("input a: 4x8x8\ninput b: 4x8x8\nsub { | @a | @b }", "input a: 4x8x8\nsub { | @a | @a }"),
        (
            "input a: 4x8x8\ninput b: 4x8x8\nsub { | @a | @b }",
            "input a: 4x8x8\ninput b: 4x8x8\nsub { | @b | @a }",
        ),
        ("input 4 ids(9)\nembedding-2(rows=9)", "input 4 ids(8)\nembedding-2(rows=9)"),
    ],
)
def test_nets_of_other_inputs_are_not_the_same(mine: str, other: str) -> None:
    assert same(built(mine), built(other)) is None
    assert same(built(other), built(mine)) is None
    assert same(built(mine), built(mine)) is not None


def test_two_steps_that_are_alike_are_not_taken_for_one() -> None:
    """Each has weights of its own."""
    apart = built(BASE + "add { | conv1-4 | conv1-4 }")
    shared = built(BASE + "conv1-4; add { | identity | identity }")
    assert same(apart, shared) is None
    assert same(shared, apart) is None


def test_a_symmetric_net_takes_no_longer_for_its_symmetries() -> None:
    levels = "block t(n) { if n > 0 { add { | relu; t(n-1) | relu; t(n-1) } } }\n"
    graph = built(levels + BASE + "t(11)")
    other = built(levels + BASE + "t(11)")
    with at_most(1_000_000):
        assert same(graph, other) is not None


@pytest.mark.parametrize("last", ["@a | @b | @s", "@s | @a | @b", "@b | @s | @a"])
def test_operands_that_look_the_same_are_taken_in_order(last: str) -> None:
    """From wherever they are first reached."""
    text = (
        f"{BASE}conv1-4 as a; @input; conv1-4 as b; add {{ | @a | @b }} as s; concat {{ | {last} }}"
    )
    paths = same(built(text), built(text))
    assert paths is not None
    assert all(mine == other for mine, other in paths.items())

"""Shipped nets written flat come back as short specs that build the same graph."""

import random
import re
from functools import cache
from typing import Any

import pytest
from specs.test_length import length
from support.generated_specs import spec
from support.watching import at_most, counting

import netspec
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.graph.written import written
from netspec.importing.scopes import Scope
from netspec.importing.structure import blocks
from netspec.importing.structure.find import structured
from netspec.syntax.files import shipped_names
from netspec.syntax.fmt import format_text

Scopes = dict[str, tuple[Scope, ...]]


def built(text: str) -> Graph:
    return build(Source("net", text))


@cache
def original(name: str) -> Graph:
    return netspec.load(name).graph


def flat(graph: Graph) -> Graph:
    return built(written(graph)).replace(metadata=(), name="net")


def scopes_of(graph: Graph, other: Graph, *, kinds: bool) -> Scopes:
    """The calls around each step of a graph, by the paths of the same steps in another."""
    paths = same(graph, other)
    assert paths is not None
    return {
        paths[node.path]: tuple(
            Scope(call.component, call.block if kinds else None)
            for call in reversed(list(node.call.ancestors()))
            if call.component
        )
        for node in graph.nodes
        if node.call is not None and node.path in paths
    }


def scrambled(graph: Graph) -> Graph:
    """The graph under other names."""
    names = [f"v{number}" for number in range(len(graph.nodes))]
    random.Random(0).shuffle(names)
    text = written(graph)
    kept = {output.name for output in graph.outputs}
    steps = [n.path for n in graph.nodes if n not in graph.inputs and n.path not in kept]
    again = dict(zip(steps, names, strict=False))
    return built(_renamed(text, again)).replace(metadata=(), name="net")


def _renamed(text: str, names: dict[str, str]) -> str:
    def other(found: re.Match[str]) -> str:
        return found.group(1) + names.get(found.group(2), found.group(2))

    return re.sub(r"(@|\bas )([A-Za-z_]\w*)", other, text)


# Tokens of the text without scopes, with what a spec by hand has besides.
MOST = {
    "resnet50": 69,
    "googlenet": 250,
    "vgg16": 70,
    "densenet121": 115,
    "mobilenet_v2": 160,
    "inception_v3": 400,
    "unet": 135,
    "swin_t": 218,
    "nasnet_large": 910,
    "resnet18": 70,
    "resnet1202_cifar": 110,
}


# Large, and of steps that other nets of the plain suite consist of.
LARGE = {"nasnet_large", "resnet1202_cifar"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in MOST]
)
def test_a_net_without_names_becomes_a_short_spec_of_the_same_graph(name: str) -> None:
    graph = scrambled(flat(original(name)))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert format_text(text) == text
    assert length(text) <= MOST[name]


@pytest.mark.parametrize("name", ["resnet50", "inception_v3", "swin_t", "densenet121"])
@pytest.mark.parametrize("kinds", [True, False])
def test_scopes_make_a_spec_no_longer_than_a_fifth(name: str, kinds: bool) -> None:
    graph = flat(original(name))
    text = structured(graph, scopes_of(original(name), graph, kinds=kinds))
    assert same(graph, built(text)) is not None
    assert length(text) <= MOST[name] * 1.2


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_net_comes_back(name: str) -> None:
    graph = flat(original(name))
    assert same(graph, built(structured(graph, {}))) is not None


@pytest.mark.parametrize("seed", range(0, 1200, 12))
def test_random_nets_come_back(seed: int) -> None:
    graph = flat(built(spec(seed).text))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert length(text) <= length(written(graph))


def test_a_folding_that_makes_another_net_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = flat(original("mobilenet_v2"))
    fold = blocks.Folding._fold
    spoilt = []

    def spoil(self: Any, key: Any, block: Any, pieces: Any, arguments: Any) -> None:
        fold(self, key, block, pieces, arguments)
        if not self.refused:
            spoilt.append(key)
            block.body.items = block.body.items[:-1]

    monkeypatch.setattr(blocks.Folding, "_fold", spoil)
    text = structured(graph, {})
    assert spoilt
    assert same(graph, built(text)) is not None


HEAD = "input 3x32x32\n"
UNITS = {
    "width": "block u(n) { conv3-n(pad=1); concat { | relu | tanh; conv1-n } }\n",
    "factor": "block u(n) { conv1-(3*n); relu; dwconv5(pad=2); conv1-n; sigmoid }\n",
    "channels": "block u(n) { mul { | identity | gap; fc-(C//2); relu; fc-C; tanh }; conv3-n(pad=1) }\n",
    "named": "block u(n) { conv1-n as a; relu as b; conv3-n(pad=1); sub { | identity | @a }; add(@b) }\n",
    "shifted": "block u(n) { relu; pad(1); conv3-n; lrn(5) }\n",
}


@pytest.mark.parametrize("unit", UNITS)
def test_a_planted_block_is_found_with_one_parameter(unit: str) -> None:
    planted = (
        UNITS[unit]
        + HEAD
        + "conv3-8; u(8) x3; maxpool2; u(24); u(24); maxpool2; u(40); softsign; u(16)\n"
    )
    graph = flat(built(planted))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert length(text) <= length(planted) + 8, text
    assert text.count("block ") == 1


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("stage(basic, 8, 3); basic(16, s=2)", "stage(basic, 8, 3)"),
        ("bottleneck(8, s=2, stride_at=3)", "bottleneck(8, 2, 3)"),
        ("bottleneck(16, widen=2, groups=4)", "bottleneck(16, widen=2, groups=4)"),
        ("basic(16, shortcut=pad, s=2)", "basic(16, 2, pad)"),
        ("conv1-16; squeeze_excite(4)", "squeeze_excite("),
        ("inception(8, 4, 8, 2, 4, 6)", "inception(8, 4, 8, 2, 4, 6)"),
        ("inception(8, 4, 8, 2, 4, 6, k5=7)", "inception(8, 4, 8, 2, 4, 6, 7)"),
    ],
)
def test_a_shipped_block_is_recognised(steps: str, told: str) -> None:
    graph = flat(built(HEAD + steps))
    text = structured(graph, {})
    assert told in text
    assert same(graph, built(text)) is not None


def test_defaults_are_those_of_the_steps_that_are_still_written() -> None:
    """Pools in shipped blocks need no default of this text, which the others would have to undo."""
    widths = range(32, 104, 8)
    six = (f"{n}, {n + 4}, {2 * n + 8}, {n // 2}, {n + 12}, {n - 20}" for n in widths)
    modules = [f"inception({each})" for each in six]
    pool = "maxpool3/2(ceil=yes)"
    steps = "; ".join(["conv3-8", pool, *modules[:4], pool, *modules[4:], pool, "conv3-9"])
    steps = f"default conv(pad=same, act=relu)\n{steps}"
    text = structured(flat(built(HEAD + steps)), {})
    assert "default maxpool" not in text
    assert f"{pool}; inception(32" in text


@pytest.mark.parametrize(
    "steps",
    [
        "residual { conv3-8(pad=1, norm=bn, act=tanh); conv3-8(pad=1, norm=bn) }; relu",
        "residual { conv3-8(pad=1, norm=bn, act=relu, bias=no); conv3-8(pad=2, norm=bn, bias=no) }; relu",
    ],
)
def test_what_is_nearly_a_shipped_block_is_not_taken_for_it(steps: str) -> None:
    graph = flat(built(HEAD + "conv1-8; " + steps.replace("pad=2", "pad=1, dilation=1, groups=2")))
    text = structured(graph, {})
    assert "basic" not in text
    assert same(graph, built(text)) is not None


def test_names_of_the_file_are_used_where_they_say_something() -> None:
    original_text = UNITS["width"] + HEAD + "conv3-8; u(8); u(16); maxpool2; u(24); gap; fc-5\n"
    graph = built(original_text)
    again = flat(graph)
    scopes: Scopes = {}
    for path, (*outer, last) in scopes_of(graph, again, kinds=True).items():
        scopes[path] = (
            *outer,
            Scope({"u1": "encoder", "u2": "decoder", "u3": "u3"}[last.name], "MixingUnit"),
        )
    text = structured(again, scopes)
    assert "block mixing_unit(" in text
    assert "as encoder" in text
    assert "as decoder" in text
    assert same(again, built(text)) is not None


@pytest.mark.parametrize("name", ["googlenet", "vgg16"])
def test_names_that_say_nothing_are_not_used(name: str) -> None:
    graph = scrambled(flat(original(name)))
    scopes = {node.path: (Scope(str(number)),) for number, node in enumerate(graph.nodes)}
    assert structured(graph, scopes) == structured(graph, {})


def test_shortcuts_around_shortcuts_are_not_nested_without_end() -> None:
    down = "".join(f"conv1-4 as d{i}\n" for i in range(60))
    up = "".join(f"add(@d{59 - i}); relu\n" for i in range(60))
    graph = flat(built("input 4x8x8\n" + down + up))
    with at_most(5_000_000):
        text = structured(graph, {})
    assert same(graph, built(text)) is not None


def test_work_grows_with_the_nodes_alone() -> None:
    """Four times as many units take about four times as many calls, and never the square."""
    calls = []
    for count in (150, 600):
        steps = "; ".join(f"conv3-{4 + 4 * (i * i % 3)}(pad=1, act=relu)" for i in range(count))
        graph = flat(built(HEAD + steps))
        with counting() as work:
            structured(graph, {})
        calls.append(work.calls)
    assert calls[1] < 5 * calls[0]

"""A text's structure depends on its graph alone: read again with its own names, it is the same."""

from __future__ import annotations

import re

import pytest
from importing.structure.test_structured import built, flat, original, scopes_of
from specs.test_length import length
from support.watching import counting

from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.importing.scopes import Scope
from netspec.importing.structure.dominance import Dominance
from netspec.importing.structure.find import structured

# Nets whose stages could be cut in several ways, and the tokens that they may have.
NETS = {
    "cait_xxs24_224": 400,
    "dit_s_2": 280,
    "maxvit_t": 390,
    "swin_t": 190,
    "twins_svt_small": 240,
}


def again(text: str) -> str:
    """The text that a text's own graph becomes, what it calls its steps and blocks being known."""
    graph = built(text)
    other = flat(graph).replace(name=graph.name)
    return structured(other, scopes_of(graph, other, kinds=True))


def shape(text: str) -> list[str]:
    """What a text says but for its names and how its lines are broken."""
    words = re.findall(r"[A-Za-z_]\w*|\S", text)
    return [word for word in words if not re.fullmatch(r"[A-Za-z_]\w*", word)]


@pytest.mark.parametrize(
    "name",
    # The largest, whose blocks are convolutions beside attention as those of the others are.
    [pytest.param(n, marks=pytest.mark.slow) if n == "maxvit_t" else n for n in NETS],
)
def test_a_text_read_again_is_the_same(name: str) -> None:
    graph = flat(original(name))
    texts = [
        structured(graph, scopes) for scopes in ({}, scopes_of(original(name), graph, kinds=True))
    ]
    for text in texts:
        assert again(text) == text
        assert length(text) <= NETS[name]


def test_scopes_that_cut_elsewhere_do_not_move_a_block() -> None:
    """Five equal units of which two are called one thing by the file, and the conv behind them too."""
    unit = "conv3-8(pad=1); lrn(5); dwconv3(pad=1)"
    graph = flat(built("input 8x8x8\n" + "; ".join([unit] * 5)))
    paths = [node.path for node in graph.nodes if node not in graph.inputs]
    for size in (2, 4, 6):
        parts = {path: f"part{place // size}" for place, path in enumerate(paths)}
        scopes = {path: (Scope(name, "Part"),) for path, name in parts.items()}
        assert shape(structured(graph, scopes)) == shape(structured(graph, {}))


LAYER = """
residual { bn; mul(@c); conv3-8(pad=1); relu; conv1-8 }
residual { bn; add(@c); lrn(5); dwconv5(pad=2) }
"""


def conditioned(layers: int) -> Graph:
    """A net whose layers each read one tensor in several places, first made from two inputs."""
    head = "input image: 3x8x8\ninput step: 6\n"
    made = "@image; gap; fc-8; add { | identity | @step; fc-8 }; reshape(8x1x1) as c\n"
    return flat(built(f"{head}{made}@image; conv3-8(pad=1)" + LAYER * layers + "gap; fc-2\n"))


def test_what_all_layers_are_conditioned_on_is_named_once() -> None:
    graph = conditioned(6)
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert "x6" in text
    assert text.count(" as ") == 1
    assert again(text) == text


def test_a_block_names_what_flows_into_it() -> None:
    unit = "block u of x { conv3-8(pad=1); relu as a; @x; tanh; sub { | @a | add(@x); lrn(5) } }"
    graph = flat(built(f"{unit}\ninput 8x6x6\nu x4; gap\n"))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert " x4" in text
    assert again(text) == text


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("split(3) as a, b, c; @a; relu; mul { | identity | @b; tanh }; add(@c)", "split(3) as "),
        (
            "split(3) as a, b, c; @c; relu as d; sub { | @a; conv1-2 | @b; gap; add(@d) }",
            "split(3) as ",
        ),
    ],
)
def test_merges_of_some_of_a_bundle_are_branches(steps: str, told: str) -> None:
    graph = flat(built(f"input 6x4x4\n{steps}\n"))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert told in text
    assert "identity" not in text
    assert again(text) == text


def test_an_output_in_front_of_an_activation_keeps_its_branches() -> None:
    steps = "residual { conv3-8; relu; conv3-8 }; conv3-4 as middle; relu as end"
    text = f"input 8x8x8\ndefault conv(pad=same)\n\n{steps}\noutput end, middle\n"
    graph = flat(built(text))
    assert "residual {" in structured(graph, {})
    assert again(structured(graph, {})) == structured(graph, {})


def test_looking_for_conditions_grows_with_the_nodes_alone() -> None:
    calls = []
    for layers in (20, 80):
        graph = conditioned(layers)
        with counting() as work:
            Dominance(graph)
        calls.append(work.calls)
    assert calls[1] < 5 * calls[0]

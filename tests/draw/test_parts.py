"""What operators do inside is drawn from what they say themselves: attention as its papers draw it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from xml.etree import ElementTree

import pytest
from support.pictures import read_picture

from netspec.draw import draw
from netspec.draw.formats.connections import connections
from netspec.draw.layout.parts import parts_card
from netspec.draw.scene import Scene
from netspec.draw.structure.reading import flat_steps
from netspec.draw.view import View
from netspec.graph.checked import Graph
from netspec.ops.registry import REGISTRY

Net = Callable[..., Graph]

_SVG = "{http://www.w3.org/2000/svg}"


def words(graph: Graph, **choices: object) -> list[str]:
    svg = draw([graph], **choices)  # type: ignore[arg-type]
    assert isinstance(svg, str)
    picture = read_picture(svg)
    assert [*picture.faults(), *picture.without_source] == []
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{_SVG}text")]


def test_attention_is_drawn_in_parts_beside_a_net_that_leaves_room(net: Net) -> None:
    found = words(net("input 8x5; attention(2); relu"))
    parts = ["Q: fc 8", "K: fc 8", "V: fc 8", "2 heads", "matmul QK, / √4", "softmax", "concat"]
    assert {"inside attention", *parts, "matmul with V", "fc 8"} <= {*found}


@pytest.mark.parametrize(
    ("options", "there", "gone"),
    [
        ("causal=yes", {"mask later steps"}, set()),
        ("within=3, causal=yes", {"mask later steps, steps 3 or more away"}, set()),
        ("kv_heads=2", {"K: fc 4", "4 heads, 2 for K and V"}, {"K: fc 8"}),
        ("rotary=100", {"rotary"}, set()),
        ("qk_norm=rmsnorm", {"RMS norm"}, set()),
        ("scale=1", {"matmul QK"}, {"matmul QK, / √2"}),
        ("trained_scale=yes", {"matmul QK, trained scale"}, set()),
        ("project=no", {"concat"}, {"fc 8"}),
        ("scores=@s", {"scores", "add"}, set()),
        ("mask=@seen", {"mask"}, set()),
    ],
)
def test_each_option_shows_and_shows_only_where_it_is(
    options: str, there: set[str], gone: set[str], net: Net
) -> None:
    given = "input x: 8x6\ninput seen: 6 ids(2)\nparameter(4x6x6) as s\n@x; attention(4{})"
    text = given.format(f", {options}")
    if "@seen" not in options:
        text = text.replace("input seen: 6 ids(2)\n", "")
    if "@s" not in options.replace("@seen", ""):
        text = text.replace("parameter(4x6x6) as s\n", "")
    plain = {*words(net("input x: 8x6; attention(4)"), expand=("attention",))}
    found = {*words(net(text), expand=("attention",))}
    assert there <= found
    assert not (there - {"concat"}) & plain
    assert gone <= plain
    assert not gone & found


def test_every_combination_of_options_draws_without_faults(net: Net) -> None:
    sources = ["", ", @memory", ", @memory, @values"]
    for source, *flags in product(sources, (False, True), (False, True), (False, True)):
        options = ["rotary=50, qk_norm=l2norm", "causal=yes, mask=@seen", "scores=@s, kv_heads=1"]
        given = "".join(f", {text}" for text, is_on in zip(options, flags, strict=True) if is_on)
        text = (
            "input x: 8x6\ninput memory: 4x6\ninput values: 6x6\ninput seen: 6 ids(2)\n"
            f"parameter(2x6x6) as s\n@x; attention(2{source}{given}) as y\n"
            "@seen; embedding-2 as e\n@s; gap as g\n"
            "@memory; conv1-2 as m\n@values; conv1-2 as v\noutput y, e, g, m, v"
        )
        words(net(text), expand=("attention",))


def test_attention_to_what_is_given_has_no_layers_of_its_own(net: Net) -> None:
    found = words(net("input 8x5; relu as k; attend(2, @k)"), expand=("attend",))
    assert {"Q", "K", "V", "matmul with V"} <= {*found}
    assert not any("fc" in word for word in found)


def test_windows_that_were_shifted_mask_other_regions(net: Net) -> None:
    text = "input 8x8x8; windows(4, shift={}) {{ attention(2) }}; relu"
    assert "mask other regions" in words(net(text.format(2)), expand=("attention",))
    assert "mask other regions" not in words(net(text.format(0)), expand=("attention",))


@pytest.mark.parametrize("options", ["", ", rotary=50", ", causal=yes, scores=@s, kv_heads=1"])
def test_lines_lead_from_part_to_part_as_the_operator_says(options: str, net: Net) -> None:
    graph = net(
        f"input x: 8x6\nparameter(2x6x6) as s\n@x; attention(2{options}) as y\n@s; gap as g\noutput y, g"
    )
    node = next(node for node in graph.nodes if node.path == "y")
    parts = node.op.figure(*node.input_types)
    step = next(step for step in flat_steps(graph) if step.node is node)
    card = parts_card(step, View(graph), "attention")
    scene = Scene(tuple(card.draw(0, 0)), card.w, card.h, "", "")
    drawn = {
        (a.rpartition(".")[2], b.rpartition(".")[2])
        for line in connections(scene).values()
        for a in line.sources
        for b in line.targets
    }
    said = {(parts[k].text, part.text) for part in parts for k in part.reads if parts[k].text}
    inside = {pair for pair in said if all(p.each for p in parts if p.text in pair)}
    assert inside
    assert inside <= drawn


def test_one_layer_is_opened_by_its_path_and_others_stay_closed(net: Net) -> None:
    text = "block layer { residual { layernorm; attention(2) } }\ninput 8x5; layer; relu; layer"
    found = words(net(text), expand=("layer2.attention1",))
    assert found.count("matmul with V") == 1


def test_figures_of_operators_are_what_they_compute(net: Net) -> None:
    """Layers in them are as wide as the weights are, inputs are those that are read, in order."""
    seen = 0
    for cls in dict.fromkeys(REGISTRY.values()):
        for given, step in cls.examples:
            node = net(f"input {given}\n{step}").nodes[-1]
            parts = node.op.figure(*node.input_types)
            if not parts:
                continue
            seen += 1
            inputs = [part for part in parts if part.like == "input"]
            assert parts[: len(inputs)] == tuple(inputs)
            assert len(inputs) == len(node.inputs)
            assert all(k < i for i, part in enumerate(parts) for k in part.reads)
            assert {k for part in parts for k in part.reads} == {*range(len(parts) - 1)}
            wide = [int(part.text.rpartition(" ")[2]) for part in parts if part.like == "fc"]
            matrices = [w for w in node.op.weights(*node.input_types) if "proj" in w.name]
            assert sum(wide) == sum(w.shape[0] for w in matrices if len(w.shape) == 2)
    assert seen >= 7

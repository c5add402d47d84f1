"""What pictures say: labels as papers print them, nothing cut, nothing of the machinery."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from support.pictures import read_picture
from support.shelves import shelved, shipped

from netspec.analysis.difference.difference import difference
from netspec.diagnostics.source import Source
from netspec.draw import draw, draw_difference
from netspec.draw.metrics import text_width, wrapped
from netspec.draw.structure.labels import label
from netspec.draw.structure.words import counted, number
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.registry import REGISTRY

# What no paper prints: Python's values, floats that are integers, lists in lists, "1 layers".
_MACHINERY = re.compile(
    r"None|True|False|Value|\(\(|=none\b|\d\.0\b|(?<![\d.])\b1 (?!unless)[a-z]+s\b"
)


_ALL = ("shape", "kernel", "params", "macs")


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def of(text: str) -> Graph:
    return build(Source("net.ns", text))


def fold(graph: Graph, **choices: object) -> str:
    picture = draw([graph], **choices)  # type: ignore[arg-type]
    assert isinstance(picture, str)
    return picture


def unfit(text: str) -> list[str]:
    """What is wrong with words of a picture."""
    found = [f"{match[0]!r} in {text!r}" for match in _MACHINERY.finditer(text)]
    if any(text.count(a) != text.count(b) for a, b in ("()", "[]")):
        found.append(f"unbalanced: {text!r}")
    if (
        text != text.strip()
        or "  " in text
        or text.endswith((":", "=", "("))
        or text[:1] in ",;:·)"
    ):
        # Where a line is wrapped, a comma ends it.:
        found.append(f"loose ends: {text!r}")
    return found


# --- layers


@pytest.mark.parametrize("word", sorted(REGISTRY))
def test_every_operator_is_labelled_as_a_paper_would(word: str) -> None:
    cls = REGISTRY[word]
    for given, step in cls.examples:
        graph = of(f"input {given}\n{step}\n")
        nodes = [node for node in graph.nodes if type(node.op) is cls]
        assert nodes
        for node in nodes:
            assert unfit(label(node)) == []
            assert len(label(node)) <= 60


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("pad(((0, 1), (0, 1)))", "pad bottom 1, right 1"),
        ("pad(2, mode=reflect)", "reflect pad 2"),
        ("crop(size=5x4)", "crop to 5×4"),
        ("crop(size=5x4, offset=(0, 2))", "crop to 5×4 from 0×2"),
        ("crop(size=5, offset=3)", "crop to 5 from 3"),
        ("slice(1, -1)", "slice 1:−1"),
        ("slice(1, axis=height)", "slice 1: of height"),
        ("scaled(0.1)", "× 0.1"),
        ("scaled(1, -1)", "x − 1"),
        ("scaled(-1, 1)", "−x + 1"),
        ("clip(-0.5, 2)", "clip to −0.5 … 2"),
        ("clip(low=0)", "clip ≥ 0"),
        ("tanh(1.7159, 2/3)", "1.716 tanh(0.6667 x)"),
        ("groupnorm(4)", "group norm 4"),
        ("groupnorm(1)", "group norm 1"),
        ("split(2); add", "split into 2"),
        ("upsample(size=20x30, mode=bilinear)", "bilinear upsample to 20×30"),
        ("reshape(2x256)", "reshape 2×256"),
        ("conv3-8(groups=2, dilation=2)", "3×3 conv, 8, 2 groups, dilated 2"),
        ("maxpool2", "2×2 max pool"),
        ("maxpool2/1", "2×2 max pool, /1"),
        ("maxpool3", "3×3 max pool, /3"),
        ("maxpool3/1", "3×3 max pool"),
        ("maxpool3(stride=(3, 1))", "3×3 max pool, /3×1"),
        ("over_channels(mean)", "mean over channels"),
        ("flip(height)", "flip height"),
        ("droppath(0.25)", "drop path"),
        ("over_channels(mean); flatten; topk(4, largest=no)", "lowest 4"),
    ],
)
def test_labels(step: str, says: str) -> None:
    graph = of(f"input 8x8x8\n{step}\n")
    assert says in [label(node) for node in graph.nodes]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("pad((6, 0), mode=reflect)", "reflect pad start 6"),
        ("pad((2, 2))", "pad 2"),
        ("crop((0, 8))", "crop end 8"),
        ("attention(2, within=16)", "attention, 2 heads, within 16 steps"),
    ],
)
def test_labels_of_sequences(step: str, says: str) -> None:
    assert says in [label(node) for node in of(f"input 8x40\n{step}\n").nodes]


def test_a_number_stands_alone_where_a_layer_is_so_wide() -> None:
    unit = "block unit(n, k) { conv1-4 x(k); conv3-n(pad=same) }"
    stage = "block stage(c, n) { conv3-c(pad=same) x(n) }"
    svg = fold(of(f"input 3x8x8\n{unit}\n{stage}\nunit(16, 2); stage(6, 3); relu; tanh"), depth=0)
    assert {"16, k=2", "c=6, n=3"} <= {*words(svg)}


def test_of_joins_only_what_lays_together_says_how_wide_it_is() -> None:
    branches = "{ | conv1-8 | conv1-8 | conv1-8 }"
    found = words(fold(of(f"input 3x8x8\nadd {branches}; relu; concat {branches}; gap")))
    assert any(text.startswith("add") for text in found)
    assert "concat, 24" in found
    assert not any(text.startswith("add, 8") for text in found)


def test_of_one_is_singular() -> None:
    assert [counted(n, "layer") for n in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
    assert "1 layer" in words(fold(of("input 3x4x4\nconv3-8")))[1]
    assert words(fold(of("input 4\nprelu(per=layer)")))[1].startswith("1 parameter ·")


def test_numbers_are_short() -> None:
    assert [number(x) for x in (12.0, 0.1, -1, 2 / 3, (3, 4), 1e-8)] == [
        *("12", "0.1", "−1", "0.6667", "3×4", "1e−08")
    ]


def test_formulas_of_open_sizes_have_units_and_are_whole() -> None:
    figures = words(fold(shipped("gpt2")))[1]
    assert figures == "124 M parameters · 18.4 k·T² + 124 M·T MACs · 37 layers"


def test_open_sizes_are_written_shortly_or_not_at_all() -> None:
    steps = "conv3-8/2(pad=1); conv3-16/2(pad=1); conv2-8/2"
    found = words(fold(of(f"input 3xHx32\n{steps}\nconv1-4")))
    assert "8×ceil(H/2)×16 · 224" in found
    assert "16×ceil(H/4)×8 · 1.17 k" in found
    long = of("input 3xHxW\nconv3-8/2(pad=1); conv4-8/3; conv1-4")
    sizes = [text for text in words(fold(long)) if text.startswith(("8×", "4×"))]
    assert sizes
    assert all(text.count("(") == text.count(")") for text in sizes)
    assert list(read_picture(fold(long)).faults()) == []


# --- whole pictures


@pytest.mark.parametrize("name", shelved())
def test_every_word_is_fit_to_print_and_the_paper_is_cited_in_full(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: False)
    graph = shipped(name)
    paper = str(dict(graph.metadata).get("paper", ""))
    for choice in ({"show": (*_ALL, "name")}, {"style": "flow", "depth": 0}):
        svg = fold(graph, **choice)
        picture = read_picture(svg)
        found = words(svg)
        assert spaceless(paper) in spaceless("".join(found))
        assert all(picture.view.holds(area) for area in picture.labels)
        assert [fault for text in found if text not in paper for fault in unfit(text)] == []
        assert not [text for text in found if text.endswith("…")]


def spaceless(text: str) -> str:
    """Without what a line may end with."""
    return text.replace(" ", "")


@pytest.mark.parametrize("name", ["lenet5", "vgg16_localization", "inception_v4", "autoencoder"])
def test_a_comparison_cites_both_papers_in_full(name: str) -> None:
    graph = shipped(name)
    svg = draw_difference(difference(graph, graph))
    assert isinstance(svg, str)
    paper = spaceless(str(dict(graph.metadata)["paper"]))
    assert spaceless("".join(words(svg))).count(paper) == 2


def test_words_around_a_narrow_picture_wrap_and_do_not_widen_it(
    net: Callable[..., Graph],
) -> None:
    metadata = (("paper", "Somebody, " + "a title of many words " * 12 + "Venue 2020"),)
    graph = net("conv3-8; relu; gap").replace(name="a_name_of_" * 6 + "x", metadata=metadata)
    for choice in ({}, {"style": "flow"}, {"heat": "params"}):
        picture = read_picture(fold(graph, **choice))
        assert picture.view.right <= 361
        assert list(picture.faults()) == []


@pytest.mark.parametrize("room", [30, 60, 200])
def test_wrapping_loses_nothing_and_keeps_within_the_room(room: float) -> None:
    for text in ("one two three", "alexnet_no_conv3_conv4_fc6_fc7", "12.5 M parameters · 3 G MACs"):
        lines = wrapped(text, 11, room)
        assert spaceless("".join(lines)) == spaceless(text)
        assert all(text_width(line, 11) <= room or len(line) == 1 for line in lines)
        assert not any(line.startswith("·") for line in lines)


# --- blocks


SWISH = "block swish(b=1) { mul { | identity | scaled(b); sigmoid } }"


def test_an_activation_that_is_a_block_counts_as_one() -> None:
    found = words(fold(shipped("lenet5_1998")))
    assert not any("linear" in text or "squash" in text for text in found)
    rule = "each conv is followed by 1.716 tanh(0.6667 x) unless it says otherwise"
    assert rule in " ".join(found)
    layers = f"input 3x8x8\n{SWISH}\nconv3-8(act=swish); conv3-8(act=swish); conv1-4\ngap; swish"
    found = words(fold(of(layers)))
    assert "3×3 conv, 8 ×2" in found
    assert "1×1 conv, 4 · linear" in found
    assert "each conv is followed by swish unless it says otherwise" in found
    assert "global avg pool · swish" in found
    assert found.count("inside swish") == 1


def test_what_does_more_than_activate_keeps_its_box() -> None:
    for body in ("gap; fc-8", "conv1-C; relu", "mul { | identity | gap; fc-C; sigmoid }"):
        found = words(fold(of(f"input 8x8x8\nblock act {{ {body} }}\nconv3-8\nact")))
        assert "act" in found
    # What is read before the activation too is shown apart from it.
    text = f"input 8x8x8\n{SWISH}\nconv3-8 as c\nswish\nadd {{ | identity | @c }}"
    assert "swish" in words(fold(of(text)))


def test_arguments_have_their_names_where_they_are_not_obvious() -> None:
    unit = "block unit(n, s=1, wide=yes, act=relu) { conv3-n/s(act=act, pad=same) x2; lrn }"
    found = words(fold(of(f"input 3x32x32\n{unit}\nunit(64, 2, no); unit(48, act=tanh)"), depth=0))
    assert "64, s=2, wide=no" in found
    assert "48, tanh" in found
    kernel = (
        "block sep(kernel, width, stride=1) { dwconv(kernel=kernel, stride=stride); conv1-width }"
    )
    found = words(fold(of(f"input 3x32x32\n{kernel}\nsep5-32/2\nsep3-8"), depth=0))
    assert "5×5, 32, /2" in found
    # Numbers as they are said, and of a repeat what its copies have in common.
    rate = "block b(n, rate) { conv3-n(pad=same); droppath(rate) }"
    text = f"input 8x9x9\n{rate}\nfor i in 1..3 {{ b(24/3, i/30) }}"
    assert "n=8" in words(fold(of(text), depth=0))

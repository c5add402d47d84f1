"""Blocks that a picture shows closed: their insides beside it, shared weights, names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from support.pictures import read_picture
from support.shelves import shelved, shipped

from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

_SVG = "{http://www.w3.org/2000/svg}"


def of(text: str) -> Graph:
    return build(Source("net.ns", text))


def fold(graph: Graph, **choices: Any) -> str:
    picture = draw([graph], **choices)
    assert isinstance(picture, str)
    return picture


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{_SVG}text")]


def cards(svg: str) -> list[tuple[str, str, bool]]:
    """Every card of a block: its name, its path, whether it shows what the block does."""
    found = []
    for group in ElementTree.fromstring(svg).iter(f"{_SVG}g"):
        boxes = [box.get("class", "").split() for box in group.findall(f"{_SVG}rect")]
        # A card of two blocks, of which one holds nothing but the other, is that of the inner.
        around = not boxes and group.get("data-block")
        if around or any("block" in classes for classes in boxes):
            shut = any("shut" in classes for classes in boxes)
            name = group.get("data-block", "")
            opened = any(True for _ in group.findall(f".//{_SVG}g"))
            found.append((name, group.get("data-path", ""), opened and not shut))
    return [card for card in found if card[0]]


def insides(svg: str) -> list[str]:
    return [text.removeprefix("inside ") for text in words(svg) if text.startswith("inside ")]


@pytest.mark.parametrize("name", shelved())
def test_every_block_that_is_closed_has_its_inside_shown(name: str) -> None:
    graph = shipped(name)
    svg = fold(graph)
    opened = {block for block, _, is_open in cards(svg) if is_open}
    # `inside stage: unit ×4` shows what a stage is, and what a unit does.
    opened |= {text.partition(":")[0] for text in insides(svg)}
    heads = {head.name for head in graph.heads}
    assert {block for block, path, _ in cards(svg) if path not in heads} - opened == set()
    assert not heads or insides(svg)
    assert "not shown" not in "".join(words(svg))


def unlike(count: int) -> str:
    """Blocks of as many names that do not fit a screen."""
    steps = "; ".join(f"conv3-{3 + i}(pad=same)" for i in range(9))
    blocks = [f"block b{i} {{ {steps}; conv1-{3 + i} }}" for i in range(count)]
    return "\n".join(["input 3x64x64", *blocks, *(f"b{i}; lrn" for i in range(count))])


def test_insides_are_in_the_order_of_use_and_a_page_of_many_has_the_shape_of_a_slide(
    net: Callable[..., Graph],
) -> None:
    svg = fold(of(unlike(24)))
    picture = read_picture(svg)
    assert list(picture.faults()) == []
    assert insides(svg) == [f"b{i}" for i in range(24)]
    assert 1 / 1.5 <= picture.view.right / picture.view.bottom <= 3
    assert picture.view.bottom > 1000


def test_what_would_be_too_many_boxes_is_named() -> None:
    body = "\n".join(f"conv1-{2 + i % 97}" for i in range(1001))
    blocks = f"block a {{ {body} }}\nblock c {{ {body}; relu; conv3-9 }}\nblock d {{ gap; fc-3 }}"
    svg = fold(of(f"input 3x8x8\n{blocks}\na; c; conv1-4; d"))
    assert insides(svg) == ["a", "d"]
    assert "not shown: the inside of c" in "; ".join(words(svg))


UNIT = """
block unit(n, s=1) { residual { conv3-n/s(pad=1); conv3-n(pad=1); branchy } }
block branchy {
  concat { | conv1-C | conv3-C(pad=1) | conv5-C(pad=2) | maxpool3/1(pad=1); conv1-C }
  conv1-C
}
"""


def many(calls: str) -> str:
    """A net of so many further blocks that not all can be open."""
    return f"input 8x64x64\n{UNIT}\n{calls}\n" + "\n".join(f"unit({8 * i})" for i in range(3, 22))


def test_blocks_that_differ_in_more_than_numbers_are_shown_apart() -> None:
    svg = fold(of(many("unit(8); unit(16, s=2)")))
    # Without a projection where it stands, with one beside; what is inside of both is shown once.
    assert insides(svg) == ["unit"]
    assert [path for name, path, is_open in cards(svg) if is_open and name == "unit"] == [
        *("unit1", "unit2")
    ]
    assert sum(is_open for name, _, is_open in cards(svg) if name == "branchy") == 1
    note = r"as in unit2; also in unit3, unit4 and 17 more with other widths and strides"
    assert re.search(note, " ".join(words(svg)))


def test_blocks_that_differ_in_what_is_closed_in_them_are_shown_once() -> None:
    blocks = """block times(n) { if n > 1 { { | identity | relu }; add } else { tanh } }
block unit(n) { residual { conv3-C(pad=same); times(n); bn; sigmoid } }
block stage(n) { unit(n); unit(n); conv3-(2*C)/2(pad=1) }"""
    found = words(fold(of(f"input 8x64x64\n{blocks}\nstage(1); stage(2); stage(1)"), depth=None))
    titles = [text for text in found if text.startswith("inside ")]
    assert len(titles) == len({*titles}) or titles.count("inside times") == 2
    assert titles.count("inside stage") < 2
    assert titles.count("inside unit") < 2


def test_blocks_that_differ_in_numbers_are_shown_once() -> None:
    svg = fold(of(many("unit(16)")))
    assert sum(is_open for name, _, is_open in cards(svg) if name == "unit") == 1


def test_a_first_that_differs_in_ways_not_said_is_shown_too() -> None:
    svg = fold(shipped("res2net50"))
    assert insides(svg) == ["unit", "beside"]
    assert "first differs" in words(svg)


def test_a_training_head_is_shown_inside_too() -> None:
    svg = fold(shipped("googlenet"))
    assert insides(svg) == ["aux"]
    assert "5×5 avg pool, /3" in words(svg)


# --- shared weights


SIAMESE = """
input left: 3x64x64
input right: 3x64x64
block tower(n) { conv3-n(act=relu); maxpool2; conv3-(2*n)(act=relu); gap; fc-32 }
@left; tower(8) as first
@right; tower(8, weights=@first)
{ | @first | identity }; sub
fc-1 as score; sigmoid
"""


def edges(svg: str) -> list[tuple[str, str]]:
    """What has a coloured edge, with its colour class."""
    return [
        (group.get("data-path", ""), match[0])
        for group in ElementTree.fromstring(svg).iter(f"{_SVG}g")
        for box in group.findall(f"{_SVG}rect")
        if (match := re.search(r"share\d", box.get("class", "")))
    ]


def test_blocks_of_the_same_weights_have_one_colour_and_say_whose_they_are() -> None:
    svg = fold(of(SIAMESE))
    assert edges(svg) == [("first", "share0"), ("tower1", "share0")]
    assert words(svg).count("weights of first") == 1
    assert "first" in words(svg)


@pytest.mark.parametrize("depth", [0, None])
def test_flow_says_whose_weights_a_block_uses(
    depth: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: False)
    found = words(fold(of(SIAMESE), style="flow", depth=depth))
    assert sum(text.endswith(", weights of first") for text in found) == 1


def test_layers_of_the_same_weights_are_marked_one_by_one() -> None:
    steps = "conv3-8(pad=same) as a; relu; conv3-8(pad=same) as b; relu"
    svg = fold(
        of(f"input 8x9x9\n{steps}\nconv3-8(pad=same, weights=@a)\nconv3-8(pad=same, weights=@b)")
    )
    assert edges(svg) == [
        ("a", "share0"),
        ("b", "share1"),
        ("conv1", "share0"),
        ("conv2", "share1"),
    ]
    assert {"a: 3×3 conv, 8 · relu", "3×3 conv, 8, weights of a"} <= {
        text.replace(" · linear", "") for text in words(svg)
    }


def test_weights_shared_inside_of_what_is_shared_are_said_once() -> None:
    found = words(fold(shipped("alexnet_ten_crops")))
    assert found.count("weights of centre") == 4
    assert found.count("weights of seen") == 1


def test_the_passes_of_a_recurrence_are_no_others() -> None:
    text = (
        "input x: 8x10; gap; fc-5 as h\nfor t in @x { { | @t | identity }; concat; fc-5 } as last"
    )
    svg = fold(of(text))
    assert edges(svg) == []
    assert "the same weights each time" in words(svg)


def test_a_net_without_shared_weights_has_no_edges() -> None:
    assert edges(fold(shipped("resnet18"))) == []


# --- names


def test_names_are_shown_where_they_are_asked_for() -> None:
    graph = of("input 3x9x9\nconv3-8 as stem; relu\nconv3-8\nmaxpool2 as low; gap; fc-2 as scores")
    named = words(fold(graph, show=("kernel", "name")))
    assert [text.partition(": ")[0] for text in named if ": " in text] == ["stem", "low", "scores"]
    assert not [text for text in words(fold(graph)) if text.startswith(("stem", "low", "scores"))]


def test_names_stand_at_both_ends_of_what_is_read_from_far() -> None:
    long = "\n".join(f"conv3-{8 + i}(pad=same)" for i in range(14))
    far = of(
        f"input 8x9x9\nconv3-8(pad=same) as early\n{long}\nconv1-8; add {{ | identity | @early }}"
    )
    found = words(fold(far))
    assert [text for text in found if "early" in text] == ["early: 3×3 conv, 8", "from early"]
    near = of("input 8x9x9\nconv3-8(pad=same) as early\nconv3-8(pad=same)\nadd(@early)")
    assert not [text for text in words(fold(near)) if "early" in text]


def test_of_many_names_some_are_said(net: Callable[..., Graph]) -> None:
    steps = "\n".join(f"conv3-8(pad=same) as n{i}; relu; tanh" for i in range(30))
    read = " ".join(f"| @n{i}" for i in range(30))
    found = words(fold(of(f"input 8x9x9\n{steps}\nconcat {{ {read} }}; conv1-4")))
    assert [text for text in found if "from" in text] == ["concat, from n0, n1, n2, 23 more"]


def test_what_flows_into_a_block_has_the_names_that_its_text_has() -> None:
    body = "mul { | @signal; conv3-n(pad=same) | @control; sigmoid }; lrn(5)"
    gate = f"block gate(n) of signal, control {{ {body} }}"
    text = f"input 8x8x8\n{gate}\nconv1-8 as a; conv1-8 as b\n@a; gate(8, @b); gate(8, @a); gate(8, @b)"
    for depth in (None, 0):
        assert not [w for w in words(fold(of(text), depth=depth)) if w.startswith("input ")]
    shown = words(fold(of(text)))
    assert {"signal", "control"} <= {*shown}
    # An argument that is a tensor has its parameter's name; what has none is the input.
    mix = "block mix(other) { add { | identity | @other; conv3-8(pad=same) }; lrn(5) }"
    shown = words(fold(of(f"input 8x8x8\n{mix}\nconv1-8 as a; conv3-8(pad=same); mix(@a)")))
    assert {"input", "other"} <= {*shown}
    assert not [word for word in shown if re.fullmatch(r"input \d", word)]
    # A loop's braces see the names around them.
    loop = "for mask in @parts { | mul(@whole); conv3-4(pad=same) as last; lrn(5) }; concat"
    shown = words(fold(of(f"input 8x8x8\nconv1-4 as whole; conv1-8; split(2) as parts\n{loop}")))
    assert {"mask", "whole"} <= {*shown}

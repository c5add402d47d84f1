"""Every layer and every connection of a net is in its picture, and no other connection is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.shelves import shelved
from support.witness import unlike

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw.scene import Box, Group, Item, Scene, Wire, Words
from netspec.draw.structure.labels import data_inputs, family, spelling
from netspec.draw.styles.columns import columns
from netspec.draw.styles.flow import flow
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

STYLES: dict[str, Callable[[View], Scene]] = {
    "fold": folded,
    "flow": flow,
    "columns": lambda view: columns([view]),
}

# Branches, a skip, a head inside a block, a repeat whose first copy differs, several inputs of a block.
EVERYTHING = """net everything
input 3x32x32
block unit(n, s=1) { residual { conv3-n/s(pad=same); conv3-n(pad=same) }; relu }
block pair of a, b { { | @a | @b }; concat; conv1-16 }
block body { unit(16) x2; head aux { gap; fc-10 }; maxpool2; unit(16) }
conv3-16(pad=same) as stem
body
{ | identity | @stem; maxpool2 }; pair
concat { | conv1-8 | maxpool3/1(pad=same); conv1-8 | identity }
unit(32, 2); unit(32) x3
gap; fc-10; softmax
"""


def shipped(name: str) -> Graph:
    return build(read_spec(name))


def words(items: tuple[Item, ...]) -> Iterator[str]:
    for item in items:
        if isinstance(item, Words):
            yield item.text
        elif isinstance(item, Group):
            yield from words(item.members)


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flow lays out by itself, the same on every machine."""
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: False)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", shelved(siblings=False))
def test_what_is_drawn_is_the_graph(name: str, style: str) -> None:
    graph = shipped(name)
    try:
        scene = STYLES[style](View(graph))
    except NetspecError as refusal:
        assert style != "fold"
        assert "--style fold" in str(refusal)
        return
    assert unlike(scene, graph) == []
    sized = any(len(data_inputs(node)) < len(node.inputs) for node in graph.nodes)
    assert sized is ("what only gives a size has no line" in " ".join(words(scene.items)))


@pytest.mark.parametrize(
    "name", ["googlenet", "resnet50", "nasnet_mobile", "unet", "squeezenet1_1", "densenet121"]
)
def test_what_is_drawn_is_the_graph_however_far_blocks_are_opened(name: str) -> None:
    graph = shipped(name)
    for depth in range(4):
        assert unlike(folded(View(graph, depth)), graph) == []
        assert unlike(flow(View(graph, depth)), graph) == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not installed")
@pytest.mark.parametrize("name", ["googlenet", "nasnet_mobile", "captioning", "unet"])
def test_what_graphviz_lays_out_is_the_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: True)
    graph = shipped(name)
    assert unlike(flow(View(graph)), graph) == []


@pytest.mark.parametrize("name", shelved(siblings=False))
def test_columns_name_what_they_leave_out_after_layers(name: str) -> None:
    graph = shipped(name)
    try:
        scene = columns([View(graph)])
    except NetspecError:
        return
    said = " ".join(words(scene.items))
    closed = any(
        isinstance(item, Group) and "shut" in str(item.members[:1]) for item in scene.items
    )
    for node in graph.nodes:
        if family(node.op) == "minor" and not closed and node.head is None:
            assert spelling(node.op).replace("_", " ") in said.replace("_", " ")


# --- the check itself


def wires(items: tuple[Item, ...]) -> int:
    return sum(
        wires(item.members) if isinstance(item, Group) else isinstance(item, Wire) for item in items
    )


def without(items: tuple[Item, ...], number: list[int]) -> tuple[Item, ...]:
    """The items without the wire of a number, which is counted down."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Group):
            found.append(replace(item, members=without(item.members, number)))
            continue
        if isinstance(item, Wire):
            number[0] -= 1
            if number[0] == -1:
                continue
        found.append(item)
    return tuple(found)


@pytest.mark.parametrize("style", STYLES)
def test_a_line_that_is_missing_is_found(style: str) -> None:
    graph = build(Source("everything.ns", EVERYTHING))
    scene = STYLES[style](View(graph))
    assert unlike(scene, graph) == []
    count = wires(scene.items)
    assert count > 20
    for number in range(count):
        assert unlike(replace(scene, items=without(scene.items, [number])), graph) != [], number


@pytest.mark.parametrize("style", STYLES)
def test_a_box_that_is_missing_is_found(style: str) -> None:
    graph = build(Source("everything.ns", EVERYTHING))
    scene = STYLES[style](View(graph))

    def pruned(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
        for i, item in enumerate(items):
            if isinstance(item, Group) and item.nodes and _has_box(item):
                yield (*items[:i], *items[i + 1 :])
            if isinstance(item, Group):
                for members in pruned(item.members):
                    yield (*items[:i], replace(item, members=members), *items[i + 1 :])

    tried = list(pruned(scene.items))
    assert len(tried) > 10
    for items in tried:
        assert unlike(replace(scene, items=items), graph) != []


def _has_box(group: Group) -> bool:
    return any(isinstance(m, Box) and m.role in ("leaf", "block") for m in group.members)


def test_a_line_that_is_no_connection_is_found() -> None:
    graph = build(Source("n.ns", "input 3x8x8\nconv3-4; relu; maxpool2; gap; fc-10"))
    scene = folded(View(graph))
    boxes = [
        member
        for item in scene.items
        if isinstance(item, Group)
        for member in item.members
        if isinstance(member, Box)
    ]
    first, last = boxes[1], boxes[-1]
    lane = first.x + first.w + 20
    points = (
        (first.x + first.w, first.y + 9),
        (lane, first.y + 9),
        (lane, last.y + 9),
        (last.x + last.w, last.y + 9),
    )
    (fault,) = unlike(replace(scene, items=(*scene.items, Wire(points))), graph)
    assert "that is no connection" in fault


def test_copies_that_differ_without_a_word_are_found() -> None:
    text = (
        "input 4x8x8\nblock b(r=no) { conv3-4(pad=same); if r { lrn(5) }; conv1-4 }\nb(yes); b x2"
    )
    graph = build(Source("n.ns", text))
    scene = folded(View(graph))
    assert unlike(scene, graph) == []

    def silent(item: Item) -> Item:
        if not isinstance(item, Group):
            return item
        members = (m for m in item.members if not (isinstance(m, Words) and "first" in m.text))
        return replace(item, members=tuple(silent(member) for member in members))

    (fault,) = unlike(replace(scene, items=tuple(map(silent, scene.items))), graph)
    assert "does not say how its copies differ" in fault

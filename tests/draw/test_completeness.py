"""Every layer and every connection of a net is in its picture, and no other connection is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.pictures import read_picture
from support.shelves import shelved, shipped
from support.witness import unlike

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw.formats.svg import svg
from netspec.draw.scene import Box, Group, Item, Scene, Wire, Words
from netspec.draw.structure.labels import data_inputs, family, spelling
from netspec.draw.styles.columns.page import columns
from netspec.draw.styles.flow import flow
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.elaborate.build import build
from netspec.graph.checked import Node

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
@pytest.mark.parametrize("name", shelved())
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


@pytest.mark.parametrize("name", shelved())
def test_columns_name_what_they_leave_out_after_layers(name: str) -> None:
    graph = shipped(name)
    try:
        scene = columns([View(graph)])
    except NetspecError:
        return
    said = " ".join(words(scene.items))
    for node in layers(scene.items):
        if family(node.op) == "minor" and node.head is None:
            assert joined(spelling(node.op)) in joined(said)


def layers(items: tuple[Item, ...]) -> Iterator[Node]:
    """The layers that have boxes of their own, with what follows them there."""
    for item in items:
        if isinstance(item, Group):
            box = item.members[0]
            if not isinstance(box, Box) or box.role == "leaf":
                yield from item.nodes
            yield from layers(item.members)


def joined(text: str) -> str:
    """An operator's word as it is in a spec and in a picture."""
    return text.replace("_", "").replace(" ", "").casefold()


CASES = {
    "heads of branches and inside a branch": """input 3x8x8
concat { | conv3-8 | conv1-8 }; head a { gap; fc-2 }; head b { gap; fc-3 }
residual { conv3-16; head c { gap; fc-1 }; conv3-16 }; gap; fc-10""",
    "heads of what ends the net": """input 4x9
split(2); { | tanh | dwconv3(pad=same) }; maximum
mul { | relu | sigmoid }
head h(loss=0.3) { softsign; dwconv3(pad=same); gap; fc-3 }""",
    "a head of the last layer": "input 6x8\nconv3-4; head h(loss=0.3) { sigmoid; gap; fc-3 }",
    "heads in a tangle": """input 3x16x16
conv3-4 as a; conv3-4 as b; add { | @a; conv1-4 | @b } as c
add { | @b; conv3-4 | @c; conv1-4 | @a } as d
concat { | @c; conv1-4 | @d | @b; conv1-2 }
@c; head h { gap; fc-3 }
@b; head k { gap; fc-5 }""",
    "several heads of one layer": """input 3x8x8
conv3-4; head a { gap; fc-2 }; head b { gap; fc-3 }; head c { gap; fc-4 }
conv3-8; gap; fc-10""",
    "a head of the input": "input 3x8x8\nhead a { gap; fc-2 }\nconv3-4; gap; fc-10",
    "outputs of a chain": """input 3x8x8
conv3-4 as a; conv3-4 as b; conv3-4 as c
output a, b, c""",
    "outputs of branches": """input 3x8x8
conv3-4 as a; { | conv3-4; gap; fc-2 as p | conv1-4; gap; fc-4 as q }
output p, q, a""",
    "an input read twice": """input a: 3x8x8
input b: 3x8x8
{ | @a; conv3-4 | @b; conv3-4 | @a; conv1-4 }; concat; gap; fc-2""",
    "an input in the middle": """input a: 3x8x8
input b: 5
@a; conv3-4; gap; fc-5; add { | identity | @b; fc-5 }; fc-2; add { | identity | @b; fc-2 }""",
    "one tensor for several branches": """input 3x8x8
add { | identity | identity }; conv3-4; concat { | identity | identity | relu }""",
    "skips over several resolutions": """input 3x32x32
block u { conv3-8; conv3-8 }
conv3-8 as s; u; maxpool2; u as t; maxpool2; u
{ | identity | @s; maxpool2; maxpool2 | @t; maxpool2 }; concat; gap; fc-2""",
    "a recurrence": """input x: 8x10; gap; fc-5 as h
for x_t in @x { { | @x_t | identity }; concat; fc-5(act=tanh) as y } as last
@y; max_over_time; add(@last)""",
    "repeats in repeats": """input 8x16x16
block u { residual { conv3-8; conv3-8 } }
block v { u; u; conv1-8; relu }
v x3; v; gap""",
    "tables": """input 96x56x56
residual { layernorm; windows(7, shift=3) { attention(3, scores=relative(3)) } }
add { | identity | waves } as memory
parameter(96x100); attention(8, @memory)""",
    "more lanes than four, which are no bus": "input 3x8x8\n"
    + "; ".join(f"conv3-8 as x{i}" for i in range(6))
    + "".join(f"; add {{ | identity | @x{i} }}; conv3-8" for i in range(5)),
    "blocks over more lanes than four": """input 3x8x8
block b { conv3-8; relu }
block m of a, c { { | @a | @c }; add; conv1-8 }
"""
    + "; ".join(f"b as x{i}" for i in range(6))
    + "".join(f"; {{ | identity | @x{i} }}; m" for i in range(5)),
    "a narrow block of several inputs before a wide layer": """input 8x16x16
block m of a, b, c { { | @a | @b | @c }; add; relu }
block unit of x, y {
  @y; conv1-8 as p; conv1-8 as q; conv1-8 as r
  { | @x | @p | @q }; m; conv3-8(dilation=2, groups=2, act=relu); mul { | identity | @r } as s
  { | @s | @p | @r }; m; conv3-8(dilation=3, groups=4, act=relu); mul { | identity | @q }
  add { | identity | @s }
  { | identity | @y }
}
{ | conv1-8 | conv3-8 }; unit x2; add; gap""",
    "a tensor that every unit reads": """input image: 8x16x16
input step: 1
block unit(t) { residual { conv3-8 as h; @t; silu; fc-8; add(@h); conv3-8 } }
@step; fc-16(act=silu); fc-16 as t
@image; conv3-8 as kept
for i in 1..4 { unit(@t) }
conv3-8 as low; unit(@t); add(@kept); unit(@t); add(@low); unit(@t); add(@kept); unit(@t)""",
    "a net that ends in layers which all read another tensor": """input a: 8x9
input b: 8x9
block layer(y) { residual { conv1-8; add(@y) } }
@b; conv1-8 as other; @a; layer(@other) x4""",
    "units that a U keeps": """input 4x32x32
block unit(n) { conv3-n; residual { conv3-n; relu } }
block level(n, depth) of x {
  @x; unit(n) as a; unit(n) as b
  if depth > 0 { conv3-n/2; level(n, depth-1); upsample(2); conv3-n } else { conv3-n; unit(n) }
  for skip in [@b, @a, @x] { concat { | identity | @skip }; unit(n) }
}
conv3-8; level(8, 2); conv1-2""",
    "two tensors of one place for a layer that is no merge": """input 4x9
conv3-8; split(2); sample; gap; fc-2""",
    "branches on the way up": """input 4x4x4
conv3-5/2; adaptive_maxpool(size=4); mul { | identity | gap(keep=yes); conv1-C; softmax }""",
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("case", CASES)
def test_what_strangers_write_is_drawn_as_it_is(case: str, style: str) -> None:
    first, _, rest = CASES[case].partition("\n")
    while rest.startswith("input"):
        line, _, rest = rest.partition("\n")
        first += f"\n{line}"
    graph = build(Source("case.ns", f"{first}\ndefault conv(pad=same)\n{rest}"))
    try:
        scene = STYLES[style](View(graph))
    except NetspecError as refusal:
        assert style == "columns"
        assert "draw it with --style fold" in str(refusal)
        return
    assert unlike(scene, graph) == []
    assert list(read_picture(svg(scene)).faults()) == []


@pytest.mark.parametrize("case", CASES)
def test_what_strangers_write_is_drawn_as_it_is_where_flow_folds(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.styles.flow.is_large", lambda graph: True)
    test_what_strangers_write_is_drawn_as_it_is(case, "flow")


@pytest.mark.parametrize("name", ["nasnet_mobile", "captioning", "shufflenet_v2"])
def test_what_is_drawn_is_the_graph_where_flow_folds_and_blocks_close(name: str) -> None:
    graph = shipped(name)
    for depth in range(3):
        assert unlike(flow(View(graph, depth)), graph) == []
    assert unlike(flow(View(graph, unfold=("*",))), graph) == []


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
            # A panel beside the net repeats what is in it.
            panel = "inside " in " ".join(words((item,)))
            if isinstance(item, Group) and item.nodes and _has_box(item) and not panel:
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

"""A page as large as a slide takes it: where its columns are broken, where panels go, what cards turn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from support.pictures import Area, Picture, read_picture
from support.shelves import shelved, shipped
from support.witness import unlike

from netspec.draw import draw
from netspec.draw.layout.abreast import folded_over
from netspec.draw.layout.diagram import Diagram, Edge, Shape
from netspec.draw.layout.layered import place
from netspec.draw.layout.paging import SCREEN, strain
from netspec.draw.layout.pieces import Piece
from netspec.draw.layout.shelves import arranged
from netspec.draw.layout.straight import Port, Strand, straightened
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.graph.checked import Graph

Net = Callable[..., Graph]


def picture_of(graph: Graph) -> Picture:
    svg = draw([graph])
    assert isinstance(svg, str)
    picture = read_picture(svg)
    assert [*picture.faults()] == []
    assert unlike(folded(View(graph)), graph) == []
    return picture


def piece(w: float, h: float) -> Piece:
    return Piece(w, h, w / 2, lambda x, y: [])


@pytest.mark.parametrize("name", shelved())
def test_a_shipped_net_fills_a_slide(name: str) -> None:
    view = read_picture(str(draw([shipped(name)]))).view
    assert max(view.right / SCREEN[0], view.bottom / SCREEN[1]) < 1.2
    if view.bottom > 0.6 * SCREEN[1]:
        assert 1 / 2.1 < view.right / view.bottom < 3


# --- panels


def test_a_panel_goes_below_a_short_column_rather_than_beside_all() -> None:
    taken = [(0.0, 0.0, 300.0, 600.0), (320.0, 0.0, 620.0, 200.0)]
    found = arranged(taken, [piece(280.0, 350.0)])
    x, y = found.corners[0]
    assert x >= 300
    assert y >= 200
    assert found.w == pytest.approx(620, abs=20)


@pytest.mark.parametrize("seed", range(12))
def test_panels_overlap_neither_each_other_nor_columns(seed: int) -> None:
    random = Random(seed)
    taken, left = [], 0.0
    for _ in range(random.randint(1, 4)):
        right = left + random.uniform(150, 400)
        taken.append((left, 0.0, right, random.uniform(100, 900)))
        left = right + 10
    panels = [
        piece(random.uniform(100, 500), random.uniform(60, 700))
        for _ in range(random.randint(1, 16))
    ]
    found = arranged(taken, panels)
    areas = [Area(*area, "column") for area in taken]
    for i, panel in enumerate(panels):
        x, y = found.corners[i]
        areas.append(Area(x, y, x + panel.w, y + panel.h, "panel"))
        assert x + panel.w <= found.w
        assert y + panel.h <= found.h
    assert not any(a.meets(b) for i, a in enumerate(areas) for b in areas[:i])


def test_panels_are_read_in_their_order_where_that_costs_nothing() -> None:
    panels = [piece(200.0, 150.0) for _ in range(9)]
    found = arranged([(0.0, 0.0, 300.0, 480.0)], panels)
    for a, b in pairwise(range(9)):
        (left, top), (x, y) = found.corners[a], found.corners[b]
        assert x > left or y >= top + 150


def test_many_panels_make_a_page_like_a_slide() -> None:
    found = arranged([(0.0, 0.0, 300.0, 800.0)], [piece(300.0, 400.0) for _ in range(30)])
    assert 1 < found.w / found.h < 2.2


def test_what_a_slide_shows_larger_costs_less() -> None:
    sizes = [(900.0, 500.0), (1500.0, 900.0), (1900.0, 1000.0), (1500.0, 1300.0)]
    costs = [strain(*size) for size in sizes]
    assert costs == sorted(costs)
    assert strain(300.0, 700.0) > strain(700.0, 300.0)
    assert strain(1500.0, 200.0) > strain(1500.0, 500.0)


def test_attention_that_differs_in_numbers_has_one_panel(net: Net) -> None:
    text = """
    input 64x16
    block ffn { fc-128(act=gelu, over=channels); fc-64(over=channels) }
    block layer(heads) { residual { layernorm; attention(heads) }; residual { ffn } }
    layer(1); layer(2); layer(4); gap; fc-10
    """
    words = [label.name for label in picture_of(net(text)).labels]
    assert words.count("inside attention") == 1
    assert "other numbers" in " ".join(words)


# --- cards that turn


def test_a_tall_chain_is_folded_over_into_columns_of_about_one_height() -> None:
    found = folded_over([piece(100.0, 24.0) for _ in range(16)])
    assert found is not None
    assert found.h < 400
    assert found.w > 200


@pytest.mark.parametrize("heights", [[24.0] * 5, [500.0], [24.0, 700.0, 24.0]])
def test_what_is_low_or_cannot_be_divided_evenly_is_not_folded_over(heights: list[float]) -> None:
    assert folded_over([piece(100.0, h) for h in heights]) is None


def test_a_net_inside_a_block_is_no_tower(net: Net) -> None:
    layers = "; ".join(f"conv3-{8 + i}; relu; maxpool3/1(pad=1)" for i in range(13))
    text = f"input 3x32x32\nblock trunk {{ {layers} }}\ndefault conv(pad=same)\ntrunk; gap; fc-10"
    view = picture_of(net(text)).view
    assert view.bottom < 1.6 * view.right


# --- lines in tangles


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_straightened_in_the_order_of_each_row(seed: int) -> None:
    random = Random(seed)
    count = random.randint(2, 6)
    # The ends of the lines stand above and below all rows that they pass.
    rows, strands = [list[int]() for _ in range(10)], []
    widths: list[float] = []

    def box(row: list[int], width: float) -> int:
        row.insert(random.randint(0, len(row)), len(widths))
        widths.append(width)
        return len(widths) - 1

    for row in rows[1:9]:
        for _ in range(random.randint(0, 3)):
            box(row, random.uniform(30, 120))
    for _ in range(count):
        first, last = sorted(random.sample(range(1, 10), 2))
        ends = Port(box(rows[0], 0.0)), Port(box(rows[9], 0.0))
        strands.append(Strand(tuple(Port(box(row, 0.0)) for row in rows[first:last]), ends))
    left = [0.0] * len(widths)
    for row in rows:
        at = random.uniform(0, 200)
        for v in row:
            left[v] = at
            at += widths[v] + random.uniform(16, 120)
    found = straightened(rows, widths, left, strands, 16.0)
    for row in rows:
        for a, b in pairwise(row):
            assert found[b] - found[a] - widths[a] >= 16 - 1e-6
    lines = [[port.place for port in strand.places] for strand in strands]
    before = sum(left[a] != left[b] for line in lines for a, b in pairwise(line))
    after = sum(found[a] != found[b] for line in lines for a, b in pairwise(line))
    assert after <= before


def test_a_line_with_room_runs_straight_to_one_of_its_ends() -> None:
    line = Strand(tuple(map(Port, range(4))), (Port(4), Port(5, 10.0)))
    left = [20.0, 40.0, 60.0, 80.0, 10.0, 80.0]
    found = straightened([[4], [0], [1], [2], [3], [5]], [0.0] * 6, left, [line], 16.0)
    assert found == [10.0] * 5 + [80.0]


def test_boxes_that_follow_each_other_stand_on_one_axis() -> None:
    wide, narrow = Shape(90.0, 20.0, (45.0,), (45.0,)), Shape(30.0, 20.0, (10.0,), (10.0,))
    shapes = tuple(wide if i % 3 else narrow for i in range(9))
    chain = [Edge(i, 0, i + 1, 0) for i in range(8)]
    skips = [Edge(1, 0, 4, 0), Edge(2, 0, 7, 0), Edge(5, 0, 8, 0)]
    placed = place(Diagram(shapes, (*chain, *skips)))
    for edge in chain:
        tail, head = placed.corners[edge.tail][0], placed.corners[edge.head][0]
        below, above = tail + shapes[edge.tail].outs[0], head + shapes[edge.head].ins[0]
        assert below == pytest.approx(above)


CONDITIONED = """
input image: 64x49
input when: 64
block modulated of x, shift, scale { @x; layernorm; mul { | identity | @scale }; add(@shift) }
block feed_forward_of_two_layers(hidden) { fc-hidden(over=channels); fc-64(over=channels) }
block layer(c) of x {
  @c; fc-384; split(6) as a1, b1, g1, a2, b2, g2
  { | @x | @a1 | @b1 }; modulated; attention(4); mul(@g1); add(@x) as y
  { | @y | @a2 | @b2 }; modulated; feed_forward_of_two_layers(256); mul(@g2); add(@y)
}
@image; layer(@when); gap; fc-2
"""


def test_a_chain_that_reads_several_is_entered_at_its_first_box(net: Net) -> None:
    graph = net(CONDITIONED)
    scene = folded(View(graph, depth=1))
    assert unlike(scene, graph) == []


# --- what is a level and what is not


def test_what_turns_axes_is_no_way_down_and_up(net: Net) -> None:
    text = """
    input 16x32x32
    sequence; residual { layernorm; transpose; fc-1024(over=channels); transpose }; gap; fc-10
    """
    picture = picture_of(net(text))
    xs = [label.left for label in picture.labels if label.name.startswith("transpose")]
    assert len(xs) == 2
    assert xs[0] == pytest.approx(xs[1], abs=40)


GATED = """
default conv(pad=same, act=relu)
block gate(n) of x, g { add { | @x; conv1-n | @g; conv1-n }; conv1-1(act=sigmoid) as a; mul { | @x | @a } }
input 1x64x64
conv3-8 as e1; maxpool2; conv3-16 as e2; maxpool2; conv3-32 as e3; maxpool2; conv3-64
deconv2-32/2 as d3; concat { | { | @e3 | @d3 }; gate(16) | @d3 }; conv3-32
deconv2-16/2 as d2; concat { | { | @e2 | @d2 }; gate(8) | @d2 }; conv3-16
deconv2-8/2 as d1; concat { | { | @e1 | @d1 }; gate(4) | @d1 }; conv3-8
conv1-2
"""


def test_a_u_whose_skips_are_gated_has_a_row_for_each_resolution(net: Net) -> None:
    picture = picture_of(net(GATED))
    tops = [
        [label.top for label in picture.labels if label.name == f"{size}×{size}"]
        for size in (64, 32, 16, 8)
    ]
    assert [len(found) for found in tops] == [1, 1, 1, 1]
    assert tops == sorted(tops)
    assert picture.view.bottom <= 1000

"""Flow in columns: what is high is broken where few connections pass, and nothing is lost by it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import dist

import pytest
from support.pictures import read_picture
from support.shelves import shelved, shipped

from netspec.draw import draw
from netspec.draw.layout import dot
from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Point, Shape
from netspec.draw.layout.layered import place
from netspec.draw.layout.wrapped import wrapped
from netspec.graph.checked import Graph

BOX = Shape(80.0, 36.0, (40.0,), (40.0,))
LIMIT = 500.0

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
LAYOUTS = [
    pytest.param(lambda diagrams: [place(diagram) for diagram in diagrams], id="ours"),
    pytest.param(dot.place, id="dot", marks=needs_dot),
]
Layout = Callable[[Sequence[Diagram]], list[Placed]]


def chain(count: int, skips: Sequence[tuple[int, int]] = (), entries: int = 0) -> Diagram:
    """Boxes one after the other, and connections that pass some of them."""
    edges = [Edge(i, 0, i + 1, 0) for i in range(count - 1)]
    edges += [Edge(a, 0, b, 0) for a, b in skips]
    shapes = [BOX] * count
    for end in range(entries):
        shapes[end], shapes[count - 1 - end] = PIN, PIN
    return Diagram(tuple(shapes), tuple(edges), entries, entries)


def columns_of(placed: Placed) -> list[list[Point]]:
    """Corners by column: those after a rise begin the next."""
    found: list[list[Point]] = [[placed.corners[0]]]
    for before, here in pairwise(placed.corners):
        if here[1] < before[1] and here[0] > before[0]:
            found.append([])
        found[-1].append(here)
    return found


def between(p: Point, a: Point, b: Point) -> bool:
    """Whether a point lies on the line from a to b."""
    way = dist(a, p) + dist(p, b)
    return way == pytest.approx(dist(a, b))


def assert_joined(diagram: Diagram, placed: Placed) -> None:
    """Each line from where it leaves its box to where it arrives, and none out of the picture.

    One of a tensor that another line carries begins somewhere on that.
    """
    passed: dict[tuple[int, int], list[tuple[Point, Point]]] = {}
    for edge, line in zip(diagram.edges, placed.lines, strict=True):
        (ax, ay), (bx, by) = placed.corners[edge.tail], placed.corners[edge.head]
        tail, head = diagram.shapes[edge.tail], diagram.shapes[edge.head]
        ways = passed.setdefault((edge.tail, edge.out), [])
        out = ax + tail.outs[edge.out], ay + tail.h
        assert line[0] == pytest.approx(out) or any(between(line[0], a, b) for a, b in ways)
        ways += pairwise(line)
        assert line[-1] == pytest.approx((bx + head.ins[edge.into], by))
        assert all(-1 <= x <= placed.w + 1 and -1 <= y <= placed.h + 1 for x, y in line)
        assert all(here != after for here, after in pairwise(line))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("entries", [0, 1])
def test_a_long_chain_is_broken_into_columns_of_about_one_height(
    layout: Layout, entries: int
) -> None:
    diagram = chain(40, entries=entries)
    (placed,) = wrapped([(diagram, LIMIT)], layout)
    assert_joined(diagram, placed)
    columns = columns_of(placed)
    assert len(columns) > 3
    assert placed.h < 1.3 * LIMIT
    heights = [column[-1][1] - column[0][1] for column in columns]
    assert min(heights) > max(heights) / 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_higher_than_the_limit_is_laid_out_as_it_is(layout: Layout) -> None:
    diagram = chain(6, [(0, 3)])
    assert wrapped([(diagram, LIMIT)], layout) == layout([diagram])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_connections_go_on_over_as_many_columns_as_it_takes(layout: Layout) -> None:
    diagram = chain(40, [(1, 38), (2, 20), (2, 30)])
    (placed,) = wrapped([(diagram, LIMIT)], layout)
    assert_joined(diagram, placed)
    assert len(columns_of(placed)) > 3
    # What goes on over columns is drawn once for all that read it; others share no point with it.
    ways = dict(zip(diagram.edges, placed.lines, strict=True))
    one, other = ways[Edge(2, 0, 20, 0)], ways[Edge(2, 0, 30, 0)]
    assert other[0][1] < one[0][1]
    assert len({*one} & {*other}) < 3
    assert not {*ways[Edge(1, 0, 38, 0)]} & {*one, *other}


def test_it_is_broken_where_fewest_connections_pass() -> None:
    # Residual units of three boxes: between them passes one connection, inside two.
    count = 31
    diagram = chain(count, [(i, i + 3) for i in range(0, count - 3, 3)])
    (placed,) = wrapped([(diagram, LIMIT)], LAYOUTS[0].values[0])
    columns = columns_of(placed)
    assert len(columns) > 2
    starts = [sum(map(len, columns[:k])) for k in range(1, len(columns))]
    assert all(start % 3 == 1 for start in starts)


def test_what_too_many_connections_pass_everywhere_stays_whole() -> None:
    diagram = chain(60, [(i, 59 - i) for i in range(24)])
    (placed,) = wrapped([(diagram, LIMIT)], LAYOUTS[0].values[0])
    between = [y for _, y in placed.corners]
    assert between[16:42] == sorted(between[16:42])
    assert_joined(diagram, placed)


def test_no_column_holds_next_to_nothing() -> None:
    tall = Shape(80.0, 480.0, (40.0,), (40.0,))
    shapes = (BOX, tall, BOX, tall, BOX)
    diagram = Diagram(shapes, tuple(Edge(i, 0, i + 1, 0) for i in range(4)))
    (placed,) = wrapped([(diagram, LIMIT)], LAYOUTS[0].values[0])
    assert [len(column) for column in columns_of(placed)] in ([2, 3], [3, 2])


@needs_dot
def test_dot_puts_nothing_beside_what_leaves_a_frame() -> None:
    dead_end = Shape(200.0, 300.0, (100.0,), (100.0,))
    diagram = Diagram(
        (BOX, dead_end, BOX, PIN), (Edge(0, 0, 1, 0), Edge(0, 0, 2, 0), Edge(2, 0, 3, 0)), 0, 1
    )
    (placed,) = dot.place([diagram])
    lowest = max(
        y + shape.h for (_, y), shape in zip(placed.corners[:3], diagram.shapes, strict=False)
    )
    assert placed.corners[3][1] >= lowest


@needs_dot
@pytest.mark.parametrize("name", ["nasnet_mobile", "googlenet", "hrnet_w18"])
def test_connections_of_other_tensors_share_no_bend(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(diagrams: Sequence[Diagram]) -> list[Placed]:
        found = original(diagrams)
        seen.extend(zip(diagrams, found, strict=True))
        return found

    original = dot.place
    monkeypatch.setattr("netspec.draw.layout.dot.place", watched)
    draw([shipped(name)], style="flow")
    assert seen
    for diagram, placed in seen:
        bends: dict[tuple[int, int], list[Edge]] = {}
        for edge, line in zip(diagram.edges, placed.lines, strict=True):
            for x, y in line[1:-1]:
                bends.setdefault((round(10 * x), round(10 * y)), []).append(edge)
        for edges in bends.values():
            tails, heads = ({(e.tail, e.out) for e in edges}, {(e.head, e.into) for e in edges})
            assert len(tails) == 1 or len(heads) == 1


@pytest.mark.parametrize("name", shelved())
def test_no_page_is_a_strip(name: str) -> None:
    view = read_picture(str(draw([shipped(name)], style="flow"))).view
    assert view.bottom <= max(1050, 3 * view.right)


def test_a_block_is_one_frame_however_many_columns_it_has(net: Callable[[str], Graph]) -> None:
    graph = net("input 4x8x8\nblock long { conv3-4(pad=same) x60 }\nconv1-4; long; gap; fc-2")
    picture = read_picture(str(draw([graph], style="flow")))
    assert [picture.first_words(frame) for frame in picture.blocks] == ["long"]
    assert len(picture.leaves) == 64
    assert picture.view.bottom < 1200
    assert [*picture.faults()] == []


def test_a_closed_block_has_one_name_and_a_training_head_is_dashed_when_closed_too() -> None:
    for name, depth in (("googlenet", 0), ("resnet50", 1)):
        picture = str(draw([shipped(name)], style="flow", depth=depth))
        words = re.findall(r">([^<>]+)<", picture)
        doubled = [w for w in words if re.fullmatch(r"(\w+?)\d*: \1\d*", w)]
        assert doubled == []
    closed = str(draw([shipped("googlenet")], style="flow", depth=0))
    assert closed.count('class="block head"') == 2


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vit_b_16", "resnet1202_cifar"])
def test_of_a_large_net_what_is_repeated_is_drawn_once(name: str) -> None:
    picture = str(draw([shipped(name)], style="flow"))
    assert re.search(r">[^<]+ ×\d+<", picture)
    view = read_picture(picture).view
    assert view.right <= 1600
    assert view.bottom <= 1050


def test_of_a_net_that_fits_a_screen_every_copy_is_drawn(net: Callable[[str], Graph]) -> None:
    unit = "block unit { residual { conv3-8(pad=same); conv3-8(pad=same) } }"
    small = net(f"input 8x16x16\n{unit}\nunit x3; gap; fc-10")
    assert "×3<" not in str(draw([small], style="flow"))
    large = net(f"input 8x16x16\n{unit}\nunit x90; gap; fc-10")
    assert "unit ×90<" in str(draw([large], style="flow"))


def test_a_repeat_unfolds_in_flow_too() -> None:
    picture = read_picture(str(draw([shipped("resnet50")], style="flow", unfold=("stage2",))))
    titles = [picture.first_words(frame) for frame in picture.blocks]
    assert "stage3: bottleneck ×6" in titles
    assert {f"bottleneck{i}" for i in range(1, 5)} < {*titles}
    assert [*picture.faults()] == []

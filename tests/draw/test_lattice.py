"""Nets that go back and forth between resolutions: rows of one resolution, columns by depth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from support.lattices import random_lattice
from support.pictures import Area, Picture, read_picture
from support.shelves import shipped

from netspec.draw import draw
from netspec.draw.formats.connections import connections
from netspec.draw.layout.lattice.drawn import lattice
from netspec.draw.layout.lattice.tracks import Run, tracks
from netspec.draw.layout.structural import Layout
from netspec.draw.scene import Group, Item, Scene, Wire
from netspec.draw.structure.labels import data_inputs
from netspec.draw.styles.fold import outline_of
from netspec.draw.view import View
from netspec.graph.checked import Graph

Net = Callable[..., Graph]

ROUND = "default conv(pad=same, act=relu)\ndefault deconv(act=relu)\n"
PYRAMID = """
block bifpn(n) of a, b, c, d {
  add { | @d; upsample(2) | @c }; conv3-n as c1
  add { | @c1; upsample(2) | @b }; conv3-n as b1
  add { | @b1; upsample(2) | @a }; conv3-n as a2
  add { | @a2; maxpool2 | @b | @b1 }; conv3-n as b2
  add { | @b2; maxpool2 | @c | @c1 }; conv3-n as c2
  add { | @c2; maxpool2 | @d }; conv3-n as d2
  { | @a2 | @b2 | @c2 | @d2 }
}
input 3x64x64; conv3-8 as a; conv3-8/2 as b; conv3-8/2 as c; conv3-8/2 as d
{ | @a | @b | @c | @d }; bifpn(8) x3
{ | conv1-4 | conv1-5 | conv1-6 | conv1-7 }
"""


def picture_of(graph: Graph, **choices: object) -> Picture:
    svg = draw([graph], **choices)  # type: ignore[arg-type]
    assert isinstance(svg, str)
    picture = read_picture(svg)
    assert [*picture.faults(), *picture.without_source] == []
    return picture


def boxes(graph: Graph, **choices: object) -> dict[str, Area]:
    """The boxes of a picture by their first words."""
    picture = picture_of(graph, **choices)
    return {picture.first_words(area): area for area in (*picture.blocks, *picture.leaves)}


def is_lattice(graph: Graph) -> bool:
    view = View(graph, depth=0)
    return lattice(outline_of(view), Layout(view), graph, whole=True) is not None


def middle(area: Area) -> tuple[float, float]:
    return (area.left + area.right) / 2, (area.top + area.bottom) / 2


# --- where boxes stand


def test_a_nested_u_has_its_nodes_in_rows_and_columns() -> None:
    found = boxes(shipped("unetpp"), depth=0)
    at = {
        (i, j): middle(area)
        for name, area in found.items()
        for i, j in [(name[1:2], name[2:3])]
        if name.startswith("x") and name[1:3].isdigit()
    }
    assert len(at) == 15
    for (i, j), (x, y) in at.items():
        for (k, m), (other, below) in at.items():
            if j == m:
                assert abs(x - other) < 1
            if j < m:
                assert x < other
            if i < k:
                assert y < below


def test_a_pyramid_has_a_column_down_one_up_and_one_down(net: Net) -> None:
    picture = picture_of(net(ROUND + PYRAMID), expand=("bifpn1",))
    at = {
        word: [middle(area) for area in picture.leaves if picture.first_words(area) == word]
        for word in ("3×3 conv, 8, /2", "upsample by 2", "2×2 max pool")
    }
    columns = [{round(x) for x, _ in places} for places in at.values()]
    assert [len(places) for places in at.values()] == [3, 3, 3]
    assert all(len(column) == 1 for column in columns)
    assert sorted(columns, key=min) == columns


def test_a_block_of_streams_is_as_high_as_their_rows_and_lines_stay_in_theirs(net: Net) -> None:
    picture = picture_of(net(ROUND + PYRAMID), depth=0)
    card = max(picture.blocks, key=lambda area: area.bottom - area.top)
    enter = sorted(w[-1][1] for w in picture.wires if abs(w[-1][0] - card.left) < 1)
    leave = sorted(w[0][1] for w in picture.wires if 0 <= w[0][0] - card.right < 8)
    assert len(enter) == len(leave) == 4
    assert all(abs(a - b) < 12 for a, b in zip(enter, leave, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # One that goes down and up once is a U, one at two levels rows.
        ("conv3-8 as a; maxpool2; conv3-8 as b; upsample(2); concat { | identity | @a }", False),
        (
            "conv3-8 as a; conv3-8/2 as b; @a; conv3-8/2 as c; add { | @b | @c } as d\n"
            "@d; upsample(2) as e; add { | @a | @e } as f; concat { | @d; upsample(2) | @e | @f }",
            False,
        ),
        (PYRAMID.partition("input")[2].join(["input", ""]), True),
    ],
)
def test_only_what_goes_between_three_levels_is_a_lattice(
    text: str, expected: bool, net: Net
) -> None:
    blocks = PYRAMID.partition("input")[0] if expected else ""
    head = "" if expected else "input 8x32x32\n"
    assert is_lattice(net(f"{ROUND}{blocks}{head}{text}")) == expected


NESTED = """
input {}
block double(n) {{ conv3-n; conv3-n }}
double(8) as x00; maxpool2; double(16) as x10; maxpool2; double(32) as x20; maxpool2; double(64) as x30
concat {{ | @x00 | @x10; upsample(2) }}; double(8) as x01
concat {{ | @x10 | @x20; upsample(2) }}; double(16) as x11
concat {{ | @x20 | @x30; upsample(2) }}; double(32) as x21
concat {{ | @x00 | @x01 | @x11; upsample(2) }}; double(8) as x02
concat {{ | @x10 | @x11 | @x21; upsample(2) }}; double(16) as x12
concat {{ | @x00 | @x01 | @x02 | @x12; upsample(2) }}; double(8) as x03
conv1-2
"""


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ("3x64x64", ["64×64", "32×32", "16×16", "8×8"]),
        ("3x1024", ["1024", "512", "256", "128"]),
        # 2·floor(H/2) is H where it meets H.
        ("3xHxW", ["H×W", "floor(H/2)×floor(W/2)", "floor(H/4)×floor(W/4)"]),
    ],
)
def test_a_nest_whose_last_node_joins_all_is_a_lattice_at_any_sizes(
    sizes: str, rows: list[str], net: Net
) -> None:
    graph = net(ROUND + NESTED.format(sizes))
    assert is_lattice(graph)
    drawn = [label.name for label in picture_of(graph, depth=0).labels]
    assert all(drawn.count(row) == 1 for row in rows)
    assert not any("2*" in label for label in drawn)
    found = joined(graph)
    assert found is not None
    assert found[0] == found[1]


def test_lengths_of_sequences_are_rows_as_maps_are(net: Net) -> None:
    text = PYRAMID.replace("3x64x64", "3xT").replace("upsample(2)", "upsample(2)")
    text = text.replace("conv3-8/2", "maxpool2; conv3-8")
    assert is_lattice(net(ROUND + text.replace("xT", "x64")))


def test_what_a_net_is_told_besides_is_no_level(net: Net) -> None:
    """Vectors and tables that a sequence is led by make no pyramid, however far apart they are."""
    text = (
        "block led(c) of x { mul { | @x | @c; fc-8 } }\ninput image: 3x16x16\ninput step: 4\n"
        "constant(1, shape=1x9); exp; flatten; concat { | identity | @step }; fc-8(act=silu) as c\n"
        "@image; conv4-8/4; sequence; position; led(@c) x3 as h; @c; fc-8 as d; @h; led(@d); relu"
    )
    assert not is_lattice(net(text))


def test_padding_makes_no_other_level(net: Net) -> None:
    text = PYRAMID.replace("maxpool2", "crop(1)").replace("conv3-8/2", "crop(1); conv3-8")
    graph = net(ROUND + text.replace("upsample(2)", "pad(1)"))
    picture_of(graph, depth=0)
    assert not is_lattice(graph)


def test_a_block_may_read_one_layer_in_two_places(net: Net) -> None:
    text = (
        "block both of s, t, b, c {\n"
        "  add { | @s | @t } as u; add { | @u; maxpool2 | @b } as v; add { | @v; maxpool2 | @c } as w\n"
        "  { | @u | @v | @w }\n}\n"
        "input 3x64x64; conv3-16 as x; conv3-8/2 as b; conv3-8/2 as c; @x; split(2) as s, t\n"
        "{ | @s | @t | @b | @c }; both; { | conv1-4 | conv1-5 | conv1-6 }"
    )
    graph = net(ROUND + text)
    picture_of(graph, depth=0)
    found = joined(graph)
    assert found is not None
    assert found[0] == found[1]


# --- lines


def wires(items: tuple[Item, ...] | list[Item]) -> list[Wire]:
    found: list[Wire] = []
    for item in items:
        if isinstance(item, Wire):
            found.append(item)
        elif isinstance(item, Group):
            found += wires(item.members)
    return found


@pytest.mark.parametrize("name", ["unetpp", "yolov8n", "hrnet_w18"])
def test_lines_of_a_lattice_are_level_or_upright(name: str) -> None:
    graph = shipped(name)
    view = View(graph, depth=0)
    piece = lattice(outline_of(view), Layout(view), graph, whole=True)
    assert piece is not None
    assert all(
        a[0] == b[0] or a[1] == b[1]
        for wire in wires(piece.draw(0, 0))
        for a, b in pairwise(wire.points)
    )


def crossings(runs: list[Run]) -> int:
    """How often lines in an upright channel cross, each on its track."""
    at = tracks(runs)
    count = 0
    for a, x in zip(runs, at, strict=True):
        for b, y in zip(runs, at, strict=True):
            if x < y:
                count += sum(b.ends[0] < end < b.ends[1] for end in a.far)
                count += sum(a.ends[0] < end < a.ends[1] for end in b.near)
    return count


@pytest.mark.parametrize(("leads", "most"), [(10.0, 0), (-10.0, 15)])
def test_lines_in_a_channel_cross_no_more_than_they_must(leads: float, most: int) -> None:
    runs = [Run([100.0 + leads * i], [300.0 + 10 * i]) for i in range(6)]
    for seed in range(5):
        Random(seed).shuffle(runs)
        assert crossings(runs) == most


def test_runs_that_do_not_meet_share_a_track() -> None:
    assert tracks([Run([0.0], [50.0]), Run([100.0], [150.0])]) == [0, 0]


# --- nets that nobody drew before


def joined(graph: Graph) -> tuple[set[tuple[str, str]], set[tuple[str, str]]] | None:
    """Which boxes the lines of a lattice join, and which the net does; None for what is no lattice."""
    view = View(graph, depth=0)
    piece = lattice(outline_of(view), Layout(view), graph, whole=True)
    if piece is None:
        return None
    items = tuple(piece.draw(0, 0))
    groups = [item for item in items if isinstance(item, Group)]
    home = {node: group.path for group in groups for node in group.nodes}
    assert {*home} == {*graph.nodes}
    lines = connections(Scene(items, piece.w, piece.h, "", "")).values()
    drawn = {(a, b) for line in lines for a in line.sources for b in line.targets}
    real = {(home[v.node], home[node]) for node in home for v in data_inputs(node)}
    # Lines inside of an open block or a frame join what that holds.
    boxes = {group.path for group in groups}
    return {(a, b) for a, b in drawn if {a, b} <= boxes}, {(a, b) for a, b in real if a != b}


@pytest.mark.parametrize("name", ["unetpp", "yolov8n", "hrnet_w18", "fasterrcnn_resnet50_fpn"])
def test_the_lines_of_a_lattice_are_the_connections_of_the_net(name: str) -> None:
    found = joined(shipped(name))
    assert found is not None
    drawn, real = found
    assert drawn == real


@pytest.mark.parametrize("seed", range(16))
def test_random_lattices_draw_without_faults_and_as_they_are_connected(seed: int, net: Net) -> None:
    graph = net(random_lattice(Random(seed)))
    for choices in ({}, {"depth": 0}, {"depth": 1}):
        picture_of(graph, **choices)
    found = joined(graph)
    assert found is None or found[0] == found[1]

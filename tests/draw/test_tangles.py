"""What is neither chain nor branches: what is equal in it folds, streams keep their places."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from xml.etree import ElementTree

import pytest
from support.pictures import read_picture
from support.witness import unlike

from netspec.draw import draw
from netspec.draw.formats.svg import svg
from netspec.draw.layout.abreast import side_by_side
from netspec.draw.layout.paging import Column, divisions, strain, unevenness
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.styles.fold import folded, outline
from netspec.draw.styles.fold import page as folded_page
from netspec.draw.view import View
from netspec.graph.checked import Graph

Net = Callable[..., Graph]

ROUND = "default conv(pad=same, act=relu)\n"
FUSE = """
block fuse(n) of a, b {
  { | add { | identity | @b; conv1-n; upsample(2) } | add { | @a; conv3-(2*n)/2 | identity } }
}
block module(n) { { | basic(n) x4 | basic(2*n) x4 }; fuse(n) }
"""
TWO_STREAMS = (
    f"{ROUND}{FUSE}input 8x32x32\n"
    "{ | conv3-8 | conv3-16/2 }; module(8) x3; concat { | conv3-8/2 | identity }; gap"
)


def drawn(graph: Graph, **choices: object) -> str:
    svg = draw([graph], **choices)  # type: ignore[arg-type]
    assert isinstance(svg, str)
    assert [*read_picture(svg).faults()] == []
    return svg


def words(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


# --- folding


@pytest.mark.parametrize("depth", [0, 1])
def test_equal_blocks_that_all_read_another_tensor_too_fold(net: Net, depth: int) -> None:
    text = (
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as other; @x; layer(@other) x6; relu"
    )
    found = words(drawn(net(text), depth=depth))
    assert "layer ×6" in found
    assert "each reads the other input too" in found


STEPS = """input 8x16x16
default conv(pad=same)
block step(map) of h, x { { | @h; conv3-8 | @map; conv1-8 }; add as a; { | @a; relu | @x; add(@a) } }
conv3-8 as map; @map; conv1-8 as h; @map; tanh as x
{ | @h | @x }; step(@map) as first; step(@map, weights=@first) x5; add; gap
"""


def test_steps_of_the_same_weights_are_one_card_the_first_among_them(net: Net) -> None:
    found = words(drawn(net(STEPS)))
    assert {"step ×6", "the same weights each time"} <= {*found}
    assert not any("weights of" in text or "first" in text for text in found)
    assert found.count("inside step") <= 1


IN_TURN = """input 8x16x16
default conv(pad=same)
block near { residual { conv3-8; conv3-8 } }
block wide { conv1-16; relu; conv1-8 }
block far(y) { residual { conv1-8; add(@y) } }
"""
FIRST = "conv3-8; conv1-8 as q; conv3-8; "


@pytest.mark.parametrize(
    ("steps", "count", "inside"),
    [
        ("near; far(@q); near; far(@q); near; far(@q); near", 3, {"near", "far"}),
        ("far(@q); near; far(@q); near; far(@q); near; far(@q); conv1-4", 3, {"near", "far"}),
        (
            "near; wide; far(@q); near; wide; far(@q); near; wide; far(@q)",
            3,
            {"near", "wide", "far"},
        ),
        ("wide; near x3; far(@q); wide; near x3; far(@q); wide; near x3; far(@q)", 3, {"near ×3"}),
        ("for i in 1..8 { if i%2 == 1 { near } else { far(@q) } }", 4, {"near", "far"}),
        ("conv1-8; far(@q); conv1-8; far(@q); conv1-8; far(@q); conv1-8; far(@q)", 4, {"far"}),
    ],
)
@pytest.mark.parametrize("around", ["", "whole"])
def test_what_comes_in_turn_folds_where_some_of_it_reads_another_tensor(
    net: Net, steps: str, count: int, inside: set[str], around: str
) -> None:
    text = f"{IN_TURN}{FIRST}{steps}"
    if around:
        text = f"{IN_TURN}block whole {{ {FIRST}{steps} }}\nwhole"
    graph = net(text)
    found = words(drawn(graph, depth=1 if around else 0))
    assert {f"×{count}", "each reads the other input too", *inside} <= {*found}
    assert unlike(folded(View(graph)), graph) == []


def test_in_turn_is_told_copy_by_copy_where_that_is_asked_for(net: Net) -> None:
    graph = net(f"{IN_TURN}{FIRST}near; far(@q); near; far(@q); near; far(@q); near")
    found = words(drawn(graph, unfold=("far",), depth=0))
    assert sum(text.startswith("far") for text in found) == 3
    assert not any("×" in text and "reads" in text for text in found)


def test_what_reads_other_tensors_in_turn_stays_apart(net: Net) -> None:
    text = f"{IN_TURN}{FIRST}conv1-8 as p\nfar(@q); far(@p); near; far(@p); far(@q); near; far(@q); far(@q)"
    graph = net(text)
    assert "×3" not in words(drawn(graph, depth=0))
    assert unlike(folded(View(graph)), graph) == []


# --- blocks that call themselves

TREE = """input 8x16x16
default conv(pad=same)
block node { residual { conv3-8; conv3-8 } }
block tree(n, before=none) of x {
  if n > 1 {
    @x; tree(n-1) as left
    if before == none { tree(n-1, @left) }
    else { concat { | @before | @left } as all; @left; tree(n-1, @all) }
  } else {
    @x; node as left; node as right
    if before == none { concat { | @right | @left } } else { concat { | @right | @left | @before } }
    conv1-8
  }
}
block level(n) of x { maxpool2 as half; @x; conv3-8/2; tree(n, @half) }
"""


def test_a_tree_of_calls_has_a_card_for_each_and_each_kind_is_shown_once(net: Net) -> None:
    graph = net(f"{TREE}conv3-8; level(5); gap; fc-3")
    svg = drawn(graph)
    found = words(svg)
    assert any(text.endswith(": tree") or text.startswith("tree") for text in found)
    assert read_picture(svg).view.bottom < 1000
    assert found.count("concat") < 8
    assert unlike(folded(View(graph)), graph) == []


def test_what_calls_itself_once_or_in_branches_that_join_has_no_cards(net: Net) -> None:
    once = "block down(n) { conv3-8; if n > 0 { residual { down(n-1) } } }\ndown(3)"
    join = "block both(n) { add { | conv3-8 | if n > 0 { both(n-1); both(n-1) } else { conv1-8 } } }\nboth(2)"
    for text in (once, join):
        graph = net(f"input 8x16x16\ndefault conv(pad=same)\n{text}; gap; fc-3")
        found = words(drawn(graph, depth=0))
        assert not any("down" in text or "both2" in text for text in found)


def test_of_what_holds_nothing_but_repeats_the_first_is_shown_where_it_differs(net: Net) -> None:
    text = """input 8x16x16
default conv(pad=same)
block unit(first=no) {
  if first { conv3-8 as a; conv1-8; sigmoid; conv5-8 as b; dwconv3(pad=1) as c; maxpool3/1(pad=1) }
  conv3-8
}
block stage { unit(yes); unit; unit }
conv3-8; stage; conv1-8"""
    graph = net(text)
    page_of = folded_page(View(graph, depth=0), outline(graph), inside=True)
    found = words(svg(page_of))
    assert "inside stage: unit ×3" in found
    assert any("first differs" in text for text in found)
    assert "5×5 conv, 8" in found
    assert unlike(page_of, graph) == []


def test_a_chain_and_what_passes_it_come_side_by_side_into_a_block_of_both(net: Net) -> None:
    text = """input 8x16x16
block both of x, y { { | @x | @y; conv1-8 }; add }
block unit { conv1-8 as half; { | identity | @half }; both }
conv1-8; { | identity | conv1-8 }; both; gap"""
    graph = net(text)
    picture = folded(View(graph))
    assert unlike(picture, graph) == []
    assert not any('class="skip"' in line for line in drawn(graph).splitlines())


HEADS = """input 3x64x64
default conv(pad=same)
block found { conv3-8(act=relu); { | conv1-3 | conv1-12 } }
block pyramid of a, b, c {
  { | @a; conv3-8 | @b; conv3-8 | @c; conv3-8 } as p, q, r; { | @p; add(@q) | @q; add(@r) | @r }
}
conv3-8/2 as a; conv3-8 as b; conv3-8 as c
{ | @a | @b | @c }; pyramid as maps
"""


@pytest.mark.parametrize("depth", [None, 0])
def test_a_head_that_is_applied_to_several_maps_is_one_card(net: Net, depth: int | None) -> None:
    graph = net(f"{HEADS}for m in @maps {{ | found }}")
    found = words(drawn(graph, depth=depth))
    assert {"m ×3", "one for each input", "the same weights each time"} <= {*found}
    assert unlike(folded(View(graph, depth)), graph) == []


@pytest.mark.parametrize("choice", [{"depth": 2}, {"expand": ("unit",)}, {"expand": ("found",)}])
def test_cards_side_by_side_open_with_those_of_one_chain(
    net: Net, choice: dict[str, object]
) -> None:
    text = """input 3x64x64
default conv(pad=same)
block unit(stride=1) { residual { conv3-8/stride; conv3-8 }; relu }
block found { conv3-8(act=relu); conv1-3; sequence }
block levels of a, b, c { fpn(8, @a, @b, @c); { | identity | identity | identity; conv3-8/2 } }
conv3-8; unit as a; unit/2 as b; unit/2 as c; { | @a | @b | @c }; levels as maps
for m in @maps { | found }
concat(axis=time)"""
    graph = net(text)
    assert unlike(folded(View(graph, **choice)), graph) == []  # type: ignore[arg-type]


def test_of_branches_that_use_the_same_weights_one_is_drawn(net: Net) -> None:
    text = "input 8x16x16\nsplit(4) as parts; for p in @parts { | conv3-2(pad=same); relu }; concat"
    graph = net(text)
    assert "p ×4" in words(drawn(graph))
    assert unlike(folded(View(graph)), graph) == []


def test_what_has_weights_of_its_own_stands_apart(net: Net) -> None:
    text = (
        "input 8x16x16\nsplit(4) as parts; for p in [@parts] { | conv3-2(pad=same); relu }; concat"
    )
    assert not any("×4" in text for text in words(drawn(net(text))))
    # Each shares weights inside of it, not with the others.
    inner = "block part { split(2) as t; for u in @t { | conv1-4 }; concat }"
    both = f"{HEADS.replace('block found', inner + chr(10) + 'block found')}"
    found = words(drawn(net(f"{both}for m in [@maps] {{ | part }}")))
    assert not any("m ×3" in text or "part ×4" in text for text in found)


def test_a_norm_behind_a_stack_of_residuals_stands_apart(net: Net) -> None:
    found = words(
        drawn(net("input 8x20\nresidual { rmsnorm; fc-8(over=channels) } x5; rmsnorm; tanh"))
    )
    assert "×5" in found


def test_blocks_of_which_each_reads_something_else_do_not_fold(net: Net) -> None:
    text = (
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as a; @x; conv1-8 as b; @x\n"
        "layer(@a); layer(@b); layer(@a); relu"
    )
    assert not any("×" in word and "layer" in word for word in words(drawn(net(text), depth=0)))


def test_a_block_that_is_read_from_aside_is_the_last_of_its_run(net: Net) -> None:
    text = (
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as other\n"
        "@x; layer(@other) x3 as half; layer(@other) x4 as all; concat { | @half | @all }"
    )
    found = words(drawn(net(text), depth=0))
    assert {"layer ×3", "layer ×4"} <= {*found}


def test_a_chain_in_a_tangle_folds(net: Net) -> None:
    text = (
        f"{ROUND}input 8x16x16; conv3-8 as a; conv3-8 x5 as b; @a; conv1-8 as c\n"
        "add { | @b | @c }; conv3-8 x4 as d; concat { | @c | @d }"
    )
    found = words(drawn(net(text), show=("kernel",)))
    assert {"3×3 conv, 8 ×5", "3×3 conv, 8 ×4"} <= {word.partition(" ·")[0] for word in found}


def test_a_difference_inside_a_run_keeps_it_apart(net: Net) -> None:
    from netspec.draw.structure.reading import structure
    from netspec.draw.structure.repeats import fold

    graph = net(
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as other; @x; layer(@other) x6; relu"
    )
    marked = {node: "added" for node in graph.nodes if node.path.startswith("layer3.")}
    plain, apart = fold(structure(graph)), fold(structure(graph), marked)
    assert "count=6" in str(plain)
    assert "count=6" not in str(apart)


# --- streams


def test_a_block_that_mixes_streams_is_one_box_with_a_wire_for_each(net: Net) -> None:
    svg = drawn(net(TWO_STREAMS), depth=0)
    assert "module ×3" in words(svg)
    picture = read_picture(svg)
    box = max(picture.blocks, key=lambda area: area.right - area.left)
    enter = {wire[-1] for wire in picture.wires if abs(wire[-1][1] - box.top) < 1}
    leave = {wire[0] for wire in picture.wires if 0 <= wire[0][1] - box.bottom < 8}
    assert len(enter) == len(leave) == 2


def test_streams_stay_on_their_sides(net: Net) -> None:
    text = TWO_STREAMS.replace("module(8) x3", "module(8); module(9-1); module(8)")
    picture = read_picture(drawn(net(text), depth=0))
    boxes = sorted(picture.blocks, key=lambda area: area.top)
    for above, below in pairwise(boxes):
        between = [
            wire
            for wire in picture.wires
            if abs(wire[0][1] - above.bottom) < 1 and abs(wire[-1][1] - below.top) < 1
        ]
        assert len(between) == 2
        assert all(wire[0][0] == wire[-1][0] for wire in between)


def test_streams_stay_on_their_sides_whatever_a_block_reads_first(net: Net) -> None:
    last = "block last(n) of a, b { @b; conv1-n; upsample(2) as up; add { | @a | @up } }"
    text = TWO_STREAMS.partition("concat")[0].replace("(8) x3", "(8)") + "last(8); gap"
    picture = read_picture(drawn(net(text.replace("input", f"{last}\ninput", 1)), depth=0))
    first, second = sorted(picture.blocks, key=lambda area: area.top)
    found = [
        (wire[0][0], wire[-1][0])
        for wire in picture.wires
        if abs(wire[0][1] - first.bottom) < 1 and abs(wire[-1][1] - second.top) < 1
    ]
    assert len(found) == 2
    assert all(leaves == arrives for leaves, arrives in found)


def test_blocks_beside_each_other_that_mix_nothing_have_no_box(net: Net) -> None:
    text = (
        "block pair(n) of a, b { { | @a; conv1-n | @b; conv1-n } }\n"
        "input 8x8x8; { | conv3-8(pad=same) | conv1-8 }; pair(8); add"
    )
    assert not any("pair" in word for word in words(drawn(net(text), depth=0)))


# --- devices of papers


CELLS = """
block cell(n) of cur, prev { concat { | @cur; conv3-n | @prev; conv1-n } as new; { | @new | @cur } }
block last of cur, prev { @cur }
input 8x8x8
{ | conv3-16 | conv1-16 }; cell(8) x4; last; gap
"""


def test_cells_that_read_the_two_before_them_name_what_they_read_and_give(net: Net) -> None:
    found = words(drawn(net(ROUND + CELLS), depth=1))
    assert {"h(i)", "h(i-1)", "h(i+1)"} <= {*found}


def test_blocks_that_all_read_the_same_tensor_are_no_such_cells(net: Net) -> None:
    text = (
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as other; @x; layer(@other) x6; relu"
    )
    assert not any("h(i" in word for word in words(drawn(net(text), depth=1)))


def arcs(svg: str) -> int:
    root = ElementTree.fromstring(svg)
    paths = root.iter("{http://www.w3.org/2000/svg}path")
    return sum("skip" in (path.get("class") or "").split() for path in paths)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 24])
def test_each_layer_of_an_open_dense_block_leads_to_all_later_ones(net: Net, count: int) -> None:
    text = (
        f"{ROUND}block dense(k) {{ concat {{ | identity | conv1-8; conv3-k }} }}\n"
        f"input 8x8x8; dense(4) x{count}; gap"
    )
    svg = drawn(net(text), depth=1)
    found = words(svg)
    shown = min(count, 5)
    assert {"layer 1", "layer 2", f"layer {count}"} <= {*found}
    assert (f"layers 4 to {count - 1}" in found) == (count > 5)
    assert arcs(svg) == (shown + 1) * shown // 2
    assert f"concat, {8 + 4 * count}" in found


def test_a_closed_dense_block_has_no_arcs(net: Net) -> None:
    text = (
        f"{ROUND}block dense(k) {{ concat {{ | identity | conv1-8; conv3-k }} }}\n"
        "input 8x8x8; dense(4) x6; gap"
    )
    assert arcs(drawn(net(text), depth=0)) == 0


# --- columns


def page(*heights: float) -> list[list[float]]:
    pieces = [Piece(200.0, h, 100.0, lambda x, y: []) for h in heights]
    found = min(divisions(pieces), key=lambda side: cost(side))
    return [[piece.h for piece in column.pieces] for column in found]


def cost(side: list[Column]) -> float:
    main, _ = side_by_side(side)
    return strain(main.w, main.h) + unevenness(side)


@pytest.mark.parametrize("first", [300.0, 500.0, 700.0])
@pytest.mark.parametrize("rest", [1, 2])
def test_no_column_holds_only_one_or_two_small_boxes(first: float, rest: int) -> None:
    assert len(page(24.0, first, *[24.0] * rest)) == 1


@pytest.mark.parametrize("count", [30, 41, 60, 77])
def test_columns_are_about_as_high_as_each_other(count: int) -> None:
    heights = [sum(h + GAP for h in column) for column in page(*[24.0] * count)]
    assert len(heights) > 1
    assert min(heights) > 0.45 * max(heights)


@pytest.mark.parametrize("heights", [(500.0, 500.0, 24.0), (24.0, 800.0, 24.0, 800.0, 24.0)])
def test_what_does_not_fit_below_each_other_goes_into_columns(heights: tuple[float, ...]) -> None:
    found = page(*heights)
    assert len(found) > 1
    assert [h for column in found for h in column] == [*heights]


# --- what nobody drew before


def _random_net(rng: Random) -> str:
    """Streams that are made, mixed, left aside and taken up again."""
    lines = [
        "block pair(n) of a, b { add { | @a; conv1-n | @b; conv1-n } }",
        "block mix(n) of a, b { add { | @a | @b; conv1-n } as u; { | @u | @u; conv3-n } }",
        "block three(n) of a, b, c { concat { | @a | @b; relu | @c }; conv1-n }",
        "input 4x8x8; conv3-4 as x0",
    ]
    names = ["x0"]
    for count in range(1, rng.randint(5, 15)):
        a, b, c = (rng.choice(names[-4:]) for _ in range(3))
        choice = rng.randrange(5)
        if choice == 0:
            lines.append(f"@{a}; conv3-4 x{rng.randint(1, 3)} as x{count}")
        elif choice == 1:
            lines.append(f"add {{ | @{a}; relu | @{b} }} as x{count}")
        elif choice == 2 and a != b:
            lines.append(f"{{ | @{a} | @{b} }}; pair(4) as x{count}")
        elif choice == 3 and a != b:
            lines.append(f"{{ | @{a} | @{b} }}; mix(4) x{rng.randint(1, 3)}; pair(4) as x{count}")
        elif len({a, b, c}) == 3:
            lines.append(f"{{ | @{a} | @{b} | @{c} }}; three(4) as x{count}")
        else:
            lines.append(f"@{a}; conv1-4 as x{count}")
        names.append(f"x{count}")
    read = " ".join(f"| @{name}" for name in names)
    return ROUND + "\n".join([*lines, f"concat {{ {read} }}; gap"])


@pytest.mark.parametrize("seed", range(24))
def test_nets_of_streams_draw_without_faults(net: Net, seed: int) -> None:
    graph = net(_random_net(Random(seed)))
    for depth in (None, 0, 1, 2):
        svg = draw([graph], depth=depth)
        assert isinstance(svg, str)
        picture = read_picture(svg)
        assert [*picture.faults(), *picture.without_source] == []


def test_weights_that_are_shared_inside_a_block_keep_no_copies_apart(net: Net) -> None:
    text = (
        "block layer { { | conv1-C as key | avgpool3/1(pad=same); conv1-C(weights=@key) }; add; relu }\n"
        "input 8x8x8; layer x6; gap"
    )
    assert any(word.startswith("layer ×6") for word in words(drawn(net(text), depth=0)))


def test_from_a_tangle_at_the_end_no_line_leads_on(net: Net) -> None:
    text = (
        "block layer(other) { residual { conv1-C; add(@other) } }\n"
        "input 8x8x8; conv3-8(pad=same) as x; conv1-8 as other; @x; layer(@other) x6"
    )
    picture = read_picture(drawn(net(text), depth=0))
    lowest = max(y for wire in picture.wires for _, y in wire)
    assert lowest < max(box.bottom for box in [*picture.leaves, *picture.blocks])

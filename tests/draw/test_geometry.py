"""Every shipped net draws without overlaps, and nothing runs where it should not."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from support.pictures import Picture, gallery, read_picture
from support.shelves import shelved, shipped

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.graph.checked import Graph


def drawn(name: str, **choices: object) -> Picture:
    picture = draw([shipped(name)], **choices)  # type: ignore[arg-type]
    assert isinstance(picture, str)
    return read_picture(picture)


def faults(picture: Picture) -> list[str]:
    """What is wrong with a picture, boxes that lead to no line of the spec among it."""
    assert picture.leaves
    assert picture.smallest_text * 0.75 >= 8
    return [*picture.faults(), *picture.without_source]


@pytest.mark.parametrize("name", shelved())
def test_a_net_fits_one_screen_and_nothing_overlaps_or_runs_through_a_box(name: str) -> None:
    picture = drawn(name)
    # With the insides of many blocks a page is larger, in a screen's proportions.
    inside = any(label.name.startswith("inside ") for label in picture.labels)
    assert picture.view.right <= (1920 if inside else 1600)
    assert picture.view.bottom <= (1200 if inside else 1000)
    assert faults(picture) == []


@pytest.mark.parametrize("name", shelved())
def test_nothing_overlaps_however_far_blocks_are_opened_and_whatever_is_shown(name: str) -> None:
    choices: list[dict[str, object]] = [{"depth": depth} for depth in range(4)]
    choices += [{"show": ("shape", "kernel", "params", "macs")}, {"show": (), "heat": "memory"}]
    for choice in choices:
        assert faults(drawn(name, **choice)) == []


@pytest.mark.parametrize("with_dot", [False, True])
@pytest.mark.parametrize("name", shelved())
def test_in_flow_nothing_overlaps_or_runs_through_a_box_or_a_foreign_frame(
    name: str, with_dot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if with_dot and shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is not installed")
    monkeypatch.setattr("netspec.draw.layout.dot.has_dot", lambda: with_dot)
    assert faults(drawn(name, style="flow")) == []


@pytest.mark.parametrize("name", shelved())
def test_in_columns_nothing_overlaps_or_runs_through_a_box(name: str) -> None:
    try:
        picture = drawn(name, style="columns")
    except NetspecError as refusal:
        assert "draw it with --style fold" in str(refusal)
        return
    assert faults(picture) == []


@pytest.mark.parametrize(
    "names", [picture.specs for picture in gallery().PICTURES if picture.style == "columns"]
)
def test_in_the_gallery_s_columns_nothing_overlaps(names: tuple[str, ...]) -> None:
    picture = draw([shipped(name) for name in names], style="columns")
    assert isinstance(picture, str)
    assert faults(read_picture(picture)) == []


def test_the_check_finds_an_overlap_a_crossing_and_what_sticks_out() -> None:
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">'
    box = '<g data-line="1"><rect class="leaf" x="{}" y="10" width="20" height="20"/></g>'
    apart, over, out = box.format(10), box.format(25), box.format(90)
    line = '<path class="w" d="M5 20L60 20"/>'

    def faults(body: str) -> list[str]:
        picture: Picture = read_picture(f"{head}{body}</svg>")
        return list(picture.faults())

    assert faults(apart) == []
    assert len(faults(apart + over)) == 1
    assert len(faults(out)) == 1
    assert len(faults(apart + line)) == 1


@pytest.mark.parametrize("levels", [8, 40])
def test_a_u_of_any_depth_shows_all_its_layers(levels: int, net: Callable[..., Graph]) -> None:
    down = [f"conv3-8(pad=same) as x{i}" for i in range(levels)]
    up = [f"conv1-8; add {{ | relu | @x{i} }}" for i in reversed(range(levels))]
    svg = draw([net("\n".join([*down, *up]))])
    assert isinstance(svg, str)
    picture = read_picture(svg)
    assert faults(picture) == []
    assert len(picture.leaves) >= 3 * levels


def test_a_hundred_branches_of_unlike_blocks_do_not_overlap(net: Callable[..., Graph]) -> None:
    steps = ["block b(k) { conv(k, 4, pad=same); relu }", "relu as x"]
    steps += [f"@x; b({1 + 2 * (i % 3)}) as y{i}" for i in range(100)]
    read = " ".join(f"| @y{i}" for i in range(100))
    svg = draw([net("\n".join([*steps, f"add {{ {read} }}"]))])
    assert isinstance(svg, str)
    assert faults(read_picture(svg)) == []

"""Pictures without the words around them, for figures that have captions."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support.pictures import read_picture
from support.shelves import shipped

from netspec.draw import draw
from netspec.draw.bare import bare
from netspec.draw.scene import Box, Group, Mark, Polygon, Scene, Wire, Words, moved
from netspec.graph.checked import Graph

PAPER = "A paper, by somebody"


def svg(*graphs: Graph, **choices: object) -> str:
    picture = draw(graphs, **choices)  # type: ignore[arg-type]
    assert isinstance(picture, str)
    return picture


@pytest.mark.parametrize("style", ["fold", "flow", "columns"])
@pytest.mark.parametrize("heat", [None, "params"])
@pytest.mark.parametrize("name", ["resnet18", "alexnet"])
def test_title_paper_and_legend_go_and_all_else_stays(
    name: str, style: str, heat: str | None
) -> None:
    graph = shipped(name)
    titled, plain = (
        read_picture(svg(graph, style=style, heat=heat, title=title)) for title in (True, False)
    )
    assert [leaf.name for leaf in titled.leaves] == [leaf.name for leaf in plain.leaves]
    texts = [label.name for label in titled.labels]
    kept = [label.name for label in plain.labels]
    gone = list(texts)
    for text in kept:
        gone.remove(text)
    assert name in gone
    assert any("parameters" in text for text in gone)
    assert not any("figures:" in text or "followed by" in text for text in kept)
    assert 'class="key' not in svg(graph, style=style, heat=heat, title=False)
    assert list(plain.faults()) == []
    # As tall as what is left: no room is kept for what is gone.
    assert plain.view.bottom < titled.view.bottom - 20
    assert min(area.top for area in (*plain.leaves, *plain.labels)) < 30


def test_names_that_tell_nets_apart_stay() -> None:
    graphs = [shipped(name) for name in ("vgg16", "vgg19")]
    assert ">vgg16<" in svg(*graphs, style="columns", title=False)


def test_columns_cite_each_paper_once_with_the_nets_it_is_of() -> None:
    graphs = [shipped(name) for name in ("vgg16", "vgg19", "resnet18")]
    shown = read_picture(svg(*graphs, style="columns"))
    said = " ".join(label.name for label in shown.labels)
    assert list(shown.faults()) == []
    assert said.count("Simonyan") == 1
    assert "vgg16, vgg19: Simonyan" in said
    assert "resnet18: He et al." in said
    assert "Simonyan" not in svg(*graphs, style="columns", title=False)
    assert f">{dict(graphs[2].metadata)['paper'][:20]}" in svg(graphs[2], style="columns")


@pytest.mark.parametrize("form", ["svg", "tikz", "html", "dot", "pdf"])
def test_in_every_format_title_and_paper_are_gone(form: str, net: Callable[..., Graph]) -> None:
    graph = net("conv3-8; relu; gap").replace(metadata=(("paper", PAPER),))
    if form == "pdf":
        pytest.importorskip("reportlab")
        sizes = [
            re.search(rb"/MediaBox \[ 0 0 (\S+) (\S+) \]", bytes(found))
            for found in (draw([graph], format=form, title=title) for title in (True, False))  # type: ignore[arg-type]
        ]
        assert all(sizes)
        assert float(sizes[1][2]) < float(sizes[0][2]) - 20  # type: ignore[index]
        return
    shown = svg(graph, format=form, title=False)
    # A page packs its other pictures, and shows the text of the spec.
    assert PAPER not in shown
    if form != "dot":
        assert PAPER in svg(graph, format=form)


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_charts_lose_caption_and_small_print_and_the_height_of_both(style: str) -> None:
    pytest.importorskip("matplotlib")
    graphs = [shipped(name) for name in ("alexnet_owt", "vgg16")]
    titled, plain = (svg(*graphs, style=style, title=title) for title in (True, False))

    def height(picture: str) -> float:
        found = re.search(r'<svg[^>]* height="([\d.]+)pt"', picture)
        assert found is not None
        return float(found[1])

    assert height(plain) < height(titled) - 10
    for words in ("Sources", "Left out", "Layers with weights, in order"):
        assert words not in plain
    assert any(words in titled for words in ("Sources", "Layers with weights, in order"))
    assert "vgg16" in plain


def test_a_scene_is_cut_to_what_is_left() -> None:
    title = Words(5, 10, "a title", "title")
    kept = (
        Group((Box(50, 60, 20, 10, "leaf", "conv"),)),
        Wire(((60, 70), (60, 90))),
        Mark(60, 98, "+"),
        Words(80, 100, "x"),
        Polygon(((55, 62), (58, 62), (56, 64)), "conv-front"),
    )
    scene = bare(Scene((title, *kept), 500, 400, "t", "d", caption=(title,)))
    assert scene.items == tuple(moved(item, -42, -52) for item in kept)
    assert scene.height == pytest.approx(106 + 8 - 52)
    assert scene.width == pytest.approx(80 + 5.5 + 8 - 42)
    assert scene.caption == ()

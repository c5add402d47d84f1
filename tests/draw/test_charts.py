"""Charts: bars per layer, operations against accuracy, the revolution of depth."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")
import numpy as np

from netspec.analysis.costs import costs
from netspec.analysis.published import published, records
from netspec.cli.shipped import charted
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.draw.styles.charts.bars import bars, bars_of
from netspec.draw.styles.charts.bubble import bubble
from netspec.draw.styles.charts.callouts import placed
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names

NETS = [name for name in shipped_names() if "/" not in name]


def shipped(name: str, *inputs: str) -> Graph:
    return build(read_spec(name), {}, inputs)


def words(picture: str | bytes) -> str:
    return " ".join(" ".join(ElementTree.fromstring(str(picture).encode()).itertext()).split())


def stating(name: str, year: int, error: float, source: str = "ImageNet, 1 crop") -> Graph:
    text = (
        f"net {name}\nyear {year}\nerror top1={error}, top5={error}, source='{source}'\n"
        "input 3x8x8\nconv3-8; relu; gap\n"
    )
    return build(Source(f"{name}.ns", text.replace("'", '"')))


@pytest.mark.parametrize("style", ["bubble", "depth"])
def test_charts_state_their_sources_and_repeat_byte_for_byte(style: str) -> None:
    nets = [shipped(name) for name in ("alexnet", "vgg16", "resnet50")]
    first, second = draw(nets, style=style), draw(nets, style=style)
    assert first == second
    assert "Table 3" in str(first)
    assert "percent, ImageNet" in str(first)


def test_text_is_at_least_8_points_high() -> None:
    nets = [shipped("alexnet"), shipped("resnet50")]
    for style in ("bars", "bubble", "depth"):
        sizes = re.findall(r"font(?:-size)?: ([\d.]+)px", str(draw(nets, style=style)))
        assert sizes
        assert min(map(float, sizes)) >= 8


# --- bars


@pytest.mark.parametrize("name", NETS)
def test_bars_add_up_to_the_net_and_are_few_enough_to_read(name: str) -> None:
    graph = shipped(name)
    total, found = costs(graph), bars_of(graph)
    assert sum(bar.params for bar in found) == total.params + total.params_frozen
    assert sum(bar.macs for bar in found) == total.macs
    assert 0 < len(found) <= 48
    assert len({bar.name for bar in found}) == len(found)


def test_a_chart_has_a_title_for_those_who_cannot_see_it() -> None:
    root = ElementTree.fromstring(str(draw([shipped("lenet5")], style="bars")).encode())
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "bars: lenet5"


def test_a_bar_gives_the_bytes_of_a_layers_output() -> None:
    first, *_, last = bars_of(shipped("vgg16"))
    assert (first.name, first.memory) == ("conv1", 224 * 224 * 64 * 4)
    assert (last.name, last.memory) == ("fc8", 1000 * 4)


def test_a_bar_of_a_deep_net_is_a_block_and_the_caption_says_so() -> None:
    graph = shipped("resnet50")
    names = [bar.name for bar in bars_of(graph)]
    assert names[:2] == ["conv1", "stage1.bottleneck1"]
    assert "Of resnet50 a bar is a block" in str(draw([graph], style="bars"))


def test_blocks_of_one_name_that_follow_each_other_share_a_bar_where_they_are_many() -> None:
    names = [bar.name for bar in bars_of(shipped("densenet121"))]
    assert names[:4] == ["conv1", "dense1–6", "transition1", "dense7–18"]


def test_two_nets_are_mirrored_over_the_same_width_with_units_and_totals() -> None:
    graphs = [shipped("alexnet"), shipped("vgg16")]
    picture = str(draw(graphs, style="bars"))
    for text in ("activations, MB", "parameters, millions", "multiply-adds, billions"):
        assert text in picture
    assert "vgg16: 138 M parameters, 15.5 G multiply-adds" in picture
    panel = bars(graphs).axes[0]
    up, down = (list(c) for c in panel.containers)  # type: ignore[attr-defined]
    assert (len(up), len(down)) == (8, 16)
    assert all(bar.get_height() > 0 for bar in up)
    assert all(bar.get_height() < 0 for bar in down)
    for row in (up, down):
        assert row[0].get_x() < 0.05
        assert row[-1].get_x() + row[-1].get_width() > 0.95


def test_bars_take_one_or_two_nets_of_known_sizes(net: Callable[..., Graph]) -> None:
    with pytest.raises(NetspecError, match="bars compare two nets, not 3"):
        draw([shipped("lenet5")] * 3, style="bars")
    with pytest.raises(NetspecError, match="--input"):
        draw([shipped("fcn32s", "3xHxW")], style="bars")
    with pytest.raises(NetspecError, match="1 to 200 layers"):
        draw([net("; ".join(["conv1-8; dwconv1"] * 101), input="3x8x8")], style="bars")


# --- published errors


def test_only_errors_of_one_data_set_are_compared_and_the_others_are_named() -> None:
    nets = [shipped(name) for name in ("resnet18", "lenet5_1998", "resnet50", "unet")]
    assert [item.graph.name for item in published(nets, "top1")] == ["resnet18", "resnet50"]
    assert "such an error on ImageNet: lenet5_1998, unet" in words(draw(nets, style="bubble"))


def test_the_nets_of_one_year_that_beat_all_before_are_one_record() -> None:
    rows = (("a", 2012, 20.0), ("b", 2013, 22.0), ("c", 2014, 9.0), ("d", 2014, 8.0))
    nets = [stating(*row) for row in (*rows, ("e", 2015, 8.5), ("f", 2016, 5.0))]
    assert [item.graph.name for item in records(published(nets, "top5"))] == ["a", "d", "f"]


def test_without_names_depth_shows_records_and_bubble_everything() -> None:
    depths = charted("depth")
    years = [dict(graph.metadata)["year"] for graph in depths]
    assert years == sorted(set(years))  # type: ignore[type-var]
    assert {graph.name for graph in depths} >= {"alexnet", "vgg16"}
    assert len(charted("bubble")) > 40


def test_nets_that_are_named_are_all_shown() -> None:
    names = ("vgg11", "vgg13", "vgg16", "vgg19")
    picture = str(draw([shipped(name) for name in names], style="depth"))
    assert all(f">{name}<" in picture for name in names)


def test_no_name_in_the_bubble_chart_covers_another() -> None:
    figure = bubble(charted("bubble"))
    figure.draw_without_rendering()
    axis = figure.axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    assert len(boxes) > 40
    frame = axis.get_window_extent()
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        for other in boxes[:i]:
            # Line heights include the room for accents and tails.
            assert not box.shrunk(1, 0.7).overlaps(other.shrunk(1, 0.7))


def test_names_of_a_crowd_find_room_in_the_frame() -> None:
    source = np.random.default_rng(5)
    points = source.uniform(150, 350, (40, 2))
    radii, sizes = source.uniform(2, 12, 40), np.tile([50.0, 9.0], (40, 1))
    middles = placed(points, radii, sizes, (500.0, 500.0))
    assert (middles == placed(points, radii, sizes, (500.0, 500.0))).all()
    assert (middles - sizes / 2 >= 0).all()
    assert (middles + sizes / 2 <= 500).all()
    apart = abs(middles[:, None] - middles[None]) >= sizes
    assert (apart.any(2) | np.eye(40, dtype=bool)).all()


def test_what_a_spec_says_stays_text() -> None:
    graph = stating("odd", 2012, 20.0, source="ImageNet <b>&amp; $x^2$ 100%")
    for style in ("bubble", "depth"):
        assert "<b>&amp; $x^2$ 100%" in words(draw([graph], style=style))


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_ids_do_not_depend_on_where_things_are_in_memory(style: str) -> None:
    picture = str(draw([shipped("alexnet"), shipped("vgg16")], style=style))
    used = set(re.findall(r'(?: id="|#)([a-z][0-9a-f]{10}|i\d+)[")]', picture))
    assert used == {f"i{number}" for number in range(len(used))}

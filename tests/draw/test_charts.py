"""Charts: bars per layer, operations against accuracy, the revolution of depth."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")
import numpy as np
from matplotlib.figure import Figure
from support.charts import chart_faults, texts
from support.pictures import Area

from netspec.analysis.costs import costs
from netspec.analysis.published import comparable, milestones, winners
from netspec.cli.shared.shipped import charted
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.draw.styles.charts.bars import bars, bars_of
from netspec.draw.styles.charts.bubble import bubble
from netspec.draw.styles.charts.callouts import crossings, placed
from netspec.draw.styles.charts.depth import depth
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names

NETS = shipped_names("lectures")


@cache
def everything(style: str) -> tuple[list[Graph], str]:
    """What the command draws where no nets are named."""
    return charted(style)


@cache
def crowd() -> Figure:
    """The bubble chart of all nets, laid out."""
    figure = bubble(everything("bubble")[0])
    figure.draw_without_rendering()
    return figure


def shipped(name: str, *inputs: str) -> Graph:
    return build(read_spec(name), {}, inputs)


def words(picture: str | bytes) -> str:
    return " ".join(" ".join(ElementTree.fromstring(str(picture).encode()).itertext()).split())


def stating(name: str, year: int, *lines: str) -> Graph:
    said = "\n".join(lines)
    text = f"net {name}\nyear {year}\n{said}\ninput 3x8x8\nconv3-8; relu; gap\n"
    return build(Source(f"{name}.ns", text))


def error(value: float, on: str = "ImageNet validation", more: str = "crops=1") -> str:
    return f'error top1={value}, top5={value}, on="{on}", {more}, source="paper, Table 3"'


def entry(team: str, year: int, value: float, more: str = "place=1") -> str:
    what = f'challenge="ILSVRC", team="{team}", year={year}'
    return f'entry {what}, top5={value}, {more}, source="paper, Table 7"'


@pytest.mark.parametrize("style", ["bubble", "depth"])
def test_charts_state_their_sources_and_repeat_byte_for_byte(style: str) -> None:
    nets = [shipped(name) for name in ("alexnet", "vgg16", "resnet50")]
    first, second = draw(nets, style=style), draw(nets, style=style)
    assert first == second
    assert "paper, Table 3: resnet50" in words(first)
    assert "ImageNet validation, " in words(first)


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


@pytest.mark.parametrize("name", NETS)
def test_no_text_of_bars_meets_another_or_leaves_the_figure(name: str) -> None:
    assert [*chart_faults(bars([shipped(name)]))] == []


@pytest.mark.parametrize("names", ["alexnet vgg16", "densenet40_12 mlp", "fractalnet20 googlenet"])
def test_no_text_of_two_nets_meets_another_or_leaves_the_figure(names: str) -> None:
    assert [*chart_faults(bars([shipped(name) for name in names.split()]))] == []


def test_the_highest_value_stands_clear_of_the_scale() -> None:
    figure = bars([shipped("bn_inception")])
    (value,) = (text for text in texts(figure) if text.name == "3.21 MB")
    edge = figure.axes[0].get_window_extent().x0
    assert value.left > edge


def test_long_names_take_no_height_from_bars() -> None:
    heights = []
    for name in ("bn_inception", "fractalnet20"):
        figure = bars([shipped(name)])
        figure.draw_without_rendering()
        heights.append(figure.axes[1].get_window_extent().height)
    assert heights[1] > 0.95 * heights[0]


def test_weights_that_are_shared_are_told_below_bars() -> None:
    said = words(draw([shipped("alexnet_ten_crops")], style="bars"))
    assert "Weights that layers share count at the first." in said
    assert "that layers share" not in words(draw([shipped("alexnet")], style="bars"))


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


def test_equal_layers_that_follow_each_other_share_a_bar_where_they_are_many() -> None:
    names = [bar.name for bar in bars_of(shipped("plain56_cifar"))]
    assert names == ["conv1", "conv2–19", "conv20", "conv21–37", "conv38", "conv39–55", "fc1"]


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


def named(found: list[tuple[Graph, object]]) -> list[str]:
    return [graph.name for graph, _ in found]


def test_only_errors_by_the_protocol_that_most_share_are_compared() -> None:
    nets = [
        stating("a", 2012, error(20), error(19, more="crops=10")),
        stating("b", 2012, error(18, more="crops=10"), error(17, on="CIFAR-10 test")),
        stating("c", 2012, error(16, more="crops=10"), error(15, more="crops=10")),
        stating("d", 2012, error(14, more="crops=10, models=2")),
        stating("e", 2012, error(13, more='crops=10, method="another"')),
        stating("f", 2012, error(12, more="evaluation=dense")),
        stating("g", 2012, error(12, more="crops=10, test_scale=384")),
    ]
    found = comparable(nets, "top1")
    assert named(found) == ["a", "b", "c"]  # type: ignore[arg-type]
    # Of several by the protocol a net has its lowest.
    assert [item.value("top1") for _, item in found] == [19, 18, 15]
    text = words(draw(nets, style="bubble"))
    assert "ImageNet validation, 1 model, 10 crops" in text
    assert "Left out, without such an error: d, e, f, g." in text


def test_a_data_set_that_is_not_said_compares_with_no_other() -> None:
    old = 'error top1=30, source="ImageNet validation, 1 crop"'
    nets = [stating("a", 2012, old), stating("b", 2012, old), stating("c", 2012, error(20))]
    assert named(comparable(nets, "top1")) == ["c"]  # type: ignore[arg-type]
    assert "data set not said" in words(draw(nets[:2], style="bubble"))


def test_depth_shows_entries_or_else_errors_in_the_order_given() -> None:
    nets = [
        stating("z", 2016, error(5)),
        stating("a", 2012, error(30), entry("A", 2013, 20), entry("B", 2014, 9, "place=2")),
        stating("b", 2011, entry("C", 2011, 25, 'method="SIFT", layers=0'), error(28)),
        stating("c", 2011, error(3, on="CIFAR-10 test")),
        stating(
            "d", 2015, entry("D", 2015, 3, 'external_data="x"'), entry("D", 2015, 4, "place=3")
        ),
    ]
    found = milestones(nets)
    rows = [(item.net, item.year, item.layers, item.error) for item in found]
    assert rows == [("z", 2016, 1, 5), ("a", 2013, 1, 20), ("b", 2011, 1, 28), ("d", 2015, 1, 4)]
    text = words(draw(nets, style="depth"))
    assert text.index("z 2016") < text.index("a A 2013") < text.index("b 2011")
    assert "Pale: no entry" in text
    assert "Left out, without a top-5 error to compare: c." in text


def test_a_challenge_has_its_winners_and_the_nets_own_entries_once() -> None:
    shallow = entry("S", 2010, 28, 'place=1, method="SIFT", layers=0')
    rival = entry("R", 2012, 17, 'place=2, method="another"')
    nets = [
        stating("a", 2012, entry("A", 2012, 16), entry("A", 2012, 15, 'external_data="x"'), rival),
        stating("b", 2012, entry("A", 2012, 16), shallow),
        stating(
            "c", 2014, entry("C", 2014, 7, "place=2"), entry("D", 2014, 6, "place=1, layers=22")
        ),
    ]
    rows = [(item.net, item.stated.team, item.layers) for item in winners(nets, "ILSVRC")]
    assert rows == [("", "S", 0), ("a", "A", 1), ("c", "C", 1), ("c", "D", 22)]
    text = words(draw(nets, style="depth", challenge="ILSVRC"))
    assert "shallow" in text
    assert "1 layer " in text
    with pytest.raises(NetspecError, match="states an entry of COCO"):
        draw(nets, style="depth", challenge="COCO")
    with pytest.raises(NetspecError, match="in the style depth, not fold"):
        draw(nets[:1], challenge="ILSVRC")


def test_without_names_depth_is_the_slide_and_bubble_has_one_protocol() -> None:
    graphs, challenge = everything("depth")
    shown = winners(graphs, challenge)
    assert [(item.year, item.layers, round(item.error, 1)) for item in shown] == [
        (2010, 0, 28.2),
        (2011, 0, 25.8),
        (2012, 8, 16.4),
        (2013, 8, 11.7),
        (2014, 19, 7.3),
        (2014, 22, 6.7),
        (2015, 152, 3.6),
        (2016, 152, 3.0),
        (2017, 152, 2.2),
    ]
    found = comparable(everything("bubble")[0], "top1")
    assert len(found) > 30
    assert str(found[0][1].protocol) == "ImageNet validation, 1 crop"


def test_sources_that_take_many_lines_are_left_to_the_specs() -> None:
    few = [stating(f"n{i}", 2012, error(20 + i)) for i in range(4)]
    assert "paper, Table 3: n0, n1, n2, n3." in words(draw(few, style="bubble"))
    many = [
        stating(
            f"net{i}", 2012, error(20 + i).replace("paper, Table 3", f"a long report, page {i}")
        )
        for i in range(24)
    ]
    for style in ("bubble", "depth"):
        said = words(draw([*many, shipped("lenet5")], style=style))
        assert "Sources: the lines `error` and `entry` of the specs, `netspec show NAME`." in said
        assert "a long report" not in said
        # What is left out is named all the same.
        assert "lenet5." in said


@pytest.mark.parametrize("style", ["bubble", "depth"])
def test_no_text_of_all_nets_meets_another_or_leaves_the_figure(style: str) -> None:
    nets, challenge = everything(style)
    make = {"bubble": bubble, "depth": depth}[style]
    assert [*chart_faults(make(nets))] == []
    assert not challenge or [*chart_faults(depth(nets, challenge))] == []


def test_a_figure_of_more_nets_is_larger() -> None:
    few = bubble([stating(f"n{i}", 2012, error(20 + i)) for i in range(4)])
    many = bubble([stating(f"n{i}", 2012, error(20 + 1.5 * i)) for i in range(42)])
    assert few.get_figwidth() < many.get_figwidth()


def test_no_line_of_many_points_runs_through_a_number() -> None:
    depths = (8, 8, 40, 120, 170, 20, 20, 90, 100, 60, 30, 9)
    nets = [
        stating(f"n{i}", 2012, entry(f"T{i}", 2012, 9, f"place=1, layers={count}"))
        for i, count in enumerate((*depths, 50))
    ]
    figure = depth(nets)
    figure.draw_without_rendering()
    line = figure.axes[1]
    points = line.transData.transform(line.lines[0].get_xydata())
    for text in line.texts:
        box = text.get_window_extent()
        area = Area(box.x0, box.y0, box.x1, box.y1, text.get_text()).shrunk(1.5)
        for start, end in pairwise(points):
            assert not area.crossed_by(tuple(start), tuple(end)), text.get_text()


def test_nets_that_are_named_are_all_shown() -> None:
    names = ("vgg19", "vgg11", "vgg16", "vgg13")
    figure = depth([shipped(name) for name in names])
    labels = [label.get_text().split("\n")[0] for label in figure.axes[0].get_xticklabels()]
    assert labels == list(names)


@pytest.mark.parametrize("names", ["alexnet", "lenet5 mlp", "vgg16 resnet50"])
def test_layers_are_counted_in_whole_numbers(names: str) -> None:
    nets = [stating(name, 2010 + i, error(5)) for i, name in enumerate(names.split())]
    ticks = depth(nets).axes[1].get_yticks()
    assert all(float(tick).is_integer() for tick in ticks)


def test_layers_that_nobody_said_have_no_point() -> None:
    unknown = entry("S", 2010, 28, 'place=1, method="boosting"')
    alone = depth([stating("a", 2010, unknown)], "ILSVRC")
    assert len(alone.axes) == 1
    both = depth([stating("a", 2010, unknown, entry("A", 2012, 0))], "ILSVRC")
    assert [text.get_text() for text in both.axes[1].texts] == ["1 layer"]


def test_a_label_in_a_valley_of_the_line_stands_below_its_point() -> None:
    figure = depth([shipped(name) for name in ("resnet50", "vgg16_bn", "bn_inception")])
    figure.draw_without_rendering()
    line = figure.axes[1]
    heights = [line.transData.transform(text.xy)[1] for text in line.texts]  # type: ignore[attr-defined]
    boxes = [text.get_window_extent() for text in line.texts]
    assert [box.y0 > height for box, height in zip(boxes, heights, strict=True)] == [
        True,
        False,
        True,
    ]


def test_a_caption_has_two_lines_at_most() -> None:
    nets = [shipped(name) for name in ("alexnet", "resnet50", "vgg16_bn")]
    for figure in (crowd(), depth(nets), depth(*everything("depth"))):
        below, caption = figure.texts
        assert caption.get_text().count("\n") <= 1
        assert below.get_text().startswith("Sources")


def test_what_two_lines_do_not_hold_of_a_caption_stands_below() -> None:
    long = "the validation images of a challenge with a name of very many words, " * 4
    lines = [error(20, on=long, more="crops=10, test_scale=384")]
    nets = [stating(name, 2012, *lines) for name in ("a", "b", "c")]
    figure = bubble(nets)
    figure.draw_without_rendering()
    below, caption = figure.texts
    assert caption.get_text().count("\n") == 1
    assert "10 crops" in below.get_text()
    assert "10 crops" not in caption.get_text()
    for text in figure.texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1


def test_the_key_of_the_areas_covers_no_bubble() -> None:
    # A large net of many operations and little accuracy, which is at the lower right.
    low, high = (error(value) for value in (60, 20))
    large = "net b\nyear 2012\n{}\ninput 3x64x64\nconv9-512 x2; relu; gap\n"
    figure = bubble([stating("a", 2012, high), build(Source("b.ns", large.format(low)))])
    figure.draw_without_rendering()
    axis = figure.axes[0]
    legend = axis.get_legend()
    assert legend is not None
    assert not legend.get_window_extent().shrunk(1, 0.98).overlaps(axis.get_window_extent())
    assert legend.get_window_extent().y1 <= figure.texts[1].get_window_extent().y0 + 2


def test_an_axis_of_few_operations_has_three_numbers_at_least() -> None:
    figure = bubble([shipped(name) for name in ("resnet34", "resnet50")])
    figure.draw_without_rendering()
    axis = figure.axes[0].xaxis
    low, high = sorted(axis.get_view_interval())
    assert sum(low <= at <= high for at in axis.get_majorticklocs()) >= 3


def test_names_below_bars_do_not_meet() -> None:
    for names in (
        ["resnet50"] * 3,
        ["a_net_with_a_long_name"] * 6,
        ["a_net_with_a_name_that_has_no_end_in_sight"] * 4,
        ["x"] * 20,
    ):
        figure = depth([stating(f"{name}{i}", 2012, error(20)) for i, name in enumerate(names)])
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        for left, right in pairwise(boxes):
            assert left.x1 <= right.x0


def test_lines_to_names_of_any_crowd_do_not_cross() -> None:
    for seed in range(6):
        source = np.random.default_rng(seed)
        count = int(source.integers(5, 50))
        points = np.clip(source.normal(300, 60 + 30 * seed, (count, 2)), 10, 590)
        sizes = np.stack([source.uniform(20, 110, count), np.full(count, 9.0)], 1)
        middles = placed(points, source.uniform(2, 20, count), sizes, (700.0, 600.0))
        ends = np.clip(points, middles - sizes / 2, middles + sizes / 2)
        assert not crossings(points[:, None], ends[:, None], points, ends).any()


def test_lines_to_names_do_not_cross() -> None:
    figure = crowd()
    axis = figure.axes[0]
    ends = np.array([axis.transData.transform(line.get_xydata()) for line in axis.lines])
    assert len(ends) > 2
    first, last = ends[:, 0], ends[:, 1]
    assert not crossings(first[:, None], last[:, None], first, last).any()


def test_no_line_to_a_name_leads_over_the_middle_of_another_bubble() -> None:
    figure = crowd()
    axis = figure.axes[0]
    (spots,) = (found for found in axis.collections if len(found.get_offsets()) > 30)
    points = axis.transData.transform(spots.get_offsets())
    radii = np.sqrt(spots.get_sizes() / np.pi) * figure.dpi / 72
    lines = [axis.transData.transform(line.get_xydata()) for line in axis.lines]
    assert len(lines) > 2
    for line in lines:
        start, end = line
        own = int(np.argmin(np.hypot(*(points - start).T)))
        share = np.linspace(0, 1, 200)[:, None, None]
        on = start + share * (end - start)
        near = np.hypot(*(points[None] - on).transpose(2, 0, 1)).min(0)
        near[own] = np.inf
        # What lies nearly at its place cannot be kept out of its line.
        near[np.hypot(*(points - points[own]).T) < radii] = np.inf
        assert (near > radii / 2).all()


def test_names_side_by_side_are_apart() -> None:
    figure = crowd()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            level = abs(box.y0 - other.y0) < 0.5 * box.height
            gap = max(box.x0 - other.x1, other.x0 - box.x1)
            assert not level or gap > 3


def test_bubbles_of_small_nets_differ_and_the_key_has_their_sizes() -> None:
    sizes = (8, 64)
    nets = [
        build(
            Source(
                "n.ns", f"net n{k}\nyear 2012\n{error(k)}\ninput 3x8x8\nconv3-{k}; conv3-{k}; gap\n"
            )
        )
        for k in sizes
    ]
    figure = bubble(nets)
    figure.draw_without_rendering()
    axis = figure.axes[0]
    (areas,) = (c.get_sizes() for c in axis.collections if len(c.get_offsets()) == len(nets))
    small, large = (costs(net).params for net in nets)
    assert areas[1] / areas[0] == pytest.approx(large / small)
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["600", "6 k", "20 k"]


def test_operations_are_counted_in_what_the_most_take() -> None:
    for name, word in (("lecun1989", "thousands"), ("mobilenet_v2", "millions"), ("vgg16", "bill")):
        axis = bubble([shipped(name)]).axes[0]
        assert f"multiply-adds, {word}" in axis.get_xlabel()
        low, high = axis.get_xlim()
        assert 0.5 < high < 2000, (low, high)


def test_few_years_are_told_beside_many_colours() -> None:
    nets = [stating(f"n{year}", year, error(20)) for year in (1989, 2001, 2024)]
    figure = bubble(nets)
    figure.draw_without_rendering()
    shown = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert len(shown) <= 12
    assert shown[-1] == "2024" or shown[0] == "2024"


def test_long_names_take_no_height_from_bars_and_line() -> None:
    short, long = (
        depth([stating(f"{name}{i}", 2012, error(20)) for i in range(13)])
        for name in ("x", "a_name_of_a_net_that_says_all_of_its_many_options_")
    )
    heights = []
    for figure in (short, long):
        figure.draw_without_rendering()
        heights.append(figure.axes[0].get_window_extent().height)
        for axis in figure.axes:
            label = axis.yaxis.label.get_window_extent()
            assert 0 <= label.y0 < label.y1 <= figure.texts[1].get_window_extent().y0
    assert heights[1] > 0.8 * heights[0]


def test_a_long_name_alone_is_not_turned() -> None:
    figure = depth([stating("a_name_of_a_net_that_says_its_options_", 2012, error(20))])
    assert figure.axes[0].get_xticklabels()[0].get_rotation() == 0
    assert [*chart_faults(figure)] == []


def test_lines_cross_where_each_has_the_other_on_both_sides() -> None:
    corner, across = np.array([0.0, 0.0]), np.array([2.0, 2.0])
    others = np.array(
        [[[0.0, 2.0], [2.0, 0.0]], [[0.0, 2.0], [0.5, 1.5]], [[3.0, 2.0], [2.0, 3.0]]]
    )
    found = crossings(corner, across, others[:, 0], others[:, 1])
    assert found.tolist() == [True, False, False]


def test_no_name_in_the_bubble_chart_covers_another() -> None:
    figure = crowd()
    axis = figure.axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    assert len(boxes) > 30
    frame = axis.get_window_extent()
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        for other in boxes[:i]:
            # Line heights include the room for accents and tails.
            assert not box.shrunk(1, 0.7).overlaps(other.shrunk(1, 0.7))


def test_no_name_in_the_bubble_chart_lies_on_the_bubble_of_another() -> None:
    figure = crowd()
    axis = figure.axes[0]
    (spots,) = (found for found in axis.collections if len(found.get_offsets()) > 30)
    points = axis.transData.transform(spots.get_offsets())
    radii = np.sqrt(spots.get_sizes() / np.pi) * figure.dpi / 72
    for own, text in enumerate(axis.texts):
        box = text.get_window_extent().shrunk(1, 0.7)
        nearest = np.clip(points, (box.x0, box.y0), (box.x1, box.y1))
        off = np.hypot(*(points - nearest).T) - radii
        off[own] = np.inf
        assert off.min() > 0, text.get_text()


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
    graph = stating("odd", 2012, error(20).replace("paper, Table 3", "<b>&amp; $x^2$ 100%"))
    for style in ("bubble", "depth"):
        assert "<b>&amp; $x^2$ 100%" in words(draw([graph], style=style))


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_ids_do_not_depend_on_where_things_are_in_memory(style: str) -> None:
    picture = str(draw([shipped("alexnet"), shipped("vgg16")], style=style))
    used = set(re.findall(r'(?: id="|#)([a-z][0-9a-f]{10}|i\d+)[")]', picture))
    assert used == {f"i{number}" for number in range(len(used))}


def test_a_chart_of_open_sizes_says_how_they_are_given(net: Callable[..., Graph]) -> None:
    one = net("input 3xHxW\nconv3-8; gap; fc-10")
    two = net(
        "input a: T ids(9)\ninput b: S ids(9)\n@a; embedding-4 as x; @b; embedding-4; attention(2, @x)"
    )
    for graph, words in ((one, "--input 3x64x64"), (two, "--input a:64 --input b:64")):
        with pytest.raises(NetspecError, match=words):
            draw([graph], style="bars")


def test_a_block_in_itself_is_named_once(net: Callable[..., Graph]) -> None:
    text = "block level(n) { conv3-n(pad=same); if n < 64 { level(2*n) } }"
    figure = bars([net(f"input 3x32x32\n{text}\nlevel(8); gap; fc-10")])
    said = {label.get_text() for axis in figure.axes for label in axis.get_xticklabels()}
    assert {"level1.conv1", "level1 ×2.conv1", "level1 ×4.conv1", "fc1"} <= said

"""A family as a picture: the front is that of all rows, and what is left out is said."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.draw.cloud import Cloud, Series
from netspec.draw.picture import draw_costs
from netspec.sweeping.front import front
from netspec.sweeping.picture import Plot
from netspec.sweeping.sweep import Sweep
from netspec.sweeping.variant import Row

NET = "net f(n=4, k=3)\ninput 3x16x16\nconv-n(kernel=k); gap; fc-2\n"


def rows(count: int, seed: int, most: int) -> list[Row]:
    drawn = random.Random(seed)
    return [
        Row(i, {}, {}, totals={"params": drawn.randrange(most), "macs": drawn.randrange(most)})
        for i in range(count)
    ]


@pytest.mark.parametrize("most", [None, "params", "macs"])
@pytest.mark.parametrize("seed", range(8))
def test_the_front_is_what_no_row_betters(seed: int, most: str | None) -> None:
    """Against every pair."""
    every = rows(60, seed, 12)  # few values, so that many are the same
    sign = {name: -1 if name == most else 1 for name in ("params", "macs")}

    def better(a: Row, b: Row) -> bool:
        gains = [sign[name] * (b.totals[name] - a.totals[name]) for name in sign]
        return min(gains) >= 0 and max(gains) > 0

    wanted: dict[tuple[int, int], Row] = {}
    for row in every:
        if not any(better(other, row) for other in every):
            wanted.setdefault((row.totals["params"], row.totals["macs"]), row)
    found = front(every, "params", "macs", most)
    assert sorted(found, key=lambda row: row.variant) == sorted(
        wanted.values(), key=lambda row: row.variant
    )
    xs = [row.totals["params"] for row in found]
    assert xs == sorted(xs, reverse=most == "params")


def test_rows_without_figures_are_on_no_front() -> None:
    every = [*rows(5, 0, 9), Row(9, {}, {}, "refused", "NS302")]
    assert front(every, "params", "macs") == front(every[:5], "params", "macs")
    assert front(every, "params", "latency_ms") == []


def made(**grid: object) -> Sweep:
    return netspec.sweep(NET, grid)


def cloud(sweep: Sweep, x: str, y: str, most: str | None = None) -> Cloud:
    plot = sweep.plotted(x, y, most)
    for row in sweep:
        plot.add(row)
    return plot.cloud()


def test_costs_have_a_front_with_names_and_a_parameter_has_colours() -> None:
    found = cloud(made(n="4..20:4", k=[1, 3, 17]), "params", "macs", "params")
    assert [series.label for series in found.series] == ["n 4", "n 8", "n 12", "n 16", "n 20"]
    assert [len(series.points) for series in found.series] == [2] * 5
    assert all(not series.lines for series in found.series)
    assert found.front[0][1] == "n=20, k=3"
    assert found.sense == "The line is the Pareto front: no variant has more params and less macs"
    assert found.note == "10 variants."


def test_a_parameter_has_lines_of_what_differs_in_nothing_else() -> None:
    found = cloud(made(n="20..4:-4", k=[1, 3]), "set_n", "params")
    assert (found.front, found.sense, found.x) == ((), "", "n")
    assert [series.label for series in found.series] == ["k 1", "k 3"]
    for series, k in zip(found.series, (1, 3), strict=True):
        (line,) = series.lines
        assert line == tuple((n, 3 * k * k * n + n + 2 * n + 2) for n in range(4, 21, 4))


def test_many_points_are_thinned_and_the_front_is_not() -> None:
    sweep = made(n="1..2")
    every = rows(9000, 1, 10**6)
    plot = Plot("f", sweep.plan.axes, sweep.columns, "params", "macs")

    def given() -> Iterator[Row]:
        for row in every:
            yield Row(row.variant, {"n": 1}, {}, totals=row.totals)

    assert len(list(plot.through(given()))) == 9000
    found = plot.cloud()
    (series,) = found.series
    assert len(series.points) == 2250
    assert found.note == "Every 4th of 9,000 variants; the front is that of all."
    wanted = front(every, "params", "macs")
    assert [point for point, _ in found.front] == [
        (row.totals["params"], row.totals["macs"]) for row in wanted
    ]
    named = [name for _, name in found.front if name]
    assert len(named) <= 12


@pytest.mark.parametrize(
    ("x", "y", "most", "said"),
    [
        ("parms", "macs", None, "did you mean `params`"),
        ("params", "set_act", None, "columns: "),
        ("params", "status", None, "columns: "),
        ("params", "macs", "depth", "it is params or macs"),
    ],
)
def test_other_columns_are_refused(x: str, y: str, most: str | None, said: str) -> None:
    net = NET.replace("k=3", "k=3, act=relu").replace("kernel=k", "kernel=k, act=act")
    with pytest.raises(NetspecError, match="NS544") as caught:
        netspec.sweep(net, {"n": [1, 2], "act": "relu,gelu"}).plotted(x, y, most)
    assert caught.value.status == 2
    assert said in str(caught.value)


def words(text: str) -> str:
    return " ".join("".join(ElementTree.fromstring(text.encode()).itertext()).split())


def test_the_picture_says_it_and_is_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        made(n="4..20:4", k=[1, 3]).plot(tmp_path / name, most="params")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    for said in ("multiply-adds for one sample", "parameters", "n 12", "n=20, k=3", "10 variants."):
        assert said in words(text)


def test_names_stand_off_the_line_of_the_front() -> None:
    pytest.importorskip("matplotlib")
    import numpy as np

    from netspec.draw.styles.charts.costs import costs

    points = tuple((float(i), float(i)) for i in range(1, 12))
    found = Cloud("f", "x", "y", (Series("", points),), tuple((p, f"name={p[0]}") for p in points))
    figure = costs(found)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    line = axis.transData.transform(np.stack([np.linspace(1, 11, 400)] * 2, 1))
    assert len(axis.texts) == 11
    for text in axis.texts:
        box = text.get_window_extent()
        inside = (
            (line[:, 0] > box.x0)
            & (line[:, 0] < box.x1)
            & (line[:, 1] > box.y0 + 2)
            & (line[:, 1] < box.y1 - 2)
        )
        assert not inside.any(), text.get_text()


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(NetspecError, match="no variant of f has both figures"):
        made(k=[17, 18]).plot(tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NetspecError, match="NS620"):
        draw_costs(Cloud("f", "x", "y", ()), format="html")

"""A sweep as a picture: its rows become points as they come, and are not held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from netspec.diagnostics.messages.sweeping import NoSuchColumn
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest
from netspec.draw.cloud import Cloud, Point, Series
from netspec.draw.picture import draw_costs, format_of
from netspec.sweeping.axes import Axis, shown
from netspec.sweeping.front import Front
from netspec.sweeping.tables import Columns
from netspec.sweeping.variant import OK, Row
from netspec.system.atomic import planned, replacing
from netspec.system.extras import need

# What the columns are called where their names are short for something.
_CALLED = {
    "params": "parameters",
    "params_frozen": "frozen parameters",
    "params_total": "parameters, trained and frozen",
    "params_training": "parameters in training",
    "buffers": "running statistics",
    "macs": "multiply-adds for one sample",
    "macs_training": "multiply-adds for one sample in training",
    "depth": "weight layers on the longest path",
    "weights": "bytes of weights in float32",
    "activations": "bytes of activations at most, for one sample",
    "latency_ms": "latency, ms",
}
# More points than these are thinned, and so many names stand at the front.
_MOST, _NAMES, _COLOURS, _LINES = 4000, 12, 8, 60


class Plot:
    """Points of a table's rows: those that are nets and keep the bounds.

    `keep` are files that no picture is written over. Raises NetspecError where `x` or `y` is no column of
    numbers.
    """

    def __init__(
        self,
        name: str,
        axes: Sequence[Axis],
        columns: Columns,
        x: str,
        y: str,
        most: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        known = [column for column, kind in columns.items() if kind in (int, float)]
        known.remove("variant")
        if most is not None and most not in (x, y):
            raise NetspecError(
                NoSuchColumn(most, f"it is {x} or {y} that more is better of"), status=2
            )
        for column in (x, y):
            if column not in known:
                near = closest(column, known)
                advice = f"did you mean {near}?" if near else f"columns: {', '.join(known)}"
                raise NetspecError(NoSuchColumn(column, advice), status=2)
        self._name, self._x, self._y, self._keep = name, x, y, keep
        self._axes = [axis for axis in axes if len(axis.values) > 1]
        others = [axis for axis in self._axes if axis.column not in (x, y)]
        self._coloured = next((a for a in others if len(a.values) <= _COLOURS), None)
        # What stands on the x-axis is chosen, not paid: then there is nothing to weigh.
        self._front = None if _is_chosen(x) or _is_chosen(y) else Front(x, y, most)
        senses = [f"{'more' if column == most else 'less'} {column}" for column in (x, y)]
        self._sense = f"The line is the Pareto front: no variant has {' and '.join(senses)}"
        self._points: list[tuple[Point, str, str]] = []
        self._seen, self._every = 0, 1

    def add(self, row: Row) -> None:
        """Takes a row in."""
        cells = row.cells()
        x, y = cells[self._x], cells[self._y]
        if row.status != OK or x is None or y is None:
            return
        if self._front is not None:
            self._front.add(row)
        if self._seen % self._every == 0:
            others = [a.column for a in self._axes if a.column not in (self._x, self._y)]
            line = " ".join(str(cells[column]) for column in others)
            series = shown(cells[self._coloured.column]) if self._coloured else ""
            self._points.append(((x, y), series, line))
        self._seen += 1
        if len(self._points) > _MOST:
            self._points, self._every = self._points[::2], 2 * self._every

    def through(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows, each taken in as it passes."""
        for row in rows:
            self.add(row)
            yield row

    def refuse_target(self, path: str | Path) -> None:
        """Raises NetspecError where no picture can be written there, before anything is built."""
        need("matplotlib", "a chart")
        format_of(Path(path))
        planned(Path(path), self._keep)

    def save(self, path: str | Path) -> Path:
        """Writes the picture; raises NetspecError where there is nothing to draw."""
        drawn = draw_costs(self.cloud(), format=format_of(Path(path)))
        content = drawn.encode() if isinstance(drawn, str) else drawn
        with replacing(Path(path), keep=self._keep, text=isinstance(drawn, str)) as file:
            file.write(content)
        return Path(path)

    def cloud(self) -> Cloud:
        """What the picture shows."""
        found: dict[str, list[tuple[Point, str]]] = {}
        for point, series, line in self._points:
            found.setdefault(series, []).append((point, line))
        joined = self._front is None and self._every == 1
        name = self._coloured.column.removeprefix("set_") if self._coloured else ""
        return Cloud(
            self._name,
            _called(self._x),
            _called(self._y),
            tuple(
                _series(f"{name} {label}" if name else "", points, joined=joined)
                for label, points in found.items()
            ),
            tuple(self._named()),
            self._sense if self._front is not None else "",
            self._note(),
        )

    def _named(self) -> Iterator[tuple[Point, str]]:
        """The front, with the names of both ends and of some between."""
        rows = self._front.rows() if self._front is not None else []
        step = max(1, -(-(len(rows) - 1) // (_NAMES - 1)))
        for i, row in enumerate(rows):
            cells = row.cells()
            named = i % step == 0 or i == len(rows) - 1
            yield (cells[self._x], cells[self._y]), self._label(row) if named else ""

    def _label(self, row: Row) -> str:
        cells = row.cells()
        parts = (
            shown(cells[axis.column])
            if axis.column.startswith("input")
            else f"{axis.name}={shown(cells[axis.column])}"
            for axis in self._axes
        )
        return ", ".join(parts)

    def _note(self) -> str:
        if self._every == 1:
            return f"{self._seen:,} variants."
        return f"Every {self._every}th of {self._seen:,} variants; the front is that of all."


def _series(label: str, points: Sequence[tuple[Point, str]], *, joined: bool) -> Series:
    lines: dict[str, list[Point]] = {}
    for point, line in points:
        lines.setdefault(line, []).append(point)
    runs = tuple(tuple(sorted(run)) for run in lines.values()) if joined else ()
    return Series(label, tuple(point for point, _ in points), runs if len(runs) <= _LINES else ())


def _is_chosen(column: str) -> bool:
    return column.startswith("set_")


def _called(column: str) -> str:
    return _CALLED.get(column, column.removeprefix("set_"))

"""A sweep's rows for people, and as one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from netspec.analysis.tables import Cell, Column, Kind, Line, Table
from netspec.sweeping.axes import shown
from netspec.sweeping.tables import Columns, fitting
from netspec.sweeping.variant import LATENCIES, LOST, OK, OVER, REFUSED, Row

# The totals that a person is shown, with their headings; tables of files have them all.
_TOTALS: dict[str, tuple[str, Kind]] = {
    "params": ("params", "count"),
    "macs": ("MACs", "count"),
    "depth": ("depth", "count"),
    "weights": ("weights", "bytes"),
    "activations": ("activations", "bytes"),
}
_WORDS = {OK: "fit", REFUSED: "do not", OVER: "break a bound", LOST: "lost"}


def table(rows: Sequence[Row], columns: Columns) -> Table:
    """The rows as a table: settings, what is wrong or the totals that are looked at most."""
    axes = [name for name in columns if name.startswith(("set_", "input"))]
    heads = [Column(name.removeprefix("set_"), "label") for name in axes]
    heads += [Column(title, kind, 5) for title, kind in _TOTALS.values()]
    heads += [
        Column(name.removeprefix("latency_"), "count") for name in LATENCIES if name in columns
    ]
    troubled = any(row.status != OK for row in rows)
    heads += [Column("", "title")] if troubled else []
    lines = []
    for row in rows:
        cells = fitting(row, columns)
        found: list[Cell] = [shown(cells[name]) for name in axes]
        found += [cells[name] for name in _TOTALS]
        found += [_milliseconds(cells[name]) for name in LATENCIES if name in columns]
        found += [_trouble(row)] if troubled else []
        lines.append(Line(tuple(found)))
    return Table("", tuple(heads), tuple(lines))


def document(name: str, rows: Sequence[Row], columns: Columns, counts: Mapping[str, int]) -> Any:
    """The rows as JSON values; `netspec/schemas/sweep.json` describes them."""
    return {
        "format_version": 1,
        "name": name,
        "columns": list(columns),
        "counts": {status: counts.get(status, 0) for status in _WORDS},
        "rows": [fitting(row, columns) for row in rows],
    }


def told(count: int, counts: Mapping[str, int], codes: Counter[str]) -> str:
    """How the variants came out: `12 variants: 9 fit, 3 do not (NS302: 3)`."""
    parts = [f"{counts[status]:,} {word}" for status, word in _WORDS.items() if counts.get(status)]
    why = ", ".join(f"{code}: {number:,}" for code, number in codes.most_common())
    return f"{count:,} variants: {', '.join(parts)}{f' ({why})' if why else ''}"


def _trouble(row: Row) -> str:
    return f"{row.code}: {row.message}" if row.code else "" if row.status == OK else row.status


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"

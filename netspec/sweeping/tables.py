"""Rows as a file, written as they come: CSV, JSON lines or Parquet, the same bytes for the same rows."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from netspec.analysis.budget import TOTALS
from netspec.diagnostics.messages.sweeping import NoSuchTable
from netspec.diagnostics.raised import NetspecError
from netspec.sweeping.axes import Axis, shown
from netspec.sweeping.variant import LATENCIES, Row
from netspec.system.extras import need

# Rows of a Parquet row group, whatever the chunks they were made in.
_GROUP = 2**14

_NEEDED = ("a Parquet table", ", or write csv or jsonl, which need nothing")

Columns = dict[str, type]


def columns_of(axes: Iterable[Axis], *, timed: bool) -> Columns:
    """What the columns of a table hold, in their order: bool, int, float or str."""
    found: Columns = {"variant": int}
    found |= {axis.column: axis.kind for axis in axes}
    found |= dict.fromkeys(("status", "code", "message", "place"), str)
    found |= dict.fromkeys(TOTALS, int)
    return found | (dict.fromkeys(LATENCIES, float) if timed else {})


class Writer(ABC):
    """Writes rows of these columns to a file, which a terminal may show where it is `text`."""

    text = True

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self.file = file
        self.columns = columns
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Writes what stands before the rows."""

    @abstractmethod
    def add(self, cells: dict[str, Any]) -> None:
        """Writes a row; its cells are of the columns' kinds, or None."""

    def end(self) -> None:  # noqa: B027  most formats have no end
        """Writes what stands after the rows."""

    def write(self, rows: Iterable[Row]) -> None:
        """Writes all rows, to the end."""
        for row in rows:
            self.add(fitting(row, self.columns))
        self.end()


def fitting(row: Row, columns: Columns) -> dict[str, Any]:
    """A row's cells of these columns: where values of several kinds share one, each as a spec has it."""
    cells = row.cells()
    return {name: _cell(cells.get(name), kind) for name, kind in columns.items()}


def _cell(value: Any, kind: type) -> Any:
    if value is None or isinstance(value, kind):
        return value
    return float(value) if kind is float else shown(value)


class _Csv(Writer):
    """Comma-separated values (RFC 4180, lines end in a newline): nothing for None, yes and no."""

    def begin(self) -> None:
        self._line(list(self.columns))

    def add(self, cells: dict[str, Any]) -> None:
        self._line(["" if value is None else shown(value) for value in cells.values()])

    def _line(self, cells: list[str]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        self.file.write(text.getvalue().encode())


class _JsonLines(Writer):
    """A JSON object for each row, with every column."""

    def begin(self) -> None:
        pass

    def add(self, cells: dict[str, Any]) -> None:
        self.file.write(f"{json.dumps(cells, ensure_ascii=False)}\n".encode())


class _Parquet(Writer):
    """Apache Parquet: every option that changes bytes is set, and no time is written."""

    text = False

    def begin(self) -> None:
        arrow = need("pyarrow", *_NEEDED)
        from pyarrow import parquet

        kinds = {bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64()}
        self._arrow = arrow
        self._schema = arrow.schema(
            [(name, kinds.get(kind, arrow.string())) for name, kind in self.columns.items()]
        )
        self._held: list[dict[str, Any]] = []
        self._parquet = parquet.ParquetWriter(
            self.file, self._schema, version="2.6", compression="zstd", data_page_version="1.0"
        )

    def add(self, cells: dict[str, Any]) -> None:
        self._held.append(cells)
        if len(self._held) == _GROUP:
            self._flush()

    def end(self) -> None:
        self._flush()
        self._parquet.close()

    def _flush(self) -> None:
        if self._held:
            table = self._arrow.Table.from_pylist(self._held, schema=self._schema)
            self._parquet.write_table(table, row_group_size=_GROUP)
        self._held = []


WRITERS: dict[str, type[Writer]] = {"csv": _Csv, "jsonl": _JsonLines, "parquet": _Parquet}


def writer_for(path: str | Path, form: str | None = None) -> type[Writer]:
    """What writes a table of this form, by default that of the path's ending.

    Raises NetspecError where there is none, or the two disagree, or PyArrow is not installed for it.
    """
    ending = Path(path).suffix.removeprefix(".").lower()
    if ending in WRITERS and form not in (None, ending):
        raise NetspecError(NoSuchTable(str(path), f" as {form}"), status=2)
    form = form or ending
    if form not in WRITERS:
        raise NetspecError(NoSuchTable(str(path)), status=2)
    if form == "parquet":
        need("pyarrow", *_NEEDED)
    return WRITERS[form]

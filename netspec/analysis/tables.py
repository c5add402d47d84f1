"""Tables: one record, rendered as text, markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import field, replace
from itertools import zip_longest
from typing import Literal

from netspec.analysis.quantities import as_bytes, grouped
from netspec.analysis.text_layout import Measure, broken, fit, shortened
from netspec.foundation.breadth import beginning, breadth
from netspec.foundation.records import record
from netspec.sizes.dims import Dim, Formula

Cell = Dim | str | None
Kind = Literal["label", "text", "title", "count", "bytes", "share"]
Style = Literal["plain", "group", "total"]

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
# The narrowest that a column of words, of labels or of formulas becomes before others go.
_LEAST = {"label": 16, "text": 20, "title": 40, "count": 26, "bytes": 26}
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
}


@record
class Column:
    """`kind` says how cells print and align; columns with a low `keep` give way in narrow text.

    Numbers of a `share` are in per cent of the column before, and stand close to it. A `title` that
    does not fit ends in dots.
    """

    title: str
    kind: Kind = "text"
    keep: int = 9


@record
class Line:
    """One row. `indent` moves the label right; `full` is the label where nothing is indented."""

    cells: tuple[Cell, ...]
    style: Style = "plain"
    indent: int = 0
    full: str = ""


@record
class Table:
    """Columns, lines and notes under them. Every renderer shows the same cells."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())

    def to_text(self, width: int | None = None, color: bool = False) -> str:
        """Aligned text in which no line is longer than `width`.

        Columns that do not fit are left out, and named; texts and formulas wrap, labels are cut in
        their middle.
        """
        rows = [[self._show(line, i) for i in range(len(self.columns))] for line in self.lines]
        measures = [self._measure(i, [row[i] for row in rows]) for i in range(len(self.columns))]
        chosen, sizes = fit(measures, width)
        gaps = [measures[i].gap for i in chosen]
        rule = "-" * (sum(sizes) + sum(gaps[1:]))
        room = width or max(map(breadth, (self.title, rule, *self.notes)))
        text = [_paint(line, _BOLD, color) for line in broken(self.title, room, 2) if self.title]
        titles = [measures[i].title for i in chosen]
        text += [_paint(line, _DIM, color) for line in self._aligned(titles, sizes, gaps, chosen)]
        for line, row in zip(self.lines, rows, strict=True):
            if line.style == "total":
                text.append(rule)
            code = "" if line.style == "plain" else _BOLD
            for shown in self._aligned([row[i] for i in chosen], sizes, gaps, chosen):
                text.append(_paint(shown, code, color and bool(code)))
        notes = list(self.notes)
        if gone := [self._called(i) for i in range(len(self.columns)) if i not in chosen]:
            notes.append(f"left out to fit {width} columns: {', '.join(gone)}")
        text += [""] if self.notes else []
        text += [line for note in notes for line in broken(note, room, 2)]
        return "\n".join(text) + "\n"

    def without_empty(self, kind: Kind) -> Table:
        """The table without those columns of a kind that say nothing."""
        said = [any(line.cells[i] for line in self.lines) for i in range(len(self.columns))]
        kept = [i for i, column in enumerate(self.columns) if column.kind != kind or said[i]]
        columns = tuple(self.columns[i] for i in kept)
        lines = (replace(line, cells=tuple(line.cells[i] for i in kept)) for line in self.lines)
        return replace(self, columns=columns, lines=tuple(lines))

    def to_markdown(self) -> str:
        """A table in GitHub's markdown, its notes as a list below."""
        titles = "| " + " | ".join(column.title for column in self.columns) + " |"
        rules = "| " + " | ".join("---:" if _right(c) else "---" for c in self.columns) + " |"
        text = [f"**{_escape_markdown(self.title)}**", ""] if self.title else []
        text += [titles, rules]
        for line in self.lines:
            cells = [
                _escape_markdown(self._show(line, i, "&emsp;")) for i in range(len(self.columns))
            ]
            if line.style != "plain":
                cells = [f"**{cell}**" if cell else "" for cell in cells]
            text.append("| " + " | ".join(cells) + " |")
        text += ["", *(f"- {_escape_markdown(note)}" for note in self.notes)] if self.notes else []
        return "\n".join(text) + "\n"

    def to_latex(self) -> str:
        """A `longtable` with the rules of `booktabs`, notes as a paragraph below."""
        spec = "".join("r" if _right(column) else "l" for column in self.columns)
        text = [
            r"% \usepackage{booktabs,longtable}",
            r"\begin{longtable}{" + spec + "}",
            r"\toprule",
        ]
        text.append(" & ".join(_escape_latex(c.title) for c in self.columns) + r" \\")
        text += [r"\midrule", r"\endhead"]
        for line in self.lines:
            cells = [_escape_latex(self._show(line, i, "")) for i in range(len(self.columns))]
            if line.style != "plain":
                cells = [rf"\textbf{{{cell}}}" if cell else "" for cell in cells]
            cells[0] = r"\quad" * line.indent + ("{}" if line.indent else "") + cells[0]
            if line.style == "total":
                text.append(r"\midrule")
            text.append(" & ".join(cells) + r" \\")
        text += [r"\bottomrule", r"\end{longtable}"]
        text += [rf"\noindent {_escape_latex(note)}\par" for note in self.notes]
        return "\n".join(text) + "\n"

    def to_csv(self) -> str:
        """Plain lines without totals: whole labels, exact numbers, formulas as text."""
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([column.title for column in self.columns])
        for line in self.lines:
            if line.style == "plain":
                label = line.full or line.cells[0]
                writer.writerow(["" if c is None else c for c in (label, *line.cells[1:])])
        return target.getvalue()

    def to_html(self) -> str:
        """A `<table>` without style sheets or scripts, for notebooks."""
        text = ["<table>", f"<caption>{html.escape(self.title)}</caption>", "<thead><tr>"]
        text += [f"<th{_side(column)}>{html.escape(column.title)}</th>" for column in self.columns]
        text.append("</tr></thead><tbody>")
        for line in self.lines:
            tag = "td" if line.style == "plain" else "th"
            cells = [
                f"<{tag}{_side(c)}>{html.escape(self._show(line, i, chr(0x2003)))}</{tag}>"
                for i, c in enumerate(self.columns)
            ]
            text.append(f"<tr>{''.join(cells)}</tr>")
        text.append("</tbody></table>")
        text += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "\n".join(text) + "\n"

    def _show(self, line: Line, index: int, indent: str = "  ") -> str:
        column, cell = self.columns[index], line.cells[index]
        if cell is None:
            return ""
        if column.kind == "label":
            return indent * line.indent + str(cell)
        if isinstance(cell, int | Formula):
            return as_bytes(cell) if column.kind == "bytes" else grouped(cell)
        return cell

    def _called(self, index: int) -> str:
        """A column's name where it stands alone."""
        column = self.columns[index]
        share = column.kind == "share"
        return f"{column.title} of {self.columns[index - 1].title}" if share else column.title

    def _measure(self, index: int, shown: list[str]) -> Measure:
        column = self.columns[index]
        wanted = max([len(column.title), *map(breadth, shown)])
        cells = (line.cells[index] for line in self.lines)
        flexible = column.kind in ("label", "text", "title") or any(
            isinstance(c, Formula) for c in cells
        )
        least = min(wanted, max(_LEAST[column.kind], len(column.title))) if flexible else wanted
        gap = 1 if column.kind == "share" else 2
        named = column.kind == "label"
        return Measure(column.title, wanted, least, column.keep, gap, named)

    def _aligned(
        self, cells: list[str], sizes: list[int], gaps: list[int], chosen: list[int]
    ) -> list[str]:
        """The lines of one row: as many as its longest cell needs."""
        columns = [self.columns[i] for i in chosen]
        parts = [
            _pieces(cell, size, column.kind)
            for cell, size, column in zip(cells, sizes, columns, strict=True)
        ]
        lines = []
        for pieces in zip_longest(*parts, fillvalue=""):
            line = ""
            for i, (piece, size) in enumerate(zip(pieces, sizes, strict=True)):
                space = " " * (size - breadth(piece))
                padded = space + piece if _right(columns[i]) else piece + space
                line += " " * (gaps[i] if i else 0) + padded
            lines.append(line.rstrip())
        return lines


def _right(column: Column) -> bool:
    return column.kind in ("count", "bytes", "share")


def _pieces(cell: str, size: int, kind: Kind) -> list[str]:
    """A cell as lines that fit."""
    if kind == "label":
        return [_cut_label(cell, size)]
    if kind == "title" and breadth(cell) > size:
        return [f"{beginning(cell, size - 3).rstrip()}..."[:size]]
    return broken(cell, size)


def _cut_label(text: str, size: int) -> str:
    """A label that fits; its indent is cut last."""
    path = text.lstrip()
    indent = min(len(text) - len(path), size // 2)
    return " " * indent + shortened(path, size - indent)


def _side(column: Column) -> str:
    return f' style="text-align:{"right" if _right(column) else "left"}"'


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_RESET}" if color and text else text


def _escape_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _escape_latex(text: str) -> str:
    text = text.replace("\\", "\0")
    return "".join(_LATEX.get(ch, ch) for ch in text).replace("\0", r"\textbackslash{}")

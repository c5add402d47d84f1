"""Tables: one record, rendered as text, markdown, LaTeX, CSV or HTML."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import field
from typing import Literal

from netspec.analysis.quantities import as_bytes, grouped
from netspec.foundation.records import record
from netspec.sizes.dims import Dim, Formula

Cell = Dim | str | None
Kind = Literal["label", "text", "count", "bytes"]
Style = Literal["plain", "group", "total"]

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


@record
class Column:
    """`kind` says how cells print and align; columns with a low `keep` give way in narrow text."""

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
        """Aligned text, at most `width` wide: columns that do not fit are left out, and named."""
        chosen, left_out = self._fit(width)
        rows = [[self._show(line, i) for i in chosen] for line in self.lines]
        titles = [self.columns[i].title for i in chosen]
        sizes = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        text = [_paint(self.title, _BOLD, color)] if self.title else []
        text.append(_paint(self._aligned(titles, sizes, chosen), _DIM, color))
        for line, row in zip(self.lines, rows, strict=True):
            shown = self._aligned(row, sizes, chosen)
            if line.style == "total":
                text.append("-" * (sum(sizes) + 2 * (len(sizes) - 1)))
            text.append(shown if line.style == "plain" else _paint(shown, _BOLD, color))
        text += ["", *self.notes] if self.notes else []
        if left_out:
            text.append(f"left out to fit {width} columns: {', '.join(left_out)}")
        return "\n".join(text) + "\n"

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

    def _fit(self, width: int | None) -> tuple[list[int], list[str]]:
        chosen = list(range(len(self.columns)))
        left_out: list[str] = []
        while width is not None and len(chosen) > 2 and self._width(chosen) > width:
            least = min(chosen, key=lambda i: (self.columns[i].keep, -i))
            if self.columns[least].keep >= 9:
                break
            chosen.remove(least)
            left_out.append(self.columns[least].title)
        return chosen, left_out

    def _width(self, chosen: list[int]) -> int:
        widest = (
            max([len(self.columns[i].title), *(len(self._show(line, i)) for line in self.lines)])
            for i in chosen
        )
        return sum(widest) + 2 * (len(chosen) - 1)

    def _aligned(self, cells: list[str], sizes: list[int], chosen: list[int]) -> str:
        parts = [
            cell.rjust(size) if _right(self.columns[i]) else cell.ljust(size)
            for cell, size, i in zip(cells, sizes, chosen, strict=True)
        ]
        return "  ".join(parts).rstrip()


def _right(column: Column) -> bool:
    return column.kind in ("count", "bytes")


def _side(column: Column) -> str:
    return f' style="text-align:{"right" if _right(column) else "left"}"'


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_RESET}" if color and text else text


def _escape_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _escape_latex(text: str) -> str:
    text = text.replace("\\", "\0")
    return "".join(_LATEX.get(ch, ch) for ch in text).replace("\0", r"\textbackslash{}")

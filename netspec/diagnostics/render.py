"""Diagnostics as text, the one form of all of them, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.diagnostics.records import Diagnostic, printable
from netspec.diagnostics.source import Span
from netspec.foundation.breadth import breadth

_WIDTH = 100
_CALLS = 8
# Mistakes beyond those that are shown, up to which each is counted; of more, nothing more is read.
COUNTED = 131_072


def render(diagnostics: tuple[Diagnostic, ...], more: int = 0, *, compact: bool = False) -> str:
    """The diagnostics as text: one block each, or one line each when `compact`."""
    blocks = [_compact(item) if compact else "\n".join(_block(item)) for item in diagnostics]
    if more:
        blocks.append(f"... and {'at least ' * (more > COUNTED)}{more} more")
    return ("\n" if compact else "\n\n").join(blocks)


def _compact(item: Diagnostic) -> str:
    place = f"{item.span}: " if item.span else ""
    return f"{place}{_kind(item)}[{item.code}]: {item.problem.headline}"


def _kind(item: Diagnostic) -> str:
    return "warning" if item.warning else "error"


def _block(item: Diagnostic) -> Iterator[str]:
    yield f"{_kind(item)}[{item.code}]: {item.problem.headline}"
    if item.span:
        yield from _excerpt(item.span, "-->")
    for label in item.labels:
        yield from _excerpt(label.span, "...", label.text)
    for call in (
        item.calls if len(item.calls) <= _CALLS else (*item.calls[:3], None, *item.calls[-2:])
    ):
        if call is None:
            yield f"  ... {len(item.calls) - 5} calls between"
        else:
            yield f"  in {printable(call.text)} at {call.span}"
    if item.problem.advice:
        yield f"  help: {item.problem.advice}"
    if item.note:
        yield f"  note: {printable(item.note)}"
    for edit in item.edits:
        yield f"  try: {printable(edit.text)}"


def _excerpt(span: Span, arrow: str, text: str = "") -> Iterator[str]:
    line, column = span.source.position(span.start)
    yield f" {arrow} {span.source.name}:{line}:{column}" + (f": {printable(text)}" if text else "")
    code = span.source.line(line)
    start = max(0, column - 1 - _WIDTH // 2) if len(code) > _WIDTH else 0
    code = code[start : start + _WIDTH].replace("\t", " ")
    at = column - 1 - start
    marked = printable(code[at : at + span.end - span.start])
    yield f"{line:>5} | {printable(code)}"
    yield "      | " + " " * breadth(printable(code[:at])) + "^" * max(1, breadth(marked))


def as_json(diagnostics: tuple[Diagnostic, ...], more: int = 0) -> dict[str, Any]:
    """The diagnostics as plain data; `format_version` 1."""
    return {
        "format_version": 1,
        "diagnostics": [_plain(item) for item in diagnostics],
        "more": more,
    }


def _plain(item: Diagnostic) -> dict[str, Any]:
    return {
        "code": item.code,
        "severity": _kind(item),
        "message": item.problem.headline,
        "help": item.problem.advice or None,
        "note": item.note or None,
        **_plain_span(item.span),
        "labels": [{"text": label.text, **_plain_span(label.span)} for label in item.labels],
        "calls": [{"text": call.text, **_plain_span(call.span)} for call in item.calls],
        "edits": [
            {"text": edit.text, "replacement": edit.replacement, **_plain_span(edit.span)}
            for edit in item.edits
        ],
    }


def _plain_span(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end": None}
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end": span.column + span.end - span.start,
    }

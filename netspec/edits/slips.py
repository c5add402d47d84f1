"""Edits of whole statements: what is written elsewhere, in the language's words.

A slip is a pattern of a statement, or of a line, and what was meant by it. Several may fit; each is
tried, and only what checks is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice

from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Change
from netspec.edits.foreign import translated

_NAME = r"[A-Za-z_]\w*"
# A step: a head with its shorthand, and parentheses without others inside.
_STEP = rf"{_NAME}(?:-\w+)?(?:/\w+)?(?:\([^()]*\))?"
_SIZE = r"(?:\d+|[A-Z]\w*)"
_MERGES = r"(?:add|concat|sub|mul|div|mean|maximum|minimum)\("
_JOINED = {"+": "add", "*": "mul", "-": "sub"}

Slip = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def _branches(names: str) -> str:
    """`{ | @a | @b }` for names between commas, bars or signs."""
    return "{ " + " ".join(f"| @{name}" for name in re.findall(_NAME, names)) + " }"


def _counted(found: re.Match[str]) -> str:
    """A Python range as `1..3`, or with both ends."""
    first, last = found["first"], found["last"]
    return (
        f"{found['for']} 1..{last}" if first is None else f"{found['for']} {first}..{int(last) - 1}"
    )


# On one statement, which ends at `;`, a newline or a brace.
_OF_STATEMENTS: tuple[Slip, ...] = tuple(
    (re.compile(pattern + r"\Z"), meant)
    for pattern, meant in (
        (r"(.*?),", lambda m: m[1]),
        (
            rf"(?:x(\d+)|(\d+)\s*x|(\d+)\s*\*)\s*({_STEP})",
            lambda m: f"{m[4]} x{m[1] or m[2] or m[3]}",
        ),
        (rf"({_STEP})\s*\*\s*(\d+)", lambda m: f"{m[1]} x{m[2]}"),
        (rf"({_NAME})\s*:\s*({_STEP})", lambda m: f"{m[2]} as {m[1]}"),
        (
            rf"({_NAME})\s*([-+*])\s*({_NAME})",
            lambda m: f"{_JOINED[m[2]]} {_branches(m[1] + ',' + m[3])}",
        ),
        (rf"({_NAME}(?:\s*\+\s*{_NAME})+)", lambda m: f"add {_branches(m[1])}"),
        (
            rf"({_NAME})\s*[(\[]\s*({_NAME}(?:\s*,\s*{_NAME})+)\s*[)\]]",
            lambda m: f"{m[1]} {_branches(m[2])}",
        ),
        (rf"(?!{_MERGES})({_NAME})\(\s*({_NAME})\s*\)", lambda m: f"@{m[2]}; {m[1]}"),
        (rf"({_NAME})\s*=\s*({_NAME})\(\s*({_NAME})\s*\)", lambda m: f"@{m[3]}; {m[2]} as {m[1]}"),
        (
            rf"({_NAME}?)[ ,]*(\d+(?:x\d+)*)\s*[ ,-]\s*(\d+)(?:[ ,/]+s?(\d+))?",
            lambda m: f"{m[1]}{m[2]}-{m[3]}" + (f"/{m[4]}" if m[4] else ""),
        ),
        (r"([a-z_]+?)(\d+)(\(.*\))?", lambda m: f"{m[1]}-{m[2]}{m[3] or ''}"),
        (rf"({_NAME})[- ]\s*(\d*\.\d+)", lambda m: f"{m[1]}({m[2]})"),
        (r"([a-z_]+)-(\d+)-(\d+)(.*)", lambda m: f"{m[1]}{m[2]}-{m[3]}{m[4]}"),
        (rf"({_NAME}-\w+(?:/\d+)?)(?:/|\s*,?\s+p(?:ad)?)(\d+)", lambda m: f"{m[1]}(pad={m[2]})"),
        (r"output\s+((?:@\w+[\s,]*)+)", lambda m: f"output {m[1].replace('@', '')}"),
        (rf"({_NAME}[\w-]*)\((same|valid|full)\)", lambda m: f"{m[1]}(pad={m[2]})"),
        (r"def\s+(.*)", lambda m: f"block {m[1]}"),
        (r"(?:repeat|loop)\s+(\d+)", lambda m: f"for i in 1..{m[1]}"),
        (
            rf"(?P<for>for\s+{_NAME}\s+in)\s+range\((?:(?P<first>\d+)\s*,\s*)?(?P<last>\d+)\)",
            _counted,
        ),
        (
            rf"input\s*(?:({_NAME})\s*)?[=:]?\s*[(\[]?\s*({_SIZE}(?:\s*[xX×,*]\s*{_SIZE})+)\s*[)\]]?",
            lambda m: (
                f"input {m[1] + ': ' if m[1] else ''}{'x'.join(re.split(r'[^0-9A-WYZ_]+', m[2]))}"
            ),
        ),
    )
)
# On the whole line.
_OF_LINES: tuple[Slip, ...] = (
    (re.compile(r"(.*?)//(.*)\Z"), lambda m: f"{m[1]}#{m[2]}"),
    (re.compile(r"(.*?)/\*(.*?)\*/\s*\Z"), lambda m: f"{m[1]}#{m[2].rstrip()}"),
    (re.compile(r"(.*?)--(\s.*)\Z"), lambda m: f"{m[1]}#{m[2]}"),
    (re.compile(r"(.*?(?:->|=>|>>).*)\Z"), lambda m: re.sub(r"\s*(?:->|=>|>>)\s*", "; ", m[1])),
    (re.compile(r"(.*?\})\s*elif\b(.*)\Z"), lambda m: f"{m[1]} else if{m[2]}"),
    (
        re.compile(rf"(.*?)\{{\s*({_NAME}(?:\s*\|\s*{_NAME})+)\s*\}}(.*)\Z"),
        lambda m: f"{m[1]}{_branches(m[2])}{m[3]}",
    ),
    (
        re.compile(r"(.*?)\{\s*([^|{}\s][^{}]*\|[^{}]*)\}(.*)\Z"),
        lambda m: f"{m[1]}{{ | {m[2]}}}{m[3]}",
    ),
)
_LONGEST = 1000
_MOST = 8


def slips(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """What the statement, or the line, at a mistake may have been meant as."""
    assert item.span is not None
    at = item.span.start
    start, end = _between(text, at, "\n")
    line = text[start:end].partition("#")[0]
    if len(line) > _LONGEST:
        return
    yield from islice(_meant(_OF_LINES, line, start), _MOST)
    first, last = _between(text, at, ";\n{}|")
    statement = text[first:last].partition("#")[0]
    yield from islice(_meant(_OF_STATEMENTS, statement, first), _MOST)
    inner = statement.strip()
    offset = first + statement.find(inner)
    for meant in translated(inner):
        if meant != inner:
            yield offset, offset + len(inner), meant


def _meant(known: tuple[Slip, ...], text: str, start: int) -> Iterator[Change]:
    inner = text.strip()
    offset = start + text.find(inner)
    for pattern, rewrite in known:
        if found := pattern.match(inner):
            meant = rewrite(found)
            if meant != inner:
                yield offset, offset + len(inner), meant


def _between(text: str, at: int, marks: str) -> tuple[int, int]:
    start = max(text.rfind(mark, 0, at) for mark in marks) + 1
    ends = [end for end in (text.find(mark, at) for mark in marks) if end >= 0]
    return start, max(start, min(ends, default=len(text)))

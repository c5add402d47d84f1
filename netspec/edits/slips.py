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
from netspec.edits.foreign import apart, translated
from netspec.sizes.shapes import channels_last

_NAME = r"[A-Za-z_]\w*"
# A step: a head with its shorthand, and parentheses without others inside.
_STEP = rf"{_NAME}(?:-\w+)?(?:/\w+)?(?:\([^()]*\))?"
# One that has a width, which no value does.
_SHORT = rf"{_NAME}-\w+(?:/\w+)?(?:\([^()]*\))?"
_SIZE = r"(?:\d+|[A-Z]\w*)"
_INNER = r"(?:[^()]|\([^()]*\))*"
_MERGES = r"(?:add|concat|sub|mul|div|mean|maximum|minimum)\b"
_SIGNS = {"+": "add", "*": "mul", "-": "sub"}
_MEANT = {"cat": "concat", "concatenate": "concat"}

# A template as `re.Match.expand` takes them, or a function where groups may be missing.
Slip = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _joined(word: str, parts: list[str]) -> str:
    """`concat { | a | b }`."""
    return f"{_MEANT.get(word, word)} {{ {' '.join(f'| {part}' for part in parts)} }}".strip()


def _named(word: str, names: str) -> str:
    """`concat { | @a | @b }` for names with anything between."""
    return _joined(word, [f"@{name}" for name in re.findall(_NAME, names)])


def _strided(found: re.Match[str]) -> str:
    word, kernel, width, stride = found.groups()
    return f"{word}{kernel}-{width}" + (f"/{stride}" if stride else "")


def _arguments(found: re.Match[str]) -> str:
    pairs = re.findall(rf"({_NAME})\s*=\s*([\w.]+)", found[2])
    return f"{found[1]}({', '.join(f'{name}={value}' for name, value in pairs)})"


def _repeated(found: re.Match[str]) -> str:
    return f"{found[4]} x{found[1] or found[2] or found[3]}"


def _counted(found: re.Match[str]) -> str:
    """A Python range with both ends."""
    first, last = found["first"], int(found["last"])
    return f"{found['for']} {first}..{last - 1}" if first else f"{found['for']} 1..{last}"


def _input(found: re.Match[str]) -> str:
    given = re.split(r"[^0-9A-WYZ_]+", found[2])
    whole = tuple(map(int, given)) if all(size.isdigit() for size in given) else ()
    sizes = "x".join(map(str, channels_last(whole) or given))
    return f"input {found[1]}: {sizes}" if found[1] else f"input {sizes}"


def _input_layer(found: re.Match[str]) -> str:
    sizes = tuple(map(int, re.findall(r"\d+", found[1])))
    return "input " + "x".join(map(str, channels_last(sizes) or sizes))


def _known(*slips: tuple[str, str | Callable[[re.Match[str]], str]]) -> tuple[Slip, ...]:
    return tuple((re.compile(rf"(?:{pattern})\Z"), meant) for pattern, meant in slips)


# On one statement, which ends at `;`, a newline or a brace.
_OF_STATEMENTS = _known(
    (r"(.*?),", r"\1"),
    # Repeats.
    (rf"(?:x(\d+)|(\d+)\s*x|(\d+)\s*\*)\s*({_STEP})", _repeated),
    (rf"({_STEP})\s*\*\s*(\d+)", r"\1 x\2"),
    (r"([a-z_]+\d*-\d+)x(\d+)", r"\1 x\2"),
    (r"(?:repeat|loop)\s+(\d+)", r"for i in 1..\1"),
    (
        rf"(?P<for>for\s+{_NAME}\s+in)\s+range\((?:(?P<first>\d+)\s*,\s*)?(?P<last>\d+)\)",
        _counted,
    ),
    # Kernel, width, stride and padding.
    (r"([a-z_]+)-(\d+)-(\d+)(.*)", r"\1\2-\3\4"),
    (r"([a-z_]+?)(\d+)(\(.*\))?", lambda m: f"{m[1]}-{m[2]}{m[3] or ''}"),
    (rf"({_NAME})\s+(\d+)", r"\1-\2"),
    (rf"({_NAME})[- ]\s*(\d*\.\d+)", r"\1(\2)"),
    (rf"({_NAME}?)[ ,]*(\d+(?:x\d+)*)\s*[ ,-]\s*(\d+)(?:[ ,/]+s?(\d+))?", _strided),
    (
        r"(\d+x\d+)\s*([a-z_]+)\s*,?\s*(\d+)(?:\s*,?\s*/(\d+))?",
        lambda m: f"{m[2]}{m[1]}-{m[3]}" + (f"/{m[4]}" if m[4] else ""),
    ),
    (r"([a-z_]+)(\d+)-([1357])", r"\1\3-\2"),
    (rf"({_NAME}-\d+)\s*s(\d+)", r"\1/\2"),
    (rf"({_NAME}-\w+(?:/\d+)?)(?:/|\s*,?\s+p(?:ad)?)(\d+)", r"\1(pad=\2)"),
    (rf"({_NAME}[\w-]*)\((same|valid|full)\)", r"\1(pad=\2)"),
    (rf"({_STEP})((?:[,\s]+{_NAME}\s*=\s*[\w.]+)+)", _arguments),
    # Names, and layers as functions of them.
    (rf"({_NAME})\s*:\s*({_STEP})", r"\2 as \1"),
    (rf"({_NAME})\s*([-+*])\s*({_NAME})", lambda m: _named(_SIGNS[m[2]], f"{m[1]} {m[3]}")),
    (rf"(@?{_NAME}(?:\s*\+\s*@?{_NAME})+)", lambda m: _named("add", m[1])),
    (rf"({_STEP})\s*\+\s*({_STEP})", r"\1; \2"),
    (rf"({_NAME})\s+(@{_NAME}(?:\s*,\s*@{_NAME})*)", r"\1(\2)"),
    (
        rf"(?:{_NAME}\.)*({_NAME})\s*\(?\s*[\[(]\s*({_NAME}(?:\s*,\s*{_NAME})+)\s*[\])][^()]*\)?",
        lambda m: _named(m[1], m[2]),
    ),
    (rf"({_NAME})\((\d+)\s*,\s*({_NAME})\)", r"\1-\2(act=\3)"),
    (rf"({_NAME})\(\s*({_SHORT})\s*\)", r"\1 { \2 }"),
    (rf"({_NAME})\((.*,.*)\)", lambda m: _joined(m[1], apart(m[2]))),
    (rf"(?!{_MERGES})(?:{_NAME}\.)*({_NAME})\(\s*({_NAME})\s*\)", r"@\2; \1"),
    (rf"({_NAME})\s*=\s*({_NAME})\(\s*({_NAME})\s*\)", r"@\3; \2 as \1"),
    # Declarations.
    (r"output\s+((?:@\w+[\s,]*)+)", lambda m: f"output {m[1].replace('@', '')}"),
    (r"def\s+(.*)", r"block \1"),
    (
        rf"input(?:\s+({_NAME}))?\s*[=:]?\s*[(\[]?\s*({_SIZE}(?:(?:\s*[xX×,*]\s*|\s+){_SIZE})+)\s*[)\]]?",
        _input,
    ),
    (r"Input\(.*?(\d+(?:\s*,\s*\d+)+).*", _input_layer),
)
# On the whole line.
_OF_LINES = _known(
    (r"(.*?)//(.*)", r"\1#\2"),
    (r"(.*?)/\*(.*?)\s*\*/\s*", r"\1#\2"),
    (r"(.*?)--(\s.*)", r"\1#\2"),
    (r".*?(?:->|=>|>>).*", lambda m: re.sub(r"\s*(?:->|=>|>>)\s*", "; ", m[0])),
    (r"(.*?\})\s*elif\b(.*)", r"\1 else if\2"),
    (
        rf"(.*?)\{{\s*({_NAME}(?:\s*[|,]\s*{_NAME})+)\s*\}}(.*)",
        lambda m: f"{m[1]}{_named('', m[2])}{m[3]}",
    ),
    (r"(.*?)\{\s*([^|{}\s][^{}]*\|[^{}]*)\}(.*)", r"\1{ | \2}\3"),
    (r"(.*?)\{\s*([^|{}]*,[^|{}]*)\}(.*)", lambda m: f"{m[1]}{_joined('', apart(m[2]))}{m[3]}"),
    (rf"(.*?\w)\(({_INNER};{_INNER})\)(.*)", r"\1 { \2 }\3"),
)
_LONGEST = 400
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
            meant = found.expand(rewrite) if isinstance(rewrite, str) else rewrite(found)
            if meant != inner:
                yield offset, offset + len(inner), meant


def _between(text: str, at: int, marks: str) -> tuple[int, int]:
    start = max(text.rfind(mark, 0, at) for mark in marks) + 1
    ends = [end for end in (text.find(mark, at) for mark in marks) if end >= 0]
    return start, max(start, min(ends, default=len(text)))

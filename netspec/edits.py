"""Edits that mend a spec: proposed from what a diagnostic says, tried, and kept if they check.

An edit is kept if the edited text has one problem less and no new one. Trying is bounded: few
diagnostics, few candidates, small nets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from math import gcd
from typing import Any

from netspec.diagnostics import Diagnostic, Edit, NetspecError, Problem
from netspec.errors import names, shapes, syntax
from netspec.source import Source, Span

Build = Callable[[Source], Any]
# A change of the source: where from, where to, what instead.
Change = tuple[int, int, str]

_SHOWN = 3
_TRIED = 16
_DIAGNOSTICS = 3
_LONGEST_SOURCE = 20_000
_QUOTED = re.compile(r"`([^`]+)`")
_STEP = re.compile(
    r"([A-Za-z_]\w*?)(\d+(?:x\d+)*)?(-(?:\w+|\([^()]*\)))?(/(?:\w+|\([^()]*\)))?(\(.*\))?\Z"
)
_REPEAT = re.compile(r"[^\S\n]*x(\d+)")
_LOOKALIKES = {"“": '"', "”": '"', "×": "x", "–": "-", "−": "-", "，": ",", "；": ";", "：": ":"}


def with_edits(error: NetspecError, source: Source, build: Build) -> NetspecError:
    """The error with up to three edits for each of its first diagnostics; `build` tries a text."""
    if len(source.text) > _LONGEST_SOURCE or error.more:
        return error
    found = []
    for i, item in enumerate(error.diagnostics):
        edits = _edits(item, error, source, build) if i < _DIAGNOSTICS else ()
        found.append(replace(item, edits=edits) if edits else item)
    if tuple(found) == error.diagnostics:
        return error
    return NetspecError(tuple(found), status=error.status, more=error.more)


def _edits(item: Diagnostic, error: NetspecError, source: Source, build: Build) -> tuple[Edit, ...]:
    propose = _PROPOSALS.get(type(item.problem))
    if propose is None or item.span is None:
        return ()
    if item.span.source != source and propose is not _different:
        return ()
    changes = list(dict.fromkeys(propose(item.problem, item, source.text)))
    changes.sort(key=lambda change: _size(source.text[change[0] : change[1]], change[2]))
    others = [d.code for d in error.diagnostics if d is not item]
    kept: list[Edit] = []
    for start, end, text in changes[:_TRIED]:
        if text.isdigit() and any(e.span.start == start and e.replacement.isdigit() for e in kept):
            continue
        edited = source.text[:start] + text + source.text[end:]
        if _problems(Source(source.name, edited, source.path), build) == others:
            shown = _statement(edited, start, len(text))
            if all(edit.text != shown for edit in kept):
                kept.append(Edit(Span(source, start, end), text, shown))
        if len(kept) == _SHOWN:
            break
    return tuple(kept)


def _size(old: str, new: str) -> int:
    """How much of a text changes: what is not shared at either end."""
    short = min(len(old), len(new))
    before = next((i for i in range(short) if old[i] != new[i]), short)
    short -= before
    after = next((i for i in range(short) if old[-1 - i] != new[-1 - i]), short)
    return len(old) + len(new) - 2 * (before + after)


def _problems(source: Source, build: Build) -> list[str]:
    try:
        build(source)
    except NetspecError as error:
        return [d.code for d in error.diagnostics] + ["more"] * error.more
    return []


def _statement(text: str, at: int, length: int) -> str:
    """The statement that an edit made, for showing."""
    start = max(text.rfind(mark, 0, at) for mark in ";\n{|") + 1
    if text[at : at + length].strip() == "|":
        start = text.rfind("\n", 0, at) + 1
    ends = [end for end in (text.find(mark, at + length) for mark in ";\n") if end >= 0]
    shown = text[start : min(ends, default=len(text))]
    edit = at + length - start
    while shown.count("}") > shown.count("{") and "}" in shown[edit:]:
        shown = shown[: shown.rindex("}")]
    return f"`{' '.join(shown.split())}`"


# --- proposals: what one could have meant


def _nearest(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """The names that the advice asks about."""
    assert item.span is not None
    _, asks, rest = problem.advice.partition("did you mean ")
    name = str(problem.facts.get("name", problem.facts.get("key", "")))
    offset = item.span.text.find(name) if name else -1
    if not asks or offset < 0:
        return
    start = item.span.start + offset
    digits = re.search(r"\d+(?:x\d+)*\Z", name)
    for near in _QUOTED.findall(rest.partition("?")[0]):
        bare = near.lstrip("@") if item.span.text.startswith("@") else near
        yield start, start + len(name), bare
        if digits and not bare[-1].isdigit():
            yield start, start + len(name), bare + digits.group()


def _chosen(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """One of the words that a parameter takes."""
    assert item.span is not None
    expected, value = str(problem.facts["expected"]), str(problem.facts["value"])
    at = item.span.text.rfind(value)
    if at < 0 or not value.isidentifier() or not re.fullmatch(r"[\w ,]+", expected):
        return
    for word in get_close_matches(value, re.split(r" or |, ", expected), cutoff=0.4):
        yield item.span.start + at, item.span.start + at + len(value), word


def _syntax(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    start, end = item.span.start, item.span.end
    if "separated" in problem.advice:
        yield len(text[:start].rstrip()), start, "; "
        if mark := re.match(r"\s*(?:->|=>|,|>+)\s*", text[start:]):
            yield len(text[:start].rstrip()), start + mark.end(), "; "
    if "without spaces" in problem.advice:
        yield len(text[:start].rstrip()), start, ""
    if "without a space" in problem.advice and (gap := re.match(r"\s+(?=\d)", text[end:])):
        yield end, end + gap.end(), ""
    if "named behind" in problem.advice and (named := _assignment(text, start)):
        yield named
    if asked := re.search(r"did you mean `(\w+)`", problem.advice):
        word = re.search(r"(\w+)\s*\Z", text[:start])
        if word:
            yield word.start(1), word.end(1), asked.group(1)
    for wanted in _QUOTED.findall(str(problem.facts.get("expected", ""))):
        yield start, start, "| " if wanted == "|" else wanted
    if "arithmetic" in problem.advice:
        left = re.search(r"[-/](\w+)\s*\Z", text[:start])
        right = re.match(r"\s*\w+", text[end:])
        if left and right:
            inner = text[left.start(1) : end + right.end()]
            yield left.start(1), end + right.end(), f"({inner})"


def _assignment(text: str, at: int) -> Change | None:
    """`a = conv3-64` as `conv3-64 as a`, where `at` is the sign."""
    left = re.search(r"(\w+)\s*\Z", text[:at])
    right = re.match(r"=\s*([^;\n]+)", text[at:])
    if not left or not right:
        return None
    return left.start(), at + right.end(), f"{right.group(1).rstrip()} as {left.group(1)}"


def _unbalanced(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    start, bracket = item.span.start, str(problem.facts["bracket"])
    if bracket in ")]}":
        yield start, start + 1, ""
        return
    partner = str(problem.facts["partner"])
    closing_text = " }" if partner == "}" else partner
    for mark in (";", " {", "\n"):
        at = text.find(mark, start)
        if at > 0:
            yield at, at, closing_text
    if bracket == "{":
        closing = re.compile(r"\n(?=\w)").finditer(text, start)
        yield from ((found.start(), found.start(), "\n}") for found in closing)
        yield len(text.rstrip()), len(text.rstrip()), " }"


def _character(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    start, end = item.span.start, item.span.end
    wrong = text[start:end]
    if wrong[0] == "'" and len(wrong) > 1:
        yield start, end, wrong[1:-1]
        yield start, end, f'"{wrong[1:-1]}"'
    yield start, end, _LOOKALIKES.get(wrong, "")


def _quote(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    end = text.find("\n", item.span.start)
    end = len(text) if end < 0 else end
    yield end, end, '"'


def _with_argument(step: str, argument: str) -> str:
    return f"{step[:-1]}, {argument})" if step.endswith(")") else f"{step}({argument})"


def _variants(span: Span, width: object = None) -> Iterator[Change]:
    """Other spellings of a step: padded, without its stride, of another width."""
    found = _STEP.match(span.text)
    if not found:
        return
    word, kernel, old_width, old_stride, arguments = (part or "" for part in found.groups())
    widths = [old_width] + ([f"-{width}"] if isinstance(width, int) and old_width else [])
    for new_width in widths:
        for stride in dict.fromkeys((old_stride, "")):
            step = f"{word}{kernel}{new_width}{stride}{arguments}"
            yield span.start, span.end, step
            if kernel and "pad=" not in arguments:
                yield span.start, span.end, _with_argument(step, "pad=same")


def _kernel(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    span = item.span
    found = _STEP.match(span.text)
    size = problem.facts["size"]
    if found and found.group(2) and isinstance(size, int) and size > 0:
        yield span.start + found.start(2), span.start + found.end(2), str(size)
    yield from _variants(span)
    for place in (span, *(call.span for call in item.calls)):
        repeat = _REPEAT.match(text, place.end) if place.source == span.source else None
        if repeat:
            count = int(repeat.group(1))
            for fewer in range(count - 1, max(0, count - 8), -1):
                yield repeat.start(1), repeat.end(1), str(fewer)


def _different(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """Makes one side of a merge like the other, or projects the shortcut."""
    for label in item.labels:
        if label.span.source.text != text:
            continue
        for width in re.findall(r"\b(\d+)(?:x|\b)", str(problem.facts.get("shapes", ""))):
            yield from _variants(label.span, int(width))
    for call in item.calls:
        if call.span.source.text == text:
            yield from _shortcuts(call.span)


def _shortcuts(span: Span) -> Iterator[Change]:
    found = re.match(r"residual\(shortcut=(\w+)", span.text)
    if found:
        yield span.start + found.start(1), span.start + found.end(1), "auto"


def _joined(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    for merge in ("add", "concat", "mean"):
        yield item.span.start, item.span.start, f"{merge}; "


def _divided(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    span, value, divisor = item.span, problem.facts["value"], problem.facts["divisor"]
    if not isinstance(value, int):
        return
    if groups := re.search(r"groups=(\d+)", span.text):
        fitting = gcd(value, int(groups.group(1)))
        yield span.start + groups.start(1), span.start + groups.end(1), str(fitting)
    below = value // divisor * divisor
    for number in re.finditer(rf"(?<=-){value}\b|(?<=\(){value}\b", span.text):
        for width in (below, below + divisor):
            yield span.start + number.start(), span.start + number.end(), str(width)
    if parts := re.search(rf"\b{divisor}\b", span.text):
        for smaller in range(divisor - 1, 1, -1):
            if value % smaller == 0:
                yield span.start + parts.start(), span.start + parts.end(), str(smaller)


def _padded(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    span = item.span
    if found := re.search(r"pad=(\d+)", span.text):
        half = int(str(problem.facts["kernel"])) // 2
        yield span.start + found.start(1), span.start + found.end(1), str(half)


def _ranked(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """A vector where a map is needed, or the other way round."""
    assert item.span is not None
    span = item.span
    found = _STEP.match(span.text)
    if found and found.group(1) == "conv" and found.group(3):
        yield span.start, span.end, f"fc{found.group(3)}"
    for step in ("gap", "flatten", "grid"):
        yield span.start, span.start, f"{step}; "


def _braced(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    opening = text.find("{", item.span.end)
    if opening >= 0:
        yield opening + 1, opening + 1, " |"


def _renamed(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    if item.span.text.isidentifier():
        yield item.span.start, item.span.end, f"{item.span.text}2"


_PROPOSALS: Mapping[type[Problem], Callable[[Any, Diagnostic, str], Iterator[Change]]] = {
    names.BadArgument: _chosen,
    names.NameTaken: _renamed,
    names.NoBraces: _braced,
    names.NoSuchSetting: _nearest,
    names.UnknownArgument: _nearest,
    names.UnknownImport: _nearest,
    names.UnknownLayer: _nearest,
    names.UnknownMetadata: _nearest,
    names.UnknownName: _nearest,
    names.UnknownReference: _nearest,
    shapes.BranchCount: _joined,
    shapes.KernelTooLarge: _kernel,
    shapes.NotDivisible: _divided,
    shapes.PadTooLarge: _padded,
    shapes.ShapesDiffer: _different,
    shapes.WrongCount: _joined,
    shapes.WrongRank: _ranked,
    syntax.IllegalCharacter: _character,
    syntax.Unbalanced: _unbalanced,
    syntax.UnexpectedText: _syntax,
    syntax.UnterminatedText: _quote,
}

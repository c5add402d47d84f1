"""Edits that respell: names that are nearly known, and what the grammar asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from netspec.diagnostics.messages import expect, names, syntax
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Change
from netspec.edits.foreign import step_at, translated
from netspec.syntax.fmt import spaced
from netspec.syntax.lookalikes import is_elsewhere, plainly
from netspec.syntax.lookalikes import plain as meant_as

_QUOTED = re.compile(r"`([^`]+)`")
# An argument that is to be written in place of another.
_SWITCHED = re.compile(r"write `(\w+=\w+)`")
# A token as far as what stands beside it cares: where one ends, and where one begins.
_LAST = re.compile(r"(?:\w+|[^\w\s])\Z")
_FIRST = re.compile(r"\w+|[^\w\s]")


# What is behind the only value of a call.
_ALONE = re.compile(r"\s*\)")
_ANOTHER = re.compile(r"[ \t]*[)\]}]")


def _nearest(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """The names that the advice asks about."""
    assert item.span is not None
    if switched := _SWITCHED.match(problem.advice):
        yield item.span.start, item.span.end, switched[1]
        return
    _, asks, rest = problem.advice.partition("did you mean ")
    name = str(problem.facts.get("name", problem.facts.get("key", "")))
    word = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", item.span.text)
    offset = word.start() if word else item.span.text.find(name)
    if not asks or not name or offset < 0:
        return
    step = step_at(text, item.span.start + offset)
    if isinstance(problem, names.UnknownLayer) and step.endswith(")") and any(translated(step)):
        return  # its arguments may stand in another library's order
    start = item.span.start + offset
    digits = re.search(r"\d+(?:x\d+)*\Z", name)
    for near in _QUOTED.findall(rest.partition("?")[0]):
        if near.endswith(".C") and _ALONE.match(text, start + len(name)):
            continue  # a tensor by itself is what a step reads, not a number
        bare = near.lstrip("@") if item.span.text.startswith("@") else near
        if bare.startswith("@") and text[start - 1 : start] in ("-", "/"):
            bare = f"({bare})"
        yield start, start + len(name), bare
        if digits and not bare[-1].isdigit():
            yield start, start + len(name), bare + digits.group()


def _imported(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """A shipped net by its name, with the line that makes it a layer."""
    if asked := re.search(r"`(import \w+)`", problem.advice):
        yield 0, 0, f"{asked[1]}\n"
    yield from _nearest(problem, item, text)


def _chosen(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """One of the words that a parameter takes."""
    assert item.span is not None
    expected, value = str(problem.facts["expected"]), str(problem.facts["value"])
    at = item.span.text.rfind(value)
    if at < 0:
        return
    start, end = item.span.start + at, item.span.start + at + len(value)
    if value.startswith('"'):
        yield start, end, value.strip('"')
    if asked := re.search(r"write `(\w+)`", problem.advice):
        yield start, end, asked[1]
    words = [word for word in re.split(r" or |, ", expected) if word.isidentifier()]
    if value.isidentifier():
        for word in get_close_matches(value.lower(), words, cutoff=0.4):
            yield start, end, word


def _syntax(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    start, end = item.span.start, item.span.end
    if "separated" in problem.advice and text[start : start + 1] != "@":
        yield len(text[:start].rstrip()), start, "; "
        if mark := re.match(r"[ \t]*(?:->|=>|,|>+)[ \t]*(?=\S)", text[start:]):
            yield len(text[:start].rstrip()), start + mark.end(), "; "
    if "by `==`" in problem.advice:
        yield start, end, "=="
    if "behind `=`" in problem.advice:
        yield len(text[:start].rstrip()), end + len(re.match(r"\s*", text[end:])[0]), "="  # type: ignore[index]
    if "without quotes" in problem.advice and text[start + 1 : end - 1].isidentifier():
        yield start, end, text[start + 1 : end - 1]
    if "without spaces" in problem.advice:
        yield len(text[:start].rstrip()), start, ""
    if "without a space" in problem.advice and (gap := re.match(r"\s+(?=\d)", text[end:])):
        yield end, end + gap.end(), ""
    if "reference stands in" in problem.advice:
        yield start, end, f"({text[start:end]})"
    if "named behind" in problem.advice and (named := _assignment(text, start)):
        yield named
    if asked := re.search(r"did you mean `(\w+)`", problem.advice):
        word = re.search(r"(\w+)\s*\Z", text[:start])
        if word:
            yield word.start(1), word.end(1), asked.group(1)
    for wanted in _QUOTED.findall(str(problem.facts.get("expected", ""))):
        yield _put_in(wanted, text, start)
    if "arithmetic" in problem.advice:
        left = re.search(r"[-/](\w+)\s*\Z", text[:start])
        right = re.match(r"\s*\w+", text[end:])
        if left and right:
            inner = text[left.start(1) : end + right.end()]
            yield left.start(1), end + right.end(), f"({inner})"


def _put_in(token: str, text: str, at: int) -> Change:
    """A token before another, with the spaces of canonical layout around it."""
    start = len(text[:at].rstrip(" \t"))
    before, after = _LAST.search(text[:start]), _FIRST.match(text, at)
    if before is None:
        return at, at, token + " "
    left = " " if spaced(before.group(), token) else ""
    right = " " if after and spaced(token, after.group()) else ""
    return start, at, left + token + right


def _assignment(text: str, at: int) -> Change | None:
    """`a = conv3-64` as `conv3-64 as a`, where `at` is the sign."""
    left = re.search(r"(\w+)\s*\Z", text[:at])
    right = re.match(r"=\s*([^;\n]+)", text[at:])
    if not left or not right or "." in right.group(1):
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
    if bracket != "{" and (other := _ANOTHER.search(text, start + 1)):
        yield other.start(), other.end(), partner
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
    first = text.rfind("\n", 0, start) + 1
    line = text[first:].partition("\n")[0]
    last = first + len(line)
    if len(line) > _LONGEST_LINE:
        return
    if wrong[0] == "'":
        yield first, last, _IN_QUOTES.sub(r"\1", line)
        yield start, end, f'"{wrong[1:-1]}"'
    elif meant_as(wrong[0]):
        yield first, last, plainly(line)
    elif is_elsewhere(wrong[0]):
        yield from _of_elsewhere(wrong[0], line, first)
    else:
        yield start, end, ""


def _of_elsewhere(sign: str, line: str, first: int) -> Iterator[Change]:
    """The line with a sign of other languages written in ours."""
    for pattern, meant in _SIGNS.get(sign, ()):
        changed = re.sub(pattern, meant, line)
        if changed != line:
            yield first, first + len(line), changed


def _quote(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    end = text.find("\n", item.span.start)
    end = len(text) if end < 0 else end
    yield end, end, '"'


def _braced(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """The steps in a merge's braces as a branch each."""
    assert item.span is not None
    opening = text.find("{", item.span.end)
    closing = text.find("}", opening)
    if 0 <= opening < closing:
        inside = text[opening + 1 : closing]
        steps = [step.strip() for step in re.split(r"[;\n]", inside) if step.strip()]
        if steps and not {"{", "|", "#"} & {*inside}:
            yield opening, closing + 1, f"{{ {' '.join(f'| {step}' for step in steps)} }}"
        else:
            yield opening + 1, opening + 1, " |"


def _dotted(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """A reference, in parentheses where it is a width or a stride; a block, from its file."""
    assert item.span is not None
    start, end = item.span.start, item.span.end
    for advised in _QUOTED.findall(problem.advice):
        if advised.startswith("@"):
            short = text[start - 1 : start] in ("-", "/")
            yield start, end, f"({advised})" if short else advised
        elif advised.startswith("import "):
            yield start, end, advised.removeprefix("import ")


def _renamed(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    if item.span.text.isidentifier():
        yield item.span.start, item.span.end, f"{item.span.text}2"


def _referenced(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    assert item.span is not None
    if item.span.text.isidentifier():
        yield item.span.start, item.span.start, "@"


_LONGEST_LINE = 400
# Words in single quotes.
_IN_QUOTES = re.compile(r"'([^'\n]*)'")
# What a sign of other languages may stand for.
_SIGNS = {
    "!": ((r"!(?!=)\s*", "not "),),
    "&": ((r"\s*&&?\s*", " and "),),
    "^": ((r"([-/])(\w+)\^(\w+)", r"\1(\2**\3)"), (r"\^", "**")),
    "$": ((r"\$\{?(\w+)\}?", r"\1"), (r"\$", "@"), (r"\s*\$", "")),
    "?": ((r"([^(=]+?)\s*\?\s*([^:?]+?)\s*:\s*([^),]+)", r"\2 if \1 else \3"), (r"\?x", "")),
    "\\": ((r"\s*\\\s*\Z", ""),),
    "@": ((r"(\w+)\s*@\s+(\w+)", r"matmul { | @\1 | @\2 }"), (r"@\s+", "@")),
}

# What is tried for each problem of this kind.
SPELLINGS = {
    expect.BadFigure: _chosen,
    expect.UnknownFigure: _nearest,
    names.BadArgument: _chosen,
    names.NameTaken: _renamed,
    names.NoBraces: _braced,
    names.NoList: _referenced,
    names.NoSuchSetting: _nearest,
    names.NotInFile: _nearest,
    names.UnknownArgument: _nearest,
    names.UnknownImport: _nearest,
    names.UnknownLayer: _imported,
    names.UnknownMetadata: _nearest,
    names.UnknownName: _nearest,
    names.UnknownReference: _nearest,
    syntax.DottedWord: _dotted,
    syntax.IllegalCharacter: _character,
    syntax.Unbalanced: _unbalanced,
    syntax.UnexpectedText: _syntax,
    syntax.UnterminatedText: _quote,
}

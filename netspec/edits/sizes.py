"""Edits that change sizes: kernels, widths, strides, padding, merges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import gcd

from netspec.diagnostics.messages import shapes
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Change, Span
from netspec.sizes.shapes import image_first

_STEP = re.compile(
    r"([A-Za-z_]\w*?)(\d+(?:x\d+)*)?(-(?:\w+|\([^()]*\)))?(/(?:\w+|\([^()]*\)))?(\(.*\))?\Z"
)
_INPUT = re.compile(r"^[^\S\n]*input\s+(?:\w+:\s*)?(\d+(?:x\d+){2,3})\b", re.M)
# A word with braces that hold no others but one level of them.
_BRACES = re.compile(r"\w+(?:\([^()]*\))?\s*\{(?:[^{}]|\{[^{}]*\})*\}")
_WINDOW = re.compile(
    r"\b(?:conv|dwconv|maxpool|avgpool|lppool)\d+(?:x\d+)*(?:-(?:\w+|\([^()]*\)))?(?:/\w+)?(?:\([^()]*\))?"
)
# Divisors are looked for among so many quotients, however large the numbers are.
_QUOTIENTS = 1000
_REPEAT = re.compile(r"[^\S\n]*x(\d+)")


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
    yield from _channels_first(text)
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


def _channels_first(text: str) -> Iterator[Change]:
    """Inputs whose channels seem to stand last, or behind a batch, with them first."""
    for found in _INPUT.finditer(text):
        sizes = tuple(int(size) for size in found[1].split("x"))
        if moved := image_first(sizes):
            yield found.start(1), found.end(1), "x".join(map(str, moved))


def _padded_all(item: Diagnostic, text: str) -> Iterator[Change]:
    """All windows between what is joined padded: in the braces of the merge, or since the first side."""
    assert item.span is not None
    for span in (item.span, *(call.span for call in item.calls)):
        if span.source.text != text:
            continue
        if braces := _BRACES.match(text, span.start):
            yield span.start, braces.end(), _WINDOW.sub(_with_padding, braces[0])
        before = [label.span.end for label in item.labels if label.span.source.text == text]
        if before and min(before) < span.start:
            between = text[min(before) : span.start]
            yield min(before), span.start, _WINDOW.sub(_with_padding, between)


def _with_padding(found: re.Match[str]) -> str:
    return found[0] if "pad=" in found[0] else _with_argument(found[0], "pad=same")


def _different(problem: Problem, item: Diagnostic, text: str) -> Iterator[Change]:
    """Makes one side of a merge like the other, or projects the shortcut."""
    yield from _padded_all(item, text)
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
        for smaller in _divisors_below(divisor, value):
            yield span.start + parts.start(), span.start + parts.end(), str(smaller)


def _divisors_below(divisor: int, value: int) -> Iterator[int]:
    """The largest divisors of `value` below `divisor` and above 1, among so many quotients."""
    first = value // divisor + 1
    for quotient in range(first, first + _QUOTIENTS):
        if value % quotient == 0 and value // quotient > 1:
            yield value // quotient


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


# What is tried for each problem of this kind.
SIZES = {
    shapes.BranchCount: _joined,
    shapes.KernelTooLarge: _kernel,
    shapes.NotDivisible: _divided,
    shapes.PadTooLarge: _padded,
    shapes.ShapesDiffer: _different,
    shapes.WrongCount: _joined,
    shapes.WrongRank: _ranked,
}

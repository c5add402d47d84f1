"""NS62x: pictures that cannot be drawn as asked."""

from __future__ import annotations

from netspec.diagnostics import Problem


class UnknownChoice(Problem):
    code = "NS620"
    title = "there is no {what} `{value}`: {known}"
    what: str
    value: str
    known: str


class CannotDraw(Problem):
    code = "NS621"
    title = "cannot draw this: {reason}"
    help = "{advice_text}"
    reason: str
    advice_text: str = ""


class TooManyDrawn(Problem):
    code = "NS622"
    title = "the {style} picture would have {count:,} boxes, the limit is {limit:,}"
    help = "draw it folded (--style fold), or write the graph as text (--format dot)"
    style: str
    count: int
    limit: int


class DotFailed(Problem):
    code = "NS623"
    title = "Graphviz failed: {reason}"
    help = "draw it folded (--style fold), or write the graph as text (--format dot)"
    reason: str

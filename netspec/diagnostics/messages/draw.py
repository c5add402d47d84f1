"""NS62x: pictures that cannot be drawn as asked."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class UnknownChoice(Problem):
    code = "NS620"
    title = "there is no {what} `{value}`: {known}"
    explain = "Styles, formats and presets are fixed words; the message lists them."
    what: str
    value: str
    known: str


class CannotDraw(Problem):
    code = "NS621"
    title = "cannot draw this: {reason}"
    help = "{advice_text}"
    explain = "The picture that was asked for cannot be made of this net."
    reason: str
    advice_text: str = ""


class TooManyDrawn(Problem):
    code = "NS622"
    title = "the {style} picture would have {count:,} boxes, the limit is {limit:,}"
    help = "{advice_text}"
    explain = (
        "A picture of more boxes than this is neither readable nor made in bounded time. Fold "
        "blocks, lower --depth, or choose another style."
    )
    style: str
    count: int
    limit: int
    advice_text: str = (
        "draw it folded (--style fold), or write the graph as text (--style flow --format dot)"
    )


class TooManyJoins(Problem):
    code = "NS624"
    title = "branches meet at {count:,} places, a {style} picture shows at most {limit:,}"
    help = "write the graph as text (--style flow --format dot)"
    explain = (
        "Where branches meet, a picture has boxes side by side. They are counted before the net is "
        "taken apart for drawing, so that a picture that nobody could read is refused at once."
    )
    style: str
    count: int
    limit: int


class DotFailed(Problem):
    code = "NS623"
    title = "Graphviz failed: {reason}"
    help = "draw it folded (--style fold), or write the graph as text (--style flow --format dot)"
    explain = "Styles, formats and presets are fixed words; the message lists them."
    reason: str

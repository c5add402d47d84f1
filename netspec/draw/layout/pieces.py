"""Pieces of a picture that know their size before they know their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.draw.metrics import text_width, total
from netspec.draw.scene import BOLD, SIZES, Box, Group, Item, Mark, Wire, Words
from netspec.draw.structure.elements import Element, Repeat, Step, nodes_of
from netspec.draw.structure.labels import dim
from netspec.draw.theme import SHARES
from netspec.draw.view import View, tags
from netspec.foundation.records import record

CHIP, ROW, GAP, PAD = 22.0, 24.0, 15.0, 10.0
BETWEEN = 12.0
LANE = 16.0
HEADER = 22.0
SIGNS = {"add": "+", "mul": "×"}


@record
class Strip:
    """Where a piece shows maps of one resolution, from its top on; without a name where not one."""

    top: float
    bottom: float
    name: str


@record
class Heading:
    """What a card says at its top: its title, the figures opposite, and lines below."""

    title: str
    figures: str
    lines: tuple[str, ...]

    @property
    def h(self) -> float:
        """How much of the card's height it takes."""
        return HEADER + 14.0 * len(self.lines)

    @property
    def w(self) -> float:
        """What it needs between the card's margins."""
        aside = width_of(self.figures, "note") + 14 if self.figures else 0
        return max(
            width_of(self.title, "head") + aside, *(width_of(n, "note") for n in self.lines), 0
        )

    def draw(self, x: float, y: float, w: float) -> list[Item]:
        """The words, in a card of width `w` whose corner is at (x, y)."""
        found: list[Item] = [Words(x + PAD, baseline(y, HEADER, "head"), self.title, "head")]
        if self.figures:
            at = baseline(y, HEADER, "note")
            found.append(Words(x + w - PAD, at, self.figures, "note", "end", "muted"))
        for i, line in enumerate(self.lines):
            found.append(Words(x + PAD, y + HEADER + 9 + 14 * i, line, "note", look="muted"))
        return found


@record
class Piece:
    """Something of width `w` and height `h`; what flows through it enters and leaves at `axis`.

    One that is `wired` begins with a wire of its own, so what leads to it needs no arrow. `lanes`
    are where wires enter, from the axis on: several where branches run on side by side; `outs`
    where they leave. `strips` are the resolutions of what it shows, from its top to its bottom. `hook`
    is where lines to what hangs off it begin, right of it and below its top, and where the last ends.
    """

    w: float
    h: float
    axis: float
    draw: Callable[[float, float], list[Item]]
    wired: bool = False
    lanes: tuple[float, ...] = (0.0,)
    outs: tuple[float, ...] = (0.0,)
    strips: tuple[Strip, ...] = ()
    hook: tuple[float, float, float] | None = None


def width_of(text: str, size: str = "label") -> float:
    """How wide words of a named size are, in points."""
    return text_width(text, SIZES[size], bold=size in BOLD)


def baseline(y: float, h: float, size: str = "label") -> float:
    """Where text sits to stand in the middle of a box."""
    return y + h / 2 + SIZES[size] * 0.36


def chip_width(step: Step, view: View, times: str = "") -> float:
    """How wide a layer's chip must be for its label, in points."""
    return max(34.0, width_of(view.label(step) + times) + 2 * 8)


def chip(step: Step, view: View, repeat: Repeat | None = None, *, width: float = 0.0) -> Piece:
    """A layer as a small box with one line of text."""
    times = f" ×{repeat.count}" if repeat else ""
    text = view.label(step) + times
    w = max(width, chip_width(step, view, times))

    def draw(x: float, y: float) -> list[Item]:
        look = view.look(step, repeat)
        members = (
            Box(x, y, w, CHIP, "leaf", look),
            Words(x + w / 2, baseline(y, CHIP), text, anchor="middle", look=look),
        )
        return [_of_step(step, view, members, repeat)]

    return Piece(w, CHIP, w / 2, draw)


def row(step: Step, view: View, width: float, repeat: Repeat | None = None) -> Piece:
    """A layer of the net's own chain: what it is on the left, its figures on the right.

    Those of a repeated layer are the sums of its copies.
    """
    whole, times = (repeat, f" ×{repeat.count}") if repeat else (step, "")
    text, figures = view.label(step) + times, view.numbers(whole, step.type)
    w = max(width, row_width(step, view, repeat))

    def draw(x: float, y: float) -> list[Item]:
        look = view.look(step, repeat)
        members: list[Item] = [
            Box(x, y, w, ROW, "leaf", look),
            Words(x + 10, baseline(y, ROW), text, look=look),
        ]
        if figures:
            members.append(
                Words(x + w - 10, baseline(y, ROW), figures, "note", "end", look or "muted")
            )
        return [_of_step(step, view, tuple(members), whole)]

    return Piece(w, ROW, w / 2, draw)


def row_width(step: Step, view: View, repeat: Repeat | None = None) -> float:
    """How wide a layer's row must be for its label and figures, in points."""
    figures = view.numbers(repeat or step, step.type)
    times = f" ×{repeat.count}" if repeat else ""
    return (
        width_of(view.label(step) + times) + width_of(figures, "note") + 20 + (18 if figures else 0)
    )


def share_mark(path: str, view: View, x: float, y: float, h: float) -> tuple[Item, ...]:
    """The coloured edge of what has weights in common with others, one colour for all of these."""
    _, number = view.shared(path)
    return () if number is None else (Box(x, y, 4, h, "key", f"share{number % SHARES}", 2),)


def _of_step(
    step: Step, view: View, members: tuple[Item, ...], whole: Step | Repeat | None = None
) -> Group:
    whole = whole or step
    hint = view.hint(step.node.name, whole, step.type)
    box = members[0]
    if isinstance(box, Box):
        members = (*members, *share_mark(step.node.path, view, box.x, box.y, box.h))
    return Group(members, step.node.span, step.node.path, hint, nodes=nodes_of(whole))


def bar(step: Step, view: View, w: float) -> Piece:
    """A merge as wide as its branches."""
    laid = step.node.op.spelling == "concat"
    shown = laid and "shape" in view.show and step.type.shape
    text = view.label(step, dim(step.type.shape[0]) if shown else "")
    w = max(w, width_of(text) + 16)

    def draw(x: float, y: float) -> list[Item]:
        look = view.look(step)
        members = (
            Box(x, y, w, 20, "leaf", look, 10),
            Words(x + w / 2, baseline(y, 20), text, anchor="middle", look=look),
        )
        return [_of_step(step, view, members)]

    return Piece(w, 20, w / 2, draw)


def mark_text(step: Step, view: View) -> str:
    """What follows a merge drawn as a circle, in words beside it."""
    return ", ".join([*tags(step), *view.behind(step)])


def mark(step: Step, view: View, x: float, y: float, *, words_left: bool = True) -> Group:
    """A merge as a circle around (x, y), with what follows it beside."""
    members: list[Item] = [Mark(x, y, SIGNS[step.node.op.spelling])]
    text = mark_text(step, view)
    if text:
        at, anchor = (x - 13, "end") if words_left else (x + 13, "start")
        members.append(Words(at, y + 4 if words_left else y + 18, text, "note", anchor, "muted"))
    return _of_step(step, view, tuple(members))


def wire(*points: tuple[float, float], arrow: bool = True, look: str = "") -> Wire:
    """A line without the points it would visit twice."""
    kept = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    return Wire(tuple(kept), arrow, look)


def joined(
    above: Piece, below: Piece, x: float, y: float, to_x: float, to_y: float
) -> Sequence[Wire]:
    """What leads from the foot of one piece, its axis at `x`, to the head of another.

    One wire, or one for each tensor where several flow on side by side.
    """
    arrow = not below.wired
    if len(above.outs) != len(below.lanes) or len(above.outs) == 1:
        return [wire((x, y), (to_x, to_y), arrow=arrow)]
    pairs = zip(above.outs, below.lanes, strict=True)
    return [wire((x + out, y), (to_x + into, to_y), arrow=arrow) for out, into in pairs]


def stack(pieces: list[Piece], gap: float = GAP) -> Piece:
    """Pieces one below the other on one axis, joined by arrows."""
    axis = max(p.axis for p in pieces)
    w = axis + max(p.w - p.axis for p in pieces)
    h = total(p.h for p in pieces) + gap * (len(pieces) - 1)

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        for i, piece in enumerate(pieces):
            if i:
                found += joined(pieces[i - 1], piece, x + axis, y - gap, x + axis, y)
            found += piece.draw(x + axis - piece.axis, y)
            y += piece.h + gap
        return found

    first, last = pieces[0], pieces[-1]
    return Piece(w, h, axis, draw, first.wired, first.lanes, last.outs)


def led(piece: Piece, above: float, below: float) -> Piece:
    """A piece with wires of these lengths leading to it and away from it, for others to meet."""

    def draw(x: float, y: float) -> list[Item]:
        axis, low = x + piece.axis, y + above + piece.h
        found = piece.draw(x, y + above)
        if above:
            found.append(wire((axis, y), (axis, y + above), arrow=not piece.wired))
        if below:
            found.append(wire((axis, low), (axis, low + below), arrow=False))
        return found

    wired = bool(above) or piece.wired
    return Piece(piece.w, above + piece.h + below, piece.axis, draw, wired, piece.lanes, piece.outs)


def framed(piece: Piece, element: Element) -> Piece:
    """A piece in a frame without a name: wires end at its sides, whichever they come to."""

    def draw(x: float, y: float) -> list[Item]:
        nodes = nodes_of(element)
        box = Box(x, y, piece.w + 2 * PAD, piece.h + 2 * PAD, "block", "open", 8)
        members = (box, *piece.draw(x + PAD, y + PAD))
        return [Group(members, nodes[0].span, nodes[0].path, nodes=nodes)]

    return Piece(piece.w + 2 * PAD, piece.h + 2 * PAD, piece.axis + PAD, draw)


def beside(
    main: Piece, aside: Piece, *, boxed: bool = True, last: bool = False, look: str = "side"
) -> Piece:
    """A piece with another hanging off its side; what flows on passes the aside by.

    Of one that is not `boxed`, as branches that join, it hangs off the wire below. From the `last` one
    nothing flows on.
    """
    if not boxed:
        return _below(main, aside, last=last)
    if main.hook is not None:
        return _beside_others(main, aside, last=last)
    h = max(main.h, aside.h)

    def draw(x: float, y: float) -> list[Item]:
        at = y + min(main.h, aside.h) / 2
        found = main.draw(x, y)
        found.append(wire((x + main.w, at), (x + main.w + 22, at), look=look))
        if h > main.h and not last:
            found += _past(main, x, y, h)
        return found + aside.draw(x + main.w + 22, y)

    hook = main.w, min(main.h, aside.h) / 2, aside.h
    w = main.w + 22 + aside.w
    return Piece(w, h, main.axis, draw, main.wired, main.lanes, main.outs, hook=hook)


def _past(main: Piece, x: float, y: float, h: float) -> list[Item]:
    """What flows on from a piece down to where what hangs off it ends, `h` below its top."""
    places = [x + main.axis + out for out in main.outs]
    return [wire((at, y + main.h), (at, y + h), arrow=False) for at in places]


def _beside_others(main: Piece, aside: Piece, *, last: bool) -> Piece:
    """One more piece that hangs off the same box, below those that do so already."""
    assert main.hook is not None
    side, level, low = main.hook
    top = low + GAP
    h, middle = max(main.h, top + aside.h), top + aside.h / 2

    def draw(x: float, y: float) -> list[Item]:
        right = x + side
        found = main.draw(x, y)
        points = (right + 11, y + level), (right + 11, y + middle), (right + 22, y + middle)
        found.append(wire(*points, look="side"))
        if h > main.h and not last:
            found += _past(main, x, y, h)
        return found + aside.draw(right + 22, y + top)

    hook = side, level, top + aside.h
    w = max(main.w, side + 22 + aside.w)
    return Piece(w, h, main.axis, draw, main.wired, main.lanes, main.outs, hook=hook)


def _below(main: Piece, aside: Piece, *, last: bool) -> Piece:
    level = max(main.h + 6, aside.h / 2)
    h = level + max(6.0, aside.h / 2)

    def draw(x: float, y: float) -> list[Item]:
        axis, at = x + main.axis, y + level
        found = main.draw(x, y)
        found.append(wire((axis, y + main.h), (axis, at if last else y + h), arrow=False))
        found.append(wire((axis, at), (x + main.w + 22, at), look="side"))
        return found + aside.draw(x + main.w + 22, at - aside.h / 2)

    return Piece(main.w + 22 + aside.w, h, main.axis, draw, main.wired, main.lanes)

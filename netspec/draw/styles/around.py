"""What stands around a picture: its title, figures and paper above, what needs saying below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.pieces import Piece, width_of
from netspec.draw.metrics import wrapped
from netspec.draw.scene import BOLD, SIZES, Box, Item, Scene, Words
from netspec.draw.structure.labels import human
from netspec.draw.structure.words import counted
from netspec.draw.styles.assumed import Assumed
from netspec.draw.view import HEAT_STEPS, View
from netspec.graph.checked import Graph
from netspec.sizes.dims import Dim

MARGIN = 16.0
# The height of the words around a picture where each fits on one line, in points.
AROUND = 94.0
_LEAST = 360.0
_LINE = {"title": 22.0, "note": 15.0}
_BETWEEN = 24.0
# A formula of more characters is read in a summary, not above a picture.
_LONGEST_FORMULA = 80


def framed(view: View, inner: Piece, notes: Sequence[str] = (), *, centred: bool = True) -> Scene:
    """One piece as a page: the net's name, figures and paper above it, `notes` below.

    Words are wrapped to the width of the piece.
    """
    width = max(inner.w + 2 * MARGIN, _LEAST)
    room = width - 2 * MARGIN
    above, top = title(view, room)
    left = (width - inner.w) / 2 if centred else MARGIN
    below, height = legend(view, top + inner.h + 6, room, notes)
    items = (*above, *inner.draw(left, top), *below)
    return scene(view, items, width, height + 11, (*above, *below))


def scene(
    view: View, items: tuple[Item, ...], width: float, height: float, caption: tuple[Item, ...]
) -> Scene:
    """The page that holds these, `caption` among them, with what it tells those who cannot see it."""
    graph = view.graph
    file = graph.source.name
    return Scene(items, width, height, graph.name, _description(view), file, caption)


def _description(view: View) -> str:
    cost = costs(view.graph)
    return f"{view.graph.name}: {cost.params:,} parameters, {counted(cost.depth, 'layer')}"


def figures(view: View) -> str:
    """Parameters, multiply-adds and depth of a net, as stands below its name."""
    cost = costs(view.graph)
    params = cost.params + cost.params_frozen
    found = ["1 parameter" if params == 1 else f"{human(params)} parameters"]
    if cost.macs != 0:
        found.append(_macs(view.graph, cost.macs))
    return " · ".join([*found, counted(cost.depth, "layer")])


def _macs(graph: Graph, macs: Dim) -> str:
    """The multiply-adds of a net: of open sizes as a formula, or for numbers where that is long."""
    formula = human(macs)
    if len(formula) > _LONGEST_FORMULA:
        try:
            assumed = Assumed(graph)
            return f"{human(assumed.number(macs))} MACs for {assumed.words}"
        except NetspecError:
            # No legal number is known.
            pass
    return f"{formula} MACs"


def title(view: View, room: float) -> tuple[list[Item], float]:
    """The net's name, its figures and its paper in a width, and where what follows begins.

    The paper stands at the right of the figures where there is room for all of it, else below them.
    """
    found, y = _lines(view.graph.name, "title", MARGIN - 3, room)
    numbers = figures(view)
    lines, end = _lines(numbers, "note", y + 3, room)
    found += lines
    for paper in papers([view]):
        if width_of(numbers, "note") + _BETWEEN + width_of(paper, "note") <= room:
            found.append(Words(MARGIN + room, end - 3, paper, "note", "end", "muted"))
        else:
            lines, end = _lines(paper, "note", end, room)
            found += lines
    return found, end + 9


def papers(views: Sequence[View]) -> list[str]:
    """The papers of nets, each once; of several nets with the names of those that it is of."""
    named: dict[str, list[str]] = {}
    for view in views:
        paper = dict(view.graph.metadata).get("paper")
        if isinstance(paper, str):
            named.setdefault(paper, []).append(view.graph.name)
    several = len(views) > 1
    return [f"{', '.join(names)}: {paper}" if several else paper for paper, names in named.items()]


def _lines(text: str, size: str, y: float, room: float) -> tuple[list[Item], float]:
    """Text in lines of a width, and where they end."""
    found: list[Item] = []
    look = "" if size == "title" else "muted"
    for line in wrapped(text, SIZES[size], room, bold=size in BOLD):
        y += _LINE[size]
        found.append(Words(MARGIN, y - 3, line, size, look=look))
    return found, y


def legend(
    view: View, y: float, room: float, notes: Sequence[str] = ()
) -> tuple[list[Item], float]:
    """What the picture leaves out because it holds nearly everywhere, and what numbers mean.

    In lines of a width from `y` on, and where they end.
    """
    parts = []
    rule = view.implied if view.followers else ()
    if rule:
        parts.append(f"each conv is followed by {', '.join(rule)} unless it says otherwise")
    meanings = {"shape": "output shape", "params": "parameters", "macs": "multiply-adds (MACs)"}
    shown = [meanings[name] for name in ("shape", "params", "macs") if name in view.show]
    if shown:
        parts.append("figures: " + " · ".join(shown))
    parts += [view.unlined] if view.unlined else []
    text = "; ".join([*parts, *notes])
    found: list[Item] = []
    end = y
    for line in [text] if width_of(text, "note") <= room else [*parts, *notes]:
        lines, end = _lines(line, "note", end, room) if line else ([], end)
        found += lines
    if view.heat is not None:
        key, key_w = heat_key(view)
        used = width_of(text, "note") + _BETWEEN
        if text and (end > y + _LINE["note"] or used + key_w > room):
            used, end = 0.0, end + 18
        found += key(MARGIN + (used if text else 0.0), max(end, y + 18) - 18)
        end = max(end, y + 18)
    return found, end


def heat_key(view: View) -> tuple[Callable[[float, float], list[Item]], float]:
    """The colours from cold to hot with what they stand for, 20 points high, and how wide that is."""
    units = {"params": "parameters", "macs": "MACs", "memory": "bytes of output"}
    high = f"{human(round(view.hottest))} {units[view.heat or 'params']}"
    end = 12 + 18 * HEAT_STEPS + 6

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = [Words(x, y + 15, "0", "note", look="muted")]
        for i in range(HEAT_STEPS):
            found.append(Box(x + 12 + 18 * i, y + 5, 18, 12, "key", f"h{i}", 0))
        found.append(Words(x + end, y + 15, high, "note", look="muted"))
        return found

    return draw, end + width_of(high, "note")

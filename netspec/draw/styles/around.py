"""What stands around a picture: its title and figures, the legend below, blocks opened beside it."""

from __future__ import annotations

from collections import Counter

from netspec.analysis.costs import costs
from netspec.draw.layout.pieces import GAP, Piece, width_of
from netspec.draw.layout.structural import Layout
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Box, Item, Scene, Words
from netspec.draw.structure.elements import Block, Series, blocks_of
from netspec.draw.structure.labels import human
from netspec.draw.structure.reading import structure
from netspec.draw.view import HEAT_STEPS, View

MARGIN, TITLE, FOOT = 16.0, 46.0, 26.0
_MOST_DETAIL = 60


def framed(view: View, inner: Piece, note: str) -> Scene:
    """One piece as a page, with the net's title and a note below."""
    top = MARGIN + TITLE
    below, below_w = legend(view, top + inner.h + GAP, note)
    width = max(inner.w, below_w, 328.0) + 2 * MARGIN
    left = (width - inner.w) / 2
    items = (*title(view.graph.name, view, width - 2 * MARGIN), *inner.draw(left, top), *below)
    height = top + inner.h + GAP + FOOT
    return scene(view, items, width, height)


def scene(view: View, items: tuple[Item, ...], width: float, height: float) -> Scene:
    """The page that holds these, with what it tells those who cannot see it."""
    graph = view.graph
    return Scene(items, width, height, graph.name, _description(view), graph.source.name)


def details(view: View, series: Series) -> list[Piece]:
    """Each block once, opened by one level, for beside a picture that has all of them closed.

    Those that are most of the net come first: they are kept where there is not room for all.
    """
    found: dict[str, Block] = {}
    share: Counter[str] = Counter()
    for block in blocks_of(structure(view.graph)):
        share[block.call.block] += len(block.nodes)
    layout = Layout(view)
    for block in blocks_of(series):
        if not block.head and layout.boxes(block) < _MOST_DETAIL:
            found.setdefault(block.call.block, block)
    ordered = sorted(found.values(), key=lambda block: -share[block.call.block])[:_MOST_DETAIL]
    return [layout.block(b, b, 0.0, title=f"inside {b.call.block}") for b in ordered]


def title(name: str, view: View, room: float) -> list[Item]:
    """The net's name, its figures and its paper."""
    total = costs(view.graph)
    facts = [f"{human(total.params + total.params_frozen)} parameters"]
    if total.macs != 0:
        facts.append(f"{human(total.macs)} MACs")
    facts.append(f"{total.depth} layers")
    numbers = " · ".join(facts)
    paper = dict(view.graph.metadata).get("paper")
    found: list[Item] = [
        Words(MARGIN, MARGIN + 16, fit(name, SIZES["title"], room, bold=True), "title"),
        Words(MARGIN, MARGIN + 34, fit(numbers, SIZES["note"], room), "note", look="muted"),
    ]
    used = max(width_of(numbers, "note"), width_of(name, "title")) + 24
    if isinstance(paper, str) and room - used > 120:
        text = fit(paper, SIZES["note"], room - used)
        found.append(Words(MARGIN + room, MARGIN + 34, text, "note", "end", "muted"))
    return found


def _description(view: View) -> str:
    total = costs(view.graph)
    return f"{view.graph.name}: {total.params:,} parameters, {total.depth} layers"


def legend(view: View, y: float, note: str = "") -> tuple[list[Item], float]:
    """What the picture leaves out because it holds nearly everywhere, and what numbers mean."""
    parts = []
    rule = view.implied
    if rule:
        parts.append(f"each conv is followed by {', '.join(rule)} unless it says otherwise")
    figures = {"shape": "output shape", "params": "parameters", "macs": "multiply-adds (MACs)"}
    shown = [figures[name] for name in ("shape", "params", "macs") if name in view.show]
    if shown:
        parts.append("figures: " + " · ".join(shown))
    text = "; ".join([*parts, note] if note else parts)
    found: list[Item] = [Words(MARGIN, y + 14, text, "note", look="muted")] if text else []
    width = width_of(text, "note")
    if view.heat is not None:
        key, key_w = _heat_key(view, MARGIN + width + 24, y)
        found += key
        width += 24 + key_w
    return found, width


def _heat_key(view: View, x: float, y: float) -> tuple[list[Item], float]:
    units = {"params": "parameters", "macs": "MACs", "memory": "bytes of output"}
    high = f"{human(round(view.hottest))} {units[view.heat or 'params']}"
    found: list[Item] = [Words(x, y + 14, "0", "note", look="muted")]
    for i in range(HEAT_STEPS):
        found.append(Box(x + 12 + 18 * i, y + 4, 18, 12, "key", f"h{i}", 0))
    end = x + 12 + 18 * HEAT_STEPS + 6
    found.append(Words(end, y + 14, high, "note", look="muted"))
    return found, end - x + width_of(high, "note")

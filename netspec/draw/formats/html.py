"""One self-contained page: blocks open and close, everything leads to its line of the spec.

The page holds a picture for each set of open blocks that clicks lead to, made by the same layout as
every other picture, and a short script that swaps them. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from heapq import heappop, heappush
from importlib.resources import files
from zlib import compress

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw.bare import bare
from netspec.draw.formats.fragments import Fragments
from netspec.draw.formats.svg import document, escape, markup, used
from netspec.draw.layout.structural import Layout
from netspec.draw.scene import Scene
from netspec.draw.structure.elements import Block, Element, Parallel, Repeat, Series, Tangle
from netspec.draw.styles.columns import columns
from netspec.draw.styles.flow import flow
from netspec.draw.styles.fold import MOST_BOXES, folded, on_screen, outline
from netspec.draw.theme import css, paint
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph

LARGEST = 200_000
_MOST_WORK = 30_000
_EACH = 20
_INLINE = 60_000
_SOURCE = 24_000

Names = frozenset[str]


def html(views: Sequence[View], style: str, theme: str, *, title: bool = True) -> str:
    """The page as text, below 200 KB.

    `fold` opens and closes blocks of one net, `flow` is one picture of it, `columns` one of all.
    Raises NetspecError where one picture alone takes more than the page may.
    """
    if style == "fold":
        scenes = list(_states(views[0]).items())
    else:
        scenes = [(Names(), flow(views[0]) if style == "flow" else columns(list(views)))]
    if not title:
        scenes = [(opened, bare(scene)) for opened, scene in scenes]
    sources = _sources([view.graph for view in views])
    page = _page(scenes, sources, theme)
    while len(page.encode()) > LARGEST:
        if len(scenes) == 1:
            reason = f"the page would take {len(page.encode()):,} bytes, the limit is {LARGEST:,}"
            advice = "draw it as svg, or fewer layers with --style fold --depth 0"
            raise NetspecError(CannotDraw(reason, advice))
        scenes = scenes[: len(scenes) // 2]
        page = _page(scenes, sources, theme)
    return page


def _page(scenes: list[tuple[Names, Scene]], sources: str, theme: str) -> str:
    first = scenes[0][1]
    fragments = Fragments()
    pictures = [(sorted(opened), fragments.picture(scene)) for opened, scene in scenes]
    held = json.dumps({"pictures": pictures, "parts": list(fragments.parts)}, ensure_ascii=False)
    shown = document(first, (), [markup(item, first.file) for item in first.items])
    folder = files("netspec.draw.formats")
    script = folder.joinpath("page.js").read_text("utf-8")
    looks = Names().union(*(used(scene) for _, scene in scenes))
    return _HTML.format(
        title=escape(first.title),
        style=css(theme, looks) + _colours(theme) + folder.joinpath("page.css").read_text("utf-8"),
        hash=b64encode(sha256(script.encode()).digest()).decode(),
        help=_HELP if len(scenes) < 2 else f"{_TOGGLES} · {_HELP}",
        picture=shown if len(shown) <= _INLINE else "",
        sources=sources,
        pictures=b64encode(compress(held.encode(), 9)).decode(),
        script=script,
    )


def _colours(theme: str) -> str:
    """The colours around the picture, as variables."""
    if theme == "auto":
        dark = _colours("dark")
        return f"{_colours('light')}@media(prefers-color-scheme:dark){{{dark}}}"
    looks = {"page": "page", "side": "even", "pick": "out"}
    fills = "".join(f"--{name}:{paint(theme, look).fill};" for name, look in looks.items())
    ink, line = paint(theme, "").ink, paint(theme, "conv").border
    return f":root{{color-scheme:{theme};{fills}--ink:{ink};--line:{line}}}"


# --- the pictures


@record
class Place:
    """Where a block occurs: inside blocks of these names, in a training head or not."""

    around: Names
    head: bool


def _states(view: View) -> dict[Names, Scene]:
    """The picture for each set of open blocks that clicks lead to, the first one first.

    Next come those that let every block be opened, whatever else has to close for it, then the
    nearest: the last ones are left out where there is not room for all.
    """
    places = _places(outline(view.graph))

    def hidden(name: str, opened: Names) -> bool:
        return not any(place.around <= opened for place in places.get(name, ()))

    def seen(opened: Names) -> Names:
        return frozenset(name for name in opened if not hidden(name, opened))

    first = seen(_start(view, places))
    chains = {p.around | {name} for name, found in places.items() for p in found}
    order = [
        first,
        Names(),
        seen(Names(places)),
        *sorted(chains, key=lambda c: (len(c), *sorted(c))),
    ]
    waiting = [(i - len(order), sorted(opened)) for i, opened in enumerate(order)]
    states: dict[Names, Scene] = {}
    met = set(order)
    work = 0
    while waiting:
        opened = frozenset(heappop(waiting)[1])
        boxes = _boxes(view, opened)
        if states and (opened in states or boxes > MOST_BOXES or work + boxes > _MOST_WORK):
            continue
        work += boxes + _EACH
        states[opened] = folded(replace(view, only=opened))
        nearby = {seen(opened ^ {name}) for name in places if not hidden(name, opened)} - met
        met |= nearby
        for after in nearby:
            heappush(waiting, (len(after ^ first), sorted(after)))
    return states


def _start(view: View, places: dict[str, list[Place]]) -> Names:
    """The blocks that the view opens, or the most that fit one screen, by the depth they are at."""

    def above(depth: int) -> Names:
        inside = {n for n, ps in places.items() for p in ps if not p.head and len(p.around) < depth}
        return frozenset(inside)

    if view.depth is not None:
        opened = above(view.depth) | view.expanded
        return opened if _boxes(view, opened) <= MOST_BOXES else Names()
    deepest = max((len(p.around) + 1 for ps in places.values() for p in ps), default=0)
    for depth in range(deepest, 0, -1):
        opened = above(depth)
        small = _boxes(view, opened) <= MOST_BOXES
        if small and on_screen(folded(replace(view, only=opened))):
            return opened
    return Names()


def _boxes(view: View, opened: Names) -> int:
    return Layout(replace(view, only=opened)).boxes(outline(view.graph))


def _places(series: Series) -> dict[str, list[Place]]:
    """Where the blocks of each name occur."""
    found: dict[str, dict[Place, None]] = {}

    def visit(element: Element, around: Names, head: bool) -> None:
        match element:
            case Block():
                name = element.call.block
                found.setdefault(name, {})[Place(around, head)] = None
                visit(element.body, around | {name}, head)
            case Series():
                for item in element.items:
                    visit(item, around, head)
                for _, aside in element.asides:
                    visit(aside, around, True)
            case Tangle():
                for item in element.items:
                    visit(item, around, head)
            case Parallel():
                for branch in element.branches:
                    visit(branch, around, head)
            case Repeat():
                visit(element.element, around, head)

    visit(series, Names(), False)
    return {name: list(places) for name, places in found.items()}


# --- the text of the spec


def _sources(graphs: Sequence[Graph]) -> str:
    """The specs and the files their layers and blocks came from, line by line."""
    found: dict[Source, None] = {graph.source: None for graph in graphs}
    for graph in graphs:
        for node in graph.nodes:
            calls = node.call.ancestors() if node.call else ()
            found |= dict.fromkeys(place.span.source for place in (node, *calls))
    room = _SOURCE
    shown = []
    for source in found:
        lines = []
        for line in source.text.rstrip("\n").split("\n"):
            text = f"<li>{escape(line.rstrip())}"
            room -= len(text.encode())
            if room < 0:
                lines.append("<li>…")
                break
            lines.append(text)
        name = escape(source.name)
        items = "".join(lines)
        shown.append(f'<section data-file="{name}"><h2>{name}</h2><ol>{items}</ol></section>')
    return "\n".join(shown)


_TOGGLES = "±, Enter: open or close every block of that name"
_HELP = "click, Space: its line of the spec · arrows: next and previous · Escape: clear"
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; \
form-action 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'">
<style>{style}</style></head>
<body>
<nav><span id="blocks"><button id="open">open all</button><button id="close">close all</button></span>
<span><button id="fit">fit width</button><button id="full">100 %</button>\
<button id="less" aria-label="smaller">−</button><button id="more" aria-label="larger">+</button>\
<button id="spec">spec</button></span>
<span id="help" aria-live="polite" data-says="{help}"><noscript>without JavaScript this is a picture \
that stays as it is</noscript></span></nav>
<main><div id="stage" class="fit">{picture}</div>
<aside id="text" aria-label="spec">{sources}</aside></main>
<output id="hint" hidden></output>
<script type="text/plain" id="pictures">{pictures}</script>
<script>{script}</script>
</body></html>
"""

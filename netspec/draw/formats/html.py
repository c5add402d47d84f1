"""One self-contained page: blocks open and close, everything leads to its line of the spec.

The page holds a picture for each set of open blocks that clicks lead to, made by the same layout as
every other picture, and a short script that swaps them. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from importlib.resources import files
from zlib import compress

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw.bare import bare
from netspec.draw.formats.carrying import Carrying, said
from netspec.draw.formats.connections import Connection
from netspec.draw.formats.facts import Facts
from netspec.draw.formats.fragments import Fragments
from netspec.draw.formats.reach import leading_on
from netspec.draw.formats.states import Signs, State, states
from netspec.draw.formats.svg import document, escape, markup, used
from netspec.draw.scene import Group, Item
from netspec.draw.structure.opening import blocks
from netspec.draw.styles.columns.page import columns
from netspec.draw.styles.volumes.page import volumes
from netspec.draw.theme import css, paint
from netspec.draw.view import View
from netspec.graph.checked import Graph

LARGEST = 200_000
_INLINE = 60_000
_SOURCE = 24_000
_MOST_FACTS = 2000
_SCRIPTS = ("pictures", "open", "zoom", "card", "search", "keys", "start")


def html(views: Sequence[View], style: str, theme: str, *, title: bool = True) -> str:
    """The page as text, below 200 KB.

    `fold` and `flow` open and close what is in one net, `volumes` is one picture of it, `columns` one of
    all, and the page says so. `theme` is what the page has until the reader asks for another. Raises
    NetspecError where one picture alone takes more than the page may.
    """
    if style in ("fold", "flow"):
        shown = states(views[0], style)
    else:
        scene = volumes(views[0]) if style == "volumes" else columns(views)
        shown = [State(frozenset(), scene, {}, ())]
    if not title:
        shown = [replace(state, scene=bare(state.scene)) for state in shown]
    opens = style in ("fold", "flow") or not any(blocks(view.graph) for view in views)
    return _Pages(list(views), shown, theme, "" if opens else _FIXED).largest()


class _Pages:
    """The page with the first of its pictures, however many there is room for."""

    def __init__(self, views: list[View], shown: list[State], theme: str, fixed: str) -> None:
        self.shown, self.theme, self.fixed = shown, theme, fixed
        self.facts = [Facts(view) for view in views]
        self.sources = _sources([view.graph for view in views])
        self.fragments = Fragments()
        self.drawings: dict[Signs, str] = {}
        # How many parts and lines the pictures so far refer to.
        self.ends: list[tuple[int, int]] = []
        for state in shown:
            says = partial(_carried, [Carrying(net, state.folded) for net in self.facts])
            self.drawings[state.open] = self.fragments.picture(state.scene, says)
            self.ends.append((len(self.fragments.parts), len(self.fragments.lines)))
        self.told = _told(self.facts, self.fragments)
        self.copies: dict[str, list[str]] = {}
        for found in (found for state in shown for found in state.folded.values()):
            known = self.copies.setdefault(found.key, [])
            known += [path for path in found.copies if path not in known]

    def largest(self) -> str:
        """The page with as many pictures as there is room for, to a twentieth."""
        page = self.page(len(self.shown))
        low, high = 0, len(self.shown)
        if len(page.encode()) <= LARGEST:
            return page
        found = ""
        while high - low > max(1, high // 20):
            middle = (low + high) // 2
            page = self.page(middle)
            if len(page.encode()) <= LARGEST:
                low, found = middle, page
            else:
                high = middle
        if not found:
            reason = f"the page would take {len(page.encode()):,} bytes, the limit is {LARGEST:,}"
            advice = "draw it as svg, or fewer layers with --style fold --depth 0"
            raise NetspecError(CannotDraw(reason, advice))
        return found

    def page(self, count: int) -> str:
        """The page with this many pictures."""
        shown = leading_on(self.shown[:count])
        parts, lines = self.ends[count - 1]
        pictures = [
            (sorted(state.open), self.drawings[state.open], self._folded(state)) for state in shown
        ]
        held = {
            "pictures": pictures,
            "parts": list(self.fragments.parts)[:parts],
            "lines": list(self.fragments.lines)[:lines],
            "facts": self.told,
            "copies": self.copies,
        }
        looks = frozenset[str]().union(*(used(state.scene) for state in shown))
        folder = files("netspec.draw.formats") / "page"
        scripts = "".join((folder / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
        script = f'"use strict";\n(async () => {{\n{scripts}}})();\n'
        light, dark = _colours("light", looks), _colours("dark", looks)
        style = (folder / "page.css").read_text("utf-8")
        return _HTML.format(
            title=escape(shown[0].scene.title),
            hashes=" ".join(_hash(text) for text in (light, dark, style)),
            light=light,
            dark=dark,
            when={"light": "not all", "dark": "screen"}.get(self.theme, _READERS),
            readers=_READERS,
            style=style,
            hash=_hash(script),
            help=" · ".join(filter(None, (_TOGGLES if len(shown) > 1 else self.fixed, _HELP))),
            picture=_inline(shown),
            sources=self.sources,
            pictures=_packed(held),
            script=script,
        )

    def _folded(self, state: State) -> dict[str, tuple[str, int, int, str]]:
        """The repeats a picture shows once: of which copies, from where on, how many, and their name."""
        return {
            shown: (
                found.key,
                self.copies[found.key].index(found.copies[0]),
                len(found.copies),
                said(shown, state.folded),
            )
            for shown, found in state.folded.items()
        }


def _packed(held: object) -> str:
    return b64encode(compress(json.dumps(held, ensure_ascii=False).encode(), 9)).decode()


def _carried(nets: list[Carrying], connection: Connection) -> str:
    """What a line of a picture carries; of several nets, what all that have such a line agree on."""
    ends = (*connection.sources, *connection.targets)
    having = [net for net in nets if all(path in net.facts.elements for path in ends)] or nets
    told = list(dict.fromkeys(net.of(connection) for net in having))
    shaped = [text for text in told if "\n" in text]
    return shaped[0] if len(shaped) == 1 else told[0].rpartition("\n")[2]


def _told(facts: list[Facts], fragments: Fragments) -> dict[str, str | list[tuple[str, str]]]:
    """What there is to tell of each layer and block, in the order of the net.

    Of a very large net, of those that a picture shows. Where several nets have something at one
    path, each with the figures that tell which of them is meant.
    """
    drawn = {path for part in fragments.parts for path in _PATH.findall(part)}
    found: dict[str, dict[str, str]] = {}
    for net in facts:
        all_of = len(net.elements) <= _MOST_FACTS
        for path in net.elements:
            if all_of or path in drawn:
                found.setdefault(path, {})[net.of(path)] = net.figures(path)
    return {
        path: next(iter(told)) if len(told) == 1 else [(f, text) for text, f in told.items()]
        for path, told in found.items()
    }


def _inline(shown: list[State]) -> str:
    """The picture that is there before the script runs: the first that is not too long.

    Where all are, it is one without what leads to the spec, and none of a picture of thousands of boxes.
    """
    for items_of in (_grouped, _ungrouped):
        for state in shown:
            scene = state.scene
            text = document(scene, (), [markup(item, scene.file) for item in items_of(scene.items)])
            if len(text) <= _INLINE:
                return text
    return "<noscript>this picture is too large to be shown without JavaScript</noscript>"


def _grouped(items: Sequence[Item]) -> Iterable[Item]:
    return items


def _ungrouped(items: Sequence[Item]) -> Iterable[Item]:
    for item in items:
        if isinstance(item, Group):
            yield from _ungrouped(item.members)
        else:
            yield item


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _colours(theme: str, looks: frozenset[str]) -> str:
    """The colours of the pictures, and those around them as variables."""
    known = {"page": "page", "side": "even", "pick": "out"}
    fills = "".join(f"--{name}:{paint(theme, look).fill};" for name, look in known.items())
    ink, line = paint(theme, "").ink, paint(theme, "conv").border
    hit = paint(theme, "pool").border
    root = f":root{{color-scheme:{theme};{fills}--ink:{ink};--line:{line};--hit:{hit}}}"
    return css(theme, looks) + root


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


_PATH = re.compile(r'data-path="([^"]*)"')
_READERS = "screen and (prefers-color-scheme: dark)"
_TOGGLES = "±, Enter: every block of that name · 1, Shift: this one alone · ×n, u: copy by copy"
_FIXED = "blocks stay as they are here: a page of --style fold opens them"
_HELP = "click, Space: its line of the spec · arrows: next · wheel, + − 0: zoom · /: search"
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; \
form-action 'none'; style-src {hashes}; script-src {hash}">
<style>{light}</style><style id="dark" media="{when}" data-readers="{readers}">{dark}</style>
<style>{style}</style></head>
<body>
<nav><span class="tools" hidden><span id="blocks"><button id="open">open all</button>\
<button id="close">close all</button></span>
<span><button id="fit">fit</button><button id="wide">width</button>\
<button id="full">100 %</button><button id="less" aria-label="smaller">−</button>\
<button id="more" aria-label="larger">+</button></span>
<span><button id="theme" aria-pressed="false">dark</button>\
<button id="spec" aria-expanded="true" aria-controls="text">spec</button></span>
<span><input id="search" type="search" placeholder="search" aria-label="search names, operators, \
shapes" autocomplete="off" spellcheck="false"><output id="count" for="search"></output></span></span>
<span id="help" aria-live="polite" data-says="{help}"><noscript>without JavaScript this is a picture \
that stays as it is</noscript></span></nav>
<main><div id="stage">{picture}</div>
<aside id="text" aria-label="spec"><button id="shut" class="tools" hidden aria-label="close the spec">\
×</button>{sources}</aside></main>
<output id="hint" hidden></output>
<script type="text/plain" id="pictures">{pictures}</script>
<script>{script}</script>
</body></html>
"""

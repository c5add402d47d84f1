"""Reads a page back: what it holds, and what a reader sees of it."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from functools import cache
from typing import Any
from zlib import decompress

from support.shelves import shipped

from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

HOSTILE = "</script><img src=x onerror='window.hacked=1'>\"';&{0} \u05d0\u05d1"


def page_of(*nets: Graph | str, **choices: Any) -> str:
    """The page of graphs, or of a shipped net by its name, which is made once."""
    if len(nets) == 1 and isinstance(nets[0], str):
        return _known(nets[0], tuple(choices.items()))
    page = draw([n for n in nets if isinstance(n, Graph)], format="html", **choices)
    assert isinstance(page, str)
    return page


@cache
def _known(name: str, choices: tuple[tuple[str, Any], ...]) -> str:
    return page_of(shipped(name), **dict(choices))


def packed(page: str) -> Any:
    found = re.search(r'id="pictures">([^<]*)<', page)
    assert found
    return json.loads(decompress(b64decode(found[1])))


def pictures(page: str) -> dict[frozenset[str], str]:
    """The pictures a page holds, whole, by the signs of what is open."""
    held = packed(page)

    def whole(text: str) -> str:
        return re.sub(
            r"<u (\d+) \S+ [^>]+>", lambda u: "<g" + whole(held["parts"][int(u[1])]), text
        )

    return {frozenset(opened): whole(text) for opened, text, _ in held["pictures"]}


def every(*names: str) -> frozenset[str]:
    """The signs of what is open where all blocks of these names are."""
    return frozenset(f"*{name}" for name in names)


def toggles(picture: str) -> set[str]:
    return {f"*{name}" for name in re.findall(r'data-block="([^"]*)"', picture)}


def words(text: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)", text)


def hostile() -> Graph:
    """A net whose names and text would break out of a page that lets them."""
    text = f"# {HOSTILE}\nblock b {{ conv3-8 as c1; relu }}\ninput 3x16x16\nb; gap"
    graph = build(Source("</style>.ns", text))
    turned = HOSTILE + "\u202e"
    return graph.replace(name=turned, metadata=(("paper", turned),))


# --- in a browser, as expressions of JavaScript


def place(path: str) -> str:
    return f"document.querySelector('#stage g[data-path=\"{path}\"]')"


def knob(path: str, way: str = "all") -> str:
    return f"{place(path)}.querySelector(':scope > .knob.{way}')"


def line(start: str, end: str) -> str:
    """The line between two places, as what is pointed at."""
    label = f"{start} → {end}"
    lines = "[...document.querySelectorAll('#stage path.w')]"
    return f"{lines}.find(e => e.getAttribute('aria-label').endsWith({json.dumps(label)}))"


SHOWN = "[...document.querySelectorAll('#stage text:not(.knob text)')].map(e => e.textContent)"
FOCUSED = "document.activeElement.dataset.path"
HINT = "(document.getElementById('hint').hidden ? '' : document.getElementById('hint').innerText)"
LINE = "document.querySelector('li.here')?.textContent"

"""Pages next to each other under one title, aligned at the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.draw.metrics import fit, total
from netspec.draw.scene import SIZES, Item, Scene, Words, moved
from netspec.draw.styles.fold import folded, on_screen, pages
from netspec.draw.view import View

MARGIN = 16.0
# How wide a screen is for several nets.
_SCREEN = 2000.0
_TITLE, _GUTTER, _LEAST = 30.0, 24.0, 360.0


def side_by_side(views: Sequence[View]) -> Scene:
    """Several nets, each folded: to one screen in all where they fit, else each to one of its own."""
    shown = _abreast(views)
    names = [view.graph.name for view in views]
    title = f"{', '.join(names[:-1])} and {names[-1]}"
    return beside(shown, title, "; ".join(page.description for page in shown))


def _abreast(views: Sequence[View]) -> list[Scene]:
    """A page of each net, with its blocks closed where that lets all stand on one screen."""
    shown = [folded(view) for view in views]
    if _width(shown) <= _SCREEN:
        return shown
    others = [
        sorted((p for p in pages(view) if on_screen(p)), key=lambda p: p.width) for view in views
    ]
    while _width(shown) > _SCREEN:
        # The widest that can be narrower is, by as little as it can.
        order = sorted(range(len(shown)), key=lambda i: -shown[i].width)
        narrower = ((i, [p for p in others[i] if p.width < shown[i].width]) for i in order)
        found = next(((i, less) for i, less in narrower if less), None)
        if found is None:
            break
        shown[found[0]] = found[1][-1]
    return shown


def _width(pages: Sequence[Scene]) -> float:
    return total(page.width for page in pages) + _GUTTER * (len(pages) - 1)


def beside(pages: Sequence[Scene], title: str, description: str) -> Scene:
    """The pages as one scene, from left to right; their own titles are heads below the one title."""
    items: list[Item] = []
    around: list[Item] = []
    x = 0.0
    for page in pages:
        caption = {id(item) for item in page.caption}
        for item in page.items:
            # The nets' own titles say which is which: no caption replaces them.
            if isinstance(item, Words) and item.size == "title":
                items.append(moved(replace(item, size="head"), x, _TITLE))
                continue
            items.append(moved(item, x, _TITLE))
            if id(item) in caption:
                around.append(items[-1])
        x += page.width + _GUTTER
    width = max(x - _GUTTER, _LEAST)
    text = fit(title, SIZES["title"], width - 2 * MARGIN, bold=True)
    head = Words(MARGIN, MARGIN + 14, text, "title")
    height = _TITLE + max(page.height for page in pages)
    return Scene((head, *items), width, height, title, description, caption=(head, *around))

"""Pages next to each other under one title, aligned at the top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Item, Scene, Words, moved
from netspec.draw.styles.fold import folded
from netspec.draw.view import View

MARGIN = 16.0
_TITLE, _GUTTER, _LEAST = 30.0, 24.0, 360.0


def side_by_side(views: Sequence[View]) -> Scene:
    """Several nets, each folded to a screen of its own."""
    pages = [folded(view) for view in views]
    names = [view.graph.name for view in views]
    title = f"{', '.join(names[:-1])} and {names[-1]}"
    return beside(pages, title, "; ".join(page.description for page in pages))


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

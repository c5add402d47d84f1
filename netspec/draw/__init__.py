"""Pictures of checked nets. `draw` is the way in."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.page import folded
from netspec.draw.svg import svg
from netspec.draw.view import View
from netspec.graph import Graph


def draw(
    graphs: Sequence[Graph],
    *,
    style: str = "fold",
    depth: int | None = None,
    expand: Sequence[str] = (),
    show: Sequence[str] = ("shape", "kernel", "params"),
    heat: str | None = None,
    theme: str = "light",
    format: str = "svg",
) -> str | bytes:
    view = View(graphs[0], depth, tuple(expand), tuple(show), heat)
    return svg(folded(view), theme)

"""What a chart says and where, read from what matplotlib draws."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, radians, sin
from typing import Any

from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.figure import Figure
from support.pictures import Area

# How far letters rise above their baseline and fall below it, as parts of their size.
_ABOVE, _BELOW = 0.72, 0.2


class _Recorder(RendererBase):
    """Keeps the texts of a figure as areas, its y growing downwards."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.texts: list[Area] = []

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def draw_path(self, *ignored: Any) -> None:
        """Lines are not kept."""

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        w, _, _ = self.get_text_width_height_descent(s, prop, ismath)
        size, turn = prop.get_size_in_points(), radians(angle)
        corners = [(along, off) for along in (0, w) for off in (-_ABOVE * size, _BELOW * size)]
        xs = [x + along * cos(turn) + off * sin(turn) for along, off in corners]
        ys = [y - along * sin(turn) + off * cos(turn) for along, off in corners]
        self.texts.append(Area(min(xs), min(ys), max(xs), max(ys), s))


def texts(figure: Figure) -> list[Area]:
    """Every line of text that a figure shows, where it stands, in points from the upper left."""
    figure.set_dpi(72)
    recorder = _Recorder(figure.bbox.width, figure.bbox.height)
    figure.draw(recorder)
    return recorder.texts


def chart_faults(figure: Figure) -> Iterator[str]:
    """Texts that meet others or leave the figure, in words."""
    found = texts(figure)
    whole = Area(0, 0, figure.bbox.width, figure.bbox.height, "figure")
    for i, text in enumerate(found):
        if not whole.holds(text):
            yield f"{text} leaves the figure"
        yield from (f"{text} meets {other}" for other in found[:i] if text.meets(other))

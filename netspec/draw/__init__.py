"""Checked graphs to pictures: `structure`, then `layout` in a `style`, then a `format`. No figures.

What a picture shows of costs comes from `analysis`; nothing here changes a graph.
"""

from netspec.draw.picture import CHARTS, FORMATS, STYLES, draw, draw_difference

__all__ = ["CHARTS", "FORMATS", "STYLES", "draw", "draw_difference"]

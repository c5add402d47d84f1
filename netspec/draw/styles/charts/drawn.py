"""A figure of matplotlib as TikZ."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import Transform

from netspec.draw.outlines import PIXEL, cubic
from netspec.draw.tex import figure, length, tex

# Where a point of matplotlib is one of TikZ's pixels, which are three quarters of a point.
_DPI = 72 / PIXEL


def tikz(chart: Figure, title: str) -> str:
    """The chart as a file that compiles by itself and can be read by `\\input`."""
    chart.set_dpi(_DPI)
    renderer = _Renderer(chart.bbox.width, chart.bbox.height)
    chart.draw(renderer)
    size = renderer.width, renderer.height
    return figure(renderer.lines, size, renderer.colours, f"{title}; by netspec")


class _Renderer(RendererBase):
    """Lines of TikZ for what a figure draws; matplotlib's y goes up and TikZ's here down."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.width, self.height = width, height
        self.lines: list[str] = []
        self.colours: dict[str, str] = {}

    # matplotlib's names

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        return points / PIXEL

    def option_image_nocomposite(self) -> bool:
        return True

    def draw_path(
        self,
        gc: GraphicsContextBase,
        path: Path,
        transform: Transform,
        rgbFace: Any = None,
    ) -> None:
        options = [*self._line(gc), *self._face(gc, rgbFace)]
        if not options:
            return
        shape = " ".join(self._pieces(path, transform))
        self._add(gc, rf"\path[{','.join(options)}] {shape};")

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        size = length(prop.get_size_in_points())
        width, _, _ = self.get_text_width_height_descent(s, prop, ismath)
        options = [f"anchor=base west,text={self._named(gc.get_rgb())}"]
        options += [f"rotate={length(angle)}"] if angle else []
        bold = r"\bfseries" if prop.get_weight() in ("bold", 700) else ""
        font = rf"\fontsize{{{size}bp}}{{{size}bp}}{bold}\selectfont"
        room = f"{length(PIXEL * width)}bp"
        text = rf"{{{font}\netspecfit{{{room}}}{{{tex(s)}}}}}"
        # Text is placed by its lower left corner in an image whose y goes down, at its baseline.
        self._add(gc, rf"\node[{','.join(options)}] at {self._at(x, self.height - y)} {text};")

    def flipy(self) -> bool:
        return True

    # how that is said in TikZ

    def _add(self, gc: GraphicsContextBase, line: str) -> None:
        """A line, within what the figure cuts it to."""
        box = gc.get_clip_rectangle()
        if box is not None:
            corners = f"{self._at(box.x0, box.y0)} rectangle {self._at(box.x1, box.y1)}"
            line = rf"\begin{{scope}}\clip {corners};{line}\end{{scope}}"
        self.lines.append(line)

    def _at(self, x: float, y: float) -> str:
        return f"({length(x)},{length(self.height - y)})"

    def _named(self, colour: Any) -> str:
        value = to_hex(colour)
        name = f"netspec-{value[1:]}"
        self.colours[name] = value
        return name

    def _line(self, gc: GraphicsContextBase) -> list[str]:
        colour = gc.get_rgb()
        width = gc.get_linewidth()
        if not width or (len(colour) > 3 and not colour[3]):
            return []
        found = [f"draw={self._named(colour)}", f"line width={length(PIXEL * width)}bp"]
        opacity = _opacity(gc, colour)
        found += [f"draw opacity={length(opacity)}"] if opacity < 1 else []
        offset, dashes = _dashes(gc)
        if dashes is not None:
            lengths = [f"{length(PIXEL * part)}bp" for part in dashes]
            pattern = " ".join(map(" ".join, zip(cycle(("on", "off")), lengths, strict=False)))
            found += [f"dash pattern={pattern}", f"dash phase={length(PIXEL * offset)}bp"]
        return [*found, f"line cap={_CAPS[gc.get_capstyle()]}"]

    def _face(self, gc: GraphicsContextBase, face: Any) -> list[str]:
        if face is None or (len(face) > 3 and not face[3]):
            return []
        opacity = _opacity(gc, face)
        shown = [f"fill opacity={length(opacity)}"] if opacity < 1 else []
        return [f"fill={self._named(face[:3])}", *shown]

    def _pieces(self, path: Path, transform: Transform) -> list[str]:
        """A path in TikZ's words."""
        found: list[str] = []
        at = (0.0, 0.0)
        for points, code in path.iter_segments(transform, simplify=False):
            pairs = list(zip(points[::2], points[1::2], strict=True))
            if code == Path.CLOSEPOLY:
                found.append("-- cycle")
                continue
            end = self._at(*pairs[-1])
            if code == Path.MOVETO:
                found.append(end)
            elif code == Path.LINETO:
                found.append(f"-- {end}")
            else:
                controls = pairs[:-1] if code == Path.CURVE4 else cubic(at, *pairs)
                near, far = (self._at(*pair) for pair in controls)
                found.append(f".. controls {near} and {far} .. {end}")
            at = pairs[-1]
        return found


_CAPS = {"butt": "butt", "round": "round", "projecting": "rect"}


def _dashes(gc: GraphicsContextBase) -> tuple[float, Any]:
    offset, dashes = gc.get_dashes()
    return float(offset or 0), dashes


def _opacity(gc: GraphicsContextBase, colour: Any) -> float:
    own = colour[3] if len(colour) > 3 else 1.0
    return float(gc.get_alpha() if gc.get_forced_alpha() else own)

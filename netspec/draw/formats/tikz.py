"""A scene as TikZ, for papers: text in the document's own font, colours by name, nothing but TikZ."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.draw.metrics import text_width
from netspec.draw.outlines import (
    DASH,
    THIN,
    Pen,
    Point,
    arms,
    border,
    cubic,
    edge,
    pen,
    pixel,
    rounded,
    tip,
)
from netspec.draw.scene import (
    BOLD,
    SIZES,
    Box,
    Group,
    Item,
    Mark,
    Polygon,
    Scene,
    Wire,
    Words,
)
from netspec.draw.tex import figure, length, tex
from netspec.draw.theme import paint

_ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}


def tikz(scene: Scene, theme: str = "light") -> str:
    """The picture as a file that compiles by itself and can be read by `\\input`.

    Each colour is defined by the name of its class, as `netspec-conv` and `netspec-conv-line`.
    """
    unit = pixel(scene.width, scene.height)
    writer = _Writer("light" if theme == "auto" else theme, unit)
    lines = [*writer.page(scene), *(line for item in scene.items for line in writer.item(item))]
    about = f"{scene.description}; by netspec"
    return figure(lines, (scene.width, scene.height), writer.colours, about)


class _Writer:
    """Items as lines of TikZ, and the colours that they use."""

    def __init__(self, theme: str, unit: float) -> None:
        self.theme, self.unit = theme, unit
        self.colours: dict[str, str] = {}

    def page(self, scene: Scene) -> Iterator[str]:
        """The page's colour."""
        fill = self._fill("page")
        yield rf"\path[{fill}] (0,0) rectangle {_at((scene.width, scene.height))};"

    def item(self, item: Item) -> Iterator[str]:
        """One item as lines."""
        match item:
            case Group():
                for member in item.members:
                    yield from self.item(member)
            case Box():
                yield self._box(item)
            case Words():
                yield self._words(item)
            case Wire():
                yield from self._wire(item)
            case Mark():
                yield from self._mark(item)
            case Polygon():
                yield self._polygon(item)

    def _fill(self, look: str) -> str:
        return f"fill={self._named(look, paint(self.theme, look).fill)}"

    def _named(self, look: str, value: str, part: str = "") -> str:
        name = f"netspec-{look or 'box'}{part}"
        self.colours[name] = value
        return name

    def _draw(self, look: str, chosen: Pen) -> str:
        on, off = (length(self.unit * side) for side in DASH)
        dashes = f",dash pattern=on {on}bp off {off}bp" if chosen.dashed else ""
        colour = self._named(look, chosen.colour, "-line")
        return f"draw={colour},line width={length(self.unit * chosen.width)}bp{dashes}"

    def _box(self, box: Box) -> str:
        look = box.look or box.role
        line = border(self.theme, box)
        options = [self._fill(look)] if paint(self.theme, look).fill else []
        options += [self._draw(look, line)] if line else []
        radius = min(box.radius, box.w / 2, box.h / 2)
        if radius:
            options.append(f"rounded corners={length(self.unit * radius)}bp")
        end = _at((box.x + box.w, box.y + box.h))
        return rf"\path[{','.join(options)}] {_at((box.x, box.y))} rectangle {end};"

    def _polygon(self, polygon: Polygon) -> str:
        options = [self._fill(polygon.look)] if paint(self.theme, polygon.look).fill else []
        options.append(self._draw(polygon.look, edge(self.theme, polygon)))
        return rf"\path[{','.join(options)}] {' -- '.join(map(_at, polygon.points))} -- cycle;"

    def _words(self, words: Words) -> str:
        size, bold = SIZES[words.size], words.size in BOLD
        ink = paint(self.theme, words.look).ink
        plain = ink == paint(self.theme, "").ink
        colour = self._named("" if plain else words.look, ink, "-ink")
        points = length(self.unit * size)
        font = rf"\fontsize{{{points}bp}}{{{points}bp}}" + (r"\bfseries" if bold else "")
        room = length(self.unit * text_width(words.text, size, bold=bold))
        options = f"anchor={_ANCHORS[words.anchor]},text={colour}"
        shown = rf"{font}\selectfont\netspecfit{{{room}bp}}{{{tex(words.text)}}}"
        return rf"\node[{options}] at {_at((words.x, words.y))} {{{shown}}};"

    def _wire(self, wire: Wire) -> Iterator[str]:
        chosen = pen(self.theme, wire)
        look = "skip" if wire.look == "skip" else "wire"
        path = [_at(wire.points[0])]
        for start, corner, end in rounded(wire.points):
            near, far = map(_at, cubic(start, corner, end))
            path.append(f"-- {_at(start)} .. controls {near} and {far} .. {_at(end)}")
        path.append(f"-- {_at(wire.points[-1])}")
        yield rf"\path[{self._draw(look, chosen)}] {' '.join(path)};"
        if wire.arrow:
            tips = " -- ".join(map(_at, tip(wire, chosen.width)))
            colour = self._named("wire", paint(self.theme, "wire").border, "-line")
            yield rf"\path[fill={colour}] {tips} -- cycle;"

    def _mark(self, mark: Mark) -> Iterator[str]:
        around = Pen(paint(self.theme, "join").border, 1)
        options = f"{self._fill('join')},{self._draw('join', around)}"
        radius = f"{length(self.unit * mark.radius)}bp"
        yield rf"\path[{options}] {_at((mark.x, mark.y))} circle[radius={radius}];"
        stroke = self._draw("wire", Pen(paint(self.theme, "wire").border, THIN))
        for start, end in arms(mark):
            yield rf"\path[{stroke}] {_at(start)} -- {_at(end)};"


def _at(point: Point) -> str:
    return f"({length(point[0])},{length(point[1])})"

"""A scene as PDF, by ReportLab: one page, text as text in embedded fonts, no date."""

from __future__ import annotations

import io
from typing import Any

from netspec.diagnostics.records import printable
from netspec.draw.metrics import font_path, text_width
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
from netspec.draw.theme import paint
from netspec.system.extras import need


def pdf(scene: Scene, theme: str = "light") -> bytes:
    """The picture as one PDF page of its own size; NetspecError(status=3) without ReportLab.

    The letters used are embedded, and nothing else of the fonts.
    """
    need("reportlab", "a PDF", ", or draw svg or tikz, which need nothing")
    from reportlab.pdfgen.canvas import Canvas

    scale = pixel(scene.width, scene.height)
    size = scene.width * scale, scene.height * scale
    file, fonts = io.BytesIO(), _fonts()
    # Invariant: neither a date nor a random number.
    canvas = Canvas(file, size, invariant=1, pageCompression=1, initialFontName=fonts[0])
    canvas.setTitle(printable(scene.title))
    canvas.setSubject(printable(scene.description))
    canvas.setCreator("netspec")
    canvas.setAuthor("")
    # PDF's y goes up, so the page is turned over once.
    canvas.transform(scale, 0, 0, -scale, 0, size[1])
    _Painter(canvas, fonts, "light" if theme == "auto" else theme).page(scene)
    canvas.save()
    return file.getvalue()


class _Painter:
    """Puts items on a canvas of ReportLab."""

    def __init__(self, canvas: Any, fonts: tuple[str, str], theme: str) -> None:
        self.canvas, self.fonts, self.theme = canvas, fonts, theme

    def page(self, scene: Scene) -> None:
        """The page's colour and all its items."""
        self.canvas.setLineCap(1)
        self.canvas.setLineJoin(1)
        self.canvas.setFillColor(paint(self.theme, "page").fill)
        self.canvas.rect(0, 0, scene.width, scene.height, stroke=0, fill=1)
        for item in scene.items:
            self._item(item)

    def _item(self, item: Item) -> None:
        match item:
            case Group():
                for member in item.members:
                    self._item(member)
            case Box():
                self._box(item)
            case Words():
                self._words(item)
            case Wire():
                self._wire(item)
            case Mark():
                self._mark(item)
            case Polygon():
                self._polygon(item)

    def _take(self, chosen: Pen) -> None:
        self.canvas.setStrokeColor(chosen.colour)
        self.canvas.setLineWidth(chosen.width)
        self.canvas.setDash(DASH if chosen.dashed else ())

    def _box(self, box: Box) -> None:
        fill, line = paint(self.theme, box.look or box.role).fill, border(self.theme, box)
        if fill:
            self.canvas.setFillColor(fill)
        if line:
            self._take(line)
        radius = min(box.radius, box.w / 2, box.h / 2)
        shown = {"stroke": int(line is not None), "fill": int(bool(fill))}
        self.canvas.roundRect(box.x, box.y, box.w, box.h, radius, **shown)

    def _words(self, words: Words) -> None:
        size, bold = SIZES[words.size], words.size in BOLD
        width = text_width(words.text, size, bold=bold)
        x = words.x - {"start": 0.0, "middle": width / 2, "end": width}[words.anchor]
        text = self.canvas.beginText()
        text.setTextTransform(1, 0, 0, -1, x, words.y)
        text.setFont(self.fonts[bold], size)
        text.setFillColor(paint(self.theme, words.look).ink)
        text.textOut(printable(words.text))
        self.canvas.drawText(text)

    def _wire(self, wire: Wire) -> None:
        line = pen(self.theme, wire)
        self._take(line)
        path = self.canvas.beginPath()
        path.moveTo(*wire.points[0])
        for start, corner, end in rounded(wire.points):
            path.lineTo(*start)
            near, far = cubic(start, corner, end)
            path.curveTo(*near, *far, *end)
        path.lineTo(*wire.points[-1])
        self.canvas.drawPath(path)
        if wire.arrow:
            self.canvas.setFillColor(paint(self.theme, "wire").border)
            self._shape(tip(wire, line.width), stroke=0, fill=1)

    def _polygon(self, polygon: Polygon) -> None:
        fill = paint(self.theme, polygon.look).fill
        if fill:
            self.canvas.setFillColor(fill)
        self._take(edge(self.theme, polygon))
        self._shape(polygon.points, stroke=1, fill=int(bool(fill)))

    def _shape(self, corners: tuple[Point, ...], *, stroke: int, fill: int) -> None:
        path = self.canvas.beginPath()
        path.moveTo(*corners[0])
        for corner in corners[1:]:
            path.lineTo(*corner)
        path.close()
        self.canvas.drawPath(path, stroke=stroke, fill=fill)

    def _mark(self, mark: Mark) -> None:
        colours = paint(self.theme, "join")
        self.canvas.setFillColor(colours.fill)
        self._take(Pen(colours.border, 1))
        self.canvas.circle(mark.x, mark.y, mark.radius, stroke=1, fill=1)
        self._take(Pen(paint(self.theme, "wire").border, THIN))
        for start, end in arms(mark):
            self.canvas.line(*start, *end)


def _fonts() -> tuple[str, str]:
    """The names under which ReportLab knows the regular and the bold font."""
    from reportlab.pdfbase.pdfmetrics import getRegisteredFontNames, registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    names = "NetspecSans", "NetspecSans-Bold"
    for name, bold in zip(names, (False, True), strict=True):
        if name not in getRegisteredFontNames():
            file = io.BytesIO(font_path(bold=bold).read_bytes())
            registerFont(TTFont(name, file))
    return names

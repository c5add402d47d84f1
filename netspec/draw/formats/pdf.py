"""A scene as PDF: one page, Helvetica (which every reader has), text as text, no date."""

from __future__ import annotations

from netspec.draw.formats.svg import number
from netspec.draw.metrics import text_width
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
from netspec.draw.theme import FACE_WIDTH, MARK_WIDTH, Paint, paint

# Readers scale what is drawn in points; a CSS pixel is 0.75 of one, and sizes here are pixels.
_SCALE = 0.75
_CURVE = 0.5523


def pdf(scene: Scene, theme: str = "light") -> bytes:
    """The picture as one PDF page of its own size."""
    colours = "light" if theme == "auto" else theme
    content = _Content(scene, colours).text()
    w, h = number(scene.width * _SCALE), number(scene.height * _SCALE)
    fonts = "/F1 4 0 R /F2 5 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {w} {h}] /Contents 6 0 R "
        f"/Resources << /Font << {fonts} >> >> >>".encode(),
        _font("Helvetica"),
        _font("Helvetica-Bold"),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Title %s >>" % _literal(scene.title),
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for i, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    size = len(objects) + 1
    out += b"trailer << /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        start,
    )
    return bytes(out)


def _font(name: str) -> bytes:
    kind = f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
    return kind.encode()


def _literal(text: str) -> bytes:
    """Text in the encoding of the fonts; what they lack becomes a question mark."""
    raw = text.replace("→", "->").encode("cp1252", "replace")
    for sign in (b"\\", b"(", b")"):
        raw = raw.replace(sign, b"\\" + sign)
    return b"(" + raw + b")"


class _Content:
    """The drawing commands of a page; PDF's y goes up, so the page is turned over once."""

    def __init__(self, scene: Scene, theme: str) -> None:
        self.theme = theme
        self.parts: list[bytes] = [
            b"%g 0 0 %g 0 %s cm" % (_SCALE, -_SCALE, number(scene.height * _SCALE).encode()),
            b"1.2 w 1 J 1 j",
        ]
        self._fill(paint(theme, "page"))
        self._add(f"0 0 {number(scene.width)} {number(scene.height)} re f")
        for item in scene.items:
            self._item(item)

    def text(self) -> bytes:
        return b"\n".join(self.parts)

    def _add(self, text: str) -> None:
        self.parts.append(text.encode("ascii"))

    def _fill(self, colours: Paint) -> None:
        if colours.fill:
            self._add(f"{_rgb(colours.fill)} rg")

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

    def _box(self, box: Box) -> None:
        colours = paint(self.theme, box.look or box.role)
        self._fill(colours)
        dashed = box.look in ("head", "loop")
        stroked = bool(colours.border) and box.role not in ("band", "key")
        if stroked:
            width = MARK_WIDTH if not colours.fill else 1
            self._add(f"{_rgb(colours.border)} RG {width} w" + (" [4 3] 0 d" if dashed else ""))
        verb = "B" if stroked and colours.fill else "S" if stroked else "f"
        self._add(f"{_rounded(box.x, box.y, box.w, box.h, box.radius)} {verb}")
        if dashed:
            self._add("[] 0 d")

    def _polygon(self, polygon: Polygon) -> None:
        colours = paint(self.theme, polygon.look)
        self._fill(colours)
        first, *others = (f"{number(x)} {number(y)}" for x, y in polygon.points)
        lines = " ".join(f"{point} l" for point in others)
        verb = "b" if colours.fill else "s"
        self._add(f"{_rgb(colours.border)} RG {FACE_WIDTH} w {first} m {lines} {verb}")

    def _words(self, words: Words) -> None:
        size, bold = SIZES[words.size], words.size in BOLD
        width = text_width(words.text, size, bold=bold)
        x = words.x - {"start": 0.0, "middle": width / 2, "end": width}[words.anchor]
        self._add(f"{_rgb(paint(self.theme, words.look).ink)} rg")
        font = f"BT /F{2 if bold else 1} {size:g} Tf 1 0 0 -1 {number(x)} {number(words.y)} Tm "
        self.parts.append(font.encode() + _literal(words.text) + b" Tj ET")

    def _wire(self, wire: Wire) -> None:
        colour = _rgb(paint(self.theme, "skip" if wire.look == "skip" else "wire").border)
        dash = "[4 3] 0 d" if wire.look == "side" else "[] 0 d"
        points = " l ".join(f"{number(x)} {number(y)}" for x, y in wire.points[1:])
        x, y = wire.points[0]
        width = {"skip": 1.6, "thin": FACE_WIDTH}.get(wire.look, 1.2)
        self._add(f"{colour} RG {width} w {dash} {number(x)} {number(y)} m {points} l S [] 0 d")
        if wire.arrow:
            self._tip(wire.points[-2], wire.points[-1])

    def _tip(self, before: tuple[float, float], end: tuple[float, float]) -> None:
        dx, dy = end[0] - before[0], end[1] - before[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        dx, dy = dx / length, dy / length
        back = (end[0] - 6.5 * dx, end[1] - 6.5 * dy)
        corners = [(back[0] - 3 * dy, back[1] + 3 * dx), (back[0] + 3 * dy, back[1] - 3 * dx)]
        drawn = " l ".join(f"{number(x)} {number(y)}" for x, y in corners)
        colour = _rgb(paint(self.theme, "wire").border)
        self._add(f"{colour} rg {number(end[0])} {number(end[1])} m {drawn} l f")

    def _mark(self, mark: Mark) -> None:
        colours, r = paint(self.theme, "join"), mark.radius
        self._fill(colours)
        circle = _rounded(mark.x - r, mark.y - r, 2 * r, 2 * r, r)
        self._add(f"{_rgb(colours.border)} RG 1 w {circle} B")
        self._add(f"{_rgb(paint(self.theme, 'wire').border)} RG 1.2 w")
        ends = (
            ((-4, 0, 4, 0), (0, -4, 0, 4)) if mark.sign == "+" else ((-4, -4, 4, 4), (-4, 4, 4, -4))
        )
        for a, b, c, d in ends:
            start = f"{number(mark.x + a)} {number(mark.y + b)} m"
            self._add(f"{start} {number(mark.x + c)} {number(mark.y + d)} l S")


def _rgb(colour: str) -> str:
    return " ".join(f"{int(colour[i : i + 2], 16) / 255:.3g}" for i in (1, 3, 5))


def _rounded(x: float, y: float, w: float, h: float, r: float) -> str:
    """A rectangle with round corners, as Bezier curves."""
    if r <= 0:
        return f"{number(x)} {number(y)} {number(w)} {number(h)} re"
    r = min(r, w / 2, h / 2)
    k = r * (1 - _CURVE)
    right, low = x + w, y + h

    def curve(*values: float) -> str:
        return " ".join(number(v) for v in values) + " c"

    return " ".join(
        (
            f"{number(x + r)} {number(y)} m {number(right - r)} {number(y)} l",
            curve(right - k, y, right, y + k, right, y + r),
            f"{number(right)} {number(low - r)} l",
            curve(right, low - k, right - k, low, right - r, low),
            f"{number(x + r)} {number(low)} l",
            curve(x + k, low, x, low - k, x, low - r),
            f"{number(x)} {number(y + r)} l",
            curve(x, y + k, x + k, y, x + r, y),
            "h",
        )
    )

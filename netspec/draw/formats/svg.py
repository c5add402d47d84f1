"""A scene as SVG: text stays text, colours are classes, nothing comes from outside."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.diagnostics.records import printable
from netspec.draw.metrics import is_drawable, text_width
from netspec.draw.outlines import rounded
from netspec.draw.scene import BOLD, SIZES, Box, Group, Item, Mark, Polygon, Scene, Wire, Words
from netspec.draw.theme import css

_TEXT = {"title": "t", "head": "b", "label": "", "note": "s"}
_ANCHOR = {"start": "", "middle": "m", "end": "e"}


def svg(scene: Scene, theme: str = "light") -> str:
    """The picture as one SVG document."""
    style = f"<style>{css(theme, used(scene))}</style>"
    return document(scene, [style], [markup(item, scene.file) for item in scene.items])


def document(scene: Scene, style: Sequence[str], items: Sequence[str]) -> str:
    """An SVG document of a scene's size and title around `items`, which are its text."""
    w, h = number(scene.width), number(scene.height)
    file = f' data-file="{escape(scene.file)}"' if scene.file else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        f'role="img"{file}>'
    )
    words = f"<title>{escape(scene.title)}</title><desc>{escape(scene.description)}</desc>"
    page = f'<rect width="{w}" height="{h}" class="page"/>'
    return "\n".join((head, words, *style, _ARROWS, page, *items, "</svg>\n"))


_ARROWS = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 .8 7 4 0 7.2z" class="tip"/></marker></defs>'
)


def escape(text: str) -> str:
    """Text that can only ever be text, in content and in attributes."""
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(raw, safe)
    return printable(text)


def number(value: float) -> str:
    """A length as SVG has it: to a tenth, without a needless point."""
    return f"{round(value, 1):g}" if abs(value) < 1e5 else f"{value:.0f}"


def used(scene: Scene) -> frozenset[str]:
    """The looks that occur, so that the style sheet holds no others."""
    found: set[str] = set()

    def visit(items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Group):
                visit(item.members)
            elif isinstance(item, Box):
                found.update((item.role, item.look))
            elif isinstance(item, Mark):
                found.add("join")
            else:
                found.add(item.look)

    visit(scene.items)
    return frozenset(found)


def markup(item: Item, file: str) -> str:
    """One item as text; `file` is where places of the spec are, unless they say otherwise."""
    match item:
        case Box():
            return _box(item)
        case Words():
            return _words(item)
        case Wire():
            return _wire(item)
        case Mark():
            return _mark(item)
        case Polygon():
            return _polygon(item)
    return _group(item, file)


def _box(box: Box) -> str:
    classes = f"{box.role} {box.look}".strip()
    x, y, w, h = (number(v) for v in (box.x, box.y, box.w, box.h))
    radius = f' rx="{number(box.radius)}"' if box.radius else ""
    return f'<rect x="{x}" y="{y}" width="{w}" height="{h}"{radius} class="{classes}"/>'


def _polygon(polygon: Polygon) -> str:
    points = " ".join(f"{number(x)},{number(y)}" for x, y in polygon.points)
    return f'<polygon points="{points}" class="{polygon.look}"/>'


def _words(words: Words) -> str:
    classes = (_TEXT[words.size], _ANCHOR[words.anchor], _ink(words.look))
    shown = " ".join(name for name in classes if name)
    shown = f' class="{shown}"' if shown else ""
    x, y = number(words.x), number(words.y)
    return f'<text x="{x}" y="{y}"{_length(words)}{shown}>{escape(words.text)}</text>'


def _length(words: Words) -> str:
    """The width that the layout left for the words, which a reader with other fonts then keeps to."""
    if not is_drawable(words.text):
        return ""
    width = text_width(words.text, SIZES[words.size], bold=words.size in BOLD)
    return f' textLength="{number(width)}" lengthAdjust="spacingAndGlyphs"'


def _ink(look: str) -> str:
    """Only muted text and text on heat has a colour of its own."""
    return look if look == "muted" or (len(look) == 2 and look[0] == "h") else ""


def _wire(wire: Wire) -> str:
    classes = "w" + (" a" if wire.arrow else "") + (f" {wire.look}" if wire.look else "")
    return f'<path d="{path(wire.points)}" class="{classes}"/>'


def path(points: tuple[tuple[float, float], ...]) -> str:
    """Path data through points: corners between upright and level lines are rounded."""
    text = f"M{number(points[0][0])} {number(points[0][1])}"
    for (ax, ay), (x, y), (bx, by) in rounded(points):
        text += f"L{number(ax)} {number(ay)}"
        text += f"Q{number(x)} {number(y)} {number(bx)} {number(by)}"
    return f"{text}L{number(points[-1][0])} {number(points[-1][1])}"


def _mark(mark: Mark) -> str:
    x, y = number(mark.x), number(mark.y)
    a, b = number(mark.x - 4), number(mark.x + 4)
    c, d = number(mark.y - 4), number(mark.y + 4)
    cross = f"M{a} {y}H{b}M{x} {c}V{d}" if mark.sign == "+" else f"M{a} {c}L{b} {d}M{a} {d}L{b} {c}"
    circle = f'<circle cx="{x}" cy="{y}" r="{number(mark.radius)}" class="leaf join"/>'
    return f'{circle}<path d="{cross}" class="sign"/>'


def _group(group: Group, file: str) -> str:
    inside = "".join(markup(member, file) for member in group.members)
    return f"<g{place(group, file)}{inside}</g>"


def place(group: Group, file: str) -> str:
    """What stands between `<g` and a group's members: where it comes from and its hint."""
    attributes = ""
    if group.span is not None:
        attributes += f' data-line="{group.span.line}"'
        if group.span.source.name != file:
            attributes += f' data-src="{escape(group.span.source.name)}"'
    if group.path:
        attributes += f' data-path="{escape(group.path)}"'
    if group.toggles:
        attributes += f' data-block="{escape(group.toggles)}"'
    hint = f"<title>{escape(group.hint)}</title>" if group.hint else ""
    return f"{attributes}>{hint}"

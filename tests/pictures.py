"""Reads a picture back from its SVG, for tests of its geometry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from xml.etree import ElementTree

from netspec.draw.metrics import text_width

_SIZES = {"t": (18.0, True), "b": (12.0, True), "s": (10.7, False)}
_SVG = "{http://www.w3.org/2000/svg}"
_SLACK = 0.6

Point = tuple[float, float]


@dataclass(frozen=True)
class Area:
    left: float
    top: float
    right: float
    bottom: float
    name: str

    def shrunk(self, by: float) -> Area:
        sides = (self.left + by, self.top + by, self.right - by, self.bottom - by)
        return Area(*sides, self.name)

    def meets(self, other: Area) -> bool:
        across = self.left < other.right - _SLACK and other.left < self.right - _SLACK
        return across and self.top < other.bottom - _SLACK and other.top < self.bottom - _SLACK

    def holds(self, other: Area) -> bool:
        across = self.left <= other.left + _SLACK and other.right <= self.right + _SLACK
        return across and self.top <= other.top + _SLACK and other.bottom <= self.bottom + _SLACK

    def crossed_by(self, a: Point, b: Point) -> bool:
        """Whether the segment passes through the inside (Liang and Barsky)."""
        low, high = 0.0, 1.0
        dx, dy = b[0] - a[0], b[1] - a[1]
        sides = (
            (-dx, a[0] - self.left),
            (dx, self.right - a[0]),
            (-dy, a[1] - self.top),
            (dy, self.bottom - a[1]),
        )
        for step, room in sides:
            if step == 0:
                if room <= 0:
                    return False
                continue
            at = room / step
            low, high = (max(low, at), high) if step < 0 else (low, min(high, at))
        return low < high - 1e-9


@dataclass
class Picture:
    """What an SVG shows: leaves, blocks, labels, wires, and the view box."""

    view: Area
    leaves: list[Area] = field(default_factory=list)
    blocks: list[Area] = field(default_factory=list)
    labels: list[Area] = field(default_factory=list)
    wires: list[list[Point]] = field(default_factory=list)
    without_source: list[str] = field(default_factory=list)
    smallest_text: float = 99.0

    def faults(self) -> Iterator[str]:
        """Everything that is wrong with the geometry, in words."""
        for area in (*self.leaves, *self.blocks, *self.labels):
            if not self.view.holds(area):
                yield f"{area} is outside the view box"
        for wire in self.wires:
            if not all(self.view.holds(Area(x, y, x, y, "point")) for x, y in wire):
                yield f"a line leaves the view box: {wire}"
        yield from _overlaps(self.leaves, "boxes")
        yield from _overlaps(self.labels, "labels")
        for block in self.blocks:
            for other in (*self.leaves, *self.labels, *self.blocks):
                if block.meets(other) and not block.holds(other) and not other.holds(block):
                    yield f"{other} sticks out of {block}"
        for leaf in self.leaves:
            for label in self.labels:
                if leaf.meets(label) and not leaf.holds(label):
                    yield f"the label {label} does not fit {leaf}"
        for wire in self.wires:
            yield from self._crossings(wire)

    def _crossings(self, wire: list[Point]) -> Iterator[str]:
        segments = list(pairwise(wire))
        for area in (*self.leaves, *self.labels):
            if any(area.shrunk(1.2).crossed_by(*segment) for segment in segments):
                yield f"a line runs through {area}: {wire}"
        for block in self.blocks:
            inner = block.shrunk(1.2)
            inside = [inner.crossed_by(*segment) for segment in segments]
            held = all(block.holds(Area(x, y, x, y, "point")) for x, y in wire)
            if any(inside) and not held:
                yield f"a line runs into {block}: {wire}"


def _overlaps(areas: list[Area], what: str) -> Iterator[str]:
    for a, b in combinations(areas, 2):
        if a.meets(b):
            yield f"{what} overlap: {a} and {b}"


def read_picture(svg: str) -> Picture:
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(key, "0")) for key in ("width", "height"))
    picture = Picture(Area(0, 0, width, height, "view box"))
    _visit(root, picture, False)
    return picture


def _visit(element: ElementTree.Element, picture: Picture, placed: bool) -> None:
    for child in element:
        tag = child.tag.removeprefix(_SVG)
        if tag in ("defs", "style", "title", "desc"):
            continue
        classes = (child.get("class") or "").split()
        if tag == "g":
            _visit(child, picture, placed or child.get("data-line") is not None)
        elif tag == "rect":
            _rect(child, classes, picture, placed)
        elif tag == "circle":
            x, y, r = (float(child.get(key, "0")) for key in ("cx", "cy", "r"))
            picture.leaves.append(Area(x - r, y - r, x + r, y + r, "circle"))
        elif tag == "text":
            _text(child, classes, picture)
        elif tag == "path" and "w" in classes:
            picture.wires.append(points(child.get("d", "")))


def _rect(child: ElementTree.Element, classes: list[str], picture: Picture, placed: bool) -> None:
    x, y, w, h = (float(child.get(key, "0")) for key in ("x", "y", "width", "height"))
    area = Area(x, y, x + w, y + h, " ".join(classes))
    if "leaf" in classes:
        picture.leaves.append(area)
    elif "block" in classes:
        picture.blocks.append(area)
    if ("leaf" in classes or "block" in classes) and not placed:
        picture.without_source.append(str(area))


def _text(child: ElementTree.Element, classes: list[str], picture: Picture) -> None:
    size, bold = next((_SIZES[c] for c in classes if c in _SIZES), (11.0, False))
    picture.smallest_text = min(picture.smallest_text, size)
    x, y = float(child.get("x", "0")), float(child.get("y", "0"))
    text = child.text or ""
    width = text_width(text, size, bold=bold)
    x -= width / 2 if "m" in classes else width if "e" in classes else 0.0
    picture.labels.append(Area(x, y - 0.72 * size, x + width, y + 0.2 * size, text))


def points(path: str) -> list[Point]:
    """The corners of a path of M, L and Q commands, the curves by their ends."""
    found = []
    for command, numbers in re.findall(r"([MLQ])([^MLQ]*)", path):
        values = [float(n) for n in re.findall(r"-?[\d.]+", numbers)]
        found.append((values[-2], values[-1]))
        assert command in "MLQ"
    return found

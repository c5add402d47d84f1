"""Reads a picture back from its SVG, for tests of its geometry."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from xml.etree import ElementTree

from support.places import DOCS

from netspec.draw.metrics import text_width

_SIZES = {"t": (18.0, True), "b": (12.0, True), "s": (10.7, False)}
_SVG = "{http://www.w3.org/2000/svg}"
_SLACK = 0.6
_CELL = 60.0

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

    def first_words(self, area: Area) -> str:
        """The uppermost text in an area."""
        inside = [label for label in self.labels if area.holds(label)]
        return min(inside, key=lambda label: label.top).name if inside else ""

    def faults(self) -> Iterator[str]:
        """Everything that is wrong with the geometry, in words."""
        for area in (*self.leaves, *self.blocks, *self.labels):
            if not self.view.holds(area):
                yield f"{area} is outside the view box"
        for wire in self.wires:
            if not all(self.view.holds(Area(x, y, x, y, "point")) for x, y in wire):
                yield f"a line leaves the view box: {wire}"
        leaves, labels, blocks = _Grid(self.leaves), _Grid(self.labels), _Grid(self.blocks)
        yield from _overlaps(leaves, "boxes")
        yield from _overlaps(labels, "labels")
        for grid in (leaves, labels, blocks):
            for other in grid.areas:
                for block in blocks.near(other):
                    if block.meets(other) and not block.holds(other) and not other.holds(block):
                        yield f"{other} sticks out of {block}"
        for label in self.labels:
            for leaf in leaves.near(label):
                if leaf.meets(label) and not leaf.holds(label):
                    yield f"the label {label} does not fit {leaf}"
        for wire in self.wires:
            for grid in (leaves, labels):
                for area in grid.crossed(wire):
                    yield f"a line runs through {area}: {wire}"
            for block in blocks.crossed(wire):
                if not all(block.holds(Area(x, y, x, y, "point")) for x, y in wire):
                    yield f"a line runs into {block}: {wire}"


class _Grid:
    """Areas by the square cells they touch, so that only what is near is compared."""

    def __init__(self, areas: list[Area]) -> None:
        self.areas = areas
        self.cells: dict[tuple[int, int], list[int]] = {}
        for i, area in enumerate(areas):
            for cell in self._cells(area):
                self.cells.setdefault(cell, []).append(i)

    @staticmethod
    def _cells(area: Area) -> Iterator[tuple[int, int]]:
        rows = range(int(area.top // _CELL), int(area.bottom // _CELL) + 1)
        for column in range(int(area.left // _CELL), int(area.right // _CELL) + 1):
            for row in rows:
                yield column, row

    def _at(self, area: Area) -> set[int]:
        return {i for cell in self._cells(area) for i in self.cells.get(cell, ())}

    def near(self, area: Area) -> list[Area]:
        return [self.areas[i] for i in sorted(self._at(area))]

    def crossed(self, wire: list[Point]) -> list[Area]:
        """The areas whose inside the line passes through."""
        found = set()
        for a, b in pairwise(wire):
            for part in _cut(a, b):
                for i in self._at(part) - found:
                    if self.areas[i].shrunk(1.2).crossed_by(a, b):
                        found.add(i)
        return [self.areas[i] for i in sorted(found)]


def _cut(a: Point, b: Point) -> Iterator[Area]:
    """The bounds of the segment's parts, each no longer than a cell."""
    count = int(max(abs(b[0] - a[0]), abs(b[1] - a[1])) // _CELL) + 1
    steps = [k / count for k in range(count + 1)]
    for s, t in pairwise(steps):
        xs = [a[0] + (b[0] - a[0]) * k for k in (s, t)]
        ys = [a[1] + (b[1] - a[1]) * k for k in (s, t)]
        yield Area(min(xs), min(ys), max(xs), max(ys), "part")


def _overlaps(grid: _Grid, what: str) -> Iterator[str]:
    order = {id(area): i for i, area in enumerate(grid.areas)}
    for a in grid.areas:
        for b in grid.near(a):
            if order[id(a)] < order[id(b)] and a.meets(b):
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


def gallery() -> ModuleType:
    """The script that writes the gallery."""
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def printed_by_seeds(script: str, *arguments: str) -> set[str]:
    """What a Python script prints in processes that order sets differently."""
    command = [sys.executable, "-c", script, *arguments]
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    return found

"""What a picture says of the graph, read off its geometry: which boxes its lines connect.

A line begins at a box, at another line or at what flows into the frame around it, and ends so. What is
read so is held against the graph: every layer has a box, every connection a path of lines that
passes no other box, and no path is without a connection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from netspec.draw.scene import Box, Group, Item, Mark, Scene, Wire, Words
from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import SchemeParam
from netspec.ops.elementwise.regular import DropPath

_NEAR = 0.6
_CELL = 40.0

Point = tuple[float, float]
# A thing's number and the side of it: `at` a box, `in` or `out` of a frame.
Place = tuple[str, int]
Link = tuple[Place, Place]


@dataclass(eq=False)
class Thing:
    """A box that stands for layers, or a frame around others; `around` are the frames it is in."""

    number: int
    nodes: frozenset[Node]
    areas: list[tuple[float, float, float, float]]
    words: list[str]
    around: tuple[int, ...]
    frame: bool

    def touches(self, p: Point) -> bool:
        return any(
            left - _NEAR <= p[0] <= right + _NEAR and top - _NEAR <= p[1] <= bottom + _NEAR
            for left, top, right, bottom in self.areas
        )


@dataclass(eq=False)
class Line:
    points: list[Point]
    around: tuple[int, ...]


@dataclass
class Read:
    """Everything in a picture, or in a panel of it, that says how layers are connected."""

    things: list[Thing] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def visit(self, items: tuple[Item, ...], around: tuple[int, ...] = ()) -> None:
        for item in items:
            if isinstance(item, Wire):
                self.lines.append(Line(list(item.points), around))
            elif isinstance(item, Group):
                self._group(item, around)

    def _group(self, group: Group, around: tuple[int, ...]) -> None:
        areas = [area for member in group.members for area in _areas(member)]
        if areas:
            words = [member.text for member in group.members if isinstance(member, Words)]
            number, frame = len(self.things), _holds(group.members)
            nodes = frozenset(group.nodes)
            self.things.append(Thing(number, nodes, areas, words, around, frame))
            around = (*around, number) if frame else around
        self.visit(group.members, around)


def _areas(item: Item) -> Iterator[tuple[float, float, float, float]]:
    if isinstance(item, Box) and item.role in ("leaf", "block", "stack"):
        yield item.x, item.y, item.x + item.w, item.y + item.h
    elif isinstance(item, Mark):
        r = item.radius
        yield item.x - r, item.y - r, item.x + r, item.y + r


def _holds(members: tuple[Item, ...]) -> bool:
    """Whether a group has others in it, so that its box is a frame."""
    groups = [member for member in members if isinstance(member, Group)]
    return any(
        any(True for member in group.members for _ in _areas(member)) or _holds(group.members)
        for group in groups
    )


def unlike(scene: Scene, graph: Graph) -> list[str]:
    """What the picture has that the graph has not, and the other way round; empty where they agree."""
    parts = []
    for item in scene.items:
        part = Read()
        part.visit((item,))
        parts.append(part)
    ends = [p for part in parts for line in part.lines for p in (line.points[0], line.points[-1])]
    whole, panels = list[Item](), list[Read]()
    covered = Counter(node for part in parts for node in _nodes(part))
    for item, part in zip(scene.items, parts, strict=True):
        again = part.things and all(covered[node] > 1 for node in _nodes(part))
        if again and not any(part.things[0].touches(p) for p in ends if not _own(part, p)):
            panels.append(part)
        else:
            whole.append(item)
    main = Read()
    main.visit(tuple(whole))
    missing = [node for node in graph.nodes if node not in _nodes(main)]
    found = [f"{node.path} has no box" for node in missing]
    for read in (main, *panels):
        found += _Connections(read, graph).faults()
        found += _unsaid(read)
    return found


def _own(part: Read, p: Point) -> bool:
    return any(p in (line.points[0], line.points[-1]) for line in part.lines)


def _nodes(read: Read) -> set[Node]:
    return {node for thing in read.things for node in thing.nodes}


def _unsaid(read: Read) -> Iterator[str]:
    """Repeats whose copies hold other layers than the one that is drawn, without a note."""
    for thing in read.things:
        times = next((int(n) for text in thing.words for n in re.findall(r"(?:^| )×(\d+)$", text)), 1)
        kinds = _kinds(thing.nodes)
        inner = [other for other in read.things if thing.number in other.around]
        drawn = _kinds({node for other in inner for node in other.nodes})
        if thing.frame:
            same = kinds == Counter({kind: n * times for kind, n in drawn.items()})
        else:
            same = all(n % times == 0 for n in kinds.values())
        if not same and not any("first" in text or "differ" in text for text in thing.words):
            yield f"{thing.words} does not say how its copies differ"


def _kinds(nodes: Iterable[Node]) -> Counter[object]:
    """What the layers are told, but how their weights start and the rates of stochastic depth."""
    return Counter((type(node.op).__name__, *_told(node.op)) for node in nodes)


def _told(op: Operator) -> Iterator[object]:
    for name, value in op.__dict__.items():
        if not isinstance(op.params[name], SchemeParam) and not isinstance(op, DropPath):
            yield repr(value)


class _Connections:
    def __init__(self, read: Read, graph: Graph) -> None:
        self.read, self.graph = read, graph
        self.things = read.things
        self.frames = [thing for thing in self.things if thing.frame]
        self.scope = _nodes(read)
        self.home: dict[Node, Thing] = {}
        # From the outside in: what is written last is the innermost.
        for thing in self.things:
            self.home |= dict.fromkeys(thing.nodes, thing)
        self.links: dict[object, set[object]] = {}
        self.open_in: set[int] = set()
        self.open_out: set[int] = set()
        self.dangling: list[str] = []
        self._join()

    # --- the picture

    def _join(self) -> None:
        """Lines as a directed graph of the points where they meet."""
        spots = _Spots([p for line in self.read.lines for p in line.points])
        boxes = _Cells([(thing, area) for thing in self.things for area in thing.areas])
        arrives: dict[int, list[tuple[Line, Thing]]] = {}
        leaves: dict[int, list[tuple[Line, Thing]]] = {}
        starts: dict[int, list[Line]] = {}
        ends: dict[int, list[Line]] = {}
        for number, line in enumerate(self.read.lines):
            self._segments(line, number, spots, boxes, arrives, leaves)
            starts.setdefault(spots.of(line.points[0]), []).append(line)
            ends.setdefault(spots.of(line.points[-1]), []).append(line)
        for spot, pairs in arrives.items():
            for line, frame in pairs:
                inner = [s for s in starts.get(spot, ()) if frame.number in s.around]
                self._border(frame, spot, bool(inner), self.open_in, "in")
        for spot, pairs in leaves.items():
            for line, frame in pairs:
                inner = [e for e in ends.get(spot, ()) if frame.number in e.around]
                self._border(frame, spot, bool(inner), self.open_out, "out")
        self._loose(spots, starts, ends)

    def _border(
        self, frame: Thing, spot: int, goes_on: bool, open_ones: set[int], side: str
    ) -> None:
        if goes_on:
            open_ones.add(frame.number)
        elif side == "in":
            self._link(("spot", spot), ("in", frame.number))
        else:
            self._link(("out of", frame.number), ("spot", spot))

    def _link(self, a: object, b: object) -> None:
        self.links.setdefault(a, set()).add(b)

    def _segments(
        self,
        line: Line,
        number: int,
        spots: _Spots,
        boxes: _Cells,
        arrives: dict[int, list[tuple[Line, Thing]]],
        leaves: dict[int, list[tuple[Line, Thing]]],
    ) -> None:
        path: list[object] = []
        for a, b in pairwise(line.points):
            path += [("spot", spot) for spot in spots.along(a, b)]
        first, last = boxes.touched(line.points[0], line), boxes.touched(line.points[-1], line)
        if first is not None and not first.frame:
            path[0] = ("start", number)
            self._link(self._source(first), path[0])
        elif first is not None:
            leaves.setdefault(spots.of(line.points[0]), []).append((line, first))
        if last is not None and not last.frame:
            path[-1] = ("end", number)
            self._link(path[-1], ("at", last.number))
        elif last is not None:
            arrives.setdefault(spots.of(line.points[-1]), []).append((line, last))
        for a, b in pairwise(path):
            if a != b:
                self._link(a, b)

    def _source(self, thing: Thing) -> Place:
        """A box, or for a port, which stands for what flows in, the frame around."""
        return ("at", thing.number) if thing.nodes else ("in of", thing.around[-1])

    def _loose(
        self, spots: _Spots, starts: dict[int, list[Line]], ends: dict[int, list[Line]]
    ) -> None:
        """What begins in a frame begins with what flows in; what ends nowhere flows out."""
        entered = {b for found in self.links.values() for b in found}
        for spot, lines in starts.items():
            place = ("spot", spot)
            if place in self.links and place not in entered:
                self._loose_end(lines[0], lines[0].points[0], "in of", place)
        for spot, lines in ends.items():
            place = ("spot", spot)
            if place in entered and place not in self.links:
                self._loose_end(lines[0], lines[0].points[-1], "out", place)
        entered = {b for found in self.links.values() for b in found}
        for thing in self.things:
            if not thing.around or not thing.nodes:
                continue
            frame = thing.around[-1]
            kind = ("in", "out of") if thing.frame else ("at", "at")
            if (kind[0], thing.number) not in entered and thing.number not in self.open_in:
                self._link(("in of", frame), (kind[0], thing.number))
            if (kind[1], thing.number) not in self.links and thing.number not in self.open_out:
                self._link((kind[1], thing.number), ("out", frame))

    def _loose_end(self, line: Line, p: Point, side: str, place: object) -> None:
        if not line.around:
            self.dangling.append(f"a line ends in nothing at {p}")
        elif side == "out":
            self._link(place, ("out", line.around[-1]))
        else:
            self._link(("in of", line.around[-1]), place)

    def drawn(self) -> set[Link]:
        """Pairs of places that lines connect."""
        found: set[Link] = set()
        for source in list(self.links):
            if source[0] not in ("at", "in of", "out of"):  # type: ignore[index]
                continue
            seen, todo = {source}, list(self.links[source])
            while todo:
                place = todo.pop()
                if place in seen and place != source:
                    continue
                seen.add(place)
                if place[0] in ("at", "in", "out"):  # type: ignore[index]
                    found.add((source, place))  # type: ignore[arg-type]
                else:
                    todo += self.links.get(place, ())
        return found

    # --- the graph

    def _frames(self, node: Node) -> tuple[int, ...]:
        home = self.home.get(node)
        if home is None:
            return ()
        return (*home.around, home.number) if home.frame else home.around

    def asked(self) -> set[Link]:
        """Pairs of places that the graph's connections ask for."""
        found: set[Link] = set()
        for node in self.graph.nodes:
            for value in data_inputs(node):
                if value.node in self.scope or node in self.scope:
                    found.update(pairwise_links(self._way(value.node, node)))
        return found

    def _way(self, a: Node, b: Node) -> list[tuple[Place, Place]]:
        """The places that a connection passes, each as where it arrives and where it goes on."""
        start, end = self.home.get(a), self.home.get(b)
        if start is end and start is not None:
            return []
        before, after = self._frames(a), self._frames(b)
        shared = 0
        while shared < min(len(before), len(after)) and before[shared] == after[shared]:
            shared += 1
        way: list[tuple[Place, Place]] = []
        if start is not None and not start.frame:
            way.append((("at", start.number), ("at", start.number)))
        elif start is not None and len(before) == shared:
            way.append((("in", start.number), ("in of", start.number)))
        for frame in reversed(before[shared:]):
            if frame not in self.open_out:
                way.append((("out", frame), ("out of", frame)))
        for frame in after[shared:]:
            if frame not in self.open_in:
                way.append((("in", frame), ("in of", frame)))
        if end is not None and not end.frame:
            way.append((("at", end.number), ("at", end.number)))
        elif end is not None and len(after) == shared:
            way.append((("out", end.number), ("out of", end.number)))
        return way

    # --- both

    def faults(self) -> Iterator[str]:
        yield from self.dangling
        asked, drawn = self.asked(), self.drawn()
        for link in sorted(asked - drawn):
            yield f"no line from {self._name(link[0])} to {self._name(link[1])}"
        for link in sorted(drawn - asked):
            if not self._ends_itself(link, asked):
                yield f"a line from {self._name(link[0])} to {self._name(link[1])} that is no connection"

    def _ends_itself(self, link: Link, asked: set[Link]) -> bool:
        """Whether something that reads nothing, or that nothing reads, stands in a frame without a line."""
        (side, _), (other, _) = link
        reads = any(b == link[1] for _, b in asked)
        read = any(a == link[0] for a, _ in asked)
        return (side == "in of" and not reads) or (other == "out" and not read)

    def _name(self, place: Place) -> str:
        thing = self.things[place[1]]
        return f"{place[0]} {' '.join(thing.words)!r} at {tuple(map(round, thing.areas[0][:2]))}"


def pairwise_links(way: list[tuple[Place, Place]]) -> Iterator[Link]:
    for (_, a), (b, _) in pairwise(way):
        yield a, b


class _Cells:
    """Things by the square cells that they touch."""

    def __init__(self, areas: list[tuple[Thing, tuple[float, float, float, float]]]) -> None:
        self.cells: dict[tuple[int, int], list[Thing]] = {}
        for thing, (left, top, right, bottom) in areas:
            for column in range(int((left - 1) // _CELL), int((right + 1) // _CELL) + 1):
                for row in range(int((top - 1) // _CELL), int((bottom + 1) // _CELL) + 1):
                    self.cells.setdefault((column, row), []).append(thing)

    def touched(self, p: Point, line: Line) -> Thing | None:
        """The outermost thing at a point that the line is not inside of."""
        near = self.cells.get((int(p[0] // _CELL), int(p[1] // _CELL)), ())
        found = [t for t in near if t.number not in line.around and t.touches(p)]
        return min(found, key=lambda thing: len(thing.around), default=None)


class _Spots:
    """The corners of all lines; those in one place are one."""

    def __init__(self, points: list[Point]) -> None:
        self.places: list[Point] = []
        self.cells: dict[tuple[int, int], list[int]] = {}
        for p in points:
            if self._near(p) is None:
                cell = int(p[0] // _CELL), int(p[1] // _CELL)
                self.cells.setdefault(cell, []).append(len(self.places))
                self.places.append(p)

    def _around(self, box: tuple[float, float, float, float]) -> Iterator[int]:
        left, top, right, bottom = box
        for column in range(int((left - 1) // _CELL), int((right + 1) // _CELL) + 1):
            for row in range(int((top - 1) // _CELL), int((bottom + 1) // _CELL) + 1):
                yield from self.cells.get((column, row), ())

    def _near(self, p: Point) -> int | None:
        for spot in self._around((*p, *p)):
            x, y = self.places[spot]
            if abs(x - p[0]) <= _NEAR and abs(y - p[1]) <= _NEAR:
                return spot
        return None

    def of(self, p: Point) -> int:
        spot = self._near(p)
        assert spot is not None
        return spot

    def along(self, a: Point, b: Point) -> list[int]:
        """The spots on a straight piece of line, from its start to its end."""
        box = (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        found = [(0.0, self.of(a)), (length, self.of(b))]
        for spot in set(self._around(box)):
            x, y = self.places[spot][0] - a[0], self.places[spot][1] - a[1]
            at, off = (x * dx + y * dy) / length, abs(x * dy - y * dx) / length
            if off <= _NEAR and _NEAR < at < length - _NEAR:
                found.append((at, spot))
        return [spot for _, spot in sorted(found)]

"""What a picture says of the graph, read off its geometry: which boxes its lines connect.

A line begins at a box, at another line or at what flows into the frame around it, and ends so. What is
read so is held against the graph: every layer has a box, every connection a path of lines that
passes no other box, and no path is without a connection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import prod

from support.spots import Point, Spots
from support.things import Cells, Line, Read, Thing

from netspec.draw.scene import Item, Scene
from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import SchemeParam
from netspec.ops.elementwise.regular import DropPath

# A thing's number and the side of it: `at` a box, `in` or `out` of a frame.
Place = tuple[str, int]
Link = tuple[Place, Place]


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
    told = dict(_told_by_name(main))
    missing = [node for node in graph.nodes if node not in _nodes(main)]
    found = [f"{node.path} has no box" for node in missing]
    for read in (main, *panels):
        found += _Connections(read, graph, told).faults()
        found += _unsaid(read)
    return found


def _told_by_name(read: Read) -> Iterator[tuple[Node, str]]:
    """The layers whose names stand in place of lines: boxes of a card apart that is called as they are."""
    for card in read.things:
        names = card.words[0].split(", ") if card.frame and card.words and not card.around else []
        for thing in read.things:
            if thing.around[:1] == (card.number,) and thing.words and thing.nodes:
                name = thing.words[0].split(": ")[0]
                if name in names:
                    yield max(thing.nodes, key=lambda node: node.index), name


def _own(part: Read, p: Point) -> bool:
    return any(p in (line.points[0], line.points[-1]) for line in part.lines)


def _nodes(read: Read) -> set[Node]:
    return {node for thing in read.things for node in thing.nodes}


def _unsaid(read: Read) -> Iterator[str]:
    """Repeats whose copies hold other layers than the one that is drawn, without a note."""
    for thing in read.things:
        title = " ".join(thing.words)
        times = prod(int(n) for n in re.findall(r"(?:^| )×(\d+)(?=[: ]|$)", title))
        kinds = _kinds(thing.nodes)
        inner = [other for other in read.things if thing.number in other.around]
        drawn = _kinds({node for other in inner for node in other.nodes})
        if any(other.words[:1] == ["layer 1"] for other in inner):
            same = all(
                any(node in other.nodes for other in inner)
                for node in thing.nodes
                if not _puts(node)
            )
        elif thing.frame:
            same = kinds == Counter({kind: n * times for kind, n in drawn.items()})
        else:
            same = all(n % times == 0 for n in kinds.values())
        if not same and not any("first" in text or "differ" in text for text in thing.words):
            yield f"{thing.words} does not say how its copies differ"


def _puts(node: Node) -> bool:
    return node.op.spelling == "concat"


def _kinds(nodes: Iterable[Node]) -> Counter[object]:
    """What the layers are told, but how their weights start and the rates of stochastic depth."""
    return Counter((type(node.op).__name__, *_told(node.op)) for node in nodes)


def _told(op: Operator) -> Iterator[object]:
    for name, value in op.__dict__.items():
        if not isinstance(op.params[name], SchemeParam) and not isinstance(op, DropPath):
            yield repr(value)


class _Connections:
    def __init__(self, read: Read, graph: Graph, told: Mapping[Node, str]) -> None:
        self.read, self.graph, self.told = read, graph, told
        self.things = read.things
        self.frames = [thing for thing in self.things if thing.frame]
        self.scope = _nodes(read)
        self.home: dict[Node, Thing] = {}
        # From the outside in: what is written last is the innermost.
        for thing in self.things:
            self.home |= dict.fromkeys(thing.nodes, thing)
        # Frames in which layers read all before them, as their arcs say.
        self.dense = {t.around[-1] for t in self.things if t.words[:1] == ["layer 1"] and t.around}
        # What is drawn once for several copies: lines end at its frame and begin there.
        self.repeats = {self.home[n].number for n in self.home if self.home[n].frame}
        self.links: dict[object, set[object]] = {}
        self.open_in: set[int] = set()
        self.open_out: set[int] = set()
        self.dangling: list[str] = []
        self.ports = {t.number for t in self.things if not t.nodes and t.words != ["output"]}
        self._join()

    # --- the picture

    def _join(self) -> None:
        """Lines as a directed graph of the points where they meet."""
        spots = Spots([line.points for line in self.read.lines])
        boxes = Cells([(thing, area) for thing in self.things for area in thing.areas])
        arrives: dict[int, list[tuple[Line, Thing]]] = {}
        leaves: dict[int, list[tuple[Line, Thing]]] = {}
        starts: dict[int, list[Line]] = {}
        ends: dict[int, list[Line]] = {}
        for number, line in enumerate(self.read.lines):
            self._segments(line, number, spots, boxes, arrives, leaves)
            starts.setdefault(spots.of(number, 0), []).append(line)
            ends.setdefault(spots.of(number, len(line.points) - 1), []).append(line)
        for spot, pairs in arrives.items():
            for _, frame in pairs:
                inner = [s for s in starts.get(spot, ()) if frame.number in s.around]
                self._border(frame, spot, bool(inner), self.open_in, "in")
        for spot, pairs in leaves.items():
            for _, frame in pairs:
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
        spots: Spots,
        boxes: Cells,
        arrives: dict[int, list[tuple[Line, Thing]]],
        leaves: dict[int, list[tuple[Line, Thing]]],
    ) -> None:
        path: list[object] = []
        for i in range(len(line.points) - 1):
            path += [("spot", spot) for spot in spots.along(number, i, line.points)]
        first, last = boxes.touched(line.points[0], line), boxes.touched(line.points[-1], line)
        if first is not None and not first.frame:
            path[0] = ("start", number)
            self._link(self._source(first), path[0])
            self.ports.discard(first.number)
        elif first is not None and first.number in self.repeats:
            path[0] = ("out of", first.number)
        elif first is not None:
            leaves.setdefault(spots.of(number, 0), []).append((line, first))
        if last is not None and not last.frame:
            path[-1] = ("end", number)
            self._link(path[-1], self._target(last))
        elif last is not None and last.number in self.repeats:
            path[-1] = ("in", last.number)
        elif last is not None:
            arrives.setdefault(spots.of(number, len(line.points) - 1), []).append((line, last))
        frame = self.things[line.around[-1]] if line.around else None
        if frame is not None and frame.number in self.repeats:
            _, top, _, bottom = frame.areas[-1]
            if abs(line.points[0][1] - top) < 0.6:
                path[0] = ("in of", frame.number)
            if abs(line.points[-1][1] - bottom) < 0.6:
                path[-1] = ("out", frame.number)
        for a, b in pairwise(path):
            if a != b:
                self._link(a, b)

    def _target(self, thing: Thing) -> object:
        """A box; for a mark that names what flows out, the end of the frame around it."""
        if thing.words == ["output"]:
            return ("left",)
        if thing.nodes:
            return ("at", thing.number)
        self.ports.discard(thing.number)
        return ("out", thing.around[-1])

    def _source(self, thing: Thing) -> Place:
        """A box, or for a port, which stands for what flows in, the frame around."""
        return ("at", thing.number) if thing.nodes else ("in of", thing.around[-1])

    def _loose(
        self, spots: Spots, starts: dict[int, list[Line]], ends: dict[int, list[Line]]
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
        # Where lines are not led through most frames, the first box in one of the others is what is entered.
        through = self.open_in | self.open_out
        if 2 * len(through) <= len(self.frames):
            for frame in self.frames:
                if frame.number not in through:
                    self._first_and_last(frame)

    def _first_and_last(self, frame: Thing) -> None:
        inner = [t for t in self.things if t.around[-1:] == (frame.number,)]
        entered = {b for found in self.links.values() for b in found}
        first = [t for t in inner if t.nodes and self._side(t, "in") not in entered]
        first = [t for t in first if any(self._read_by(node) - t.nodes for node in t.nodes)]
        if len(first) == 1 and ("in of", frame.number) not in self.links:
            self._link(("in of", frame.number), self._side(first[0], "in"))
        last = [t for t in inner if t.nodes and self._side(t, "out of") not in self.links]
        last = [t for t in last if any(self._readers(node) - t.nodes for node in t.nodes)]
        if len(last) == 1 and ("out", frame.number) not in entered:
            self._link(self._side(last[0], "out of"), ("out", frame.number))

    def _side(self, thing: Thing, side: str) -> Place:
        return (side if thing.frame else "at", thing.number)

    def _read_by(self, node: Node) -> set[Node]:
        return {value.node for value in data_inputs(node)}

    def _readers(self, node: Node) -> set[Node]:
        return {user for user in self.graph.consumers[node] if node in self._read_by(user)}

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
            if node in self.home and self.home[node].number in self.dense:
                continue
            for source in self._sources(node):
                if source in self.told and self._says(node, self.told[source]):
                    continue
                if source in self.scope or node in self.scope:
                    way = self._way(source, node)
                    # A head may say in words where inside of a block it begins.
                    said = node in self.home and f"reads {source.path}" in self.home[node].words
                    found.update(_links(way[-2:] if said else way))
        return found

    def _says(self, node: Node, name: str) -> bool:
        """Whether the box of a node, or of a repeat one in it, says that it reads what is called so."""
        home = self.home.get(node)
        near = [home, *(t for t in self.things if home and home.number in t.around)] if home else []
        said = (re.search(r"\bfrom (.+)", " ".join(thing.words)) for thing in near if thing)
        return any(found and name in re.split(r",? ", found[1]) for found in said)

    def _sources(self, node: Node) -> Iterator[Node]:
        """What a layer reads; of what a dense block puts together without a box, each of its parts."""
        todo = [value.node for value in data_inputs(node)]
        while todo:
            source = todo.pop()
            if source in self.home and self.home[source].number in self.dense:
                todo += [value.node for value in data_inputs(source)]
            else:
                yield source

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
        yield from (f"nothing reads {self.things[port].words}" for port in sorted(self.ports))
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


def _links(way: list[tuple[Place, Place]]) -> Iterator[Link]:
    for (_, a), (b, _) in pairwise(way):
        yield a, b

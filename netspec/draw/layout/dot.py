"""Graphviz's `dot` as a layout engine."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil, copysign

from netspec.diagnostics.messages.draw import DotFailed
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Point, Shape

SECONDS = 5
_POINTS = 72.0
# Room around a box that no line of another comes into, in points; between boxes, in inches.
_MARGIN = 3.0
# How far from each other lines bend round a corner, of that.
_NUDGE = 1.2
_ACROSS = 0.12
# What dot takes as the side of a cell.
_LARGEST = 65_000
_TIGHT = 'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"'
_PLAIN = "node [shape=box]; edge [arrowhead=none, tailport=s, headport=n];"


def has_dot() -> bool:
    """Whether Graphviz's `dot` is on the path."""
    return shutil.which("dot") is not None


def place(diagrams: Sequence[Diagram]) -> list[Placed]:
    """Diagrams laid out by `dot`; raises NetspecError where it fails or is slow."""
    scales = [_scale(diagram) for diagram in diagrams]
    texts = [_text(diagram, scale) for diagram, scale in zip(diagrams, scales, strict=True)]
    answers = _run("\n".join(texts)).replace("\\\n", "").split("stop\n")[:-1]
    each = zip(diagrams, answers, scales, strict=True)
    return [_read(diagram, answer, scale) for diagram, answer, scale in each]


def _scale(diagram: Diagram) -> float:
    largest = max((max(shape.w, shape.h) for shape in diagram.shapes), default=0.0)
    return min(1.0, _LARGEST / (largest + 1))


def _text(diagram: Diagram, scale: float) -> str:
    """One diagram in dot, in points times `scale`."""
    down = (diagram.gap - 2 * _MARGIN) / _POINTS
    apart = f"nodesep={_ACROSS * scale:.3f}; ranksep={down * scale:.3f};"
    lines = ["digraph {", f"splines=polyline; {apart}", _PLAIN]
    lines += [_node(i, shape, scale) for i, shape in enumerate(diagram.shapes)]
    count = len(diagram.shapes)
    pins = {"source": range(diagram.entries), "sink": range(count - diagram.exits, count)}
    for rank, numbers in pins.items():
        if numbers:
            lines.append(f"{{rank={rank}; {' '.join(f'n{i};' for i in numbers)}}}")
    tails = Counter(edge.tail for edge in diagram.edges)
    for edge in diagram.edges:
        tail, head = diagram.shapes[edge.tail], diagram.shapes[edge.head]
        # What leads nowhere, as a training-only head, does not push the rest aside.
        aside = " [weight=0]" if edge.head not in tails and tails[edge.tail] > 1 else ""
        start = f"n{edge.tail}" + ("" if _centred(tail) else f":o{edge.out}:s")
        end = f"n{edge.head}" + ("" if _centred(head) else f":i{edge.into}:n")
        lines.append(f"{start} -> {end}{aside};")
    return "\n".join([*lines, "}"])


def _centred(shape: Shape) -> bool:
    return all(ports in ((), (shape.w / 2,)) for ports in (shape.ins, shape.outs))


def _node(number: int, shape: Shape, scale: float) -> str:
    if shape == PIN:
        return f"n{number} [shape=point,width=0.01];"
    w, h = (shape.w + 2 * _MARGIN) * scale, (shape.h + 2 * _MARGIN) * scale
    if _centred(shape):
        box = f"width={w / _POINTS:.4f},height={h / _POINTS:.4f},fixedsize=true"
        return f'n{number} [label="",{box}];'
    w, h = ceil(w), ceil(h)
    ins, outs = (
        _ports(name, [(x + _MARGIN) * scale for x in xs], w)
        for name, xs in (("i", shape.ins), ("o", shape.outs))
    )
    body = _cell(w, h - 2)
    rows = "".join(f"<TR><TD>{_table(row)}</TD></TR>" for row in (ins, body, outs))
    return f"n{number} [shape=plain,label=<<TABLE {_TIGHT}>{rows}</TABLE>>];"


def _table(cells: str) -> str:
    return f"<TABLE {_TIGHT}><TR>{cells}</TR></TABLE>"


def _cell(w: int, h: int, port: str = "") -> str:
    return f'<TD{port} FIXEDSIZE="TRUE" WIDTH="{w}" HEIGHT="{h}"></TD>'


def _ports(name: str, places: Sequence[float], w: int) -> str:
    """A row of cells with a narrow one, two points wide, at each of the places."""
    cells, at = [], 0
    for x, k in sorted((round(x), k) for k, x in enumerate(places)):
        start = max(at, x - 1)
        if start > at:
            cells.append(_cell(start - at, 1))
        cells.append(_cell(2, 1, f' PORT="{name}{k}"'))
        at = start + 2
    if at < w:
        cells.append(_cell(w - at, 1))
    return "".join(cells)


def _run(text: str) -> str:
    """What `dot` answers in its plain format, within the time it has."""
    from graphviz import CalledProcessError, ExecutableNotFound
    from graphviz.backend.execute import run_check

    try:
        done = run_check(
            ["dot", "-Tplain"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            quiet=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NetspecError(DotFailed(f"no layout within {SECONDS} s"), status=4) from None
    except CalledProcessError as error:
        reason = (str(error.stderr).strip().splitlines() or ["no message"])[0][:200]
        raise NetspecError(DotFailed(reason), status=4) from None
    except (ExecutableNotFound, OSError):
        raise NetspecError(DotFailed("it does not start"), status=4) from None
    return str(done.stdout)


def _read(diagram: Diagram, text: str, scale: float) -> Placed:
    """The `plain` format: inches, y up, one line for each node and edge."""
    rows = [line.split() for line in text.splitlines()]
    unit = _POINTS / scale
    width, high = float(rows[0][2]) * unit, float(rows[0][3]) * unit
    corners = [(0.0, 0.0)] * len(diagram.shapes)
    found: dict[tuple[int, int], list[list[Point]]] = {}

    def point(x: str, y: str) -> Point:
        return float(x) * unit, high - float(y) * unit

    for row in rows[1:]:
        number = int(row[1][1:])
        if row[0] == "node":
            shape, (x, y) = diagram.shapes[number], point(row[2], row[3])
            corners[number] = x - shape.w / 2, y - shape.h / 2
        elif row[0] == "edge":
            flat = [point(*row[4 + 2 * k : 6 + 2 * k]) for k in range(int(row[3]))]
            # A polyline comes as Bezier pieces: every third point is a corner.
            found.setdefault((number, int(row[2][1:])), []).append(flat[3:-3:3])
    lines = []
    for edge in diagram.edges:
        tail, head = diagram.shapes[edge.tail], diagram.shapes[edge.head]
        (ax, ay), (bx, by) = corners[edge.tail], corners[edge.head]
        start, end = (ax + tail.outs[edge.out], ay + tail.h), (bx + head.ins[edge.into], by)
        lines.append((start, *found[edge.tail, edge.head].pop(0), end))
    return Placed(width, high, tuple(corners), tuple(_apart(diagram, corners, lines)))


def _apart(
    diagram: Diagram, corners: Sequence[Point], lines: Sequence[Sequence[Point]]
) -> Iterator[tuple[Point, ...]]:
    """The lines, those that would bend round one corner of a box each at a place of its own.

    Lines that have an end in common may share a bend: they are told apart by the other.
    """
    bent: dict[tuple[int, int], list[Edge]] = {}
    middles = [x + shape.w / 2 for shape, (x, _) in zip(diagram.shapes, corners, strict=True)]
    for edge, line in zip(diagram.edges, lines, strict=True):
        points = [*line]
        for i, (x, y) in enumerate(line[1:-1], 1):
            here = bent.setdefault((round(x), round(y)), [])
            others = sum(_strangers(edge, other) for other in here)
            here.append(edge)
            if others:
                near = min(range(len(corners)), key=lambda v: _distance(diagram, corners, v, x, y))
                points[i] = x + min(others, 2) * copysign(_NUDGE, middles[near] - x), y
        yield tuple(points)


def _strangers(one: Edge, other: Edge) -> bool:
    tails = (one.tail, one.out) == (other.tail, other.out)
    return not tails and (one.head, one.into) != (other.head, other.into)


def _distance(diagram: Diagram, corners: Sequence[Point], v: int, x: float, y: float) -> float:
    """From a box to a point beside it."""
    (left, top), shape = corners[v], diagram.shapes[v]
    return max(left - x, x - left - shape.w, top - y, y - top - shape.h)

"""Graphviz: the graph as dot text, and `dot` as a layout engine.

Ids are netspec's own and labels are quoted text, so nothing a spec says can be read as dot.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from netspec.diagnostics import NetspecError, printable
from netspec.draw.labels import label, shape
from netspec.errors.draw import DotFailed
from netspec.graph import Graph

SECONDS = 10
_POINTS = 72.0
_PLAIN = "node [shape=box]; edge [arrowhead=none, tailport=s, headport=n];"


def dot_text(graph: Graph) -> str:
    """Exactly the graph's nodes and edges. Node `n12` is `graph.nodes[12]`; edges give shapes."""
    lines = ["digraph {", f"  label={quoted(graph.name)};", "  node [shape=box];"]
    number = {node: i for i, node in enumerate(graph.nodes)}
    for node, i in number.items():
        lines.append(f"  n{i} [label={quoted(node.path, label(node), shape(node.types[0]))}];")
    for node, i in number.items():
        for value in node.inputs:
            lines.append(f"  n{number[value.node]} -> n{i} [label={quoted(shape(value.type))}];")
    return "\n".join([*lines, "}", ""])


def quoted(*lines: str) -> str:
    """Lines of text as one dot string, which is never HTML, a record or an escape."""
    safe = []
    for line in lines:
        text = printable(line).replace("\\", "\\\\").replace('"', '\\"')
        # A label that begins with < would be HTML; the other signs are those of records.
        safe.append("".join(f"&#{ord(ch)};" if ch in "&<>{}|" else ch for ch in text))
    return '"' + "\\n".join(safe) + '"'


@dataclass(frozen=True, slots=True)
class Placed:
    """Where dot put things, in points with y down: centres of boxes, points along edges."""

    width: float
    height: float
    centres: tuple[tuple[float, float], ...]
    edges: tuple[tuple[tuple[float, float], ...], ...]


def has_dot() -> bool:
    return shutil.which("dot") is not None


def place(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Placed:
    """Boxes of these sizes laid out by `dot`; raises NetspecError where it fails or is slow."""
    lines = ["digraph {", "splines=polyline; nodesep=0.2; ranksep=0.3;", _PLAIN]
    for i, (w, h) in enumerate(sizes):
        box = f"width={w / _POINTS:.4f},height={h / _POINTS:.4f},fixedsize=true"
        lines.append(f'n{i} [label="",{box}];')
    lines += [f"n{a} -> n{b};" for a, b in edges]
    lines.append("}")
    return _read(_run("\n".join(lines)), len(sizes), edges)


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


def _read(text: str, count: int, edges: Sequence[tuple[int, int]]) -> Placed:
    """The `plain` format: inches, y up, one line for each node and edge."""
    rows = [line.split() for line in text.replace("\\\n", "").splitlines()]
    _, _, width, height = rows[0][:4]
    high = float(height) * _POINTS

    def point(x: str, y: str) -> tuple[float, float]:
        return float(x) * _POINTS, high - float(y) * _POINTS

    centres: list[tuple[float, float]] = [(0.0, 0.0)] * count
    found: dict[tuple[int, int], list[tuple[tuple[float, float], ...]]] = {}
    for row in rows:
        if row[0] == "node":
            centres[int(row[1][1:])] = point(row[2], row[3])
        elif row[0] == "edge":
            ends, many = (int(row[1][1:]), int(row[2][1:])), int(row[3])
            flat = [point(*row[4 + 2 * k : 6 + 2 * k]) for k in range(many)]
            # A polyline comes as Bezier pieces: every third point is a corner.
            found.setdefault(ends, []).append(tuple(flat[::3]))
    placed = tuple(found[edge].pop(0) for edge in edges)
    return Placed(float(width) * _POINTS, high, tuple(centres), placed)

"""The whole graph, every layer a box: laid out by Graphviz, or in rows of our own without it."""

from __future__ import annotations

from netspec.diagnostics import NetspecError
from netspec.draw import dot
from netspec.draw.labels import data_inputs, family
from netspec.draw.layered import layered
from netspec.draw.page import MOST_BOXES, framed
from netspec.draw.pieces import Piece, baseline, width_of, wire
from netspec.draw.scene import Box, Group, Item, Scene, Words
from netspec.draw.structure import Step, flat_steps
from netspec.draw.view import View
from netspec.errors.backends import NotInstalled
from netspec.errors.draw import TooManyDrawn

_MOST_WITHOUT_DOT = 600
_INSTALL = "install Graphviz: apt install graphviz, brew install graphviz, or graphviz.org/download"


def flow(view: View) -> Scene:
    """Every layer and every connection.

    Raises NetspecError above 2,000 boxes, and with status 3 for more than 600 without Graphviz.
    """
    steps = flat_steps(view.graph)
    if len(steps) > MOST_BOXES:
        raise NetspecError(TooManyDrawn("flow", len(steps), MOST_BOXES))
    pieces = [_box(step, view) for step in steps]
    edges = _edges(steps)
    if dot.has_dot():
        return framed(view, _by_dot(pieces, edges), "laid out by Graphviz")
    if len(steps) > _MOST_WITHOUT_DOT:
        problem = NotInstalled(f"a flow picture of {len(steps)} boxes", "Graphviz", _INSTALL)
        raise NetspecError(problem, status=3)
    inner = layered(pieces, tuple(edges))
    return framed(view, inner, f"laid out without Graphviz; for its layout {_INSTALL}")


def _edges(steps: tuple[Step, ...]) -> list[tuple[int, int]]:
    made = {node: i for i, step in enumerate(steps) for node in step.nodes}
    found: list[tuple[int, int]] = []
    for i, step in enumerate(steps):
        sources = {
            made[value.node]: None
            for node in step.nodes
            for value in data_inputs(node)
            if made[value.node] != i
        }
        found += [(source, i) for source in sources]
    return found


def _box(step: Step, view: View) -> Piece:
    text, figures = view.label(step), view.numbers(step, step.type)
    w = max(width_of(text), width_of(figures, "note")) + 18
    h = 36.0 if figures else 22.0

    def draw(x: float, y: float) -> list[Item]:
        look = view.look(step)
        ink = look if look != family(step.node.op) else ""
        middle = x + w / 2
        members: list[Item] = [
            Box(x, y, w, h, "leaf", look),
            Words(middle, baseline(y, 22), text, anchor="middle", look=ink),
        ]
        if figures:
            members.append(Words(middle, y + 29, figures, "note", "middle", ink or "muted"))
        hint = view.hint(step.node.path, step, step.type)
        return [Group(tuple(members), step.node.span, step.node.path, hint)]

    return Piece(w, h, w / 2, draw)


def _by_dot(pieces: list[Piece], edges: list[tuple[int, int]]) -> Piece:
    placed = dot.place([(p.w, p.h) for p in pieces], edges)

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        for piece, (cx, cy) in zip(pieces, placed.centres, strict=True):
            found += piece.draw(x + cx - piece.w / 2, y + cy - piece.h / 2)
        for points in placed.edges:
            found.append(wire(*((x + px, y + py) for px, py in points)))
        return found

    return Piece(placed.width, placed.height, placed.width / 2, draw)

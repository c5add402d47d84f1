"""One net as slabs on one screen: what is open, how large, in how many lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.paging import SCREEN
from netspec.draw.layout.pieces import Piece
from netspec.draw.scene import Item, Scene, Words
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Tangle,
    blocks_of,
)
from netspec.draw.structure.labels import data_inputs, family, spelling
from netspec.draw.structure.reading import structure
from netspec.draw.styles.around import framed
from netspec.draw.styles.fold import outline
from netspec.draw.styles.volumes.kinds import is_chain
from netspec.draw.styles.volumes.places import Laid
from netspec.draw.styles.volumes.plans import MOST_LINES, SEEN, Round, planned
from netspec.draw.styles.volumes.read import Opens, Reader
from netspec.draw.styles.volumes.scale import Scale
from netspec.draw.styles.volumes.solids import shifted
from netspec.draw.styles.volumes.words import LINE, times, width, wrapped
from netspec.draw.view import View
from netspec.graph.checked import Node

_AROUND, _NOTES, _NARROWEST = (32.0, 110.0), 22.0, 480.0


def volumes(view: View) -> Scene:
    """The net's feature maps as slabs, from left to right.

    Blocks that are one layer after the other are open, others are one slab; where that does not fit
    a screen, all are closed. `depth` and `expand` of the view open others. Raises NetspecError for
    more connections that cross than can be followed, for open sizes of which none is known to
    be legal, above 400 slabs, and where what was asked for does not fit a screen.
    """
    view = replace(view, followers=False)
    asked = view.depth is not None or bool(view.expand)
    refused: tuple[float, float] | None = None
    for choice, most in ((_asked, MOST_LINES),) if asked else _USUAL:
        reader, rounds = planned(view, choice(view), most)
        for each in rounds:
            if each.narrower and refused and not _is_near(refused):
                continue
            found, tried = _best(reader, each)
            if found is not None:
                return _page(view, *found)
            refused = tried or refused
    assert refused is not None
    reason = f"its slabs take {refused[0]:.0f}×{refused[1]:.0f} points, more than a screen"
    raise NetspecError(CannotDraw(reason, "open fewer blocks, or draw it with --style fold"))


_Size = tuple[float, float]


def _is_near(refused: _Size) -> bool:
    """Whether captions on two levels may make fit what is too wide: they halve it at most."""
    return refused[0] <= 2 * SCREEN[0] and refused[1] <= SCREEN[1]


def _best(reader: Reader, each: Round) -> tuple[tuple[Laid, tuple[str, ...]] | None, _Size | None]:
    """The largest way that fits a screen and is no tower, else the lowest; and what did not fit."""
    best: tuple[float, Laid, tuple[str, ...]] | None = None
    refused: _Size | None = None
    for i, side in enumerate(each.sides):
        if i >= (each.most if best is None else max(each.most, SEEN)):
            break
        laid, scale = each.lay(side)
        notes = _notes(reader, scale, max(laid.w, _NARROWEST))
        w, h = _AROUND[0] + laid.w, _AROUND[1] + laid.up + laid.down + LINE * len(notes)
        if w > SCREEN[0] or h > SCREEN[1]:
            refused = w, h
        elif h <= max(each.low, each.flat * w):
            return (laid, notes), None
        elif best is None or h < best[0]:
            best = h, laid, notes
    return best and best[1:], refused


def _chains(view: View) -> Opens:
    """Opens the blocks that are one layer after the other, in all of their name alike.

    Where the first of a run differs, a slab says how, and the block stays one.
    """
    closed: set[str] = set()
    for block in blocks_of(structure(view.graph)):
        if block.head or not is_chain(block.body):
            closed.add(block.call.block)
    closed |= set(_differing(outline(view.graph, named=False)))
    return lambda block, path, depth: block.call.block not in closed


def _differing(element: Element) -> Iterator[str]:
    """The blocks that stand in runs of which the first differs."""
    match element:
        case Repeat():
            if element.note and isinstance(element.element, Block):
                yield element.element.call.block
            yield from _differing(element.element)
        case Block():
            yield from _differing(element.body)
        case Series() | Tangle():
            for item in element.items:
                yield from _differing(item)
        case Parallel():
            for branch in element.branches:
                yield from _differing(branch)


def _none(view: View) -> Opens:
    return lambda block, path, depth: False


def _asked(view: View) -> Opens:
    return view.is_open


# What is open where nothing is asked for, and in how many lines at most.
_USUAL = ((_chains, 2), (_none, MOST_LINES))


def _notes(reader: Reader, scale: Scale, room: float) -> tuple[str, ...]:
    """What sizes mean and what is not drawn, in lines."""
    assumed = reader.assumed.words
    parts = [*([f"drawn for {assumed}"] if assumed else []), scale.note]
    counts = Counter(spelling(node.op) for node in reader.omitted)
    omitted = [f"{word}{times(count)}" for word, count in counts.items()]
    if omitted:
        parts.append(f"not drawn, as they keep the size: {', '.join(omitted)}")
    if reader.closed:
        parts.append(f"blocks drawn as one: {', '.join(reader.closed)}")
    graph = reader.view.graph
    told = {spelling(node.op): None for node in graph.nodes if _reads_places(node)}
    parts += [f"{word} reads the indices of its pool too" for word in told]
    outputs = graph.outputs
    if len(outputs) > 1:
        parts.append(f"outputs: {', '.join(output.name for output in outputs)}")
    return wrapped("; ".join(parts), room)


def _reads_places(node: Node) -> bool:
    """Whether a layer reads where the values of a pool were."""
    return any(value.index and family(value.node.op) == "pool" for value in data_inputs(node))


def _page(view: View, laid: Laid, notes: tuple[str, ...]) -> Scene:
    """The net under its title, the notes below it."""
    tall = laid.up + laid.down

    below: list[Item] = []

    def draw(x: float, y: float) -> list[Item]:
        for i, line in enumerate(notes):
            at = y + tall + _NOTES + LINE * i
            below.append(Words(x, at, line, "note", look="muted"))
        return [*shifted(laid.items, x, y + laid.up), *below]

    w = max(laid.w, *(width(line) for line in notes))
    inner = Piece(w, tall + _NOTES + LINE * (len(notes) - 1), w / 2, draw)
    scene = framed(replace(view, show=()), inner)
    return replace(scene, caption=(*scene.caption, *below))

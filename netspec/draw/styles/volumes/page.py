"""One net as slabs on one screen: what is open, how large, in how many lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from netspec.diagnostics.messages.draw import CannotDraw, TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.paging import SCREEN
from netspec.draw.layout.pieces import Piece
from netspec.draw.layout.ushape import u_shape
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
from netspec.draw.structure.labels import spelling
from netspec.draw.structure.reading import structure
from netspec.draw.styles.around import framed
from netspec.draw.styles.fold import outline
from netspec.draw.styles.volumes.bends import bent, is_bend, read_bend
from netspec.draw.styles.volumes.kinds import is_chain
from netspec.draw.styles.volumes.lines import in_lines
from netspec.draw.styles.volumes.parts import Chain, Fork, Volume
from netspec.draw.styles.volumes.places import Laid
from netspec.draw.styles.volumes.read import Opens, Reader
from netspec.draw.styles.volumes.rows import Rows
from netspec.draw.styles.volumes.scale import Scale, scale_of
from netspec.draw.styles.volumes.solids import shifted
from netspec.draw.styles.volumes.words import LINE, times, width, wrapped
from netspec.draw.view import View

# The largest side and the most channels in points, the first that fits is taken.
_SIZES = ((200.0, 52.0), (160.0, 42.0), (125.0, 32.0), (95.0, 24.0), (70.0, 17.0), (50.0, 12.0))
Plan = Callable[[int], Iterator[tuple[Laid, Scale]]]
_READABLE, _MOST_LINES, _MOST_VOLUMES = 4, 5, 400
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
    for choice, most_lines in ((_asked, _MOST_LINES),) if asked else _USUAL:
        reader, plan = _planned(view, choice(view))
        for laid, scale in plan(most_lines):
            notes = _notes(reader, scale, max(laid.w, _NARROWEST))
            size = _AROUND[0] + laid.w, _AROUND[1] + laid.up + laid.down + LINE * len(notes)
            if size[0] <= SCREEN[0] and size[1] <= SCREEN[1]:
                return _page(view, laid, notes)
            refused = size
    assert refused is not None
    reason = f"its slabs take {refused[0]:.0f}×{refused[1]:.0f} points, more than a screen"
    raise NetspecError(CannotDraw(reason, "open fewer blocks, or draw it with --style fold"))


def _chains(view: View) -> Opens:
    """Opens the blocks that are one layer after the other, in all of their name alike.

    Where the first of a run differs, a slab says how, and the block stays one.
    """
    closed: set[str] = set()
    for block in blocks_of(structure(view.graph)):
        if block.head or not is_chain(block.body):
            closed.add(block.call.block)
    closed |= set(_differing(outline(view.graph)))
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
_USUAL = ((_chains, 2), (_none, _MOST_LINES))


def _limited(volumes: Iterable[Volume]) -> list[Volume]:
    found = list(volumes)
    if len(found) > _MOST_VOLUMES:
        raise NetspecError(TooManyDrawn("volumes", len(found), _MOST_VOLUMES))
    return found


def _planned(view: View, opens: Opens) -> tuple[Reader, Plan]:
    """The ways to lay the net out, the best ones first: in few lines, and large."""
    series = outline(view.graph)
    u, reader = u_shape(series, view.graph), Reader(view, opens)
    bend = read_bend(u, reader) if u is not None and is_bend(u) else None
    if bend is not None:
        inside = _limited(volume for chain in bend.chains for volume in _volumes(chain))

        def as_u(most_lines: int) -> Iterator[tuple[Laid, Scale]]:
            for side, thick in _SIZES:
                scale = scale_of(inside, side, thick)
                yield bent(bend, scale), scale

        return reader, as_u
    reader = Reader(view, opens)
    chain = reader.chain(series)
    volumes = _limited(_volumes(chain))

    wholes: dict[float, Laid] = {}

    def plan(most_lines: int) -> Iterator[tuple[Laid, Scale]]:
        for lines in range(1, most_lines + 1):
            for side, thick in _SIZES if lines == most_lines else _SIZES[:_READABLE]:
                scale = scale_of(volumes, side, thick)
                rows = Rows(scale)
                whole = wholes.get(side) or wholes.setdefault(side, rows.chain(chain))
                # What is too long whichever way it is broken is not laid out in lines.
                short = whole.w <= lines * SCREEN[0]
                laid = in_lines(chain, whole, rows, lines) if short else None
                if laid is not None:
                    yield laid, scale
        yield whole, scale

    return reader, plan


def _volumes(chain: Chain) -> Iterator[Volume]:
    for item in chain.items:
        if isinstance(item, Volume):
            yield item
        elif isinstance(item, Fork):
            for row in item.rows:
                yield from _volumes(row)
    for _, volume in chain.asides:
        yield volume


def _notes(reader: Reader, scale: Scale, room: float) -> tuple[str, ...]:
    """What sizes mean and what is not drawn, in lines."""
    parts = [*filter(None, (reader.assumed.note,)), scale.note]
    counts = Counter(spelling(node.op) for node in reader.omitted)
    omitted = [f"{word}{times(count)}" for word, count in counts.items()]
    if omitted:
        parts.append(f"not drawn, as they keep the size: {', '.join(omitted)}")
    if reader.closed:
        parts.append(f"blocks drawn as one: {', '.join(reader.closed)}")
    outputs = reader.view.graph.outputs
    if len(outputs) > 1:
        parts.append(f"outputs: {', '.join(output.name for output in outputs)}")
    return wrapped("; ".join(parts), room)


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

"""The ways to lay a net out, in the order in which they are tried: in few lines, and large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from netspec.diagnostics.messages.draw import TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.paging import SCREEN
from netspec.draw.layout.ushape import u_shape
from netspec.draw.styles.fold import outline
from netspec.draw.styles.volumes.bends import Bend, bent, is_bend, read_bend
from netspec.draw.styles.volumes.lines import in_lines
from netspec.draw.styles.volumes.parts import Chain, Fork, Volume
from netspec.draw.styles.volumes.places import Laid
from netspec.draw.styles.volumes.read import Opens, Reader
from netspec.draw.styles.volumes.rows import Rows
from netspec.draw.styles.volumes.scale import Scale, scale_of
from netspec.draw.view import View
from netspec.foundation.records import record

MOST_LINES = 5
# How high a U may be: papers draw it less flat than a row.
_BEND_SHAPE = 760.0, 0.72
# The largest side in points, the largest first, and the most channels as a share of it.
_SIDES, _BEND_SIDES = (200.0, 160.0, 125.0, 95.0, 70.0, 50.0), tuple(range(200, 45, -10))
_THICK = 0.26
# How many of them are tried before a net is laid out otherwise, and how many with captions on two
# levels, or before it is drawn although it is taller than a slide takes.
_READABLE, SEEN = 4, 5
_MOST_VOLUMES = 400


@record
class Round:
    """One way to lay a net out, at sides of several sizes of which the first `most` are readable.

    A picture no higher than `low`, or than the share `flat` of its width, is no tower. `narrower` says
    that it is the one before with captions on two levels.
    """

    lay: Callable[[float], tuple[Laid, Scale]]
    sides: tuple[float, ...]
    most: int
    low: float = 620.0
    flat: float = 0.66
    narrower: bool = False


def planned(view: View, opens: Opens, most_lines: int) -> tuple[Reader, tuple[Round, ...]]:
    """What reads the net with these blocks open, and the ways to lay it out."""
    series = outline(view.graph, named=False)
    u, reader = u_shape(series, view.graph), Reader(view, opens)
    bend = read_bend(u, reader) if u is not None and is_bend(u) else None
    if bend is not None:
        return reader, (_as_u(bend),)
    reader = Reader(view, opens)
    return reader, _in_rows(reader.chain(series), most_lines)


def _as_u(bend: Bend) -> Round:
    inside = _limited(volume for chain in bend.chains for volume in _volumes(chain))

    def lay(side: float) -> tuple[Laid, Scale]:
        scale = scale_of(inside, side, side * _THICK)
        return bent(bend, scale), scale

    return Round(lay, _BEND_SIDES, len(_BEND_SIDES), *_BEND_SHAPE)


def _in_rows(chain: Chain, most_lines: int) -> tuple[Round, ...]:
    volumes = _limited(_volumes(chain))
    wholes: dict[tuple[float, bool], Laid] = {}

    def laying(lines: int, *, staggered: bool = False) -> Callable[[float], tuple[Laid, Scale]]:
        def lay(side: float) -> tuple[Laid, Scale]:
            scale = scale_of(volumes, side, side * _THICK)
            rows = Rows(scale, staggered=staggered)
            key = side, staggered
            whole = wholes.get(key) or wholes.setdefault(key, rows.chain(chain))
            # What is too long whichever way it is broken is not laid out in lines.
            short = whole.w <= lines * SCREEN[0]
            broken = in_lines(chain, whole, rows, lines) if short else None
            return broken or whole, scale

        return lay

    several = range(2, most_lines + 1)
    counts = [len(_SIDES) if lines == most_lines else _READABLE for lines in several]
    return (
        Round(laying(1), _SIDES, _READABLE),
        Round(laying(1, staggered=True), _SIDES, SEEN, narrower=True),
        *(Round(laying(n), _SIDES, count) for n, count in zip(several, counts, strict=True)),
    )


def _limited(volumes: Iterable[Volume]) -> list[Volume]:
    found = list(volumes)
    if len(found) > _MOST_VOLUMES:
        raise NetspecError(TooManyDrawn("volumes", len(found), _MOST_VOLUMES))
    return found


def _volumes(chain: Chain) -> Iterator[Volume]:
    for item in chain.items:
        if isinstance(item, Volume):
            yield item
        elif isinstance(item, Fork):
            for row in item.rows:
                yield from _volumes(row)
    for _, volume in chain.asides:
        yield volume

"""Names beside the points of a chart: none covers another name, a point or a line to one.

Each name tries places around its point and takes the cheapest, in order of crowding and then again
with all others in place: the greedy search of Christensen, Marks and Shieber (1995). Lines from
points to names do not cross each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_REACH, _STEP, _CROWD, _SWEEPS, _ALONG = 150.0, 6.0, 75.0, 3, 8
_GAP, _SLANT = 3.0, 4.0
_COVERS_NAME, _COVERS_POINT, _COVERS_BUBBLE, _NEAR_BUBBLE = 1000.0, 400.0, 150.0, 24.0
_CROSSES_LINE, _PASSES_BUBBLE = 700.0, 60.0
# How far apart names are at least, across and down: side by side they would be read as one.
_APART = np.array([6.0, 1.0])
_ANGLES = np.arange(24) * 2 * np.pi / 24
_TOWARDS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)


def placed(points: Points, radii: Points, sizes: Points, room: tuple[float, float]) -> Points:
    """The middles of the names, one a row as the first `points` are, all in the same units.

    Points beyond the names have none, and are kept free. `radii` are those of the bubbles at the points,
    `sizes` the widths and heights of the names, `room` the width and height that points and names lie
    in, from (0, 0).
    """
    named = points[: len(sizes)]
    middles = named.copy()
    done = np.zeros(len(named), bool)
    gaps = np.hypot(*(named[:, None] - named[None]).transpose(2, 0, 1))
    order = np.argsort((gaps < _CROWD).sum(1), kind="stable")
    for _ in range(_SWEEPS):
        for i in order:
            done[i] = False
            others = named[done], middles[done], sizes[done]
            middles[i] = _best(i, points, radii, sizes[i], others, room)
            done[i] = True
    return middles


def _best(
    own: int,
    points: Points,
    radii: Points,
    size: Points,
    others: tuple[Points, Points, Points],
    room: tuple[float, float],
) -> Points:
    """The cheapest place for one name, from rings around its bubble that cost more and more."""
    found, least = points[own], np.inf
    for away in np.arange(_GAP, _REACH, _STEP):
        if least <= away:
            break
        tried = points[own] + (radii[own] + away + _half(size))[:, None] * _TOWARDS
        cost = away + _SLANT * abs(_TOWARDS[:, 1]) + _outside(tried, size, room)
        cost += _on_bubbles(tried, size, points, radii, own)
        cost += _PASSES_BUBBLE * _passed(tried, size, points, radii, own)
        cost += _on_names(tried, size, points[own], *others)
        if cost.min() < least:
            found, least = tried[int(np.argmin(cost))], float(cost.min())
    return np.asarray(found)


def _half(size: Points) -> Points:
    """How far it is from the middle of a name to its edge, in each direction."""
    across = np.maximum(abs(_TOWARDS), 1e-9)
    return np.asarray((size / 2 / across).min(1))


def _outside(tried: Points, size: Points, room: tuple[float, float]) -> Points:
    outside = ((tried - size / 2 < 0) | (tried + size / 2 > np.array(room))).any(1)
    return np.where(outside, 1e9, 0.0)


def _on_bubbles(tried: Points, size: Points, points: Points, radii: Points, own: int) -> Points:
    """A name may lie on a bubble at a price, on the middle of one hardly ever.

    Beside the bubble of another it would be read as that one's name.
    """
    off = np.maximum(abs(tried[:, None] - points[None]) - size / 2, 0)
    distance = np.hypot(off[..., 0], off[..., 1])
    cost = _COVERS_POINT * (distance < _GAP).sum(1) + _COVERS_BUBBLE * (distance < radii).sum(1)
    near = distance < radii + 2 * _GAP
    near[:, own] = False
    return np.asarray(cost + _NEAR_BUBBLE * near.sum(1))


def _passed(tried: Points, size: Points, points: Points, radii: Points, own: int) -> Points:
    """How many other bubbles a line to the name leads over; twice over the middle, as if it were theirs."""
    ends = _nearest(points[own], tried, size)
    off = _off_line(points[None], points[own], ends[:, None])
    over = (off < radii) * 1.0 + (off < radii / 2)
    over[:, own] = 0
    return np.asarray(over.sum(1))


def _off_line(points: Points, start: Points, end: Points) -> Points:
    """How far points are from lines; arrays of points broadcast."""
    along, off = end - start, points - start
    length = np.maximum((along**2).sum(-1), 1e-9)
    share = np.clip((along * off).sum(-1) / length, 0, 1)
    nearest = off - share[..., None] * along
    return np.asarray(np.hypot(nearest[..., 0], nearest[..., 1]))


def _on_names(
    tried: Points, size: Points, point: Points, points: Points, middles: Points, sizes: Points
) -> Points:
    """What it costs to cover the names that have a place, or to cross lines with them."""
    apart = abs(tried[:, None] - middles[None]) - (size + sizes) / 2 - _APART
    cost = _COVERS_NAME * (apart < 0).all(2).sum(1)
    lines = _along(points, middles, sizes).reshape(-1, 2)
    crossed = (abs(tried[:, None] - lines[None]) < size / 2 + 1).all(2).sum(1)
    own = _along(np.broadcast_to(point, tried.shape), tried, size)
    crossed += (abs(own[:, :, None] - middles) < sizes / 2 + 1).all(3).sum((1, 2))
    ends, others = _nearest(point, tried, size), _nearest(points, middles, sizes)
    lines_crossed = crossings(point, ends[:, None], points, others).sum(1)
    return np.asarray(cost + _COVERS_POINT * crossed / _ALONG + _CROSSES_LINE * lines_crossed)


def crossings(
    start: Points, end: Points, other_start: Points, other_end: Points
) -> NDArray[np.bool_]:
    """Whether lines cross inside both; arrays of points broadcast, the last axis is x and y."""
    first = _side(start, end, other_start) * _side(start, end, other_end) < 0
    second = _side(other_start, other_end, start) * _side(other_start, other_end, end) < 0
    return np.asarray(first & second)


def _side(start: Points, end: Points, point: Points) -> Points:
    """On which side of a line a point lies: the sign."""
    along, off = end - start, point - start
    return np.asarray(along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])


def _nearest(points: Points, middles: Points, sizes: Points) -> Points:
    """Where the lines from points to names end: at the nearest edges of the names."""
    return np.clip(points, middles - sizes / 2, middles + sizes / 2)


def _along(points: Points, middles: Points, sizes: Points) -> Points:
    """Places on the lines from points to names."""
    share = (np.arange(_ALONG) + 0.5)[None, :, None] / _ALONG
    ends = _nearest(points, middles, sizes)
    return np.asarray(points[:, None] + share * (ends - points)[:, None])


def annotate(axis: Any, names: list[str], xs: list[float], ys: list[float], radii: Points) -> None:
    """Writes the names beside the points of a laid-out axis, with a line to those further off.

    `radii` are in points of 1/72 inch. Points beyond the names are kept free of them.
    """
    figure = axis.figure
    scale = figure.dpi / 72
    corner = axis.transAxes.transform((0, 0)) / scale
    room = axis.transAxes.transform((1, 1)) / scale - corner
    pairs = np.array(list(zip(xs, ys, strict=True)))
    points = axis.transData.transform(pairs) / scale - corner
    texts = [axis.text(0, 0, name, fontsize=8, ha="center", va="center") for name in names]
    boxes = [text.get_window_extent() for text in texts]
    sizes = np.array([(box.width / scale, 9.0) for box in boxes])
    middles = placed(points, radii, sizes, (room[0], room[1]))
    back = axis.transData.inverted()
    for text, point, middle, size, radius in zip(
        texts, points, middles, sizes, radii, strict=False
    ):
        text.set_position(back.transform((middle + corner) * scale))
        nearest = _nearest(point, middle, size)
        if np.hypot(*(nearest - point)) > radius + 2 * _GAP:
            ends = back.transform((np.stack([point, nearest]) + corner) * scale)
            colour = text.get_color()
            axis.plot(ends[:, 0], ends[:, 1], color=colour, linewidth=0.4, alpha=0.6)

"""A chain too long for one line, broken as a text is, where nothing reaches across the break."""

from __future__ import annotations

from netspec.draw.layout.pieces import wire
from netspec.draw.scene import Item
from netspec.draw.styles.volumes.joints import Exit
from netspec.draw.styles.volumes.parts import Chain, Fork
from netspec.draw.styles.volumes.places import Laid
from netspec.draw.styles.volumes.rows import Rows
from netspec.draw.styles.volumes.solids import shifted

_BETWEEN, _INDENT = 26.0, 16.0


def in_lines(chain: Chain, whole: Laid, rows: Rows, count: int) -> Laid | None:
    """The chain in `count` lines of about one length, which is `whole` in one line.

    None where it cannot be broken so often.
    """
    if count == 1:
        return whole
    starts = _starts(chain, whole, count)
    if len(starts) < count:
        return None
    ends = [*starts[1:], len(chain.items)]
    lines = [rows.chain(_part(chain, a, b)) for a, b in zip(starts, ends, strict=True)]
    items: list[Item] = []
    right = _INDENT + max(line.w for line in lines) + 8
    y = 0.0
    before: Exit | None = None
    for line in lines:
        axis = y + line.up
        items += shifted(line.items, _INDENT, axis)
        if before is not None:
            level = y - _BETWEEN / 2
            for entry in line.entries:
                x, to = entry.moved(_INDENT, axis).point
                way = ((right, before.points[-1][1]), (right, level), (4.0, level), (4.0, to))
                items.append(wire(*before.points, *way, (x, to)))
        before = line.exits[0].moved(_INDENT, axis)
        y = axis + line.down + _BETWEEN
    tall = y - _BETWEEN
    items = shifted(items, 0.0, -tall / 2)
    return Laid(tuple(items), right + 4, tall / 2, tall / 2, (), ())


def _starts(chain: Chain, whole: Laid, count: int) -> list[int]:
    """Where lines begin, each as near as can be to its share of the whole length."""
    can = [k for k in range(1, len(chain.items)) if _is_free(chain, k)]
    found = [0]
    for i in range(1, count):
        later = [k for k in can if k > found[-1]]
        if later:
            ideal = whole.w * i / count
            found.append(min(later, key=lambda k: abs(whole.spots[k].x - ideal)))
    return found


def _is_free(chain: Chain, k: int) -> bool:
    """Whether a line may begin with item `k`."""
    if isinstance(chain.items[k - 1], Fork) or isinstance(chain.items[k], Fork):
        return False
    arcs = any(a < k <= b for a, b in chain.arcs)
    return (
        not arcs and k not in chain.breaks and not any(b.first < k < b.end for b in chain.brackets)
    )


def _part(chain: Chain, a: int, b: int) -> Chain:
    return Chain(
        chain.items[a:b],
        tuple((i - a, j - a) for i, j in chain.arcs if a <= i and j < b),
        tuple(c.moved(-a) for c in chain.brackets if a <= c.first < b),
        tuple((i - a, volume) for i, volume in chain.asides if a <= i < b),
        tuple(i - a for i in chain.breaks if a <= i < b),
    )

"""Volumes side by side on one axis, what they are below them, how they are made below the gaps."""

from __future__ import annotations

from itertools import groupby, pairwise

from netspec.draw.metrics import total
from netspec.draw.scene import Item, Mark, Words
from netspec.draw.styles.volumes.above import Above
from netspec.draw.styles.volumes.joints import Entry, Exit, joints
from netspec.draw.styles.volumes.labels import labels_of
from netspec.draw.styles.volumes.parts import Bracket, Chain, Fork, Pin, Sign, Volume
from netspec.draw.styles.volumes.parts import Item as Member
from netspec.draw.styles.volumes.places import Laid, Spot
from netspec.draw.styles.volumes.scale import Scale
from netspec.draw.styles.volumes.solids import group, shifted, solid
from netspec.draw.styles.volumes.words import caption, widest, width

_GAP, _FRUSTUM, _APART = 20.0, 30.0, 8.0
_LANE, _ASLANT, _BETWEEN = 34.0, 22.0, 12.0
_RADIUS = 8.0


class Rows:
    """Lays out chains at one scale; words stand below the slabs, or `over` them.

    Where captions would push slabs apart, they stand on two levels if they are `staggered`.
    """

    def __init__(self, scale: Scale, *, over: bool = False, staggered: bool = False) -> None:
        self.scale = scale
        self.over = over
        self.levels = (0, 1) if staggered else (0,)

    def chain(self, chain: Chain, *, lead: bool = True, aslant: bool = False) -> Laid:
        """The chain from left to right. Without `lead`, how its first volume is made goes unsaid.

        What leads to it comes in `aslant` where it is a branch.
        """
        spots = self._spots(chain, lead, aslant)
        items: list[Item] = []
        for i, (before, spot) in enumerate(pairwise(spots), 1):
            if i in chain.breaks:
                continue
            exits = tuple(e.moved(before.x, 0.0) for e in before.laid.exits)
            if isinstance(spot.member, Fork) and not isinstance(before.member, Fork):
                exits = tuple(e.led(spot.x - _ASLANT) for e in exits)
            entries = tuple(e.moved(spot.x, 0.0) for e in spot.laid.entries)
            between = joints(exits, entries)
            if isinstance(before.member, Fork) and before.member.crossing is not None:
                between = [group(before.member.crossing, tuple(between))]
            items += between
        solids = [item for s in spots for item in shifted(s.laid.items, s.x)]
        # A kernel lies on the slab that it slides over.
        items = [*solids, *items]
        labels, up, down = labels_of(spots, over=self.over)
        above = Above()
        for spot in spots:
            above.take(spot.x, spot.right, -up if self.over else -spot.laid.up)
        self._over(chain, spots, above)
        up = max(up, -above.highest)
        right = max((s.right for s in spots), default=0.0)
        w = max([right, above.rightmost, *(_right(label) for label in labels)])
        first, last = spots[0], spots[-1]
        ends = tuple(e.moved(last.x, 0.0) for e in last.laid.exits)
        return Laid(
            (*items, *labels, *above.items),
            w,
            up,
            down,
            tuple(e.moved(first.x, 0.0) for e in first.laid.entries),
            tuple(e.led(w) for e in ends),
            spots=tuple(spots),
        )

    # --- places

    def _spots(self, chain: Chain, lead: bool, aslant: bool) -> list[Spot]:
        laid = self._laid(chain)
        titles: dict[int, list[Bracket]] = {}
        for bracket in chain.brackets:
            titles.setdefault(bracket.end - 1, []).append(bracket)
        spots: list[Spot] = []
        told_ends = [0.0 for _ in self.levels]
        made_end = right = 0.0
        for i, (member, own) in enumerate(zip(chain.items, laid, strict=True)):
            made = member.made if isinstance(member, Volume) and (i or lead) else ()
            told = caption(member, planes=self.scale.planes) if isinstance(member, Volume) else ()
            made_w, told_w = widest(made), widest(told)
            before = spots[-1] if spots else None
            inline = not isinstance(before.member, Fork) if before else not aslant
            x = right + (_gap(before.member, member) if before else 0.0)
            if isinstance(member, Fork) and before and not isinstance(before.member, Fork):
                x = max(x, max(told_ends) + _ASLANT, made_end + _ASLANT)
            if inline and not before:
                x = max(x, (max(made_w, told_w) - own.w) / 2)
            if made and inline and before:
                x = max(x, 2 * (made_end + _APART + made_w / 2) - right)
            elif made:
                x = max(x, made_end + _APART if spots else 0.0)
            level = 0
            if told and spots:
                # Where the caption on each level lets the slab stand.
                aside = _APART + ((told_w - own.w) / 2 if inline else 0.0)
                level = min(self.levels, key=lambda i: max(x, told_ends[i] + aside))
                x = max(x, told_ends[level] + aside)
            x = max(x, 0.0)
            spot = Spot(member, own, x, made, told, inline, level)
            spots.append(spot)
            if told:
                told_ends[level] = spot.middle + told_w / 2
            if made:
                middle = (right + x) / 2 if inline and before else spot.middle
                made_end = middle + made_w / 2
            right = spot.right
            if isinstance(member, Fork):
                # Words keep out of the way of what leads from its rows to what follows.
                made_end = right + _LANE - _APART
                told_ends = [made_end for _ in self.levels]
            for bracket in titles.get(i, ()):
                start = spots[bracket.first].x
                right = max(right, start + width(bracket.title) + _APART)
                told_ends = [max(end, right - _APART) for end in told_ends]
                made_end = max(made_end, right - _APART)
        return spots

    def _laid(self, chain: Chain) -> list[Laid]:
        """Each member once: a fork holds chains. Forks side by side have their rows at the same heights."""
        found: list[Laid] = []
        numbered = list(enumerate(chain.items))

        def rows(pair: tuple[int, Member]) -> int:
            member = pair[1]
            return len(member.rows) if isinstance(member, Fork) else -pair[0] - 1

        for count, run in groupby(numbered, key=rows):
            members = [member for _, member in run]
            if count > 0:
                forks = [member for member in members if isinstance(member, Fork)]
                found += self._forks(forks)
            else:
                found += [
                    self._single(member) for member in members if not isinstance(member, Fork)
                ]
        return found

    def _single(self, member: Volume | Sign | Pin) -> Laid:
        match member:
            case Volume():
                return self._volume(member)
            case Sign():
                mark = group(member.source, (Mark(_RADIUS, 0.0, member.sign, _RADIUS),))
                entry, leave = Entry((0.0, 0.0)), Exit(((2 * _RADIUS, 0.0),))
                ends = (_RADIUS, -_RADIUS), (_RADIUS, _RADIUS)
                return Laid((mark,), 2 * _RADIUS, _RADIUS, _RADIUS, (entry,), (leave,), *ends)
            case Pin():
                entry, leave = Entry((4.0, 0.0)), Exit(((0.0, 0.0),))
                return Laid((), 4.0, 0.0, 0.0, (entry,), (leave,), (2.0, 0.0))

    def _volume(self, volume: Volume) -> Laid:
        drawn = solid(volume, self.scale)
        entries = (Entry(drawn.entry, drawn.into, volume.window),) if volume.reads else ()
        leave = Exit((drawn.exit,), drawn.out)
        size = drawn.w, drawn.up, drawn.down
        return Laid(drawn.items, *size, entries, (leave,), drawn.top, drawn.bottom)

    def _forks(self, forks: list[Fork]) -> list[Laid]:
        """Forks of as many rows each, with their rows at the same heights."""
        laid = [[self.chain(row, aslant=True) for row in fork.rows] for fork in forks]
        ups = [max(row.up for row in rows) for rows in zip(*laid, strict=True)]
        downs = [max(row.down for row in rows) for rows in zip(*laid, strict=True)]
        tall = total(ups) + total(downs) + _BETWEEN * (len(ups) - 1)
        axes, y = [], -tall / 2
        for up, down in zip(ups, downs, strict=True):
            axes.append(y + up)
            y += up + down + _BETWEEN
        return [self._fork(rows, axes, tall) for rows in laid]

    def _fork(self, rows: list[Laid], axes: list[float], tall: float) -> Laid:
        w = max(row.w for row in rows)
        items: list[Item] = []
        entries: list[Entry] = []
        exits: list[Exit] = []
        for row, axis in zip(rows, axes, strict=True):
            items += shifted(row.items, 0.0, axis)
            entries += (e.moved(0.0, axis) for e in row.entries)
            for leaving in row.exits:
                exits.append(leaving.moved(0.0, axis).led(w))
        middle = (w / 2, -tall / 2)
        return Laid(tuple(items), w, tall / 2, tall / 2, tuple(entries), tuple(exits), middle)

    # --- over the row

    def _over(self, chain: Chain, spots: list[Spot], above: Above) -> None:
        for a, b in sorted(chain.arcs, key=lambda arc: (arc[1] - arc[0], arc)):
            (x, y), (z, v) = spots[a].top, spots[b].top
            if isinstance(spots[a].member, Fork):
                x, y = spots[a].right + _LANE / 3, 0.0
            above.arc((x + 3, y), (z - 3, v))
        # From the right, so that no way up passes through what hangs off an earlier item.
        for i, volume in sorted(chain.asides, key=lambda aside: -aside[0]):
            above.aside(spots[i].top, volume, self.scale)
        ends: dict[int, float] = {}
        # Of two brackets over the same items, the inner one comes later.
        inner_first = chain.brackets[::-1]
        for bracket in sorted(inner_first, key=lambda each: each.end - each.first):
            left, right = spots[bracket.first].x, spots[bracket.end - 1].right
            right = max(right, left + width(bracket.title), ends.get(bracket.end, 0.0))
            ends[bracket.end] = right
            above.bracket(left, right, bracket.title, bracket.shared)


def _gap(before: Member, member: Member) -> float:
    if isinstance(before, Fork) or isinstance(member, Fork):
        return _LANE
    if isinstance(before, Volume) and isinstance(member, Volume) and member.window:
        return _FRUSTUM
    return _GAP


def _right(words: Words) -> float:
    return words.x + width(words.text) / 2

"""Volumes and forks with their places in a row."""

from __future__ import annotations

from netspec.draw.scene import Item
from netspec.draw.styles.volumes.joints import Entry, Exit
from netspec.draw.styles.volumes.parts import Item as Member
from netspec.draw.styles.volumes.solids import Point
from netspec.draw.styles.volumes.words import widest
from netspec.foundation.records import record


@record
class Laid:
    """Something with its places: from x = 0 to `w`, `up` and `down` points around the axis."""

    items: tuple[Item, ...]
    w: float
    up: float
    down: float
    entries: tuple[Entry, ...]
    exits: tuple[Exit, ...]
    top: Point = (0.0, 0.0)
    bottom: Point = (0.0, 0.0)
    spots: tuple[Spot, ...] = ()

    @property
    def bottom_x(self) -> float:
        """Where a row is left downwards: below the last of it, from its left."""
        return self.spots[-1].x + self.spots[-1].laid.bottom[0]


@record
class Spot:
    """One member of a row in its place, with its words; what it is stands on a `level` of them."""

    member: Member
    laid: Laid
    x: float
    made: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    inline: bool = True
    level: int = 0

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.x + self.laid.w

    @property
    def middle(self) -> float:
        """The middle of its caption: below it, or to the right of wires that come in aslant."""
        own = self.x + self.laid.w / 2
        return own if self.inline else max(own, self.x + widest((*self.made, *self.told)) / 2)

    @property
    def top(self) -> Point:
        """Where skips leave and arrive."""
        return self.x + self.laid.top[0], self.laid.top[1]

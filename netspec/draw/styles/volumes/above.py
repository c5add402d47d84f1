"""What passes over a row: skips, training-only heads, brackets; each above what it passes."""

from __future__ import annotations

from netspec.draw.layout.pieces import wire
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Item, Words
from netspec.draw.styles.volumes.parts import Volume
from netspec.draw.styles.volumes.scale import Scale
from netspec.draw.styles.volumes.solids import share_mark, shifted, solid
from netspec.draw.styles.volumes.words import LINE, caption, width

_PAD, _TICK = 8.0, 5.0


class Above:
    """The room over a row, taken from below upwards. Heights are negative: y points down."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, float, float]] = []
        self.items: list[Item] = []

    def take(self, left: float, right: float, top: float) -> None:
        """Says that something between `left` and `right` reaches up to `top`."""
        self.taken.append((left, right, top))

    def top(self, left: float, right: float) -> float:
        """How high what lies between two places reaches."""
        return min((t for a, b, t in self.taken if a < right and left < b), default=0.0)

    @property
    def highest(self) -> float:
        """How high anything reaches."""
        return min((t for _, _, t in self.taken), default=0.0)

    @property
    def rightmost(self) -> float:
        """How far to the right anything reaches."""
        return max((right for _, right, _ in self.taken), default=0.0)

    def arc(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A skip from one top to another."""
        (a, y), (b, z) = start, end
        level = self.top(min(a, b) - 2, max(a, b) + 2) - _PAD
        self.items.append(wire((a, y), (a, level), (b, level), (b, z), look="skip"))
        self.take(min(a, b) - 2, max(a, b) + 2, level)

    def aside(self, start: tuple[float, float], volume: Volume, scale: Scale) -> None:
        """A head that hangs off a volume, with its words at its right."""
        x, y = start
        drawn = solid(volume, scale)
        lines = caption(volume, planes=scale.planes)
        left = x + 22
        right = left + drawn.w + 6 + max((width(line) for line in lines), default=0.0)
        tall = max(drawn.up + drawn.down, LINE * len(lines))
        axis = self.top(x - 4, right) - _PAD - tall / 2
        self.items.append(wire((x, y), (x, axis), (left, axis), look="side"))
        self.items += shifted(drawn.items, left, axis)
        at = axis - LINE * len(lines) / 2 + 10
        for i, line in enumerate(lines):
            self.items.append(
                Words(left + drawn.w + 6, at + LINE * i, line, "note", look="muted" if i else "")
            )
        self.take(x - 4, right, axis - tall / 2)

    def bracket(self, left: float, right: float, title: str, shared: str = "") -> None:
        """Words over a line that spans what they are said of, coloured where weights are shared."""
        level = self.top(left, right) - _PAD - _TICK
        ends = ((left, level + _TICK), (left, level), (right, level), (right, level + _TICK))
        self.items.append(wire(*ends, arrow=False, look="thin"))
        self.items += share_mark(left + 1.5, level + 1.5, right - left - 3, shared)
        text = fit(title, SIZES["note"], max(right - left, 30.0))
        self.items.append(Words((left + right) / 2, level - 4, text, "note", "middle", "muted"))
        self.take(left, right, level - LINE - 1)

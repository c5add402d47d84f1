"""How large volumes are drawn: one scale for all sides, one for all channels, one for all units."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

from netspec.draw.styles.volumes.parts import Volume
from netspec.foundation.records import record

# Ratios of largest to smallest side up to which sides are drawn as they are.
_LINEAR = 8.0
_MOST_PLANES = 24
_THINNEST, _SHORTEST, _SHORTEST_BAR = 3.0, 4.0, 8.0
_TALLEST_BAR = 0.85
MOST_FRAMES = 4


@record
class Scale:
    """Points for sizes. `side` and `thick` are those of the largest side and of most channels.

    Sides keep their proportions where the largest is at most eight times the smallest; otherwise
    points grow as the square root, as those of channels and units always do.
    """

    side: float
    thick: float
    largest: int
    most: int
    units: int
    linear: bool
    planes: bool
    maps: bool
    frames: bool

    def length(self, size: int) -> float:
        """The points of a height or width."""
        share = size / self.largest
        return max(_SHORTEST, self.side * (share if self.linear else sqrt(share)))

    def thickness(self, channels: int) -> float:
        """The points that channels take."""
        return max(_THINNEST, self.thick * sqrt(channels / self.most))

    def bar(self, units: int) -> float:
        """The height of a vector's bar."""
        return max(_SHORTEST_BAR, _TALLEST_BAR * self.side * sqrt(units / self.units))

    @property
    def note(self) -> str:
        """What the picture's sizes mean, in words."""
        if not self.maps:
            return "lengths grow as the square roots of the units"
        if self.linear:
            sides = "heights and widths are to scale"
        else:
            sides = "heights and widths grow as the square roots of the sizes"
        if self.planes:
            return f"{sides}, a plane is a map"
        frames = f", frames as up to {MOST_FRAMES} slices" if self.frames else ""
        return f"{sides}, thickness as that of the channels{frames}"


def scale_of(volumes: Iterable[Volume], side: float, thick: float) -> Scale:
    """The scale of a picture in which the largest map is `side` points high."""
    found = list(volumes)
    maps = [volume for volume in found if volume.sides]
    sides = [size for volume in maps for size in volume.sides if size > 1]
    vectors = [volume.channels for volume in found if not volume.sides]
    drawn = [volume for volume in maps if max(volume.sides) > 1]
    planes = any(volume.made for volume in drawn) and all(_is_planes(volume) for volume in drawn)
    largest = max(sides, default=1)
    linear = largest <= _LINEAR * min(sides, default=1)
    most = max((volume.channels for volume in maps), default=1)
    units = max(vectors, default=1)
    frames = any(len(volume.sides) == 3 for volume in drawn)
    return Scale(side, thick, largest, most, units, linear, planes, bool(drawn), frames)


def _is_planes(volume: Volume) -> bool:
    flat = len(volume.sides) == 2 and volume.channels <= _MOST_PLANES
    return flat and volume.copies == len(volume.parts) == 1 and not volume.around

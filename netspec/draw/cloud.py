"""What a chart of a family of nets shows: figures, not graphs, so that a million nets can be one."""

from __future__ import annotations

from netspec.foundation.records import record

Point = tuple[float, float]


@record
class Series:
    """Points of one colour; each of `lines` is a run of them that differ in what the x-axis shows alone."""

    label: str
    points: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...] = ()


@record
class Cloud:
    """Variants of a net by two figures, in series. `front` are those that no other is as good as in both.

    `x` and `y` say what the axes show, `sense` what the front is. Each of its points has a name, which may
    be empty. `note` says what is left out.
    """

    name: str
    x: str
    y: str
    series: tuple[Series, ...]
    front: tuple[tuple[Point, str], ...] = ()
    sense: str = ""
    note: str = ""

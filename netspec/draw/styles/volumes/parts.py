"""What a picture of slabs is made of, before anything has a size on the page."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Union

from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.sizes.shapes import TensorType


@record
class Source:
    """Where something drawn comes from, and what hovering over it tells."""

    span: Span
    path: str
    hint: str


@record
class Part:
    """A share of a volume's channels, with a colour of its own."""

    channels: int
    look: str
    source: Source


@record
class Window:
    """The kernel that a volume is made with, as shares of the map it slides over.

    `grows` says that each input element spreads over a window of the output.
    """

    across: float
    along: float
    grows: bool = False


@record(eq=False, slots=False)
class Volume:
    """What one layer or one closed block gives, as a slab, a bar or a stack of planes.

    `sides` are the sizes of the map that is drawn, none for a vector; those of `kind` may be open.
    `made` are the words for how it is made, `figures` what is told of it besides its size, which is
    not told unless it is `sized`; `copies` is how often it follows itself. `around` says that a skip
    passes by each copy. One that `reads` nothing is where something begins. `shared` is the colour of
    weights that something else has too, none if it is empty.
    """

    kind: TensorType
    sides: tuple[int, ...]
    parts: tuple[Part, ...]
    made: tuple[str, ...]
    name: str = ""
    figures: tuple[str, ...] = ()
    sized: bool = True
    window: Window | None = None
    copies: int = 1
    around: bool = False
    reads: bool = True
    shared: str = ""

    @property
    def channels(self) -> int:
        """The channels of a map, or the units of a vector."""
        return sum(part.channels for part in self.parts)


@record(eq=False, slots=False)
class Sign:
    """A sum or a product, as a circle."""

    sign: str
    source: Source


@record(eq=False, slots=False)
class Pin:
    """A place where a wire begins or ends without a shape."""


@record(eq=False, slots=False)
class Fork:
    """Branches one below the other.

    `crossing` is the step that joins them where nothing but crossing lines shows it: all that
    follows reads all branches.
    """

    rows: tuple[Chain, ...]
    crossing: Source | None = None


Item = Union[Volume, Sign, Pin, Fork]


@record
class Bracket:
    """Words over the items from `first` up to, and without, `end`; `shared` as of a volume."""

    first: int
    end: int
    title: str
    shared: str = ""

    def moved(self, by: int) -> Bracket:
        """The same over items that stand further to the right."""
        return replace(self, first=self.first + by, end=self.end + by)


@record(eq=False, slots=False)
class Chain:
    """Items side by side; `arcs` pass over the others, `asides` hang off an item.

    Nothing leads to the items in `breaks` from those before them.
    """

    items: tuple[Item, ...] = ()
    arcs: tuple[tuple[int, int], ...] = ()
    brackets: tuple[Bracket, ...] = ()
    asides: tuple[tuple[int, Volume], ...] = field(default=())
    breaks: tuple[int, ...] = ()

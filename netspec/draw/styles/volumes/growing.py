"""A chain while it is being made: what the next item reads, and what passes over the others."""

from __future__ import annotations

from netspec.draw.styles.volumes.parts import Bracket, Chain, Fork, Item, Pin, Sign, Volume


class Growing:
    """Items side by side, with -1 for what flows in.

    `flow` are the places that the next item reads: the last one, unless connections cross. `breaks`
    are the items that do not read the one before them.
    """

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.flow: frozenset[int] = frozenset({-1})
        self.arcs: dict[tuple[int, int], None] = {}
        self.breaks: list[int] = []
        self.brackets: list[Bracket] = []
        self.asides: list[tuple[int, Volume]] = []
        # The joins of forks that are drawn only where nothing follows to read all branches.
        self.pending: dict[int, Volume | Sign] = {}

    @property
    def last(self) -> int:
        """The place of the last item."""
        return len(self.items) - 1

    def add(self, item: Item) -> None:
        """One more item, which reads what flows."""
        self._join(item)
        self.items.append(item)
        self.flow = frozenset({self.last})

    def pass_by(self, sources: frozenset[int], to: int) -> None:
        """Connections to an item from places that are not the one before it, or from that too."""
        for source in sorted(sources):
            self.arcs[source, to] = None

    def extend(self, other: Growing, title: str = "", shared: str = "") -> None:
        """Another chain behind this one, under a bracket where it has a title."""
        at, came = len(self.items), self.flow
        if title and other.items:
            self.brackets.append(Bracket(at, at + len(other.items), title, shared))
        if other.items and 0 not in other.breaks:
            self._join(other.items[0])
        self.items += other.items

        def places(i: int) -> frozenset[int]:
            return came if i < 0 else frozenset({at + i})

        for a, b in other.arcs:
            self.pass_by(places(a), at + b)
        self.breaks += [at + i for i in other.breaks]
        self.brackets += [bracket.moved(at) for bracket in other.brackets]
        self.asides += [(max(places(i)), volume) for i, volume in other.asides]
        self.pending |= {at + i: join for i, join in other.pending.items()}
        self.flow = frozenset().union(*map(places, other.flow))

    def _join(self, item: Item) -> None:
        """Connects what flows with the item that is added next."""
        at = len(self.items)
        if isinstance(item, Volume) and not item.reads:
            return
        self.pass_by(self.flow - {at - 1}, at)
        if at - 1 not in self.flow:
            self.breaks.append(at)

    def chain(self) -> Chain:
        """The chain, with a pin before or behind it where an arc begins or ends there."""
        items = list(self.items)
        arcs, breaks = list(self.arcs), list(self.breaks)
        if self.last in self.pending:
            fork = items[-1]
            assert isinstance(fork, Fork)
            items[-1:] = [Fork(fork.rows), self.pending[self.last]]
        elif self.items and self.flow != {self.last}:
            breaks += [] if self.last in self.flow else [len(items)]
            arcs += [(a, len(items)) for a in sorted(self.flow - {self.last})]
        starts = (*(i for i, _ in self.asides), *(a for a, _ in arcs))
        before = 1 if any(i < 0 for i in starts) else 0
        if any(b >= len(items) for _, b in arcs):
            items.append(Pin())
        if before:
            items.insert(0, Pin())
        return Chain(
            tuple(items),
            tuple((a + before, b + before) for a, b in arcs),
            tuple(bracket.moved(before) for bracket in self.brackets),
            tuple((i + before, volume) for i, volume in self.asides),
            tuple(i + before for i in breaks),
        )

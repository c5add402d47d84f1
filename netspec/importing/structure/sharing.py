"""Weights that several steps use: kept together while chains are folded, and said once at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netspec.graph.checked import Node
from netspec.importing.structure.steps import OWNER
from netspec.importing.structure.terms import Chain, Item, Mark, Piece, Ref


class Ties:
    """The nodes of a chain whose weights several use, each with the first of these in the text."""

    def __init__(self, chain: Chain) -> None:
        found: dict[str, list[Node]] = {}
        for item in chain.walk():
            for node in _weighted(item.nodes):
                found.setdefault(node.owner, []).append(node)
        self.users = {nodes[0]: nodes for nodes in found.values() if len(nodes) > 1}
        self.first = {node: nodes[0] for nodes in self.users.values() for node in nodes}
        # What the steps are called whose weights others use.
        self.giving: set[Any] = set()

    def together(self, node: Node, follower: Node) -> bool:
        """Whether a step can say what follows it too: as many use the weights of both, where it has any."""
        if not any(_weighted([follower])):
            return True
        return self._many(node) == self._many(follower)

    def again(self, last: Item, item: Item) -> bool:
        """Whether two equal steps, one after the other, can be one so many times."""
        mine, other = _nodes([last], last=True), _nodes([item])
        return not self.first or self._uses(mine) == self._uses(other)

    def one(self, chains: Sequence[Chain]) -> bool:
        """Whether chains of the same steps have the weights of the first, place by place, and any at all."""
        nodes = [_nodes(chain.items) for chain in chains]
        owners = [[self.first.get(node) for node in own] for own in nodes]
        return bool(nodes[0]) and None not in owners[0] and all(o == owners[0] for o in owners)

    def alike(self, pieces: list[Piece]) -> list[Piece]:
        """Those pieces that can be calls of one block, some with all the weights of another."""
        if not self.first:
            return pieces
        nodes = [_nodes(piece.items) for piece in pieces]
        owning = {node: number for number, piece in enumerate(nodes) for node in piece}
        fits = [self._fits(number, nodes, owning) for number in range(len(pieces))]
        # What uses the weights of a piece goes where that goes, and all of it.
        while True:
            kept = [
                fit and all(fits[n] for n in self._with(nodes[number], owning))
                for number, fit in enumerate(fits)
            ]
            if kept == fits:
                return [piece for piece, fit in zip(pieces, fits, strict=True) if fit]
            fits = kept

    def say(self, bodies: Iterable[Chain]) -> None:
        """Writes into each step or call that has the weights of another which one that is."""
        for body in bodies if self.first else ():
            holding: dict[Node, Item] = {}
            for item in body.walk():
                nodes = _weighted(item.nodes)
                known = {holding.get(self.first[node]) for node in nodes if node in self.first}
                if len(known) == 1 and (giver := known.pop()) is not None:
                    if self._owners(giver) == self._owners(item):
                        _tell(item, giver)
                        self.giving.add(giver.label)
                    continue
                holding.update({self.first[node]: item for node in nodes if node in self.first})

    def _many(self, node: Node) -> int:
        return len(self.users[self.first[node]]) if node in self.first else 1

    def _owners(self, item: Item) -> list[Node | None]:
        return [self.first.get(node) for node in _weighted(_once(item))]

    def _uses(self, nodes: Sequence[Node]) -> list[Any]:
        """For each node of a step: where in it the weights are from, or whose they are."""
        places = {node: number for number, node in enumerate(nodes)}
        found: list[Any] = []
        for node in nodes:
            first = self.first.get(node)
            inside = first is not None and all(user in places for user in self.users[first])
            # Others use these: no step is this one again.
            gives = object() if first is node else first
            found.append(places[first] if inside and first is not None else gives)
        return found

    def _fits(self, number: int, nodes: list[list[Node]], owning: dict[Node, int]) -> bool:
        """Whether a piece has weights of its own alone, or of one other alone, place by place."""
        mine = nodes[number]
        firsts = [self.first.get(node, node) for node in mine]
        givers = {owning.get(first) for first in firsts}
        if givers == {number}:
            others = [user for first in {*firsts} for user in self.users.get(first, ())]
            return all(user in owning for user in others)
        giver = givers.pop() if len(givers) == 1 else None
        if giver is None or len(nodes[giver]) != len(mine):
            return False
        return firsts == [self.first.get(node, node) for node in nodes[giver]]

    def _with(self, piece: list[Node], owning: dict[Node, int]) -> set[int]:
        firsts = {self.first[node] for node in piece if node in self.first}
        return {owning[user] for first in firsts for user in self.users[first] if user in owning}


def _tell(item: Item, giver: Item) -> None:
    if giver.label is None:
        giver.label = Mark()
    if OWNER in item.slots:
        item.put(**{OWNER: Ref(giver.label)})
    else:
        item.slots, item.values = (*item.slots, OWNER), (*item.values, Ref(giver.label))


def _nodes(items: Sequence[Item], *, last: bool = False) -> list[Node]:
    """The nodes with weights of steps and of all in their braces: the first or last time of what repeats."""
    every = (inner for top in items for inner in top.walk())
    return [node for item in every for node in _weighted(_once(item, last=last))]


def _once(item: Item, *, last: bool = False) -> Sequence[Node]:
    """The nodes of a step the first or the last time that it is run."""
    many = len(item.nodes) // item.times if isinstance(item.times, int) else len(item.nodes)
    return item.nodes[-many:] if last and many else item.nodes[:many]


def _weighted(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if node.op.weights(*node.input_types)]

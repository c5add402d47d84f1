"""Shipped blocks recognised in chains: their arguments are found by making them and comparing.

Nothing is known here of any block. Each is made as its file's example has it; steps of the same words
may be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Value
from netspec.importing.structure.probing import Bench, Probe
from netspec.importing.structure.shipped import Shipped, literal, shipped, words_of
from netspec.importing.structure.sizes import Leaf
from netspec.importing.structure.terms import FORK, HEAD, REFERENCE, Chain, Item, Piece, Ref
from netspec.importing.structure.text import Writer, tokens
from netspec.importing.structure.unify import Block, leaves
from netspec.sizes.batch import SAMPLES

# Blocks that are made for one net, all together.
_BUDGET = 300


class Recognising:
    """Replaces the steps of shipped blocks by calls of them, under these defaults."""

    def __init__(self, top: Chain, writer: Writer) -> None:
        self.top, self.writer = top, writer
        self.blocks: dict[str, Block] = {}
        self.known: dict[Any, tuple[Probe, dict[str, Any]] | None] = {}
        self.calls: dict[str, list[Call]] = {}
        # The parameters that were said last, by block: likely to be those of the next.
        self.last: dict[str, dict[str, Any]] = {}
        defaults = "\n".join(
            f"default {word}({', '.join(f'{k}={writer.value(v)}' for k, v in given.items())})"
            for word, given in writer.defaults.items()
        )
        self.bench = Bench(writer, defaults, _BUDGET)

    def run(self) -> None:
        """Looks at every place of every chain, the longest blocks first."""
        lengths = sorted({len(words) for block in shipped() for words in block.words}, reverse=True)
        waiting = [self.top]
        while waiting:
            chain = waiting.pop()
            at = 0
            while at < len(chain.items):
                for length in lengths:
                    piece = Piece(chain, at, length)
                    if at + length <= len(chain.items) and (call := self._call(piece)):
                        chain.items[at : at + length] = [call]
                        break
                waiting += chain.items[at].kids
                at += 1
        for calls in self.calls.values():
            by_channels(calls)

    def _call(self, piece: Piece) -> Item | None:
        items = piece.items
        start, words = items[0].start, words_of(items)
        candidates = [block for block in shipped() if words in block.words]
        if not candidates or start is None or not self._plain(items):
            return None
        wanted = leaves(piece)
        key = (words, str(start.type), tuple((leaf.slot, leaf.value) for leaf in wanted))
        if key not in self.known:
            self.known[key] = self._found(candidates, str(start.type), wanted)
        found = self.known[key]
        if found is None:
            return None
        probe, given = found
        block = probe.block
        word = block.word
        names = [name for name, _ in block.parameters]
        defaults: dict[str, tuple[Any] | None] = {
            name: None if d is None else (literal(d),) for name, d in block.parameters
        }
        made = Block(word, list(defaults.items()), None)
        call = Item(
            word,
            tuple(names),
            tuple(given[name] if name in given else (defaults[name] or ("",))[0] for name in names),
            start=start,
            result=items[-1].result,
            nodes=tuple(node for top in items for item in top.walk() for node in item.nodes),
            label=items[-1].label,
        )
        self.writer.blocks = {**self.blocks, word: made}
        if tokens(self.writer.steps(call)[0]) >= tokens("; ".join(self.writer.told(items))):
            return None
        self.blocks[word] = made
        self.calls.setdefault(word, []).append(Call(call, piece.chain.entry, probe, given))
        return call

    def _plain(self, items: Sequence[Item]) -> bool:
        """Steps that no name leads into or out of, but for that of the last."""
        every = [item for top in items for item in top.walk()]
        named = [item for item in every if item.label is not None and item is not items[-1]]
        odd = any(item.word in (REFERENCE, FORK, HEAD) or item.times != 1 for item in every)
        read = any(isinstance(value, Ref) for item in every for value in item.values)
        frozen = any(item.get("frozen") for item in every)
        start = items[0].start
        whole = (
            start is not None
            and start.type.batch.symbol == SAMPLES.symbol
            and start.type.ids is None
        )
        sized = start is not None and all(isinstance(size, int) for size in start.type.shape)
        return not named and not odd and not read and not frozen and whole and sized

    @property
    def normed(self) -> bool:
        """Whether a block was recognised that has a norm by default."""
        return any(block.normed for block in shipped() if block.word in self.blocks)

    # arguments

    def _found(
        self, blocks: Sequence[Shipped], size: str, wanted: list[Leaf]
    ) -> tuple[Probe, dict[str, Any]] | None:
        plain = "norm" not in self.writer.defaults.get("conv", {})
        bare = all(leaf.value is None for leaf in wanted if leaf.slot == "norm")
        for block in blocks:
            if block.normed and plain and bare:
                continue
            probe = Probe(self.bench, block, size, wanted)
            given = probe.solved(self.last.get(block.word, {}))
            if given is not None:
                self.last[block.word] = given
                return probe, given
        return None


@record(eq=False)
class Call:
    """A call of a shipped block: its step, the tensor whose sizes can be named there, what it is given."""

    item: Item
    entry: Value | None
    probe: Probe
    given: dict[str, Any]

    def other(self, name: str, value: int) -> dict[str, Any]:
        """What it is given with this number in the place of those that it need not be given."""
        needed = {n for n, default in self.probe.block.parameters if default is None}
        kept = {n: v for n, v in self.given.items() if n in needed or type(v) is not int}
        return {**kept, name: value}

    def follows(self, name: str, ratio: Fraction) -> bool:
        """Whether one argument that is so many times the channels makes these steps."""
        number = ratio * (self.channels or 1)
        return number.denominator == 1 and self.probe.wrong(self.other(name, int(number))) == []

    @property
    def channels(self) -> int | None:
        """The channels that can be named there."""
        shape = self.entry.type.shape if self.entry else ()
        return shape[0] if shape and isinstance(shape[0], int) else None


def by_channels(calls: list[Call]) -> None:
    """Gives calls of one block the one argument that follows from the channels in all of them alike.

    Where they are given different ones, as the reduction of some and the width of others.
    """
    first = calls[0]
    optional = [name for name, default in first.probe.block.parameters if default is not None]
    said = {tuple((n, c.given.get(n)) for n in optional) for c in calls}
    if len(said) < 2 or any(call.channels is None for call in calls):
        return
    apart = {(id(call.probe), call.channels): call for call in calls}
    numbers = {leaf.value for leaf in first.probe.wanted if type(leaf.value) is int}
    for name in optional:
        for value in sorted(numbers):
            ratio = Fraction(value, first.channels or 1)
            if not all(call.follows(name, ratio) for call in apart.values()):
                continue
            for call in calls:
                given = call.other(name, int(ratio * (call.channels or 1)))
                call.item.put(
                    **{
                        n: given[n] if n in given else literal(default or "")
                        for n, default in call.probe.block.parameters
                    }
                )
            return

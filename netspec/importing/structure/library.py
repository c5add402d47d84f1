"""Shipped blocks recognised in chains: their arguments are found by making them and comparing.

Nothing is known here of any block. Each is made as its file's example has it; steps of the same words
may be one. Of a parameter that must be given it is seen which values change with it, and how; of the
others, values from the steps themselves are tried where something still differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, islice, product
from typing import Any

from netspec.diagnostics.source import Source
from netspec.elaborate.build import attempted
from netspec.foundation.records import record
from netspec.importing.structure.fusing import ANY, PROJECTION, SHORTCUT, fused
from netspec.importing.structure.regions import nested
from netspec.importing.structure.terms import (
    FORK,
    HEAD,
    REFERENCE,
    Chain,
    Item,
    Piece,
    Ref,
    Tangled,
    forms,
)
from netspec.importing.structure.text import Writer, tokens
from netspec.importing.structure.unify import UNSAID, Block, Leaf, leaves
from netspec.ops.declare.values import Layer
from netspec.sizes.batch import SAMPLES
from netspec.syntax.files import LIBRARY

# Blocks that are made for one net, all together.
_GUESSES = 3
_BUDGET = 300
_EXAMPLE = re.compile(r"^# Example: (input [^;]+); (\w+)(?:\((.*)\))?$", re.MULTILINE)


@record
class Shipped:
    """A block of the library: its parameters, and the words of its steps as its examples have it."""

    word: str
    parameters: tuple[tuple[str, str | None], ...]
    words: frozenset[Any]
    compared: tuple[int, ...]


@cache
def shipped() -> tuple[Shipped, ...]:
    """The library's blocks that take one tensor, no braces and no other layer."""
    found = []
    for path in sorted(LIBRARY.glob("*.ns")):
        text = path.read_text(encoding="utf-8")
        head = re.search(rf"^block {path.stem}\((.*)\) \{{$", text, re.MULTILINE)
        examples = [m for m in _EXAMPLE.finditer(text) if m[2] == path.stem]
        if head is None or not examples:
            continue
        parameters = tuple(
            (name, default or None)
            for name, _, default in (part.strip().partition("=") for part in _parted(head[1]))
        )
        chains = [_made(f"{m[1]}\n{m[2]}({m[3] or ''})") for m in examples]
        words = frozenset(_words(chain.items) for chain in chains if chain and len(chain.items))
        compared = tuple(sorted({int(n) for n in re.findall(r"== (\d+)", text)}))
        if words and parameters[0][0] != "body":
            found.append(Shipped(path.stem, parameters, words, compared))
    return tuple(found)


def _parted(text: str) -> list[str]:
    """Parameters at their commas."""
    return [part for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _words(items: Sequence[Item]) -> Any:
    """The words of steps and of those in their braces, fused ones being one."""
    return tuple((item.word, tuple(_words(kid.items) for kid in item.kids)) for item in items)


def _made(text: str) -> Chain | None:
    """The chain of a text's steps; None where it cannot be built."""
    graph = attempted(Source("probe", text))
    if graph is None:
        return None
    try:
        chain = nested(graph)
    except Tangled:
        return None
    fused(chain)
    return chain


class Recognising:
    """Replaces the steps of shipped blocks by calls of them, under these defaults."""

    def __init__(self, top: Chain, writer: Writer) -> None:
        self.top, self.writer = top, writer
        self.blocks: dict[str, Block] = {}
        self.left = _BUDGET
        self.known: dict[Any, tuple[str, dict[str, Any]] | None] = {}
        # The parameters that were said last, by block: likely to be those of the next.
        self.last: dict[str, dict[str, Any]] = {}
        self.defaults = "\n".join(
            f"default {word}({', '.join(f'{k}={writer.value(v)}' for k, v in given.items())})"
            for word, given in writer.defaults.items()
        )

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

    def _call(self, piece: Piece) -> Item | None:
        items = piece.items
        start, words = items[0].start, _words(items)
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
        word, given = found
        block = next(block for block in candidates if block.word == word)
        names = [name for name, _ in block.parameters]
        defaults: dict[str, tuple[Any] | None] = {
            name: None if d is None else (_literal(d),) for name, d in block.parameters
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
        if tokens(self.writer.steps(call)[0]) >= tokens("; ".join(self._told(items))):
            return None
        self.blocks[word] = made
        return call

    def _told(self, items: Sequence[Item]) -> Iterator[str]:
        return (step for item in items for step in self.writer.steps(item))

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

    # arguments

    def _found(
        self, blocks: Sequence[Shipped], size: str, wanted: list[Leaf]
    ) -> tuple[str, dict[str, Any]] | None:
        for block in blocks:
            probe = _Probe(self, block, size, wanted)
            given = probe.solved(self.last.get(block.word, {}))
            if given is not None:
                self.last[block.word] = given
                return block.word, given
        return None


class _Probe:
    """Looks for the arguments of one block that make these values."""

    def __init__(self, by: Recognising, block: Shipped, size: str, wanted: list[Leaf]) -> None:
        self.by, self.block, self.size, self.wanted = by, block, size, wanted

    def solved(self, likely: dict[str, Any]) -> dict[str, Any] | None:
        guesses = list(self._required())
        for most in (1, 2):
            for given in guesses:
                found = self._completed(given, likely, most)
                if found is not None:
                    return found
        return None

    def _completed(
        self, given: dict[str, Any], likely: dict[str, Any], most: int
    ) -> dict[str, Any] | None:
        """The arguments with those that the block need not be given."""
        wrong = self._wrong(given)
        if wrong is None:
            # Nothing is made with what the block has by default.
            wrong = list(range(len(self.wanted)))
        # As the last use of the block, or as that without one of its arguments.
        for name in ("", *(name for name in likely if name not in given)) if wrong else ():
            other = {n: value for n, value in likely.items() if n != name} | given
            if self._wrong(other) == []:
                return other
        while wrong:
            better = self._better(given, wrong, 1)
            if better is None and most > 1:
                better = self._better(given, wrong, most)
            if better is None:
                return None
            given, wrong = better
        return given

    def _better(
        self, given: dict[str, Any], wrong: list[int], number: int
    ) -> tuple[dict[str, Any], list[int]] | None:
        """The arguments with so many more by which the fewest values are wrong, if that helps."""
        best: tuple[dict[str, Any], list[int]] | None = None
        optional = [name for name, default in self.block.parameters if default is not None]
        values = self._candidates(given, wrong)
        for names in combinations([name for name in optional if name not in given], number):
            for chosen in product(values, repeat=number):
                other = given | dict(zip(names, chosen, strict=True))
                left = self._wrong(other)
                if left is not None and len(left) < len(best[1] if best else wrong):
                    best = other, left
                    if not left or number > 1:
                        return best
        return best

    def _required(self) -> Iterator[dict[str, Any]]:
        """The arguments that must be given, by the values that change with each."""
        names = [name for name, default in self.block.parameters if default is None]
        sizes = [v.value for v in self.wanted if type(v.value) is int and v.value > 1]
        base = {name: max(sizes, default=8) for name in names}
        first = self._values(base)
        if first is None and names:
            return
        found: dict[str, list[Any]] = {}
        for name in names:
            other = self._values(base | {name: 2 * base[name]})
            if first is None or other is None:
                return
            # A value that grows with the argument says what it is.
            wanted = [leaf.value for leaf in self.wanted]
            tried = dict.fromkeys(
                value * base[name] // before
                for before, after, value in zip(first, other, wanted, strict=True)
                if type(before) is type(after) is type(value) is int and after == 2 * before > 0
            )
            found[name] = list(tried) or [base[name]]
        for chosen in islice(product(*found.values()), _GUESSES):
            yield dict(zip(found, chosen, strict=True))

    def _candidates(self, given: Mapping[str, Any], wrong: list[int]) -> list[Any]:
        """What the steps have where the block has something else, and numbers it compares with.

        Of sizes also how many times they are the block's, and go into the channels.
        """
        made = self._values(given)
        values: dict[Any, None] = dict.fromkeys(
            form
            for leaf in (self.wanted[i] for i in wrong)
            for form in forms(leaf.value)
            if form is None or isinstance(form, int | float | str | Layer)
        )
        for i in wrong:
            leaf = self.wanted[i]
            into = leaf.entry.type.shape[0] if leaf.entry and leaf.entry.type.shape else 0
            if type(leaf.value) is int and leaf.value > 0:
                has = made[i] if made else None
                if type(has) is int and has > 0 and leaf.value % has == 0:
                    values[leaf.value // has] = None
                if type(into) is int and into % leaf.value == 0:
                    values[into // leaf.value] = None
        return [*values, *(n for n in self.block.compared if n not in values)]

    def _wrong(self, given: Mapping[str, Any]) -> list[int] | None:
        values = self._values(given)
        if values is None:
            return None
        return [
            i
            for i, (value, leaf) in enumerate(zip(values, self.wanted, strict=True))
            if not _agree(leaf.slot, value, leaf.value)
        ]

    def _values(self, given: Mapping[str, Any]) -> list[Any] | None:
        """The values that the block has with these arguments; None if it cannot have them."""
        self.by.left -= 1
        if self.by.left <= 0:
            return None
        told = ", ".join(f"{name}={self.by.writer.value(value)}" for name, value in given.items())
        text = f"input {self.size}\n{self.by.defaults}\n{self.block.word}({told})\n"
        chain = _made(text)
        if chain is None or not chain.items:
            return None
        found = leaves(Piece(chain, 0, len(chain.items)))
        if [leaf.slot for leaf in found] != [leaf.slot for leaf in self.wanted]:
            return None
        return [leaf.value for leaf in found]


def _agree(slot: str, mine: Any, wanted: Any) -> bool:
    if slot in (SHORTCUT, PROJECTION) and ANY in (mine, wanted):
        return True
    return any(
        bool(form == other) and isinstance(form, bool) == isinstance(other, bool)
        for form in forms(mine)
        for other in forms(wanted)
    )


def _literal(text: str) -> Any:
    """A default as a value; UNSAID where it is an expression."""
    words = {"yes": True, "no": False, "none": None}
    if text in words:
        return words[text]
    if text.isdigit():
        return int(text)
    return text if text.isidentifier() else UNSAID

"""What repeats in chains, folded into counts and blocks as long as the text gets shorter by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from netspec.importing.structure.names import Names
from netspec.importing.structure.sharing import Ties
from netspec.importing.structure.stages import BLOCK, STAGE, staged
from netspec.importing.structure.terms import (
    EACH,
    FOR,
    FORK,
    HEAD,
    REFERENCE,
    Chain,
    Item,
    Piece,
    Ref,
    forms,
)
from netspec.importing.structure.text import Writer, tokens
from netspec.importing.structure.unify import TIMES, Block, leaves, unified

_LONGEST = 16
_TRIED = 16
MOST = 48
# Values, each as often as it is deep. A DenseNet-201 has a fiftieth.
_MOST_NESTED = 500_000
# Parameters that differ between the uses of one block; the others make another block likely.
_VARY = frozenset({"width", "stride", "groups", TIMES, "shortcut", "projection", "heads"})

_Found = tuple[Any, Block, list[Piece], list[tuple[Any, ...]]]


class Folding:
    """Chains, and the blocks found in them."""

    def __init__(
        self,
        top: Chain,
        writer: Callable[[Mapping[str, Block]], Writer],
        names: Names,
        refused: Collection[Any],
        blocks: Mapping[str, Block],
        ties: Ties,
        kept: Collection[Any] = (),
    ) -> None:
        self.top, self.names, self.make, self.refused = top, names, writer, refused
        self.ties = ties
        self.kept = kept
        self.done: list[Any] = []
        self.blocks: dict[str, Block] = dict(blocks)
        self.writer = writer(self.blocks)
        self.shapes: dict[Any, int] = {}

    def run(self, most: int) -> None:
        """Folds until nothing gets shorter, at most so often.

        Chains in which looking for what repeats would take long, being large and deep, stay as they are.
        """
        if self._nested() > _MOST_NESTED:
            return
        self._count()
        self._stages()
        while len(self.done) < min(most, MOST):
            found = self._best()
            if found is None:
                break
            self._fold(*found)
            self._count()
            self._stages()

    def _stages(self) -> None:
        shadowed = STAGE in self.blocks and self.blocks[STAGE] is not BLOCK
        if not shadowed and staged(list(self._chains()), self.blocks):
            self.blocks[STAGE] = BLOCK

    def _nested(self) -> int:
        """The values of all steps, each as often as it is deep: every step is compared with all it holds."""
        found, waiting = 0, [(self.top, 1)]
        while waiting:
            chain, depth = waiting.pop()
            for item in chain.items:
                found += depth * (1 + len(item.values))
                waiting += [(kid, depth + 1) for kid in item.kids]
        return found

    # counts

    def _count(self) -> None:
        """Equal steps one after the other as one step so many times."""
        uses = self._uses()
        for chain in self._chains():
            items: list[Item] = []
            for item in chain.items:
                last = items[-1] if items else None
                if last is not None and self._again(last, item, uses):
                    last.times += item.times
                    last.result, last.label = item.result, item.label
                    last.nodes += item.nodes
                else:
                    items.append(item)
            chain.items = items

    def _again(self, last: Item, item: Item, uses: Counter[Any]) -> bool:
        if (
            last.word != item.word
            or last.word in (REFERENCE, FORK, HEAD, FOR, EACH)
            or last.label is not None
        ):
            return False
        if not isinstance(last.times, int) or not isinstance(item.times, int):
            return False
        if self._shape(last) != self._shape(item):
            return False
        mine, other = (leaves(Piece(Chain([i], None), 0, 1)) for i in (last, item))
        for number, (a, b) in enumerate(zip(mine, other, strict=True)):
            first = number == len(last.slots)
            if not first and (a.value != b.value or type(a.value) is not type(b.value)):
                return False
        closed = self._closed([item], uses) and self._closed([last], uses)
        return closed and self.ties.again(last, item)

    # pieces

    def _chains(self) -> Iterator[Chain]:
        waiting = [self.top, *(block.body for block in self.blocks.values() if block.body)]
        while waiting:
            chain = waiting.pop()
            yield chain
            waiting += [kid for item in chain.items for kid in item.kids]

    def _uses(self) -> Counter[Any]:
        found: Counter[Any] = Counter()
        for chain in self._chains():
            for item in chain.items:
                found.update(v.value for v in item.values if isinstance(v, Ref))
        return found

    def _closed(self, items: Sequence[Item], uses: Counter[Any]) -> bool:
        """Whether what these steps name is read by them alone, but for what the last gives; no output."""
        every = [item for top in items for item in top.walk()]
        labels = [item.label for item in every if item.label is not None and item is not items[-1]]
        if not labels:
            return True
        if any(label in self.kept for label in labels):
            return False
        own = Counter(v.value for item in every for v in item.values if isinstance(v, Ref))
        return all(own[label] == uses[label] for label in labels)

    def _shape(self, item: Item) -> int:
        kids = tuple(tuple(map(self._shape, kid.items)) for kid in item.kids)
        key = (item.word, item.slots, kids)
        return self.shapes.setdefault(key, len(self.shapes))

    def _groups(self) -> dict[Any, list[Piece]]:
        """Pieces by shape, and by shape and the values that seldom vary."""
        found: dict[Any, list[Piece]] = {}
        for chain in self._chains():
            shapes = [self._shape(item) for item in chain.items]
            finer = [self._finer(item) for item in chain.items]
            for at in range(len(shapes)):
                for length in range(1, min(_LONGEST, len(shapes) - at) + 1):
                    if length == 1 and not chain.items[at].kids:
                        continue
                    piece = Piece(chain, at, length)
                    found.setdefault((tuple(shapes[at : at + length]),), []).append(piece)
                    key = (tuple(shapes[at : at + length]), tuple(finer[at : at + length]))
                    found.setdefault(key, []).append(piece)
        return found

    def _finer(self, item: Item) -> int:
        said = tuple(
            (leaf.slot, type(forms(leaf.value)[0]), forms(leaf.value)[0])
            for leaf in leaves(Piece(Chain([item], None), 0, 1))
            if leaf.slot not in _VARY and not isinstance(leaf.value, Ref)
        )
        return self.shapes.setdefault(said, len(self.shapes))

    # the best block

    def _best(self) -> _Found | None:
        uses = self._uses()
        costs: dict[int, int] = {}
        promising: list[tuple[int, Any, list[Piece]]] = []
        for key, pieces in self._groups().items():
            if len(pieces) < 2 or key in self.refused:
                continue
            apart = _apart(pieces)
            if len(apart) < 2:
                continue
            once = self._cost(apart[0].items, costs)
            bound = (
                sum(self._cost(piece.items, costs) for piece in apart) - once - 2 * len(apart) - 6
            )
            if bound > 0:
                promising.append((bound, key, apart))
        promising.sort(key=lambda found: -found[0])
        best: _Found | None = None
        most = 0
        tried = 0
        for bound, key, pieces in promising:
            if bound <= most or tried >= _TRIED * (1 + (best is None)):
                break
            pieces = self.ties.alike([piece for piece in pieces if self._whole(piece, uses)])
            if len(pieces) < 2:
                continue
            tried += 1
            made = unified("block", pieces)
            if made is None:
                continue
            saved = self._saved(*made, pieces, costs, self._freed(made[0], pieces, uses))
            if saved > most:
                most, best = saved, (key, made[0], pieces, made[1])
        return best

    def _whole(self, piece: Piece, uses: Counter[Any]) -> bool:
        items = piece.items
        last = items[-1].word
        flows = items[0].single and items[-1].result is not None
        # What runs at each step sees names of all around it.
        alone = not any(item.word == FOR for top in items for item in top.walk())
        return flows and alone and last not in (FORK, HEAD) and self._closed(items, uses)

    def _cost(self, items: Sequence[Item], costs: dict[int, int]) -> int:
        total = 0
        for item in items:
            if id(item) not in costs:
                bare = item.copy()
                for inner in bare.walk():
                    inner.label = None
                costs[id(item)] = self._tokens([bare]) + 1
            total += costs[id(item)]
        return total

    def _tokens(self, items: Sequence[Item]) -> int:
        writer = self.make(self.blocks)
        return tokens("; ".join(writer.told(items)))

    def _saved(
        self,
        block: Block,
        arguments: list[tuple[Any, ...]],
        pieces: list[Piece],
        costs: dict[int, int],
        freed: Collection[Any],
    ) -> int:
        writer = self.make({**self.blocks, block.word: block})
        size = 3 + len(block.word.split()) + tokens(writer.inline(block.body or Chain([], None)))
        size += 0 if block.given is None else 2
        for _, default in block.parameters:
            size += 2 if default is None else 3 + tokens(writer.value(default[0]))
        before: tuple[Piece, tuple[Any, ...]] | None = None
        for piece, given in zip(pieces, arguments, strict=True):
            follows = (
                before is not None
                and before[0].chain is piece.chain
                and before[0].at + piece.length == piece.at
                and before[1] == given
            )
            again = follows and before is not None and before[0].items[-1].label in (None, *freed)
            size += 1 if again and piece.items[-1].label in (None, *freed) else 0
            if not again:
                size += 1 + tokens(writer.steps(_call(block, piece, given, None))[0])
            before = (piece, given)
        spent = sum(self._cost(piece.items, costs) for piece in pieces)
        return spent + 2 * len(freed) - size

    def _freed(self, block: Block, pieces: list[Piece], uses: Counter[Any]) -> set[Any]:
        """Names that nothing needs once what flows into a block is named in it."""
        if block.given is None:
            return set()
        own: Counter[Any] = Counter()
        for piece in pieces:
            own[piece.flowing] += sum(leaf.flows for leaf in leaves(piece))
        return {name for name, times in own.items() if times == uses[name]} - {*self.kept}

    def _fold(
        self, key: Any, block: Block, pieces: list[Piece], arguments: list[tuple[Any, ...]]
    ) -> None:
        self.done.append(key)
        freed = self._freed(block, pieces, self._uses())
        block.word = self.names.pieces(pieces)
        calls: dict[int, list[tuple[Piece, Item]]] = {}
        for piece, given in zip(pieces, arguments, strict=True):
            call = _call(block, piece, given, piece.items[-1].label)
            calls.setdefault(id(piece.chain), []).append((piece, call))
        for found in calls.values():
            for piece, call in sorted(found, key=lambda pair: -pair[0].at):
                piece.chain.items[piece.at : piece.at + piece.length] = [call]
        self.blocks[block.word] = block
        for item in (item for chain in self._chains() for item in chain.items):
            item.label = None if item.label in freed else item.label


def _call(block: Block, piece: Piece, given: tuple[Any, ...], label: Any) -> Item:
    items = piece.items
    return Item(
        block.word,
        tuple(name for name, _ in block.parameters),
        given,
        start=items[0].start,
        result=items[-1].result,
        nodes=tuple(node for top in items for item in top.walk() for node in item.nodes),
        label=label,
        single=items[0].single,
    )


def _apart(pieces: list[Piece]) -> list[Piece]:
    """Those that do not overlap, from the front."""
    found: list[Piece] = []
    ends: dict[int, int] = {}
    for piece in pieces:
        if ends.get(id(piece.chain), 0) <= piece.at:
            found.append(piece)
            ends[id(piece.chain)] = piece.at + piece.length
    return found

"""Alike pieces of chains as one block: what differs between them becomes its parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Value
from netspec.importing.structure.fusing import ANY, PROJECTION, SHORTCUT
from netspec.importing.structure.sizes import SHAPES, Leaf, comes_to, follows, multiple, of_sizes
from netspec.importing.structure.terms import (
    REFERENCE,
    SIZES,
    Chain,
    Free,
    Item,
    Mark,
    Piece,
    Ref,
    Said,
    bound,
    forms,
)
from netspec.ops.declare.values import Layer
from netspec.ops.registry import REGISTRY

TIMES = "times"
# An argument that a call leaves to an expression of the block.
UNSAID = object()
# What flows into a block.
FLOWING = object()
_MOST = 10
_NAMES = {
    "width": "n",
    "stride": "s",
    "kernel": "k",
    "dilation": "rate",
    TIMES: "count",
    "pad": "pad",
    "heads": "heads",
}
_CHANNELS = re.compile(r"\b[CHWT]\b")
_RESERVED = frozenset({"in", "of", "as", "for", "if", "else", "x"})


@record(frozen=False, eq=False)
class Block:
    """A layer: its word, parameters with what they are by default, and steps; none if shipped.

    `given` is what the tensor that flows in is called in the steps, if they refer to it.
    """

    word: str
    parameters: list[tuple[str, tuple[Any] | None]]
    body: Chain | None
    given: Mark | None = None


@record
class Inner:
    """A tensor that is named in the piece: by the number of its step."""

    step: int


def leaves(piece: Piece) -> list[Leaf]:
    """The values of a piece in order, names that it gives itself as numbers."""
    items = piece.items
    named: dict[Any, Inner] = {
        item.label: Inner(number)
        for number, item in enumerate(i for top in items for i in top.walk())
        if item.label is not None
    }
    flowing = None if piece.flowing is None else Ref(piece.flowing)
    return list(_leaves(items, entered(items), named, flowing, inner=False))


def entered(items: Sequence[Item]) -> Value | None:
    """The tensor whose sizes a chain of these steps has for its own; None in a block."""
    first = items[0]
    if first.word != REFERENCE:
        return first.start
    value = first.values[0]
    return first.result if isinstance(value, Ref) and isinstance(value.value, Value) else None


def _leaves(
    items: Sequence[Item],
    entry: Value | None,
    named: dict[Any, Inner],
    flowing: Ref | None,
    *,
    inner: bool,
) -> Iterator[Leaf]:
    for item in items:
        for slot, value in zip(item.slots, item.values, strict=True):
            if isinstance(value, Ref):
                value = named.get(value.value, value)
            yield Leaf(slot, value, entry, inner, value == flowing is not None)
        yield Leaf(TIMES, item.times, entry, inner)
        for kid in item.kids:
            yield from _leaves(kid.items, kid.entry, named, flowing, inner=True)


def unified(word: str, pieces: Sequence[Piece]) -> tuple[Block, list[tuple[Any, ...]]] | None:
    """One block for pieces of the same shape, and the arguments that make each of them.

    None where they have too little in common.
    """
    columns = list(zip(*map(leaves, pieces), strict=True))
    made = _Parameters(pieces)
    told = [made.told(column) for column in columns]
    if len(made.columns) > _MOST or any(value is _Parameters.REFUSED for value in told):
        return None
    order, defaults = made.ordered()
    given = Mark() if any(value is FLOWING for value in told) else None
    body = _filled(pieces[0], told, given)
    arguments = [
        tuple(made.columns[name][number] for name in order) for number in range(len(pieces))
    ]
    return Block(word, [(name, defaults.get(name)) for name in order], body, given), arguments


class _Parameters:
    """The parameters of a block, found column by column."""

    REFUSED = object()

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.columns: dict[str, tuple[Any, ...]] = {}
        # Words in the pieces stand for parameters of other blocks or for layers.
        self.words = {item.word for piece in pieces for top in piece.items for item in top.walk()}
        self.counts: set[str] = set()

    def told(self, column: tuple[Leaf, ...]) -> Any:
        """What the block says in the place of a column of values."""
        values: tuple[Any, ...] = tuple(leaf.value for leaf in column)
        if (layer := self._of_layers(column)) is not None:
            return layer
        if column[0].slot in SHAPES and (shape := self._of_shapes(column)) is not None:
            return shape
        if column[0].slot == SHORTCUT:
            common = _common(values)
            return self.REFUSED if common is None else common
        if column[0].slot == PROJECTION:
            found = {value for value in values if value is not ANY}
            return self.REFUSED if len(found) > 1 else next(iter(found), ANY)
        inner = [isinstance(value, Inner) for value in values]
        if all(leaf.flows for leaf in column):
            return FLOWING
        if any(inner):
            return values[0] if len(set(values)) == 1 else self.REFUSED
        outer = [
            isinstance(value, Ref) or (isinstance(value, Said) and value.step) for value in values
        ]
        if any(outer) and not all(outer):
            return self.REFUSED
        if column[0].inner and any(
            isinstance(v, Said) and _CHANNELS.search(v.text) for v in values
        ):
            return self._of_inner(column)
        if any(value is UNSAID for value in values):
            return UNSAID if all(value is UNSAID for value in values) else self.REFUSED
        if any(isinstance(value, Free) for value in values):
            common = _common(values)
            if common is not None:
                return common
            values = tuple(forms(value)[0] for value in values)
        scoped = any(isinstance(v, Said) or (isinstance(v, tuple) and bound(v)) for v in values)
        if not scoped and not any(outer) and all(_equal(value, values[0]) for value in values):
            return values[0]
        counted = column[0].slot == TIMES  # how often follows from no size
        for name, known in self.columns.items():
            alike = all(_equal(a, b) for a, b in zip(known, values, strict=True))
            if alike and counted == (name in self.counts):
                return Said(name, any(outer))
        whole = all(type(value) is int for value in values)
        if not any(outer) and not scoped and whole and not counted:
            related = self._of_channels(column) or self._of_others(values)
            if related:
                return Said(related)
        name = self._name(column[0].slot, any(outer))
        if counted:
            self.counts.add(name)
        self.columns[name] = values
        return Said(name, any(outer))

    def _of_layers(self, column: tuple[Leaf, ...]) -> Any:
        """One layer with what its arguments have in common; None where these are not its uses."""
        values = [leaf.value for leaf in column]
        first = values[0]
        if not all(isinstance(value, Layer) and _shape(value) == _shape(first) for value in values):
            return None
        names = [*REGISTRY[first.name].order] if first.name in REGISTRY else []
        slots = [*names[: len(first.positional)], *(name for name, _ in first.named)]
        if len(slots) != len(_given(first)):
            return None
        told = [
            self.told(
                tuple(Leaf(slot, _given(leaf.value)[at], leaf.entry, leaf.inner) for leaf in column)
            )
            for at, slot in enumerate(slots)
        ]
        if any(value is self.REFUSED or value is UNSAID for value in told):
            return self.REFUSED
        number = len(first.positional)
        named = zip(slots[number:], told[number:], strict=True)
        return Layer(first.name, tuple(told[:number]), tuple(named))

    def _of_shapes(self, column: tuple[Leaf, ...]) -> Any:
        """A list of sizes, each of which follows from those of what flows in; None where one does not."""
        values = [leaf.value for leaf in column]
        first = values[0]
        if not all(isinstance(value, tuple) and len(value) == len(first) for value in values):
            return None
        if len(set(values)) == 1 and not bound(first):
            return None
        told: list[Any] = []
        for at in range(len(first)):
            part = tuple(Leaf(leaf.slot, leaf.value[at], leaf.entry, leaf.inner) for leaf in column)
            size = self._of_sizes(part, told)
            if size is None:
                return self.REFUSED if column[0].inner and any(map(bound, values)) else None
            told.append(size)
        return tuple(told)

    def _of_sizes(self, column: tuple[Leaf, ...], before: Sequence[Any]) -> Any:
        """One size of a list: a number, what is said already, or an expression of the sizes that flow in.

        Of heights and widths that are alike it is the one that those `before` it do not say.
        """
        values = [leaf.value for leaf in column]
        if len(set(values)) == 1 and not bound(values[0]):
            return values[0]
        said = next((value for value in values if isinstance(value, Said)), None)
        if said is not None:
            fits = (
                leaf.value == said or comes_to(said.text, leaf) == leaf.value for leaf in column
            )
            return said if column[0].inner and of_sizes(said.text) and all(fits) else None
        said_before = [size.text for size in before if isinstance(size, Said)]
        if related := follows(column, said_before):
            return Said(related)
        related = self._of_others(tuple(values))
        return Said(related) if related else None

    def _of_inner(self, column: tuple[Leaf, ...]) -> Any:
        """An expression of the channels in braces, which stays there; else nothing will do."""
        said = next(leaf.value for leaf in column if isinstance(leaf.value, Said))
        for leaf in column:
            if leaf.value != said and (
                leaf.entry is None or comes_to(said.text, leaf) != leaf.value
            ):
                return self.REFUSED
        return said

    def _of_channels(self, column: tuple[Leaf, ...]) -> str:
        into = [
            leaf.entry.type.shape[0] if leaf.entry and leaf.entry.type.shape else 0
            for leaf in column
        ]
        if not all(isinstance(size, int) and size for size in into):
            return ""
        return multiple("C", into, [leaf.value for leaf in column])

    def _of_others(self, values: tuple[int, ...]) -> str:
        for name, known in self.columns.items():
            whole = all(type(value) is int and value > 0 for value in known)
            if whole and (related := multiple(name, known, values)):
                return related
        return ""

    def _name(self, slot: str, step: bool) -> str:
        word = "from" if step else _NAMES.get(slot, slot)
        word = "y" if step else word
        word = word if word.isidentifier() and word not in _RESERVED else "a"
        name, number = word, 1
        while name in self.columns or name in self.words or name in SIZES:
            number += 1
            name = f"{word}{number}"
        return name

    def ordered(self) -> tuple[list[str], dict[str, tuple[Any]]]:
        """The parameters, those last that have a value by default; and these values."""
        defaults: dict[str, tuple[Any]] = {}
        for name, values in self.columns.items():
            if any(map(bound, values)):
                continue
            value, times = Counter(map(_Typed, values)).most_common(1)[0]
            if times * 2 > 2 + 2 * (len(values) - times):
                defaults[name] = (value.value,)
        names = sorted(self.columns, key=lambda name: name in defaults)
        return names, defaults


def _common(values: Sequence[Any]) -> Any:
    """What all values can be; None if there is no such."""
    found = [form for form in forms(values[0]) if all(form in forms(v) for v in values)]
    if not found:
        return None
    return found[0] if len(found) == 1 else Free(tuple(found))


def _given(layer: Layer) -> tuple[Any, ...]:
    return (*layer.positional, *(value for _, value in layer.named))


def _shape(layer: Layer) -> Any:
    return layer.name, len(layer.positional), tuple(name for name, _ in layer.named)


class _Typed:
    """A value that is equal to those of its type alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Typed) and _equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _filled(piece: Piece, told: list[Any], flowing: Mark | None) -> Chain:
    """A copy of a piece with these values, its own names as marks."""
    copies = [item.copy() for item in piece.items]
    every = [item for top in copies for item in top.walk()]
    marks: dict[int, Mark] = {}
    for number, item in enumerate(every):
        item.label = marks.setdefault(number, Mark()) if item.label is not None else None
    copies[-1].label = None
    values = iter(told)

    def own(value: Any) -> Any:
        if value is FLOWING:
            return Ref(flowing)
        return Ref(marks[value.step]) if isinstance(value, Inner) else value

    def fill(items: Sequence[Item]) -> None:
        for item in items:
            item.values = tuple(own(next(values)) for _ in item.slots)
            item.times = next(values)
            # Other uses have other sizes.
            item.start = None
            for kid in item.kids:
                kid.entry = None
                fill(kid.items)

    fill(copies)
    return Chain(copies, None)

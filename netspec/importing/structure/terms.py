"""Chains of steps that are still to be written down: what a spec will say, without its names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Node, Value
from netspec.ops.declare.values import Layer

# The letters that are sizes of what flows in.
SIZES = frozenset("CDHWTL")
REFERENCE, FORK, HEAD, IDENTITY, RESIDUAL = "@", "{", "head", "identity", "residual"
WINDOWS, FOR = "windows", "for"
# A loop over a bundle, and what one of its tensors is called there.
EACH, ONE = "for each", "one"


class Tangled(Exception):
    """A tensor is needed where its name cannot be seen."""


@record
class Ref:
    """A tensor that is read by its name: one of the graph, or a Mark."""

    value: Any


class Mark:
    """A tensor that a block names itself."""


@record
class Said:
    """An expression of a block's parameters and sizes: `n`, `4*n`, `C//2`; `step` if it is a tensor."""

    text: str
    step: bool = False


@record
class Free:
    """A value that makes the same in several forms, first the one that is preferred."""

    forms: tuple[Any, ...]


def forms(value: Any) -> tuple[Any, ...]:
    """All forms of a value."""
    return value.forms if isinstance(value, Free) else (value,)


def bound(value: Any) -> bool:
    """Whether a value means something else elsewhere: a tensor, an expression, a layer or list of such."""
    if isinstance(value, tuple):
        return any(map(bound, value))
    if isinstance(value, Layer):
        return any(map(bound, (*value.positional, *(inner for _, inner in value.named))))
    return isinstance(value, Ref | Said)


class Item:
    """A step: its word, the values of its parameters by `slots`, and the chains in its braces.

    `start` flows in and `result` out, where one tensor does; `single` says that one flows in.
    `label` is what a name is given to, if it needs one; `way` the shortcut of a residual.
    `nodes` are those that the step makes.
    """

    __slots__ = (
        "kids", "label", "nodes", "result", "single", "slots", "start", "times", "values", "way", "word"
    )  # fmt: skip

    def __init__(
        self,
        word: str,
        slots: tuple[str, ...] = (),
        values: tuple[Any, ...] = (),
        kids: tuple[Chain, ...] = (),
        *,
        start: Value | None = None,
        result: Value | None = None,
        nodes: tuple[Node, ...] = (),
        label: Any = None,
        times: Any = 1,
        single: bool = True,
    ) -> None:
        self.word, self.slots, self.values, self.kids = word, slots, values, kids
        self.start, self.result, self.nodes = start, result, nodes
        self.label, self.times, self.single = label, times, single
        self.way: Chain | None = None

    def __repr__(self) -> str:
        return f"<{self.word} {dict(zip(self.slots, self.values, strict=True))} {self.kids or ''}>"

    def get(self, slot: str) -> Any:
        """The value of a parameter; None where there is no such."""
        return self.values[self.slots.index(slot)] if slot in self.slots else None

    def put(self, **values: Any) -> None:
        """Sets parameters that it has."""
        given = dict(zip(self.slots, self.values, strict=True)) | values
        self.values = tuple(given[slot] for slot in self.slots)

    def walk(self) -> Iterator[Item]:
        """The step and all in its braces, in order."""
        yield self
        for kid in self.kids:
            for item in kid.items:
                yield from item.walk()

    def copy(self) -> Item:
        """A step of its own, and all in its braces."""
        copied = Item(
            self.word,
            self.slots,
            self.values,
            tuple(Chain([item.copy() for item in kid.items], kid.entry) for kid in self.kids),
            start=self.start,
            result=self.result,
            nodes=self.nodes,
            label=self.label,
            times=self.times,
            single=self.single,
        )
        copied.way = self.way
        return copied


class Chain:
    """Steps one after the other; `entry` is the tensor whose sizes `C`, `H` and `W` are in it."""

    __slots__ = ("entry", "items")

    def __init__(self, items: list[Item], entry: Value | None) -> None:
        self.items, self.entry = items, entry

    def __repr__(self) -> str:
        return f"{self.items}"

    def walk(self) -> Iterator[Item]:
        """Every step, those in braces too, in order."""
        for item in self.items:
            yield from item.walk()


@record
class Piece:
    """Steps of a chain from `at` on."""

    chain: Chain
    at: int
    length: int

    @property
    def items(self) -> list[Item]:
        """The steps."""
        return self.chain.items[self.at : self.at + self.length]

    @property
    def flowing(self) -> Any:
        """What the tensor that flows in is referred to as; None where there is no such."""
        if self.at:
            before = self.chain.items[self.at - 1]
            if before.word != REFERENCE:
                return before.label
            return before.values[0].value if isinstance(before.values[0], Ref) else None
        first = self.chain.items[0]
        return self.chain.entry if first.single and first.word != REFERENCE else None


def parts(item: Item) -> list[Any] | None:
    """The names of the tensors of a bundle, where a step does nothing but give them."""
    firsts = [kid.items[0] if len(kid.items) == 1 else None for kid in item.kids]
    labels = [first.label for first in firsts if first is not None and first.word == IDENTITY]
    whole = item.word == FORK and item.label is None and len(labels) == len(firsts)
    return labels if whole and None not in labels else None


def read(value: Value) -> Ref:
    """A tensor by its name, which is that of the step where it is not one of several that flow on."""
    single = len(value.node.outputs[: value.node.op.carried]) == 1
    return Ref(value.node.output if single else value)


def reference(value: Value) -> Item:
    """The step that goes on from a tensor by its name."""
    return Item(REFERENCE, ("step",), (read(value),), start=None, result=value)

"""Layers as an outline: a step as written is one row, blocks are groups, repeats fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from typing import Any

from netspec.analysis.layers import Layer, calls_of
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node
from netspec.sizes.dims import Dim


@record(slots=False)
class Row:
    """One step: a layer with the normalisation and activation that follow it.

    `copies` are the equal steps after it, each reading the one before, that are folded into it.
    """

    layers: tuple[Layer, ...]
    copies: tuple[Row, ...] = ()

    @property
    def path(self) -> str:
        """The path of the row's first layer."""
        return self.layers[0].path

    @cached_property
    def signature(self) -> object:
        """What two rows have in common that are folded into one."""
        return tuple(
            (x.text, x.output, x.params, x.params_frozen, x.buffers, x.macs, x.activation, x.kept)
            for x in self.layers
        )


@record(slots=False)
class Group:
    """A block call and what is in it; `copies` as in `Row`."""

    path: str
    block: str
    items: tuple[Item, ...]
    copies: tuple[Group, ...] = ()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer inside, those of folded copies too, in order."""
        inside = (folded for item in self.items for folded in (item, *item.copies))
        return tuple(layer for item in inside for layer in item.layers)

    @cached_property
    def signature(self) -> object:
        """What two groups have in common that are folded into one."""
        # Calls that differ in what they were given but not in what they made are equal.
        name = self.block.partition("(")[0]
        return name, tuple((item.signature, len(item.copies)) for item in self.items)


Item = Row | Group


@record
class Subtotal:
    """Sums over layers."""

    params: int
    buffers: int
    macs: Dim
    activation: Dim
    kept: int


def subtotal(layers: Iterable[Layer]) -> Subtotal:
    """`params` are all parameters, trained and frozen; `buffers` include constants."""
    params = buffers = kept = 0
    macs: Dim = 0
    activation: Dim = 0
    for layer in layers:
        params += layer.params + layer.params_frozen
        buffers += layer.buffers + layer.constants
        macs = macs + layer.macs
        activation = activation + layer.activation
        kept += layer.kept
    return Subtotal(params, buffers, macs, activation, kept)


def closed(layers: Iterable[Layer], levels: int | None) -> Iterator[Layer]:
    """The layers, blocks inside of `levels` others as one each: its sums, and its last layer's output."""
    if levels is None:
        yield from layers
        return

    def home(layer: Layer) -> Call | Node:
        calls = calls_of(layer.node)
        return calls[levels] if len(calls) > levels else layer.node

    for place, group in groupby(layers, home):
        each = list(group)
        yield _sum_of(place, levels, each) if isinstance(place, Call) else each[0]


def _sum_of(call: Call, levels: int, layers: list[Layer]) -> Layer:
    sums, last = subtotal(layers), layers[-1]
    frozen = sum(layer.params_frozen for layer in layers)
    constants = sum(layer.constants for layer in layers)
    return replace(
        last,
        path=".".join(last.path.split(".")[: levels + 1]),
        op=call.block,
        detail=str(call).removeprefix(call.block).removeprefix("(").removesuffix(")"),
        params=sums.params - frozen,
        params_frozen=frozen,
        buffers=sums.buffers - constants,
        constants=constants,
        macs=sums.macs,
        activation=sums.activation,
        kept=sums.kept,
        shares=None,
        layers=len(layers),
    )


def outline(layers: Iterable[Layer]) -> tuple[Item, ...]:
    """The layers grouped by block, with equal neighbours folded."""
    return _level(_steps(layers), 0)


def _steps(layers: Iterable[Layer]) -> list[Row]:
    """Layers with their followers: nodes that a step's `norm` and `act` added."""
    rows: list[list[Layer]] = []
    expected: list[str] = []
    for layer in layers:
        previous = rows[-1][-1].node if rows else None
        follows = (
            previous is not None
            and expected
            and layer.node.span == previous.span
            and layer.node.call is previous.call
            and layer.node.inputs == (previous.output,)
        )
        if follows:
            rows[-1].append(layer)
            expected = expected[1:]
            continue
        rows.append([layer])
        given = vars(layer.node.op)
        expected = [name for name in layer.node.op.follows if given[name] is not None]
    return [Row(tuple(row)) for row in rows]


def _level(rows: list[Row], depth: int) -> tuple[Item, ...]:
    """Groups the rows by their block call at `depth`, then folds."""
    items: list[Item] = []
    start = 0
    while start < len(rows):
        calls = calls_of(rows[start].layers[0].node)
        if len(calls) <= depth:
            items.append(rows[start])
            start += 1
            continue
        end = start
        while end < len(rows) and calls_of(rows[end].layers[0].node)[depth : depth + 1] == (
            calls[depth],
        ):
            end += 1
        call = calls[depth]
        path = ".".join(rows[start].path.split(".")[: depth + 1])
        items.append(Group(path, str(call), _level(rows[start:end], depth + 1)))
        start = end
    return _folded(items)


def _folded(items: list[Item]) -> tuple[Item, ...]:
    runs: list[list[Any]] = []
    for item in items:
        if runs and _repeats(runs[-1][0], runs[-1][-1], item):
            runs[-1].append(item)
        else:
            runs.append([item])
    return tuple(replace(first, copies=tuple(copies)) for first, *copies in runs)


def _repeats(first: Item, before: Item, item: Item) -> bool:
    """Whether `item` does again what `first` did, to what `before` made. Equal branches do not."""
    if item.signature != first.signature or _stem(item.path) != _stem(first.path):
        return False
    made = {layer.node for layer in before.layers}
    return any(value.node in made for layer in item.layers for value in layer.node.inputs)


def _stem(path: str) -> str:
    return path.rstrip("0123456789")

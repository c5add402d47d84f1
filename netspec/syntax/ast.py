"""The syntax tree: what was written, with where it was written. Nothing here is checked.

Spans are `(start, end)` character offsets into the one source a `File` was parsed from.
"""

from __future__ import annotations

from netspec.diagnostics.source import Source
from netspec.foundation.records import record

Extent = tuple[int, int]


# --- expressions


@record(eq=False)
class Number:
    value: int | float
    extent: Extent


@record(eq=False)
class Text:
    value: str
    extent: Extent


@record(eq=False)
class Dims:
    """`3x224x224`, `1x7`, `3xHxW`: integers and symbols."""

    parts: tuple[int | str, ...]
    extent: Extent


@record(eq=False)
class Variable:
    name: str
    extent: Extent


@record(eq=False)
class Reference:
    """`@name` or `@name.inner`."""

    parts: tuple[str, ...]
    extent: Extent


@record(eq=False)
class Call:
    """`round8(x)` or a layer given as a value, `leaky(0.1)`."""

    name: str
    arguments: tuple[Argument, ...]
    extent: Extent


@record(eq=False)
class Binary:
    operator: str
    left: Expression
    right: Expression
    extent: Extent


@record(eq=False)
class Unary:
    operator: str
    operand: Expression
    extent: Extent


@record(eq=False)
class Choose:
    """`a if condition else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    extent: Extent


@record(eq=False)
class Sequence:
    """`(a, b)` or `[a, b]`."""

    items: tuple[Expression, ...]
    extent: Extent


Expression = Number | Text | Dims | Variable | Reference | Call | Binary | Unary | Choose | Sequence


@record(eq=False)
class Argument:
    """`name=value`, or `value` with `name` None."""

    name: str | None
    value: Expression
    extent: Extent


# --- steps


@record(eq=False)
class Chain:
    links: tuple[Link, ...]
    extent: Extent


@record(eq=False)
class Branches:
    chains: tuple[Chain, ...]
    extent: Extent


@record(eq=False)
class Head:
    """`conv3-64/2(pad=1)`, `stage(64, 3)`, `concat { | a | b }`, `residual { a }`.

    `word` is what was typed before the dash, kernel included.
    """

    word: str
    width: Expression | None
    stride: Expression | None
    arguments: tuple[Argument, ...]
    body: Chain | Branches | None
    word_extent: Extent
    extent: Extent


@record(eq=False)
class If:
    condition: Expression
    then: Chain
    otherwise: Chain | If | None
    extent: Extent


@record(eq=False)
class For:
    variable: str
    first: Expression
    last: Expression
    body: Chain
    extent: Extent


@record(eq=False)
class TrainingHead:
    name: str
    arguments: tuple[Argument, ...]
    body: Chain
    extent: Extent


@record(eq=False)
class Freeze:
    body: Chain
    extent: Extent


Action = Head | Reference | Branches | If | For | TrainingHead | Freeze


@record(eq=False)
class Step:
    action: Action
    repeat: Expression | None
    name: str | None
    name_extent: Extent | None
    extent: Extent


@record(eq=False)
class Default:
    word: str
    arguments: tuple[Argument, ...]
    word_extent: Extent
    extent: Extent


@record(eq=False)
class Broken:
    """Stands where a statement could not be read; its diagnostic has been reported."""

    extent: Extent


Link = Step | Default | Broken


# --- declarations


@record(eq=False)
class Parameter:
    name: str
    default: Expression | None
    extent: Extent


@record(eq=False)
class Net:
    name: str
    parameters: tuple[Parameter, ...]
    base: Call | None
    extent: Extent


@record(eq=False)
class Block:
    name: str
    parameters: tuple[Parameter, ...]
    inputs: tuple[str, ...]
    body: Chain
    inline: bool
    extent: Extent


@record(eq=False)
class Import:
    names: tuple[tuple[str, Extent], ...]
    origin: str | None
    extent: Extent


@record(eq=False)
class Input:
    name: str | None
    shape: Expression
    modifiers: tuple[Call, ...]
    extent: Extent


@record(eq=False)
class Output:
    names: tuple[tuple[str, Extent], ...]
    extent: Extent


@record(eq=False)
class Metadata:
    """`paper "..."`, `year 2014`."""

    key: str
    value: Expression
    extent: Extent


@record(eq=False)
class Pairs:
    """`expect params=61706, macs=416520`; `error top5=7.3, source="..."`."""

    key: str
    pairs: tuple[Argument, ...]
    extent: Extent


Item = Net | Block | Import | Input | Output | Default | Metadata | Pairs | Step | Broken


@record(eq=False)
class File:
    """`lost` are the words in statements that could not be read."""

    source: Source
    items: tuple[Item, ...]
    lost: frozenset[str] = frozenset()

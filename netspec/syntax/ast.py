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
    """A number: `3`, `0.5`."""

    value: int | float
    extent: Extent


@record(eq=False)
class Text:
    """A text in quotes."""

    value: str
    extent: Extent


@record(eq=False)
class Dims:
    """`3x224x224`, `1x7`, `3xHxW`: integers and symbols."""

    parts: tuple[int | str, ...]
    extent: Extent


@record(eq=False)
class Variable:
    """A word where a value stands: `n`, `C`, `same`."""

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
    """Two operands and what is between: `n * 2`, `a and b`, `x < 3`."""

    operator: str
    left: Expression
    right: Expression
    extent: Extent


@record(eq=False)
class Unary:
    """An operand and what is before it: `-n`, `not x`."""

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


@record(eq=False)
class Indexed:
    """`depths[0]`: one item of a list, counted from 0, or with -1 from its end."""

    of: Expression
    index: Expression
    extent: Extent


Expression = (
    Number
    | Text
    | Dims
    | Variable
    | Reference
    | Call
    | Binary
    | Unary
    | Choose
    | Sequence
    | Indexed
)


@record(eq=False)
class Argument:
    """`name=value`, or `value` with `name` None."""

    name: str | None
    value: Expression
    extent: Extent


# --- steps


@record(eq=False)
class Chain:
    """Steps one after another: `conv3-64; relu`."""

    links: tuple[Link, ...]
    extent: Extent


@record(eq=False)
class Branches:
    """Braces with bars: `{ | a | b }`."""

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
    """`if condition { ... } else { ... }`; `otherwise` may be another `if`."""

    condition: Expression
    then: Chain
    otherwise: Chain | If | None
    extent: Extent


@record(eq=False)
class For:
    """`for i in 1..3 { ... }`: the braces once for each value, both ends included.

    Without `last`, `first` is a list, `for k, s in [(3, 1), (5, 2)]`. Branches stand side by side.
    """

    variables: tuple[str, ...]
    first: Expression
    last: Expression | None
    body: Chain | Branches

    @property
    def bounds(self) -> tuple[Expression, ...]:
        """What says over which values the loop goes: two ends, or a list."""
        return (self.first,) if self.last is None else (self.first, self.last)

    extent: Extent


@record(eq=False)
class Recurrence:
    """`for x_t in @x { ... }`: the chain once for each step of a sequence, by the same weights.

    Branches are run on each tensor that `@x` carries, side by side.
    """

    variable: str
    sequence: Reference
    body: Chain | Branches
    extent: Extent


@record(eq=False)
class TrainingHead:
    """`head aux(loss=0.3) { ... }`: an output that acts in training only."""

    name: str
    arguments: tuple[Argument, ...]
    body: Chain
    extent: Extent


@record(eq=False)
class Freeze:
    """`freeze { ... }`: steps that training leaves alone."""

    body: Chain
    extent: Extent


@record(eq=False)
class Every:
    """`every { ... }`: what flows in and what each step makes, a bundle."""

    body: Chain
    extent: Extent


Action = Head | Reference | Branches | If | For | Recurrence | TrainingHead | Freeze | Every


@record(eq=False)
class Step:
    """An action, how often it is run, and the name behind `as`: several name a bundle's tensors."""

    action: Action
    repeat: Expression | None
    name: str | None
    name_extent: Extent | None
    extent: Extent
    parts: tuple[tuple[str, Extent], ...] = ()

    @property
    def named(self) -> tuple[tuple[str, Extent], ...]:
        """Every name behind `as`, and where it stands."""
        if self.name is None or self.name_extent is None:
            return self.parts
        return ((self.name, self.name_extent),)


@record(eq=False)
class Default:
    """`default conv(pad=same)`: arguments for the layers of that word."""

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
    """A parameter of a net or block, with its default if it has one."""

    name: str
    default: Expression | None
    extent: Extent


@record(eq=False)
class Net:
    """`net name(parameters)`; `base` is the net that it varies."""

    name: str
    parameters: tuple[Parameter, ...]
    base: Call | None
    extent: Extent


@record(eq=False)
class Block:
    """`block name(parameters) of inputs { ... }`; an inline one opens no level of the path."""

    name: str
    parameters: tuple[Parameter, ...]
    inputs: tuple[str, ...]
    body: Chain
    inline: bool
    extent: Extent


@record(eq=False)
class Import:
    """`import a, b from file`: the names, and the file that holds them if it is not their own."""

    names: tuple[tuple[str, Extent], ...]
    origin: str | None
    extent: Extent


@record(eq=False)
class Input:
    """`input name: 3x224x224` and what is said behind the shape."""

    name: str | None
    shape: Expression
    modifiers: tuple[Call, ...]
    extent: Extent


@record(eq=False)
class Output:
    """`output a, b`: the names of what the net gives."""

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

"""What a comparison of two nets found."""

from __future__ import annotations

from netspec.analysis.costs import Costs
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node


@record(slots=False)
class Change:
    """One thing that was written otherwise, with all that follows from it.

    `kind` is step, repeat, default, parameter, condition, input, output, head, inserted, removed, moved
    or rewired.
    `before` and `after` are the texts, empty where there is none. `place` is in the second spec, or in the
    first for what was removed; `old` is the place in the first. `effects` say in words what it does to
    the net. `removed`, `inserted` and `changed` are the paths of the layers that it concerns: of
    changed ones those in the second net.
    """

    kind: str
    before: str
    after: str
    place: Span
    old: Span | None = None
    effects: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    inserted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@record(slots=False)
class Tensors:
    """Which tensors of the first net's state_dict the second net's takes, by name.

    `same` have the same name and shape; `renamed` are (old, new) of one shape; `reshaped` are (old name,
    new name, old shape, new shape); `new` and `gone` are of layers that only one net has. `misled` would load
    by name and shape, though into another layer.
    """

    same: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    reshaped: tuple[tuple[str, str, tuple[int, ...], tuple[int, ...]], ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    misled: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`load` as they are, `rename` after which they load, or `partly`."""
        if self.reshaped or self.new or self.gone:
            return "partly"
        return "rename" if self.renamed else "load"


@record(slots=False)
class Found:
    """The difference of two nets. `pairs` are the nodes that both have.

    `shapes` are (name, before, after) of inputs and outputs that have another type; empty for none. `note`
    says what was done to a net before it was compared, if something was.
    """

    a: Graph
    b: Graph
    changes: tuple[Change, ...]
    costs: tuple[Costs, Costs]
    shapes: tuple[tuple[str, str, str], ...]
    tensors: Tensors
    pairs: dict[Node, Node]
    note: str = ""

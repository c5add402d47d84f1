"""Which tensors of a file become which of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.structure.arrange import Doubt, Match
from netspec.foundation.records import record
from netspec.weights.sources import shape_text

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array

# A part that no tensor of the file is: zeros.
ZEROS = "zeros"


class Change(Protocol):
    """What makes a tensor of the graph of one of the file."""

    def __call__(self, stored: Array, shape: Shape) -> Array:
        """The stored tensor as one of this shape."""
        ...


@record
class Pair:
    """A tensor of the graph and what of the file it is taken from.

    `parts` are tensors of the file that follow each other on its first axis, mostly one. `how` says
    what decided: `name`, `map`, `order`, `shape`, `axes`, `names`, `numbers`, `flow`, `repeats` or
    `words`. `turn` brings outputs to the front where the file has them last, or heads where they are
    mixed. `names` are those in the file where parts are folded from others.
    """

    ours: str
    parts: tuple[str, ...]
    how: str
    turn: Change | None = None
    names: tuple[str, ...] = ()

    @property
    def theirs(self) -> str:
        """The tensor's name in the file, or the names of what it is joined from."""
        return " + ".join(self.names or self.parts)


@record
class Misfit:
    """A tensor of the graph whose shape is not that of the file's."""

    ours: str
    theirs: str
    need: Shape
    have: Shape

    def __str__(self) -> str:
        called = f" ({self.theirs} in the file)" if self.theirs != self.ours else ""
        return f"{self.ours}{called} is {shape_text(self.have)}, not {shape_text(self.need)}"


@record(frozen=False, slots=False)
class Plan:
    """Which tensors are taken, and what is left over on either side.

    `turns` say how those tensors of the graph are read that the file's layout concerns. `settling` is
    a map of layers that would decide what is in doubt.
    """

    turns: Mapping[str, Change] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)
    misshaped: list[Misfit] = field(default_factory=list)
    training_only: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    settling: dict[str, str] = field(default_factory=dict)

    @property
    def may_fit(self) -> bool:
        """Whether everything has its place, though which may be in doubt."""
        return not (self.missing or self.surplus or self.misshaped)

    @property
    def fits(self) -> bool:
        """Whether everything has its place and nothing is in doubt."""
        return self.may_fit and not self.doubts

    def take(self, matches: Iterable[Match]) -> None:
        """Pairs every tensor of the matched layers with the file's tensor of the same role."""
        for match in matches:
            theirs = {tensor.role: tensor.names for tensor in match.module.tensors}
            for tensor in match.layer.tensors:
                self.pair(tensor.name, theirs[tensor.role], match.how)

    def pair(self, ours: str, parts: tuple[str, ...], how: str) -> None:
        """Pairs one of our tensors with those of the file; `how` is what decided it."""
        self.pairs.append(Pair(ours, parts, how, self.turns.get(ours)))

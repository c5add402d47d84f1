"""What one build has done so far, in the order it was done: a call is a stretch of each list."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from netspec.foundation.records import record
from netspec.graph.checked import Head, Node, Value
from netspec.sizes.asked import Question
from netspec.sizes.conditions import Condition

if TYPE_CHECKING:
    from netspec.syntax.units import Unit


class Mark(NamedTuple):
    """How much had been done at a time: the length of each list of a trace, and each of its numbers."""

    nodes: int
    heads: int
    results: int
    asked: int
    stated: int
    used: int
    runs: int
    counted: int
    parameters: int
    size: int
    added: int


@record(frozen=False, eq=False)
class Trace:
    """What a build has done.

    `results` is what each block call gave, by its path, `asked` what was asked of sizes, `stated` the
    conditions on them, `used` the files that blocks were taken from. `runs` counts steps as they run,
    `counted` how often a repeat was counted before, and `depth` how many calls are running;
    `deepest` is the most there were.
    """

    nodes: list[Node]
    heads: list[Head] = field(default_factory=list)
    results: list[tuple[str, tuple[Value, ...]]] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    stated: list[Condition] = field(default_factory=list)
    used: list[Unit] = field(default_factory=list)
    runs: int = 0
    counted: int = 0
    depth: int = 0
    deepest: int = 0

    def mark(self, parameters: int, size: int, added: int) -> Mark:
        """What has been done by now; what the trace does not hold is given."""
        return Mark(
            len(self.nodes),
            len(self.heads),
            len(self.results),
            len(self.asked),
            len(self.stated),
            len(self.used),
            self.runs,
            self.counted,
            parameters,
            size,
            added,
        )

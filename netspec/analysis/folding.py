"""What folding saves: steps, stored numbers and multiply-adds."""

from __future__ import annotations

from typing import Any

from netspec.analysis.costs import costs
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.passes.folding.draft import Folded, Into
from netspec.sizes.dims import Dim


@record
class Savings:
    """Each figure as the net is written and as it is folded, inputs left out.

    `numbers` are all that is stored, statistics included; `macs` those of one sample.
    """

    steps: tuple[int, int]
    numbers: tuple[int, int]
    macs: tuple[Dim, Dim]
    into: tuple[Into, ...]
    dropped: tuple[str, ...]
    moved: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether anything was folded, dropped or moved."""
        return bool(self.into or self.dropped or self.moved)

    def __str__(self) -> str:
        """One line: `folded: 176 to 123 steps, ...`; only what became less is told."""
        figures = (
            (self.steps, "steps"),
            (self.numbers, "numbers stored"),
            (self.macs, "multiply-adds"),
        )
        told = [
            f"{before:,} to {after:,} {what}" if isinstance(before, int) else f"{after} {what}"
            for (before, after), what in figures
            if before != after
        ]
        return f"folded: {', '.join(told)}" if told else "nothing to fold"

    def as_json(self) -> dict[str, Any]:
        """The same for `--json`: pairs of before and after, formulas as text."""
        return {
            "steps": list(self.steps),
            "numbers": list(self.numbers),
            "macs": [dim if isinstance(dim, int) else str(dim) for dim in self.macs],
            "into": {into.path: list(into.steps) for into in self.into},
            "dropped": list(self.dropped),
            "moved": list(self.moved),
        }


def savings(written: Graph, folded: Folded) -> Savings:
    """What a folded graph saves of the one it was made from."""
    graphs = (written, folded.graph)
    before, after = (costs(graph) for graph in graphs)
    steps = [sum(bool(node.inputs) for node in graph.nodes) for graph in graphs]
    return Savings(
        (steps[0], steps[1]),
        (before.stored, after.stored),
        (before.macs, after.macs),
        folded.into,
        folded.dropped,
        folded.moved,
    )

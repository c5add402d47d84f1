"""One variant of a net: what it costs, or why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from netspec.analysis.budget import TOTALS, Bound, totals
from netspec.analysis.summary import summarize
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.sweeping import LostVariant, OpenTotals
from netspec.diagnostics.messages.usage import OutOfMemory
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic, Problem, printable
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.sweeping.axes import Axis, Value
from netspec.sweeping.grid import Grid

if TYPE_CHECKING:
    from netspec.backends.measure import Spread
    from netspec.graph.checked import Graph

# A variant that is built, one that is none, one that breaks a bound, one that memory did not hold.
OK, REFUSED, OVER, LOST = "ok", "refused", "over", "lost"
LATENCIES = ("latency_ms", "latency_p10_ms", "latency_p90_ms")


@record
class Row:
    """A variant and its costs: `totals` are exact, and empty where it is no net.

    `variant` is its number in the grid. `status` is ok, refused (`code`, `message` and `place` say why),
    over (it breaks a bound) or lost (its process died). `latency` is in seconds.
    """

    variant: int
    settings: dict[str, Value]
    inputs: dict[str, str]
    status: str = OK
    code: str = ""
    message: str = ""
    place: str = ""
    totals: dict[str, int] = field(default_factory=dict)
    latency: Spread | None = None

    def cells(self) -> dict[str, Any]:
        """The row by the columns of the table; None where it says nothing."""
        spread = self.latency
        seconds = (spread.median, spread.p10, spread.p90) if spread else (None,) * 3
        times = (None if second is None else 1000 * second for second in seconds)
        return {
            "variant": self.variant,
            **{f"set_{name}": value for name, value in self.settings.items()},
            **self.inputs,
            "status": self.status,
            "code": self.code or None,
            "message": self.message or None,
            "place": self.place or None,
            **{name: self.totals.get(name) for name in TOTALS},
            **dict(zip(LATENCIES, times, strict=True)),
        }


@record
class Plan:
    """What every process of a sweep is told: the spec, the axes, the bounds that variants are held to."""

    source: Source
    axes: tuple[Axis, ...]
    bounds: tuple[Bound, ...] = ()
    limits: Limits = DEFAULT

    @property
    def grid(self) -> Grid:
        """All variants."""
        return Grid(self.axes)

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The rows of these variants, made in this process."""
        return [self.row(number) for number in numbers]

    def row(self, number: int) -> Row:
        """One variant's row: what is wrong with the variant is in the row, and is not raised."""
        blank = self._blank(number)
        try:
            found = self.costs(blank)
        except NetspecError as error:
            return self.refused(blank, error.diagnostics[0])
        except MemoryError as error:
            why = OutOfMemory(printable(str(error) or "no more can be had"))
            return self._explained(blank, LOST, Diagnostic(why, None))
        kept = all(bound.holds(found) for bound in self.bounds)
        return self._row(blank, status=OK if kept else OVER, totals=found)

    def costs(self, row: Row) -> dict[str, int]:
        """The totals of a row's net; raises NetspecError where it is none, or they are formulas."""
        return costs_of(self.graph(row))

    def graph(self, row: Row) -> Graph:
        """The checked net of a row; raises NetspecError, without looking for what would mend it."""
        inputs = tuple(row.inputs.values())
        return build(self.source, row.settings, inputs, self.limits, expectations=False, mend=False)

    def lost(self, number: int, times: int) -> Row:
        """The row of a variant whose process died, so many times."""
        return self._explained(self._blank(number), LOST, Diagnostic(LostVariant(times), None))

    def refused(self, row: Row, why: Diagnostic) -> Row:
        """The row of a variant that is no net, or that does not run."""
        return self._explained(row, REFUSED, why)

    def _explained(self, row: Row, status: str, why: Diagnostic) -> Row:
        place = str(why.span) if why.span else ""
        problem: Problem = why.problem
        return self._row(row, status=status, code=why.code, message=problem.headline, place=place)

    def _blank(self, number: int) -> Row:
        pairs = list(zip(self.axes, self.grid.at(number), strict=True))
        settings = {axis.name: value for axis, value in pairs if axis.name}
        inputs = {axis.column: str(value) for axis, value in pairs if not axis.name}
        return Row(number, settings, inputs)

    @staticmethod
    def _row(row: Row, **more: Any) -> Row:
        return Row(row.variant, row.settings, row.inputs, **more)


def costs_of(graph: Graph) -> dict[str, int]:
    """Every total of a net, exactly; raises NetspecError where one is a formula over open sizes."""
    known = totals(summarize(graph))
    found = {name: value for name, value in known.items() if isinstance(value, int)}
    if len(found) < len(known):
        formulas = [name for name in known if name not in found]
        raise NetspecError(OpenTotals(graph.name, ", ".join(formulas)), status=2)
    return found

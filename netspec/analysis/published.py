"""Errors that specs state as published, and which of them compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph


@record
class Published:
    """What a spec states: its year (0 without one), an error in percent, and who published it."""

    graph: Graph
    year: int
    error: float
    source: str

    @property
    def dataset(self) -> str:
        """What was tested on: the first word of the source. ILSVRC's set is ImageNet's."""
        word = self.source.split()[0].rstrip(",;:")
        return "ImageNet" if word == "ILSVRC" else word


def published(graphs: Sequence[Graph], measure: str) -> list[Published]:
    """The nets that state this error (`top1` or `top5`), by year and name.

    Only those of the data set that most were tested on: errors on others do not compare. Raises
    NetspecError where no net states one.
    """
    found = [item for graph in graphs if (item := _stated(graph, measure))]
    if not found:
        advice = 'a spec states one as `error top1=22.85, top5=6.71, source="..."`'
        raise NetspecError(CannotDraw(f"none of these specs states a {measure} error", advice))
    (dataset, _), *_ = Counter(item.dataset for item in found).most_common()
    alike = [item for item in found if item.dataset == dataset]
    return sorted(alike, key=lambda item: (item.year, item.graph.name))


def _stated(graph: Graph, measure: str) -> Published | None:
    year = dict(graph.metadata).get("year", 0)
    for key, value in graph.metadata:
        facts = dict(value) if key == "error" else {}  # type: ignore[call-overload]
        if measure in facts:
            source = str(facts.get("source", "")).strip() or "no source given"
            return Published(graph, year if isinstance(year, int) else 0, facts[measure], source)
    return None


def records(nets: Sequence[Published]) -> list[Published]:
    """One net a year: the best of those that beat every net of the years before."""
    found: list[Published] = []
    for item in sorted(nets, key=lambda item: (item.year, item.error, item.graph.name)):
        if not found or (item.error < found[-1].error and item.year > found[-1].year):
            found.append(item)
    return found

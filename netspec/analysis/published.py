"""What specs state as published: errors, scores, entries of challenges; and which compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from netspec.analysis.costs import costs
from netspec.analysis.statements import MEASURES, STATEMENTS
from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph

Metadata = Sequence[tuple[str, object]]
Scale = tuple[int, ...] | str


@record
class Protocol:
    """How a figure was measured. Figures compare where this is equal.

    `crops` and `evaluation` are 0 and empty where the spec does not say, and so are the `models` of
    an entry; `test_scale` is the smaller side of the image, of which there may be several.
    """

    on: str = ""
    models: int = 1
    crops: int = 0
    evaluation: str = ""
    test_scale: Scale = ()
    external_data: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.on, *self.how()) if part)

    def how(self) -> list[str]:
        """All but the data set, in words: `7 models`, `dense`, `scale 384`."""
        parts = [f"{self.models} models"] if self.models > 1 else []
        if self.crops:
            parts.append("1 crop" if self.crops == 1 else f"{self.crops} crops")
        elif self.evaluation == "crops":
            parts.append("several crops")
        if self.evaluation != "crops" and self.evaluation:
            parts.append({"both": "crops and dense"}.get(self.evaluation, self.evaluation))
        if self.test_scale:
            several = isinstance(self.test_scale, tuple) and len(self.test_scale) > 1
            parts.append(f"scale{'s' * several} {scale_text(self.test_scale)}")
        return [*parts, f"with {self.external_data}"] if self.external_data else parts


@record
class Published:
    """One line: an `error`, a `score` or an `entry` of a challenge.

    `values` are its measures by name, in per cent but for `points`. `method` says whose figure it
    is where it is not the net's own. `challenge`, `team`, `year`, `place` and `layers` are those of
    an entry; `layers` is None where the spec leaves them to the net's depth.
    """

    line: str
    values: tuple[tuple[str, float], ...]
    protocol: Protocol
    source: str
    train_scale: Scale = ()
    method: str = ""
    note: str = ""
    challenge: str = ""
    year: int = 0
    team: str = ""
    place: int = 0
    layers: int | None = None

    def value(self, measure: str) -> float | None:
        """The value of a measure, None where the line does not state it."""
        return dict(self.values).get(measure)

    def figures(self) -> list[str]:
        """The measures in words: `top-1 25.6`."""
        return [f"{MEASURES[name]} {value:g}" for name, value in self.values]

    def about(self) -> str:
        """How it was measured and what it was entered for, in words; without the source."""
        entered = [f"{self.challenge} {self.year}", self.team] if self.challenge else []
        place = [ordinal(self.place)] if self.place else []
        depth = [f"{self.layers} layers" if self.layers else "shallow"]
        trained = [f"trained at {scale_text(self.train_scale)}"] if self.train_scale else []
        parts = [
            *entered,
            *place,
            self.protocol.on,
            self.method and f"of {self.method}",
            *(depth if self.layers is not None else ()),
            *trained,
            *self.protocol.how(),
            self.note,
        ]
        return ", ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """JSON values under the keys of the line; `netspec/schemas/published.json` describes them."""
        protocol = self.protocol
        found: dict[str, Any] = {
            "line": self.line,
            "values": dict(self.values),
            "on": protocol.on,
            "evaluation": protocol.evaluation,
            "crops": protocol.crops,
            "models": protocol.models,
            "train_scale": self.train_scale,
            "test_scale": protocol.test_scale,
            "external_data": protocol.external_data,
            "method": self.method,
            "note": self.note,
            "challenge": self.challenge,
            "year": self.year,
            "team": self.team,
            "place": self.place,
        }
        said = {key: value or None for key, value in found.items()}
        return {**said, "layers": self.layers, "source": self.source}


def scale_text(scale: Scale) -> str:
    """Sizes in words: `224/256/288`, `256 to 512`."""
    return scale if isinstance(scale, str) else "/".join(map(str, scale))


def ordinal(place: int) -> str:
    """A place in words: `1st place`."""
    last = 0 if place % 100 in (11, 12, 13) else place % 10
    return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') } place"


def published(metadata: Metadata) -> list[Published]:
    """What a spec's `error`, `score` and `entry` lines state, in their order."""
    return [_read(key, dict(value)) for key, value in metadata if key in STATEMENTS]  # type: ignore[call-overload]


def _read(line: str, said: dict[str, Any]) -> Published:
    values = tuple((key, value) for key, value in said.items() if key in MEASURES)
    crops = said.get("crops", 0)
    protocol = Protocol(
        on=said.get("on", ""),
        models=said.get("models", 0 if line == "entry" else 1),
        crops=crops,
        evaluation=said.get("evaluation", "crops" if crops else ""),
        test_scale=_scale(said.get("test_scale", ())),
        external_data=said.get("external_data", ""),
    )
    own = ("source", "method", "note", "challenge", "year", "team", "place", "layers")
    rest = {key: said[key] for key in own if key in said}
    return Published(
        line, values, protocol, train_scale=_scale(said.get("train_scale", ())), **rest
    )


def _scale(value: Any) -> Scale:
    return (value,) if isinstance(value, int) else value


def headline(metadata: Metadata) -> Published | None:
    """The figure that a spec is listed with: the first error of the net alone, or else score."""
    own = [item for item in published(metadata) if not item.method and item.protocol.models == 1]
    by_line = {item.line: item for item in reversed(own)}
    return by_line.get("error") or by_line.get("score")


def states(metadata: Metadata, measure: str) -> bool:
    """Whether any line states a measure."""
    return any(item.value(measure) is not None for item in published(metadata))


def comparable(graphs: Sequence[Graph], measure: str) -> list[tuple[Graph, Published]]:
    """Each net with its lowest `top1` or `top5` error, all by the one protocol that most nets share.

    In the order given; nets that state none by that protocol are left out. Of several protocols
    that equally many share, the one that is met first. Averages of several nets do not count.
    Raises NetspecError where no net states such an error.
    """
    found: dict[Protocol, dict[int, Published]] = {}
    for place, graph in enumerate(graphs):
        for item in _alone(graph, measure):
            group = found.setdefault(item.protocol, {})
            if place not in group or _of(item, measure) < _of(group[place], measure):
                group[place] = item
    if not found:
        raise _none_states(measure)
    # A line that does not say what it was measured on compares with no other.
    most = max(found, key=lambda protocol: (bool(protocol.on), len(found[protocol])))
    return [(graphs[place], item) for place, item in sorted(found[most].items())]


def _alone(graph: Graph, measure: str) -> Iterable[Published]:
    for item in published(graph.metadata):
        alone = item.line == "error" and not item.method and item.protocol.models == 1
        if alone and item.value(measure) is not None:
            yield item


def _of(item: Published, measure: str) -> float:
    value = item.value(measure)
    assert value is not None
    return value


def _none_states(measure: str) -> NetspecError:
    advice = f'a spec states one as `error {measure}=22.85, on="ImageNet validation", source="..."`'
    return NetspecError(CannotDraw(f"none of these specs states a {measure} error", advice))


@record
class Milestone:
    """A top-5 error with its year, the name of its net (empty where the specs have none) and layers.

    `layers` is 0 for what is no deep net and None where nobody said.
    """

    net: str
    year: int
    layers: int | None
    error: float
    stated: Published


def milestones(graphs: Sequence[Graph]) -> list[Milestone]:
    """Of each net its entry of a challenge, or else an error of its own, in the order given.

    Of several entries the one without external data, then of the best place, then of the lowest
    error. Errors compare only on one data set: that which most of the nets without an entry share.
    Nets that state neither are left out; raises NetspecError where none states one.
    """
    entered = [_entry(graph) for graph in graphs]
    others = [graph for graph, item in zip(graphs, entered, strict=True) if item is None]
    sets = Counter(on for graph in others for on in {i.protocol.on for i in _alone(graph, "top5")})
    shared = max(sets, key=lambda on: (bool(on), sets[on]), default="")
    found = []
    for graph, entry in zip(graphs, entered, strict=True):
        tested = [item for item in _alone(graph, "top5") if item.protocol.on == shared]
        item = entry or next(iter(tested), None)
        if item is not None:
            found.append(_milestone(graph, item))
    if not found:
        raise _none_states("top5")
    return found


def _entry(graph: Graph) -> Published | None:
    entries = [item for item in _entries(graph) if not item.method]
    return min(entries, key=_rank, default=None)


def _entries(graph: Graph) -> list[Published]:
    stated = published(graph.metadata)
    return [item for item in stated if item.line == "entry" and item.value("top5") is not None]


def _rank(item: Published) -> tuple[bool, int, float]:
    return bool(item.protocol.external_data), item.place or 10**9, _of(item, "top5")


def _milestone(graph: Graph, item: Published) -> Milestone:
    year = item.year or dict(graph.metadata).get("year", 0)
    layers = item.layers
    if layers is None and not item.method:
        layers = costs(graph).depth
    net = "" if item.method else graph.name
    return Milestone(net, year if isinstance(year, int) else 0, layers, _of(item, "top5"), item)


def winners(graphs: Sequence[Graph], challenge: str) -> list[Milestone]:
    """The challenge's entries that won their year or are the nets' own, by year and error.

    Those with external data are left out. An entry that several specs state is one: that of the
    deepest net, or else of the first. Raises NetspecError where no spec states one.
    """
    found: dict[tuple[int, str], Milestone] = {}
    for graph in graphs:
        for item in _entries(graph):
            famous = item.place == 1 or not item.method
            if item.challenge != challenge or item.protocol.external_data or not famous:
                continue
            new, key = _milestone(graph, item), (item.year, item.team)
            if key not in found or (new.layers or 0) > (found[key].layers or 0):
                found[key] = new
    if not found:
        advice = f'a spec states one as `entry challenge="{challenge}", year=2014, team="...", ...`'
        raise NetspecError(
            CannotDraw(f"none of these specs states an entry of {challenge}", advice)
        )
    return sorted(found.values(), key=lambda item: (item.year, -item.error))

"""The nets that have the tensors of a net and compute another function, and what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from netspec.checkpoints.twins.outline import Outline, Step
from netspec.diagnostics.messages.weights import HasTwin
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.declare.params import Padding
from netspec.ops.declare.values import Name, show
from netspec.syntax.files import read_shipped

INDEX = Path(__file__).parent / "index.json"
# Paddings that give maps of the same size.
_PADS = ("same", "tf_same")
_MOST_SETTINGS = 8
# What a step has that does not say so.
_UNSAID: Mapping[str, Any] = {"ceil": False, "dilation": 1}
_SIZES = re.compile(r"[0-9]+(x([0-9]+|[A-Z][A-Za-z]*))*")


@record
class Entry:
    """A shipped spec, under a setting or as it stands, and the digest of its function."""

    function: str
    name: str
    setting: str = ""

    @property
    def spelling(self) -> str:
        """How a message names it."""
        return f"`{self.name}`" + (f" with `--set {self.setting}`" if self.setting else "")


def twins_of(graph: Graph) -> tuple[Diagnostic, ...]:
    """A warning for each shipped spec, and each setting of the net, that is a twin of the net."""
    ours = Outline(graph)
    known = _index().get(ours.tensors, ())
    mine = graph.source.shipped and any(entry.name == graph.name for entry in known)
    others = [] if mine else list(settings_of(graph))
    if not others and len(known) <= int(mine):
        return ()
    seen = {ours.function}
    found: list[Diagnostic] = []

    def compare(spelling: str, graphs: Iterator[Graph]) -> None:
        for other in graphs:
            theirs = Outline(other)
            if theirs.shapes == ours.shapes:
                new = theirs.function not in seen
                if new and _differs(graph, other):
                    problem = HasTwin(spelling, difference(ours, theirs))
                    found.append(Diagnostic(problem, None, warning=True))
                seen.add(theirs.function)
                return

    for name, value in others:
        spelling = f"this net with `--set {name}={show(value)}`"
        compare(spelling, _alike(graph, graph.source, {name: value}))
    for entry in known:
        if entry.function not in seen:
            compare(entry.spelling, _alike(graph, *_shipped(entry)))
    return tuple(found)


def _differs(graph: Graph, other: Graph) -> bool:
    """Whether two nets compute different functions, of inputs that both take."""
    inputs = _sizes(other)
    if inputs and inputs != _sizes(graph):
        graph = built(graph.source, dict(graph.parameters), inputs) or graph
    return Outline(graph, sized=True).function != Outline(other, sized=True).function


def settings_of(graph: Graph) -> Iterator[tuple[str, Any]]:
    """Other values of a net's parameters that may leave its tensors as they are.

    The other of yes and no, and the other words of an operator's choice.
    """
    tried = 0
    for name, value in graph.parameters:
        for other in _others(graph, value):
            if tried < _MOST_SETTINGS:
                tried += 1
                yield name, other


def _others(graph: Graph, value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, Name):
        words: dict[str, None] = {}
        for kind in {type(node.op): None for node in graph.nodes}:
            for param in kind.params.values():
                choices = _PADS if isinstance(param, Padding) else getattr(param, "words", ())
                if value.text in choices:
                    words |= dict.fromkeys(choices)
        yield from (Name(word) for word in words if word != value.text)


def built(
    source: Source, settings: Mapping[str, Any], inputs: tuple[str, ...] = ()
) -> Graph | None:
    """The net under these settings, or None where they make no net."""
    try:
        return build(source, settings, inputs)
    except NetspecError:
        return None


def _alike(graph: Graph, source: Source, settings: Mapping[str, Any]) -> Iterator[Graph]:
    """A candidate on the net's input, at its default sizes, then with the net's own settings."""
    inputs = _sizes(graph)
    own = dict(graph.parameters)
    if source is graph.source:
        settings = {**own, **settings}
    other = built(source, settings, inputs) or built(source, settings)
    if other is None:
        return
    yield other
    theirs = dict(other.parameters)
    differ = {n: v for n, v in own.items() if n in theirs and n not in settings and theirs[n] != v}
    if differ:
        other = built(source, {**settings, **differ}, inputs)
        yield from [other] if other else []


def _sizes(graph: Graph) -> tuple[str, ...]:
    """What its input is declared as, where it has one that others can be declared as too."""
    shapes = ["x".join(map(str, node.types[0].shape)) for node in graph.inputs]
    return tuple(shapes) if len(shapes) == 1 and _SIZES.fullmatch(shapes[0]) else ()


def _shipped(entry: Entry) -> tuple[Source, dict[str, str]]:
    source = read_shipped(entry.name)
    name, _, value = entry.setting.partition("=")
    return source, {name: value} if name else {}


def difference(ours: Outline, theirs: Outline) -> str:
    """The first step, in the order they run, in which two nets differ, and how."""
    for here, there in zip(ours.steps, theirs.steps, strict=False):
        if here.digest != there.digest:
            return _between(here, there)
    return "which steps are outputs"


def _between(here: Step, there: Step) -> str:
    place = f"`{here.node.path}`"
    if here.kind != there.kind:
        return f"{place} is {here.kind}, there it is {there.kind}, `{there.node.path}`"
    names = [
        name
        for name in dict.fromkeys((*here.attributes, *there.attributes))
        if here.attributes.get(name) != there.attributes.get(name)
    ]
    if not names:
        return f"{place} reads another step"
    values = (", ".join(f"{name} {_value(step, name)}" for name in names) for step in (here, there))
    return f"{place} has {next(values)}, there {next(values)}"


def _value(step: Step, name: str) -> str:
    """An attribute as it is written: one number where every axis and side has the same."""
    value = step.attributes.get(name, _UNSAID.get(name))
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return value if isinstance(value, str) else show(value)


@cache
def _index() -> dict[str, tuple[Entry, ...]]:
    stored = json.loads(INDEX.read_text(encoding="utf-8"))
    return {tensors: tuple(Entry(*row) for row in rows) for tensors, rows in stored.items()}

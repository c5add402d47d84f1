"""The spec in a package: its text, what it imports, and how the packaged net is built from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from netspec.analysis.preprocessing import preprocessings
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.messages.packages import CannotPackage
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.elaborate.build import attempted, build
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.ops.declare.values import quoted
from netspec.syntax.files import read_spec
from netspec.syntax.units import Loader
from netspec.system.atomic import write_text
from netspec.weights.sources import named_weights

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.ns")


@record
class PackagedSpec:
    """A spec as a package holds it.

    `files` are texts by name. `spec` is what the net is called by in the folder, `NAME.ns` or
    `NAME.ns:variation`; `settings` and `inputs` are what is set besides, as `--set` and `--input` take it.
    """

    files: dict[str, str]
    spec: str
    settings: dict[str, str]
    inputs: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What config.json says of it."""
        return {"spec": self.spec, "set": self.settings, "input": list(self.inputs)}

    def arguments(self) -> str:
        """The arguments of `netspec.load` that build the net."""
        given = [f'"{self.spec}"']
        if self.inputs:
            given.append(f"input={list(self.inputs)}")
        return ", ".join([*given, *(f"{name}={text!r}" for name, text in self.settings.items())])

    def write(self, folder: Path, graph: Graph) -> None:
        """Writes the files, and builds the net from them.

        Raises NetspecError unless it is the graph: the same steps by the same names, in the same wiring.
        """
        for name, text in self.files.items():
            write_text(folder / name, text)
        if reason := _differs(graph, built(folder, self.as_json())):
            raise NetspecError(CannotPackage(graph.name, reason))


def built(folder: Path, told: dict[str, Any]) -> Graph:
    """The net of the spec in a folder, by what `PackagedSpec.as_json` told; raises NetspecError."""
    source = read_spec(str(folder / told["spec"]))
    return build(source, dict(told["set"]), tuple(told["input"]))


def packaged(graph: Graph) -> PackagedSpec:
    """The spec of a graph with all that it imports, for a package."""
    loader = Loader(Collector(), DEFAULT)
    loader.load(graph.source)
    main, *others = loader.sources
    own = Path(main.path or main.name).name
    name = own if _NAME.fullmatch(own) else f"{graph.name}.ns"
    files = {name: main.text}
    for source in others:
        held = files.setdefault(Path(source.path or source.name).name, source.text)
        if held != source.text:
            reason = f"two files that it imports are called {Path(source.path or '').name}"
            raise NetspecError(CannotPackage(graph.name, reason))
    spec = f"{name}:{graph.source.net}" if graph.source.net else name
    settings, inputs = _told(graph)
    return PackagedSpec(files, spec, settings, inputs)


def _told(graph: Graph) -> tuple[dict[str, str], tuple[str, ...]]:
    """The settings and the sizes of inputs in which a graph differs from what its spec says alone."""
    plain = attempted(graph.source)
    usual = dict(plain.parameters) if plain else {}
    settings = {k: quoted(v) for k, v in graph.parameters if k not in usual or usual[k] != v}
    set_ = build(graph.source, settings, expectations=False) if plain and settings else plain
    if set_ is not None and _inputs(set_) == _inputs(graph):
        return settings, ()
    sizes = (f"{node.path}:{'x'.join(map(str, node.types[0].shape))}" for node in graph.inputs)
    return settings, tuple(sizes)


def _inputs(graph: Graph) -> list[tuple[str, object]]:
    return [(node.path, node.types) for node in graph.inputs]


def _differs(graph: Graph, other: Graph) -> str:
    """In what a net that was built again is another; empty if in nothing."""
    paths = same(graph, other)
    if paths is None or any(mine != its for mine, its in paths.items()):
        return "from the files of its package its spec builds another net"
    weights = ({n: w.shape for n, w in named_weights(g).items()} for g in (graph, other))
    if next(weights) != next(weights):
        return "from the files of its package its spec names other weights"
    if preprocessings(graph) != preprocessings(other):
        return "from the files of its package its spec prepares images in another way"
    return ""

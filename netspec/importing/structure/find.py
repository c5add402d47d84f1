"""The whole way: nested, folded into blocks, written down, and held against the graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Output, Value
from netspec.graph.same import same
from netspec.graph.written import RESERVED, input_line, metadata_lines, written
from netspec.importing.scopes import Scope
from netspec.importing.structure.defaults import chosen
from netspec.importing.structure.fusing import fused
from netspec.importing.structure.names import Names
from netspec.importing.structure.regions import nested
from netspec.importing.structure.terms import IDENTITY, Chain, Item, Tangled, reference
from netspec.importing.structure.text import Writer
from netspec.ops.declare.values import show
from netspec.syntax.fmt import format_text

_FRAMES = 40_000


def structured(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> str:
    """The text of a short spec that builds the same graph, in canonical layout.

    `graph` is flat; `scopes` says for the path of each node what the file says of its surroundings,
    outermost first, and may be empty. How weights start is left to the operators. The text has been
    built and found the same; where none with structure is, the steps are written one by one.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))
    for text in _attempts(graph, scopes):
        if matches(graph, text):
            return text
    return written(graph)


def matches(graph: Graph, text: str) -> bool:
    """Whether a text builds the same graph."""
    try:
        return same(graph, build(Source(f"{graph.name}.ns", text))) is not None
    except NetspecError:
        return False


def _attempts(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> Iterator[str]:
    for flat in (False, True):
        try:
            yield _text(graph, scopes, flat)
        except Tangled:
            continue


def _text(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]], flat: bool) -> str:
    chain = nested(graph, flat=flat)
    fused(chain)
    names = Names(graph, scopes)
    named = {node.output: node.path for node in graph.inputs}
    listed = _outputs(graph, chain, named)
    named = names.steps(chain) | named
    bodies = [chain]
    defaults = chosen((i for body in bodies for i in body.walk()), lambda d: Writer(d, named))
    writer = Writer(defaults, named)
    lines = [] if graph.name in RESERVED or not graph.name.isidentifier() else [f"net {graph.name}"]
    lines += [*metadata_lines(graph.metadata), ""]
    lines += [input_line(graph, node) for node in graph.inputs]
    for word, settings in defaults.items():
        given = ", ".join(f"{slot}={writer.value(value)}" for slot, value in settings.items())
        lines.append(f"default {word}({given})")
    lines += ["", *writer.lines(chain)]
    if listed:
        lines.append(f"output {', '.join(listed)}")
    return format_text("\n".join(lines) + "\n")


def _outputs(graph: Graph, chain: Chain, named: dict[Value, str]) -> list[str]:
    """Names the steps that outputs come from, where these have names of their own."""
    plain = [output.name for output in graph.outputs] == ["output"]
    if plain:
        return []
    made = {item.result: item for item in chain.items if item.result is not None}
    for output in graph.outputs:
        item = made.get(output.value)
        if item is None or output.value in named or item.word == "@":
            chain.items += _passed(output, output.value in {i.result for i in chain.items[-1:]})
            item = chain.items[-1]
            item.label = output
            named[output] = output.name  # type: ignore[index]
        else:
            item.label = output.value
            named[output.value] = output.name
    return [output.name for output in graph.outputs]


def _passed(output: Output, flows: bool) -> list[Item]:
    step = Item(IDENTITY, start=output.value, result=output.value)
    return [step] if flows else [reference(output.value), step]


__all__ = ["matches", "show", "structured"]

"""The whole way: nested, folded into blocks, written down, and held against the graph."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Set
from contextlib import suppress
from typing import Any

from netspec.diagnostics.source import Source
from netspec.elaborate.build import attempted
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Output
from netspec.graph.same import same
from netspec.graph.written import RESERVED, input_line, metadata_lines, written
from netspec.importing.scopes import Scope
from netspec.importing.structure.blocks import MOST, Folding
from netspec.importing.structure.bracing import braced
from netspec.importing.structure.bundles import looped
from netspec.importing.structure.defaults import Defaults, chosen, lines_and_settings, without
from netspec.importing.structure.fusing import fused
from netspec.importing.structure.library import Recognising
from netspec.importing.structure.names import Names
from netspec.importing.structure.recurrences import contracted
from netspec.importing.structure.regions import nested, plain
from netspec.importing.structure.sharing import Ties
from netspec.importing.structure.terms import (
    FOR,
    IDENTITY,
    REFERENCE,
    Chain,
    Item,
    Tangled,
    reference,
)
from netspec.importing.structure.text import Anything, Writer, family, tokens
from netspec.importing.structure.unify import Block
from netspec.ops.declare.values import Layer
from netspec.syntax.fmt import format_text


class Misfit(Exception):
    """A projection is written that `residual` would not make."""


@record
class _Way:
    """How a text is found: with blocks that are `shipped`, under defaults that are `settled` before

    blocks are found, `projecting` by `residual`, or `flat` where branches do not matter. `folded` says
    that convolutions have no norm, so that shipped blocks that have one are those of this net too.
    """

    shipped: bool = True
    settled: bool = False
    projecting: bool = True
    flat: bool = False
    folded: bool = False


_WAYS = (
    _Way(),
    _Way(settled=True),
    _Way(shipped=False),
    _Way(shipped=False, projecting=False),
    _Way(shipped=False, flat=True),
)
# As deep as branches may stand in branches before the language's own limit is met.
_FRAMES = 40_000
# Foldings that are undone before a way is given up.
_REFUSED = 4


def structured(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> str:
    """The text of a short spec that builds the same graph, in canonical layout.

    `graph` is flat; `scopes` says for the path of each node what the file says of its surroundings,
    outermost first, and may be empty. How weights start is left to the operators. The text has been
    built and found the same; where none with structure is, the steps are written one by one.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))
    folded = _tried(graph, scopes, _Way(settled=True, folded=True))
    if folded is not None and "\nblock " not in folded:
        return folded  # shipped blocks alone
    found = next(filter(None, (_tried(graph, scopes, way) for way in _WAYS)), None)
    return min(filter(None, (found, folded)), key=tokens, default=None) or written(graph)


def _tried(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]], way: _Way) -> str | None:
    with suppress(Tangled, Misfit):
        return _folded(graph, scopes, way)
    return None


def _folded(graph: Graph, scopes: Mapping[str, tuple[Scope, ...]], way: _Way) -> str | None:
    """The text by a way of nesting, without the foldings that make another net of it."""
    refused: list[Any] = []
    while True:
        done: list[Any] = []
        spec = _spec(graph, scopes, way, MOST, refused, done)
        text = spec.text(spec.defaults)
        if matches(graph, text):
            return spec.spared(text) if way.settled else text
        if not done or len(refused) == _REFUSED:
            return None
        # The first folding after which it is another net: by halves.
        right, wrong = -1, len(done)
        while wrong - right > 1:
            middle = (right + wrong) // 2
            part = _spec(graph, scopes, way, middle, refused)
            text = part.text(part.defaults)
            right, wrong = (middle, wrong) if matches(graph, text) else (right, middle)
        if wrong == 0:
            return None
        refused.append(done[wrong - 1])


def matches(graph: Graph, text: str) -> bool:
    """Whether a text builds the same graph."""
    built = attempted(Source(f"{graph.name}.ns", text), rolled=True)
    return built is not None and same(graph, built) is not None


@record
class _Spec:
    """What is written: the steps of a graph and its blocks, named, and the defaults that were chosen."""

    graph: Graph
    chain: Chain
    blocks: Mapping[str, Block]
    ordered: tuple[Block, ...]
    named: Mapping[Any, str]
    listed: tuple[str, ...]
    defaults: Defaults
    giving: Set[Any]

    def text(self, defaults: Defaults) -> str:
        """The text under these defaults. Raises Misfit where a projection is another under them."""
        graph, writer = self.graph, Writer(defaults, self.named, self.blocks, self.giving)
        lines = (
            [] if graph.name in RESERVED or not graph.name.isidentifier() else [f"net {graph.name}"]
        )
        lines += [*metadata_lines(graph.metadata), ""]
        lines += [input_line(graph, node) for node in graph.inputs]
        for word, settings in defaults.items():
            given = ", ".join(f"{slot}={writer.value(value)}" for slot, value in settings.items())
            lines.append(f"default {word}({given})")
        for block in self.ordered:
            lines += ["", *writer.definition(block)]
        lines += ["", *writer.lines(self.chain)]
        if self.listed:
            lines.append(f"output {', '.join(self.listed)}")
        if writer.misfits:
            raise Misfit
        return format_text("\n".join(lines) + "\n")

    def spared(self, text: str) -> str:
        """The text without the defaults that only made steps shorter which blocks took the place of."""
        defaults = self.defaults
        for word, slots in lines_and_settings(defaults):
            less = without(defaults, word, slots)
            with suppress(Misfit):
                other = self.text(less)
                if tokens(other) < tokens(text) and matches(self.graph, other):
                    defaults, text = less, other
        return text


def _spec(
    graph: Graph,
    scopes: Mapping[str, tuple[Scope, ...]],
    way: _Way,
    most: int = MOST,
    refused: Collection[Any] = (),
    done: list[Any] | None = None,
) -> _Spec:
    names = Names(graph, scopes)
    graph, passes = contracted(graph)
    chain = nested(graph, passes, flat=way.flat)
    braced(chain)
    ties = Ties(chain)
    fused(chain, ties, projecting=way.projecting)
    looped(chain, ties)
    named: dict[Any, str] = {node.output: node.path for node in graph.inputs}
    listed = _outputs(graph, chain, named)
    anything = Anything()
    likely = chosen(chain.walk(), lambda settings: Writer(settings, anything))
    if way.folded:
        likely = _bare(chain, likely)
    shipped: dict[str, Block] = {}
    if way.shipped:
        recognising = Recognising(chain, Writer(likely, anything))
        recognising.run()
        shipped = recognising.blocks
        if way.folded and not recognising.normed:
            raise Misfit
    names.taken |= set(shipped)
    folding = Folding(
        chain, lambda blocks: Writer(likely, anything, blocks), names, refused, shipped, ties, named
    )
    folding.run(most)
    if done is not None:
        done += folding.done
    ties.say((chain, *(block.body for block in folding.blocks.values() if block.body)))
    # Names are given to what is left: each block has its own.
    ordered = _ordered(chain, folding.blocks)
    names.numbered(chain, ordered, folding.blocks)
    named |= names.scoped(chain, folding.blocks)
    named |= names.steps(chain, named)
    bodies = [chain]
    for block in ordered:
        assert block.body is not None
        bodies.append(block.body)
        named |= names.own(block)
    defaults = (
        likely
        if way.settled
        else chosen(
            (item for body in bodies for item in body.walk()),
            lambda settings: Writer(settings, named, folding.blocks, ties.giving),
        )
    )
    return _Spec(
        graph, chain, folding.blocks, tuple(ordered), named, tuple(listed), defaults, ties.giving
    )


def _bare(chain: Chain, likely: Defaults) -> Defaults:
    """The defaults that also say that convolutions have a bias and no norm, where all have."""
    convs = [item for item in chain.walk() if family(item.word) == "conv"]
    if not convs or any(item.get("norm") or item.get("bias") is not True for item in convs):
        raise Misfit
    return likely | {"conv": {"bias": True, "norm": None} | likely.get("conv", {})}


def _ordered(chain: Chain, blocks: Mapping[str, Block]) -> list[Block]:
    """The blocks of a text, each behind those that it calls, in the order of their calls."""
    found: dict[str, Block] = {}

    def visit(inside: Chain) -> None:
        for item in inside.walk():
            layers = [value.name for value in item.values if isinstance(value, Layer)]
            for word in (item.word, *layers):
                block = blocks.get(word)
                if word not in found and block is not None and block.body is not None:
                    visit(block.body)
                    found[word] = block

    visit(chain)
    return list(found.values())


def _outputs(graph: Graph, chain: Chain, named: dict[Any, str]) -> list[str]:
    """Names the steps that outputs come from, where these have names of their own."""
    if plain(graph):
        return []
    made = {item.result: item for item in chain.items if item.result and item.word != REFERENCE}
    passes = [item for item in chain.items if item.word == FOR]
    inside = {item.label for one in passes for item in one.kids[0].walk()}
    for output in graph.outputs:
        if output.value in inside and output.value not in named:
            named[output.value] = output.name
            continue
        item = made.get(output.value)
        if item is None or output.value in named:
            chain.items += _passed(output, output.value in {i.result for i in chain.items[-1:]})
            item = chain.items[-1]
            item.label = output
            named[output] = output.name
        else:
            item.label = output.value
            named[output.value] = output.name
    return [output.name for output in graph.outputs]


def _passed(output: Output, flows: bool) -> list[Item]:
    step = Item(IDENTITY, start=output.value, result=output.value)
    return [step] if flows else [reference(output.value), step]


__all__ = ["matches", "structured"]

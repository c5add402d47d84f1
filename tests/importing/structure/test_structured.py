"""Shipped nets written flat come back as short specs that build the same graph."""

import random
import re
from functools import cache
from typing import Any

import pytest
from specs.test_length import length
from support.generated_specs import spec

import netspec
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.graph.written import written
from netspec.importing.scopes import Scope
from netspec.importing.structure import blocks
from netspec.importing.structure.find import structured
from netspec.syntax.files import shipped_names
from netspec.syntax.fmt import format_text

Scopes = dict[str, tuple[Scope, ...]]


def built(text: str) -> Graph:
    return build(Source("net", text))


@cache
def original(name: str) -> Graph:
    return netspec.load(name).graph


def flat(graph: Graph) -> Graph:
    return built(written(graph)).replace(metadata=(), name="net")


def scopes_of(graph: Graph, other: Graph, *, kinds: bool) -> Scopes:
    """The calls around each step of a graph, by the paths of the same steps in another."""
    paths = same(graph, other)
    assert paths is not None
    return {
        paths[node.path]: tuple(
            Scope(call.component, call.block if kinds else None)
            for call in reversed(list(node.call.ancestors()))
            if call.component
        )
        for node in graph.nodes
        if node.call is not None and node.path in paths
    }


def scrambled(graph: Graph) -> Graph:
    """The graph under other names."""
    names = [f"v{number}" for number in range(len(graph.nodes))]
    random.Random(0).shuffle(names)
    text = written(graph)
    steps = [node.path for node in graph.nodes if node not in graph.inputs]
    again = dict(zip(steps, names, strict=False))
    return built(_renamed(text, again)).replace(metadata=(), name="net")


def _renamed(text: str, names: dict[str, str]) -> str:
    def other(found: re.Match[str]) -> str:
        return found.group(1) + names.get(found.group(2), found.group(2))

    return re.sub(r"(@|\bas )([A-Za-z_]\w*)", other, text)


# Tokens of the text without scopes, with what a spec by hand has besides.
MOST = {
    "resnet50": 96,
    "googlenet": 254,
    "vgg16": 70,
    "densenet121": 115,
    "mobilenet_v2": 160,
    "inception_v3": 400,
    "unet": 135,
    "swin_t": 232,
    "nasnet_large": 910,
    "resnet18": 84,
    "resnet1202_cifar": 110,
}


@pytest.mark.parametrize("name", MOST)
def test_a_net_without_names_becomes_a_short_spec_of_the_same_graph(name: str) -> None:
    graph = scrambled(flat(original(name)))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert format_text(text) == text
    assert length(text) <= MOST[name]


@pytest.mark.parametrize("name", ["resnet50", "inception_v3", "swin_t", "densenet121"])
@pytest.mark.parametrize("kinds", [True, False])
def test_scopes_make_a_spec_no_longer_than_a_fifth(name: str, kinds: bool) -> None:
    graph = flat(original(name))
    text = structured(graph, scopes_of(original(name), graph, kinds=kinds))
    assert same(graph, built(text)) is not None
    assert length(text) <= MOST[name] * 1.2


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_net_comes_back(name: str) -> None:
    graph = flat(original(name))
    assert same(graph, built(structured(graph, {}))) is not None


@pytest.mark.parametrize("seed", range(0, 1200, 12))
def test_random_nets_come_back(seed: int) -> None:
    graph = flat(built(spec(seed).text))
    text = structured(graph, {})
    assert same(graph, built(text)) is not None
    assert length(text) <= length(written(graph))


def test_a_folding_that_makes_another_net_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = flat(original("resnet18"))
    fold = blocks.Folding._fold
    spoilt = []

    def spoil(self: Any, key: Any, block: Any, pieces: Any, arguments: Any) -> None:
        fold(self, key, block, pieces, arguments)
        if not self.refused:
            spoilt.append(key)
            block.body.items = block.body.items[:-1]

    monkeypatch.setattr(blocks.Folding, "_fold", spoil)
    text = structured(graph, {})
    assert spoilt
    assert same(graph, built(text)) is not None

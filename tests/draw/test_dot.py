"""dot text: every node and edge with `flow`, what is folded with `fold`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from support.shelves import shelved, shipped

from netspec.draw import draw
from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Graph

HOSTILE = "<IMG SRC=x onerror=alert(1)>]]>&\"'; } n0 -> n1 {a|b} \\"
HAS_DOT = shutil.which("dot") is not None


def dot(graph: Graph, **choices: Any) -> str:
    picture = draw([graph], format="dot", **choices)
    assert isinstance(picture, str)
    return picture


def vertices(text: str) -> dict[int, str]:
    return {int(i): label for i, label in re.findall(r'^ +n(\d+) \[label="(.*?)"', text, re.M)}


def edges(text: str) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in re.findall(r"^  n(\d+) -> n(\d+)", text, re.M)]


def clusters(text: str) -> list[str]:
    return re.findall(r'subgraph cluster_\d+ \{\n +label="(.*?)";', text)


# --- the whole graph


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "nasnet_mobile", "captioning", "unet"])
def test_flow_has_exactly_the_nodes_and_edges_of_the_graph(name: str) -> None:
    graph = shipped(name)
    text = dot(graph, style="flow")
    number = {node: i for i, node in enumerate(graph.nodes)}
    assert sorted(vertices(text)) == list(number.values())
    expected = [(number[value.node], i) for node, i in number.items() for value in node.inputs]
    assert sorted(edges(text)) == sorted(expected)


def test_flow_has_a_cluster_for_each_block_inside_those_around_it() -> None:
    graph = shipped("resnet18")
    text = dot(graph, style="flow")
    calls = {c for n in graph.nodes if n.call for c in n.call.ancestors() if c.component}
    assert len(clusters(text)) == len(calls)
    assert clusters(text)[:2] == ["stage1: stage", "basic1: basic"]
    node = next(i for i, n in enumerate(graph.nodes) if n.path == "stage1.basic1.conv1")
    assert re.search(rf"^      n{node} \[", text, re.M)


def test_flow_shows_blocks_that_depth_closes_as_one_node() -> None:
    graph = shipped("googlenet")
    closed, opened = dot(graph, style="flow", depth=0), dot(graph, style="flow", expand=("aux",))
    assert clusters(closed) == []
    # A head is a block, named as the step that calls it, around the block that it calls.
    assert clusters(opened) == ["aux1: aux1", "aux1: aux", "aux2: aux2", "aux1: aux"]
    blocks = [label for label in vertices(closed).values() if ": inception" in label]
    assert len(blocks) == 9
    assert len(edges(closed)) == len(set(edges(closed)))
    inside = sum(1 for node in graph.nodes if node.path.startswith("aux"))
    assert len(vertices(opened)) == len(vertices(closed)) - 2 + inside


# --- with repeats folded


def test_fold_draws_one_copy_of_a_repeat_and_says_how_many_there_are() -> None:
    text = dot(shipped("resnet50"))
    assert [title for title in clusters(text) if "×" in title] == [
        "bottleneck ×3, first: + projection",
        *(f"bottleneck ×{n}, first: /2, + projection" for n in (4, 6, 3)),
    ]
    assert len(vertices(text)) == 6 + 4 * 4
    labels = vertices(text)
    (pool,) = [i for i, label in labels.items() if "max pool" in label]
    inside = [i for i, label in labels.items() if label.endswith("64×56×56 · 16.5 k")]
    # Into the block, and past it.
    assert (pool, inside[0]) in edges(text)
    assert sum(1 for a, _ in edges(text) if a == pool) == 2


def test_fold_closes_blocks_by_depth_and_opens_those_that_are_named() -> None:
    closed = dot(shipped("resnet50"), depth=0)
    assert clusters(closed) == []
    assert [label for label in vertices(closed).values() if label.startswith("stage")] == [
        *("stage1: stage\\n256×56×56 · 216 k", "stage2: stage\\n512×28×28 · 1.22 M"),
        *("stage3: stage\\n1024×14×14 · 7.1 M", "stage4: stage\\n2048×7×7 · 15 M"),
    ]
    assert closed.count("style=filled") == 4
    one = dot(shipped("googlenet"), expand=("inception4b",))
    assert "inception4b: inception" in clusters(one)
    # A layer that repeats has no frame.
    assert "3×3 conv, 64 · relu ×2" in "".join(vertices(dot(shipped("vgg16"))).values())


@pytest.mark.parametrize("name", shelved())
def test_fold_loses_no_connection(name: str) -> None:
    graph = shipped(name)
    for choices in ({}, {"depth": 0}, {"depth": 1}):
        text = dot(graph, **choices)
        found, drawn = edges(text), sorted(vertices(text))
        assert len(found) == len(set(found))
        heads, tails = {b for _, b in found}, {a for a, _ in found}
        ends = {output.value.node for output in graph.outputs}
        for i in drawn:
            node = graph.nodes[i]
            if data_inputs(node):
                assert i in heads, node.path
            if i not in tails and not choices:
                # What leads nowhere ends the net, or a head of it.
                reached = {node}
                while more := {u for n in reached for u in graph.consumers[n]} - reached:
                    reached |= more
                assert reached & ends or node.head, node.path
        # Nothing flows in a circle: Kahn's order reaches all.
        left = set(found)
        ready = [i for i in drawn if i not in heads]
        while ready:
            at = ready.pop()
            gone = {edge for edge in left if edge[0] == at}
            left -= gone
            ready += [b for b in {b for _, b in gone} if not any(e[1] == b for e in left)]
        assert left == set()


def test_a_repeat_inside_the_drawn_copy_of_another_is_entered_and_left(
    net: Callable[..., Graph],
) -> None:
    turns = "; ".join(["conv3-3(pad=same); conv3-3(pad=same); maxpool3/1(pad=1)"] * 4)
    text = dot(net(f"relu; {turns}; gap"))
    labels = vertices(text)
    assert "×4" in clusters(text)
    names = {label.split("\\n")[0]: i for i, label in labels.items()}
    conv = next(i for name, i in names.items() if "×2" in name)
    pool = next(i for name, i in names.items() if "max pool" in name)
    assert (names["relu"], conv) in edges(text)
    assert (conv, pool) in edges(text)
    assert (pool, names["global avg pool"]) in edges(text)
    assert len(edges(text)) == len(labels) - 1


# --- text is text


@pytest.mark.parametrize("style", ["fold", "flow"])
def test_labels_are_never_html_records_or_escapes(style: str, net: Callable[..., Graph]) -> None:
    text = dot(net("conv3-8").replace(name=HOSTILE), style=style)
    label = text.splitlines()[1]
    inside = label.removeprefix('  label="').removesuffix('";').replace('\\"', "")
    assert not set(inside) & set('<>{}|"')
    assert "label=<" not in text
    assert label.endswith('\\\\";')


@pytest.mark.skipif(not HAS_DOT, reason="Graphviz's dot is not installed")
@pytest.mark.parametrize("style", ["fold", "flow"])
def test_graphviz_reads_the_text_as_what_it_says(style: str, net: Callable[..., Graph]) -> None:
    blocks = "block b(k) { conv3-k(pad=same); relu }"
    steps = "; ".join(["b(3)"] * 3)
    graph = net(f"{blocks}; add {{ | {steps} | relu }}").replace(name=HOSTILE)
    text = dot(graph, style=style)
    command = ["dot", "-Tjson0"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    read = json.loads(done.stdout)
    frames = [item for item in read["objects"] if item["name"].startswith("cluster")]
    assert len(read["objects"]) - len(frames) == len(vertices(text))
    assert len(frames) == len(clusters(text)) == (3 if style == "flow" else 1)
    assert len(read["edges"]) == len(edges(text))
    if style == "flow":
        assert len(vertices(text)) == len(graph.nodes)
        assert len(read["edges"]) == sum(len(node.inputs) for node in graph.nodes)


def test_without_title_there_is_none(net: Callable[..., Graph]) -> None:
    for style in ("fold", "flow"):
        graph = net("conv3-8").replace(name="the_name")
        assert "the_name" in dot(graph, style=style)
        assert "the_name" not in dot(graph, style=style, title=False)

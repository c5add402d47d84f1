"""What tells one call from another: what is the same is run once, and nothing else is."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from support.graphs import counted, told

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.again.recall import Memo, Recall
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

BLOCKS = """block u(n) { conv3-n(pad=same); relu }
block merged(x) { add(@x); relu }
block inner(n) { u(n) as first; u(n) as last }
block sized(n) { conv1-n as C; relu }
block reads(x) { conv1-8; relu; add(@x) }
block width(x) { conv1-(@x.C); relu }
block around(body) { body; relu }
block plain { conv3-8(pad=same); relu }
block pair(x, y) { concat(@x); conv1-8; mul(@y) }
block under(b) { default conv(bias=b); plain; plain }
"""


def ran(steps: str) -> tuple[Graph, int]:
    """A net, and how many steps were run for it."""
    return counted(lambda: build(Source("t.ns", f"{BLOCKS}input 8x9x9\n{steps}\n")))


@pytest.mark.parametrize(
    ("steps", "runs"),
    [
        # The first is on an input, whose tensor is of another kind; the third is like the second.
        ("u(8); u(8); u(8)", 4),
        ("u(8); u(8); u(4+4); u(16/2)", 6),
        ("u(8); u(8); u(4); u(8)", 8),
        ("u(n=8); u(n=8); u(n=8)", 4),
        ("freeze { u(8) }; u(8); u(8)", 4),
        # What a reference stands for is part of a call, and so is what the names in it may mean.
        ("relu as r; merged(@r); merged(@r); merged(@r)", 5),
        ("relu as r; tanh as t; merged(@r); merged(@t); merged(@r); merged(@t)", 8),
        ("inner(8) as a; reads(@a); reads(@a); reads(@a)", 10),
        ("sized(8) as a; reads(@a); reads(@a); reads(@a)", 11),
        # Braces run where the block says.
        ("around { relu }; around { relu }; around { relu }", 6),
        # Calls under other default lines are other calls; under lines that say the same they are not.
        ("plain; plain; plain", 4),
        ("plain; default conv(bias=no); plain; plain; default conv(bias=yes); plain; plain", 6),
        ("plain; default relu(); plain; plain", 4),
    ],
)
def test_so_many_steps_are_run(steps: str, runs: int) -> None:
    graph, count = ran(steps)
    with patch.object(Recall, "find", lambda *_: None):
        alone, all_of_them = ran(steps)
    assert told(graph) == told(alone)
    assert all_of_them == len(graph.nodes) - 1
    assert count == runs


@pytest.mark.parametrize(
    "steps",
    [
        "relu as r; tanh as t; conv1-8 as o; { | @r | @t } as two; { | @t | @o } as both; @o\n"
        "pair(@r, @o) as a; @o; pair(@two, @o) as b; @o; pair(@r, @o); @o; pair(@two, @r)\n"
        "@o; pair(@r, @both) as c; @o; pair(@two, @o)",
        "conv1-4 as w; conv1-8 as v; @v; width(@w); @v; width(@v); @v; width(@w)",
        "sized(4) as w; sized(8) as v; reads(@v); reads(@v); conv1-4; add(@w)",
        "default conv(act=leaky(0.1)); plain; plain; default conv(act=leaky(0.2)); plain; plain",
        "default conv(act=leaky(1)); plain; plain; default conv(act=leaky(1.0)); plain; plain",
        "under(yes); under(no); under(yes); under(no)",
        "default conv(norm=bn); plain; plain; default conv(norm=none); plain; plain",
        "default conv(bias=no); plain; freeze { plain; plain }; plain; head h { plain; plain }; plain",
    ],
)
def test_calls_that_differ_in_one_thing_are_other_calls(steps: str) -> None:
    graph, _ = ran(steps)
    with patch.object(Recall, "find", lambda *_: None):
        alone, _ = ran(steps)
    assert told(graph) == told(alone)


@pytest.mark.parametrize("steps", ["maxpool4", "u(4); maxpool4", "pooled; pooled"])
def test_what_sizes_must_be_is_said_of_each_net_that_is_built(steps: str) -> None:
    """Also where nothing of it is looked at again."""
    text = f"{BLOCKS}block pooled {{ maxpool2; u(4) }}\ninput 8xHxW\n{steps}\n"
    memo = Memo()
    said = [build(Source("t.ns", text), memo=memo).legality.describe() for _ in range(3)]
    assert said == [("H >= 4", "W >= 4")] * 3


@pytest.mark.parametrize(
    ("limit", "code"), [("nodes", "NS404"), ("parameters", "NS409"), ("activations", "NS410")]
)
def test_what_is_added_again_is_within_the_limits(limit: str, code: str) -> None:
    """Of which way a size decides nothing is counted before."""
    text = (
        f"{BLOCKS}block grown {{ if H > 3 {{ u(8) }} else {{ relu }} }}\n"
        "input 8x9x9\ngrown; grown; grown; grown; grown"
    )
    graph = build(Source("t.ns", text))
    needed = {
        "nodes": len(graph.nodes),
        "parameters": 5 * (8 * 8 * 9 + 8),
        "activations": 4 * 10 * 8 * 81,
    }[limit]
    assert len(build(Source("t.ns", text), limits=Limits(**{limit: needed})).nodes) == 11
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text), limits=Limits(**{limit: needed - 1}), mend=False)
    (said,) = caught.value.diagnostics
    assert said.code == code
    assert said.span is not None

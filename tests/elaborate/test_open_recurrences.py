"""Recurrences over steps whose number is open: one pass in the graph, that of each step written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.differential import Net, Varied, assert_agree, inputs_for, legal
from support.meanings import says_itself

from netspec.analysis.costs import costs
from netspec.backends.onnx.targets import OPSETS
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate import recurrences
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.loops import around, loops, times
from netspec.graph.same import same
from netspec.passes.unroll import unroll
from netspec.sizes.dims import substitute

PLAIN = """input x: 3xT
input h: 4
@h
for x_t in @x { { | @x_t | identity }; concat; fc-4(act=tanh) as y } as last
output y, last
"""
CELL = """block cell(x) of h, c {
  { | @x | @h }; concat; fc-(4*@c.C); split(4)
  { | identity as i | identity as f | tanh as g | identity as o }
  @c; affine(bias=no); add(@i); sigmoid; mul(@g) as written
  @c; affine(bias=no); add(@f); sigmoid; mul(@c); add(@written) as new
  affine(bias=no); add(@o); sigmoid; mul { | identity | @new; tanh }
  { | identity | @new }
}
"""
NETS = {
    "plain": PLAIN,
    "two states, of which one is read": "input x: 3xT\ninput h: 4\ninput c: 4\n"
    + CELL
    + "{ | @h | @c }\nfor x_t in @x { cell(@x_t); { | identity as y | identity } }\n@y\n",
    "maps": """input video: 2xTx5x4
input h: 3x5x4
@h
for frame in @video { { | @frame | identity }; concat; conv3-3(pad=same, norm=bn, act=tanh) as y }
@y; conv1-2
""",
    "a memory": """input source: S ids(9)
input target: T ids(9)
@source; embedding-3; gru-3 as memory
slice(0, 1, axis=time); flatten; fc-4 as start
@target; embedding-3 as words
@start
for word in @words {
  identity as state; fc-4 as query
  @memory; conv1-4; add(@query); tanh; conv1-1; softmax(over=last) as share
  mul { | @memory | @share }; sum_over_time as context
  { | @word | @context }; concat; gru-4(@state) as y
}
@y; conv1-9; softmax
""",
    "one in another": """input 2xHxW
identity as image
gap; fc-5 as zero
for row in @image {
  identity as above; fc-5 as down
  for pixel in @row { { | @pixel | identity | @down }; concat; fc-5(act=tanh) as p } as end
  @p; gmp; add(@above); add(@end); tanh as r
}
@r; gap; fc-3
""",
    "ids": """input x: T ids(7)
input h: 4
@h
for word in @x { identity as state; @word; embedding-4; add(@state); tanh as y } as last
{ | @y; gap | @last }; add
""",
    "what the steps do not change": """input x: 4xT
input m: 4
@m
for a in @x { add(@a) as p; @m; fc-4 as k; add(@a) } as z
for b in @p { { | identity | @b | @z }; mean } as w
{ | @k; gap | @w | @p; gap }; add
""",
    "what training adds": """input x: 3xT
input h: 4
@h
freeze {
  for x_t in @x {
    default fc(act=relu)
    { | @x_t | identity }; concat; fc-8; bn; dropout(0.3); fc-4 as y
  }
}
head aux(loss=0.3) { @y; gap; fc-2 }
@y; gap; fc-2
""",
    "in a block that is repeated": """input x: 4xT
block layer(n) of seq {
  @seq; gap; fc-n
  for s in @seq { { | @s | identity }; concat; fc-n(act=tanh); residual { fc-n; layernorm } as y }
  @y
}
layer(6); layer(6) x2; layer(3)
""",
    "weights of another": """input x: 3xT
input z: 3xT
input h: 4
block cell(x) of s { { | @x | @s }; concat; fc-4(act=tanh) }
block run(x) { for x_t in @x { cell(@x_t) as c } }
@h; run(@x) as encoder
run(@z, weights=@encoder) as decoder
for z_t in @z { cell(@z_t, weights=@encoder.c) as d }
{ | @d | @encoder.c }; concat(axis=time); conv1-3
""",
    "the state itself, and the step": """input x: 3xT
input h: 3
@h
for x_t in @x { identity as before; @x_t as now; add(@before) } as last
{ | @before | @now }; concat; conv1-2 as all
output all, last
""",
}
# What follows from no step is computed once.
ONCE = ("a memory", "what the steps do not change")


def net(text: str) -> Graph:
    return build(Source("<net>", text))


@pytest.fixture
def nothing_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrences of known length are one pass too."""
    monkeypatch.setattr(recurrences, "WRITTEN_OUT", 0)


def sized(graph: Graph, sizes: dict[str, int]) -> tuple[str, ...]:
    """The inputs of a graph with numbers for its symbols."""
    found = []
    for node in graph.inputs:
        shape = (str(substitute(dim, sizes)) for dim in node.types[0].shape)
        found.append(f"{node.path}:{'x'.join(shape)}")
    return tuple(found)


@pytest.mark.parametrize("name", NETS)
def test_numbers_agree_and_the_net_says_itself(name: str) -> None:
    graph = net(NETS[name])
    assert loops(graph)
    says_itself(graph)
    ready = Net(graph, opsets=(None, OPSETS.start, OPSETS.stop - 1))
    for sizes in (*legal(graph), dict.fromkeys(graph.symbols, 1)):
        for ran in ready.runs(inputs_for(graph, 2, sizes)):
            assert_agree(ran)


@pytest.mark.parametrize("name", NETS)
def test_it_is_the_net_whose_steps_are_written_out(name: str) -> None:
    """The same numbers from the same weights, the same costs."""
    graph = net(NETS[name])
    sizes = {symbol: 3 + i for i, symbol in enumerate(graph.symbols)}
    written = build(Source("<net>", NETS[name]), inputs=sized(graph, sizes))
    assert not loops(written)
    arrays = [torch.from_numpy(array) for array in inputs_for(graph, 2, sizes)]
    source = Varied(0)
    one, other = to_module(graph, source).eval(), to_module(written, source).eval()
    assert one.state_dict().keys() == other.state_dict().keys()
    with torch.no_grad():
        pairs = zip(*(_several(m(*arrays)) for m in (one, other)), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    mine, theirs = costs(graph), costs(written)
    assert mine.params == theirs.params
    if name in ONCE:
        assert substitute(mine.macs, sizes) < theirs.macs
    else:
        assert substitute(mine.macs, sizes) == theirs.macs


@pytest.mark.usefixtures("nothing_written_out")
@pytest.mark.parametrize("name", [n for n in NETS if n != "one in another"])
def test_writing_it_out_gives_the_same_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = net(NETS[name])
    inputs = sized(graph, dict.fromkeys(graph.symbols, 4))
    whole = build(Source("<net>", NETS[name]), inputs=inputs)
    assert loops(whole)
    monkeypatch.setattr(recurrences, "WRITTEN_OUT", 64)
    assert same(unroll(whole), build(Source("<net>", NETS[name]), inputs=inputs)) is not None


@pytest.mark.usefixtures("nothing_written_out")
def test_recurrences_inside_others_are_written_out_as_well() -> None:
    text = NETS["one in another"].replace("2xHxW", "2x3x4")
    graph = net(text)
    flat = unroll(graph)
    assert len(loops(graph)) == 2
    assert not loops(flat)
    arrays = [torch.from_numpy(array) for array in inputs_for(graph, 2, {})]
    source = Varied(0)
    with torch.no_grad():
        found = [to_module(one, source).eval()(*arrays) for one in (graph, flat)]
    assert torch.equal(*found)


def _several(outputs: object) -> tuple[torch.Tensor, ...]:
    found = outputs if isinstance(outputs, tuple) else (outputs,)
    return tuple(one for one in found if isinstance(one, torch.Tensor))


def test_gradients_flow_back_through_all_steps() -> None:
    graph, sizes = net(PLAIN), {"T": 5}
    written = build(Source("<net>", PLAIN), inputs=sized(graph, sizes))
    arrays = [torch.from_numpy(array) for array in inputs_for(graph, 2, sizes)]
    found = []
    for each in (graph, written):
        module = to_module(each, Varied(0))
        module(*arrays)[1].square().sum().backward()
        found.append([p.grad for p in module.parameters()])
    assert all(
        torch.allclose(a, b, rtol=1e-5) for a, b in zip(*found, strict=True) if a is not None
    )


def test_what_does_not_follow_from_a_step_runs_once() -> None:
    graph = net(NETS["a memory"])
    (loop,) = loops(graph)
    inside = {node.path for node in loop.body}
    assert "word1.query" in inside
    assert "word1.conv1" not in inside
    assert str(loop.steps) == "T"


def test_a_node_in_two_recurrences_runs_for_each_step_of_both() -> None:
    graph = net(NETS["one in another"])
    inner = next(node for node in graph.nodes if node.path == "row1.pixel1.p")
    assert len(around(graph)[inner]) == 2
    assert str(times(graph, inner)) == "H*W"


def test_a_short_one_is_written_out_and_a_long_one_is_not() -> None:
    limit = recurrences.WRITTEN_OUT
    assert not loops(net(PLAIN.replace("3xT", f"3x{limit}")))
    assert loops(net(PLAIN.replace("3xT", f"3x{limit + 1}")))


def test_branches_of_open_number_are_refused() -> None:
    with pytest.raises(NetspecError) as caught:
        net("input x: 3xT\nfor x_t in @x { | fc-4 }\n")
    assert caught.value.diagnostics[0].code == "NS313"


def test_there_is_at_least_one_step() -> None:
    graph = net(PLAIN)
    assert "T >= 1" in graph.legality.describe()
    with pytest.raises(NetspecError):
        net(
            "input x: 3xT\nconv3-4; slice(3, 3, axis=time) as none\ngap\nfor a in @none { add(@a) }"
        )


def test_what_is_stacked_is_what_each_step_made() -> None:
    graph = net(PLAIN)
    module = to_module(graph, Varied(0)).eval()
    x, h = (torch.from_numpy(array) for array in inputs_for(graph, 2, {"T": 4}))
    with torch.no_grad():
        y, last = module(x, h)
        state = h
        for t in range(4):
            _, state = module(x[..., t : t + 1], state)
            np.testing.assert_allclose(y[..., t], state, atol=1e-6)
    np.testing.assert_allclose(last, state, atol=1e-6)

"""Recurrences of one's own: what a pass sees and hands on, one set of weights, right numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.differential import Net, assert_agree, inputs_for
from support.meanings import says_itself

from netspec.analysis.costs import costs
from netspec.analysis.doubts.unread import unread
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw.structure.elements import Repeat
from netspec.draw.structure.reading import structure
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.arranging.steps import Stack

PLAIN = """input x: 3x6
input h: 4
@h
for x_t in @x { { | @x_t | identity }; concat; fc-4(act=tanh) as y } as last
output y, last
"""
MEMORY = """
for word in @words {
  identity as state; fc-4 as query
  @memory; conv1-4; add(@query); tanh; conv1-1; softmax(over=last) as share
  mul { | @memory | @share }; sum_over_time as context
  { | @word | @context }; concat; gru-4(@state) as y
}
"""
NETS = {
    "plain": PLAIN,
    "one step": PLAIN.replace("3x6", "3x1"),
    "two states, of which one is read": """input x: 3x4
input h: 4
input c: 4
block cell(x) of h, c {
  { | @x | @h }; concat; fc-(4*@c.C); split(4)
  { | identity as i | identity as f | tanh as g | identity as o }
  @c; affine(bias=no); add(@i); sigmoid; mul(@g) as written
  @c; affine(bias=no); add(@f); sigmoid; mul(@c); add(@written) as new
  affine(bias=no); add(@o); sigmoid; mul { | identity | @new; tanh }
  { | identity | @new }
}
{ | @h | @c }
for x_t in @x { cell(@x_t); { | identity as y | identity } }
@y
""",
    "maps": """input video: 2x3x5x4
input h: 3x5x4
@h
for frame in @video { { | @frame | identity }; concat; conv3-3(pad=same, norm=bn, act=tanh) as y }
@y; conv1-2
""",
    "a memory": "input source: 5 ids(9)\ninput target: 3 ids(9)\n"
    "@source; embedding-3; gru-3 as memory\nslice(0, 1, axis=time); flatten; fc-4 as start\n"
    f"@target; embedding-3 as words\n@start\n{MEMORY}@y; conv1-9; softmax\n",
    "one in another": """input 2x3x4
identity as image
gap; fc-5
for row in @image {
  identity as above
  for pixel in @row { { | @pixel | identity }; concat; fc-5(act=tanh) as p }
  add(@above); tanh as r
}
@r; gap; fc-3
""",
    "what training adds": """input x: 3x4
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
    "called twice": """input x: 3x4
input z: 3x2
input h: 4
block cell(x) of s { { | @x | @s }; concat; fc-4(act=tanh) }
block run(x) { for x_t in @x { cell(@x_t) as c } }
@h; run(@x) as encoder
run(@z, weights=@encoder) as decoder
for z_t in @z { cell(@z_t, weights=@encoder.c) as d }
{ | @d | @encoder.c }; concat(axis=time); fc-3
""",
}


def net(text: str) -> Graph:
    return build(Source("<net>", text))


@pytest.mark.parametrize("name", NETS)
def test_numbers_agree_and_the_net_says_itself(name: str) -> None:
    graph = net(NETS[name])
    says_itself(graph)
    assert not unread(graph)
    assert_agree(Net(graph).run(inputs_for(graph, 3, {})))


def test_a_pass_reads_its_step_and_what_the_one_before_gave() -> None:
    plain = Net(net(PLAIN))
    x, h = inputs_for(plain.graph, 2, {})
    layer, state, steps = plain.double.x_t1.y, torch.tensor(h).double(), []
    for t in range(6):
        state = layer(torch.cat([torch.tensor(x[:, :, t]).double(), state], 1)).tanh()
        steps.append(state.detach())
    ran = plain.run([x, h])
    assert np.allclose(ran.exact[0], torch.stack(steps, 2), rtol=1e-12, atol=0)
    assert np.allclose(ran.exact[1], steps[-1], rtol=1e-12, atol=0)


def test_weights_are_there_once_and_multiply_adds_at_every_step() -> None:
    graph = net(PLAIN)
    assert list(Net(graph).single.state_dict()) == ["x_t1.y.weight", "x_t1.y.bias"]
    found = costs(graph)
    assert (found.params, found.macs, found.depth) == (4 * 7 + 4, 6 * 4 * 7, 6)


def test_braces_given_to_a_block_that_recurs_have_one_set_of_weights() -> None:
    graph = net("""input x: 3x4
input h: 4
block over(x, body) { for x_t in @x { { | @x_t | identity }; concat; body } }
@h; over(@x) { fc-4(act=tanh) }
""")
    assert list(Net(graph).single.state_dict()) == [
        "over1.x_t1.fc1.weight",
        "over1.x_t1.fc1.bias",
    ]


def test_a_layer_that_has_a_state_is_its_own_cell() -> None:
    both = Net(
        net("""input x: 3x4
input h: 8
input c: 8
{ | @h | @c }
for x_t in @x {
  { | identity as h0 | identity as c0 }
  @x_t; lstm-4(@h0, @c0, layers=2, state=yes) as cell
  { | identity as y | identity as h1 | identity as c1 }
  { | @h1 | @c1 }
} as last
@x; lstm-4(@h, @c, layers=2, state=yes, weights=@cell) as whole
output y, last, whole
""")
    )
    ran = both.run(inputs_for(both.graph, 2, {}))
    for ours, theirs in zip(ran.exact[:3], ran.exact[3:], strict=True):
        assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_a_name_given_inside_is_stacked_outside_only_where_it_is_read() -> None:
    quiet = net(PLAIN.replace("output y, last", ""))
    assert Stack not in [type(node.op) for node in quiet.nodes]
    assert "y" not in quiet.names
    sizes = net(PLAIN.replace("output y, last", "fc-(@y.T); add { | identity | @y; gap; fc-6 }"))
    assert [str(node.types[0]) for node in sizes.nodes if isinstance(node.op, Stack)] == ["4x6"]


def test_a_step_sees_the_names_around_and_shows_none_of_its_own_beside() -> None:
    with pytest.raises(NetspecError, match="no step above is named `x_t`"):
        net(f"{PLAIN.replace('output y, last', '')}@x_t; fc-3\n")
    with pytest.raises(NetspecError, match="no step above is named `y`"):
        net(PLAIN.replace("| identity }", "| @y }"))


def test_a_name_inside_a_named_call_is_stacked_too() -> None:
    graph = net("""input x: 3x4
input h: 4
block cell(x) { { | @x | identity }; concat; fc-4 as before; tanh }
@h
for x_t in @x { cell(@x_t) as c }
@c.before; gap; fc-2
""")
    stacked = next(node for node in graph.nodes if isinstance(node.op, Stack))
    assert [value.node.path for value in stacked.inputs] == [
        f"x_t{i}.c.before" for i in (1, 2, 3, 4)
    ]


def test_a_step_that_no_pass_reads_is_a_warning_and_the_last_state_is_none() -> None:
    graph = net("""input x: 3x4
input s: 4
@s
for x_t in @x {
  identity as state
  { | @x_t | @state }; concat; fc-6 as hidden; fc-2 as y
  @hidden; fc-3 as forgotten
  @hidden; fc-4 as next
}
@y
""")
    assert [d.problem.path for d in unread(graph)] == ["x_t4.forgotten"]


def test_it_is_drawn_as_one_pass_that_is_repeated() -> None:
    items = structure(net(PLAIN)).items
    repeats = [item for item in items if isinstance(item, Repeat)]
    assert [(item.count, item.element.name) for item in repeats] == [(6, "x_t1")]


def test_a_long_one_is_not_written_out() -> None:
    """Neither is it refused: its nodes are as many whatever its length."""
    text = PLAIN.replace("fc-4(act=tanh)", "fc-4; relu x8; tanh")
    sizes = {len(net(text.replace("3x6", f"3x{length}")).nodes) for length in (65, 4000, 2**28)}
    assert len(sizes) == 1


def test_more_tensors_of_a_bundle_than_fit_are_refused_before_they_are_built() -> None:
    parts = "{ " + "| identity " * 4000 + "}"
    text = f"input 3x4\n{parts} as all\nfor x in @all {{ conv1-3; relu x8 }}"
    with pytest.raises(NetspecError) as caught:
        net(text)
    assert caught.value.diagnostics[0].code == "NS404"

"""What a spec means: scopes, names, defaults, blocks, bundles, sizes; and the page that says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from support.places import DOCS

from netspec import NetspecError
from netspec.analysis.statements import LINES, PREPROCESS, STATEMENTS
from netspec.cli.shared.common import FLAGS
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.evaluate import FUNCTIONS
from netspec.elaborate.metadata import METADATA
from netspec.graph.checked import Graph

PAGE = (DOCS / "language.md").read_text(encoding="utf-8")
PUBLISHED = (DOCS / "published.md").read_text(encoding="utf-8")


def net(text: str, given: str = "input 3x8x8") -> Graph:
    return build(Source("t.ns", f"{given}\n{text}"))


def paths(text: str, given: str = "input 3x8x8") -> list[str]:
    return [node.path for node in net(text, given).nodes[1:]]


def shapes(text: str, given: str = "input 3x8x8") -> list[str]:
    return [str(node.types[0]) for node in net(text, given).nodes[1:]]


def codes(text: str) -> list[str]:
    with pytest.raises(NetspecError) as caught:
        net(text)
    return [d.code for d in caught.value.diagnostics]


# --- steps and repeats


def test_steps_end_at_semicolons_and_newlines_alike() -> None:
    assert paths("relu; tanh\nrelu") == ["relu1", "tanh1", "relu2"]


def test_a_repeat_of_zero_leaves_the_step_out() -> None:
    assert paths("conv1-4 x0; relu x(2-2); tanh") == ["tanh1"]


def test_a_name_in_a_repeat_means_the_last_copy() -> None:
    graph = net("conv1-4 x3 as a; relu\n@a")
    assert [node.path for node in graph.nodes[1:4]] == ["a", "a_2", "a_3"]
    assert graph.outputs[0].value.node.path == "a_3"


def test_numbered_paths_make_way_for_given_names() -> None:
    assert paths("conv1-3; conv1-3 as conv1; conv1-3") == ["conv2", "conv1", "conv3"]


def test_a_loop_includes_both_ends_and_may_run_not_at_all() -> None:
    assert shapes("for i in 1..3 { conv1-(4*i) }\nfor i in 2..1 { conv1-9 }") == [
        "4x8x8",
        "8x8x8",
        "12x8x8",
    ]


def test_loops_and_conditions_nest() -> None:
    text = "for i in 0..2 { if i == 0 { conv1-4 } else if i == 1 { conv1-5 } else { conv1-6 } }"
    assert shapes(text) == ["4x8x8", "5x8x8", "6x8x8"]


# --- names


def test_names_are_seen_inside_branches_and_not_by_blocks() -> None:
    assert shapes("relu as a; conv1-4\nconcat { | @a | identity }")[-1] == "7x8x8"
    assert codes("relu as a\nblock b { @a }\nb") == ["NS203"]


def test_names_in_a_block_are_reached_through_its_call() -> None:
    graph = net("block b { conv1-4 as inner; relu }\nb as outer\n@outer.inner")
    assert graph.outputs[0].value.node.path == "outer.inner"


def test_a_tensor_is_given_to_a_block_as_an_argument() -> None:
    assert paths("block b(t) { conv1-3; add(@t) }\nrelu as a; b(@a)")[-1] == "b1.add1"


def test_a_failed_step_keeps_its_name_so_that_nothing_else_is_reported() -> None:
    assert codes("conv9-4 as a\nadd(@a)\noutput a") == ["NS302"]


# --- blocks


def test_braces_are_passed_on_through_several_blocks() -> None:
    text = (
        "block a(body) { b { body; relu } }\nblock b(body) { c { body; tanh } }\n"
        "block c(body) { body; sigmoid }\na { conv1-4 }"
    )
    assert paths(text) == [
        "a1.b1.c1.conv1",
        "a1.b1.c1.relu1",
        "a1.b1.c1.tanh1",
        "a1.b1.c1.sigmoid1",
    ]


def test_braces_see_the_names_and_parameters_of_where_they_are_written() -> None:
    text = "block w(n, body) { body }\nblock b(n) { relu as a; w(99) { conv1-n; @a } }\nb(4)"
    assert shapes(text)[1] == "4x8x8"


def test_an_inline_block_adds_no_level_to_the_path() -> None:
    assert paths("inline block b { relu; tanh }\nb x2") == ["relu1", "tanh1", "relu2", "tanh2"]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("residual { relu } as x", "relu1 x"),
        ("residual { relu } x3 as x", "relu1 x relu2 x_2 relu3 x_3"),
        ("residual { conv3-16(pad=1) } as x", "conv1 shortcut x"),
        ("residual { residual { relu } } as x", "relu1 add1 x"),
        ("inline block b { relu; tanh }\nb as x", "relu1 x"),
        ("inline block c { relu; tanh }\ninline block b { relu; c }\nb as x", "relu1 relu2 x"),
        ("inline block b { relu; tanh as y }\nb as x", "relu1 y"),
        ("inline block b { relu; tanh x2 }\nb as x", "relu1 tanh1 x"),
        ("inline block b { relu; if C > 1 { tanh } }\nb as x", "relu1 x"),
        ("inline block b { relu; conv1-4; gap }\nb as x", "relu1 conv1 x"),
        ("inline block b { relu; conv1-4 }\nb as x", "relu1 conv1"),
        ("inline block b { relu; bn }\nb as x", "relu1 bn1"),
        ("inline block b(body) { relu; body }\nb { tanh } as x", "relu1 tanh1"),
        ("inline block b(body) { body as x; sigmoid }\nb { tanh } as y", "tanh1 y"),
        ("block c { tanh }\ninline block b { relu; c }\nb as x", "relu1 c1.tanh1"),
        ("if C > 1 { relu; tanh } as x", "relu1 x"),
        ("for i in 1..2 { relu; tanh } as x", "relu1 tanh1 relu2 x"),
        ("freeze { relu; tanh } as x", "relu1 x"),
        ("{ | relu | tanh } as x, y; add", "x y add1"),
        ("{ | relu; tanh | conv1-C } as x, y; add as z", "relu1 x conv1 z"),
        ("for i in 1..2 { | relu } as x, y; add", "x y add1"),
        ("split(3) as x, y, z; add", "split1 add1"),
    ],
)
def test_a_name_behind_braces_is_that_of_the_step_that_makes_the_result(
    text: str, made: str
) -> None:
    """Where it has none, and no weights: keys of weights are what they were without the name."""
    assert paths(text) == made.split()


def test_defaults_of_parameters_may_use_those_before() -> None:
    assert shapes("block b(n=4, m=n*2) { conv1-m }\nb; b(3); b(m=5)") == ["8x8x8", "6x8x8", "5x8x8"]


def test_a_layer_given_as_a_value_brings_its_arguments() -> None:
    text = "block u(n, s=1) { conv3-n/s(pad=1) }\nblock st(unit) { unit(8) }\nst(u(s=2))"
    assert shapes(text) == ["8x4x4"]


def test_a_block_with_operands_takes_a_bundle_apart() -> None:
    text = "block g of a, b { mul { | @b | @a; sigmoid } }\n{ | conv1-4 | conv1-4 }; g"
    assert paths(text)[-2:] == ["g1.sigmoid1", "g1.mul1"]


def test_a_block_may_call_itself() -> None:
    assert len(paths("block r(n) { relu; if n > 1 { r(n-1) } }\nr(5)")) == 5


# --- bundles


def test_braces_alone_fork_and_results_flatten_into_one_bundle() -> None:
    assert shapes("{ | { | relu | relu } | tanh }; concat")[-1] == "9x8x8"


def test_n_tensors_go_to_n_branches_one_each() -> None:
    graph = net("{ | relu | tanh }\n{ | sigmoid | identity }; concat")
    assert [v.node.path for v in graph.nodes[-1].inputs] == ["sigmoid1", "tanh1"]


def test_several_inputs_are_a_bundle() -> None:
    graph = build(Source("t.ns", "input a: 3x8x8\ninput b: 3x8x8\nadd"))
    assert [v.node.path for v in graph.nodes[-1].inputs] == ["a", "b"]


# --- defaults


def test_a_default_holds_for_the_steps_that_follow_it() -> None:
    text = "conv1-4\ndefault conv(act=relu)\nconv1-5\ndefault conv(act=none)\nconv1-6"
    assert paths(text) == ["conv1", "conv2", "relu1", "conv3"]


def test_a_default_in_a_block_ends_with_it_and_holds_for_what_it_calls() -> None:
    text = "block a { conv1-4 }\nblock b { default conv(act=relu); a }\nb; conv1-5"
    assert paths(text) == ["b1.a1.conv1", "b1.a1.relu1", "conv1"]


def test_a_default_in_a_branch_ends_with_the_branch() -> None:
    text = "concat { | default conv(act=relu); conv1-2 | conv1-2 }"
    assert paths(text) == ["conv1", "relu1", "conv2", "concat1"]


# --- sizes


def test_sizes_are_those_of_what_flows_into_the_braces() -> None:
    assert shapes("block b { conv1-8; conv1-C }\nb")[-1] == "3x8x8"
    assert shapes("concat { | conv1-8; conv1-(2*C) }")[1] == "6x8x8"


def test_ids_have_a_length() -> None:
    text = "embedding-8; flatten; fc-(2*T)"
    graph = build(Source("n", f"input 5 ids(9)\n{text}\n"))
    assert graph.outputs[0].value.type.shape == (10,)
    with pytest.raises(NetspecError) as caught:
        build(Source("n", "input 5\nfc-(2*T)\n"))
    assert caught.value.diagnostics[0].problem.code == "NS202"


# Where braces may start at a reference. Each makes the 5 channels of `@low` while 6 or 7 flow in.
@pytest.mark.parametrize(
    "text",
    [
        "conv1-5 as low; conv1-7; add { | @low; conv1-C as it | conv1-5 }",
        "conv1-5 as low; conv1-7; { | default tanh() ; @low; conv1-C as it | conv1-5 }",
        "conv1-5 as low; conv1-7; { | default conv(width=C); @low; conv1 as it | conv1-5 }",
        "conv1-5 as low; conv1-7; residual { @low; conv1-C as it; conv1-7 }",
        "conv1-5 as low; conv1-7; freeze { @low; conv1-C as it }",
        "conv1-5 as low; conv1-7; head aux { @low; conv1-C as it; gap; fc-2 }",
        "conv1-5 as low; conv1-7; { | @low; if C == 5 { for i in 1..1 { conv1-C as it } } | relu }",
        "conv1-5 as low; conv1-7; { | { | @low; relu; conv1-C as it | gap } | relu }",
        "block to(other) { @other; conv1-C as it }\nconv1-5 as low; conv1-7; to(@low)",
        "block to(x) { twice { @x; conv1-C as it } }\nblock twice(body) { body; body }\n"
        "conv1-5 as low; conv1-7; to(@low)",
        "block cell of a, b { @b; conv1-C as it }\n{ | conv1-7 | conv1-5 }; cell",
        "block deep(n) of a, b { @b; conv1-C as it; { | @a | @it }; if n < C { deep(n+1) } }\n"
        "{ | conv1-7 | conv1-5 }; deep(3)",
    ],
)
def test_braces_that_start_at_a_reference_have_its_sizes(text: str) -> None:
    found = [node for node in net(text).nodes if node.path.rpartition(".")[2] == "it"]
    assert {node.output.shape[0] for node in found} == {5}


def test_a_file_that_starts_at_an_input_has_its_sizes() -> None:
    inputs = "input a: 7x8x8\ninput b: 5xHxW\n"
    assert shapes("@b; conv1-C; maxpool2; conv1-(C+1)", inputs)[1:] == [
        "5xHxW",
        "5x[floor(H/2)]x[floor(W/2)]",
        "6x[floor(H/2)]x[floor(W/2)]",
    ]
    assert shapes("relu x0; { | @b | @b }; add; conv1-C", inputs)[-1] == "7xHxW"


@pytest.mark.parametrize(
    "text",
    [
        "conv1-5 as low; conv1-7; { | relu; @low; conv1-C as it | relu }",
        "conv1-5 as low; conv1-7; { | if yes { @low }; conv1-C as it | relu }",
        "conv1-5 as low; conv1-7; { | @low x0; conv1-C as it | relu }",
        "block to(other, n=C) { @other; conv1-n as it }\nconv1-5 as low; conv1-7; to(@low)",
        "conv1-5 as low; conv1-7; { | if yes { @low; conv1-C as it } | relu }",
    ],
)
def test_sizes_stay_those_of_what_flows_in_where_no_reference_is_first(text: str) -> None:
    (found,) = (node for node in net(text).nodes if node.path.rpartition(".")[2] == "it")
    assert found.output.shape[0] == 7


@pytest.mark.parametrize("text", ["{ | @lwo; conv1-C | relu }", "block b { @lwo; conv1-C }\nb"])
def test_braces_that_start_at_nothing_get_one_message(text: str) -> None:
    assert codes(f"conv1-5 as low\n{text}") == ["NS203"]


def test_a_block_may_be_imported_as_one() -> None:
    body = "input 8x8x8\ntransition"
    plain = net(body, "import transition from densenet121")
    assert net(body, "import block transition from densenet121").nodes[1:] != ()
    assert paths(body, "import block transition from densenet121") == [
        node.path for node in plain.nodes[1:]
    ]


def test_symbolic_sizes_record_what_must_hold() -> None:
    graph = net("concat { | identity | maxpool2; deconv2-3/2 }", "input 3xHxW")
    assert "H == 2*floor(H/2)" in [str(c) for c in graph.conditions]


def test_a_residual_finds_the_stride_of_symbolic_sizes() -> None:
    graph = net("residual { conv3-8/2(pad=1) }", "input 3xHxW")
    assert graph.nodes[2].path == "shortcut"
    assert graph.nodes[2].types == graph.nodes[1].types


# --- sharing, freezing, heads


def test_calls_of_one_block_may_share_their_weights() -> None:
    graph = net("block b { conv1-3; relu; conv1-3 }\nb as first; b(weights=@first)")
    assert [node.owner for node in graph.nodes[4:]] == ["first.conv1", "b1.relu1", "first.conv2"]


def test_calls_that_share_their_weights_share_those_of_their_braces() -> None:
    graph = net("block b(body) { body; relu }\nb { conv1-3 } as a; b(weights=@a) { conv1-3 }")
    assert [node.owner for node in graph.nodes[3:]] == ["a.conv1", "b1.relu1"]


def test_a_step_that_shares_hands_on_the_weights_of_the_step_that_owns_them() -> None:
    graph = net("conv1-3 as a; conv1-3(weights=@a) as b; conv1-3(weights=@b) as c")
    assert [node.owner for node in graph.nodes[1:]] == ["a", "a", "a"]
    twice = "block twice { conv1-3 as one; conv1-3(weights=@one) }"
    graph = net(f"{twice}\ntwice as first; twice(weights=@first)")
    assert [node.owner for node in graph.nodes[1:]] == ["first.one"] * 4


def test_weights_are_shared_with_their_owner_in_calls_that_are_added_again() -> None:
    """Such a call of a block is not run, and what it shared is known of it too."""
    pair = "block pair { conv1-3 as one; conv1-3(weights=@one) as two }\n"
    graph = net(f"{pair}pair as a; pair as b; pair as c; conv1-3(weights=@c.two) as last")
    owners = {node.path: node.owner for node in graph.nodes[1:]}
    assert owners == {
        "a.one": "a.one",
        "a.two": "a.one",
        "b.one": "b.one",
        "b.two": "b.one",
        "c.one": "c.one",
        "c.two": "c.one",
        "last": "c.one",
    }


def test_frozen_steps_and_braces_mark_their_nodes() -> None:
    graph = net("freeze { conv1-4 }; conv1-4(frozen=yes); conv1-4")
    assert [node.frozen for node in graph.nodes[1:]] == [True, True, False]


def test_a_layer_that_follows_may_be_frozen_by_itself() -> None:
    graph = net("block twice { affine; affine }\nconv1-4(norm=bn(frozen=yes), act=prelu)")
    assert [node.frozen for node in graph.nodes[1:]] == [False, True, False]
    graph = net("block twice { affine; affine }\nconv1-4(norm=twice(frozen=yes), act=prelu)")
    assert [node.frozen for node in graph.nodes[1:]] == [False, True, True, False]


def test_a_training_head_leaves_the_wire_alone() -> None:
    graph = net("relu\nhead aux(loss=0.3) { gap; fc-2 }\ntanh")
    assert graph.nodes[-1].inputs[0].node.path == "relu1"
    assert [(head.name, head.loss) for head in graph.heads] == [("aux", 0.3)]


def test_heads_of_repeated_blocks_have_names_of_their_own() -> None:
    graph = net("block b { relu; head aux { gap; fc-2 } }\nb x2")
    assert [head.name for head in graph.heads] == ["b1.aux", "b2.aux"]


@pytest.mark.parametrize(
    ("arguments", "loss"), [("", 1.0), ("(loss=0.3)", 0.3), ("(0.3)", 0.3), ("(loss=3)", 3.0)]
)
def test_the_loss_of_a_head_is_a_parameter_like_others(arguments: str, loss: float) -> None:
    assert net(f"head aux{arguments} {{ gap }}\nrelu").heads[0].loss == loss


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("(lss=1)", "`head aux` has no parameter `lss`"),
        ("(loss=yes)", "`head aux`: loss must be a number, got yes"),
        ("(loss=many)", "`many` is not a parameter or index here"),
        ("(loss=1e99)", "a number that float32 can hold"),
        ("(loss=1, loss=2)", "`head aux` gets loss twice"),
        ("(1, 2)", "too many values in order for `head aux`: 2, it takes 1"),
    ],
)
def test_what_is_no_loss_is_refused(arguments: str, says: str) -> None:
    with pytest.raises(NetspecError, match=re.escape(says)):
        net(f"head aux{arguments} {{ gap }}\nrelu")


@pytest.mark.parametrize(
    "text",
    [
        "head aux { relu; head inner { gap } }\nrelu",
        "block b { relu; head inner { gap } }\nhead aux { b; gap }\nrelu",
        "block b { head aux { head inner { gap }; gap } }\nb",
    ],
)
def test_a_head_in_a_head_is_refused(text: str) -> None:
    assert codes(text) == ["NS231"]


def test_a_head_ends_in_one_tensor() -> None:
    assert codes("head aux { relu; { | gap | gmp } }\nrelu") == ["NS311"]


# --- words


WORDS = """block b(size=half, act=relu, n=C) {
  if size == half { maxpool2 } else if quarter == size { maxpool2 x2 } else { identity }
  if act != none { act }
  if n == C { relu }
}
block through(size) { b(size) }
block any(size) { if size == half { relu } else { tanh } }
"""


@pytest.mark.parametrize("call", ["b", "b(quarter)", "b(half)", "b(act=tanh)", "b(n=3)", "any(zz)"])
def test_words_that_a_block_asks_for_are_taken(call: str) -> None:
    assert net(WORDS + call).nodes


@pytest.mark.parametrize("call", ["b(large)", "b(size=3)", "b(none)", "b(yes)", "through(large)"])
def test_a_word_that_a_block_never_asks_for_is_refused(call: str) -> None:
    with pytest.raises(NetspecError, match="`b`: size must be half or quarter, got "):
        net(WORDS + call)


def test_a_setting_is_a_word_that_the_net_asks_for() -> None:
    source = Source("t.ns", "net t(kind=wide)\ninput 3\nif kind == narrow { fc-2 } else { fc-9 }")
    assert str(build(source, {"kind": "narrow"}).outputs[0].value.type) == "2"
    with pytest.raises(NetspecError, match="kind must be wide or narrow, got narow"):
        build(source, {"kind": "narow"})


# --- expressions


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2 ** 65", "exponents go from -64 to 64"),
        ("0 ** (0-1)", "0 ** (-1): division by zero"),
        ("(-8) ** 0.5", "(-8) ** 0.5: the result is not a number"),
        ("H ** 2", "powers need numbers"),
        ("9 ** 64", "the result is too large"),
        ("10**17 * 100", "the result has more than 18 digits"),
        ("1e300 * 1e300", "the result is not finite"),
        ("1e300 * 1e300", "cannot compute 1e+300 * 1e+300: the result is not finite"),
        ("1 // 0", "division by zero"),
        ("H // 0", "division by zero"),
        ("multiple(8, 0)", "division by zero"),
        ("sqrt(0-1)", "the value is outside the function's range"),
        ("max(k=3)", "it does not take these values"),
        ("H*H*H*H*H", "the formula gets too long"),
        ("H * 10**17 * 100", "the formula gets too long"),
        ("ratio(@x, @y)", "the tensors have different numbers of axes"),
        ("ratio(@x, 2)", "it does not take these values"),
    ],
)
def test_what_cannot_be_computed_says_why(text: str, reason: str) -> None:
    with pytest.raises(NetspecError, match=re.escape(reason)):
        net(f"relu as x; gap as y; @x; conv1-({text})", "input 3xHx8")


def test_numbers_may_be_whole_in_the_end() -> None:
    assert shapes("conv1-(2 ** 3 / 2); conv1-(1 if 1 == 2 or 3 == 3 else 2)") == ["4x8x8", "1x8x8"]


# --- other files


@pytest.fixture
def other(tmp_path: Path) -> Callable[[str, str], Graph]:
    """Builds a text beside a file `inner.ns` that holds another."""

    def made(inner: str, text: str) -> Graph:
        (tmp_path / "inner.ns").write_text(inner)
        return build(Source("t.ns", f"import inner\ninput 3x8x8\n{text}", str(tmp_path / "t.ns")))

    return made


TWO = "input a: 3x8x8\ninput b: 3x8x8\n{ | @a; conv1-4 | @b; conv1-5 }\nconcat"
HEADS = """input 3x8x8
block b { relu; head late { gap } }
conv1-4 as first; head early { gap }
b
"""


def test_a_net_of_several_inputs_takes_a_bundle_apart(other: Callable[[str, str], Graph]) -> None:
    graph = other(TWO, "{ | relu | tanh }; inner; conv1-2")
    readers = {
        n.path: n.inputs[0].node.path for n in graph.nodes if n.path.startswith("inner1.conv")
    }
    assert readers == {"inner1.conv1": "relu1", "inner1.conv2": "tanh1"}
    for text in ("inner", "{ | relu | tanh | relu }; inner"):
        with pytest.raises(NetspecError, match="`inner` takes 2 tensors, the wire carries"):
            other(TWO, text)


@pytest.mark.parametrize(
    ("text", "heads"),
    [
        ("inner", ["inner1.early", "inner1.b1.late"]),
        ("inner(until=first)", []),
        ("inner(until=none)", ["inner1.early", "inner1.b1.late"]),
        ("head aux { inner; gap }\nrelu", ["aux"]),
    ],
)
def test_heads_of_a_net_used_as_a_block(
    text: str, heads: list[str], other: Callable[[str, str], Graph]
) -> None:
    assert [head.name for head in other(HEADS, text).heads] == heads


@pytest.mark.parametrize("value", ["3", '"first"', "@x", "relu(1)", "[1]", '""', "yes"])
def test_a_net_stops_after_a_name(value: str, other: Callable[[str, str], Graph]) -> None:
    with pytest.raises(NetspecError, match="`inner`: until must be the name of a step, got "):
        other(HEADS, f"relu as x\ninner(until={value})")


STOPS = """net inner(deep=yes)
input 3x8x8
block pair { { | body_of | tanh }; add }
block body_of { sigmoid }
conv1-4 as first
if deep { relu; conv1-5 as within; tanh } else { gelu as other }
freeze { conv1-6 as frozen; tanh }
for i in 1..3 { conv1-(6+i) as turn; tanh }
if deep { conv1-10 as again; tanh } x2
{ | conv1-2 as branch; tanh | relu }; concat
residual { conv1-C as braces; tanh }
softmax
"""


@pytest.mark.parametrize(
    ("until", "last", "nodes"),
    [
        ("first", "inner1.first", 1),
        ("within", "inner1.within", 3),
        ("frozen", "inner1.frozen", 5),
        ("turn", "inner1.turn_3", 11),
        ("again", "inner1.again_2", 15),
    ],
)
def test_a_net_stops_inside_braces_that_only_go_on(
    until: str, last: str, nodes: int, other: Callable[[str, str], Graph]
) -> None:
    graph = other(STOPS, f"inner(until={until})")
    assert graph.outputs[0].value.node.path == last
    assert len(graph.nodes) - 1 == nodes


@pytest.mark.parametrize("until", ["branch", "braces"])
def test_a_net_does_not_stop_where_it_would_be_half_run(
    until: str, other: Callable[[str, str], Graph]
) -> None:
    with pytest.raises(NetspecError, match=f"that stands in no branch .* got {until}"):
        other(STOPS, f"inner(until={until})")
    with pytest.raises(NetspecError, match="`other`"):
        other(STOPS, "inner(until=other)")


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("block bl(n) { conv1-n }", "`inner` holds no net"),
        ("input 3x8x8\n# \udcff", "is not UTF-8"),
        ("input 3x8x8\nconvv3-4", "no layer or block is called `convv3`"),
    ],
)
def test_what_is_wrong_with_another_file_is_said(inner: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "inner.ns").write_bytes(inner.encode("utf-8", "surrogateescape"))
    source = Source("t.ns", "import inner\ninput 3x8x8\ninner", str(tmp_path / "t.ns"))
    with pytest.raises(NetspecError, match=says):
        build(source)


def test_a_file_imported_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.ns").write_text("import twice from b\nblock unit { twice }")
    (tmp_path / "b.ns").write_text("block twice { relu }")
    text = "import unit from a\nimport twice from b\ninput 3\nunit; twice"
    graph = build(Source("t.ns", text, str(tmp_path / "t.ns")))
    assert [node.op.spelling for node in graph.nodes[1:]] == ["relu", "relu"]


def test_a_net_is_called_like_a_block_up_to_a_step() -> None:
    text = "import vgg16\nvgg16(until=pool4) as v\n@v.pool3"
    graph = net(text, "input 3x64x64")
    assert str(graph.outputs[0].value.type) == "256x8x8"
    assert graph.nodes[-1].path == "v.pool4"


def test_a_variation_of_a_net_has_its_name_and_its_settings() -> None:
    graph = build(Source("t.ns", "net small = googlenet(classes=10)"))
    assert graph.name == "small"
    assert str(graph.outputs[0].value.type) == "10"


def test_every_path_is_unique_whatever_is_named_like_what() -> None:
    text = (
        "block w(body) { body; relu; body }\nw { relu as relu1; tanh as relu2 }\n"
        "inline block q { relu as a; tanh }\nq x2; relu as tanh1; tanh; tanh x2 as b"
    )
    found = paths(text)
    assert len(set(found)) == len(found)


# --- the page


def rows(heading: str, page: str = PAGE) -> dict[str, str]:
    """The first two cells of the page's table whose first heading is `heading`."""
    table = page.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    return {first.strip(): second.strip() for first, second in cells}


def test_the_page_lists_every_function() -> None:
    assert {*re.findall(r"`(\w+)\(", " ".join(rows("function")))} == set(FUNCTIONS)


def test_the_page_lists_every_limit_with_its_default() -> None:
    expected = {
        f"`--max-{FLAGS.get(field.name, field.name)}`": f"{getattr(DEFAULT, field.name):,}"
        for field in fields(Limits)
    }
    assert rows("flag") == expected


def test_the_page_lists_every_kind_of_metadata() -> None:
    listed = {word for key in rows("line") for word in re.findall(r"`(\w+)`", key)}
    assert listed == {*METADATA, *LINES}


def test_the_page_lists_every_key_of_a_published_figure() -> None:
    listed = {word for key in rows("key", PUBLISHED) for word in re.findall(r"`(\w+)`", key)}
    assert listed == {key for line in STATEMENTS.values() for key in line.keys}


def test_the_page_lists_every_key_of_how_images_are_prepared() -> None:
    page = (DOCS / "deploy.md").read_text(encoding="utf-8")
    listed = {word for key in rows("key", page) for word in re.findall(r"`(\w+)`", key)}
    assert listed == set(PREPROCESS.keys)


def test_names_in_a_training_head_stay_in_it() -> None:
    assert codes("head aux { gap; fc-2 as logits }\n@logits") == ["NS203"]


def test_inputs_and_outputs_have_names_of_their_own() -> None:
    assert codes("input 3x8x8\nadd") == ["NS204"]
    assert codes("relu as a\noutput a, a") == ["NS112"]


def test_a_default_that_no_step_can_take_is_reported_once_where_it_stands() -> None:
    with pytest.raises(NetspecError) as caught:
        net("default conv(stride=none, act=nope)\nconv1-4 x3; conv1-5")
    places = [(d.code, d.span.line) for d in caught.value.diagnostics if d.span]
    assert places == [("NS214", 2), ("NS201", 2)]


def test_branches_that_all_start_at_references_read_nothing_of_the_wire(net, refused):
    inputs = "input a: 4\ninput b: 4\ninput c: 4\n"
    graph = net(inputs + "add { | @a; fc-3 | @b; fc-3 }")
    assert graph.outputs[0].value.shape == (3,)
    error = refused(inputs + "add { | @a; fc-3 | fc-3 }")
    assert "2 branches cannot share a wire of 3 tensors" in str(error)


@pytest.mark.parametrize(
    ("computed", "plain"),
    [
        ("conv3-4(pad=(3-1)/2)", "conv3-4(pad=1)"),
        ("conv3-4(pad=(2/2, 4/2))", "conv3-4(pad=(1, 2))"),
        ("conv3-4(pad=((2/2, 0), (1, 4/2)))", "conv3-4(pad=((1, 0), (1, 2)))"),
        ("pad(4/2)", "pad(2)"),
        ("conv3-(8/2)/(4/2)", "conv3-4/2"),
        ("transpose(axes=[0, 4 / 2, 1])", "transpose(axes=[0, 2, 1])"),
        ("tableconv3(table=[[0/2, 4/2]])", "tableconv3(table=[[0, 2]])"),
    ],
)
def test_a_quotient_that_is_whole_is_an_integer_wherever_one_is_taken(net, computed, plain):
    ours, theirs = (net(text, input="3x9x9").nodes[-1] for text in (computed, plain))
    assert ours.types == theirs.types
    assert repr(ours.op) == repr(theirs.op)


@pytest.mark.parametrize("merge", ["add", "concat", "mul", "sub"])
def test_rows_of_two_kinds_do_not_meet(merge: str, refused: Callable[[str], NetspecError]) -> None:
    """A sum of what there is for each image and for each region would pair them by chance."""
    text = f"input a: 3x8x8\ninput b: 3x8x8 batch(R=4)\n{merge} {{ | @a | @b }}"
    error = refused(text)
    assert [item.code for item in error.diagnostics] == ["NS310"]
    assert "3x8x8 for each sample and 3x8x8 for each of R" in str(error)


def test_a_call_says_its_arguments(net: Callable[[str], Graph]) -> None:
    graph = net(
        "block unit(n, s=1) { conv3-n/s(pad=1) }\nblock plain { relu }\nunit(8, s=2); plain"
    )
    calls = {str(node.call) for node in graph.nodes if node.call}
    assert calls == {"unit(8, s=2)", "plain"}


def test_a_recurrence_goes_over_a_sequence_and_not_over_a_size(
    refused: Callable[[str], NetspecError],
) -> None:
    assert "NS203" in str(refused("input x: 8x10\nfc-5 as h\nfor t in @x.C { relu }"))


@pytest.mark.parametrize(
    "steps",
    [
        "block b(k=auto) { if k == auto { relu } else { conv3-k } }; b; b(3)",
        "block b(k=3) { if auto == k { relu } else { conv3-k } }; b; b(auto)",
        "block b(k=auto) { if k == 1+1 { relu } else { tanh } }; b",
        "for i in [half, 2] { if i == half { relu } else { tanh } }",
        "if C == none { relu } else { tanh }",
    ],
)
def test_a_parameter_that_may_be_a_word_is_compared_with_words_and_numbers(steps: str) -> None:
    assert build(Source("t.ns", f"input 3x8x8; {steps}")).nodes

"""Calls, their arguments and their names: what is said of a wrong one, fact by fact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.watching import counting

import netspec
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import attempted, build
from netspec.graph.checked import Graph

KIND = "block b(kind=a) { if kind == a { relu } else if kind == c { tanh } }\n"
# A text behind `input 3x8x8`; then the code of what is said first and some of its facts.
WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("relu as a; @a.C", "NS203", {"name": "a.C"}),
    ("relu as a; @a.W; tanh", "NS203", {"name": "a.W"}),
    ("relu as alpha; @alpa", "NS203", {"advice_text": "did you mean `alpha`?"}),
    ("relu as alpha; @qqqqq", "NS203", {"advice_text": ""}),
    ("conv3-8(bias=true)", "NS214", {"op": "conv", "name": "bias", "advice_text": "write `yes`"}),
    ("conv3-8(bias=None)", "NS214", {"value": "None", "advice_text": ""}),
    ("conv3-8(bias=3)", "NS214", {"value": "3", "advice_text": ""}),
    ('conv3-8(bias="yes")', "NS214", {"value": '"yes"'}),
    ("conv3-8(frozen=3)", "NS214", {"name": "frozen", "expected": "yes or no", "value": "3"}),
    ("conv3-8(weights=3)", "NS214", {"name": "weights", "value": "3"}),
    ("conv3-8 as a; conv3-8(weights=a)", "NS202", {"advice_text": "did you mean `@a`?"}),
    ("conv3-8(pad=1, pad=2)", "NS212", {"op": "conv3", "name": "pad"}),
    ("relu(a)", "NS213", {"op": "relu", "limit": 0, "count": 1}),
    ("relu as x; relu(x)", "NS202", {"name": "x", "advice_text": "did you mean `@x`?"}),
    (KIND + "b(kind=d)", "NS214", {"op": "b", "name": "kind", "expected": "a or c", "value": "d"}),
    (KIND + "b(1)", "NS214", {"op": "b", "expected": "a or c", "value": "1"}),
    ("block b(n=1) { relu }\nb(m=2)", "NS210", {"name": "m", "usage": "usage: `b(n=1)`"}),
    ("block b(n=1) { relu }\nb(1, 2)", "NS213", {"op": "b", "limit": 1, "count": 2}),
    ("block b(n, body) { body }\nb(1, 2) { relu }", "NS213", {"limit": 1, "count": 2}),
    ("block b(n) { relu }\nb", "NS211", {"op": "b", "name": "n", "usage": "usage: `b(n)`"}),
    ("block b { relu }\nb { tanh }", "NS219", {"op": "b"}),
    ("block b(body) { body }\nb", "NS220", {"op": "b"}),
    (
        "block b of x, y { add { | @x | @y } }\nconv1-4; b",
        "NS311",
        {"op": "b", "expected": "2 tensors (x, y)", "found": "1"},
    ),
    (
        "reshape((3, H*W)) as s; { | @s | @s } as two; @s; attention(1, mask=@two)",
        "NS311",
        {"op": "attention(mask=)", "expected": "one tensor", "found": "2 tensors"},
    ),
    ("{ | relu | tanh }; conv1-4", "NS311", {"expected": "one tensor", "found": "2 tensors"}),
    (
        "head h { { | relu | tanh } }\nrelu",
        "NS311",
        {"op": "head h", "expected": "one tensor at its end", "found": "2"},
    ),
    ("convv3-8", "NS201", {"name": "convv3", "advice_text": "did you mean `conv`?"}),
    ("conv3x-8", "NS201", {"name": "conv3x"}),
    ("relu3", "NS210", {"op": "relu", "name": "kernel"}),
    ("tanhh3", "NS201", {"name": "tanhh3", "advice_text": "did you mean `tanh`?"}),
    ("block inner(n) { conv3-n }\ninnr3-8", "NS201", {"advice_text": "did you mean `inner`?"}),
    ("import resnet18\nresnet18(until=3)", "NS214", {"op": "resnet18", "name": "until"}),
    ("import resnet18\nresnet18(until=conw1)", "NS203", {"name": "conw1"}),
    ("entry year=2014", "NS707", {"line": "entry"}),
    ("relu as r; for x in @r { frob }; nope", "NS201", {"name": "frob"}),
]


@pytest.mark.parametrize(("text", "code", "facts"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_with_a_step_is_told(
    text: str, code: str, facts: dict[str, Any], refused: Callable[[str], NetspecError]
) -> None:
    problem = refused(f"input 3x8x8\n{text}").diagnostics[0].problem
    assert problem.code == code
    told = {name: problem.facts.get(name) for name in facts}
    assert told == facts


# Texts behind `input 3x8x8`, with what of them a message points at.
PLACES = [
    ("conv0-8", "conv0"),
    ("conv3-0", "0"),
    ("conv3-8/0", "0"),
    ("conv3-8(pad=1, dilation=0)", "dilation=0"),
    ("conv3-8(kernel=3)", "kernel=3"),
    ("conv3-8(frozen=3)", "frozen=3"),
    ("conv3-8(weights=3)", "weights=3"),
    ("block b(n, m=1) { relu }\nb(1, frozen=yes, q=2)", "q=2"),
    ("block b(n, m=1) { relu }\nb(1, 2, 3)", "3"),
    (KIND + "b(kind=d)", "kind=d"),
    (KIND + "b(d)", "d"),
    ("relu as a; upsample(size=a)", "size=a"),
    ("relu as a; relu(1, a)", "1"),
    ("conv3-8(width=8)", "width=8"),
    ("block b(layer) { layer(8, pad=0-1) }\nb(conv3)", "pad=0-1"),
    ("block b(layer) { layer(8) }\nb(conv3(pad=0-1))", "layer"),
]


@pytest.mark.parametrize(("text", "place"), PLACES)
def test_a_message_points_at_the_argument(
    text: str, place: str, refused: Callable[[str], NetspecError]
) -> None:
    span = refused(f"input 3x8x8\n{text}").diagnostics[0].span
    assert span
    assert span.source.text[span.start : span.end] == place


def test_a_list_that_grows_with_each_call_is_refused(
    refused: Callable[[str], NetspecError],
) -> None:
    """Ten of ten of ten: each block passes on ten times what it was given."""
    ten = ", ".join(["a"] * 10)
    blocks = "".join(f"block b{i}(a) {{ b{i + 1}(({ten})) }}\n" for i in range(5))
    error = refused(f"{blocks}block b5(a) {{ relu }}\ninput 3x8x8\nb0(1)")
    assert [d.code for d in error.diagnostics] == ["NS216"]
    assert "lists and layers hold at most 4,096 values" in str(error)


def test_an_output_that_is_made_last_is_within_the_limits_too() -> None:
    """What a recurrence gave at each step is put together where it is asked for."""
    source = Source("t.ns", "input a: 4x3\ninput h: 4\n@h\nfor x in @a { add(@x) as s }\noutput s")
    whole = build(source)
    assert [node.path for node in whole.nodes][-1] == "s"
    assert len(build(source, limits=Limits(nodes=len(whole.nodes))).nodes) == len(whole.nodes)
    with pytest.raises(NetspecError) as caught:
        build(source, limits=Limits(nodes=len(whole.nodes) - 1))
    (found,) = caught.value.diagnostics
    assert found.code == "NS404"
    assert found.span
    assert found.span.line == 5


def test_what_any_step_takes_a_block_takes_beside_its_own(net: Callable[..., Graph]) -> None:
    body = "input 3x8x8\nblock b(n, m=1) { conv1-n; conv1-m }\n"
    graph = net(f"{body}b(frozen=yes, n=4, m=5)")
    assert [(n.types[0].shape[0], n.frozen) for n in graph.nodes[1:]] == [(4, True), (5, True)]
    graph = net(f"{body}b(n=4) as one; relu; conv1-3; b(m=1, weights=@one, n=4)")
    assert graph.nodes[-1].owner == "one.conv2"


def test_a_named_tensor_flows_in_behind_the_others(net: Callable[..., Graph]) -> None:
    graph = net("input 3x8\ninput m: 8\n@input; attention(1, mask=@m); attention(1, mask=none)")
    attentions = [n for n in graph.nodes if n.path.startswith("attention")]
    assert [[v.node.path for v in n.inputs] for n in attentions] == [
        ["input", "m"],
        ["attention1"],
    ]
    assert [bool(getattr(n.op, "mask", None)) for n in attentions] == [True, False]


@pytest.mark.parametrize(
    ("matrix", "bias"), [("fc-4(over=channels)", ""), ("fc-4(over=channels, bias=no)", ", bias=no")]
)
def test_a_convolution_that_takes_a_matrix_is_told_how_it_is_written(
    matrix: str, bias: str, refused: Callable[[str], NetspecError]
) -> None:
    error = refused(f"input 4x8\n{matrix} as m; conv1-4(weights=@m)")
    assert f"`fc-4(over=channels{bias}, weights=@...)`" in str(error)
    for other in ("conv3-4", "conv1-5"):
        error = refused(f"input 4x8\n{matrix} as m; {other}(weights=@m)")
        assert "by a matrix" not in str(error)


def test_what_an_import_lacks_is_told_of_each_name(tmp_path: Path) -> None:
    (tmp_path / "parts.ns").write_text("block one { relu }\n")
    text = "import parts, resnet18, nope\nimport two, one, three from parts\ninput 3x8x8\none\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("net.ns", text, str(tmp_path / "net.ns")))
    facts = [(d.code, d.problem.facts["name"]) for d in caught.value.diagnostics]
    assert facts == [("NS225", "parts"), ("NS224", "nope"), ("NS225", "two"), ("NS225", "three")]


def test_a_name_of_a_head_is_taken_like_that_of_a_step(net: Callable[..., Graph]) -> None:
    graph = net("input 3x8x8\nblock b { conv1-2; head tanh1 { gap }; tanh; tanh }\nb")
    assert len({node.path for node in graph.nodes}) == len(graph.nodes)
    assert [node.path for node in graph.nodes][-2:] == ["b1.tanh2", "b1.tanh3"]


def test_a_line_with_a_wrong_pair_is_not_also_called_incomplete(
    refused: Callable[[str], NetspecError],
) -> None:
    """`top1` is there, though it says nothing; and of a pair that no line takes nothing follows."""
    error = refused('input 3x8x8\nrelu\nerror top1=x, source="s"')
    assert [d.code for d in error.diagnostics] == ["NS706"]
    error = refused("input 3x8x8\nrelu\nentry nope=2014")
    assert [d.code for d in error.diagnostics] == ["NS705"]


def test_steps_without_nodes_count_as_work() -> None:
    """A loop over numbers that adds nothing ends, and says where."""
    loops = "for i in 1..9 { for j in 1..9 { for k in 1..9 { if i < 0 { relu } } } }"
    source = Source("t.ns", f"input 3x8x8\n{loops}; relu\n")
    assert len(build(source).nodes) == 2
    with pytest.raises(NetspecError) as caught:
        build(source, limits=Limits(nodes=100))
    (found,) = caught.value.diagnostics
    assert found.code == "NS411"
    assert found.span
    assert found.span.line == 2


@pytest.mark.parametrize("made", ["b(2)", "{ b(2) }", "b(1+1)", "for i in 2..2 { b(i) }"])
def test_a_name_inside_a_call_is_not_taken_again(made: str, net: Callable[..., Graph]) -> None:
    """Steps inside an inline block, a loop or braces are numbered around what is named there."""
    body = made if made[0] != "{" else "identity; b(2)"
    graph = net(f"input 3x8x8\nblock b(n) {{ relu; conv1-n as relu2; relu; relu }}\n{body}")
    paths = [node.path.rpartition(".")[2] for node in graph.nodes if "b" in node.path]
    assert paths[-4:] == ["relu1", "relu2", "relu3", "relu4"]


def test_an_inline_block_keeps_its_names_from_the_steps_around_it(
    net: Callable[..., Graph],
) -> None:
    graph = net("input 3x8x8\ninline block b { relu; relu as relu2; relu }\nrelu; b; relu")
    assert len({node.path for node in graph.nodes}) == 6


INNER = """net inner(n=4)
input a: 3x8x8
input b: 3x8x8
block part(n) { conv1-n; head aux { gap; fc-2 } }
@a; part(n) as first; { | @first | @b; conv1-n }; add as both; conv1-2
"""


@pytest.fixture
def around(tmp_path: Path) -> Callable[[str], Graph]:
    """Nets beside `inner`, a net of two inputs, and `wide`, a variation of it."""
    (tmp_path / "inner.ns").write_text(INNER)
    (tmp_path / "wide.ns").write_text("net wide(k=5) = inner(n=k)\n")

    def built(text: str) -> Graph:
        body = f"import inner, wide\ninput 3x8x8\n{text}\n"
        return build(Source("net.ns", body, str(tmp_path / "net.ns")))

    return built


def test_a_net_of_two_inputs_takes_them_in_order(around: Callable[[str], Graph]) -> None:
    graph = around("{ | relu | tanh }; inner; gap")
    made = {node.path: node for node in graph.nodes}
    assert made["inner1.first.conv1"].inputs[0].node.path == "relu1"
    (second,) = [n for n in graph.nodes if n.inputs and n.inputs[0].node.path == "tanh1"]
    assert second.path.startswith("inner1.")
    with pytest.raises(NetspecError) as caught:
        around("{ | relu | tanh | relu }; inner")
    problem = caught.value.diagnostics[0].problem
    assert problem.code == "NS311"
    assert problem.facts["op"] == "inner"
    assert (problem.facts["expected"], problem.facts["found"]) == ("2 tensors", "3")


def test_a_variation_passes_on_what_is_not_its_own(around: Callable[[str], Graph]) -> None:
    def width(graph: Graph) -> Any:
        return next(n.types[0].shape[0] for n in graph.nodes if n.path.endswith("first.conv1"))

    pair = "{ | relu | tanh }"
    assert width(around(f"{pair}; inner")) == 4
    assert width(around(f"{pair}; inner(n=6)")) == 6
    assert width(around(f"{pair}; wide")) == 5
    assert width(around(f"{pair}; wide(k=7)")) == 7
    assert width(around(f"{pair}; wide(n=8)")) == 8


@pytest.mark.parametrize(
    ("steps", "heads"),
    [
        ("{ | relu | tanh }; inner", 1),
        ("{ | relu | tanh }; inner x1; relu", 1),
        ("{ | relu | tanh }; inner(until=first)", 0),
        ("relu; head h { { | relu | tanh }; inner; gap }", 1),
    ],
)
def test_a_net_inside_a_net_brings_its_heads_unless_it_stops_early_or_is_in_one(
    steps: str, heads: int, around: Callable[[str], Graph]
) -> None:
    assert len(around(steps).heads) == heads


def test_a_net_stops_after_the_step_that_is_named(around: Callable[[str], Graph]) -> None:
    pair = "{ | relu | tanh }"
    paths = [n.path for n in around(f"{pair}; inner(until=both); gap").nodes]
    assert paths[-2:] == ["inner1.both", "gap1"]
    for until, code, facts in (
        ("nope", "NS203", {"name": "nope"}),
        ("3", "NS214", {"op": "inner", "name": "until", "value": "3"}),
    ):
        with pytest.raises(NetspecError) as caught:
            around(f"{pair}; inner(until={until})")
        problem = caught.value.diagnostics[0].problem
        assert problem.code == code
        assert {name: problem.facts[name] for name in facts} == facts


def test_weights_shared_with_a_net_are_those_of_its_layers(around: Callable[[str], Graph]) -> None:
    pair = "{ | relu | tanh }"
    graph = around(f"{pair} as two; inner as one; @two; inner(weights=@one) as other")
    owners = {n.path: n.owner for n in graph.nodes if n.path.startswith("other.")}
    assert owners["other.first.conv1"] == "one.first.conv1"
    assert owners["other.conv2"] == "one.conv2"


@pytest.mark.parametrize(("depth", "fits"), [(4, True), (3, False)])
def test_calls_go_as_deep_as_the_limit_says(depth: int, fits: bool) -> None:
    """Four blocks in each other; those that were run before count as those that are run."""
    blocks = "block a { relu }\nblock b { a; a }\nblock c { b; b }\nblock d { c; c }\n"
    source = Source("t.ns", f"{blocks}input 3x8x8\na; b; c; d; d\n")
    limits = Limits(depth=depth)
    if fits:
        assert len(build(source, limits=limits).nodes) == 24
        return
    with pytest.raises(NetspecError) as caught:
        build(source, limits=limits)
    (found,) = caught.value.diagnostics
    assert found.code == "NS405"
    assert found.problem.facts["limit"] == 3
    assert "d -> c -> b -> a" in str(caught.value)


def test_a_text_that_is_tried_gives_a_graph_or_nothing() -> None:
    assert attempted(Source("t.ns", "input 3x8x8\nconv9-4")) is None
    made = attempted(Source("t.ns", "input 3x8x8\nconv3-4"))
    assert made
    assert len(made.nodes) == 2


@pytest.mark.parametrize(
    ("line", "second"), [("init=he, fixed=1", "fixed=1"), ("fixed=1, init=he", "init=he")]
)
def test_of_two_defaults_that_exclude_each_other_the_second_is_marked(
    line: str, second: str
) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"input 3x8x8\ndefault conv({line})\nconv3-8"))
    (said,) = caught.value.diagnostics
    assert said.span is not None
    assert (said.code, said.span.text) == ("NS240", second)


@pytest.mark.parametrize(
    ("name", "word", "shape"),
    [
        ("b", "b3", "4x6x6"),
        ("b", "b1x3", "4x8x6"),
        ("b", "b3x1", "4x6x8"),
        # A block's own name may end in digits and in an x.
        ("b2", "b23", "4x6x6"),
        ("b2", "b21x3", "4x8x6"),
        ("b2x", "b2x3", "4x6x6"),
        ("maxx", "maxx3", "4x6x6"),
        ("b2x2", "b2x23", "4x6x6"),
    ],
)
def test_digits_behind_the_name_of_a_block_are_its_kernel(name: str, word: str, shape: str) -> None:
    text = f"block {name}(kernel) {{ conv(kernel)-4 }}\ninput 4x8x8\n{word}"
    assert str(build(Source("t.ns", text)).outputs[0].value.type) == shape


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("conv3x", "did you mean `conv`?"),
        ("convx3", "did you mean `conv`?"),
        ("conv3xx3", "did you mean `conv`?"),
        ("conv3_8", "did you mean `conv3-8`?"),
        ("conv1x3_8", "did you mean `conv1x3-8`?"),
        ("maxpool2_2", "did you mean `maxpool2-2`?"),
        ("conwv3_8", ""),
        ("x3", ""),
        ("b3", ""),
    ],
)
def test_a_word_that_is_no_layer_is_told_what_it_may_mean(word: str, advice: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"block b2 {{ relu }}\ninput 4x8x8\nrelu; {word}; {word}"))
    said = caught.value.diagnostics
    assert [item.code for item in said] == ["NS201"] * 2
    assert said[0].problem.facts["name"] == word
    if advice:
        assert said[0].problem.facts["advice_text"] == advice


def test_a_word_that_names_no_layer_may_name_something_else() -> None:
    def advice(steps: str) -> str:
        with pytest.raises(NetspecError) as caught:
            build(Source("t.ns", f"net t(n=none, m=4)\ninput 4x8x8\n{steps}"))
        return str(caught.value.diagnostics[0].problem.facts.get("advice_text"))

    assert advice("relu as first; first") == "did you mean `@first`?"
    assert advice("block b(x) { x }\nrelu as r; b(@r)") == "did you mean `@x`?"
    assert advice("n") == "its value here is none; `identity` is the layer that does nothing"
    assert advice("m") == "its value here is 4; `identity` is the layer that does nothing"


def test_a_layer_that_a_block_is_given_is_one_of_the_caller_s_file(tmp_path: Path) -> None:
    """What a word means is looked up where it was written, else where it is used."""
    (tmp_path / "units.ns").write_text(
        "block own { tanh }\nblock unit(layer=own) { layer; relu }\n"
    )
    text = "import unit from units\nblock mine { sigmoid }\ninput 4x8x8\nunit(layer=mine); unit; unit(tanh)"
    graph = build(Source("t.ns", text, str(tmp_path / "t.ns")))
    spelt = [node.op.spelling for node in graph.nodes[1:]]
    assert spelt == ["sigmoid", "relu", "tanh", "relu", "tanh", "relu"]


@pytest.mark.parametrize("many", [2, 3, 5])
def test_two_of_the_steps_that_a_tensor_comes_from_are_shown(many: int) -> None:
    steps = "".join(f"@input; conv1-{i + 2} as c{i}\n" for i in range(many))
    joined = " ".join(f"| @c{i}" for i in range(many))
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"input 3x8x8\n{steps}{{ {joined} }}; add"))
    (said,) = caught.value.diagnostics
    assert [(label.text, label.span.text) for label in said.labels] == [
        ("2x8x8 comes from here", "conv1-2"),
        ("3x8x8 comes from here", "conv1-3"),
    ]


def test_rows_that_do_not_meet_are_told_as_what_they_are_for() -> None:
    text = (
        "input a: 3x4x4\ninput r: 5 batch(R=7)\n@r; parameter(5) as k\n"
        "{ | @r | @k | @a; gap; fc-5 }; add"
    )
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    shown = caught.value.diagnostics[0].problem.facts["shapes"]
    assert shown == "5 for each of R and 5 for all samples and 5 for each sample"


@pytest.mark.parametrize("steps", ["conv3-8(stride=n)", "default conv(stride=n); conv3-8"])
def test_a_word_is_told_in_the_file_that_it_was_written_in(steps: str, tmp_path: Path) -> None:
    (tmp_path / "parts.ns").write_text(f"block unit(n) {{ {steps} }}\n")
    net = tmp_path / "net.ns"
    net.write_text(
        "net a\nimport block unit from parts\n# So that places differ.\ninput 3x8x8\nunit(foo)\n"
    )
    with pytest.raises(NetspecError) as caught:
        netspec.load(net)
    (said,) = caught.value.diagnostics
    assert said.code == "NS202"
    assert said.span is not None
    assert (said.span.source.name, said.span.text) == (str(net), "foo")
    assert [label.span.source.name for label in said.labels] == [str(tmp_path / "parts.ns")]


def test_what_follows_a_step_is_shared_with_it(net: Callable[..., Graph]) -> None:
    steps = "conv3-8 as a; conv3-8(weights=@a) x2; conv3-8(norm=none, act=none, weights=@a)"
    graph = net(f"input 8x12x12\ndefault conv(norm=bn, act=prelu)\n{steps}")
    owners = [(node.op.spelling, node.owner) for node in graph.nodes[1:]]
    whole = [("conv", "a"), ("bn", "a_bn"), ("prelu", "a_prelu")]
    assert owners == [*whole, *whole, *whole, ("conv", "a")]


def test_a_norm_that_the_other_step_has_not_is_its_own(net: Callable[..., Graph]) -> None:
    steps = "conv3-8 as a; conv3-8(norm=bn, weights=@a) as b; conv3-8(norm=bn, weights=@b)"
    graph = net(f"input 8x12x12\n{steps}")
    assert [n.owner for n in graph.nodes[1:]] == ["a", "a", "b_bn", "a", "b_bn"]
    blocks = "block b { groupnorm(2); prelu }\n"
    graph = net(f"{blocks}input 8x12x12\nconv3-8(norm=b) as a; conv3-8(norm=b, weights=@a)")
    assert len({node.owner for node in graph.nodes[1:]}) == 3


def test_looking_for_what_follows_an_owner_is_linear(net: Callable[..., Graph]) -> None:
    def work(times: int) -> int:
        with counting() as found:
            net(f"input 8x8\nconv1-8 as a; conv1-8(norm=bn, weights=@a) x{times}")
        return found.calls

    assert work(1600) < 2.5 * work(800)


@pytest.mark.parametrize(
    ("body", "word"),
    [("conv3-n", "n"), ("conv3-4(act=act)", "act"), ("relu; act", "act"), ("conv3-(2*n)", "n")],
)
def test_a_parameter_of_the_net_is_given_to_a_block(body: str, word: str, refused: Any) -> None:
    """Blocks do not see the net's parameters: that is said, rather than that there is none."""
    text = f"net a(n=4, act=relu)\ninput 3x8x8\nblock u {{ {body} }}\nu\n"
    problem = refused(text).diagnostics[0].problem
    assert problem.code in ("NS201", "NS202")
    assert problem.advice_text.startswith(
        f"`{word}` is a parameter of the net: a block has its own"
    )


def test_a_call_keeps_the_names_of_the_tensors_that_it_takes() -> None:
    text = """
    input 8x8x8
    block gate(n) of x, by { mul { | @x; conv3-n(pad=same) | @by; sigmoid } }
    block outer(other) { gate(8, @other); relu }
    conv1-8 as a; conv1-8 as b
    outer(@a); outer(@b); outer(@a)
    """
    graph = build(Source("net.ns", text))
    calls = {call for node in graph.nodes if node.call for call in node.call.ancestors()}
    taken = sorted(
        (call.block, str(call.component), [(name, value.node.path) for name, value in call.taken])
        for call in calls
        if call.taken
    )
    # Calls that were remembered have the tensors of their own place.
    flowing = ["b", "outer1.relu1", "outer2.relu1"]
    others = ["a", "b", "a"]
    gates = [
        ("gate", "gate1", [("x", x), ("by", by)]) for x, by in zip(flowing, others, strict=True)
    ]
    outers = [("outer", f"outer{i}", [("other", by)]) for i, by in enumerate(others, 1)]
    assert taken == sorted([*gates, *outers])

"""What a net is given from outside: settings, shapes of inputs, expectations, metadata."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec import NetspecError
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.scope import Level, Scope
from netspec.elaborate.steps import Elaborator
from netspec.graph.checked import Graph
from netspec.syntax.units import Loader, Unit

NET = "net t(n=4, widths=[1], s=8)\ninput (3, s, s)\nconv1-n\nconv1-(n+1) x(2 if widths == (3, 4) else 1)\n"


def built(text: str, *inputs: str, **settings: object) -> Graph:
    return build(Source("t.ns", text), settings, inputs)


def refusal(text: str, *inputs: str, **settings: object) -> NetspecError:
    with pytest.raises(NetspecError) as caught:
        built(text, *inputs, **settings)
    return caught.value


# --- settings


@pytest.mark.parametrize("widths", [[3, "2*2"], ("3", 4), "[3, 4]", "(3, 2+2)"])
def test_a_setting_may_be_a_list(widths: object) -> None:
    assert len(built(NET, widths=widths).nodes) == 4


@pytest.mark.parametrize("size", [4, "4", 4.0, "8/2", "2**2"])
def test_a_setting_is_a_value_or_an_expression(size: object) -> None:
    assert str(built(NET, s=size).inputs[0].types[0]) == "3x4x4"


@pytest.mark.parametrize(
    ("value", "says", "status"),
    [
        ("1/0", "cannot compute 1 / 0: division by zero", 2),
        ("1, 2", "expected one value", 1),
        ("a=1", "expected one value", 1),
        ("", "expected one value", 1),
        ("3; relu", "NS", 1),
        ("(", "NS", 1),
        (4.5, "NS", 1),
        (0, "sizes", 1),
        (True, "NS", 1),
    ],
)
def test_what_is_no_value_is_refused(value: object, says: str, status: int) -> None:
    error = refusal(NET, s=value)
    assert says in str(error)
    assert error.status == status


def test_a_setting_of_a_base_reaches_it_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.ns").write_text(NET)
    source = Source("v.ns", "net v(k=2) = base(n=k)", str(tmp_path / "v.ns"))
    assert str(build(source, {"s": 4, "k": 7}).outputs[0].value.type) == "8x4x4"
    with pytest.raises(NetspecError, match="parameters: k, n, widths, s"):
        build(source, {"zzzzzzz": 4})


def test_a_net_without_its_base_is_refused_once(tmp_path: Path) -> None:
    (tmp_path / "v.ns").write_text("net v(k=2) = nowhere(n=k)")
    source = Source("t.ns", "import v\ninput 3x8x8\nv\n", str(tmp_path / "t.ns"))
    with pytest.raises(NetspecError) as caught:
        build(source)
    assert [d.code for d in caught.value.diagnostics] == ["NS224"]


# --- shapes of inputs

TWO = "input a: 3xHxW\ninput b: 3xHxW\n{ | @a | @b }; add\n"


def test_shapes_replace_those_declared() -> None:
    graph = built(TWO, "b:3x4x4", "3x4x4")
    assert [str(node.types[0]) for node in graph.inputs] == ["3x4x4", "3x4x4"]
    assert str(built("relu", "3x5").inputs[0].types[0]) == "3x5"
    assert [node.path for node in built("{ | @a | @b }; add", "a:3", "b:3").inputs] == ["a", "b"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (("c:3x4x4",), "`c` is not an input of this net"),
        (("3x-4x4",), "`3x-4x4` is not a shape"),
        (("3x",), "is not a shape"),
        (("",), "is not a shape"),
        (("3x0x4",), "sizes are at least 1"),
        (("a:3x4x4", "a:3x8x8"), "`--input` gets `a` twice"),
        (("3x4x4", "3x8x8"), "`--input` gets a shape without a name twice"),
        (("3x4x4", "a:3x8x8"), "`--input` gets `a` twice"),
    ],
)
def test_shapes_that_are_none_are_refused(inputs: tuple[str, ...], says: str) -> None:
    assert says in str(refusal(TWO, *inputs))


# --- expectations and metadata


def test_parameters_are_expected_trained_or_in_all() -> None:
    text = "input 3\nfreeze { fc-4 }\nfc-5\nexpect params=25, params_total="
    built(f"{text}41")
    assert "expects params_total=40, the net has 41" in str(refusal(f"{text}40"))


def test_a_name_that_was_lost_is_told_once() -> None:
    error = refusal('import zz\ninput 3\nrelu\nerror top1=max(zz, 1), source="here"\n')
    assert [item.code for item in error.diagnostics] == ["NS224"]


def test_metadata_may_use_parameters_and_say_what_cannot_be_computed() -> None:
    text = 'net t(k=2)\nerror top1=k, top5=0.5, source="here"\ninput 3\nfc-k\n'
    stated = (("top1", 8), ("top5", 0.5), ("source", "here"))
    assert built(text, k=8).metadata == (("error", stated),)
    for key in ("error top1=@zz", "yaer 3", "erorr top1=3"):
        error = refusal(f"{key}\ninput 3\nfc-2\n")
        assert error.diagnostics[0].span is not None


# --- names and bounds


def test_names_that_end_in_numbers_make_way() -> None:
    graph = built("input 3\nfc-3 as a_2\nfc-3 x3 as a\n")
    assert [node.path for node in graph.nodes[1:]] == ["a_2", "a", "a_3", "a_4"]
    # What another step is called is found among those that repeats have.
    graph = built("input 3\nfor i in 1..2 { fc-3 as b }\nfor i in 1..2 { fc-3 as b_2 }\n")
    assert len({node.path for node in graph.nodes}) == 5


def test_a_size_of_several_tensors_is_none() -> None:
    error = refusal("input 3x8x8\n{ | relu | tanh } as p\nconv1-(@p.C)\n")
    assert "`@p` takes one tensor, the wire carries 2" in str(error)


def test_braces_that_a_block_takes_may_fork() -> None:
    graph = built("block b(body) { body; add }\ninput 3x8x8\nb { { | relu | tanh } }\n")
    assert [node.op.spelling for node in graph.nodes[1:]] == ["relu", "tanh", "add"]
    graph = built("block b(body) { body; add }\ninput 3x8x8\nb { | relu | tanh }\n")
    assert [node.op.spelling for node in graph.nodes[1:]] == ["relu", "tanh", "add"]


def test_a_layer_that_a_parameter_names_is_a_layer_or_a_block(tmp_path: Path) -> None:
    (tmp_path / "inner.ns").write_text("input 3x8x8\nrelu\n")
    text = "import inner\ninput 3x8x8\nconv1-4(act=inner)\n"
    with pytest.raises(NetspecError, match="no layer or block is called `inner`"):
        build(Source("t.ns", text, str(tmp_path / "t.ns")))


def test_steps_are_counted_while_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count before building is a lower bound: what it cannot see is counted again."""
    from netspec.elaborate.expand import Expansion

    monkeypatch.setattr(Expansion, "_hold", lambda *_arguments: None)
    with pytest.raises(NetspecError, match="NS40"):
        build(Source("t.ns", "input 3\nrelu x0\nrelu x1000\n"), limits=Limits(nodes=10))


def test_what_is_left_out_in_silence_is_a_defect() -> None:
    collector = Collector()
    source = Source("t.ns", "input 3\nrelu\n")
    reporter = Elaborator(Loader(collector, DEFAULT), collector, DEFAULT).reporter
    scope = Scope(Unit(source), Level(""), {}, {}, {})
    reporter.given_up((8, 12), scope)
    reporter.given_up((8, 12), scope)
    assert [item.code for item in collector.kept] == ["NS599"]


def test_trials_of_edits_end_with_their_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text whose reading alone spends it is tried no further, and the mistake is still told."""
    monkeypatch.setattr("netspec.elaborate.build._WORK_OF_TRIALS", 3)
    error = refusal("input 3x8x8\nconv9-4(padd=1)\nconv3-5(groups=3)\nconvv3-5\n" + "# x\n" * 99)
    assert {item.code for item in error.diagnostics} >= {"NS210"}


def test_representations_name_what_they_are() -> None:
    graph = built("input 3\nfc-2")
    assert re.match(r"<graph of .*: 2 nodes>", repr(graph))
    assert repr(graph.nodes[1]).startswith("<fc1: ")


@pytest.mark.parametrize("value", ["1, 2", "k=3", ""])
def test_a_setting_of_several_values_is_told_how_a_list_is_written(value: str) -> None:
    said = str(refusal(NET, n=value))
    assert f"did not expect `--set n={value}` here; expected one value" in said
    assert "`--set n=[1, 2]`" in said


def test_each_expectation_is_held_by_itself() -> None:
    lines = "expect parms=3, params=relu+1, macs=1.5\nexpect params=2, depth=7"
    said = refusal(f"input 3x4x4\n{lines}\nconv1-4").diagnostics
    assert [item.code for item in said] == ["NS702", "NS202", "NS703", "NS701", "NS701"]
    assert [item.span.text for item in said if item.span] == [
        "parms=3",
        "relu+1",
        "macs=1.5",
        "params=2",
        "depth=7",
    ]


def test_of_outputs_those_that_a_mistake_may_have_lost_are_passed_over_and_others_told() -> None:
    said = refusal("input 3x4x4\nrelu as b; a.c\noutput a, c, d, b").diagnostics
    assert [(item.code, item.span.text) for item in said if item.span] == [
        ("NS107", "a.c"),
        ("NS203", "c"),
        ("NS203", "d"),
    ]


@pytest.mark.parametrize(
    ("line", "said", "advice"),
    [
        ("error 3", "`error` takes `name=value` pairs", ""),
        ("expect 3", "`expect` takes `name=value` pairs", ""),
        ("paper a=3", "`paper` takes a text or a number, no pairs", '`paper "..."`'),
        ("papr 3", "`papr` is not a kind of metadata", "did you mean `paper`?"),
        (
            "conv3 64",
            "`conv3` is not a kind of metadata",
            "a step is written without spaces, its arguments in parentheses",
        ),
    ],
)
def test_a_line_that_describes_nothing_is_told_what_would(
    line: str, said: str, advice: str
) -> None:
    problem = refusal(f"{line}\ninput 3\nrelu").diagnostics[0].problem
    assert (problem.code, str(problem)) == ("NS223", said)
    assert problem.facts["advice_text"] == advice


@pytest.mark.parametrize(
    ("text", "fewest"),
    [
        ("input 3xHxW\nrelu", 3),
        ("input 3xHxW\npad(2)", 3 * 5 * 5),
        ("input 3xHxW\nconv3-2", 3 * 9 * 2),
    ],
)
def test_an_open_size_takes_as_little_as_it_may(text: str, fewest: int) -> None:
    assert build(Source("t.ns", text), limits=Limits(tensor=fewest))
    with pytest.raises(NetspecError, match="NS40"):
        build(Source("t.ns", text), limits=Limits(tensor=fewest - 1), mend=False)

"""Text to syntax tree: what is read, where it stands, and how reading goes on after a mistake."""

from __future__ import annotations

import gc
import json
from contextlib import suppress
from pathlib import Path

import pytest

from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.syntax import ast, tables
from netspec.syntax.files import read_spec
from netspec.syntax.parse import parse


def read(text: str) -> tuple[ast.File, Collector]:
    collector = Collector()
    return parse(Source("t.ns", text), collector), collector


def step(text: str) -> ast.Step:
    file, collector = read(text)
    assert not collector.kept
    (item,) = file.items
    assert isinstance(item, ast.Step)
    return item


def test_a_step_is_read_with_its_shorthand() -> None:
    action = step("conv1x7-64/2(pad=1)").action
    assert isinstance(action, ast.Head)
    assert action.word == "conv1x7"
    assert isinstance(action.width, ast.Number)
    assert isinstance(action.stride, ast.Number)
    assert (action.width.value, action.stride.value) == (64, 2)
    assert [argument.name for argument in action.arguments] == ["pad"]


@pytest.mark.parametrize("text", ["relu", "fc-10", "maxpool2/2", "conv1x7-64/2", "x2", "n" * 64])
@pytest.mark.parametrize("end", [";", "\n", " \r\n", "  # a comment\n"])
def test_a_plain_step_is_read_alike_whatever_ends_its_statement(text: str, end: str) -> None:
    assert repr(step(text + end)) == repr(step(text))


@pytest.mark.parametrize("text", ["f(\nn-1\n)", "f(a=\nn\n)", "f(\n\nn/2 # half\n)"])
def test_what_looks_like_a_plain_step_inside_parentheses_is_a_value(text: str) -> None:
    action = step(text).action
    assert isinstance(action, ast.Head)
    (argument,) = action.arguments
    assert isinstance(argument.value, ast.Binary | ast.Variable)


@pytest.mark.parametrize("word", ["freeze", "every", "else", "input", "if-3", "head/2"])
def test_a_word_of_the_language_is_no_plain_step(word: str) -> None:
    _, collector = read(f"{word}\nrelu\n")
    assert collector.kept


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("text", ["relu\nconv3-64\n", "relu relu(\n", "{" * 65])
def test_reading_leaves_the_garbage_collector_as_it_was(collecting: bool, text: str) -> None:
    try:
        (gc.enable if collecting else gc.disable)()
        with suppress(NetspecError):
            read(text)
        assert gc.isenabled() == collecting
    finally:
        gc.enable()


@pytest.mark.parametrize("text", ["conv3-n x3 as a", "conv3-n x(2+1) as a"])
def test_a_repeat_stands_before_the_name(text: str) -> None:
    found = step(text)
    assert found.repeat is not None
    assert found.name == "a"


def test_a_word_that_starts_with_x_is_a_repeat_only_behind_a_step() -> None:
    assert step("x2").repeat is None
    assert step("relu x2").repeat is not None


def test_operators_bind_as_in_arithmetic() -> None:
    action = step("f(1+2*3**2 == 19 and not no)").action
    assert isinstance(action, ast.Head)
    both = action.arguments[0].value
    assert isinstance(both, ast.Binary)
    assert both.operator == "and"
    assert isinstance(both.left, ast.Binary)
    assert both.left.operator == "=="
    assert isinstance(both.left.left, ast.Binary)
    assert both.left.left.operator == "+"


def test_extents_are_places_in_the_text() -> None:
    text = "relu;  conv3-64(pad=1) as a"
    file, _ = read(text)
    item = file.items[1]
    assert isinstance(item, ast.Step)
    assert text[slice(*item.extent)] == "conv3-64(pad=1) as a"
    assert text[slice(*item.action.extent)] == "conv3-64(pad=1)"


@pytest.mark.parametrize("end", ["\n", "\r\n", ";", "; \n\n", "   # why\n"])
def test_separators_and_comments_may_be_many(end: str) -> None:
    file, collector = read(f"relu{end}tanh{end}")
    assert len(file.items) == 2
    assert not collector.kept


def test_newlines_do_not_count_in_parentheses() -> None:
    step("inception(64, 96,\n  128,\n  16)")


def test_reading_goes_on_at_the_next_statement() -> None:
    file, collector = read("relu relu\ntanh; conv3-; gap\n")
    assert collector.total == 2
    kinds = [type(item).__name__ for item in file.items]
    assert kinds == ["Broken", "Step", "Broken", "Step"]


def test_reading_goes_on_inside_braces() -> None:
    file, collector = read("concat { | relu relu | tanh }\nblock b { conv3-; gap }\nb")
    assert collector.total == 2
    assert [type(item).__name__ for item in file.items] == ["Step", "Block", "Step"]


def test_words_of_broken_statements_are_remembered() -> None:
    file, _ = read("block b(n) relu\ntanh tanh as q\ngap")
    assert {"b", "n", "q"} <= file.lost
    assert "gap" not in file.lost


@pytest.mark.parametrize("bracket", ["(", "[", "{", ")", "]", "}"])
def test_one_bracket_too_many_is_one_message(bracket: str) -> None:
    _, collector = read(f"relu\nconv3-4 {bracket}\ntanh\n")
    assert collector.total == 1


@pytest.mark.parametrize("name", ["googlenet", "nasnet_large", "fractalnet20", "lenet5_1998"])
def test_the_kept_tables_read_as_the_grammar_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.syntax import parse as module

    source = read_spec(name)
    kept = parse(source, Collector()).items
    monkeypatch.setattr(tables, "made_from", lambda text: "another grammar")
    module._grammar.cache_clear()
    compiled = parse(source, Collector()).items
    module._grammar.cache_clear()
    assert repr(kept) == repr(compiled)


def test_the_kept_tables_were_made_from_this_grammar() -> None:
    """`python -m netspec.syntax.tables` makes them anew."""
    held = json.loads(tables.TABLES.read_text(encoding="utf-8"))["made_from"]
    ours = tables.made_from(tables.GRAMMAR.read_text(encoding="utf-8"))
    assert held.split(", ")[1] == ours.split(", ")[1]


def test_tables_made_anew_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netspec.syntax import parse as module

    source = read_spec("googlenet")
    kept = parse(source, Collector()).items
    # States are numbered as Python's hashes fall; there are as many.
    made = tables.tables()
    assert len(made["states"]) == len(json.loads(tables.TABLES.read_text())["states"])
    (tmp_path / "grammar.json").write_text(json.dumps(made))
    monkeypatch.setattr(tables, "TABLES", tmp_path / "grammar.json")
    module._grammar.cache_clear()
    assert repr(parse(source, Collector()).items) == repr(kept)
    module._grammar.cache_clear()


@pytest.mark.parametrize("kept", [None, "", "{", "{}"])
def test_without_tables_the_grammar_is_compiled(
    kept: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.syntax import parse as module

    if kept is not None:
        (tmp_path / "grammar.json").write_text(kept)
    monkeypatch.setattr(tables, "TABLES", tmp_path / "grammar.json")
    module._grammar.cache_clear()
    items = parse(Source("t.ns", "conv3-64 x2; relu"), Collector()).items
    module._grammar.cache_clear()
    assert len(items) == 2


@pytest.mark.parametrize(
    "text",
    [
        "b { conv(3 }",
        "b { (relu { tanh) } }",
        "add(1, [2 { 3) ]",
        "x({]",
        "f(a, { relu; tanh )",
        "f({[)",
    ],
)
def test_brackets_that_cross_are_told(text: str) -> None:
    collector = Collector()
    parse(Source("t.ns", f"relu\n{text}\ntanh"), collector)
    assert collector.failed


@pytest.mark.parametrize(
    ("computed", "plain"),
    [
        ("maxpool(2)/2", "maxpool(2, stride=2)"),
        ("maxpool(2)/2(pad=1)", "maxpool(2, stride=2, pad=1)"),
        ("conv(3, 1)-4/2(pad=1)", "conv(3, 1, width=4, stride=2, pad=1)"),
    ],
)
def test_arguments_may_stand_before_width_and_stride(computed: str, plain: str) -> None:
    one, other = step(computed).action, step(plain).action
    assert isinstance(one, ast.Head)
    assert isinstance(other, ast.Head)
    said = [(argument.name, argument.value) for argument in one.arguments]
    short = [("width", one.width), ("stride", one.stride)]
    both = [*said, *((name, value) for name, value in short if value is not None)]
    values = {name: value.value for name, value in both if name is not None}
    assert values == {a.name: a.value.value for a in other.arguments if a.name is not None}
    assert [v.value for n, v in said if n is None] == [
        a.value.value for a in other.arguments if a.name is None
    ]


@pytest.mark.parametrize(
    ("text", "unmatched"),
    [
        ("b(x={ relu ); relu", [("(", 1), ("{", 4)]),
        ("{ | conv3-(4 }; relu", [("(", 10)]),
        ("conv3-4(pad=(1, 2; relu", [("(", 7), ("(", 12)]),
        ("block b { relu\nnet c", [("{", 8)]),
        ("relu }", [("}", 5)]),
    ],
)
def test_each_bracket_without_a_partner_is_reported_where_it_stands(
    text: str, unmatched: list[tuple[str, int]]
) -> None:
    _file, collector = read(text)
    found = [
        (item.span.text, item.span.start)
        for item in collector.kept
        if item.code == "NS106" and item.span is not None
    ]
    assert sorted(found) == sorted(unmatched)


@pytest.mark.parametrize(
    "text", ["block b { relu\nblock c { tanh }\nb; c", "b(3\nblock c { tanh }\nc"]
)
def test_a_declaration_at_the_start_of_a_line_ends_what_somebody_forgot_to_close(
    text: str,
) -> None:
    file, collector = read(text)
    assert [item.code for item in collector.kept] == ["NS106"]
    blocks = [item.name for item in file.items if isinstance(item, ast.Block)]
    assert blocks[-1] == "c"
    assert isinstance(file.items[-1], ast.Step)

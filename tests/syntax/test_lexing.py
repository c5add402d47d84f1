"""From text to tokens: what of a text is told where a bracket, a name or a number is wrong."""

from __future__ import annotations

import pytest

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.syntax import ast
from netspec.syntax.parse import parse


def read(text: str) -> tuple[tuple[ast.Item, ...], list[tuple[str, str, int]]]:
    """The statements, and of each message its code, what it is about and where that stands."""
    collector = Collector()
    items = parse(Source("t.ns", text), collector).items
    told = [(d.code, d.span.text, d.span.start) for d in collector.kept if d.span]
    return items, told


def kinds(items: tuple[ast.Item, ...]) -> list[str]:
    return [type(item).__name__ for item in items]


def advice(text: str) -> str:
    collector = Collector()
    parse(Source("t.ns", text), collector)
    (said,) = collector.kept
    return f"{said.problem} {said.problem.facts.get('advice_text', said.problem.facts)}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # Of a bracket that was given up, one that would close it is no second mistake; another is.
        ("conv3-4(pad=1; relu); tanh", ["("]),
        ("conv3-4(pad=1; relu); tanh )", ["(", ")"]),
        ("f([1; relu]); tanh )", ["[", "(", ")"]),
        ("block b { relu\nblock c { tanh }\n}\nc", ["{"]),
        ("block b { relu\nblock c { tanh }\n}\nc }", ["{", "}"]),
        ("block b { relu\nblock c { tanh }\n}\nc )", ["{", ")"]),
        # What follows is read on.
        ("block b { relu\nblock c { tanh }\n}\nc; relu ?", ["{", "?"]),
        ("f(1, ])\nrelu\ntanh ) )", ["]", ")", ")"]),
        # One that stands where another belongs is one mistake.
        ("f(1, ]\nrelu\ntanh )", ["(", ")"]),
        ("f([1, 2); relu)", ["[", ")"]),
        ("relu ) tanh", [")"]),
        ("relu } tanh", ["}"]),
        ("relu ] ; ?", ["]", "?"]),
        ("f(1, [2, (3]); tanh]", ["(", "]"]),
    ],
)
def test_each_bracket_without_a_partner_is_told_once(text: str, told: list[str]) -> None:
    assert [what for _, what, _ in read(text)[1]] == told


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("conv3-4(pad=1; relu; tanh", ["Broken", "Step", "Step"]),
        # A name on a line of its own begins a step where what stands before it was complete.
        ("f(1\nrelu\ntanh", ["Broken", "Step", "Step"]),
        ("f(1,\nrelu\ntanh", ["Broken", "Step"]),
        ("f(1, ]\nrelu\ntanh", ["Broken", "Step", "Step"]),
        ("f(1\n, relu\n)\ntanh", ["Step", "Step"]),
        ("f(a=\n1\n)\ntanh", ["Step", "Step"]),
        ("f(1\n)\ntanh", ["Step", "Step"]),
        ("f(a\n+ b)\ntanh", ["Step", "Step"]),
    ],
)
def test_a_parenthesis_that_stays_open_ends_with_its_step(text: str, steps: list[str]) -> None:
    assert kinds(read(text)[0]) == steps


@pytest.mark.parametrize("word", ["block b { tanh }", "net b", "input 3x8x8", "output b"])
def test_only_at_the_start_of_a_line_a_declaration_ends_what_is_open(word: str) -> None:
    _, at_start = read(f"block a {{ relu\n{word}\n")
    assert at_start == [("NS106", "{", 8)]
    assert read(f"block a {{ conv3-4(pad=\n{word}\n")[1] == [("NS106", "(", 17), ("NS106", "{", 8)]
    _, inside = read(f"block a {{ relu; {word} }}\n")
    assert inside[0] == ("NS111", word.partition(" ")[0], 16)
    assert "NS106" not in [code for code, *_ in inside]


@pytest.mark.parametrize("bracket", ["(", "{"])
def test_a_declaration_behind_a_bracket_begins_no_line(bracket: str) -> None:
    told = read(f"f{bracket}block c {{ x }}\n")[1]
    assert [what for code, what, _ in told if code == "NS106"] == [bracket]
    assert kinds(read(f"f{bracket}\nblock c {{ x }}\n")[0])[-1] == "Block"


def test_a_declaration_that_opens_a_text_ends_nothing() -> None:
    items, told = read("block a { relu }\na")
    assert (kinds(items), told) == (["Block", "Step"], [])


def test_nesting_is_refused_at_the_bracket_that_is_one_too_deep() -> None:
    text = "f((((1))))"
    assert parse(Source("t.ns", text), Collector(), Limits(nesting=4)).items
    with pytest.raises(NetspecError) as caught:
        parse(Source("t.ns", text), Collector(), Limits(nesting=3))
    (said,) = caught.value.diagnostics
    assert said.span is not None
    assert (said.code, said.span.text, said.span.start) == ("NS402", "(", 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import a.b", "did you mean `import b from a`?"),
        ("relu; import a.b", "did you mean `import b from a`?"),
        (f"{'relu; ' * 30}\nimport a.b.c", "did you mean `import b.c from a`?"),
        ("relu as a.b", "names are ASCII letters, digits and _"),
        ("block a.b { relu }", "names are ASCII letters, digits and _"),
        ("a.b = 1", "names are ASCII letters, digits and _"),
        ("if a.b == 1 { relu }", "is read with `@`: `@a.b`"),
        ("relu; a.b; tanh", "is read with `@`: `@a.b`"),
        ("a.b(3)", "a layer is one word"),
        ("nn.relu", "a layer is one word"),
        ("relu\rtanh", "end lines with a newline"),
        ("relu\x7ftanh", "delete it"),
        ("relu; ~", "delete it"),
        ("relu; ?", "a choice is written"),
        ("relu; \xa1", "names are ASCII letters, digits and _"),
        ("'relu'", "words stand without quotes"),
        ("f([1 2])", "values are separated by commas: `[1, 2]`"),
    ],
)
def test_what_is_no_word_is_told_what_it_may_mean(text: str, says: str) -> None:
    assert says in advice(text)


@pytest.mark.parametrize(
    ("digits", "shown"),
    [(23, "9" * 23), (24, "9" * 20 + "..."), (25, "9" * 20 + "...")],
)
def test_a_number_of_many_digits_is_shown_cut_off(digits: int, shown: str) -> None:
    assert advice(f"fc-{'9' * digits}").startswith(f"{shown} is not a number")


@pytest.mark.parametrize(
    ("fits", "more"),
    [
        ("1" * 18, "1" * 19),
        ("8x" + "1" * 18, "8x" + "1" * 19),
        ("0." + "1" * 62, "0." + "1" * 63),
        ("1" * 60 + "e-10", "1" * 61 + "e-10"),
        ("1.5e308", "1.5e309"),
    ],
)
def test_a_number_that_netspec_cannot_hold_is_told(fits: str, more: str) -> None:
    assert read(f"f({fits})")[1] == []
    assert [code for code, *_ in read(f"f({more})")[1]] == ["NS104"]


def test_what_is_no_word_ends_where_a_text_begins() -> None:
    assert [(code, start) for code, _, start in read('relu ?"a')[1]] == [("NS101", 5), ("NS103", 6)]
    assert [code for code, *_ in read("relu ??é?é; tanh é")[1]] == ["NS101", "NS101"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("conv3-8×2; conv3-8×3", [7]),
        ("conv3-8×2\nconv3-8×3", [7, 17]),
        ("f(a='b'); f(a='c')", [4]),
        ("relu ?; tanh &", [5, 13]),
        # Each is deleted by itself.
        ("• relu; • tanh", [0, 8]),
    ],
)
def test_a_sign_that_one_edit_mends_is_told_once_on_a_line(text: str, told: list[int]) -> None:
    assert [start for _, _, start in read(text)[1]] == told


@pytest.mark.parametrize(
    ("text", "at"), [("relu as a x3", 10), ("relu as a x(3)", 10), ("relu x3 x3", 8)]
)
def test_a_repeat_that_stands_elsewhere_is_marked_at_its_sign(text: str, at: int) -> None:
    assert read(text)[1] == [("NS110", "x", at)]


@pytest.mark.parametrize(
    ("end", "kind", "at"),
    [
        ("tanh as", "Broken", ""),
        ("conv3-", "Broken", ""),
        ("f(", "Broken", "("),
        ("block b {", "Block", "{"),
        ("if n {", "Step", "{"),
        ("concat { |", "Step", "{"),
    ],
)
def test_a_text_that_ends_too_early_keeps_what_was_read(end: str, kind: str, at: str) -> None:
    items, told = read(f"relu\n{end}")
    assert kinds(items) == ["Step", kind]
    assert [what for _, what, _ in told] == [at]

"""What a text expands to is counted before anything is built: never too much, and exactly where it can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.generated_specs import SMALL, spec
from support.watching import at_most

from netspec import NetspecError
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.expand import Count, Expansion
from netspec.elaborate.steps import Elaborator
from netspec.syntax.files import read_spec, shipped_names


class Counted:
    """A text's counts, beforehand and as it was built."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before = Count()
        check, hold, make = Expansion.check, Expansion._hold, Elaborator.__init__
        checking = False

        def checked(expansion: Expansion, *arguments: object) -> None:
            nonlocal checking
            checking = True
            check(expansion, *arguments)  # type: ignore[arg-type]
            checking = False

        def held(expansion: Expansion, total: Count, *arguments: object) -> None:
            if checking:
                self.before = total
            hold(expansion, total, *arguments)  # type: ignore[arg-type]

        def made(elaborator: Elaborator, *arguments: object) -> None:
            make(elaborator, *arguments)  # type: ignore[arg-type]
            self.trace = elaborator.trace

        monkeypatch.setattr(Expansion, "check", checked)
        monkeypatch.setattr(Expansion, "_hold", held)
        monkeypatch.setattr(Elaborator, "__init__", made)

    def __call__(self, source: Source, limits: Limits = DEFAULT) -> tuple[Count, Count]:
        self.before = Count()
        graph = build(source, limits=limits)
        return self.before, Count(len(graph.nodes) - len(graph.inputs), self.trace.runs)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


BLOCKS = """block two { relu; tanh }
block many(n) { relu x(n) }
block deep(n) { if n > 0 { relu; deep(n-1) } else { tanh } }
block around(body) { body; sigmoid; body }
block wide(n, m=n+1) { for i in 1..n { for j in i..m { relu } } }
block shaped(n, kernel=1, width=1, stride=1) { relu x(kernel); tanh x(width); sigmoid x(stride) }
block square(n, kernel) { if kernel == (3, 5) { relu x5 } }
block twice(n, m=2*n) { relu x(m) }
block chosen(kind=a) { if kind == a { relu x5 } else if kind == b { tanh } else { identity } }
"""


@pytest.mark.parametrize(
    ("steps", "nodes"),
    [
        ("relu; tanh", 2),
        ("relu x7", 7),
        ("relu x(2*3); tanh x1; sigmoid x0", 7),
        ("two; two x3", 8),
        ("many(4); many(2) x2", 8),
        ("deep(5)", 6),
        ("around { relu; tanh }", 5),
        ("around { many(3) } x2", 14),
        ("wide(3)", 9),
        ("wide(2, 5)", 9),
        ("for i in 1..3 { relu }", 3),
        ("for i in 0..3 { many(i) }", 6),
        ("for i in 5..5 { relu }", 1),
        ("for i in 3..2 { relu }; tanh", 1),
        ("for i in 2..4 { if i == 3 { relu x10 } else { tanh } }", 12),
        ("for i in 1..64 { many(i) }", 2080),
        ("for i in 1..65 { two }", 130),
        ("for i in 10..90 { relu }", 81),
        ("if 1 > 2 { relu x9 } else if 2 > 1 { tanh } else { relu x5 }", 1),
        ("if 1 == 1 { relu x9 }", 9),
        ("chosen; chosen(b)", 6),
        ("add { | two | relu x3 | identity }", 6),
        ("{ | two | relu }; add", 4),
        ("freeze { two x2 }; relu", 5),
        ("head aux { two; gap }; relu", 4),
        ("add { | head aux { gap }; relu | tanh }", 4),
        ("relu x2 as a; @a", 2),
    ],
)
def test_what_depends_on_no_tensor_is_counted_exactly(
    steps: str, nodes: int, counted: Counted
) -> None:
    before, built = counted(Source("t.ns", f"input 3x8x8\n{BLOCKS}{steps}\n"))
    assert built.nodes == nodes
    assert before.nodes == nodes
    assert before.runs == built.runs


@pytest.mark.parametrize(
    ("steps", "nodes"),
    [
        # Of two ways the shorter counts; of an index that is not known, what holds for any.
        ("if C > 2 { relu x9 } else { tanh x4 }", 4),
        ("if C > 2 { relu x9 } else if C > 1 { tanh x5 } else { tanh x6 }", 5),
        ("if C > 2 { relu x4 } else { tanh x9 }", 4),
        ("if C > 2 { relu x5 } else if C > 1 { tanh x4 } else { tanh x6 }", 4),
        ("if 1 > 2 { relu } else if C > 2 { relu x5 } else { tanh x4 }", 4),
        ("if C > 2 { for i in 1..3 { relu } } else { relu x3 }", 3),
        ("if C > 2 { relu x9 }", 0),
        # What is known of a call counts, whatever else of it is not.
        ("shaped3-2/4(C)", 9),
        ("shaped(C, 3, stride=5)", 9),
        ("square3x5(C)", 5),
        ("twice(3)", 6),
        ("twice(C)", 0),
        ("twice(C, 4)", 4),
        ("around { relu x(C) }", 1),
        ("for i in C..9 { relu }", 0),
        ("for i in 1..3 { relu x(C); tanh }", 3),
        ("relu x(C)", 0),
        ("for i in 1..C { relu }", 0),
        ("for i in 1..100 { tanh; relu x(i) }", 100),
        ("conv1-(C*2) x3", 3),
    ],
)
def test_what_depends_on_tensors_is_not_counted_too_high(
    steps: str, nodes: int, counted: Counted
) -> None:
    before, built = counted(Source("t.ns", f"input 3x8x8\n{BLOCKS}{steps}\n"))
    assert before.nodes == nodes <= built.nodes
    assert before.runs <= built.runs


@pytest.mark.parametrize(
    ("call", "nodes"),
    [("inner", 12), ("inner(n=2)", 4), ("inner(until=here)", 1), ("inner x2", 24)],
)
def test_a_net_used_as_a_block_is_counted(
    call: str, nodes: int, counted: Counted, tmp_path: Path
) -> None:
    inner = "net inner(n=10)\ninput 3x8x8\nblock own { relu x(n) }\nblock own2(n) { relu x(n) }\n"
    inner += "tanh as here\nown2(n)\ntanh\n"
    (tmp_path / "inner.ns").write_text(inner)
    text = f"import inner\ninput 3x8x8\nblock own2(n) {{ tanh }}\n{call}\n"
    before, built = counted(Source("t.ns", text, str(tmp_path / "t.ns")))
    assert before.nodes == nodes
    assert before.nodes <= built.nodes


@pytest.mark.parametrize("name", shipped_names("lectures")[::2])
def test_a_shipped_net_is_not_counted_too_high(name: str, counted: Counted) -> None:
    before, built = counted(read_spec(name))
    assert 0 < before.nodes <= built.nodes
    assert 0 < before.runs <= built.runs


def test_random_nets_are_not_counted_too_high(counted: Counted) -> None:
    for seed in range(40):
        made = spec(seed)
        before, built = counted(Source("t.ns", made.text), SMALL)
        assert before.nodes <= built.nodes, made.text
        assert before.runs <= built.runs, made.text


@pytest.mark.parametrize(
    ("steps", "most"),
    [
        ("relu x11", 10),
        ("relu x5; tanh x6", 10),
        ("for i in 1..11 { relu }", 10),
        ("many(11)", 10),
        ("for i in 1..C { relu x4 }", 10),
        ("relu x(C*4)", 10),
        ("many(C*4)", 10),
    ],
)
def test_a_net_of_one_step_too_many_is_refused_and_none_of_one_less(steps: str, most: int) -> None:
    source = Source("t.ns", f"input 3x8x8\n{BLOCKS}{steps}\n")
    with pytest.raises(NetspecError) as caught:
        build(source, limits=Limits(nodes=most))
    assert [item.code for item in caught.value.diagnostics] == ["NS404"]
    build(source, limits=Limits(nodes=most + 3))


@pytest.mark.parametrize(
    "steps",
    [
        "for i in 1..60 { for j in 1..60 { for k in 1..60 { relu x(i*j*k) } } }",
        "deep(9000)",
        "for i in 1..60 { for j in 1..60 { for k in 1..60 { many(i*3600 + j*60 + k) } } }",
    ],
)
def test_counting_stops_after_a_bounded_amount_of_work(steps: str) -> None:
    """A count of what was looked at is a lower bound too, and enough to refuse."""
    with at_most(1_500_000), pytest.raises(NetspecError):
        build(Source("t.ns", f"input 3x8x8\n{BLOCKS}{steps}\n"), limits=Limits(nodes=10))


@pytest.mark.parametrize("depth", [2, 5])
def test_a_call_inside_itself_is_counted_as_deep_as_calls_may_go(
    depth: int, counted: Counted
) -> None:
    text = "input 3x8x8\nblock end(n) { relu; if n > 0 { end(n-1) } }\nend(4)\n"
    if depth == 5:
        assert counted(Source("t.ns", text), Limits(depth=5))[0].nodes == 5
        return
    with pytest.raises(NetspecError):
        build(Source("t.ns", text), limits=Limits(depth=depth))


@pytest.mark.parametrize(
    "text",
    [
        "block b(body) { b { body } }\ninput 3\nb { relu }",
        "block b(body) { b { body }; b { body; body } }\ninput 3\nb { relu }",
        "block b(body) { body }\nblock c(body) { b { c { body } }; b { c { body } } }\ninput 3\nc { relu }",
    ],
)
def test_braces_that_are_passed_on_without_end_are_counted_in_bounded_work(text: str) -> None:
    """Each holds the braces around it: to number them one by one was work by the square of the depth."""
    with at_most(4_000_000), pytest.raises(NetspecError):
        build(Source("t.ns", text))


def test_the_first_step_too_many_is_the_one_refused() -> None:
    """Of two ways the shorter was counted; the longer is stopped at its eleventh step."""
    text = f"input 3x8x8\nif C > 2 {{ {'relu; ' * 14}relu }} else {{ tanh }}\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text), limits=Limits(nodes=11))
    (found,) = caught.value.diagnostics
    assert (found.code, list(found.problem.facts.values())[:2]) == ("NS404", [12, 11])


@pytest.mark.parametrize("nodes", [2, 5, 12, 20])
def test_what_runs_much_and_adds_little_is_not_counted_as_steps(nodes: int) -> None:
    """Of two branches, whose size decides, the count has the fewer steps and the fewer runs."""
    loop = "for i in 1..4 { for j in 1..4 { if i < 0 { relu } } }"
    text = (
        f"block idle {{ conv1-C; if H > 3 {{ {loop} }} else {{ {loop}; {loop} }} }}\n"
        "input 4x4x4\nidle"
    )
    try:
        assert len(build(Source("t.ns", text), limits=Limits(nodes=nodes), mend=False).nodes) == 2
        assert nodes >= 12
    except NetspecError as error:
        assert [item.code for item in error.diagnostics] == ["NS411"]
        assert nodes < 12

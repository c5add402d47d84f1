"""References fill the operands of a block, or the inputs of a net, that what flows in leaves open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.meanings import says_itself

import netspec
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.syntax.fmt import format_text

BLOCKS = """block gate of x, control { mul { | @x | @control; sigmoid } }
block turned(n=2, act=relu) of x, shift, scale { @x; mul(@scale); add(@shift); conv1-n(act=act) }
block towards(n, other) of x { concat { | @x | @other }; conv1-n }
inline block both(body) of x, y { add { | @x; body | @y } }
"""
NAMED = "conv1-8 as a; conv1-8 as b; conv1-8 as c\n"
CALLS = {
    "the second": ("gate(@a)", "{ | identity | @a }; gate"),
    "two": ("turned(@a, @b)", "{ | identity | @a | @b }; turned"),
    "with arguments behind": (
        "turned(@a, @b, 3, tanh)",
        "{ | identity | @a | @b }; turned(3, tanh)",
    ),
    "with arguments around": (
        "turned(3, @a, act=none, @b)",
        "{ | identity | @a | @b }; turned(3, none)",
    ),
    "behind a bundle": ("{ | @a | identity }; turned(@b)", "{ | @a | identity | @b }; turned"),
    "a bundle": ("{ | @a | @b } as two; @c; turned(@two)", "{ | @c | @a | @b }; turned"),
    "none is open": ("towards(4, @a)", "concat { | identity | @a }; conv1-4"),
    "a block that takes braces": ("both(@a) { relu }", "{ | identity | @a }; both { relu }"),
    "a repeat": (
        "gate(@a) x3",
        "{ | identity | @a }; gate; { | identity | @a }; gate; { | identity | @a }; gate",
    ),
    "a layer that was given": (
        "block run(unit, y) { unit(@y) }\nrun(gate, @a)",
        "{ | identity | @a }; gate",
    ),
}


def net(text: str) -> Graph:
    return build(Source("n", f"input 8x6x7\n{BLOCKS}{NAMED}{text}\n"))


@pytest.mark.parametrize(("short", "long"), CALLS.values(), ids=CALLS)
def test_a_reference_is_an_operand(short: str, long: str) -> None:
    a, b = net(short), net(long)
    assert same(a, b) is not None
    assert says_itself(a)
    formatted = format_text(f"input 8x6x7\n{BLOCKS}{NAMED}{short}\n")
    assert format_text(formatted) == formatted


def test_calls_alike_are_told_apart_by_their_operands() -> None:
    a = net("@c; gate(@a) as p; @c; gate(@b) as q; sub { | @p | @q }")
    b = net("mul { | @c | @a; sigmoid } as p; mul { | @c | @b; sigmoid } as q; sub { | @p | @q }")
    assert same(a, b) is not None


def test_inputs_of_a_net_are_operands_too(tmp_path: Path) -> None:
    (tmp_path / "two.ns").write_text("net two(n=4)\ninput x: 8x6x7\ninput y: 8x6x7\nadd; conv1-n\n")
    texts = ("@a; two(@b, 5)", "{ | @a | @b }; two(5)")
    for i, text in enumerate(texts):
        (tmp_path / f"n{i}.ns").write_text(
            f"import two\ninput 8x6x7\nrelu as a; tanh as b\n{text}\n"
        )
    a, b = (netspec.load(tmp_path / f"n{i}.ns").graph for i in range(2))
    assert same(a, b) is not None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("turned(@a)", "NS311"),
        ("turned(@a, @b, @c, tanh, 3)", "NS213"),
        ("{ | @a | @b }; gate(@c)", "NS213"),
        ("towards(4)", "NS211"),
        ("conv1-0; gate(@a)", "NS214"),
        ("conv1-0; turned(@a, @b, 3, tanh)", "NS214"),
        ("conv1-0; towards(3, @a)", "NS214"),
        ("conv1-0 as bad; @a; gate(@bad)", "NS214"),
    ],
)
def test_a_mistake_costs_one_message(
    text: str, code: str, refused: Callable[[str], NetspecError]
) -> None:
    error = refused(f"input 8x6x7\n{BLOCKS}{NAMED}{text}\n")
    assert [item.problem.code for item in error.diagnostics] == [code]


def test_counting_does_not_take_an_operand_for_a_number() -> None:
    block = (
        "block b(n=10000, m=10000) of x, y { @x; relu x(n); relu x(m); add { | identity | @y } }\n"
    )
    text = f"input 8\n{block}relu as a\nb(@a, 1, 2) x3\n"
    graph = build(Source("n", text), limits=Limits(nodes=100))
    assert len(graph.nodes) == 2 + 3 * 4

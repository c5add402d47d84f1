"""What expressions come to, up to the edge of what is held, and what is said beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

INPUTS = "input 3x8x12\n"


def value(expression: str) -> Any:
    """What a parameter of the net comes to."""
    graph = build(Source("t.ns", f"net t(n=2, v={expression})\n{INPUTS}relu"))
    return dict(graph.parameters)["v"]


def refusal(expression: str, inputs: str = INPUTS) -> str:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"{inputs}conv1-({expression})"))
    return str(caught.value.diagnostics[0].problem)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 3", 1),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("(-2) ** 3", -8),
        ("2 - 3 - 4", -5),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("1 + 2 * 3", 7),
        ("1 < 2", True),
        ("2 <= 2", True),
        ("2 >= 3", False),
        ("not 1 == 1", False),
        ("1 == 1 and 2 == 3", False),
        ("1 == 1 or 2 == 3", True),
        ("3 if n == 2 else 4", 3),
        ("3 if n != 2 else 4", 4),
        ("max(3, n, 1)", 3),
        ("min(3, n, 1)", 1),
        ("int(3.9)", 3),
        ("int(-3.9)", -3),
        ("round(2.6)", 3),
        ("multiple(34)", 32),
        ("multiple(36)", 40),
        ("multiple(10, 16)", 16),
        ("1 ** 64", 1),
        ("10 ** 18", 10**18),
        ("-(10 ** 18)", -(10**18)),
        ("(1, 2) == (1, 2)", True),
        ("word == word", True),
        ("word == other", False),
    ],
)
def test_an_expression_is_what_arithmetic_says(expression: str, result: Any) -> None:
    found = value(expression)
    assert (found, type(found)) == (result, type(result))


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("10 ** 18 + 1", "more than 18 digits"),
        ("int(1e300)", "more than 18 digits"),
        ("max(1e300, 2)", "more than 18 digits"),
        ("1 ** 65", "exponents go from -64 to 64"),
        ("1 ** -65", "exponents go from -64 to 64"),
        ("0 ** -1", "division by zero"),
        ("(-8) ** 0.5", "not a number"),
        ("10 ** 19", "too large"),
        ("3 // 0", "division by zero"),
        ("3 % 0", "division by zero"),
        ("sqrt(-1)", "outside the function's range"),
        ("max(3, word)", "word"),
        ("max((1, 2), 3)", "needs numbers"),
        ("(1, 2) + 1", "needs numbers"),
        ("yes + 1", "needs numbers"),
        ("int(3, 4, 5)", "does not take these values"),
    ],
)
def test_what_has_no_result_says_why(expression: str, says: str) -> None:
    assert says in refusal(expression)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("H ** 2", "powers need numbers"),
        ("H / 2", "symbols can be added, multiplied and floor-divided only"),
        ("H % 2", "symbols can be added, multiplied and floor-divided only"),
        ("H*W*H*W*H", "the formula gets too long"),
        ("H * 10 ** 18 * 2", "the formula gets too long"),
    ],
)
def test_sizes_that_are_symbols_are_held_to_what_can_be_said_of_them(
    expression: str, says: str
) -> None:
    assert says in refusal(expression, "input 3xHxW\n")


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_formula_may_count_to_the_limit_of_numbers(sign: str) -> None:
    steps = f"conv1-({sign}H * 10 ** 18 - {sign}H * 10 ** 18 + 4)"
    assert build(Source("t.ns", f"input 3xHxW\n{steps}")).outputs[0].value.shape[0] == 4


def test_of_two_tensors_the_ratio_is_the_stride() -> None:
    text = (
        f"{INPUTS}relu as a; maxpool(2, stride=(2, 3)) as b; @a; maxpool(2, stride=ratio(@a, @b))"
    )
    graph = build(Source("t.ns", text))
    assert graph.nodes[-1].types[0].shape == graph.nodes[-2].types[0].shape
    with pytest.raises(
        NetspecError, match=r"compute ratio\(.*: the tensors have different numbers of axes"
    ):
        build(Source("t.ns", f"{text}; gap as g; @a; maxpool(2, stride=ratio(@a, @g))"))


def test_default_lines_of_another_file_see_its_net_s_parameters(tmp_path: Path) -> None:
    (tmp_path / "units.ns").write_text(
        "net u(k=4, j=k+1, free)\ndefault conv(width=j)\nblock b { conv1 }\ninput 3x8x8\nb\n"
    )
    text = f"import b from units\n{INPUTS}b"
    graph = build(Source("t.ns", text, str(tmp_path / "t.ns")))
    assert graph.outputs[0].value.shape[0] == 5
    (tmp_path / "units.ns").write_text(
        "net u(free)\ndefault conv(width=free)\nblock b { conv1 }\ninput 3x8x8\nb\n"
    )
    with pytest.raises(NetspecError, match="`free` has its default: give it one"):
        build(Source("t.ns", text, str(tmp_path / "t.ns")))

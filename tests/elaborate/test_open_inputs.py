"""Inputs whose sizes depend on each other: what is said of symbols is what numbers are held to."""

from __future__ import annotations

import pytest

from netspec import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

NETS = [
    ("{ | @a; maxpool2 | @b }\nadd", ("H >= 2", "K = floor(H/2)")),
    ("{ | @a | @b; maxpool2 }\nadd", ("K >= 2", "H = floor(K/2)")),
    ("{ | @a; maxpool2 | @b; maxpool3 }\nadd", ("H >= 2", "K >= 3", "floor(H/2) == floor(K/3)")),
    ("{ | @a; maxpool2 | @b }\nadd\nconv3-4", ("H >= 6", "K = floor(H/2)")),
]


@pytest.mark.parametrize(("steps", "legal"), NETS)
def test_numbers_are_legal_where_the_symbols_say_so(steps: str, legal: tuple[str, ...]) -> None:
    def text(high: object, low: object) -> Source:
        return Source("t.ns", f"input a: 3x{high}\ninput b: 3x{low}\n{steps}")

    found = build(text("H", "K")).legality
    assert set(found.describe()) == set(legal)
    for high, low in ((2, 1), (3, 1), (3, 3), (6, 3), (7, 3), (8, 4), (8, 12), (4, 8), (1, 2)):
        try:
            builds = bool(build(text(high, low)))
        except NetspecError:
            builds = False
        assert builds == found.allows({"H": high, "K": low}), (high, low)


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("maxpool2/99991 x2", "NS413"),
        ("upsample(65537) x2", "NS413"),
        ("pad(1048576) x4000", "NS410"),  # too much at any size, before its numbers are
    ],
)
def test_formulas_with_numbers_that_a_file_cannot_compute_with_are_refused(
    steps: str, code: str
) -> None:
    with pytest.raises(NetspecError, match=code):
        build(Source("t.ns", f"input 1xH\n{steps}"))


@pytest.mark.parametrize("figure", ["36*H*W + 24*H", "12*H*(3*W + 2)"])
def test_figures_of_open_sizes_are_formulas(figure: str) -> None:
    steps = "input 3xHxW\nadd { | conv1-12 | gap(keep=yes); conv1-12 }"
    with pytest.raises(NetspecError, match=r"NS70[14]"):
        build(Source("t.ns", f"expect macs={figure}\n{steps}"))
    assert build(Source("t.ns", f"expect macs=36*W*H + 36, params=96\n{steps}"))

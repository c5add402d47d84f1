"""The page on the lectures' tables says what the specs say."""

from __future__ import annotations

import importlib

import pytest
from support.places import DOCS


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module


def test_the_page_is_current(module):
    written = (DOCS / "lectures.md").read_text(encoding="utf-8")
    assert written == module("make_lectures").page(), "run `python docs/make_lectures.py`"


def test_verdicts_are_decided_by_the_precision_that_is_printed(module):
    figure = module("lecture_figures").Figure

    def verdict(printed, unit, exact):
        return figure("", "", "", printed, unit, lambda spec: exact).verdict()

    assert verdict(138e6, 1e6, 138_357_544) == "agrees"
    assert verdict(3.8e9, 0.1e9, 3_857_973_248) == "agrees when truncated"
    assert verdict(358e6, 1e6, 271_351_808) == "**differs by +31.9 %**"
    assert verdict(13.6e9, 0.1e9, 15_470_264_320) == "**differs by -12.1 %**"


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        ("62M parameters", "agrees"),
        ("memory 24M values", "differs"),
        ("13.6 GFLOP", "differs"),
        ("13.6 GFLOP without it", "agrees"),
        ("48.6 MB of activations", "differs"),
        ("854M operations", "agrees"),
        ("358M operations", "differs"),
        ("28x28x672 is 529K values", "differs"),
        ("5 million parameters", "differs"),
        ("7M parameters", "agrees"),
        ("12 times GoogLeNet's parameters", "differs"),
        ("three 3x3 see 7x7", "agrees"),
        ("218 MFLOP at 56x56, C=64", "agrees"),
    ],
)
def test_what_the_lectures_print_is_judged(module, says, verdict):
    sections = module("lecture_figures").SECTIONS.values()
    found = [figure for figures in sections for figure in figures if figure.says == says]
    assert found
    assert all(verdict in figure.verdict() for figure in found)


def test_what_disagrees_has_a_reason(module):
    for figures in module("lecture_figures").SECTIONS.values():
        for figure in figures:
            if figure.verdict().startswith("**") and "parameters" not in figure.says:
                assert figure.reason, f"{figure.spec}: {figure.says}"

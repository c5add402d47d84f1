"""What four lectures say is listed in full, judged by formulas over the specs, and on a page."""

from __future__ import annotations

import ast
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
from support.places import DOCS

# Each lecture was read line by line: so many statements it makes, of which so many are not so, by the
# specs or by another source, and so many cannot be recomputed from specs.
COUNTS = {
    "overview": (113, 5, 8),
    "stanford": (278, 12, 30),
    "lse": (549, 36, 66),
    "koc": (498, 39, 26),
    "papers": (5, 1, 0),
}


@pytest.fixture(scope="module")
def statements() -> Any:
    """The module that reads and judges statements; what it evaluates is evaluated once."""
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("lecture_statements")
    finally:
        sys.path.remove(str(DOCS))


def test_the_page_is_current(statements: ModuleType) -> None:
    page = importlib.import_module("make_lectures").page()
    written = (DOCS / "lectures.md").read_text(encoding="utf-8")
    assert written == page, "run `python docs/make_lectures.py`"


@pytest.mark.parametrize("key", COUNTS)
def test_each_lecture_is_listed_in_full(statements: ModuleType, key: str) -> None:
    found = statements.lecture(key).statements
    differ = sum(bool(item.differs) for item in found)
    outside = sum(bool(item.outside) for item in found)
    assert (len(found), differ, outside) == COUNTS[key]


@pytest.mark.parametrize("key", COUNTS)
def test_what_is_not_so_is_said_with_the_reason(statements: ModuleType, key: str) -> None:
    for item in statements.lecture(key).statements:
        if not item.outside:
            agrees = item.verdict() in (statements.AGREES, statements.TRUNCATED)
            assert agrees != bool(item.differs), f"{item.says}: {item.verdict()}"


@pytest.mark.parametrize("key", COUNTS)
def test_every_statement_is_computed_or_says_why_not(statements: ModuleType, key: str) -> None:
    words = statements.words().keys() - statements.words()["__builtins__"].keys()
    for item in statements.lecture(key).statements:
        assert bool(item.formula) != bool(item.outside), item.says
        if item.formula:
            tree = ast.walk(ast.parse(item.formula, mode="eval"))
            called = {node.id for node in tree if isinstance(node, ast.Name)}
            assert called & words, f"{item.says}: {item.formula} asks no spec"


@pytest.mark.parametrize(
    ("printed", "exact", "verdict"),
    [
        ("138M", 138_357_544, "agrees"),
        ("3.8B", 3_857_973_248, "agrees when truncated"),
        ("358M", 271_351_808, "differs by +31.9 %"),
        ("13.6G", 15_470_264_320, "differs by -12.1 %"),
        ("about 60M", 60_965_224, "agrees"),
        ("about 60M", 71_000_000, "differs by -15.5 %"),
        ("48.6 MiB", 51.7 * 2**20, "differs by -6.0 %"),
        ("1,728", 1728, "agrees"),
        ("1,728", 1729, "differs by -0.1 %"),
        ("7.32%", 7.3, "differs by +0.3 %"),
        ("0", 0.37, "agrees"),
        ("0.0", 0.37, "differs by -0.37"),
        ("55x55x96", "55x55x96", "agrees"),
        ("55x55x96", "54x54x96", "differs"),
        ("[3, 3]", [3, 3], "agrees"),
        ("", True, "agrees"),
        ("", False, "does not hold"),
    ],
)
def test_a_figure_is_held_to_the_precision_it_is_printed_with(
    statements: ModuleType, printed: str, exact: Any, verdict: str
) -> None:
    assert statements.verdict(printed, exact) == verdict


def test_a_formula_with_letters_holds_for_all_that_is_tried(statements: ModuleType) -> None:
    assert statements.evaluated('macs("blocks/conv3x3", c=C, input=(C, H, W)) == 9 * C**2 * H * W')
    assert not statements.evaluated("L < 5")


def test_a_table_is_a_statement_for_each_cell_that_is_filled(statements: ModuleType) -> None:
    column = {"title": "width", "printed": ["64", ""], "formula": 'widths("$1")[$0]'}
    column["names"] = [["vgg16", "vgg19"]]
    table = statements.Table("x", "at", "says", ["0", "1"], [column], {"0, width": "why"})
    (cell,) = table.statements()
    assert (cell.formula, cell.printed, cell.differs) == ('widths("vgg16")[0]', "64", "why")
    assert cell.verdict() == "agrees"

"""What four lectures say about these nets, and whether it is so.

Each lecture is a file of `docs/lectures/`. Its `[[part]]`s say what a slide says, `printed` is
the figure as printed, `formula` computes it from the specs in the words of `lecture_measures.py` and
`lecture_runs.py`:

    at = "VGG"                           # the part of the lecture
    says = "VGG-16 has 138M parameters"
    printed = "138M"
    formula = 'params("vgg16")'

A figure is held to the precision it is printed with: `138M` to half a million, `about` to one digit.
Other texts must be equal. Without `printed` the formula is yes or no. A formula that names C, H, W,
K, L or G must hold for several values of each. `differs` is why a statement is not so, `note` what
to know of one that is; `outside` is why nothing here can recompute it. A `[[table]]` is a statement
for each cell. `python docs/lecture_statements.py 'params("vgg16")'` computes a formula.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from math import floor, isclose, log10
from pathlib import Path
from typing import Any

import lecture_measures
import lecture_runs

FOLDER = Path(__file__).parent / "lectures"
LECTURES = ("overview", "stanford", "lse", "koc", "papers")
AGREES, TRUNCATED = "agrees", "agrees when truncated"
# What formulas with these names are tried with.
_TRIED: dict[str, tuple[int, ...]] = {
    "C": (16, 64), "H": (28, 56), "W": (14, 56), "K": (3, 5), "L": (1, 2, 5), "G": (2, 4),
}  # fmt: skip
_SCALES = {"K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "KiB": 2**10, "MiB": 2**20, "MB": 10**6}
_BUILTINS = (abs, all, any, len, max, min, range, round, set, sorted, str, sum, zip)
_FUNCTIONS = {item.__name__: item for item in _BUILTINS}


@dataclass(frozen=True)
class Statement:
    """One thing that a lecture says, and how it is judged."""

    lecture: str
    at: str
    says: str
    formula: str = ""
    printed: str = ""
    differs: str = ""
    note: str = ""
    outside: str = ""

    @property
    def value(self) -> Any:
        """What the formula gives."""
        return evaluated(self.formula)

    def verdict(self) -> str:
        """`agrees`, or how far it is off."""
        return verdict(self.printed, self.value)

    def exact(self) -> str:
        """What is the case, to be read."""
        return shown(self.printed, self.value)


@dataclass(frozen=True)
class Table:
    """Cells of a slide's table: `columns` of printed figures over `rows`, one formula a column."""

    lecture: str
    at: str
    says: str
    rows: list[str]
    columns: list[dict[str, Any]]
    differs: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def statements(self) -> Iterator[Statement]:
        """A statement for each cell that is not empty, row by row."""
        for number in range(len(self.rows)):
            for column in self.columns:
                cell = self.cell(number, column)
                if cell is not None:
                    yield cell

    def cell(self, number: int, column: dict[str, Any]) -> Statement | None:
        """The statement of a row in a column; None where nothing is printed."""
        printed = column["printed"][number]
        if printed == "":
            return None
        title = self.rows[number]
        names = [str(title), *(other[number] for other in column.get("names", []))]
        formula = column["formula"]
        for place, name in enumerate(names):
            formula = formula.replace(f"${place}", str(name))
        says = f"{self.says}: {title}, {column['title']}"
        why = self.differs.get(f"{title}, {column['title']}", "")
        return Statement(self.lecture, self.at, says, formula, str(printed), why)


@dataclass(frozen=True)
class Lecture:
    """A lecture, and all that it says in its own order."""

    key: str
    title: str
    parts: tuple[Statement | Table, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement, those of tables cell by cell."""
        return tuple(
            item
            for part in self.parts
            for item in ([part] if isinstance(part, Statement) else part.statements())
        )


@cache
def lecture(key: str) -> Lecture:
    """The lecture of a file's name."""
    with (FOLDER / f"{key}.toml").open("rb") as file:
        read = tomllib.load(file)
    parts: list[Statement | Table] = []
    for part in read["part"]:
        if "same" in part:
            other, says = part["same"]
            (found,) = (x for x in lecture(other).parts if isinstance(x, Table) and x.says == says)
            parts.append(replace(found, lecture=key, at=part["at"], note=part.get("note", "")))
        elif "rows" in part:
            parts.append(Table(key, **part))
        else:
            parts.append(Statement(key, **part))
    return Lecture(key, read["title"], tuple(parts))


# --- judging


@cache
def evaluated(formula: str) -> Any:
    """The value of a formula; of one with free names, whether it holds for all that is tried."""
    tree = ast.parse(formula, mode="eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    free = sorted(names & _TRIED.keys())
    code = compile(tree, formula, "eval")
    if not free:
        return eval(code, words())
    tried = (dict(zip(free, found, strict=True)) for found in product(*(_TRIED[n] for n in free)))
    return all(bool(eval(code, words() | values)) for values in tried)


def words() -> dict[str, Any]:
    """What formulas may say, by name."""
    found: dict[str, Any] = {"__builtins__": _FUNCTIONS}
    for module in (lecture_measures, lecture_runs):
        functions = inspect.getmembers(module, inspect.isfunction)
        found |= {name: item for name, item in functions if not name.startswith("_")}
    return found


def number(printed: str) -> tuple[float, float] | None:
    """A printed figure and its precision, or None for a text: `138M` is 138e6 to 1e6."""
    text = printed.removeprefix("about ").replace(",", "").removesuffix("%").strip()
    scale = 1.0
    for word, factor in sorted(_SCALES.items(), key=lambda item: -len(item[0])):
        if text.endswith(word):
            text, scale = text.removesuffix(word).strip(), factor
            break
    try:
        value = float(text)
    except ValueError:
        return None
    digits = len(text.split(".")[1]) if "." in text else 0
    unit = 10.0**-digits * scale
    if printed.startswith("about ") and value:
        unit = 10.0 ** floor(log10(abs(value))) * scale
    return value * scale, unit


def verdict(printed: str, value: Any) -> str:
    """How a value compares with what is printed."""
    if isinstance(value, bool):
        return AGREES if value else "does not hold"
    if isinstance(value, str):
        return AGREES if value == printed else "differs"
    if isinstance(value, list):
        return AGREES if str(value) == printed else "differs"
    told = number(printed)
    assert told is not None, f"{printed!r} against {value!r}"
    return compared(value, *told)


def compared(value: float, figure: float, unit: float) -> str:
    """Whether a value is what is printed to a precision; by how much that is off, if not."""
    if abs(value - figure) <= unit / 2 or isclose(abs(value - figure), unit / 2):
        return AGREES
    if floor(value / unit + 1e-9) == round(figure / unit):
        return TRUNCATED
    if not figure or not value:
        return f"differs by {figure - value:+.3g}"
    return f"differs by {100 * (figure - value) / value:+.1f} %"


def shown(printed: str, value: Any) -> str:
    """A value to be read beside what is printed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if printed.endswith("iB"):
        word = printed.split(" ")[-1]
        return f"{value / _SCALES[word]:.2f} {word}"
    if isinstance(value, int):
        return str(value) if str(value) == printed else f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    print(evaluated(sys.argv[1]))

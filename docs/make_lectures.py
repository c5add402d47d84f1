"""Writes docs/lectures.md, what four lectures say beside what is so: `python docs/make_lectures.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from lecture_statements import AGREES, LECTURES, TRUNCATED, Lecture, Statement, Table, lecture

BAR = "\\|"
TARGET = Path(__file__).parent / "lectures.md"

HEADER = """# Four lectures, recomputed

<!-- Written by `python docs/make_lectures.py` from docs/lectures/; a test holds it current. -->

Everything that four lectures on convolutional networks say about architectures, in their order: the
figure they print, the exact one, and the formula that computes it from the shipped specs.
Multiply-adds (MACs) are those of convolutions and fully connected layers for one image; what the
lectures call an operation or a FLOP is one of them. A figure agrees if it is the exact one rounded to
the precision it is printed with. Formulas are Python in the words of
[lecture_measures.py](lecture_measures.py); `python docs/lecture_statements.py 'params("vgg16")'`
computes one.
"""


def main() -> None:
    TARGET.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    read = [lecture(key) for key in LECTURES]
    lectures = (line for item in read for line in _lecture(item))
    return "\n".join([HEADER, *_totals(read), *_differing(read), *lectures])


def _totals(read: Iterable[Lecture]) -> Iterator[str]:
    yield "|  | lecture | statements | agree | differ | out of scope | of these known to be wrong |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for item in read:
        outside = [each for each in item.statements if each.outside]
        judged = [each for each in item.statements if not each.outside]
        differ, wrong = (sum(bool(x.differs) for x in among) for among in (judged, outside))
        counts = len(item.statements), len(judged) - differ, differ, len(outside), wrong
        yield f"| {item.key} | {item.title} | {' | '.join(map(str, counts))} |"
    yield ""


def _differing(read: Iterable[Lecture]) -> Iterator[str]:
    yield "## What is not as they say\n"
    lines = (
        (item.key, part.says, part.printed, "" if part.outside else part.exact(), part.differs)
        for item in read
        for part in item.statements
        if part.differs
    )
    yield from _lines("lecture|it says|printed|exactly|because", lines)


def _lecture(item: Lecture) -> Iterator[str]:
    yield f"## {item.title}\n"
    judged = [part for part in item.parts if isinstance(part, Table) or not part.outside]
    for title, parts in groupby(judged, lambda part: part.at):
        yield f"### {title}\n"
        for _, alike in groupby(parts, lambda part: isinstance(part, Table)):
            for table in (same := list(alike)):
                if isinstance(table, Table):
                    yield from _table(table)
            yield from _statements([part for part in same if isinstance(part, Statement)])
    outside = [part for part in item.parts if isinstance(part, Statement) and part.outside]
    if outside:
        yield "### Out of scope\n"
        lines = ((part.says, part.outside, part.differs) for part in outside)
        yield from _lines("it says|why|not so", lines)


def _statements(parts: list[Statement]) -> Iterator[str]:
    lines = (
        (part.says, part.printed, part.exact(), _judged(part), f"`{part.formula}`", _why(part))
        for part in parts
    )
    if parts:
        yield from _lines("it says|printed|exactly|verdict|by|because", lines)


def _why(part: Statement) -> str:
    return part.differs or part.note


def _judged(part: Statement) -> str:
    found = part.verdict()
    return found if found in (AGREES, TRUNCATED) else f"**{found}**"


def _table(part: Table) -> Iterator[str]:
    yield f"{part.says[0].upper()}{part.says[1:]}, as printed; in brackets what is so, where it is not.\n"
    yield from _lines(
        "|".join(["", *(column["title"] for column in part.columns)]),
        (
            [title, *(_filled(part.cell(number, column)) for column in part.columns)]
            for number, title in enumerate(part.rows)
        ),
    )
    formulas = (f"{column['title']} by `{column['formula']}`" for column in part.columns)
    yield f"{'; '.join(formulas)}. `$0` is a row's title, `$1` and on what it is called in a spec.\n"
    remarks = [f"- {place}: {why}" for place, why in part.differs.items()]
    yield from [*remarks, *([f"- {part.note}"] if part.note else []), ""]


def _filled(cell: Statement | None) -> str:
    if cell is None:
        return ""
    if cell.verdict() in (AGREES, TRUNCATED):
        return cell.printed
    return f"{cell.printed} **({cell.exact()})**"


def _lines(titles: str, lines: Iterable[Iterable[object]]) -> Iterator[str]:
    head = titles.split("|")
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(str(cell).replace('|', BAR) for cell in line)} |"
    yield ""


if __name__ == "__main__":
    main()

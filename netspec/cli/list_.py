"""`netspec list`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import has_colour, json_option, print_json, say, table_width
from netspec.cli.shared.progress import Progress

if TYPE_CHECKING:
    from netspec.analysis.published import Published
    from netspec.analysis.tables import Table
    from netspec.sizes.dims import Dim

_SHELVES = {
    "lectures": "nets of the lectures",
    "blocks": "building blocks",
    "today": "nets of today's libraries",
}


@click.command("list", epilog="Example: netspec list --family resnet")
@click.option("--family", metavar="TEXT", help="Only specs whose name holds this.")
@click.option(
    "--shelf",
    type=click.Choice(list(_SHELVES)),
    help="Only the lectures' nets, their building blocks, or nets of today's libraries.",
)
@click.option("--names", is_flag=True, help="Only the names; reads no spec.")
@click.option(
    "--errors", is_flag=True, help="The errors, scores and entries of challenges that they state."
)
@json_option
def command(
    family: str | None, shelf: str | None, names: bool, errors: bool, as_json: bool
) -> None:
    """List the shipped specs: what they are and what they cost.

    The lectures' nets come first, then their building blocks, then nets of today's libraries.
    Multiply-adds are those of one sample; --json has exact figures. With --errors every published
    figure has a line: its values in per cent, what it was measured on and how, and where it is printed.
    """
    from netspec.syntax.files import shipped_names

    if names and errors:
        raise click.UsageError("--names reads no spec, --errors reads them")

    shelves = [shelf] if shelf else list(_SHELVES)
    standing = {name: place for place in shelves for name in shipped_names(place)}
    found = [name for name in standing if not family or family in name]
    if not found:
        say(f"no shipped spec's name holds {family}")
    if names:
        if as_json:
            print_json({"format_version": 1, "names": found})
        else:
            print("".join(f"{name}\n" for name in found), end="")
        return
    if errors:
        _errors(found, as_json)
        return
    with Progress("list") as progress:
        rows = []
        for name in found:
            progress.show("reading", name)
            rows.append({"name": name, "shelf": standing[name], **_row(name)})
    if as_json:
        plain = [{**row, "macs": _value(row["macs"])} for row in rows]
        print_json({"format_version": 1, "specs": plain})
        return
    if rows:
        sys.stdout.write(_table(rows).to_text(table_width(), has_colour()))


def _value(macs: Dim) -> int | str:
    return macs if isinstance(macs, int) else str(macs)


def _table(rows: list[dict[str, Any]]) -> Table:
    """The specs with rounded figures; a line before each shelf says which it is."""
    from netspec.analysis.quantities import rounded
    from netspec.analysis.tables import Column, Line, Table

    columns = (
        Column("name", "label"),
        Column("year", keep=6),
        Column("input", keep=7),
        Column("params", "count"),
        Column("MACs", "count"),
        Column("paper", "title", keep=5),
    )
    lines = []
    shelf = ""
    for row in rows:
        if row["shelf"] != shelf:
            shelf = row["shelf"]
            lines.append(Line((_SHELVES[shelf], *[None] * (len(columns) - 1)), "group"))
        year, paper = str(row["year"] or ""), row["paper"] or ""
        macs = rounded(row["macs"]) if isinstance(row["macs"], int) else "open"
        figures = (rounded(row["params"]), macs)
        lines.append(Line((row["name"], year, row["input"], *figures, paper)))
    opened = any(line.cells[4] == "open" for line in lines)
    notes = (
        ("open: a formula of the input's sizes, which `netspec summary` tells",) if opened else ()
    )
    return Table("", columns, tuple(lines), notes)


def _errors(names: list[str], as_json: bool) -> None:
    from netspec.analysis.published import published
    from netspec.elaborate.build import build
    from netspec.syntax.files import read_spec

    stated = {}
    with Progress("list") as progress:
        for name in names:
            progress.show("reading", name)
            stated[name] = published(build(read_spec(name)).metadata)
    if as_json:
        figures = [{"name": name, **item.as_json()} for name in names for item in stated[name]]
        print_json({"format_version": 1, "figures": figures})
        return
    if not any(stated.values()):
        say(f"of {len(names)} specs none states an error")
    width = table_width()
    for name, items in stated.items():
        if items:
            print("\n".join((name, *(line for item in items for line in _lines(item, width)))))


# The columns of `--errors`: the kind of line and its figures; the rest is what the width leaves.
_KIND, _FIGURES, _LEAST = 5, 25, 30
_NUMBERED = r"\b(Table|Figure|Section) (?=\w)"


def _lines(item: Published, width: int) -> list[str]:
    """A figure as lines of at most `width` characters: kind, values, and the rest wrapped."""
    from itertools import zip_longest
    from textwrap import wrap

    room = max(_LEAST, width - _KIND - _FIGURES - 6)
    # A measure stays on one line with its value: its own spaces do not wrap.
    together = "; ".join(figure.replace(" ", "\xa0") for figure in item.figures())
    values = [line.replace("\xa0", " ") for line in wrap(together, _FIGURES)]
    said = "; ".join(part for part in (item.about(), item.source) if part)
    rest = [line.replace("\xa0", " ") for line in wrap(re.sub(_NUMBERED, "\\1\xa0", said), room)]
    found = []
    for i, (left, right) in enumerate(zip_longest(values, rest, fillvalue="")):
        kind = item.line if i == 0 else ""
        found.append(f"  {kind:<{_KIND}}  {left:<{_FIGURES}}  {right}".rstrip())
    return found


def _row(name: str) -> dict[str, Any]:
    from netspec.analysis.costs import costs
    from netspec.elaborate.build import build
    from netspec.syntax.files import read_spec

    # What shipped specs expect of themselves is `netspec check`'s to say: it would be counted here again.
    graph = build(read_spec(name), expectations=False)
    total = costs(graph)
    about = dict(graph.metadata)
    return {
        "year": about.get("year"),
        "paper": about.get("paper"),
        "input": " + ".join(str(node.types[0]) for node in graph.inputs),
        "params": total.params,
        "macs": total.macs,
    }

"""`netspec list`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import json_option, print_json, say, table_width

if TYPE_CHECKING:
    from netspec.analysis.published import Published


@click.command("list", epilog="Example: netspec list --family resnet")
@click.option("--family", metavar="TEXT", help="Only specs whose name holds this.")
@click.option(
    "--shelf",
    type=click.Choice(["lectures", "blocks", "today"]),
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

    The lectures' nets come first, then their building blocks, then nets of today's libraries, with
    a line between. Multiply-adds are those of one sample. With --errors every published figure has a
    line: its values in per cent, what it was measured on and how, and where it is printed.
    """
    from netspec.syntax.files import shipped_names

    if names and errors:
        raise click.UsageError("--names reads no spec, --errors reads them")

    shelves = [shelf] if shelf else ["lectures", "blocks", "today"]
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
    rows = [{"name": name, "shelf": standing[name], **_row(name)} for name in found]
    if as_json:
        print_json({"format_version": 1, "specs": rows})
        return
    width = max([len(row["name"]) for row in rows], default=0)
    for before, row in zip([None, *rows], rows, strict=False):
        if before and before["shelf"] != row["shelf"]:
            print()
        macs = f"{row['macs']:,}" if isinstance(row["macs"], int) else str(row["macs"])
        print(
            f"{row['name']:<{width}}  {row['year'] or '':>4}  {row['input']:>14}"
            f"  {row['params']:>13,} params  {macs:>19} MACs  {row['paper'] or ''}"
        )


def _errors(names: list[str], as_json: bool) -> None:
    from netspec.analysis.published import published
    from netspec.elaborate.build import build
    from netspec.syntax.files import read_spec

    stated = {name: published(build(read_spec(name)).metadata) for name in names}
    if as_json:
        figures = [{"name": name, **item.as_json()} for name in names for item in stated[name]]
        print_json({"format_version": 1, "figures": figures})
        return
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

    graph = build(read_spec(name))
    total = costs(graph)
    about = dict(graph.metadata)
    return {
        "year": about.get("year"),
        "paper": about.get("paper"),
        "input": " + ".join(str(node.types[0]) for node in graph.inputs),
        "params": total.params,
        "macs": total.macs if isinstance(total.macs, int) else str(total.macs),
    }

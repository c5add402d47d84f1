"""`netspec list`."""

from __future__ import annotations

from typing import Any

import click

from netspec.cli.common import json_option, print_json, say


@click.command("list", epilog="Example: netspec list --family resnet")
@click.option("--family", metavar="TEXT", help="Only specs whose name holds this.")
@click.option("--names", is_flag=True, help="Only the names; reads no spec.")
@json_option
def command(family: str | None, names: bool, as_json: bool) -> None:
    """List the shipped specs: what they are and what they cost.

    Multiply-adds are those of one sample.
    """
    from netspec.syntax.files import shipped_names

    found = [name for name in shipped_names() if not family or family in name]
    if not found:
        say(f"no shipped spec's name holds {family}")
    if names:
        if as_json:
            print_json({"format_version": 1, "names": found})
        else:
            print("".join(f"{name}\n" for name in found), end="")
        return
    rows = [_row(name) for name in found]
    if as_json:
        print_json({"format_version": 1, "specs": rows})
        return
    width = max([len(row["name"]) for row in rows], default=0)
    for row in rows:
        macs = f"{row['macs']:,}" if isinstance(row["macs"], int) else str(row["macs"])
        print(
            f"{row['name']:<{width}}  {row['year'] or '':>4}  {row['input']:>14}"
            f"  {row['params']:>13,} params  {macs:>19} MACs  {row['paper'] or ''}"
        )


def _row(name: str) -> dict[str, Any]:
    from netspec.analysis.costs import costs
    from netspec.elaborate.build import build
    from netspec.syntax.files import read_spec

    graph = build(read_spec(name))
    total = costs(graph)
    about = dict(graph.metadata)
    return {
        "name": name,
        "year": about.get("year"),
        "paper": about.get("paper"),
        "input": " + ".join(str(node.types[0]) for node in graph.inputs),
        "params": total.params,
        "macs": total.macs if isinstance(total.macs, int) else str(total.macs),
    }

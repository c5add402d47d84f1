"""`netspec explain`."""

from __future__ import annotations

import textwrap

import click

from netspec.cli.shared.common import table_width

_WIDEST = 100


@click.command(epilog="Example: netspec explain NS310")
@click.argument("code")
def command(code: str) -> None:
    """Explain a diagnostic's code."""
    from netspec.diagnostics.catalogue import headline, load_all
    from netspec.diagnostics.records import REGISTRY

    load_all()
    problem = REGISTRY.get(f"NS{code.upper().removeprefix('NS')}")
    if problem is None:
        raise click.UsageError(f"no diagnostic has the code {code}; one looks like NS310")
    width = min(table_width(), _WIDEST)
    print(textwrap.fill(f"{problem.code}: {headline(problem)}", width, subsequent_indent="  "))
    if problem.explain:
        print("\n" + textwrap.fill(problem.explain, width))

"""`netspec show`."""

from __future__ import annotations

import click

from netspec.cli.common import SPEC, print_spec


@click.command(epilog="Example: netspec show resnet50")
@click.argument("name", type=SPEC, metavar="NAME")
def command(name: str) -> None:
    """Print the text of a shipped spec, a shipped block (`inception`) or a file."""
    from netspec.diagnostics.raised import NetspecError
    from netspec.syntax.files import LIBRARY, read_file, read_spec

    try:
        source = read_spec(name)
    except NetspecError:
        path = LIBRARY / f"{name}.ns"
        if not name.isidentifier() or not path.is_file():
            raise
        source = read_file(path, shipped=True)
    print_spec(source.text if source.text.endswith("\n") else f"{source.text}\n")

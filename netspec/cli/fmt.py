"""`netspec fmt`."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.cli.shared.common import print_spec, quiet_option, say


@click.command(epilog="Example: netspec fmt --check specs/*.ns")
@click.argument("specs", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@quiet_option
def command(specs: tuple[str, ...], check: bool, quiet: bool) -> int:
    """Put specs in the one canonical layout; - formats standard input to standard output."""
    from netspec.syntax.files import read_file, read_spec, shipped_names
    from netspec.syntax.fmt import format_text
    from netspec.system.atomic import write_text

    changed = 0
    for name in specs:
        if name in shipped_names() and not Path(name).exists():
            raise click.UsageError(
                f"fmt takes files; `netspec show {name} > {Path(name).name}.ns` writes one"
            )
        source = read_spec("-") if name == "-" else read_file(Path(name))
        text = format_text(source.text)
        if name == "-":
            print_spec(text)
        elif text != source.text:
            changed += 1
            if not check:
                # Behind a link is the file whose layout was asked for.
                write_text(Path(name).resolve(), text)
            say(f"{'would change' if check else 'changed'} {name}", quiet)
    return 1 if check and changed else 0

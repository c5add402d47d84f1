"""`netspec show`."""

from __future__ import annotations

import click

from netspec.cli.shared.common import SPEC, Options, print_spec, spec_options


@click.command(epilog="Example: netspec show --flat mobilenet_v1 --set alpha=0.5")
@click.argument("name", type=SPEC, metavar="NAME")
@click.option(
    "--flat", is_flag=True, help="Write every block, repeat, default and choice out as plain steps."
)
@spec_options
def command(name: str, flat: bool, options: Options) -> None:
    """Print the text of a shipped spec, a shipped block (`inception`) or a file.

    The text of a shipped block begins with what its parameters mean. Where a spec has its name, as
    `mlp` has, the block is `library/mlp`. Of a variation that stands in a family's file, its own lines.

    With --flat, the net it describes, as the text of a spec: parameters set, one step a line.
    """
    from netspec.diagnostics.raised import NetspecError
    from netspec.syntax.files import LIBRARY, read_file, read_spec
    from netspec.syntax.lexer import forbidden_characters
    from netspec.syntax.units import variation_text

    if flat:
        from netspec.graph.written import written

        print_spec(written(options.graph(name)))
        return
    if options.settings or options.inputs:
        raise click.UsageError("--set and --input go with --flat: the text is the same without")
    try:
        source = read_spec(name)
    except NetspecError:
        block = name.removeprefix("library/")
        path = LIBRARY / f"{block}.ns"
        if not block.isidentifier() or not path.is_file():
            raise
        source = read_file(path, shipped=True)
    for diagnostic in forbidden_characters(source):  # a terminal may obey them
        raise NetspecError((diagnostic,))
    text = variation_text(source) if source.net else source.text
    print_spec(text if text.endswith("\n") else f"{text}\n")

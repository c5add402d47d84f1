"""`netspec check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netspec.cli.shared.common import (
    SPEC,
    Options,
    json_option,
    print_json,
    quiet_option,
    say,
    spec_options,
)
from netspec.cli.shared.progress import Progress

if TYPE_CHECKING:
    from netspec.diagnostics.records import Diagnostic
    from netspec.diagnostics.source import Source


@click.command(epilog="Example: netspec check specs/googlenet.ns resnet50")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC...")
@click.option("--compact", is_flag=True, help="One line for each diagnostic.")
@json_option
@quiet_option
@spec_options
def command(
    specs: tuple[str, ...], compact: bool, as_json: bool, quiet: bool, options: Options
) -> int:
    """Say what is wrong with specs, and nothing else.

    Every diagnostic of every file is shown, and each variation in a file is a spec of its own. Exit
    status 1 if one of them is an error.
    """
    from netspec.analysis.doubts.misread import warnings_of
    from netspec.diagnostics.raised import NetspecError
    from netspec.diagnostics.render import as_json as plain
    from netspec.diagnostics.render import render
    from netspec.syntax.units import variations_of

    found: list[Diagnostic] = []
    more = checked = 0
    for spec in specs:
        waiting: list[str | Source] = [spec]
        while waiting:
            checked += 1
            try:
                with Progress(spec, quiet=quiet) as progress:
                    progress.show("checking")
                    graph = options.graph(waiting.pop(0))
            except NetspecError as error:
                found.extend(error.diagnostics)
                more += error.more
            else:
                found.extend(warnings_of(graph))
                waiting.extend(variations_of(graph.source, options.limits))
    if as_json:
        print_json(plain(tuple(found), more))
    elif found:
        print(render(tuple(found), more, compact=compact))
    else:
        say(f"{checked} spec{'s' if checked > 1 else ''} checked, nothing wrong", quiet)
    return 0 if all(item.warning for item in found) else 1

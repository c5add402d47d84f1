"""`netspec diff`."""

from __future__ import annotations

import os
import sys

import click

from netspec.cli.shared.common import SPEC, Options, json_option, print_json, spec_options


@click.command(epilog="Example: netspec diff HEAD~1:net.ns net.ns")
@click.argument("before", type=SPEC, metavar="A")
@click.argument("after", type=SPEC, metavar="B")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the nets differ.")
@json_option
@spec_options
def command(before: str, after: str, exit_code: bool, as_json: bool, options: Options) -> int:
    """Say what B computes otherwise than A, at the lines of their specs.

    A and B are specs; REVISION:PATH is a spec as git has it. Layout, comments, names of steps and
    blocks, the order of declarations, and what is said by a default instead of an argument are no
    difference.
    """
    from netspec.analysis.difference.difference import difference

    found = difference(options.graph(before), options.graph(after))
    if as_json:
        print_json(found.as_json())
    else:
        sys.stdout.write(found.to_text(color=_has_colour()))
    return 1 if exit_code and found else 0


def _has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")

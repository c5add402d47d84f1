"""`netspec diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.shared.common import (
    FILE_OR_STREAM,
    SPEC,
    Options,
    has_colour,
    json_option,
    line_width,
    print_json,
    say,
    spec_options,
)
from netspec.cli.shared.progress import Progress

if TYPE_CHECKING:
    from netspec.analysis.difference.difference import Difference
    from netspec.api.picture import Picture
    from netspec.graph.checked import Graph


@click.command(epilog="Example: netspec diff resnet101 resnet152")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="A B")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the nets differ.")
@click.option(
    "--git",
    "for_git",
    is_flag=True,
    help="Take the arguments that git gives to an external diff: `netspec diff --git --`.",
)
@click.option(
    "-o",
    "--output",
    type=FILE_OR_STREAM,
    metavar="FILE",
    help="Draw both nets, marked: .svg, .png, .pdf or .tikz.",
)
@json_option
@spec_options
def command(
    specs: tuple[str, ...],
    exit_code: bool,
    for_git: bool,
    output: str | None,
    as_json: bool,
    options: Options,
) -> int:
    """Say what the spec B computes otherwise than the spec A, and at which lines.

    A and B are specs or ONNX files, which are read as `netspec import` reads them, in its words.
    REVISION:PATH is a spec as git has it, with what it imports; :PATH is the one that is staged. Layout,
    comments, names of steps and blocks, the order of declarations, and whether something is said by a
    default, a block or an argument are no difference.
    """
    if for_git:
        from netspec.cli.shared.external_diff import shown

        if as_json or exit_code or output:
            raise click.UsageError("--git prints text, and git makes the exit status")
        sys.stdout.write(shown(specs, options, has_colour()))
        return 0
    if len(specs) != 2:
        raise click.UsageError("diff takes two specs")
    if all(map(_is_onnx, specs)) and (options.settings or options.inputs):
        raise click.UsageError("--set and --input are for specs: both of these are ONNX files")
    from netspec.importing.beside import differing

    with Progress("diff") as progress:
        progress.show("comparing", " ".join(specs))
        a, b = specs
        found = differing(_compared(a, options), _compared(b, options))
        # Before anything is printed: a format that is none is refused instead.
        picture = (
            _picture(found, output, [*filter(_is_onnx, specs)]) if output is not None else None
        )
    if as_json:
        print_json(found.as_json())
    else:
        sys.stdout.write(found.to_text(color=has_colour(), width=line_width()))
    if picture is not None and output is not None:
        say(f"wrote {picture.save(output)}")
    return 1 if exit_code and found else 0


def _is_onnx(spec: str) -> bool:
    return Path(spec).suffix == ".onnx"


def _compared(spec: str, options: Options) -> Graph | Path:
    if _is_onnx(spec):
        return Path(spec)
    # Whoever edits a net looks at what changed before correcting what it is expected to be.
    return options.graph(spec, expectations=False)


def _picture(found: Difference, output: str, models: list[str]) -> Picture:
    from netspec.api.picture import Picture
    from netspec.draw.picture import ENDINGS, draw_difference

    form = Path(output).suffix.removeprefix(".").lower()
    content = draw_difference(found, format=ENDINGS.get(form, form))
    return Picture(content, keep=(*found.a.files, *found.b.files, *models))

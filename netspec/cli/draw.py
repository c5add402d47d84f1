"""`netspec draw`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.shared.common import FILE_OR_STREAM, SPEC, Options, quiet_option, say, spec_options
from netspec.cli.shared.progress import Progress

if TYPE_CHECKING:
    from netspec.graph.checked import Graph

STYLES = ("fold", "flow", "volumes", "columns", "bars", "bubble", "depth")
FORMATS = ("svg", "png", "pdf", "tikz", "html", "dot")


@click.command(epilog="Example: netspec draw vgg19 plain34 resnet34 --style columns -o columns.svg")
@click.argument("specs", nargs=-1, type=SPEC, metavar="SPEC...")
@click.option(
    "-o",
    "--output",
    type=FILE_OR_STREAM,
    metavar="FILE",
    help="The file to write; - for standard output.",
)
@click.option("--style", type=click.Choice(STYLES), default="fold", help="What kind of picture.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Taken from the file by default."
)
@click.option("--depth", type=click.IntRange(0), help="How many levels of blocks to open.")
@click.option(
    "--expand",
    multiple=True,
    metavar="GLOB",
    help="Open all blocks of this name, or one by its full path, and no others; or all attention.",
)
@click.option(
    "--unfold",
    multiple=True,
    metavar="PATH",
    help="Show a repeat copy by copy: by the path of a copy, or of the block it is in; or a name.",
)
@click.option("--show", metavar="WHAT", help="Any of shape,kernel,params,macs,name.")
@click.option("--heat", type=click.Choice(["params", "macs", "memory"]), help="Colour by cost.")
@click.option(
    "--theme",
    type=click.Choice(["light", "dark", "auto"]),
    help="Colours: light, but in HTML those of the reader's setting.",
)
@click.option(
    "--scale", type=click.FloatRange(0, 10, min_open=True), help="Pixels of a PNG to a point, or 2."
)
@click.option("--no-title", is_flag=True, help="No title, paper, caption or legend.")
@quiet_option
@spec_options
def command(
    specs: tuple[str, ...],
    output: str | None,
    style: str,
    form: str | None,
    depth: int | None,
    expand: tuple[str, ...],
    unfold: tuple[str, ...],
    show: str | None,
    heat: str | None,
    theme: str | None,
    scale: float | None,
    no_title: bool,
    quiet: bool,
    options: Options,
) -> None:
    """Draw one net, or several together, as SVG, PNG, PDF, TikZ, HTML or dot text.

    Several nets stand next to each other; in the style columns they are aligned on resolution.

    HTML is one page that loads nothing: it zooms, is searched, and in fold and flow opens blocks and
    repeats; boxes and lines say what they are and lead to the spec.

    fold is one screen of boxes, volumes one of slabs in perspective as papers draw them; flow has
    every layer, columns and bars set nets side by side. What is taller than a screen goes on beside
    it in columns.

    For papers there are PDF with its fonts embedded and TikZ text (.tikz, .tex), which \\input reads;
    --no-title leaves the words around the picture to the figure's own caption.

    The picture is NAME.svg in the current folder unless -o says otherwise. Where no spec is
    named, bubble shows the shipped nets whose top-1 error was measured in the same way, and depth
    the entries that won ILSVRC from 2010 to 2017, with VGG's. With names depth shows the entries
    of those nets, or else their own top-5 errors, in the order given.
    """
    from netspec.api.picture import Picture
    from netspec.draw import draw

    form = _format_of(output, form)
    shown = tuple(show.split(",")) if show else ("shape", "kernel", "params")
    with Progress("draw", quiet=quiet) as progress:
        progress.show("reading", " ".join(specs))
        graphs, challenge = [options.graph(spec) for spec in specs], ""
        if not specs:
            graphs, challenge = _default_nets(style, options)
        progress.show("drawing", " ".join(specs))
        content = draw(
            graphs,
            style=style,
            depth=depth,
            expand=expand,
            unfold=unfold,
            show=shown,
            heat=heat,
            theme=theme,
            format=form,
            challenge=challenge,
            scale=scale,
            title=not no_title,
        )
    if output == "-":
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise click.UsageError(f"{form} is no text for a terminal: name a file with -o")
        sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
        return
    name = graphs[0].name if style == "fold" and len(graphs) == 1 else style
    keep = [file for graph in graphs for file in graph.files]
    path = Picture(content, keep=keep).save(output or Path(f"{name}.{form}"))
    say(f"wrote {path}", quiet)


def _default_nets(style: str, options: Options) -> tuple[list[Graph], str]:
    """What a chart of errors shows where no spec is named, and of which challenge."""
    if style not in ("bubble", "depth"):
        raise click.UsageError(f"the style {style} needs a spec")
    if options.settings or options.inputs:
        raise click.UsageError("--set and --input need a spec")
    from netspec.cli.shared.shipped import charted

    return charted(style)


def _format_of(output: str | None, form: str | None) -> str:
    from netspec.draw.picture import ENDINGS

    suffix = Path(output or "").suffix.lstrip(".").lower()
    suffix = ENDINGS.get(suffix, suffix)
    if form is not None:
        if suffix in FORMATS and suffix != form:
            raise click.UsageError(f"{output} ends in .{suffix}, and --format says {form}")
        return form
    if suffix in FORMATS:
        return suffix
    if suffix and output != "-":
        raise click.UsageError(f"no picture format ends in .{suffix}: {', '.join(FORMATS)}")
    return "svg"

"""`netspec summary`."""

from __future__ import annotations

import sys

import click

from netspec.cli.shared.common import (
    SPEC,
    Options,
    has_colour,
    line_width,
    print_json,
    spec_options,
    table_width,
)
from netspec.cli.shared.progress import Progress
from netspec.cli.shared.training import Training, training_options

FORMATS = ("text", "markdown", "latex", "csv", "json")


@click.command(epilog="Example: netspec summary vgg16 resnet50 --format markdown")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC...")
@click.option("--flat", is_flag=True, help="A row for every layer; repeats are not folded.")
@click.option(
    "--depth",
    type=click.IntRange(0),
    metavar="N",
    help="Open so many levels of blocks; the others are a row with its sums.",
)
@click.option(
    "--count",
    type=click.Choice(["mac", "torchinfo", "fvcore"]),
    default="mac",
    help="Whose convention the operations are counted by.",
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", help="Output form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--explain", "layer", metavar="LAYER", help="Print the arithmetic of one layer.")
@click.option(
    "--assert",
    "budgets",
    multiple=True,
    metavar="'params<5M'",
    help="Exit with 1 unless a total keeps a bound.",
)
@training_options
@spec_options
def command(
    specs: tuple[str, ...],
    flat: bool,
    depth: int | None,
    count: str,
    style: str,
    as_json: bool,
    layer: str | None,
    budgets: tuple[str, ...],
    training: Training,
    options: Options,
) -> int:
    """Show what each layer costs; with several specs, compare them in one table.

    Multiply-adds are those of one sample; shares are in per cent of the deployed net. The table is
    as wide as the terminal, or as COLUMNS says, and 120 elsewhere.

    --training adds what one training step takes: weights, gradients, the optimiser's state, and what is
    kept for backward, step by step, as PyTorch keeps it.
    """
    from netspec.analysis.budget import check_budget
    from netspec.analysis.compare import compare
    from netspec.analysis.explain import explain
    from netspec.analysis.summary import summarize

    if layer is not None and (as_json or budgets or style != "text" or training.asked):
        raise click.UsageError("--explain prints text, and nothing else")
    if layer is not None and (flat or count != "mac"):
        raise click.UsageError("--explain counts multiply-adds of one layer: no --flat, no --count")
    if as_json and style not in ("text", "json"):
        raise click.UsageError(f"--json is --format json, and --format says {style}")
    if flat and len(specs) > 1:
        raise click.UsageError(
            "--flat is for one net's table: one of several has a row for each net"
        )
    if depth is not None and (flat or len(specs) > 1):
        raise click.UsageError("--depth is for one net's table of blocks")
    with Progress("summary") as progress:
        graphs = []
        for spec in specs:
            progress.show("reading", spec)
            graphs.append(options.graph(spec))
        progress.show("counting")
        each = [] if layer is not None else graphs
        summaries = [
            summarize(
                graph, count=count, flat=flat, depth=depth, training=training.of(graph, budgets)
            )
            for graph in each
        ]
    if layer is not None:
        sys.stdout.write("".join(explain(graph, layer, line_width()) for graph in graphs))
        return 0
    # Before anything is printed: a bound that is no bound is refused instead of the table.
    broken = [
        text for item in summaries for budget in budgets if (text := check_budget(item, budget))
    ]
    if as_json or style == "json":
        plain = [item.as_json() for item in summaries]
        print_json(plain[0] if len(plain) == 1 else {"format_version": 1, "nets": plain})
    else:
        table = summaries[0] if len(summaries) == 1 else compare(summaries)
        if style == "text":
            sys.stdout.write(table.to_text(table_width(), has_colour()))
        else:
            sys.stdout.write(getattr(table, f"to_{style}")())
    for text in broken:
        print(text, file=sys.stderr)
    return 1 if broken else 0

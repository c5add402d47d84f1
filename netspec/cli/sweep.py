"""`netspec sweep`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import (
    FILE_OR_STREAM,
    SPEC,
    Options,
    has_colour,
    json_option,
    print_json,
    quiet_option,
    say,
    spec_options,
    table_width,
)
from netspec.cli.shared.progress import Progress

if TYPE_CHECKING:
    from netspec.sweeping.latency import Timing
    from netspec.sweeping.sweep import Sweep
    from netspec.sweeping.variant import Row

# What is printed is read by a person, or held whole.
_PRINTED = 10_000
FORMATS = ("csv", "jsonl", "parquet")


def _part(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int]:
    which, slash, parts = (value or "1/1").partition("/")
    if not (slash and which.isdecimal() and parts.isdecimal() and 1 <= int(which) <= int(parts)):
        raise click.BadParameter(f"write it like 2/8, the second of eight parts, not `{value}`")
    return int(which), int(parts)


@click.command(epilog="Example: netspec sweep mobilenet_v2 --set alpha=0.5..1:0.25")
@click.argument("spec", type=SPEC)
@click.option(
    "--where",
    multiple=True,
    metavar="'params<5M'",
    help="Leave out what breaks a bound on a total.",
)
@click.option("--all", "keep", is_flag=True, help="Keep it, with the status over.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="So many variants by chance.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Which chance; 0.")
@click.option("--part", callback=_part, metavar="K/N", help="The K-th of N parts of the table.")
@click.option("--latency", is_flag=True, help="Measure each, one after the other, here.")
@click.option("--runs", type=click.IntRange(1), help="Rounds of a measurement; 20.")
@click.option("--batch", type=click.IntRange(1), help="Samples in a measured run; 1.")
@click.option("--threads", type=click.IntRange(0, 1024), help="Threads of a measured run.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes; as many as pay.")
@click.option("--ray", metavar="ADDRESS", help="Build on a Ray cluster: its address, auto, local.")
@click.option(
    "-o",
    "--output",
    type=FILE_OR_STREAM,
    metavar="FILE",
    help="The table to write; - for standard output.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="As the file ends by default.")
@click.option(
    "--plot",
    type=FILE_OR_STREAM,
    metavar="FILE",
    help="A picture of two columns: .svg, .png, .pdf, .tikz.",
)
@click.option("--x", metavar="COLUMN", help="Across: a cost, or a parameter as set_NAME; params.")
@click.option("--y", metavar="COLUMN", help="Up: a cost; macs.")
@click.option("--most", metavar="COLUMN", help="Which of the two more is better of; of neither.")
@quiet_option
@json_option
@spec_options
def command(
    spec: str,
    where: tuple[str, ...],
    keep: bool,
    sample: int | None,
    seed: int,
    part: tuple[int, int],
    latency: bool,
    runs: int | None,
    batch: int | None,
    threads: int | None,
    jobs: int | None,
    ray: str | None,
    output: str | None,
    form: str | None,
    plot: str | None,
    x: str | None,
    y: str | None,
    most: str | None,
    quiet: bool,
    as_json: bool,
    options: Options,
) -> int:
    """Build every combination of values for a spec's parameters, and say exactly what each costs.

    --set n=16..64:8 is a range, both ends included, --set act=relu,gelu and --set n=[3,4],[3,6] are
    values as a spec has them. Several sizes by --input are variants too. What is no net is a row with
    its code and message. Rows come in the order of the grid, the last parameter changing first; a
    table of any length is written as it comes, whole or not at all. --part makes one of several
    tables, which one after the other are the whole.

    The picture of two costs has their Pareto front: the variants that no other is better than. Less is
    better, unless --most says of which of the two more is. The picture of a cost against a parameter
    joins those that differ in nothing else.

    Latency is the median of runs through ONNX Runtime on seeded noise, and where the outer tenths
    begin. The exit status is 1 where no variant is a net within the bounds, and 4 where one killed its
    process.
    """
    from netspec.sweeping.shown import document, table, told
    from netspec.sweeping.sweep import Sweep
    from netspec.syntax.files import read_spec
    from netspec.system.atomic import planned_apart

    timing = _timing(latency, runs, batch, threads)
    if timing is not None and (ray is not None or (jobs or 1) > 1):
        raise click.UsageError(
            "--latency is measured here, one after the other: no --jobs, no --ray"
        )
    if ray is not None and jobs is not None:
        raise click.UsageError("--jobs are of this machine, and --ray is for a cluster")
    if plot is None and (x, y, most) != (None, None, None):
        raise click.UsageError("--x, --y and --most are for --plot")
    if output == "-" and form is None:
        raise click.UsageError("say with --format what is written to standard output")
    if as_json and output is not None:
        raise click.UsageError("--json prints, and -o writes a table")
    with Progress("sweep", quiet=quiet) as progress:
        progress.show("reading", spec)
        found = Sweep(
            read_spec(spec, options.limits),
            options.settings,
            inputs=options.inputs,
            where=where,
            keep=keep,
            sample=sample,
            seed=seed,
            part=part,
            jobs=jobs,
            ray=ray,
            latency=timing,
            limits=options.limits,
        )
        target = "/dev/stdout" if output == "-" else output
        if target is None:
            _refuse_many(found.count)
        else:
            found.refuse_target(target, form)
        picture = None if plot is None else found.plotted(x or "params", y or "macs", most)
        if picture is not None and plot is not None:
            picture.refuse_target(plot)
            planned_apart([Path(path) for path in (target, plot) if path is not None])
        say(_announced(found), quiet or found.count * found.seconds < 1)
        statuses, codes = Counter[str](), Counter[str]()
        rows = _counted(found, statuses, codes, progress)
        if picture is not None:
            rows = picture.through(rows)
        held = None
        if target is None:
            held = list(rows)
        else:
            found.write(target, rows, form)
    if picture is not None and plot is not None:
        picture.save(plot)
    if held is not None and as_json:
        print_json(document(found.unit.name, held, found.columns, statuses))
    elif held is not None:
        shown = table(held, found.columns)
        sys.stdout.write(shown.to_text(table_width(), has_colour()))
    say(told(found.count, statuses, codes), quiet)
    return 4 if statuses["lost"] else 0 if statuses["ok"] else 1


def _counted(
    sweep: Sweep, statuses: Counter[str], codes: Counter[str], progress: Progress
) -> Iterator[Row]:
    """The rows of the table, while the line of progress says how many are done, and at which rate."""
    start = time.monotonic()
    for done, row in enumerate(sweep.rows(), 1):
        statuses[row.status] += 1
        if row.code:
            codes[row.code] += 1
        rate = done / max(time.monotonic() - start, 1e-3)
        progress.show(f"{done:,} of {sweep.count:,}", f"{rate:.3g}/s")
        if sweep.keeps(row):
            yield row


def _timing(
    latency: bool, runs: int | None, batch: int | None, threads: int | None
) -> Timing | None:
    given: dict[str, Any] = {"rounds": runs, "batch": batch, "threads": threads}
    said = {name: value for name, value in given.items() if value is not None}
    if not latency:
        if said:
            raise click.UsageError("--runs, --batch and --threads are for --latency")
        return None
    from netspec.sweeping.latency import Timing

    return Timing(**said)


def _announced(sweep: Sweep) -> str:
    """How many variants there are, and about how long they take where that is known."""
    jobs = sweep.jobs
    seconds = sweep.count * sweep.seconds / jobs
    about = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    if seconds > 2 * 3600:
        about = f"{seconds / 3600:.0f} h"
    where = "" if sweep.is_elsewhere else f", about {about} in {jobs} process{'es' * (jobs > 1)}"
    return f"{sweep.count:,} variants of {sweep.unit.name}{where}"


def _refuse_many(count: int) -> None:
    if count > _PRINTED:
        from netspec.diagnostics.messages.sweeping import TooManyVariants
        from netspec.diagnostics.raised import NetspecError

        advice = "name a file with -o, or take a --sample"
        most = f"{_PRINTED:,}"
        raise NetspecError(
            TooManyVariants(f"{count:,}", most, "which can be printed", advice), status=2
        )

"""`netspec verify`."""

from __future__ import annotations

import click

from netspec.cli.common import (
    SPEC,
    Options,
    json_option,
    print_json,
    quiet_option,
    say,
    spec_options,
)
from netspec.cli.weights import WeightsFile, weights_options


@click.command(epilog="Example: netspec verify lenet5")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC...")
@weights_options
@click.option(
    "--seed", type=click.IntRange(0), default=0, help="Seed of weights that are not given."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
@click.option(
    "--tf32", is_flag=True, help="Allow TF32 on the GPU, and the error that comes with it."
)
@json_option
@quiet_option
@spec_options
def command(
    specs: tuple[str, ...],
    weights: WeightsFile | None,
    seed: int,
    device: str,
    tf32: bool,
    as_json: bool,
    quiet: bool,
    options: Options,
) -> int:
    """Prove that what netspec wrote computes what the spec says.

    ONNX Runtime, PyTorch and a double-precision reference run side by side, on several inputs and
    two batch sizes. Without --weights they are seeded so that every layer matters. Where two sides
    differ, the first wrong layer is named with its place; where the outputs do not respond to a
    layer, agreement does not count. Exit status 1 unless every spec is verified.
    """
    from netspec.verify import verify

    reports = []
    for spec in specs:
        graph = options.graph(spec)
        source = None
        if weights is not None:
            source = weights.read(graph, seed=seed, quiet=quiet).source
        report = verify(graph, weights=source, seed=seed, device=device, tf32=tf32)
        reports.append(report)
        if not as_json:
            print(report.text())
    if as_json:
        plain = [report.as_json() for report in reports]
        print_json(plain[0] if len(plain) == 1 else {"format_version": 1, "reports": plain})
    failed = sum(not report.ok for report in reports)
    if failed:
        say(f"{failed} of {len(reports)} not verified", quiet)
    return 1 if failed else 0

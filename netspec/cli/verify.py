"""`netspec verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.shared.common import (
    FILE,
    SPEC,
    Options,
    json_option,
    print_json,
    quiet_option,
    say,
    spec_options,
)
from netspec.cli.shared.weights import WeightsFile, weights_options

if TYPE_CHECKING:
    from netspec.packaging.check import PackageCheck
    from netspec.verify import Report


@click.command(epilog="Example: netspec verify lenet5")
@click.argument("specs", nargs=-1, required=True, type=SPEC, metavar="SPEC|DIR...")
@weights_options
@click.option(
    "--seed", type=click.IntRange(0), default=0, help="Seed of weights that are not given."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
@click.option(
    "--tf32", is_flag=True, help="Allow TF32 on the GPU, and the error that comes with it."
)
@click.option(
    "--dtype",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    help="Precision of the file, as `compile` writes it.",
)
@click.option(
    "--full-size",
    is_flag=True,
    help="Verify large nets at the spec's own input size too, however long it takes.",
)
@click.option(
    "--key",
    type=FILE,
    metavar="PUBLIC.pem",
    help="A package is signed by the owner of this public key.",
)
@click.option("--prove", is_flag=True, help="Run a package's files beside PyTorch again.")
@json_option
@quiet_option
@spec_options
def command(
    specs: tuple[str, ...],
    weights: WeightsFile | None,
    seed: int,
    device: str,
    tf32: bool,
    dtype: str,
    full_size: bool,
    key: Path | None,
    prove: bool,
    as_json: bool,
    quiet: bool,
    options: Options,
) -> int:
    """Prove that what netspec wrote computes what the spec says.

    ONNX Runtime, PyTorch and a double-precision reference run side by side, on several inputs and
    two batch sizes. Without --weights they are seeded so that every layer matters. Where two sides
    differ, the first wrong layer is named with its place; where the outputs do not respond to a
    layer, agreement does not count. Exit status 1 unless every spec is verified. A file in fp16 is
    held to PyTorch with every layer rounded to half precision.

    A net of more than 40 billion multiply-adds is verified at the smallest legal image of at least
    64x64 where its weights allow another size, and the report says so; --input chooses the size,
    --full-size keeps the spec's own.

    A DIR is a package that `netspec package` wrote: any changed, missing or added byte is refused.
    Its digests tell accidents; with --key its signature tells who packaged it. --prove proves its
    numbers again, from its own spec and weights.
    """
    from netspec.backends.onnx.options import FileOptions
    from netspec.cli.shared.progress import Progress
    from netspec.verify import verify
    from netspec.verify.size import SLOW, multiply_adds, reduced

    packages = [spec for spec in specs if Path(spec).is_dir()]
    if (key or prove) and len(packages) < len(specs):
        raise click.UsageError("--key and --prove are for packages, which are folders")
    if packages:
        _refuse_for_packages(prove)
    reports: list[Report | PackageCheck] = []
    for spec in specs:
        source = None
        if spec in packages:
            reports.append(_package(spec, key, prove, device, quiet))
            if not as_json:
                print(reports[-1].text())
            continue
        with Progress(spec, quiet=quiet) as progress:
            progress.show("reading")
            graph = options.graph(spec)
            if weights is not None:
                source = weights.read(graph, seed=seed, quiet=quiet).source
        # An input that was asked for is not replaced by another.
        full = full_size or bool(options.inputs)
        small = None if full else reduced(graph)
        macs = multiply_adds(graph if small is None else small.graph)
        if macs > SLOW:
            smaller = "--input takes a smaller size where the weights allow one"
            cost = f"{macs / 1e9:.0f} billion multiply-adds a sample, a minute or more"
            say(f"{graph.name}: {cost}; {smaller}", quiet)
        with Progress(graph.name, quiet=quiet) as progress:
            report = verify(
                graph,
                weights=source,
                seed=seed,
                device=device,
                tf32=tf32,
                full_size=full,
                options=FileOptions(dtype=dtype),
                progress=progress.show,
            )
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


# What says how a spec is read and its file is made: a package holds both.
_OF_SPECS = {
    **{"weights": "--weights", "seed": "--seed", "dtype": "--dtype", "full_size": "--full-size"},
    **{"tf32": "--tf32", "settings": "--set", "inputs": "--input"},
}


def _refuse_for_packages(prove: bool) -> None:
    context = click.get_current_context()
    for name, flag in {**_OF_SPECS, **({} if prove else {"device": "--device"})}.items():
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            reason = "needs --prove" if name == "device" else "has no meaning"
            raise click.UsageError(f"{flag} {reason} for a package, which says all that itself")


def _package(folder: str, key: Path | None, prove: bool, device: str, quiet: bool) -> PackageCheck:
    from netspec.cli.shared.progress import Progress
    from netspec.packaging.check import check_package

    with Progress(folder, quiet=quiet) as progress:
        progress.show("comparing digests")
        return check_package(Path(folder), key=key, prove=prove, device=device)

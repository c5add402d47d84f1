"""`netspec run`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import (
    SPEC,
    Options,
    json_option,
    print_json,
    say,
    spec_options,
)
from netspec.cli.shared.models import model_file
from netspec.cli.shared.progress import Progress
from netspec.cli.shared.weights import WeightsFile, weights_options
from netspec.diagnostics.records import printable

if TYPE_CHECKING:
    from netspec.backends.runtime import Result
    from netspec.system.atomic import Paths


@click.command(epilog="Example: netspec run googlenet photo.jpg --weights googlenet.safetensors")
@click.argument("model", type=SPEC, metavar="MODEL")
@click.argument("files", nargs=-1, metavar="[NAME=][FILE]...")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of noise and weights.")
@click.option("--batch", type=click.IntRange(1), default=1, help="Samples of noise.")
@weights_options
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
@click.option("--logits", is_flag=True, help="Leave out final softmaxes.")
@click.option(
    "--tap",
    "taps",
    multiple=True,
    metavar="PATH",
    help="Show an inner step or block too; repeatable, and `*` stands for several.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Write every output, by its name, into a file that numpy loads.",
)
@json_option
@spec_options
def command(
    model: str,
    files: tuple[str, ...],
    seed: int,
    batch: int,
    weights: WeightsFile | None,
    device: str,
    logits: bool,
    taps: tuple[str, ...],
    save: Path | None,
    as_json: bool,
    options: Options,
) -> None:
    """Run a spec or an ONNX file through ONNX Runtime.

    Each FILE is an image or a .npy array with a batch dimension, for the inputs in order or by
    NAME. An image is prepared as the spec's `preprocess` line says, an array is taken as it is.
    Inputs without one get seeded noise. Prints the provider, the time and the top five.
    """
    from netspec.backends.onnx.guard import ModelFiles
    from netspec.backends.runtime import Session
    from netspec.cli.shared.feeds import feeds
    from netspec.graph.fitting import fitting
    from netspec.system.atomic import planned

    if save is not None and save.suffix != ".npz":
        raise click.UsageError(f"--save writes FILE.npz, not {save}")
    held = model_file(model, options, seed=seed, weights=weights, logits=logits, taps=taps)
    with Progress(model) as progress, held as (path, graph):
        progress.show("running")
        read = graph.files if graph is not None else ModelFiles(path)
        keep: list[str | Path] = [*read, *_named(files)]
        if save is not None:
            planned(save, keep)
        fits = None if graph is None else fitting(graph)
        most = options.limits.activations if graph is None else None
        session = Session(path, device=device, fitting=fits, most=most)
        if len(files) >= len(session.inputs):
            _refuse_unused(graph is None and bool(options.inputs))
        sizes = options.inputs if graph is None else ()
        result = session.run(feeds(session, graph, files, seed, batch, sizes))
        if save is not None:
            _save(result, save, keep)
    if as_json:
        print_json(_plain(result))
        return
    tuned = ", ".join(f"{name}={value}" for name, value in session.tuned.stated())
    tuned = f"; tuned: {tuned}" if tuned else ""
    say(f"{result.provider}, {result.seconds * 1000:.1f} ms{tuned}")
    for name, array in result.outputs.items():
        _print_output(name, array)


def _refuse_unused(sizes: bool) -> None:
    """Refuses what is of noise only, where every input has a file."""
    said = click.get_current_context().get_parameter_source
    given = {"--batch": said("batch") is click.core.ParameterSource.COMMANDLINE, "--input": sizes}
    for flag, asked in given.items():
        if asked:
            raise click.UsageError(f"{flag} is of noise, and every input has a file")


def _named(files: tuple[str, ...]) -> list[str]:
    """The files that inputs may be read from: what may hold a name before its `=`."""
    return [*files, *(text.partition("=")[2] for text in files if "=" in text)]


def _save(result: Result, path: Path, keep: Paths) -> None:
    import numpy as np

    from netspec.system.atomic import replacing

    # Not by numpy's `savez`, which takes an output called `file` for an argument of its own.
    with replacing(path, keep=keep) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in result.outputs.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _print_output(name: str, array: Any) -> None:
    name = printable(name)  # whoever made the file gave it
    shape = "x".join(map(str, array.shape))
    if not array.size:
        print(f"{name}: {shape}, no numbers")
        return
    if array.ndim != 2:
        print(f"{name}: {shape}, from {array.min():.6g} to {array.max():.6g}")
        return
    for sample, row in enumerate(array):
        best = (-row).argsort(kind="stable")[:5]
        values = "  ".join(f"{index}: {row[index]:.4g}" for index in best)
        print(f"{name}[{sample}]  {values}")


def _plain(result: Result) -> dict[str, Any]:
    return {
        "format_version": 1,
        "provider": result.provider,
        "seconds": result.seconds,
        "outputs": {
            name: {
                "shape": list(array.shape),
                "top5": [
                    [[int(i), float(row[i])] for i in (-row).argsort(kind="stable")[:5]]
                    for row in array
                ]
                if array.ndim == 2
                else None,
            }
            for name, array in result.outputs.items()
        },
    }

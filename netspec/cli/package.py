"""`netspec package`."""

from __future__ import annotations

from pathlib import Path

import click

from netspec.backends.onnx.options import FileOptions
from netspec.cli.shared.common import (
    FILE,
    SPEC,
    Options,
    human_bytes,
    json_option,
    print_json,
    print_path,
    quiet_option,
    say,
    spec_options,
)
from netspec.cli.shared.file_options import FileChoice
from netspec.cli.shared.progress import Progress
from netspec.cli.shared.weights import WeightsFile, weights_options


def _dtypes(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = [word.strip() for word in text.split(",")]
    for word in chosen:
        if word not in ("fp32", "fp16"):
            raise click.BadParameter(f"precisions are fp32 and fp16, with commas, not `{word}`")
    return tuple(sorted(set(chosen), reverse=True))


@click.command(epilog="Example: netspec package lenet5 -o lenet5-package --license mit")
@click.argument("spec", type=SPEC)
@click.option(
    "-o", "--output", type=FILE, metavar="DIR", required=True, help="The folder to write."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the initial weights.")
@weights_options
@click.option(
    "--dtype",
    "dtypes",
    callback=_dtypes,
    default="fp32",
    metavar="LIST",
    help="Precisions of the ONNX files, with commas: fp32,fp16.",
)
@click.option("--quantize", type=click.Choice(["int8"]), help="A file in 8 bits too.")
@click.option(
    "--samples",
    metavar="PATH",
    multiple=True,
    help="Images or .npy arrays that ranges of 8 bits are taken from, as `compile` takes them.",
)
@click.option("--logits", is_flag=True, help="Leave out final softmaxes.")
@click.option("--name", default="", help="What the package is called in its card.")
@click.option("--license", default="", help="The licence of the weights, by the Hub's word: mit.")
@click.option("--labels", type=FILE, help="A text file of the classes' names, one a line.")
@click.option("--key", type=FILE, help="Sign with this private key, a PEM file of P-256 to P-521.")
@click.option(
    "--verify/--no-verify",
    "check",
    default=True,
    help="Hold each file to PyTorch before the package takes its name; done by default.",
)
@json_option
@quiet_option
@spec_options
def command(
    spec: str,
    output: Path,
    seed: int,
    weights: WeightsFile | None,
    dtypes: tuple[str, ...],
    quantize: str | None,
    samples: tuple[str, ...],
    logits: bool,
    name: str,
    license: str,
    labels: Path | None,
    key: Path | None,
    check: bool,
    as_json: bool,
    quiet: bool,
    options: Options,
) -> None:
    """Write a net as the folder that hubs and registries of models take.

    It holds ONNX files by precision, safetensors, the spec with what it imports, config.json, the
    preprocessor's configuration, a card with the verification's report, an MLflow model, the digest of
    every file and, with --key, an OpenSSF signature. It appears whole or not at all, and replaces
    only a package that is as it was written. `netspec verify DIR` refuses any byte that was changed.
    """
    from netspec.packaging.package import Request, package
    from netspec.serving.labels import read_labels
    from netspec.verify.proof import need_both
    from netspec.weights.sources import Seeded, WeightSource

    if samples and not quantize:
        raise click.UsageError("--samples needs --quantize")
    if check:
        need_both()
    with Progress(spec, quiet=quiet) as progress:
        progress.show("reading")
        graph = options.graph(spec)
        source: WeightSource = Seeded(seed)
        if weights is not None:
            source = weights.read(graph, seed=seed, quiet=quiet).source
    choice = FileChoice(FileOptions(logits=logits), quantize, samples, False)
    with Progress(graph.name, quiet=quiet) as progress:
        request = Request(
            weights=f"initial, seed {seed}" if weights is None else f"from {weights.path.name}",
            trained=weights is not None,
            dtypes=dtypes,
            quantize=choice.stage(graph, seed, False, progress, quiet),
            logits=logits,
            verify=check,
            name=name,
            license=license,
            labels=() if labels is None else read_labels(labels),
            key=key,
        )
        kept: list[str | Path] = [
            *(weights.files if weights else ()),
            *choice.sample_files(),
            *([labels] if labels else []),
        ]
        files = package(graph, output, source, request, keep=kept, progress=progress.show)
    if as_json:
        print_json({"format_version": 1, "name": graph.name, "path": str(output), "files": files})
    else:
        print_path(output)
    size = human_bytes(sum((output / file).stat().st_size for file in files))
    verified = "" if check else ", not verified"
    say(f"{graph.name}: {len(files)} files, {size}{verified}", quiet)

"""`netspec deploy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import (
    SPEC,
    Options,
    json_option,
    print_json,
    print_path,
    quiet_option,
    say,
    spec_options,
    with_options,
)
from netspec.cli.shared.file_options import FileChoice, file_options
from netspec.cli.shared.progress import Progress
from netspec.cli.shared.weights import WeightsFile, weights_options

if TYPE_CHECKING:
    from netspec.serving.settings import Serving
    from netspec.weights.sources import WeightSource

    Command = Callable[..., Any]


def _serving_options(command: Command) -> Command:
    """Adds how a model is served; the command gets one `serving`."""

    def wrapped(**values: Any) -> Any:
        from netspec.serving.settings import Serving

        taken = {name: values.pop(name) for name in _NAMES}
        with _usage():
            serving = Serving(
                max_batch=taken["max_batch"],
                preferred=_numbers("preferred", taken["preferred"]),
                delay=taken["delay"],
                device=taken["device"],
                gpus=_numbers("gpus", taken["gpus"]),
                instances=taken["instances"],
                versions=taken["versions"],
                warm_up=not taken["no_warm_up"],
                tf32=taken["tf32"],
                parameters=_pairs("parameter", taken["parameters"]),
                accelerators=dict(map(_accelerator, taken["accelerators"])),
            ).check()
        return command(serving=serving, **values)

    return with_options(command, wrapped, _OPTIONS)


@contextmanager
def _usage() -> Iterator[None]:
    """Makes what has no meaning a mistake of usage."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _numbers(flag: str, text: str | None) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise click.UsageError(f"--{flag} takes numbers with commas, not `{text}`")
    return tuple(map(int, parts))


def _pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise click.UsageError(f"--{flag} takes KEY=VALUE, not `{text}`")
        found[key] = value
    return found


def _accelerator(text: str) -> tuple[str, dict[str, str]]:
    name, _, options = text.partition(":")
    return name, _pairs("accelerator", tuple(options.split(",")) if options else ())


_OPTIONS = (
    click.option(
        "--max-batch",
        type=click.IntRange(1),
        help="The rows that the server joins at most; 8 by default.",
    ),
    click.option(
        "--preferred", metavar="SIZES", help="Sizes of batches that the server aims at: 4,8."
    ),
    click.option(
        "--delay",
        type=click.IntRange(0),
        default=0,
        metavar="MICROSECONDS",
        help="How long a request may wait for others to come.",
    ),
    click.option(
        "--device",
        type=click.Choice(["cpu", "cuda"]),
        help="Where it runs; the server's choice by default.",
    ),
    click.option("--gpus", metavar="NUMBERS", help="The GPUs that are used: 0,1. All by default."),
    click.option(
        "--instances", type=click.IntRange(1), default=1, help="Copies of the model on each device."
    ),
    click.option(
        "--versions",
        default="latest",
        metavar="WHICH",
        help="The versions that are served: latest, latest:2, all, or numbers such as 1,3.",
    ),
    click.option("--no-warm-up", is_flag=True, help="Be ready without having run once."),
    click.option(
        "--tf32", is_flag=True, help="Allow TF32 on the GPU, and the error that comes with it."
    ),
    click.option(
        "--parameter",
        "parameters",
        multiple=True,
        metavar="KEY=VALUE",
        help="A parameter of Triton's backend for ONNX Runtime: intra_op_thread_count=2.",
    ),
    click.option(
        "--accelerator",
        "accelerators",
        multiple=True,
        metavar="NAME[:KEY=VALUE,...]",
        help="An execution provider and its options: tensorrt:precision_mode=FP16.",
    ),
)
_NAMES = (
    "max_batch preferred delay device gpus instances versions no_warm_up tf32 parameters accelerators"
).split()


@click.command(epilog="Example: netspec deploy resnet18 --triton models --preprocess")
@click.argument("spec", type=SPEC)
@click.option(
    "--triton",
    "root",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The model repository of Triton that the net is added to.",
)
@click.option("--name", help="What the model is called; the net's name by default.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the initial weights.")
@weights_options
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse weights that are not finite, and 8 bits that keep less than 20 dB.",
)
@file_options
@_serving_options
@click.option(
    "--labels",
    multiple=True,
    metavar="[OUTPUT=]FILE",
    help="The names of the classes, one a line. Those of MNIST, USPS and CIFAR-10 are known.",
)
@click.option(
    "--keep-config", is_flag=True, help="Leave configurations that were edited as they are."
)
@click.option(
    "--kserve",
    "storage",
    metavar="URI",
    help="Write KServe's manifest of a repository that will lie there.",
)
@click.option("--service", help="What KServe calls the service; DIR's name by default.")
@json_option
@quiet_option
@spec_options
def command(
    spec: str,
    root: Path,
    name: str | None,
    seed: int,
    weights: WeightsFile | None,
    strict: bool,
    file: FileChoice,
    serving: Serving,
    labels: tuple[str, ...],
    keep_config: bool,
    storage: str | None,
    service: str | None,
    as_json: bool,
    quiet: bool,
    options: Options,
) -> None:
    """Add a net to the model repository of an inference server.

    DIR/NAME gets a configuration and the ONNX file as `compile` writes it; deployed again, the net is
    a new version beside the ones that are there. With --preprocess DIR/NAME_images takes pixels, uint8,
    and calls DIR/NAME_preprocess and the net. The server is `tritonserver --model-repository DIR`.
    """
    from netspec.analysis.doubts.misread import warnings_of
    from netspec.backends.ranges import measuring
    from netspec.diagnostics.render import render
    from netspec.serving.deploy import deploy, model_name
    from netspec.serving.kserve import Service
    from netspec.verify.samples import noise
    from netspec.weights.sources import Seeded

    if service is not None and storage is None:
        raise click.UsageError("--service needs --kserve")
    if strict and weights is None and not file.quantize:
        raise click.UsageError("--strict needs --weights")
    with _usage():
        cluster = (
            None if storage is None else Service(storage, service or root.resolve().name).check()
        )
    with Progress(spec, quiet=quiet) as progress:
        progress.show("reading")
        graph = options.graph(spec)
    if warnings := warnings_of(graph):
        say(render(warnings), quiet)
    source: WeightSource = Seeded(seed)
    if weights is not None:
        with Progress(graph.name, quiet=quiet) as progress:
            progress.show("reading weights")
            source = weights.read(graph, strict=strict, seed=seed, quiet=quiet).source
    with _usage():
        chosen = model_name(name or graph.name)
    with Progress(graph.name, quiet=quiet) as progress:
        progress.show("writing the model")
        deployed = deploy(
            graph,
            root,
            file.options,
            serving,
            name=chosen,
            source=source,
            labels=labels,
            keep=(*graph.files, *(weights.files if weights else ()), *file.sample_files()),
            keep_config=keep_config,
            service=cluster,
            measure=measuring(noise(graph)),
            quantize=file.stage(graph, seed, strict, progress, quiet),
        )
    if as_json:
        print_json(deployed.as_json())
    else:
        for model in deployed.models:
            print_path(root / model.name)
        if deployed.manifest is not None:
            print_path(deployed.manifest)
    for line in (*deployed.lines(), *deployed.written.lines()):
        say(line, quiet)

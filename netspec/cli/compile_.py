"""`netspec compile`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
from netspec.cli.shared.file_options import FileChoice, file_options
from netspec.cli.shared.progress import Progress
from netspec.cli.shared.weights import WeightsFile, weights_options

if TYPE_CHECKING:
    from netspec.backends.onnx.compile import Written
    from netspec.backends.onnx.options import FileOptions
    from netspec.graph.checked import Graph
    from netspec.system.atomic import Check, Paths
    from netspec.weights.sources import WeightSource


@click.command(epilog="Example: netspec compile googlenet -o googlenet.onnx --logits")
@click.argument("spec", type=SPEC)
@click.option("-o", "--output", type=FILE, help="The file to write.")
@click.option(
    "--to",
    "target",
    type=click.Choice(["onnx", "torch", "pytorch", "dot"]),
    default="onnx",
    help="What to write: an ONNX model, a PyTorch state_dict, PyTorch source that needs only torch, or the "
    "graph as dot text.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the initial weights.")
@weights_options
@click.option("--show-map", is_flag=True, help="Print which tensor goes where; write nothing.")
@click.option("--partial", is_flag=True, help="Take the weights that fit, seed the others.")
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse weights that are not finite, and 8 bits that keep less than 20 dB.",
)
@file_options
@click.option("--dynamic", metavar="H,W", help="Make the last axes of the input symbolic.")
@click.option("--verify", "check", is_flag=True, help="Verify the file before it takes its name.")
@click.option(
    "--stamp", is_flag=True, help="Verify, and write the report into the file's metadata."
)
@json_option
@quiet_option
@spec_options
def command(
    spec: str,
    output: Path | None,
    target: str,
    seed: int,
    weights: WeightsFile | None,
    show_map: bool,
    partial: bool,
    strict: bool,
    file: FileChoice,
    dynamic: str | None,
    check: bool,
    stamp: bool,
    as_json: bool,
    quiet: bool,
    options: Options,
) -> None:
    """Write a spec as an ONNX file that ONNX Runtime and other readers of ONNX run.

    The file is NAME.onnx in the current folder unless -o says otherwise. It appears whole or not
    at all. The same spec, weights and options give the same bytes.
    """
    from netspec.analysis.doubts.misread import warnings_of
    from netspec.diagnostics.render import render
    from netspec.system.atomic import planned
    from netspec.weights.sources import Seeded

    if output is not None and str(output) == "-":
        raise click.UsageError("compile writes a file, not standard output: name one with -o")
    if weights is None:
        alone = strict and not file.quantize
        for flag, given in {"partial": partial, "strict": alone, "show-map": show_map}.items():
            if given:
                raise click.UsageError(f"--{flag} needs --weights")
    if file.quantize and (check or stamp):
        raise click.UsageError("--verify holds files to fp32: one in 8 bits says what it keeps")
    if target != "onnx" and file.only_onnx:
        raise click.UsageError(f"{file.only_onnx[0]} is for ONNX files, not for --to {target}")
    if target != "onnx":
        _refuse_for(target, weights is not None, check, stamp)
    start = time.perf_counter()
    axes = tuple(map(str.strip, dynamic.split(","))) if dynamic else ()
    with Progress(spec, quiet=quiet) as progress:
        progress.show("reading")
        graph = options.graph(spec, dynamic=axes)
    if warnings := warnings_of(graph):
        say(render(warnings), quiet)
    path = output or Path(f"{graph.name}.{_SUFFIXES[target]}")
    keep: list[str | Path] = [*graph.files, *(weights.files if weights else ())]
    into = None if show_map else planned(path, keep)
    source: WeightSource = Seeded(seed)
    if weights is not None:
        with Progress(graph.name, quiet=quiet) as progress:
            progress.show("reading weights")
            loaded = weights.read(
                graph,
                partial=partial,
                strict=strict,
                seed=seed,
                quiet=quiet or show_map,
            )
        if show_map:
            print_json(loaded.as_json()) if as_json else print(loaded.table())
            return
        source = loaded.source
    written: Written | None = None
    if target == "onnx":
        from netspec.backends.onnx.compile import compile_graph
        from netspec.backends.ranges import measuring
        from netspec.verify.samples import noise

        with Progress(graph.name, quiet=quiet) as progress:
            progress.show("writing the file")
            written = compile_graph(
                graph,
                path,
                file.options,
                source=source,
                check=_verification(graph, source, file.options, stamp) if check or stamp else None,
                keep=(*keep, *file.sample_files()),
                measure=measuring(noise(graph)),
                quantize=file.stage(graph, seed, strict, progress, quiet),
            )
        _tell_taps(written, graph, quiet)
    else:
        with Progress(graph.name, quiet=quiet) as progress:
            progress.show("writing the file")
            _write_other(target, graph, path, source, file.options.logits, keep)
    seconds = time.perf_counter() - start
    from netspec.analysis.costs import costs

    params = costs(graph).params
    if (
        into is not None and into.stream
    ):  # the net may be what standard output and standard error hold
        say(f"{graph.name}: {params:,} parameters, {seconds:.1f} s", quiet or into.number == 2)
        return
    data = written.data if written else ()
    if as_json:
        print_json(_plain(graph, path, written, params))
    else:
        print_path(path)
    size = human_bytes(sum(p.stat().st_size for p in (path, *data) if p.exists()))
    opset_used = f", opset {written.opset}" if written else ""
    say(f"{graph.name}: {params:,} parameters, {size}{opset_used}, {seconds:.1f} s", quiet)
    for line in written.lines() if written else ():
        say(line, quiet)


def _tell_taps(written: Written, graph: Graph, quiet: bool) -> None:
    """Says which taps are not what flows on from the name they were given by."""
    steps = {node.path: node for node in graph.nodes}
    for name in written.taps:
        wire = graph.names.get(name, ())
        if name in steps and wire and wire[0].node is not steps[name]:
            on = wire[0].node.path
            say(f"output {name}: that step alone; what flows on from `{name}` is {on}", quiet)


def _verification(graph: Graph, source: WeightSource, options: FileOptions, stamp: bool) -> Check:
    """A check that holds a finished file to PyTorch and to double precision."""
    from netspec.verify import embed, require_file
    from netspec.verify.proof import need_both

    need_both()

    def check(path: Path) -> None:
        report = require_file(graph, path, weights=source, options=options)
        if stamp:
            embed(report, path)

    return check


# What is no ONNX file: what it is, and the options that have a meaning for it.
_OTHERS = {
    "torch": ("a state_dict", ("weights", "seed", "logits")),
    "pytorch": ("source", ("logits",)),
    "dot": ("the graph alone", ()),
}


def _refuse_for(target: str, weights: bool, check: bool, stamp: bool) -> None:
    """Refuses options that would change nothing: of what is no ONNX file, less can be chosen."""
    given = {"weights": weights, "verify": check, "stamp": stamp}
    context = click.get_current_context()
    for name in ("seed", "logits", "training_heads", "level", "batch"):
        said = context.get_parameter_source(name)
        given[name] = said is click.core.ParameterSource.COMMANDLINE
    flags = {"training_heads": "--training-heads", "level": "-O"}
    what, meant = _OTHERS[target]
    for name, asked in given.items():
        if asked and name not in meant:
            flag = flags.get(name, f"--{name}")
            raise click.UsageError(f"{flag} has no meaning for --to {target}, which writes {what}")


_SUFFIXES = {"onnx": "onnx", "torch": "pt", "pytorch": "py", "dot": "dot"}


def _write_other(
    target: str, graph: Graph, path: Path, source: WeightSource, logits: bool, keep: Paths
) -> None:
    from netspec.system.atomic import replacing, write_text

    if target == "dot":
        from netspec.draw import draw

        write_text(path, str(draw([graph], style="flow", format="dot")), keep=keep)
        return
    from netspec.passes.logits import logits as without_softmax

    if logits:
        graph = without_softmax(graph)
    if target == "pytorch":
        from netspec.backends.torch.source.write import source as source_of

        write_text(path, source_of(graph), keep=keep)
        return
    from netspec.backends.torch.modules import save, to_module

    module = to_module(graph, source)
    with replacing(path, keep=keep) as file:
        save(module, file)


def _plain(graph: Graph, path: Path, written: Written | None, params: int) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": graph.name,
        "path": str(path),
        "params": params,
        **(written.as_json() if written else {"data": []}),
    }

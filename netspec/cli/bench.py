"""`netspec bench`."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
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
    table_width,
)
from netspec.cli.shared.models import model_file
from netspec.cli.shared.progress import Progress
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.analysis.tables import Table
    from netspec.backends.measure import Contender, Turns
    from netspec.backends.runtime import Session
    from netspec.backends.switches import Switches
    from netspec.graph.checked import Graph

_DEVICES = ("cpu", "cuda")


def _batches(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    words = [word.strip() for word in value.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word[:9]) > 0 for word in words):
        raise click.BadParameter(f"write sizes from 1 on with commas between, not `{value}`")
    return tuple(dict.fromkeys(int(word[:9]) for word in words))


def _devices(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in value.split(",")))
    for word in words:
        if word not in _DEVICES:
            raise click.BadParameter(f"`{word}` is none of {', '.join(_DEVICES)}")
    return words


@click.command(epilog="Example: netspec bench resnet50 resnet50-fp16.onnx --batch 1,8 --threads 2")
@click.argument("models", type=SPEC, metavar="MODEL...", nargs=-1, required=True)
@click.option("--batch", "batches", callback=_batches, metavar="N,N", help="Samples in one run; 1.")
@click.option("--device", "devices", callback=_devices, default="cpu", help="cpu, cuda or both.")
@click.option("--runs", type=click.IntRange(1), default=20, help="Rounds; 20.")
@click.option("--warmup", type=click.IntRange(1), default=3, help="Untimed runs before; 3.")
@click.option("--threads", type=click.IntRange(0, 1024), help="Threads; 0: ONNX Runtime's choice.")
@click.option("--alone", is_flag=True, help="Each in a process of its own: absolute latency.")
@click.option("--tf32", is_flag=True, help="Let CUDA round to 10 bits.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise and the order.")
@click.option("--tune", is_flag=True, help="Try switches; write the fastest into the ONNX files.")
@json_option
@spec_options
def command(
    models: tuple[str, ...],
    batches: tuple[int, ...] | None,
    devices: tuple[str, ...],
    runs: int,
    warmup: int,
    threads: int | None,
    alone: bool,
    tf32: bool,
    seed: int,
    tune: bool,
    as_json: bool,
    options: Options,
) -> None:
    """Measure specs and ONNX files side by side, on seeded noise.

    In each round every MODEL, at each batch and on each device, has one turn, in a random order.
    Ratios are to the first MODEL in the same rounds. In one process ONNX Runtime's threads must not
    wait busily, or each run would slow the next: spinning is off. --alone leaves it on, gives each
    its own process and waits until the others are quiet. Nothing is copied in a timed run.

    --tune tries threads, spinning, optimisations, order of execution and memory on the CPU, and
    layout, cuDNN's search and CUDA graphs on CUDA, and writes what is faster into the ONNX file,
    where `netspec run`, and all that netspec runs, finds it.
    """
    if tf32 and "cuda" not in devices:
        raise click.UsageError("--tf32 changes nothing on the CPU: it is for --device cuda")
    if tune:
        _tune(models, batches, devices, runs, tf32, seed, as_json, options)
        return
    from netspec.backends.measure import in_turns
    from netspec.backends.switches import Switches

    spinning = None if alone else "never"
    switches = Switches(threads=threads, spinning=spinning, tf32=tf32 or None)
    settings = {"runs": runs, "warmup": warmup, "alone": alone, "seed": seed}
    with ExitStack() as stack:
        with Progress("bench", quiet=as_json) as progress:
            progress.show("preparing", " ".join(models))
            entrants = [
                _entrant(stack, model, path, graph, device, batch, switches, settings, options)
                for model in models
                for path, graph in [stack.enter_context(model_file(model, options))]
                for device in devices
                for batch in batches or (None,)
            ]
        contenders = [entrant.contender for entrant in entrants]
        with Progress("bench", quiet=as_json, ticking=False) as progress:
            turns = in_turns(contenders, runs, warmup=warmup, seed=seed, told=progress.show)
        results = _results(entrants, turns)
    found = {
        "format_version": 1,
        "machine": _machine(),
        "settings": settings,
        "results": results,
    }
    if as_json:
        print_json(found)
    else:
        print(_table(found).to_text(table_width()), end="")


@record
class _Entrant:
    """A model at a batch size on a device, ready to run."""

    model: str
    device: str
    batch: int
    contender: Contender


def _entrant(
    stack: ExitStack,
    model: str,
    path: Path,
    graph: Graph | None,
    device: str,
    batch: int | None,
    switches: Switches,
    settings: dict[str, Any],
    options: Options,
) -> _Entrant:
    from netspec.backends.measure import Apart, Here, of_file, of_session
    from netspec.backends.runtime import Session

    most = options.limits.activations if graph is None else None
    given: dict[str, Any] = {"device": device, "switches": switches, "most": most}
    session = Session(path, **given)
    size, inputs = _fed(model, session, graph, batch, settings["seed"], options)
    contender: Contender
    if settings["alone"]:
        del session
        contender = Apart(of_file, path, given, inputs)
    else:
        contender = Here(of_session, session, inputs)
    stack.callback(contender.close)
    return _Entrant(model, device, size, contender)


def _fed(
    model: str,
    session: Session,
    graph: Graph | None,
    batch: int | None,
    seed: int,
    options: Options,
) -> tuple[int, dict[str, Any]]:
    """The batch size, the file's own where that is fixed, and noise of it."""
    from netspec.cli.shared.feeds import feeds

    leading = next((info.shape[0] for info in session.inputs if info.shape), None)
    if isinstance(leading, int) and batch not in (None, leading):
        reason = f"{model} takes batches of {leading}, not {batch}"
        raise NetspecError(BadInput(session.inputs[0].name, reason), status=2)
    size = leading if isinstance(leading, int) else batch or 1
    sizes = options.inputs if graph is None else ()
    return size, feeds(session, graph, (), seed, size, sizes)


def _results(entrants: list[_Entrant], turns: list[Turns]) -> list[dict[str, Any]]:
    found = []
    first: dict[int, Turns] = {}
    for entrant, turn in zip(entrants, turns, strict=True):
        if (entrant.model, entrant.device) == (entrants[0].model, entrants[0].device):
            first.setdefault(entrant.batch, turn)
        spread, facts = turn.spread(), entrant.contender.facts
        ratio = turn.over(first[entrant.batch]) if entrant.batch in first else None
        found.append(
            {
                "model": entrant.model,
                "device": entrant.device,
                "batch": entrant.batch,
                **facts,
                "runs": spread.count,
                "median_ms": 1000 * spread.median,
                "p10_ms": 1000 * spread.p10,
                "p90_ms": 1000 * spread.p90,
                "min_ms": 1000 * spread.least,
                "samples_per_second": entrant.batch / spread.median,
                "ratio": ratio and ratio.median,
                "ratio_p10": ratio and ratio.p10,
                "ratio_p90": ratio and ratio.p90,
            }
        )
    return found


def _machine() -> dict[str, Any]:
    from netspec.backends.runtime import ort
    from netspec.backends.switches import cores, processor

    return {
        "processor": processor(),
        "cores": cores(),
        "system": platform.system(),
        "onnxruntime": ort.__version__,
    }


_COLUMNS = ("model", "precision", "device", "batch", "threads", "ms", "p10", "p90", "samples/s")


def _table(found: dict[str, Any]) -> Table:
    from netspec.analysis.tables import Column, Line, Table

    lines, notes = [], []
    for row in found["results"]:
        threads = row["switches"]["threads"] or "default"
        cells = [row["model"], row["precision"], row["device"], str(row["batch"]), str(threads)]
        cells += [f"{row[key]:.2f}" for key in ("median_ms", "p10_ms", "p90_ms")]
        cells.append(f"{row['samples_per_second']:.1f}")
        cells.append("" if row["ratio"] is None else f"{row['ratio']:.3f}")
        lines.append(Line(tuple(cells)))
        if row["tuned"]:
            said = ", ".join(f"{name}={value}" for name, value in row["tuned"].items())
            notes.append(f"{row['model']} on {row['device']}: its file says {said}")
    columns = [
        Column(title, "text" if i in (1, 2) else "count" if i else "label")
        for i, title in enumerate((*_COLUMNS, "ratio"))
    ]
    return Table("", tuple(columns), tuple(lines), (*_said(found), *dict.fromkeys(notes)))


def _said(found: dict[str, Any]) -> tuple[str, ...]:
    """How it was measured: the figures mean nothing without."""
    machine, settings = found["machine"], found["settings"]
    providers = ", ".join(dict.fromkeys(row["provider"] for row in found["results"]))
    spinning = ", ".join(dict.fromkeys(row["switches"]["spinning"] for row in found["results"]))
    where = "each alone in a process" if settings["alone"] else "in one process"
    return (
        f"{providers}; ONNX Runtime {machine['onnxruntime']}; "
        f"{machine['processor']}, {machine['cores']} cores",
        f"{settings['runs']} rounds in random order after {settings['warmup']} untimed runs, {where}; "
        f"threads wait busily: {spinning}",
    )


def _tune(
    models: tuple[str, ...],
    batches: tuple[int, ...] | None,
    devices: tuple[str, ...],
    runs: int,
    tf32: bool,
    seed: int,
    as_json: bool,
    options: Options,
) -> None:
    from netspec.backends.runtime import Session
    from netspec.backends.switches import DEFAULTS
    from netspec.backends.tune import keep, tune

    if batches is not None and len(batches) > 1:
        raise click.UsageError("--tune is for one batch size: what is fastest depends on it")
    for model in models:
        if Path(model).suffix != ".onnx":
            raise click.UsageError(f"--tune writes into ONNX files: compile {model} first")
    most, batch, reports = options.limits.activations, batches[0] if batches else None, []
    for model in models:
        for device in devices:
            session = Session(Path(model), device=device, switches=DEFAULTS, most=most)
            size, inputs = _fed(model, session, None, batch, seed, options)
            del session
            with Progress(model, quiet=as_json, ticking=False) as progress:
                found = tune(
                    Path(model),
                    inputs,
                    device=device,
                    rounds=runs,
                    tf32=tf32,
                    most=most,
                    told=partial(progress.show, "tuning"),
                )
            keep(Path(model), device, found.switches)
            reports.append(
                {
                    "model": model,
                    "device": device,
                    "batch": size,
                    "switches": dict(found.switches.stated()),
                    "ratio": found.ratio,
                    "trials": [asdict(trial) for trial in found.trials],
                }
            )
            if not as_json:
                _tell(reports[-1])
    if as_json:
        print_json({"format_version": 1, "machine": _machine(), "tuned": reports})


def _tell(report: dict[str, Any]) -> None:
    where = f"{report['model']} on {report['device']}, batch {report['batch']}"
    for trial in report["trials"]:
        ratio = "does not run" if trial["ratio"] is None else f"{trial['ratio']:.3f} of the best"
        say(f"  {trial['switch']}={trial['value']}: {ratio}")
    if not report["switches"]:
        print(f"{where}: nothing is surely faster than ONNX Runtime's own choices")
        return
    said = ", ".join(f"{name}={value}" for name, value in report["switches"].items())
    print(f"{where}: {said}, {report['ratio']:.3f} of the time; written into the file")

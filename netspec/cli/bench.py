"""`netspec bench`."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

import click

from netspec.cli.common import (
    SPEC,
    Options,
    json_option,
    print_json,
    spec_options,
)
from netspec.cli.models import model_file


@click.command(epilog="Example: netspec bench resnet50 --batch 8 --threads 2")
@click.argument("model", type=SPEC, metavar="MODEL")
@click.option("--batch", type=click.IntRange(1), default=1, help="Samples in one run.")
@click.option("--runs", type=click.IntRange(1), default=20, help="Timed runs, after three others.")
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="Threads; 0: ONNX Runtime's choice."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where to run.")
@json_option
@spec_options
def command(
    model: str, batch: int, runs: int, threads: int, device: str, as_json: bool, options: Options
) -> None:
    """Measure latency and throughput of a spec or an ONNX file on seeded noise.

    The provider and the threads are named with the figures: they mean nothing without.
    """
    from netspec.backends.runtime import Session
    from netspec.cli.feeds import feeds

    with model_file(model, options) as (path, graph):
        most = options.limits.activations if graph is None else None
        session = Session(path, device=device, threads=threads, most=most)
        inputs = feeds(session, graph, (), 0, batch, options.inputs)
        for _ in range(3):
            session.run(inputs)
        start = time.perf_counter()
        seconds = [session.run(inputs).seconds for _ in range(runs)]
        total = time.perf_counter() - start
    found = _report(model, session.provider, threads, batch, seconds, total)
    if as_json:
        print_json(found)
        return
    print(
        f"{model}: {found['median_ms']:.2f} ms median, {found['p95_ms']:.2f} ms p95, "
        f"{found['samples_per_second']:.1f} samples/s; batch {batch}, "
        f"{found['provider']}, {found['threads']}"
    )


def _report(
    model: str, provider: str, threads: int, batch: int, seconds: list[float], total: float
) -> dict[str, Any]:
    ordered = sorted(seconds)
    chosen = f"{threads} threads" if threads else f"default threads of {os.cpu_count()} cores"
    return {
        "format_version": 1,
        "model": model,
        "provider": provider,
        "threads": chosen,
        "batch": batch,
        "runs": len(seconds),
        "median_ms": 1000 * statistics.median(seconds),
        "p95_ms": 1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "min_ms": 1000 * ordered[0],
        "samples_per_second": batch * len(seconds) / total,
    }

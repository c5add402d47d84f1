"""Loads checkpoints of random networks, made without netspec, and counts what becomes of them.

    python benchmarks/checkpoints.py --cases 100000 -o results.json
    python benchmarks/checkpoints.py --start 100000 --cases 1000 --jobs 2

For each naming scheme and order of the file: how many load right, judged by outputs, how many are
refused and how many load wrong. The JSON has the seeds of the wrong ones, which
`tests/support/generated_checkpoints.py` makes again, and counts refusals by the message's code.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parent.parent
KINDS = ("right", "refused", "wrong")
# Seeds that a process takes at a time.
PORTION = 100


def _prepare() -> None:
    import torch

    sys.path.insert(0, str(ROOT / "tests"))
    torch.set_num_threads(1)


def judged(seeds: range) -> list[dict[str, Any]]:
    """What becomes of each seed's case."""
    from support.generated_checkpoints import case, judge

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            made = case(seed)
            outcome = judge(made, Path(folder))
            order = made.order if made.readable else f"{made.order}, shortcut first"
            told = {"family": made.family, "scheme": made.scheme, "order": order}
            found.append({"seed": seed, **told, "kind": outcome.kind, "detail": outcome.detail})
    return found


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts by scheme and order, the wrong ones, and why others were refused."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    refused: dict[str, Counter[str]] = {}
    for one in sorted(found, key=lambda one: (one["scheme"], one["order"])):
        orders = counts.setdefault(one["scheme"], {})
        orders.setdefault(one["order"], dict.fromkeys(KINDS, 0))[one["kind"]] += 1
        if one["kind"] == "refused":
            refused.setdefault(one["order"], Counter())[one["detail"]] += 1
    wrong = sorted((one for one in found if one["kind"] == "wrong"), key=lambda one: one["seed"])
    return {
        "total": {kind: sum(one["kind"] == kind for one in found) for kind in KINDS},
        "counts": counts,
        "refused": refused,
        "wrong": [{key: one[key] for key in one if key != "kind"} for one in wrong],
    }


@click.command()
@click.option("--cases", default=1000, help="How many.")
@click.option("--start", default=0, help="The first seed.")
@click.option("--jobs", default=2, help="Processes at a time.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON here.")
def main(cases: int, start: int, jobs: int, output: Path | None) -> None:
    """Judge the cases of seeds from START on."""
    end, begun = start + cases, time.perf_counter()
    portions = [range(i, min(i + PORTION, end)) for i in range(start, end, PORTION)]
    found: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _prepare) as workers:
        for part in workers.imap_unordered(judged, portions):
            found += part
            for one in part:
                if one["kind"] == "wrong":
                    click.echo("\rwrong: {seed} {family} {scheme} {order}: {detail}".format(**one))
            click.echo(f"\r{len(found)} of {cases}", nl=False, err=True)
    click.echo(err=True)
    told = summary(found)
    seconds = time.perf_counter() - begun
    click.echo(
        f"{'':<14}" + "".join(f"{order:>24}" for order in ("definition", "sorted", "shuffled"))
    )
    for scheme, orders in told["counts"].items():
        cells = ["/".join(str(n) for n in orders.get(o, {}).values())
                 for o in ("definition", "sorted", "shuffled")]  # fmt: skip
        click.echo(f"{scheme:<14}" + "".join(f"{cell:>24}" for cell in cells))
    click.echo(f"{'right/refused/wrong':<20} {'/'.join(map(str, told['total'].values()))}")
    for order, reasons in told["refused"].items():
        click.echo(f"refused, {order}: {dict(reasons)}")
    click.echo(f"{1000 * seconds * jobs / cases:.0f} ms a case and process")
    if output is not None:
        record = {"format_version": 1, "start": start, "cases": cases, "seconds": round(seconds, 1)}
        output.write_text(json.dumps(record | told, indent=1) + "\n")
    raise SystemExit(1 if told["wrong"] else 0)


if __name__ == "__main__":
    main()

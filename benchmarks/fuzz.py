"""Random nets and broken specs in any number: what tests/fuzz asks of a few is asked of many.

    python benchmarks/fuzz.py --nets 100000 --mutants 900000 --jobs 2 -o benchmarks/results/fuzz.json
    python benchmarks/fuzz.py --nets 1 --mutants 0 --start 4711 --show

Nets are compiled and run three ways, `tests/support/judged_nets.py` says what must hold of them;
`tests/support/mutated_specs.py` says it of mutants. What is wrong is printed when it is found, with
the seed that makes it again. A case that takes longer than --limit seconds is wrong too.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import click
from report import machine

ROOT = Path(__file__).parent.parent
# Seeds that a process takes at a time.
PORTION = 50


def _prepare() -> None:
    import torch

    sys.path.insert(0, str(ROOT / "tests"))
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _too_long(*_arguments: object) -> None:
    raise TimeoutError("it takes too long")


def judged(portion: tuple[str, range, int]) -> list[dict[str, Any]]:
    """What becomes of each seed's case."""
    from support.judged_nets import judge_net
    from support.mutated_specs import judge_mutant

    kind, seeds, limit = portion
    judge = judge_net if kind == "nets" else judge_mutant
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            signal.alarm(limit)
            try:
                verdict = judge(seed, Path(folder))
                told = {"kind": verdict.kind, "detail": verdict.detail, "text": verdict.text}
            except TimeoutError as error:
                told = {"kind": "wrong", "detail": str(error), "text": ""}
            finally:
                signal.alarm(0)
            found.append({"of": kind, "seed": seed, **told})
    return found


@click.command()
@click.option("--nets", default=2000, help="How many nets.")
@click.option("--mutants", default=20_000, help="How many mutants of specs.")
@click.option("--start", default=0, help="The first seed of both.")
@click.option("--jobs", default=2, help="Processes at a time.")
@click.option("--limit", default=60, help="Seconds that a case may take.")
@click.option("--minutes", default=0.0, help="Stop after so long; 0 for never.")
@click.option("--show", is_flag=True, help="Print every text.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON here.")
def main(
    nets: int, mutants: int, start: int, jobs: int, limit: int, minutes: float, show: bool,
    output: Path | None,
) -> None:  # fmt: skip
    """Judge the nets and mutants of seeds from START on."""
    begun = time.perf_counter()
    portions = [
        (kind, range(i, min(i + PORTION, start + count)), limit)
        for kind, count in (("nets", nets), ("mutants", mutants))
        for i in range(start, start + count, PORTION)
    ]
    # Both from the start, so that a run that is cut short has some of each.
    Random(start).shuffle(portions)
    counts: dict[str, Counter[str]] = {"nets": Counter(), "mutants": Counter()}
    refused: Counter[str] = Counter()
    wrong = []
    with multiprocessing.get_context("spawn").Pool(jobs, _prepare) as workers:
        for part in workers.imap_unordered(judged, portions):
            for one in part:
                counts[one["of"]][one["kind"]] += 1
                if one["kind"] == "refused":
                    refused[one["detail"]] += 1
                told = one["kind"] in ("wrong", "lost")
                if show or told:
                    click.echo("\r{kind}: {of} {seed}: {detail}\n{text}".format(**one))
                if told:
                    wrong.append(one)
            done = sum(map(Counter.total, counts.values()))
            click.echo(f"\r{done} of {nets + mutants}", nl=False, err=True)
            if minutes and time.perf_counter() - begun > 60 * minutes:
                break
    click.echo(err=True)
    seconds = time.perf_counter() - begun
    for kind, held in counts.items():
        click.echo(f"{kind}: {held.total()}, {dict(held.most_common())}")
    click.echo(f"{1000 * seconds * jobs / max(done, 1):.0f} ms a case and process")
    if output is not None:
        import onnxruntime

        held = {**machine("torch", "onnx", "numpy"), "onnxruntime": onnxruntime.__version__}
        record = {"machine": held, "start": start}
        record |= {"seconds": round(seconds, 1)}
        record |= {kind: dict(held.most_common()) for kind, held in counts.items()}
        record |= {"refused": dict(refused.most_common())}
        record |= {"wrong": sorted(wrong, key=lambda one: (one["of"], one["seed"]))}
        output.write_text(json.dumps(record, indent=2) + "\n")
    raise SystemExit(1 if any(one["kind"] == "wrong" for one in wrong) else 0)


if __name__ == "__main__":
    main()

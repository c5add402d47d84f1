"""Random nets and broken specs in any number: what tests/fuzz asks of a few is asked of many.

    python benchmarks/fuzz.py --nets 1000000 --mutants 1000000 -o benchmarks/results/fuzz.json
    python benchmarks/fuzz.py --nets 1 --mutants 0 --start 4711 --show

Nets are compiled and run three ways, `tests/support/judged_nets.py` says what must hold of them;
`tests/support/mutated_specs.py` says it of mutants. What is wrong is printed when it is found, with
the seed that makes it again. A case that takes more than --limit processor seconds is wrong too. A million of
each take about twelve hours of one core: what is in the file that -o names is not made again, so that a
run may be cut short at any time and taken up with another version. Only what was wrong is judged again,
first: `now` says what becomes of it.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from report import machine, write

ROOT = Path(__file__).parent.parent
# Seeds that a process takes at a time.
PORTION = 50
# Portions that a process takes before another takes its place.
PORTIONS = 100
# Seconds between two writings of the record.
KEPT_EVERY = 60


def _prepare() -> None:
    import torch

    sys.path.insert(0, str(ROOT / "tests"))
    torch.set_num_threads(1)
    signal.signal(signal.SIGPROF, _too_long)
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
            signal.setitimer(signal.ITIMER_PROF, limit)
            try:
                verdict = judge(seed, Path(folder))
                told = {"kind": verdict.kind, "detail": verdict.detail, "text": verdict.text}
            except TimeoutError as error:
                told = {"kind": "wrong", "detail": str(error), "text": ""}
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            found.append({"of": kind, "seed": seed, **told})
    return found


KINDS = ("nets", "mutants")


def portions(wanted: dict[str, int], done: dict[str, int]) -> Iterator[tuple[str, range]]:
    """The seeds left of each kind, in order; the kinds alternate, so that both end together."""
    done = dict(done)
    while left := {
        kind: 1 - done[kind] / wanted[kind] for kind in KINDS if done[kind] < wanted[kind]
    }:
        kind = max(left, key=lambda kind: left[kind])
        after = min(done[kind] + PORTION, wanted[kind])
        yield kind, range(done[kind], after)
        done[kind] = after


class Record:
    """What became of all cases so far, whatever process made them."""

    def __init__(self, start: int, output: Path | None) -> None:
        known = json.loads(output.read_text()) if output is not None and output.exists() else {}
        if known and known["start"] != start:
            raise click.UsageError(
                f"{output} begins at seed {known['start']}; --start says {start}"
            )
        self.start, self.output = start, output
        self.counts = {kind: Counter(known.get(kind, {})) for kind in KINDS}
        self.refused = Counter(known.get("refused", {}))
        self.wrong: list[dict[str, Any]] = known.get("wrong", [])
        self.runs: list[dict[str, Any]] = known.get("runs", [])

    def done(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: held.total() for kind, held in self.counts.items()}

    def begin(self, jobs: int) -> None:
        """Another run adds to it, with this version."""
        told = ["git", "describe", "--always", "--dirty"]
        ran = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False)
        self.runs.append({"version": ran.stdout.strip(), "jobs": jobs})
        self._before, self._begun = self.done(), time.perf_counter()

    def again(self, limit: int) -> Iterator[tuple[str, range, int]]:
        """The cases that were wrong and were not right when they were last judged."""
        for one in self.wrong:
            if one.get("now") != "right":
                yield one["of"], range(one["seed"], one["seed"] + 1), limit

    def mend(self, one: dict[str, Any]) -> None:
        """What becomes of a case that was wrong."""
        for known in self.wrong:
            if (known["of"], known["seed"]) == (one["of"], one["seed"]):
                known["now"] = one["kind"]

    def add(self, one: dict[str, Any]) -> None:
        """A case that is judged."""
        self.counts[one["of"]][one["kind"]] += 1
        if one["kind"] == "refused":
            self.refused[one["detail"]] += 1
        if one["kind"] in ("wrong", "lost"):
            self.wrong.append(one)

    def keep(self) -> None:
        """Writes it, whole or not at all."""
        import onnxruntime

        made = {kind: count - self._before[kind] for kind, count in self.done().items()}
        self.runs[-1] |= {**made, "seconds": round(time.perf_counter() - self._begun, 1)}
        held = {**machine("torch", "onnx", "numpy"), "onnxruntime": onnxruntime.__version__}
        found: dict[str, Any] = {"machine": held, "start": self.start, "runs": self.runs}
        found |= {kind: dict(held.most_common()) for kind, held in self.counts.items()}
        found |= {"refused": dict(self.refused.most_common())}
        found |= {"wrong": sorted(self.wrong, key=lambda one: (one["of"], one["seed"]))}
        write(found, self.output, quiet=True)


@click.command()
@click.option("--nets", default=2000, help="How many nets.")
@click.option("--mutants", default=20_000, help="How many mutants of specs.")
@click.option("--start", default=0, help="The first seed of both.")
@click.option("--jobs", default=2, help="Processes at a time.")
@click.option("--limit", default=60, help="Processor seconds that a case may take.")
@click.option("--minutes", default=0.0, help="Stop after so long; 0 for never.")
@click.option("--show", is_flag=True, help="Print every text.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Add to this JSON.")
def main(
    nets: int, mutants: int, start: int, jobs: int, limit: int, minutes: float, show: bool,
    output: Path | None,
) -> None:  # fmt: skip
    """Judge the nets and mutants of seeds from START on."""
    record = Record(start, output)
    record.begin(jobs)
    left = (
        (kind, range(start + seeds.start, start + seeds.stop), limit)
        for kind, seeds in portions({"nets": nets, "mutants": mutants}, record.done())
    )
    begun = kept = time.perf_counter()
    wrong = False
    with multiprocessing.get_context("spawn").Pool(
        jobs, _prepare, maxtasksperchild=PORTIONS
    ) as workers:
        for (one,) in workers.imap(judged, list(record.again(limit))):
            record.mend(one)
            click.echo("{of} {seed}, judged again: {kind}".format(**one))
        for part in workers.imap(judged, left):
            for one in part:
                record.add(one)
                wrong |= one["kind"] == "wrong"
                if show or one["kind"] in ("wrong", "lost"):
                    click.echo("\r{kind}: {of} {seed}: {detail}\n{text}".format(**one))
            now = time.perf_counter()
            if now - kept > KEPT_EVERY:
                record.keep()
                kept = now
            click.echo(f"\r{sum(record.done().values())} of {nets + mutants}", nl=False, err=True)
            if minutes and now - begun > 60 * minutes:
                break
    click.echo(err=True)
    record.keep()
    for kind, held in record.counts.items():
        click.echo(f"{kind}: {held.total()}, {dict(held.most_common())}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

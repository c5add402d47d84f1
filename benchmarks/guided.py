"""Fuzzing that is guided by coverage: bytes that reach new code are kept and changed further.

    pip install atheris
    python benchmarks/guided.py --minutes 60 -o benchmarks/results/guided.json
    python benchmarks/guided.py --kind ns --minutes 10 --found folder

Specs are read, files of weights, arrays, images and ONNX models are loaded and run, as
tests/support/mutated_specs.py and tests/support/loaders.py do it. Half of the time they are changed
by what knows of tokens, headers and archives, half by libFuzzer, over what the first half kept.
Whatever is raised besides a message of netspec, and a case that takes longer than --limit seconds,
is written to --found, once for each place that raises it. Kinds share the time; specs get half.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from report import machine

ROOT = Path(__file__).parent.parent
# `ns` is a spec; the others are told apart by their ending, as tests/support/loaders.py lists them.
OTHERS = ("pt", "npz", "safetensors", "onnx", "npy", "json", "png", "jpg")
KINDS = ("ns", *OTHERS)
Judge = Callable[[bytes], str]


def _texts() -> tuple[tuple[bytes, ...], Judge]:
    from support.mutated_specs import mutant, read_twice

    def judge(data: bytes) -> str:
        kind, detail, _graph = read_twice(data.decode("utf-8", "replace"))
        if kind == "lost":
            raise AssertionError(f"lost without a word: {detail}")
        return kind

    return tuple(mutant(25 * number).encode() for number in range(400)), judge


def _files(kind: str, folder: Path) -> tuple[tuple[bytes, ...], Judge]:
    from support import loaders

    def judge(data: bytes) -> str:
        return "read" if loaders.read_mutant(kind, data, folder) else "refused"

    return loaders.KINDS[kind][0], judge


def _mutator(kind: str) -> Callable[[bytes, int, int], bytes]:
    """Changes that know of tokens, headers and archives."""
    from support import mutants, mutated_specs

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        if kind == "ns":
            text = data.decode("utf-8", "replace")
            return mutated_specs.changed(text, seed).encode()[:most]
        return mutants.mutant(data, seed)[:most]

    return mutator


class Watch:
    """Counts cases, keeps one of each kind of fault, and ends the process when time is up."""

    def __init__(self, kind: str, minutes: float, limit: float, found: Path) -> None:
        self.kind, self.limit, self.found = kind, limit, found
        self.begun = time.monotonic()
        self.end = self.begun + 60 * minutes
        self.counts: dict[str, int] = {}
        self.faults: dict[str, str] = {}

    def one(self, judge: Judge, data: bytes) -> None:
        begun = time.process_time()
        try:
            outcome = judge(data)
        except Exception as error:  # what is looked for
            outcome = "wrong"
            frames = traceback.extract_tb(error.__traceback__)
            own = [f for f in frames if f"{os.sep}netspec{os.sep}" in f.filename] or frames
            place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
            self._keep(f"{type(error).__name__} at {place}", str(error), data)
        if time.process_time() - begun > self.limit:
            self._keep(f"too long {len(data).bit_length()}", f"{len(data)} bytes", data)
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        if time.monotonic() > self.end:
            self.done()

    def _keep(self, fault: str, detail: str, data: bytes) -> None:
        if fault in self.faults:
            return
        self.faults[fault] = detail[:300]
        path = self.found / f"{self.kind}-{os.getpid()}-{len(self.faults)}.{self.kind}"
        path.write_bytes(data)
        print(f"{fault}: {detail[:300]}\n  {path}", flush=True)

    def done(self) -> NoReturn:
        seconds = round(time.monotonic() - self.begun, 1)
        told = {
            "seconds": seconds,
            "cases": dict(sorted(self.counts.items())),
            "wrong": self.faults,
        }
        (self.found / f"{self.kind}.json").write_text(json.dumps(told))
        # libFuzzer's loop does not give back control.
        os._exit(0)


def fuzz(kind: str, minutes: float, limit: float, found: Path, blind: bool) -> None:
    """Fuzzes one kind in this process, which ends with it; blind is with libFuzzer's own changes."""
    import atheris

    sys.path.insert(0, str(ROOT / "tests"))
    os.environ["OMP_NUM_THREADS"] = "1"
    with atheris.instrument_imports(include=["netspec"]):
        import torch

        torch.set_num_threads(1)
        scratch = Path(tempfile.mkdtemp(prefix="netspec-guided-"))
        whole, judge = _texts() if kind == "ns" else _files(kind, scratch)
    corpus = found / f"corpus-{kind}"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(whole):
        (corpus / f"{number:04}").write_bytes(data)
    watch = Watch(kind, minutes, limit, found)
    largest = max(map(len, whole))
    flags = [f"-max_len={2 * largest}", "-rss_limit_mb=8192", f"-timeout={int(20 * limit)}",
             f"-artifact_prefix={found}{os.sep}", "-verbosity=0"]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *flags, str(corpus)],
        lambda data: watch.one(judge, data),
        **({} if blind else {"custom_mutator": _mutator(kind)}),
    )
    atheris.Fuzz()


def _shares(minutes: float, kinds: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    parts = {kind: len(OTHERS) if kind == "ns" else 1 for kind in kinds}
    for kind, part in parts.items():
        yield kind, minutes * part / sum(parts.values())


def _part(kind: str, minutes: float, limit: float, found: Path, blind: bool) -> dict[str, Any]:
    own = ["--here", "--kind", kind, "--minutes", str(minutes), "--limit", str(limit)]
    own += ["--found", str(found), *(["--blind"] if blind else [])]
    log = found / f"{kind}.log"
    with log.open("wb") as into:
        done = subprocess.run([sys.executable, __file__, *own], check=False, stderr=into)
    if done.returncode == 0:
        told: dict[str, Any] = json.loads((found / f"{kind}.json").read_text())
        return told
    tail = log.read_text(errors="replace")[-2000:]
    click.echo(tail, err=True)
    return {"ended": done.returncode}


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="These only.")
@click.option("--minutes", default=60.0, help="How long in all.")
@click.option("--limit", default=10.0, help="Seconds of the processor that a case may take.")
@click.option("--found", type=click.Path(path_type=Path), help="Keep here what went wrong.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON here.")
@click.option("--here", is_flag=True, hidden=True)
@click.option("--blind", is_flag=True, hidden=True)
def main(
    kinds: tuple[str, ...], minutes: float, limit: float, found: Path | None, output: Path | None,
    here: bool, blind: bool,
) -> None:  # fmt: skip
    """Fuzz what netspec reads, each kind in a process of its own."""
    found = found or Path(tempfile.mkdtemp(prefix="netspec-found-"))
    found.mkdir(parents=True, exist_ok=True)
    if here:
        return fuzz(kinds[0], minutes, limit, found, blind)
    told: dict[str, Any] = {}
    for kind, share in _shares(minutes, kinds or KINDS):
        parts = [_part(kind, share / 2, limit, found, blind) for blind in (False, True)]
        told[kind] = {"knowing": parts[0], "blind": parts[1]}
        click.echo(f"{kind}: {json.dumps(told[kind])}")
    if output is not None:
        output.write_text(
            json.dumps({"machine": machine("torch", "numpy"), **told}, indent=2) + "\n"
        )
    wrong = any(part.get("wrong", True) for one in told.values() for part in one.values())
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

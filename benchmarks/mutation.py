"""Whether tests see small mistakes in the core: a comparison turned, a constant off by one, `and` for
`or`, a statement left out, arguments swapped.

    pip install pytest-cov
    python benchmarks/mutation.py --sample 600 -o benchmarks/results/mutation.json
    python benchmarks/mutation.py --module netspec.elaborate.expand
    python benchmarks/mutation.py --again --seconds 30 -o benchmarks/results/mutation.json

Which test reaches which line is measured once for each file of tests, and with --anew for all, as
where sources have changed. Of a mutant the tests that reach its line are run, up to --seconds of
processor time, those first that noticed others in its module; the rest share the time by how much of
it they reach, and how little else; a test that fails notices it. Mutants that mean the same are
listed with the reason in mutation_equivalent.json and do not count. The sample is even over the
modules and the same for a seed. `--again` repeats the survivors of the run before, with the tests that
there are now, and counts both.

mutmut makes all mutants and times all tests first, which took more than an hour without an answer.
Here 660 mutants took nine minutes on two cores that twenty other processes shared: a fork has
everything imported, and runs the few tests that are likely to notice.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parent.parent
PARTS = {
    "syntax": ("netspec/syntax",),
    "elaborate": ("netspec/elaborate",),
    "graph": ("netspec/graph",),
    "weights": ("netspec/weights",),
    "writers": (
        "netspec/backends/onnx/builder.py",
        "netspec/backends/onnx/data.py",
        "netspec/backends/onnx/file.py",
        "netspec/system/atomic.py",
        "netspec/system/targets.py",
    ),
    "sizes": ("netspec/sizes",),
    "checkpoints": ("netspec/checkpoints/structure",),
    "imports": ("netspec/importing/proof.py",),
    "passes": ("netspec/passes",),
    "quantizing": ("netspec/backends/quantize",),
    "figures": ("netspec/analysis/costs.py", "netspec/analysis/receptive_field.py"),
}
TESTS = (
    "tests/syntax",
    "tests/elaborate",
    "tests/edits",
    "tests/diagnostics",
    "tests/graph",
    "tests/weights",
    "tests/analysis/test_counts.py",
    "tests/analysis/test_preprocessing.py",
    "tests/analysis/test_receptive_field.py",
    "tests/cli/test_diff.py",
    "tests/sizes",
    "tests/system",
    "tests/checkpoints/structure",
    "tests/checkpoints/test_conventions.py",
    "tests/checkpoints/test_evidence.py",
    "tests/checkpoints/test_general.py",
    "tests/checkpoints/test_generated.py",
    "tests/checkpoints/test_projections.py",
    "tests/importing/test_eight_bits.py",
    "tests/importing/test_files.py",
    "tests/importing/test_halves.py",
    "tests/importing/test_own.py",
    "tests/importing/test_partial.py",
    "tests/passes",
    "tests/backends/test_data_files.py",
    "tests/backends/test_folded_files.py",
    "tests/backends/test_onnx_files.py",
    "tests/backends/test_onnx_names.py",
    "tests/backends/test_open_sizes.py",
    "tests/backends/test_quantize.py",
    "tests/backends/test_runtime.py",
)
EQUIVALENT = Path(__file__).with_name("mutation_equivalent.json")


@dataclass
class Reached:
    """Which tests reach which line of which file, and how many seconds each takes."""

    lines: dict[str, dict[int, list[str]]]
    times: dict[str, float] = field(default_factory=dict)
    # Tests that fail by themselves in a fork of unchanged sources say nothing.
    failing: set[str] = field(default_factory=set)
    # The files of the tests, as they were when they were measured.
    files: dict[str, str] = field(default_factory=dict)

    def of(self, mutant: Mutant) -> set[str]:
        """The tests that reach a mutant's statement."""
        held = self.lines.get(_file(mutant.module), {})
        span = range(mutant.first, mutant.last + 1)
        return {test for line in span for test in held.get(line, ())}

    @property
    def tests(self) -> set[str]:
        """All that are measured."""
        return {test for of in self.lines.values() for held in of.values() for test in held} - {""}

    def write(self, path: Path) -> None:
        """Writes it, tests by number."""
        tests = {test: number for number, test in enumerate(sorted({*self.tests, ""}))}
        lines = {
            file: {line: [tests[test] for test in held] for line, held in of.items()}
            for file, of in self.lines.items()
        }
        found = {"tests": list(tests), "lines": lines, "times": self.times}
        path.parent.mkdir(parents=True, exist_ok=True)
        found |= {"failing": sorted(self.failing), "files": self.files}
        path.write_text(json.dumps(found))

    @classmethod
    def read(cls, path: Path) -> Reached:
        """What `write` has written."""
        held = json.loads(path.read_text())
        tests = held["tests"]
        lines = {
            file: {int(line): [tests[n] for n in numbers] for line, numbers in of.items()}
            for file, of in held["lines"].items()
        }
        return cls(lines, held["times"], set(held["failing"]), held["files"])

    def take(self, other: Reached) -> None:
        """Puts what was measured of some files in the place of what was held of them."""
        for of in self.lines.values():
            for line, tests in of.items():
                of[line] = [test for test in tests if test.partition("::")[0] not in other.files]
        for file, of in other.lines.items():
            held = self.lines.setdefault(file, {})
            for line, tests in of.items():
                held[line] = [*held.get(line, ()), *tests]
        self.times |= other.times
        self.files |= other.files


def _file(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _test_files(place: str) -> dict[str, str]:
    """The files of the tests of a place, each with what its text comes to."""
    files = sorted((ROOT / place).rglob("test_*.py")) or [ROOT / place]
    return {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in files
    }


def _measured(folder: Path, files: dict[str, str]) -> Reached:
    """Runs the tests of some files once and notes which lines each reaches."""
    data = folder / "coverage"
    environment = os.environ | {"COVERAGE_FILE": str(data)}
    words = [sys.executable, "-m", "pytest", "-q", "--cov", "--cov-context=test", "--cov-report="]
    words += ["--durations=0", "--durations-min=0.1", *files]
    said = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    # One that fails for the time that measuring takes is found out where it notices something.
    if said.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(said.stdout.decode())
    slow = re.findall(r"^([\d.]+)s (?:call|setup) +(.*)$", said.stdout.decode(), re.MULTILINE)
    from coverage import CoverageData

    held = CoverageData(str(data))
    held.read()
    found: dict[str, dict[int, list[str]]] = {}
    for path in held.measured_files():
        if any(Path(path).is_relative_to(ROOT / place) for of in PARTS.values() for place in of):
            found[os.path.relpath(path, ROOT)] = {
                line: sorted({sys.intern(test.rpartition("|")[0]) for test in tests})
                for line, tests in held.contexts_by_lineno(path).items()
            }
    return Reached(found, {test: float(seconds) for seconds, test in slow}, files=files)


def _all_mutants() -> dict[str, list[Mutant]]:
    """Mutants of each module of all parts."""
    found: dict[str, list[Mutant]] = {}
    for places in PARTS.values():
        for place in places:
            for path in sorted((ROOT / place).rglob("*.py")) or [ROOT / place]:
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                if path.name != "__init__.py":
                    found[module] = mutants(module, path.read_text())
    return found


def _drawn(of: dict[str, list[Mutant]], sample: int, seed: int) -> list[Mutant]:
    """So many mutants, as many of each module as it has; all where the sample is 0."""
    draw = random.Random(seed)
    shuffled = {module: draw.sample(held, len(held)) for module, held in of.items()}
    order = [
        held[turn]
        for turn in range(max(map(len, shuffled.values()), default=0))
        for held in shuffled.values()
        if turn < len(held)
    ]
    return order[: sample or None]


@dataclass
class Run:
    """Chooses each mutant's tests and keeps what came of it."""

    reached: Reached
    end: float
    noticed_by: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter[str]))
    outcomes: dict[Mutant, Outcome] = field(default_factory=dict)
    _lines: dict[str, Counter[str]] = field(default_factory=dict)
    _all: Counter[str] = field(default_factory=Counter)

    def trials(self, drawn: list[Mutant], tests: set[str]) -> Iterator[Trial]:
        """Trials of mutants: those of `tests` that may notice each."""
        for mutant in drawn:
            if time.monotonic() > self.end:
                return
            may = (self.reached.of(mutant) & tests) - self.reached.failing
            before, turn = self.noticed_by[mutant.module], self._turns(mutant.module, may)
            yield Trial(mutant, sorted(may, key=lambda t: (-before[t], turn[t], t)))

    def _turns(self, module: str, tests: set[str]) -> dict[str, float]:
        """When each test is run. Functions share the time by how much of the module they reach, and how
        little else: many cheap cases of a test of the module itself come before one of the whole.
        """
        if not self._lines:
            for file, of in self.reached.lines.items():
                self._lines[file] = Counter(test for held in of.values() for test in held)
                self._all.update(self._lines[file])
        lines, spent = self._lines.get(_file(module), Counter()), Counter[str]()
        worth = {test: lines[test] ** 2 / self._all[test] for test in tests}
        turns: dict[str, float] = {}
        for test in sorted(tests, key=lambda t: (-worth[t], t)):
            # Of one that was not timed, what is cheap is as likely as what is not.
            spent[function := test.partition("[")[0]] += self.reached.times.get(test, 0.03) + 0.01
            turns[test] = spent[function] / worth[test]
        return turns

    def keep(self, outcome: Outcome) -> None:
        """Counts an outcome and says it, and learns how long tests take."""
        mutant = outcome.trial.mutant
        assert mutant is not None
        self.outcomes[mutant] = outcome
        self.reached.times |= outcome.times
        if outcome.how == "killed":
            self.noticed_by[mutant.module][outcome.by] += 1
        else:
            tests = f"{len(outcome.times)} of {len(outcome.trial.tests)} tests"
            click.echo(f"{outcome.how}, {tests}, {mutant.first}: {mutant.name} {outcome.by}")
        if len(self.outcomes) % 50 == 0:
            click.echo(f"-- {len(self.outcomes)} run", err=True)

    def doubt(self, test: str) -> None:
        """Takes back what a test has noticed that fails without a change, too."""
        self.reached.failing.add(test)
        click.echo(f"fails by itself: {test}")
        for outcome in self.outcomes.values():
            if outcome.by == test:
                outcome.how = "broken"


def _part(module: str) -> str:
    return next(
        part
        for part, places in PARTS.items()
        if any(_file(module).startswith(place) for place in places)
    )


def _counted(outcomes: dict[Mutant, str], same: dict[str, str], key: Any) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in outcomes.items():
        how = "equivalent" if mutant.name in same and outcome == "survived" else outcome
        counts[key(mutant)][how] += 1
    found: dict[str, Any] = {}
    for name, held in sorted(counts.items()):
        noticed = held["killed"] + held["timeout"]
        counted = held.total() - held["equivalent"]
        found[name] = dict(held) | {"score": round(100 * noticed / counted, 1) if counted else None}
    return found


@click.command(help=__doc__)
@click.option("--sample", default=0, help="So many, drawn; 0 for all.")
@click.option("--seed", default=0, help="Draws another sample.")
@click.option("--module", "modules", multiple=True, help="Only mutants of modules that start so.")
@click.option("--again", is_flag=True, help="Only what survived the run before.")
@click.option("--seconds", default=10.0, help="Processor time for a mutant's tests.")
@click.option("--minutes", default=1e9, help="No new mutant after so many.")
@click.option("--jobs", default=2, help="Processes at a time.")
@click.option("--anew", is_flag=True, help="Measure again which test reaches which line.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=ROOT / "mutants", help="Measures."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON here.")
def main(
    sample: int,
    seed: int,
    modules: tuple[str, ...],
    again: bool,
    seconds: float,
    minutes: float,
    jobs: int,
    anew: bool,
    folder: Path,
    output: Path | None,
) -> None:
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1"}
    sys.path.insert(0, str(ROOT))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measures = folder / "reached.json"
    folder.mkdir(parents=True, exist_ok=True)
    reached = Reached({}) if anew or not measures.exists() else Reached.read(measures)
    for place in TESTS:
        held = _test_files(place).items()
        if files := {file: text for file, text in held if reached.files.get(file) != text}:
            reached.take(_measured(folder, files))
            reached.write(measures)
    of = _all_mutants()
    known = folder / "outcomes.json"
    before: dict[str, str] = json.loads(known.read_text()) if again else {}
    chosen = {
        module: [m for m in held if not again or before.get(m.name) in ("survived", "broken")]
        for module, held in of.items()
        if not modules or module.startswith(modules)
    }
    drawn = _drawn(chosen, sample, seed)
    run, forks = Run(reached, time.monotonic() + 60 * minutes), Forks(seconds, jobs, reached.times)

    def collected(session: Collected) -> None:
        tests = set(session.items)
        passing, left = set[str](), drawn
        while left and time.monotonic() < run.end:
            for outcome in forks.run(run.trials(left, tests), session.change_and_test):
                run.keep(outcome)
            # Each test that noticed something passes by itself where nothing is changed.
            by = {o.by for o in run.outcomes.values() if o.how == "killed"} & tests - passing
            passing |= by
            alone = (Trial(None, [test]) for test in sorted(by))
            for outcome in forks.run(alone, session.change_and_test):
                if outcome.how != "survived":
                    run.doubt(outcome.trial.tests[0])
            # What such a test has noticed is run again, without it.
            left = [m for m, o in run.outcomes.items() if o.by in reached.failing]

    code = pytest.main([*OPTIONS, *TESTS], plugins=[Collected(sorted(of), collected)])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"pytest ended with {code!r}")
    reached.write(measures)
    before |= {mutant.name: outcome.how for mutant, outcome in run.outcomes.items()}
    known.write_text(json.dumps(before))
    every = [mutant for held in of.values() for mutant in held]
    outcomes = {mutant: before[mutant.name] for mutant in every if mutant.name in before}
    _report(outcomes, len(every), seed, output)


def _report(outcomes: dict[Mutant, str], every: int, seed: int, output: Path | None) -> None:
    from report import machine, write

    same = json.loads(EQUIVALENT.read_text())
    survived = sorted(m.name for m, how in outcomes.items() if how in ("survived", "broken"))
    found: dict[str, Any] = {
        "machine": machine(),
        "mutants": every,
        "run": len(outcomes),
        "seed": seed,
    }
    found |= _counted(outcomes, same, lambda _: "all")
    found |= {"parts": _counted(outcomes, same, lambda m: _part(m.module))}
    found |= {"kinds": _counted(outcomes, same, lambda m: m.kind)}
    found |= {"modules": _counted(outcomes, same, lambda m: m.module)}
    found |= {"survived": [name for name in survived if name not in same]}
    found |= {"equivalent": {name: same[name] for name in survived if name in same}}
    click.echo(
        json.dumps(
            {"all": found["all"], "parts": found["parts"], "kinds": found["kinds"]}, indent=2
        )
    )
    write(found, output, quiet=True)


sys.path.insert(0, str(Path(__file__).parent))
import pytest  # noqa: E402
from mutant_tests import (  # noqa: E402
    OPTIONS,
    Collected,
    Forks,
    Outcome,
    Trial,
)
from mutants import Mutant, mutants  # noqa: E402

if __name__ == "__main__":
    main()

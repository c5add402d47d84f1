"""Whether tests see small mistakes: changed operators, constants and words of the core, by mutmut.

    pip install mutmut
    python benchmarks/mutation.py --sample 300 -o benchmarks/results/mutation.json
    mutmut run "netspec.elaborate.expand.*"; mutmut results

A mutant that no test notices survives. What is mutated and with which tests is said in
`pyproject.toml`. The sample is the same for a seed; without one, all mutants are run, which takes
a day.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import click
from report import machine

ROOT = Path(__file__).parent.parent


def _mutmut(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=ROOT, check=False)


def _results() -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for path in sorted((ROOT / "mutants").rglob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


@click.command()
@click.option("--sample", default=0, help="So many, drawn; 0 for all.")
@click.option("--seed", default=0, help="Draws another sample.")
@click.option("--jobs", default=2, help="Processes at a time.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the JSON here.")
def main(sample: int, seed: int, jobs: int, output: Path | None) -> None:
    """Run mutants and count, for each module, how many of them tests notice."""
    from mutmut.stats import status_by_exit_code

    # Mutants are made and tests are timed before it sees that nothing is called so.
    _mutmut("run", "--max-children", str(jobs), "nothing")
    names = sorted(_results())
    if not names:
        raise SystemExit("no mutants were made")
    drawn = sorted(random.Random(seed).sample(names, sample)) if sample else names
    _mutmut("run", "--max-children", str(jobs), *(drawn if sample else ()))
    results = _results()
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    survived = []
    for name in drawn:
        status = status_by_exit_code[results[name]]
        modules[name.rpartition(".")[0]][status] += 1
        if status not in ("killed", "timeout"):
            survived.append(f"{name}: {status}")
    total = sum(modules.values(), Counter())
    noticed = total["killed"] + total["timeout"]
    click.echo("\n".join(survived))
    click.echo(f"{noticed} of {len(drawn)} noticed, {100 * noticed / len(drawn):.1f} %")
    if output is not None:
        found: dict[str, Any] = {"machine": machine(), "mutants": len(names), "run": len(drawn)}
        found |= {"seed": seed, "total": dict(total)}
        found |= {"modules": {name: dict(held) for name, held in sorted(modules.items())}}
        found |= {"survived": survived}
        output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Which programs read netspec's files, and whether they compute what PyTorch does in double precision.

    python benchmarks/consumers.py -o benchmarks/results/consumers.json
    python benchmarks/consumers.py openvino web -k pool     some, on the cases with a word
    python benchmarks/consumers.py --only nets              one of examples, nets, forms

Every operator's examples, every shipped net that is not too large, and some nets in every form of
file, each written for the program (`netspec compile --for`) with weights under which values have
size 1, run on a batch of two. An output is right within 1e-4 of the largest value, or 32 times what
PyTorch errs in float32 where that is more; a file in half precision within what `netspec verify`
allows it; one in eight bits with 15 dB of signal to noise, or 3 less than
the file was made with. Programs that are not installed are left
out. Each has a process of its own: one that dies or takes too long costs that case. What the output
file has already of a program's version is not run again; `--again` does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from programs import PROGRAMS, run

from netspec.system.atomic import write_text

GROUPS = ("examples", "nets", "forms")
STATES = ("right", "refused", "skipped", "wrong", "failed")
# Seconds for a case to be made, for a program to run it, and for either to be loaded before its first.
MAKING, RUNNING, LOADING = 400.0, {"examples": 90.0, "nets": 300.0, "forms": 300.0}, 300.0
# Programs that run at once.
AT_ONCE = 2


class LostError(Exception):
    """A call that came to no end: why."""


class Helper:
    """A process that answers calls of one function; where it dies or is late, another takes its place.

    The first call of each may take `loading` seconds more.
    """

    def __init__(self, function: Callable[..., Any], loading: float = 0.0) -> None:
        self._function, self._loading = function, loading
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None

    def ask(self, seconds: float, *arguments: Any) -> Any:
        """What the function gives; raises LostError where it raises, dies or takes longer."""
        limit = seconds
        if self._process is None:
            limit += self._loading
            self._pipe, there = self._context.Pipe()
            self._process = self._context.Process(target=_serve, args=(self._function, there))
            self._process.start()
            there.close()
        try:
            self._pipe.send(arguments)
            if not self._pipe.poll(limit):
                self.close()
                raise LostError(f"it took more than {seconds:.0f} seconds")
            good, found = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise LostError("its process died") from None
        if not good:
            raise LostError(found)
        return found

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(function: Callable[..., Any], pipe: Any) -> None:
    # Who asks may be gone before the answer is there.
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(_answer(function, pipe.recv()))


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:  # each program has exceptions of its own
        return False, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def outcomes(
    programs: Sequence[str], cases: Sequence[tuple[str, str, Sequence[str]]]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """How programs take cases, each a group, a name and the programs to run it in.

    An outcome is a state and a reason, `wrong: off by 0.1 of the largest value`.
    """
    from consumer_cases import compare, make

    maker = Helper(make, LOADING)
    readers = {name: Helper(run, LOADING) for name in programs}

    def outcome(program: str, group: str, folder: str) -> str:
        path = str(Path(folder) / f"{PROGRAMS[program].target}.onnx")
        try:
            readers[program].ask(RUNNING[group], program, path, folder)
        except LostError as lost:
            return f"failed: {lost}"
        return compare(folder, program)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for group, name, wanted in cases:
                targets = [PROGRAMS[program].target for program in wanted]
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        rest = maker.ask(MAKING, group, name, targets, folder)
                    except LostError as lost:
                        yield group, name, dict.fromkeys(wanted, f"failed: not made: {lost}")
                        continue
                    found = {p: rest.get(PROGRAMS[p].target, "") for p in wanted}
                    todo = [program for program, reason in found.items() if not reason]
                    count = len(todo)
                    took = pool.map(outcome, todo, [group] * count, [folder] * count)
                    found |= zip(todo, took, strict=True)
                yield group, name, found
    finally:
        for helper in (maker, *readers.values()):
            helper.close()


def state(outcome: str) -> str:
    """That of an outcome: one of `STATES`."""
    return outcome.partition(":")[0]


def counted(table: dict[str, Any]) -> dict[str, dict[str, dict[str, int]]]:
    """How many cases of each group are in which state, by program."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for program in table["programs"]:
        for group in GROUPS:
            states = Counter(state(row[program]) for row in table[group].values() if program in row)
            found.setdefault(program, {})[group] = {s: states[s] for s in STATES if states[s]}
    return found


def text(table: dict[str, Any]) -> str:
    """The table as JSON, a case on each line."""
    parts = [f'"programs": {json.dumps(table["programs"])}']
    parts.append(f'"counts": {json.dumps(counted(table), indent=1)}')
    for group in GROUPS:
        rows = (
            f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(table[group].items())
        )
        parts.append(f'"{group}": {{\n' + ",\n".join(rows) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Prints what is neither right nor refused, then counts; the table goes to a file as it grows."""
    from consumer_cases import names

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("program", nargs="*", help=", ".join(PROGRAMS))
    parser.add_argument("-k", dest="word", default="", help="only cases with this in their name")
    parser.add_argument("--only", choices=GROUPS, help="only this group of cases")
    parser.add_argument("--again", action="store_true", help="what the file has is run again")
    parser.add_argument("-o", "--output", type=Path, help="where the table is, and goes")
    given = parser.parse_args()
    programs = given.program or [name for name, item in PROGRAMS.items() if item.installed]
    versions = {name: PROGRAMS[name].version for name in programs}
    table: dict[str, Any] = {"programs": {}, **{group: {} for group in GROUPS}}
    if given.output and given.output.exists():
        table |= json.loads(given.output.read_text(encoding="utf-8"))
    for name, version in versions.items():
        if table["programs"].get(name) != version:
            for group in GROUPS:
                for row in table[group].values():
                    row.pop(name, None)
        table["programs"][name] = version
    cases = []
    for group in GROUPS if given.only is None else (given.only,):
        for case in names(group):
            if given.word not in case:
                continue
            had = {} if given.again else table[group].get(case, {})
            wanted = [program for program in programs if program not in had]
            if wanted:
                cases.append((group, case, wanted))
    bad = 0
    for group, name, found in outcomes(programs, cases):
        table[group].setdefault(name, {}).update(found)
        for program, outcome in found.items():
            if state(outcome) in ("wrong", "failed"):
                bad += 1
                print(f"{program}: {name}: {outcome}", flush=True)
        if given.output:
            write_text(given.output, text(table))
    for program, groups in counted(table).items():
        told = (f"{g}: " + ", ".join(f"{n} {s}" for s, n in c.items()) for g, c in groups.items())
        print(f"{program} {table['programs'][program]}: {'; '.join(told)}")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()

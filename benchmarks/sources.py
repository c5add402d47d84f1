"""PyTorch source of shipped nets, of operators' examples and of random nets, held against `to_torch`.

    python benchmarks/sources.py                      all that the result does not have yet
    python benchmarks/sources.py --only nets swin_t   some, again

Each file is run by itself with the tensors of `to_torch`: tests/support/sources.py says what must be
the same. Then ruff checks all files and their format, and mypy checks them strictly. `tokens` are
those of a net's file without its docstrings. What is found is added to benchmarks/results/sources.json
after every net, so that a run may be stopped; a net whose source has not changed since is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from report import machine, write
from support.differential import OPERATORS, snippet
from support.generated_specs import spec
from support.sources import TOKEN, bare, faults

import netspec
from netspec.analysis.costs import costs
from netspec.backends.torch.source.write import source
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names

RESULT = Path(__file__).parent / "results" / "sources.json"
GROUPS = ("nets", "examples", "random")


def cases(group: str, count: int) -> dict[str, Callable[[], Graph]]:
    """What makes the nets of a group, by their names."""
    if group == "nets":
        # Those that cost least come first, so that a run that is stopped has many.
        return {name: partial(_shipped, name) for name in sorted(shipped_names(), key=_cost)}
    if group == "examples":
        return {
            f"{kind.spelling} {number}": partial(snippet, *example)
            for kind in OPERATORS
            for number, example in enumerate(kind.examples, 1)
        }
    return {f"seed {seed}": partial(_random, seed) for seed in range(count)}


def _shipped(name: str) -> Graph:
    return netspec.load(name).graph


def _cost(name: str) -> int:
    graph = _shipped(name)
    found = costs(graph)
    # What an open size costs is not known: at the least sizes, about what its parameters do.
    return found.params if graph.symbols else int(found.macs)


def _random(seed: int) -> Graph:
    return spec(seed).graph


def judged(
    group: str, name: str, graph: Graph, folder: Path, known: dict[str, Any]
) -> dict[str, Any]:
    """What is found of a net, whose source is written to the folder; `known` where it is the same source."""
    try:
        text = source(graph)
    except NetspecError as error:
        return {"refused": error.diagnostics[0].problem.headline}
    file = re.sub(r"\W", "_", name)
    (folder / f"{file}.py").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    if known.get("source") == digest and "wrong" not in known:
        return known
    begun = time.process_time()
    wrong = list(faults(graph, text, large=group != "nets"))
    seconds = round(time.process_time() - begun, 2)
    found = {"tokens": len(TOKEN.findall(bare(text))), "source": digest, "seconds": seconds}
    return found | ({"wrong": wrong} if wrong else {})


def tool(*words: str) -> str:
    """What a tool says, or `clean`."""
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    return "clean" if done.returncode == 0 else (done.stdout + done.stderr)[-4000:]


def checked(folder: Path) -> dict[str, str]:
    """What ruff and mypy say of the files of a folder."""
    config = folder / "strict.ini"
    config.write_text("[mypy]\nstrict = true\n")
    alone = ("--isolated", "--no-cache", str(folder))
    strict = ("--config-file", str(config), "--cache-dir", str(folder / "cache"), str(folder))
    return {
        "ruff check": tool("ruff", "check", *alone),
        "ruff format": tool("ruff", "format", "--check", *alone),
        "mypy strict": tool("mypy", *strict),
    }


def main() -> None:
    """Goes through the groups and adds what is found to the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="these alone, again")
    parser.add_argument("--only", choices=GROUPS, action="append")
    parser.add_argument("--count", type=int, default=300, help="random nets")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    held = json.loads(given.output.read_text()) if given.output.exists() else {}
    held["machine"] = machine("torch", "ruff", "mypy")
    for group in given.only or GROUPS:
        found = held.setdefault(group, {})
        before = found.setdefault("cases", {})
        with tempfile.TemporaryDirectory() as folder:
            for name, made in cases(group, given.count).items():
                if given.names and name not in given.names:
                    continue
                known = {} if given.names else before.get(name, {})
                before[name] = judged(group, name, made(), Path(folder), known)
                if before[name] is not known:
                    print(name, before[name], flush=True)
                    write(held, given.output, quiet=True)
            found["files"] = len(list(Path(folder).iterdir()))
            found |= checked(Path(folder))
        rows = before.values()
        found["right"] = sum("tokens" in row and "wrong" not in row for row in rows)
        found["refused"] = sum("refused" in row for row in rows)
        found["seconds"] = round(sum(row.get("seconds", 0) for row in rows), 1)
        print(group, {key: value for key, value in found.items() if key != "cases"}, flush=True)
        write(held, given.output, quiet=True)


if __name__ == "__main__":
    main()

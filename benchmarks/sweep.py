"""How many variants of a net are counted in a second of one core.

    python benchmarks/sweep.py [-o benchmarks/results/sweep.json] [--against CHECKOUT] [NAME ...]

Every variant has settings or sizes that were not asked for before. `settings` are other numbers of
classes where the net has them, `sizes` other sizes of the input, `widths` other numbers of channels
everywhere; `alone` are the same variants as
`netspec.load(...).summary()` gives them, one by one, which every figure is held to. All three take
turns, so that what else the machine does meets all. With `--against`, another checkout of netspec
builds and sums up the same variants in turn, in a process of its own. `load` is one net that has not
been built before, without its totals. Times are of one core; milliseconds are the least of the
rounds, variants a second follow from the mean over all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from report import machine, options, write

import netspec
from netspec.diagnostics.raised import NetspecError

NETS = "resnet50 mobilenet_v2 densenet121 googlenet nasnet_large vit_b_16 yolov8n resnet1202_cifar".split()
VARIANTS = 6
Given = dict[str, Any]
# What another checkout is asked to do: it has `load` and summaries, whatever else it has.
ELSEWHERE = """
import json, sys, time, netspec
name, asked = sys.argv[1], json.loads(sys.argv[2])
netspec.load(name).summary()
found = []
for given in [{}, *asked]:
    start = time.process_time()
    net = netspec.load(name, **given)
    middle = time.process_time()
    summary = net.summary()
    end = time.process_time()
    found.append([middle - start, end - start, summary.params, summary.macs, summary.peak_activation])
print(json.dumps(found))
"""


def asked(name: str, turn: int) -> dict[str, list[Given]]:
    """Settings and sizes that no other turn asks for; sizes only that the net takes."""
    graph = netspec.load(name).graph
    first, *sizes = graph.inputs[0].types[0].shape
    numbers = range(VARIANTS * turn + 1, VARIANTS * (turn + 1) + 1)
    found: dict[str, list[Given]] = {}
    parameters = dict(graph.parameters)
    if "classes" in parameters:
        found["settings"] = [{"classes": 1000 + n} for n in numbers]
    if "alpha" in parameters:
        found["widths"] = [{"alpha": 1 + n / 16} for n in numbers]
    found["sizes"] = [{"input": [int(first), *(int(s) + 32 * n for s in sizes)]} for n in numbers]
    return found


def alone(name: str, given: Given) -> Given:
    """The totals of one variant, built for itself and summed up layer by layer."""
    return netspec.load(name, **given).summary().totals


def timed(call: Callable[[], Given]) -> tuple[float, Given | None]:
    """Seconds of one core, and what was found; None for a size that does not fit."""
    start = time.process_time()
    try:
        found = call()
    except NetspecError:
        return time.process_time() - start, None
    return time.process_time() - start, found


def elsewhere(checkout: str, name: str, given: list[Given]) -> list[list[float]]:
    """What another checkout takes and finds: for the net as it stands, then for each variant."""
    command = [sys.executable, "-c", ELSEWHERE, name, json.dumps(given)]
    environment = {**os.environ, "PYTHONPATH": checkout}
    ran = subprocess.run(
        command, env=environment, cwd=checkout, capture_output=True, text=True, check=True
    )
    found: list[list[float]] = json.loads(ran.stdout)
    return found


def turns(name: str, rounds: int, checkout: str) -> Iterator[tuple[str, float]]:
    """Seconds by what they were spent on; raises AssertionError where two figures differ."""
    family = netspec.variants(name)
    family.totals()
    for turn in range(rounds):
        for of, variants in asked(name, turn).items():
            kept = []
            for given in variants:
                spent, found = timed(lambda given=given: family.totals(**given))
                before, expected = timed(lambda given=given: alone(name, given))
                assert found == expected, (name, given)
                if found is not None:
                    kept.append((given, found))
                    yield of, spent
                    yield f"{of} alone", before
            if checkout:
                there = elsewhere(checkout, name, [given for given, _ in kept])
                yield "load against", there[0][0]
                for (_, found), (_, seconds, *figures) in zip(kept, there[1:], strict=True):
                    assert figures == [found[key] for key in ("params", "macs", "activations")]
                    yield f"{of} against", seconds
        spent, _ = timed(lambda: {"": netspec.load(name)})
        yield "load", spent


def figures(name: str, rounds: int, checkout: str) -> Given:
    """Milliseconds, and variants a second, by what was built."""
    spent: dict[str, list[float]] = {}
    for of, seconds in turns(name, rounds, checkout):
        spent.setdefault(of, []).append(seconds)
    return {
        of: {
            "milliseconds": round(1000 * min(seconds), 2),
            "a_second": round(1 / fmean(seconds), 1),
        }
        for of, seconds in sorted(spent.items())
    }


def main() -> None:
    parser = options(__doc__, 3)
    parser.add_argument("names", nargs="*", default=NETS)
    parser.add_argument("--against", default="", metavar="CHECKOUT")
    chosen = parser.parse_args()
    found = {name: figures(name, chosen.rounds, chosen.against) for name in chosen.names}
    write({"machine": machine("lark"), "nets": found}, chosen.output)


if __name__ == "__main__":
    main()

"""How long pictures take and how large they are: every shipped net in every style that applies.

    python benchmarks/draw.py [-o benchmarks/results/draw.json]

Each net is built anew for each picture, so nothing is remembered from one to the next; imports are
warm. Seconds are the least of the rounds, from the graph to the SVG's text. The pictures of all
rounds must be the same, byte for byte. A style that refuses a net does not apply to it: columns
where the resolution rises again, bubble and depth without a published error.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from statistics import median
from typing import Any

from report import machine, options, write

from netspec.diagnostics.raised import NetspecError
from netspec.draw import STYLES, draw
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec, shipped_names


def measure(names: tuple[str, ...], style: str, rounds: int) -> dict[str, Any] | None:
    """Seconds and bytes of one picture; None where the style does not apply."""
    seconds, pictures = [], set()
    for _ in range(rounds):
        graphs = [build(read_spec(name)) for name in names]
        start = time.perf_counter()
        try:
            pictures.add(draw(graphs, style=style))
        except NetspecError as refusal:
            if refusal.status != 1:
                raise
            return None
        seconds.append(time.perf_counter() - start)
    if len(pictures) > 1:
        raise SystemExit(f"{' '.join(names)} in {style} differs from one time to the next")
    return {"seconds": round(min(seconds), 4), "bytes": len(str(pictures.pop()).encode())}


def summary(found: dict[str, dict[str, Any]], style: str) -> dict[str, Any]:
    drawn = {name: styles[style] for name, styles in found.items() if style in styles}
    slowest = max(drawn, key=lambda name: drawn[name]["seconds"])
    largest = max(drawn, key=lambda name: drawn[name]["bytes"])
    return {
        "nets": len(drawn),
        "median_seconds": round(median(each["seconds"] for each in drawn.values()), 4),
        "most_seconds": {slowest: drawn[slowest]["seconds"]},
        "median_bytes": round(median(each["bytes"] for each in drawn.values())),
        "most_bytes": {largest: drawn[largest]["bytes"]},
    }


def graphviz() -> str:
    if not shutil.which("dot"):
        return ""
    return subprocess.run(["dot", "-V"], capture_output=True, text=True).stderr.strip()


def main() -> None:
    parser = options(__doc__, 3)
    parser.add_argument(
        "--nets", nargs="*", default=list(shipped_names("lectures") + shipped_names("blocks"))
    )
    chosen = parser.parse_args()
    for style in STYLES:
        measure(("alexnet",), style, 1)
    found: dict[str, dict[str, Any]] = {}
    for name in chosen.nets:
        each = {style: measure((name,), style, chosen.rounds) for style in STYLES}
        found[name] = {style: figures for style, figures in each.items() if figures is not None}
        print(name, file=sys.stderr)
    results = {
        "machine": {**machine(), "graphviz": graphviz()},
        "identical": f"every picture, {chosen.rounds} times",
        "torch_loaded": "torch" in sys.modules,
        "styles": {style: summary(found, style) for style in STYLES},
        "pictures": found,
    }
    write(results, chosen.output)


if __name__ == "__main__":
    main()

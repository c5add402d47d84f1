"""What the benchmarks of running nets share: contenders whose answers are compared, and their figures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from netspec.backends.measure import Facts, Run, Turns
from netspec.diagnostics.raised import NetspecError


def timed(run: Callable[[], Any], answer: Callable[[Any], Any], **facts: Any) -> tuple[Run, Facts]:
    """A run that is timed, and the first sample's answer among the facts, which say the batch size."""

    def once() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    first = answer(run()).reshape(-1)
    return once, {**facts, "answer": first[: first.size // facts["batch"]].tolist()}


def why(refusal: NetspecError) -> str:
    """Why a contender is not there, in one line."""
    problem = refusal.diagnostics[0].problem
    return str(problem.facts.get("reason", problem.headline))


def figures(turns: Turns, first: Turns) -> dict[str, Any]:
    spread, ratio = turns.spread(), turns.over(first)
    return {
        "median_ms": round(1000 * spread.median, 4),
        "p10_ms": round(1000 * spread.p10, 4),
        "p90_ms": round(1000 * spread.p90, 4),
        "runs": spread.count,
        "ratio": round(ratio.median, 4),
        "ratio_p10": round(ratio.p10, 4),
        "ratio_p90": round(ratio.p90, 4),
    }


def error(found: list[float], reference: list[float]) -> float | None:
    """The largest difference over the reference's largest value; None where that is no number."""
    scale = max(map(abs, reference)) or 1.0
    differences = [abs(a - b) / scale for a, b in zip(found, reference, strict=True)]
    return max(differences) if all(map(math.isfinite, differences)) else None

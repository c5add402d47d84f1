"""What a file in eight bits reports: what its output keeps, and what each step is written in."""

from __future__ import annotations

import math
from typing import Any

from netspec.analysis.tables import Column, Line, Table
from netspec.foundation.records import record


@record
class Judged:
    """One step that multiplies: its share of the multiply-adds, what it is written in, and why.

    `decibels` is the signal-to-noise ratio of its own output when it alone is of eight bits, None
    where it cannot be.
    """

    path: str
    place: str
    share: float
    decibels: float | None
    reason: str

    @property
    def exact(self) -> bool:
        """Whether it stays in fp32."""
        return bool(self.reason)


@record
class Quantized:
    """What came of it: the output's signal-to-noise ratio, and each step that multiplies."""

    decibels: float
    wanted: float
    steps: tuple[Judged, ...]
    samples: int

    def text(self) -> str:
        """A table of the steps that multiply, and what all of them make of the output."""
        columns = (
            Column("step", "label"),
            Column("place"),
            Column("alone"),
            Column("MACs"),
            Column("written in"),
        )
        lines = [
            Line(
                (
                    step.path,
                    step.place,
                    "" if step.decibels is None else _ratio(step.decibels),
                    f"{step.share:.1%}",
                    f"fp32: {step.reason}" if step.exact else "int8",
                )
            )
            for step in self.steps
        ]
        table = Table("", columns, tuple(lines))
        return f"{table.to_text()}{self.summary()}"

    def summary(self) -> str:
        """What the output keeps, and the multiply-adds that are left in fp32, by reason."""
        kept = f"eight bits: the output keeps {_ratio(self.decibels)} of signal to noise"
        if math.isinf(self.decibels):
            kept = f"eight bits: the output is {_ratio(self.decibels)} on the samples"
        told = [f"{kept} with {self.share:.1%} of the multiply-adds in fp32"]
        shares: dict[str, float] = {}
        for step in self.steps:
            if step.exact:
                shares[step.reason] = shares.get(step.reason, 0.0) + step.share
        told += [f"  {share:.1%}: {reason}" for reason, share in shares.items()]
        return "\n".join(told)

    def as_json(self) -> dict[str, Any]:
        """What it says as plain data; ratios that are infinite are null."""
        return {
            "decibels": _plain(self.decibels),
            "wanted": self.wanted,
            "fp32_share": self.share,
            "samples": self.samples,
            "steps": [
                {
                    "path": step.path,
                    "place": step.place,
                    "share": step.share,
                    "decibels": _plain(step.decibels),
                    "fp32": step.reason or None,
                }
                for step in self.steps
            ],
        }

    @property
    def share(self) -> float:
        """The share of the multiply-adds that are left in fp32."""
        return sum(step.share for step in self.steps if step.exact)

    @property
    def reached(self) -> bool:
        """Whether the output is as good as was asked for."""
        return self.decibels >= self.wanted


def _ratio(decibels: float) -> str:
    """A ratio as text: what is exact has no noise, what is zero in fp32 has no signal."""
    if math.isinf(decibels):
        return "exact" if decibels > 0 else "zero in fp32"
    return f"{decibels:.1f} dB"


def _plain(ratio: float | None) -> float | None:
    return None if ratio is None or math.isinf(ratio) else ratio

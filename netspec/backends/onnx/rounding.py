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
                    "" if step.decibels is None else f"{step.decibels:.1f} dB",
                    f"{step.share:.1%}",
                    f"fp32: {step.reason}" if step.exact else "int8",
                )
            )
            for step in self.steps
        ]
        table = Table("", columns, tuple(lines))
        return f"{table.to_text()}{self.summary()}"

    def summary(self) -> str:
        """One line: what the output keeps, and what is left in fp32."""
        kept = f"eight bits: the output keeps {self.decibels:.1f} dB of signal to noise"
        return f"{kept} with {self.share:.1%} of the multiply-adds in fp32"

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


def _plain(ratio: float | None) -> float | None:
    return None if ratio is None or math.isinf(ratio) else ratio

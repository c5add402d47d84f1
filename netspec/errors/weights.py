"""NS55x: weights that do not fit a net."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class TensorsDiffer(Problem):
    code = "NS550"
    title = "the tensors do not fit the net: missing {missing}; surplus {surplus}; misshaped {misshaped}"
    missing: str
    surplus: str
    misshaped: str

"""What every reader gives and how it refuses: tensors by name, each read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.weights import BadCheckpoint
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Problem

Shape = tuple[int, ...]
Reader = Callable[[], Any]
Tensors = Mapping[str, tuple[Shape, Reader]]

KERAS_ADVICE = 'np.savez("weights.npz", **{w.path: w.numpy() for w in model.weights}) is read'


def refused(problem: Problem) -> NetspecError:
    """The refusal of one tensor, or of what reads the file."""
    return NetspecError(problem)


def bad_file(path: Path, reason: str, advice: str = "") -> NetspecError:
    """The refusal of a whole file."""
    return refused(BadCheckpoint(path.name, reason, advice))

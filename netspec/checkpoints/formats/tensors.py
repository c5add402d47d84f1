"""What every reader gives and how it refuses: tensors by name, each read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.weights import BadCheckpoint
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Problem
from netspec.foundation.records import record

Shape = tuple[int, ...]
Reader = Callable[[], Any]


@record
class Stored:
    """A tensor of a file: its shape, and what reads its numbers.

    `integer` is the type of what holds whole numbers or truths, `I64` or `BOOL`: no weights. `parts`
    are the names in the file where it is folded from several.
    """

    shape: Shape
    read: Reader
    integer: str = ""
    parts: tuple[str, ...] = ()


Tensors = Mapping[str, Stored]

KERAS_ADVICE = 'np.savez("weights.npz", **{w.path: w.numpy() for w in model.weights}) is read'


def refused(problem: Problem) -> NetspecError:
    """The refusal of one tensor, or of what reads the file."""
    return NetspecError(problem)


def integer_type(kind: str, size: int) -> str:
    """What a tensor of numpy's `kind` and `size` in bytes is said to hold; empty for real numbers."""
    return {"b": "BOOL", "i": f"I{8 * size}", "u": f"U{8 * size}"}.get(kind, "")


def bad_file(path: Path, reason: str, advice: str = "") -> NetspecError:
    """The refusal of a whole file."""
    return refused(BadCheckpoint(path.name, reason, advice))

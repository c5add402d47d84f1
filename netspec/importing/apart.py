"""What is compared in place of a file that computes in half precision or eight bits."""

from __future__ import annotations

from netspec.foundation.records import record
from netspec.importing.files.meaning.meant import Meant


@record
class Apart:
    """What was compared in place of a file, and how far the file's own outputs are from it.

    `error` is relative to the largest value; None where ONNX Runtime does not run the file, for `reason`.
    """

    compared: str
    error: float | None
    reason: str = ""

    def __str__(self) -> str:
        if self.error is None:
            return f"how far the file's own outputs are from that is not known: {self.reason}"
        return f"the file's own outputs are within {self.error:.1e} of that"


def in_words(meant: Meant) -> str:
    """What a model in single precision is of the file's, in words."""
    parts = [f"with its tensors widened from {meant.dtype}"] * (meant.dtype != "fp32")
    parts += ["without its roundings to eight bits"] * meant.rounded
    return " and ".join(parts)

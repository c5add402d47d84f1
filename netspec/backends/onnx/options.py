"""What can be asked of an ONNX file: every option of writing one, in one record."""

from __future__ import annotations

import re

from netspec.foundation.records import record


@record
class FileOptions:
    """How a net is written as an ONNX file.

    `optimize` folds layers into each other, by `netspec.passes.folding`; without, every step is
    written as it stands in the spec. `logits` leaves out final softmaxes, `heads` keeps the
    training-only heads as outputs. `target` is the name of the program that reads the file, of
    `targets.py`; `opset` is None for the lowest that serves it. `batch` fixes the leading dimension,
    which is symbolic otherwise. `taps` are paths of inner steps that become outputs too. `preprocess`
    makes inputs of the pixels of images, as the spec says how they are prepared.

    `dtype` is `fp32` or `fp16`, half precision; then `fp32` are globs of the paths of steps and blocks
    that stay in single precision beside those that must, and `io` is the precision of inputs and outputs.

    `blocks` makes the blocks of the spec functions of the file: those that these globs of paths or of
    names of blocks name, or with `()` all that are worth it; None leaves the file flat.
    """

    optimize: bool = True
    logits: bool = False
    heads: bool = False
    target: str | None = None
    opset: int | None = None
    batch: int | None = None
    taps: tuple[str, ...] = ()
    preprocess: bool = False
    dtype: str = "fp32"
    fp32: tuple[str, ...] = ()
    io: str = "fp32"
    blocks: tuple[str, ...] | None = None


def path_pattern(glob: str) -> str:
    """A regular expression for the paths that a glob names, and for those within the blocks it names."""
    parts = []
    for part in glob.split("."):
        if part == "**":
            parts.append(r"(?:[^.]+\.)*")
        else:
            some = "[^.]+" if part == "*" else "[^.]*".join(map(re.escape, part.split("*")))
            parts.append(rf"{some}(?:\.|\Z)")
    return "".join(parts)

"""What can be asked of an ONNX file: every option of writing one, in one record."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class FileOptions:
    """How a net is written as an ONNX file.

    `logits` leaves out final softmaxes, `heads` keeps the training-only heads as outputs. `opset` is
    None for the lowest that serves. `batch` fixes the leading dimension, which is symbolic otherwise.

    `dtype` is `fp32` or `fp16`, half precision; then `fp32` are globs of the paths of steps and blocks
    that stay in single precision beside those that must, and `io` is the precision of inputs and outputs.
    """

    logits: bool = False
    heads: bool = False
    opset: int | None = None
    batch: int | None = None
    dtype: str = "fp32"
    fp32: tuple[str, ...] = ()
    io: str = "fp32"

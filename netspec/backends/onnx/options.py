"""What can be asked of an ONNX file: every option of writing one, in one record."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class FileOptions:
    """How a net is written as an ONNX file.

    `logits` leaves out final softmaxes, `heads` keeps the training-only heads as outputs. `opset` is
    None for the lowest that serves. `batch` fixes the leading dimension, which is symbolic otherwise.
    `taps` are paths of inner steps that become outputs too. `preprocess` makes inputs of the pixels
    of images, as the spec says how they are prepared.
    """

    logits: bool = False
    heads: bool = False
    opset: int | None = None
    batch: int | None = None
    taps: tuple[str, ...] = ()
    preprocess: bool = False

"""Weights as they are written: in half precision where a file has them so, and no digit is lost."""

from __future__ import annotations

import numpy as np

from netspec.checkpoints.formats.safetensors import Numbers
from netspec.importing.files.program import Array


def numbers(array: Array, dtype: str) -> Numbers:
    """A weight for safetensors: in `dtype`, `fp16` or `bf16`, if it holds its numbers exactly, else fp32."""
    single = np.asarray(array, np.float32, order="C")
    if dtype == "fp16":
        with np.errstate(over="ignore"):
            half = single.astype(np.float16)
        if np.array_equal(half.astype(np.float32), single, equal_nan=True):
            return Numbers("F16", single.shape, lambda: (half,))
    if dtype == "bf16":
        bits = single.view(np.uint32)
        if not (bits & 0xFFFF).any():
            return Numbers("BF16", single.shape, lambda: ((bits >> 16).astype(np.uint16),))
    return Numbers("F32", single.shape, lambda: (single,))

"""What a training step takes, in the words below a table and as JSON values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netspec.analysis.quantities import as_bytes, grouped
from netspec.analysis.training.record import TrainingMemory

_KINDS = {"fp32": "float32", "bf16": "bfloat16 by autocast", "fp16": "float16 by autocast"}


def step(training: TrainingMemory) -> str:
    """Which training step it is: `of 32 samples in float32`."""
    samples = "one sample" if training.batch == 1 else f"{grouped(training.batch)} samples"
    where = " on CUDA" if training.device == "cuda" else ""
    return f"of {samples} in {_KINDS[training.dtype]}{where}"


def training_notes(training: TrainingMemory) -> Iterable[str]:
    """The lines below a summary's table."""
    yield f"kept: {as_bytes(training.activations)} is kept for backward, {step(training)}"
    parts = (
        (training.weights, "weights"),
        (training.buffers, "buffers"),
        (training.gradients, "gradients"),
        (training.optimizer_state, "state"),
        (training.inputs, "inputs"),
        (training.activations, "kept"),
    )
    told = ", ".join(f"{as_bytes(size)} {what}" for size, what in parts if size)
    yield f"training: {as_bytes(training.total)} by {training.optimizer}: {told}"
    yield (
        f"peak: {as_bytes(training.peak)} at {training.peak_at}, without the loss, the workspace of "
        "kernels, the optimiser's step and the allocator's rounding"
    )
    if training.room is not None:
        largest = grouped(training.largest_batch or 0)
        yield f"fits: {largest} samples are the most in {as_bytes(training.room)}"


def training_json(training: TrainingMemory) -> dict[str, Any]:
    """A training step's memory as JSON values."""
    fits = {"room_bytes": training.room, "largest_batch": training.largest_batch}
    return {
        "batch": training.batch,
        "dtype": training.dtype,
        "optimizer": training.optimizer,
        "device": training.device,
        "weights_bytes": training.weights,
        "buffers_bytes": training.buffers,
        "gradients_bytes": training.gradients,
        "optimizer_state_bytes": training.optimizer_state,
        "inputs_bytes": training.inputs,
        "kept_bytes": training.activations,
        "total_bytes": training.total,
        "peak_bytes": training.peak,
        "peak_at": training.peak_at,
        **(fits if training.room is not None else {}),
    }

"""What one training step of a batch takes: the record of it, and the words it is asked for by."""

from __future__ import annotations

from netspec.foundation.records import record

# Precisions: float32, and those that autocast computes in.
DTYPES = ("fp32", "bf16", "fp16")
DEVICES = ("cpu", "cuda")


@record
class Kept:
    """What a step is the first to keep for backward, in bytes."""

    path: str
    bytes: int


@record
class TrainingMemory:
    """The bytes that one training step of a batch takes.

    `weights` are trained and frozen ones, in float32; `buffers` running statistics and constants;
    `gradients` and `optimizer_state` those of trained weights; `inputs` the batch. `activations` is
    what autograd keeps for backward, each storage once, without weights, buffers and inputs: with
    autocast the copies of weights that it makes are in it. `total` is the sum of these, `peak` the most
    that is alive at once while a step goes forward and back, in the step `peak_at`: unlike the total
    with what is there for a moment, but without gradients that are not there yet. `kept` says which
    step keeps what. `largest_batch` is the most samples that fit `room` bytes, where that was asked.
    """

    batch: int
    dtype: str
    optimizer: str
    device: str
    weights: int
    buffers: int
    gradients: int
    optimizer_state: int
    inputs: int
    activations: int
    peak: int
    peak_at: str
    kept: tuple[Kept, ...]
    room: int | None = None
    largest_batch: int | None = None

    @property
    def total(self) -> int:
        """All of it."""
        return self.fixed + self.inputs + self.activations

    @property
    def fixed(self) -> int:
        """What does not grow with the batch: weights, buffers, gradients and the optimiser's state."""
        return self.weights + self.buffers + self.gradients + self.optimizer_state

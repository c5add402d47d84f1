"""What one training step of a batch takes, in bytes: what a net is trained by, told before it is."""

from __future__ import annotations

from functools import lru_cache

from netspec.analysis.training.backward import most_alive
from netspec.analysis.training.follow import Pass
from netspec.analysis.training.known import UnknownFunction
from netspec.analysis.training.optimizers import OPTIMIZERS
from netspec.analysis.training.tensors import BFLOAT16, FLOAT16
from netspec.diagnostics.messages.budget import OpenSizes, UnknownKept
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph

# The types that autocast computes in, by the name of the precision.
DTYPES = {"fp32": None, "bf16": BFLOAT16, "fp16": FLOAT16}
DEVICES = ("cpu", "cuda")
# torch counts the batches that a layer with running statistics has seen, in an int64.
_SEEN = 8


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


@lru_cache(maxsize=64)
def training_memory(
    graph: Graph,
    *,
    batch: int = 1,
    dtype: str = "fp32",
    optimizer: str = "adamw",
    device: str = "cpu",
) -> TrainingMemory:
    """The memory of a training step of so many samples.

    `dtype` is `fp32`, or `bf16` or `fp16` for mixed precision by `torch.autocast`; `optimizer` a key of
    `OPTIMIZERS`; `device` is `cpu` or `cuda`, which do not keep the same. Training-only heads are part
    of it, the loss is not.

    Raises NetspecError where sizes of the net are open, or where an operator computes by a function of
    torch's of which it is not known what it keeps; ValueError for a name or a batch that is none.
    """
    for what, value, choices in (
        ("dtype", dtype, DTYPES),
        ("optimizer", optimizer, OPTIMIZERS),
        ("device", device, DEVICES),
    ):
        if value not in choices:
            raise ValueError(f"{what} is one of {', '.join(choices)}, not {value!r}")
    if batch < 1:
        raise ValueError(f"a batch has at least one sample, not {batch}")
    if graph.symbols:
        raise NetspecError(OpenSizes(graph.name, ", ".join(graph.symbols)), status=2)
    try:
        found = Pass(graph, batch, device=device, low=DTYPES[dtype])
    except UnknownFunction as error:
        raise NetspecError(UnknownKept(graph.name, str(error.name)), status=2) from error
    tape, keeper = found.tape, OPTIMIZERS[optimizer]
    weights = trained = state = buffers = 0
    for path, own in found.weights.items():
        for name, tensor in own.items():
            if (path, name) in found.buffers:
                buffers += tensor.storage.bytes
                continue
            weights += tensor.storage.bytes
            if tensor.needs:
                trained += tensor.storage.bytes
                state += keeper.state(tensor.shape)
        buffers += _SEEN * ("running_mean" in own)
    kept: dict[str, int] = {}
    for storage, path in tape.kept.items():
        if not storage.own:
            kept[path] = kept.get(path, 0) + storage.bytes
    inputs = sum(tensor.storage.bytes for tensor in found.inputs)
    peak, at = max(tape.most, most_alive(tape, found.outputs), key=lambda most: most[0])
    return TrainingMemory(
        batch=batch,
        dtype=dtype,
        optimizer=optimizer,
        device=device,
        weights=weights,
        buffers=buffers,
        gradients=trained,
        optimizer_state=state,
        inputs=inputs,
        activations=sum(kept.values()),
        peak=weights + buffers + state + inputs + peak,
        peak_at=at,
        kept=tuple(Kept(path, size) for path, size in kept.items()),
    )


def largest_batch(graph: Graph, memory: int, **options: str) -> int:
    """The most samples whose training step takes at most so many bytes; 0 where not even one does.

    The larger of total and peak is what has to fit. `options` are those of `training_memory`.
    """

    def taken(batch: int) -> int:
        found = training_memory(graph, batch=batch, **options)
        return max(found.total, found.peak)

    if taken(1) > memory:
        return 0
    # What a batch takes grows with it, nearly as a line: the guess is as good as right.
    first, second = taken(2), taken(3)
    guess = max(1, 2 + (memory - first) // max(1, second - first))
    low, high, step = 1, guess, 1
    if taken(guess) <= memory:
        low, high = guess, guess + 1
        while taken(high) <= memory:
            low, step = high, 2 * step
            high = low + step
    else:
        while high - step > 1 and taken(high - step) > memory:
            high, step = high - step, 2 * step
        low = max(1, high - step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle) <= memory else (low, middle)
    return low

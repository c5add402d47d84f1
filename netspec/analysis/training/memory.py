"""What one training step of a batch takes, in bytes: what a net is trained by, told before it is."""

from __future__ import annotations

from functools import lru_cache

from netspec.analysis.training.backward import most_alive
from netspec.analysis.training.follow import Pass
from netspec.analysis.training.known import UnknownFunction
from netspec.analysis.training.optimizers import OPTIMIZERS
from netspec.analysis.training.record import DEVICES, DTYPES, Kept, TrainingMemory
from netspec.analysis.training.tensors import BFLOAT16, FLOAT16
from netspec.diagnostics.messages.budget import OpenSizes, TooManySteps, UnknownKept
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.graph.checked import Graph
from netspec.graph.loops import loops
from netspec.passes.unroll import unrolled

_LOW = {"fp32": None, "bf16": BFLOAT16, "fp16": FLOAT16}
# torch counts the batches that a layer with running statistics has seen, in an int64.
_SEEN = 8


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
    # Each step of a recurrence keeps what it makes.
    graph, origins = unrolled(graph)
    for loop in loops(graph):
        problem = TooManySteps(graph.name, str(loop.steps))
        raise NetspecError((Diagnostic(problem, loop.call.span),), status=2)
    try:
        found = Pass(graph, batch, device=device, low=_LOW[dtype])
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
            path = origins.get(path, path)
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
        peak_at=origins.get(at, at),
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

"""What torch keeps for backward of a module, counted; and contexts that a step may stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any
from warnings import catch_warnings, filterwarnings

import pytest
import torch
from support.differential import Varied, inputs_for, legal, snippet
from support.generated_steps import step_of

from netspec.analysis.training.follow import Pass
from netspec.analysis.training.tensors import BFLOAT16, FLOAT16
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.ops.declare.operator import Operator

LOW = {"fp32": None, "bf16": BFLOAT16, "fp16": FLOAT16}
# What stands around a step: nothing before it that a gradient flows into, something, and something that
# leaves channels side by side; and the step frozen.
CONTEXTS = (
    "{}",
    "affine; {}",
    "layernorm; {}",
    "freeze {{ {} }}",
    "affine; freeze {{ {} }}",
    "layernorm; freeze {{ {} }}",
    "layernorm; {}; relu",
    "affine; {}; affine; tanh",
)


LOWER = {"bf16": torch.bfloat16, "fp16": torch.float16}


def kept_by_torch(
    module: torch.nn.Module, tensors: Sequence[torch.Tensor], dtype: str = "fp32"
) -> tuple[Any, list[int]]:
    """What a module gives, and the bytes of each storage that autograd keeps of it for backward.

    Storages of parameters, buffers and inputs are there anyway and do not count.
    """
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers(), *tensors)}
    kept: dict[int, Any] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    low = LOWER.get(dtype)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=low, enabled=low is not None), catch_warnings():
        # It has a faster kernel that takes no mixed types.
        filterwarnings("ignore", "Mismatch dtype between input and weight", UserWarning)
        given = module(*tensors)
    return given, sorted(storage.nbytes() for storage in kept.values() if storage.nbytes())


def profiled_peak(module: torch.nn.Module, tensors: Sequence[torch.Tensor]) -> int:
    """The most bytes that torch holds at once of what it allocates on the way there and back."""
    module(*tensors)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        given = list(_every(module(*tensors)))
        torch.autograd.backward(given, [torch.ones_like(tensor) for tensor in given])
        del given
    assert profile.profiler is not None
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most


def _every(given: Any) -> Iterator[torch.Tensor]:
    """The tensors that a module gives and a gradient flows into, heads' too."""
    if isinstance(given, torch.Tensor):
        if given.requires_grad:
            yield given
    else:
        for part in given.values() if isinstance(given, dict) else given:
            yield from _every(part)


def said(graph: Graph, batch: int, dtype: str = "fp32") -> list[int]:
    """The bytes of each storage that is said to be kept."""
    followed = Pass(graph, batch, low=LOW[dtype])
    return sorted(s.bytes for s in followed.tape.kept if not s.own and s.bytes)


@cache
def has_kernel(dtype: str) -> bool:
    """Whether torch has an LSTM of a precision for this processor: one of bf16 needs AVX-512."""
    try:
        with torch.autocast("cpu", dtype=LOWER.get(dtype), enabled=dtype in LOWER):
            torch.nn.LSTM(2, 2)(torch.ones(1, 1, 2, requires_grad=True))
    except RuntimeError as refusal:
        assert "primitive descriptor" in str(refusal)
        return False
    return True


def measured(graph: Graph, batch: int, dtype: str = "fp32") -> list[int]:
    """The bytes of each storage that torch keeps of a graph's module.

    Skips the test where torch cannot run it in this precision on this processor.
    """
    module = to_module(graph, Varied()).train()
    if not has_kernel(dtype) and any(isinstance(m, torch.nn.LSTM) for m in module.modules()):
        pytest.skip(f"torch has no LSTM of {dtype} for this processor")
    tensors = [torch.from_numpy(array) for array in inputs_for(graph, batch, {})]
    return kept_by_torch(module, tensors, dtype)[1]


def sized(declared: str, step: str) -> Graph | None:
    """The graph of a step, its open sizes given; None where there are none to give."""
    graph = snippet(declared, step)
    if not graph.symbols:
        return graph
    for sizes in legal(graph)[:1]:
        for name, size in sizes.items():
            declared = re.sub(rf"(?<=x){name}(?=x|$|\s)", str(size), declared)
        return snippet(declared, step)
    return None


def steps_in_context(kind: type[Operator], count: int) -> Iterator[tuple[Graph, int]]:
    """Nets of one generated step in some context, each with a batch."""
    for number in range(60 * count):
        random = Random(f"{kind.spelling} kept {number}")
        declared, step = step_of(kind, random)
        plain = "\n" in declared or "@input" in step
        context = "{}" if plain else random.choice(CONTEXTS)
        try:
            graph = sized(declared, context.format(step))
        except NetspecError:
            continue
        if graph is not None:
            count -= 1
            yield graph, random.choice((2, 3))
        if not count:
            return

"""Every operator of the registry: the shape we infer, PyTorch and ONNX Runtime say the same."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from differential import (
    OPERATORS,
    STRATEGIES,
    Net,
    assert_agree,
    inputs_for,
    legal,
    nodes_of,
    onnx_model,
    snippet,
    steps,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.backends.torch import to_module
from netspec.diagnostics import NetspecError
from netspec.ops import REGISTRY, Operator
from netspec.shapes import substitute
from netspec.weights import Seeded

EXAMPLES = [
    pytest.param(kind, declared, step, id=f"{declared.split()[0]} {step}")
    for kind in OPERATORS
    for declared, step in kind.examples
]
every_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
every_example = pytest.mark.parametrize(("kind", "declared", "step"), EXAMPLES)


def assert_runs_alike(declared: str, step: str) -> None:
    """At batch 1 and 3, and at the sizes a symbol may take."""
    graph = snippet(declared, step)
    net = Net(graph)
    for batch, sizes in zip((1, 3), legal(graph) * 2, strict=False):
        ran = net.run(inputs_for(graph, batch, sizes))
        for output, exact, deployed in zip(graph.outputs, ran.exact, ran.onnx, strict=True):
            tensor = output.value.type
            leading = batch if tensor.batch == "N" else graph.nominal_sizes[tensor.batch]
            inferred = (leading, *(substitute(dim, sizes) for dim in tensor.shape))
            assert inferred == exact.shape == deployed.shape
        assert_agree(ran)


@every_example
def test_an_example_runs_alike_in_pytorch_and_onnx_runtime(kind, declared, step):
    assert nodes_of(snippet(declared, step), kind)
    assert_runs_alike(declared, step)


accepted: Counter[str] = Counter()


@every_operator
def test_what_is_accepted_with_other_parameters_runs_alike(kind):
    accepted[kind.spelling] = 0

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps(kind))
    def loop(sampled):
        declared, step = sampled
        try:
            snippet(declared, step)
        except NetspecError:
            return
        assert_runs_alike(declared, step)
        accepted[kind.spelling] += 1

    loop()
    assert accepted[kind.spelling] >= 3, "hardly anything was accepted"


@every_example
def test_an_example_with_free_sizes_is_refused_or_runs_alike(kind, declared, step):
    free = declared.split("x")
    names = {1: [], 2: ["T"], 3: ["H", "W"], 4: ["D", "H", "W"]}.get(len(free))
    if names is None or not declared.replace("x", "").isdigit():
        pytest.skip("its sizes are stated in another way")
    declared = "x".join([free[0], *names])
    try:
        snippet(declared, step)
    except NetspecError:
        return
    assert_runs_alike(declared, step)

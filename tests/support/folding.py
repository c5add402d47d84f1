"""A folded net beside the net as it is written, both in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.onnx.compile import prepared
from netspec.backends.torch.modules import to_module
from netspec.graph.checked import Graph
from netspec.passes.folding.draft import Folded
from netspec.passes.folding.fold import fold
from netspec.verify.numbers import outputs
from netspec.verify.samples import sample_runs
from netspec.verify.weights import Varied
from netspec.weights.derived import Derived
from netspec.weights.sources import Given, WeightSource, named_weights


def hostile(graph: Graph, seed: int = 0) -> Given:
    """Weights that vary, with scales below zero and at it, and variances down to nothing."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, weight in named_weights(graph).items():
        values = np.concatenate(list(Varied(seed).pieces(name, weight))).reshape(weight.shape)
        if name.endswith("running_var"):
            values = np.where(random.random(values.shape) < 0.3, 1e-7, values).astype(np.float32)
            values.flat[0] = 0.0
        elif name.endswith("running_mean"):
            values = values * np.float32(0.01)  # what is divided by nothing stays small
        elif values.ndim == 1 and not weight.known:
            values = np.where(random.random(values.shape) < 0.4, -values, values)
            values.flat[-1] = 0.0
        tensors[name] = values
    return Given(tensors)


def difference(written: Graph, folded: Folded, source: WeightSource, seed: int = 0) -> float:
    """How far the outputs of a folded net are off, relative to each one's largest value."""
    one = to_module(written, source).eval().double()
    other = to_module(folded.graph, Derived(source, folded.recipes)).eval().double()
    worst = 0.0
    for run in sample_runs(written, seed):
        inputs = {n: a.astype(float) if a.dtype.kind == "f" else a for n, a in run.inputs.items()}
        expected = outputs(one, written, inputs)
        found = outputs(other, folded.graph, inputs)
        assert expected.keys() == found.keys()
        for name, values in expected.items():
            assert values.shape == found[name].shape
            assert np.isfinite(values).all()
            scale = float(np.abs(values).max()) or 1.0
            worst = max(worst, float(np.abs(values - found[name]).max()) / scale)
    return worst


def folded(graph: Graph, *, heads: bool = False) -> tuple[Graph, Folded]:
    """A graph as it is deployed, and that folded."""
    written = prepared(graph, logits=True, heads=heads)
    return written, fold(written)


def steps(graph: Graph) -> list[str]:
    """The paths of a graph's steps, inputs left out."""
    return [node.path for node in graph.nodes if node.inputs]


def tensors_of(found: Folded, source: WeightSource) -> dict[str, Any]:
    """Every tensor of a folded net."""
    derived = Derived(source, found.recipes)
    return {
        name: np.concatenate(list(derived.pieces(name, weight))).reshape(weight.shape)
        for name, weight in named_weights(found.graph).items()
    }

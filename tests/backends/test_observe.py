"""Every value of a net, as ONNX Runtime computes it."""

from __future__ import annotations

import numpy as np

from netspec.backends.observe import watched
from netspec.backends.onnx.compile import prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.verify.samples import sample_inputs
from netspec.weights.sources import Seeded

SPEC = "input 3x8x8; conv3-4(pad=same, act=relu); dropout(0.5); maxpool2; gap; fc-5; softmax"


def test_each_value_is_what_pytorch_computes():
    import torch

    graph = prepared(build(Source("t.ns", SPEC)))
    samples = [sample_inputs(graph, batch=2, seed=seed) for seed in range(2)]
    model = lower(graph)
    found = list(watched(model, Seeded(3), iter(samples), list(model.values.values())))
    assert len(found) == 2
    module = to_module(graph, Seeded(3)).eval()
    for sample, values in zip(samples, found, strict=True):
        tensor = torch.from_numpy(sample["input"])
        for node in graph.nodes[1:]:
            tensor = module.get_submodule(node.path)(tensor)
            assert np.allclose(
                values[model.values[node.output]], tensor.detach().numpy(), atol=1e-5
            )
        assert np.array_equal(values["input"], sample["input"])

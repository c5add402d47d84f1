"""Nets of one to three units a layer are proven, and what cannot be proven is said not to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from support.narrow import TEMPLATES

from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.verify import verify
from netspec.verify.numbers import error, outputs
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import fitted

Built = Callable[..., Graph]

# A softmax over one class is 1, and one number minus its mean is 0, whatever comes in.
VACUOUS = {("softmax in the middle", 1): ("fc1",), ("layer norm", 1): ("fc1",)}


def matters(graph: Graph, layer: str) -> bool:
    """Whether any of many other weights of the layer change the outputs on any of many inputs."""
    module = to_module(graph, fitted(graph)).eval()
    weight = module.get_submodule(layer).weight
    sound = weight.detach().clone()
    random = torch.Generator().manual_seed(1)
    for seed in range(20):
        inputs = sample_inputs(graph, batch=4, seed=seed)
        before = outputs(module, graph, inputs)
        for size in (0.1, 1.0, 10.0):
            with torch.no_grad():
                weight.copy_(sound + size * torch.randn(sound.shape, generator=random))
            after = outputs(module, graph, inputs)
            with torch.no_grad():
                weight.copy_(sound)
            if any(error(after[name], values) > 1e-6 for name, values in before.items()):
                return True
    return False


def assert_proven(net: Built, name: str, width: int, seed: int) -> None:
    report = verify(net(TEMPLATES[name].format(w=width)), seed=seed)
    assert report.agrees, report.text()
    assert report.vacuous == VACUOUS.get((name, width), ()), report.text()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_layer_of_one_unit_is_proven(name: str, net: Built) -> None:
    assert_proven(net, name, width=1, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("name", TEMPLATES)
def test_narrow_layers_are_proven_whatever_the_seed(name: str, width: int, net: Built) -> None:
    for seed in range(8):
        assert_proven(net, name, width, seed)


@pytest.mark.parametrize(("name", "width"), VACUOUS)
def test_what_is_not_proven_cannot_be(name: str, width: int, net: Built) -> None:
    graph = net(TEMPLATES[name].format(w=width))
    for layer in VACUOUS[name, width]:
        assert not matters(graph, layer)
        assert matters(net(TEMPLATES[name].format(w=width + 1)), layer)


def test_a_layer_that_reaches_no_output_is_not_proven(net: Built) -> None:
    report = verify(net("input 5\nfc-3; scaled(0); fc-2"))
    assert report.agrees
    assert "fc1" in report.vacuous
    with pytest.raises(NetspecError, match="NS611"):
        report.require()


def test_every_layer_is_asked_however_many_there_are(net: Built) -> None:
    lines = "fc-4(act=tanh)\n" * 9
    graph = net(f"input 4\n{lines}add {{ | fc-4 | fc-4; scaled(0) }}\n{lines}")
    assert verify(graph).vacuous == ("fc11",)

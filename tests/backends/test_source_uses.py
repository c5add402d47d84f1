"""PyTorch source as whoever has the file uses it: trained, copied, moved, compiled and exported."""

from __future__ import annotations

import copy
import pickle
import sys
import types
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

import netspec
from netspec.backends.torch.modules import to_module
from netspec.weights.sources import Seeded

NETS = {
    "convolutions": """
    input 3x16x16
    block unit(n, s=1) { residual { conv3-n/s(pad=1, norm=bn, act=relu); conv3-n(pad=1, norm=bn) }; relu }
    conv3-8(pad=same); unit(8) x2; unit(16, s=2)
    { | identity | conv1-16 }; mean(drop_path=0.4)
    droppath(0.2); dropout(0.3); gap; fc-5; softmax
    """,
    "attention": """
    input 3x32x32
    conv4-16/4; relu
    residual { layernorm; windows(4, shift=2) { attention(2, scores=relative(2)) } }
    sequence; position(init=sinusoids); residual { layernorm; mlp(32) }
    gap; fc-5
    """,
}

Made = tuple[nn.Module, nn.Module, torch.Tensor]


@pytest.fixture(params=NETS)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """The net of a file that can be imported, that of `to_torch` with the same weights, and samples."""
    net = netspec.load(NETS[request.param])
    module = types.ModuleType("made_net")
    sys.modules["made_net"] = module
    exec(compile(net.to_source(), "made_net.py", "exec"), module.__dict__)
    found = [v for v in vars(module).values() if getattr(v, "__module__", "") == "made_net"][-1]()
    theirs = to_module(net.graph, Seeded(3))
    found.load_state_dict(theirs.state_dict())
    size = net.graph.inputs[0].types[0].shape
    yield found, theirs, torch.randn(2, *map(int, size), generator=torch.manual_seed(1))
    del sys.modules["made_net"]


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_it_trains_as_that_of_to_torch_does(made: Made) -> None:
    *nets, x = made
    before = copy.deepcopy(nets[0].state_dict())
    states = []
    for net in nets:
        torch.manual_seed(0)
        steps = torch.optim.SGD(net.train().parameters(), lr=0.1)
        for _ in range(3):
            steps.zero_grad()
            net(x).square().sum().backward()
            steps.step()
        states.append(net.state_dict())
    trained = [name for name, _ in nets[0].named_parameters()]
    assert sum(not torch.equal(states[0][name], before[name]) for name in trained) > 8
    for name, tensor in states[1].items():
        assert_same(states[0][name], tensor)


def through_pickle(net: nn.Module) -> nn.Module:
    found = pickle.loads(pickle.dumps(net))
    assert isinstance(found, nn.Module)
    return found


@pytest.mark.parametrize("way", [copy.deepcopy, through_pickle])
def test_a_copy_answers_the_same(made: Made, way: Callable[[nn.Module], nn.Module]) -> None:
    net, _, x = made
    found = way(net.eval())
    assert found is not net
    assert_same(found(x), net(x))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_it_computes_in_other_types_as_that_of_to_torch_does(made: Made, kind: torch.dtype) -> None:
    net, theirs, x = made
    found = net.eval().to(kind)(x.to(kind))
    assert found.dtype == kind
    assert_same(found, theirs.eval().to(kind)(x.to(kind)))


def test_all_of_it_moves_to_another_device(made: Made) -> None:
    net, _, x = made
    for mode in (False, True):
        assert net.train(mode).to("meta")(x.to("meta")).device.type == "meta"


@pytest.mark.slow
def test_it_compiles_as_one_graph(made: Made) -> None:
    net, _, x = made
    whole = torch.compile(net.eval(), backend="eager", fullgraph=True)
    assert_same(whole(x), net(x))


def test_it_exports_with_an_open_batch(made: Made) -> None:
    net, _, x = made
    batch = torch.export.Dim("batch", min=1, max=64)
    found = torch.export.export(net.eval(), (x,), dynamic_shapes=({0: batch},)).module()
    many = torch.cat([x, x, x])
    torch.testing.assert_close(found(many), net(many))

"""What reads a module's code takes ours as one written by hand: torch.compile, torch.fx, exporters."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from support.differential import OPERATORS, PAIR, Varied, inputs_for, legal, snippet
from support.shelves import shelved, shipped
from torch import fx
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

import netspec
from netspec.backends.torch.modules import to_module
from netspec.backends.torch.names import argument_names
from netspec.backends.torch.net import TrainingOutputs
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.ops.vectors.recurrent import GRU, LSTM, RNN

# A head, dropout, stochastic depth, joins in blocks that share their columns, a shared layer.
RANDOM = """
net random
input 3x8x8
default conv(pad=same)
block join { mean(drop_path=0.4) }
block two { { | conv1-4 | conv3-4; conv3-4 }; join }
conv3-4(norm=bn)
conv3-4 as first
dropout
head aux(loss=0.3) { gap; fc-5 }
{ | conv1-4 | two; two }; join
add { | identity | conv3-4(weights=@first); droppath(0.5) }
gap; fc-5
"""


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def tensors_for(graph: Graph) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in inputs_for(graph, 2, legal(graph)[-1])]


def assert_same(found: Any, expected: Any) -> None:
    assert pytree.tree_structure(found) == pytree.tree_structure(expected)
    for one, other in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


def assert_traced_alike(graph: Graph, compiled: tuple[bool, ...] = (True, False)) -> None:
    """By fx and compiled, training and not: the same outputs from the same draws."""
    inputs = tensors_for(graph)
    # torch.compile refuses recurrent layers, torch's own too.
    if any(isinstance(node.op, LSTM | GRU | RNN) for node in graph.nodes):
        compiled = ()
    for training in (True, False):
        # A copy each, for statistics move on in training.
        plain, by_name, whole = (to_module(graph, Varied()).train(training) for _ in range(3))
        traced: list[Any] = [fx.symbolic_trace(by_name)]
        if training in compiled:
            traced.append(torch.compile(whole, backend="eager", fullgraph=True))
        with torch.no_grad():
            torch.manual_seed(1)
            expected = plain(*inputs)
            for module in traced:
                torch.manual_seed(1)
                assert_same(module(*inputs), expected)


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_every_operator_is_traced_whole(kind):
    declared, step = kind.examples[-1]
    # One compilation an operator: what differs in evaluation calls `compute` as most do in both.
    assert_traced_alike(snippet(declared, step), compiled=(True,))


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_every_example_is_traced_by_fx(kind):
    for declared, step in kind.examples[:-1]:
        assert_traced_alike(snippet(declared, step), compiled=())


@pytest.mark.parametrize("text", [PAIR, RANDOM], ids=["pair", "random"])
def test_nets_with_all_that_acts_in_training_are_traced_whole(text):
    assert_traced_alike(netspec.load(text).graph)


@pytest.mark.parametrize(
    "step",
    [
        "conv3-4(pad=((0, 1), (1, 0)))",
        "deconv4-3/2(pad=((0, 1), (1, 0)))",
        "maxpool3/2(pad=((0, 1), (1, 1)), ceil=yes) as p; unpool(@p)",
        "relu as x; maxpool3/2; { | identity | upsample(@x); maxpool3/2 }; add",
        "split(2); add",
        "{ | conv1-4 as a | conv3-4/2(pad=1) }; concat { | gap | gap }",
    ],
)
def test_windows_bundles_and_symbolic_sizes_are_traced_whole(step):
    try:
        graph = snippet("2xHxW", step)
    except NetspecError:
        graph = snippet("2x11x11", step)
    assert_traced_alike(graph)


def smallest(name: str) -> Graph:
    """A shipped net at the smallest of a few sizes that it takes, or at its own."""
    for size in (64, 97, 128, 192, 380):
        try:
            return netspec.load(name, input=f"3x{size}x{size}").graph
        except NetspecError:
            continue
    return shipped(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", shelved())
def test_every_shipped_net_is_traced_whole(name):
    assert_traced_alike(smallest(name))


def test_a_compiled_net_trains():
    model = netspec.load(RANDOM).to_torch()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    optimizer = torch.optim.SGD(compiled.parameters(), lr=0.05)
    torch.manual_seed(0)
    images, classes = torch.randn(16, 3, 8, 8), torch.arange(16) % 5
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        outputs = compiled(input=images)
        assert isinstance(outputs, TrainingOutputs)
        loss = torch.nn.functional.cross_entropy(outputs.main, classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])
    assert_same(copy.deepcopy(compiled).eval()(images), model.eval()(images))


def test_a_recurrent_net_compiles_where_torch_is_told_to_allow_it():
    graph = snippet("3x7", "lstm-4(bidirectional=yes, layers=2); gru-3(last=yes)")
    model = to_module(graph, Varied())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    (sequence,) = tensors_for(graph)
    with torch._dynamo.config.patch(allow_rnn=True):
        assert_same(compiled(sequence), model(sequence))


def test_a_graph_traced_in_training_follows_the_mode_of_its_layers():
    model = netspec.load("mean(drop_path=0.5) { | identity | scaled(3) }; relu", input="2x3")
    traced = fx.symbolic_trace(model.to_torch())
    ones = torch.ones(50, 2, 3)
    assert traced(ones).unique().tolist() == [1, 2, 3]
    assert torch.equal(traced.eval()(ones), 2 * ones)


# --- calls


def test_a_net_takes_its_inputs_in_order_or_by_name():
    model = netspec.load(PAIR).to_torch().eval()
    left, right = torch.randn(1, 3, 8, 8), torch.randn(1, 2, 8, 8)
    assert str(inspect.signature(model.forward)) == "(left, right)"
    assert_same(model(right=right, left=left), model(left, right))
    assert_same(model(left, right=right), model(left, right))


@pytest.mark.parametrize(
    ("positional", "named", "told"),
    [
        (3, (), "takes 3 positional arguments but 4 were given"),
        (1, (), "missing 1 required positional argument: 'right'"),
        (1, ("left",), "multiple values for argument 'left'"),
        (2, ("center",), "unexpected keyword argument 'center'"),
    ],
)
def test_a_wrong_call_is_answered_with_the_names(positional, named, told):
    model = netspec.load(PAIR).to_torch()
    given = [torch.zeros(1, 3, 8, 8)] * positional
    with pytest.raises(TypeError) as caught:
        model(*given, **dict.fromkeys(named, given[0]))
    assert "pair(left, right).forward()" in str(caught.value)
    assert told in str(caught.value)


def test_names_that_python_reserves_have_an_underscore_after_them():
    model = netspec.load("net n\ninput lambda: 3\ninput self: 3\n@lambda; add(@self)").to_torch()
    assert str(inspect.signature(model.forward)) == "(lambda_, self_)"
    assert model(lambda_=torch.ones(1, 3), self_=torch.ones(1, 3)).tolist() == [[2, 2, 2]]
    assert argument_names(["in", "in_", "in__"]) == ("in___", "in_", "in__")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_traces_and_exports_sees_the_names():
    model = netspec.load(PAIR).to_torch().eval()
    inputs = {"left": torch.randn(2, 3, 8, 8), "right": torch.randn(2, 2, 8, 8)}
    expected = model(**inputs)
    traced = fx.symbolic_trace(model)
    assert list(inspect.signature(traced.forward).parameters) == ["left", "right"]
    exported = torch.export.export(model, (), inputs)
    assert list(exported.graph_signature.user_inputs) == ["left", "right"]
    assert_same(exported.module()(**inputs), expected)
    scripted = torch.jit.trace(model, example_kwarg_inputs=inputs)
    assert_same(scripted(**inputs), expected)


def test_copies_and_pickles_keep_the_names_and_the_class():
    model = netspec.load(PAIR).to_torch()
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(again) is type(model)
        assert str(inspect.signature(again.forward)) == "(left, right)"


def test_a_symbolic_size_stays_free_when_exported():
    graph = snippet("3xHxW", "conv3-4(pad=same, norm=bn); maxpool2; avgpool2; gap; fc-3")
    model = to_module(graph, Varied()).eval()
    free = {2: torch.export.Dim("H", min=8, max=64), 3: torch.export.Dim("W", min=8, max=64)}
    exported = torch.export.export(model, (torch.randn(2, 3, 16, 16),), dynamic_shapes=[free])
    other = torch.randn(2, 3, 24, 12)
    assert_same(exported.module()(other), model(other))


# --- what else takes modules


def test_a_part_that_is_computed_twice_finds_the_same_draws():
    text = "block part { dropout; mean(drop_path=0.5) { | conv1-4 | conv3-4(pad=same) } }\n"
    model = netspec.load(f"input 3x8x8\n{text}part as p; gap").to_torch()
    images = torch.randn(6, 3, 8, 8)
    found = []
    for again in (False, True):
        model.zero_grad()
        torch.manual_seed(3)
        part = model.p
        outputs = checkpoint(part, images, use_reentrant=False) if again else part(images)
        outputs.square().sum().backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    assert_same(found[0], found[1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_run_in_both_modes(dtype):
    model = netspec.load(RANDOM).to_torch().to(dtype)
    images = torch.randn(2, 3, 8, 8, dtype=dtype)
    assert model(images).heads["aux"].dtype == model.eval()(images).dtype == dtype


def test_functional_calls_and_maps_over_the_batch_give_the_same():
    model = netspec.load(RANDOM).to_torch().eval()
    images = torch.randn(4, 3, 8, 8)
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    expected = model(images)
    assert_same(torch.func.functional_call(model, state, (images,)), expected)
    each = torch.func.vmap(lambda image: model(image.unsqueeze(0)).squeeze(0))(images)
    torch.testing.assert_close(each, expected)
    channels_last = model.to(memory_format=torch.channels_last)
    assert_same(channels_last(images.to(memory_format=torch.channels_last)), expected)

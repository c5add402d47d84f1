"""What is done to a module block by block when it is trained: sharding it, computing it anew."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.optim.swa_utils import AveragedModel
from torch.utils import _pytree

import netspec
from netspec.backends.torch.net import NetModule
from netspec.diagnostics.raised import NetspecError

NET = """
net blocks
input 4x12x12
default conv(pad=same)
block inner { conv3-4(norm=bn, act=relu); dropout(0.2) }
block outer { conv3-4; inner x2; residual { conv3-4; droppath(0.5) } }
block bare { inner }
block tied { conv3-4 as a; conv3-4(weights=@a); bn as b; bn(weights=@b) }
block lender { conv3-4 as lent; conv3-4 }
block borrower of x, y { { | @x | @y }; add }
conv3-4 as stem
head aux(loss=0.3) { inner; gap; fc-3 }
outer x2; bare; tied
lender as lender; conv3-4(weights=@lender.lent)
mean(drop_path=0.5) { | conv3-4 | inner }
freeze { inner as still }
gap; fc-3
"""
SWIN = """
net swin
block layer {
  residual { layernorm; windows(4, shift=2) { attention(2, scores=relative(2)) }; droppath(0.3) }
}
input 8x8x8; layer x2; gap; fc-3
"""
LEVELS = """
block level(n, deep) {
  { | identity | maxpool2; if deep > 0 { level(n, deep-1) } else { conv3-n(pad=same) }; upsample(2) }
  concat; conv3-n(pad=same, act=relu)
}
input 4x32x32; level(8, 2); gap; fc-3
"""
LSTM = "net lstm; block cell { lstm-6(state=yes) }; input 5x7; cell; { | gap | identity | identity }; concat"
# Specs, their sizes, and blocks to compute anew.
NETS = [
    pytest.param(NET, (), "*", id="blocks"),
    pytest.param("resnet18", "3x64x64", "basic", id="resnet18"),
    pytest.param("googlenet", (), "inception", id="googlenet"),
    pytest.param("mobilenet_v2", "3x64x64", "stage*.*", id="mobilenet_v2"),
    pytest.param(LEVELS, (), "level", id="levels"),
    pytest.param(SWIN, (), "layer", id="swin"),
    pytest.param(LSTM, (), "cell", id="lstm"),
]
every_net = pytest.mark.parametrize(("spec", "size", "blocks"), NETS)


def loaded(spec: str = NET, size: Any = ()) -> NetModule:
    return netspec.load(spec, input=size).to_torch(logits=True)


def image(model: nn.Module, spec: str, size: Any) -> torch.Tensor:
    (node,) = netspec.load(spec, input=size).graph.inputs
    return torch.randn(3, *node.types[0].shape, generator=torch.Generator().manual_seed(0))


def trained(model: nn.Module, x: torch.Tensor) -> tuple[dict[str, torch.Tensor], int]:
    """Loss, gradients and buffers after a step, by name; and how many numbers backward has kept."""
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    torch.manual_seed(7)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = _pytree.tree_leaves(model(x))
    loss = sum(output.square().mean() for output in outputs)
    loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    found |= {name: buffer.clone() for name, buffer in model.named_buffers()}
    return {name.replace("_orig_mod.", ""): t for name, t in found.items()} | {"loss": loss}, kept


def names(module: nn.Module, blocks: list[Any]) -> list[str]:
    paths = {inner: path for path, inner in module.named_modules()}
    return [paths[block] for block in blocks]


def test_units_have_weights_of_their_own_and_those_inside_come_first():
    model = loaded()
    found = names(model, netspec.sharding_units(model))
    assert sorted(found) == sorted(
        ["aux", "aux.inner1", "bare1.inner1", "inner1", "still", "tied1"]
        + [f"outer{i}{inside}" for i in (1, 2) for inside in ("", ".inner1", ".inner2")]
    )
    for inner in found:
        for around in found:
            if inner.startswith(f"{around}."):
                assert found.index(inner) < found.index(around)


def test_what_shares_its_weights_with_a_step_outside_is_no_unit():
    model = loaded()
    assert "lender" not in names(model, netspec.sharding_units(model, "*"))
    assert "tied1" in names(model, netspec.sharding_units(model, "*"))


def test_blocks_are_named_by_what_they_are_or_by_their_paths():
    model = loaded()
    assert names(model, netspec.sharding_units(model, "outer", "tied")) == [
        *("tied1", "outer2", "outer1")
    ]
    assert names(model, netspec.recompute_blocks(model, "outer?.inner2", "t*")) == [
        *("outer1.inner2", "outer2.inner2", "tied1")
    ]


@pytest.mark.parametrize(
    ("glob", "advice"),
    [
        ("iner", "did you mean `inner`"),
        ("outer3", "did you mean `outer` or `outer2` or `outer1`?"),
        ("bottleneck", "the net has `aux`"),
        ("stem", "the net has"),
    ],
)
def test_a_block_that_is_not_there_is_refused(glob, advice):
    for act in (netspec.sharding_units, netspec.recompute_blocks):
        with pytest.raises(NetspecError, match="NS645") as caught:
            act(loaded(), "inner", glob)
        assert f"no block is called `{glob}`" in str(caught.value)
        assert advice in str(caught.value)
    with pytest.raises(NetspecError, match="it has none"):
        netspec.sharding_units(loaded("input 3; fc-2"), "inner")


@every_net
def test_blocks_that_are_computed_anew_learn_the_same_and_keep_less(spec, size, blocks):
    model = loaded(spec, size)
    again, off = copy.deepcopy(model), copy.deepcopy(model)
    assert netspec.recompute_blocks(again, blocks)
    netspec.recompute_blocks(off, blocks)
    assert netspec.recompute_blocks(off) == []
    x = image(model, spec, size)
    expected, kept = trained(model, x)
    found, less = trained(again, x)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert less < 0.75 * kept
    assert trained(off, x)[1] == kept


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "blocks"), [(NET, "inner"), (SWIN, "layer")])
def test_compiled_they_learn_the_same_too(spec, blocks):
    model = loaded(spec)
    again = copy.deepcopy(model)
    netspec.recompute_blocks(again, blocks)
    x = image(model, spec, ())
    expected, kept = trained(model, x)
    found, less = trained(torch.compile(again, backend="aot_eager", fullgraph=True), x)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, msg=name)
    assert less < kept


def test_a_copy_and_a_pickle_are_computed_anew_with_weights_of_their_own():
    model = loaded()
    netspec.recompute_blocks(model, "*")
    x = image(model, NET, ())
    expected, kept = trained(copy.deepcopy(model), x)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        found, less = trained(copied, x)
        assert less == kept
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(p.grad is None for p in model.parameters())


def test_evaluation_and_tracing_know_nothing_of_it():
    model = loaded().eval()
    x = image(model, NET, ())
    expected = model(x)
    netspec.recompute_blocks(model, "*")
    assert torch.equal(model(x), expected)
    model.train()
    traced = torch.fx.symbolic_trace(model)
    assert torch.equal(traced.eval()(x).main, expected)


def test_an_average_of_the_weights_holds_still_what_is_frozen():
    model = loaded()
    average = AveragedModel(model, avg_fn=lambda old, new, count: 0.5 * old + 0.5 * new)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    optimizer = torch.optim.SGD(netspec.param_groups(model, lr=0.1))
    average.update_parameters(model)
    trained(model, image(model, NET, ()))
    optimizer.step()
    average.update_parameters(model)
    for name, p in average.module.named_parameters():
        now = model.get_parameter(name)
        torch.testing.assert_close(p, 0.5 * before[name] + 0.5 * now, msg=name)
    average.train()(image(model, NET, ()))
    for name, buffer in average.module.still.named_buffers():
        assert torch.equal(buffer, before[f"still.{name}"]), name


def test_a_step_may_be_called_as_anything_that_a_module_has_not():
    model = loaded()
    own = {name for name in {*dir(model), *vars(model)} if not name.startswith("_")}
    assert own - {*dir(nn.Module()), *dict(model.named_children())} == {
        *("input_names", "output_names", "loss_weights", "total_loss")
    }
    words = ["steps", "inputs", "outputs", "draws", "still", "run", "answer", "heads", "kind"]
    text = "input 4; " + "; ".join(f"fc-4 as {word}" for word in words)
    state = get_model_state_dict(loaded(text))
    assert set(state) == {f"{word}.{name}" for word in words for name in ("weight", "bias")}


def test_shares_of_tensors_are_refused_and_gathered_ones_taken(tmp_path):
    net = netspec.load(NET)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = net.to_torch()
        for unit in [*netspec.sharding_units(model), model]:
            fully_shard(unit)
        with pytest.raises(TypeError, match="this process's share of a tensor: gather whole ones"):
            net.to_onnx(tmp_path / "net.onnx", weights=model)
        whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    finally:
        dist.destroy_process_group()
    net.to_onnx(tmp_path / "net.onnx", weights=whole)
    expected = net.to_torch().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in whole.items())


def test_inner_tensors_of_other_layouts_and_precisions_are_learnt_from():
    model = loaded()
    for inner in model.modules():
        if isinstance(inner, nn.Dropout):
            inner.p = 0.0  # masks are drawn in the order of memory
    x = image(model, NET, ())
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    expected, _ = trained(model, x)
    found, _ = trained(last, x.to(memory_format=torch.channels_last))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=1e-4, msg=name)

"""The PyTorch module: the spec's blocks as submodules, trainable, and equal to the ONNX file."""

from __future__ import annotations

import copy
import io
import os
import pickle

import numpy as np
import onnx
import pytest
import torch
import torch.distributed as dist
from support.differential import PAIR
from torch.nn.parallel import DistributedDataParallel

import netspec
from netspec.backends.runtime import Session
from netspec.backends.torch.net import TrainingOutputs
from netspec.diagnostics.raised import NetspecError

GOOGLENET_LIKE = """
net tiny
input 3x16x16
default conv(pad=same, act=relu)
block unit(n) { concat { | conv1-n | conv3-n } }
conv3-8
head aux(loss=0.3) { gap; fc-5 }
unit(4) x2
gap; fc-5; softmax
"""


@pytest.fixture
def tiny():
    return netspec.load(GOOGLENET_LIKE)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def test_submodules_are_the_blocks_of_the_spec():
    model = netspec.load("resnet50").to_torch()
    assert isinstance(model.stage2.bottleneck1.conv2, torch.nn.Conv2d)
    assert "(bottleneck1): Bottleneck(" in str(model)
    assert "stage1.bottleneck1.bn1.running_mean" in model.state_dict()


def test_a_block_can_be_called_by_itself():
    model = netspec.load("resnet50").to_torch().eval()
    assert model.stage1(noise(1, 64, 14, 14)).shape == (1, 256, 14, 14)


def test_in_training_the_heads_answer_too_and_in_evaluation_the_main_output_only(tiny):
    model = tiny.to_torch()
    outputs = model(noise(2, 3, 16, 16))
    assert isinstance(outputs, TrainingOutputs)
    assert outputs.main.shape == outputs.heads["aux"].shape == (2, 5)
    assert model.loss_weights == {"aux": 0.3}
    assert isinstance(model.eval()(noise(2, 3, 16, 16)), torch.Tensor)


def test_the_heads_losses_reach_the_weights_they_should(tiny):
    model = tiny.to_torch(logits=True)
    outputs = model(noise(2, 3, 16, 16))
    loss = outputs.main.sum()
    for name, value in outputs.heads.items():
        loss = loss + model.loss_weights[name] * value.sum()
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_whole_loss_weighs_each_head_as_the_spec_does():
    net = netspec.load(
        "input 3x8x8; conv3-4 as a; head x(loss=0.3) { gap; fc-5 }; head y { gap; fc-5 }; gap; fc-5"
    )
    model, (images, classes) = net.to_torch(), (noise(4, 3, 8, 8), torch.tensor([0, 1, 2, 4]))
    outputs, loss = model(images), torch.nn.functional.cross_entropy
    parts = [loss(o, classes) for o in (outputs.main, outputs.heads["x"], outputs.heads["y"])]
    assert model.loss_weights == {"x": 0.3, "y": 1}
    assert torch.equal(
        model.total_loss(loss, outputs, classes), parts[0] + 0.3 * parts[1] + parts[2]
    )
    answer = model.eval()(images)
    assert torch.equal(model.total_loss(loss, answer, classes), loss(answer, classes))


def test_a_training_step_lowers_the_loss(tiny):
    model = tiny.to_torch(logits=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = noise(8, 3, 16, 16), torch.arange(8) % 5
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x).main, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_deep_copies_and_pickles_compute_the_same(tiny):
    model = tiny.to_torch().eval()
    x = noise(1, 3, 16, 16)
    expected = model(x)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(x), expected)


def test_torch_compile_traces_it_whole(tiny):
    model = tiny.to_torch().eval()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    x = noise(1, 3, 16, 16)
    assert torch.allclose(compiled(x), model(x))


def test_it_trains_under_distributed_data_parallel(tiny, tmp_path):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = DistributedDataParallel(tiny.to_torch(logits=True))
        outputs = model(noise(2, 3, 16, 16))
        (outputs.main.sum() + outputs.heads["aux"].sum()).backward()
        assert all(p.grad is not None for p in model.parameters())
    finally:
        dist.destroy_process_group()


def test_the_same_seed_gives_the_same_weights_in_pytorch_and_in_onnx(tiny, tmp_path):
    state = tiny.to_torch(seed=7).state_dict()
    path = tiny.to_onnx(tmp_path / "net.onnx", seed=7)
    initializers = onnx.load(path).graph.initializer
    found = {t.name: onnx.numpy_helper.to_array(t) for t in initializers}
    deployed = [name for name in state if not name.startswith("aux.")]
    assert deployed
    for name in deployed:
        assert np.array_equal(state[name].numpy(), found[name]), name


def test_trained_weights_go_into_onnx_by_name(tiny, tmp_path):
    model = tiny.to_torch().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    path = tiny.to_onnx(tmp_path / "net.onnx", weights=model.state_dict())
    x = noise(3, 3, 16, 16)
    theirs = Session(path).run({"input": x.numpy()}).outputs["output"]
    assert np.allclose(theirs, model(x).detach().numpy(), atol=1e-5)


def test_weights_of_another_net_are_refused_with_names(tiny, tmp_path):
    state = dict(tiny.to_torch().state_dict())
    state["conv1.weight"] = state["conv1.weight"][:4]
    state["extra"] = torch.zeros(1)
    del state["fc1.bias"]
    with pytest.raises(NetspecError) as caught:
        tiny.to_onnx(tmp_path / "net.onnx", weights=state)
    text = str(caught.value)
    assert "fc1.bias" in text
    assert "extra" in text
    assert "conv1.weight is 4x3x3x3, not 8x3x3x3" in text
    assert not (tmp_path / "net.onnx").exists()


def test_frozen_parts_do_not_train():
    net = netspec.load("freeze { conv3-4(norm=bn) }; gap; fc-2", input="3x8x8")
    model = net.to_torch()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"}


def test_shared_weights_are_owned_once_and_used_twice():
    text = "{ | conv3-4 as a | conv3-4(weights=@a) }; add; gap"
    net = netspec.load(text, input="3x8x8")
    model = net.to_torch().eval()
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    x = noise(1, 3, 8, 8)
    assert torch.allclose(model(x), 2 * model.a(x).mean((2, 3)), atol=1e-6)
    model.train()(x).sum().backward()
    assert torch.allclose(copy.deepcopy(model).a.weight, model.a.weight)


def test_shared_weights_work_where_the_stride_differs(tmp_path):
    text = "{ | conv3-4 as a; gap | conv3-4/2(weights=@a); gap }; add"
    net = netspec.load(text, input="3x9x9")
    model = net.to_torch().eval()
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    x = noise(2, 3, 9, 9)
    result = net.run(x.numpy(), weights=model.state_dict())
    assert np.allclose(result.outputs["output"], model(x).detach().numpy(), atol=1e-5)


def test_layers_over_everything_and_over_windows_may_share_a_matrix(tmp_path):
    branches = "fc-4 as a | pad(1); fc-4(over=5x6, weights=@a); gap"
    net = netspec.load(f"{{ | {branches} }}; add", input="3x5x6")
    model = net.to_torch().eval()
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    x = noise(2, 3, 5, 6)
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    windows = [padded[:, :, i : i + 5, j : j + 6] for i in range(3) for j in range(3)]
    expected = model.a(x) + sum(model.a(window) for window in windows) / 9
    assert torch.allclose(model(x), expected, atol=1e-5)
    result = net.run(x.numpy(), weights=model.state_dict())
    assert np.allclose(result.outputs["output"], expected.detach().numpy(), atol=1e-5)


def test_several_inputs_and_outputs_keep_their_order():
    net = netspec.load(PAIR)
    model = net.to_torch().eval()
    left, right = noise(1, 3, 8, 8), noise(1, 2, 8, 8, seed=1)
    both, a = model(left, right)
    result = net.run(left.numpy(), right.numpy(), weights=model.state_dict())
    assert list(result.outputs) == ["both", "a"]
    assert np.allclose(result.outputs["both"], both.detach().numpy(), atol=1e-6)
    assert np.allclose(result.outputs["a"], a.detach().numpy(), atol=1e-6)


def test_a_frozen_part_computes_the_same_before_and_after_training():
    model = netspec.load(
        "input 3x8x8\nfreeze { conv3-4(norm=bn, act=relu) as base }\nconv3-4(norm=bn); gap; fc-2\n"
    ).to_torch()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        model.train()
        model(torch.randn(4, 3, 8, 8) + 3).square().mean().backward()
        optimizer.step()
        model.eval()
    changed = {
        name.split(".")[0]
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"conv1", "bn1", "fc1"}


def test_a_norm_of_maps_is_shared_with_one_of_a_sequence() -> None:
    text = "input 3x8x5\nbn as w; softsign; bn(weights=@w); sequence; bn(weights=@w)"
    module = netspec.load(text).to_torch().eval()
    held = dict(module.state_dict())

    def normed(x: torch.Tensor) -> torch.Tensor:
        tensors = (held[f"w.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return torch.nn.functional.batch_norm(x, *tensors)

    x = torch.randn(2, 3, 8, 5)
    softened = torch.nn.functional.softsign(normed(x))
    torch.testing.assert_close(module(x), normed(normed(softened).flatten(2)))
    assert [name for name in held if name.endswith("weight")] == ["w.weight"]

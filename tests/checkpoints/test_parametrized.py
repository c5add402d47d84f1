"""Weight norm and spectral norm: modules of PyTorch, saved as they are, answer alike in netspec."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved, state
from torch import nn
from torch.nn.utils import parametrizations as new

from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.graph.checked import Graph

Built = Callable[..., Graph]
Wrap = Callable[[nn.Module], nn.Module]

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")

WRAPS: dict[str, Callable[..., nn.Module]] = {
    "weight norm, old": nn.utils.weight_norm,
    "weight norm, new": new.weight_norm,
    "spectral norm, old": nn.utils.spectral_norm,
    "spectral norm, new": new.spectral_norm,
}


class Wave(nn.Module):
    """Gated convolutions of doubling dilation with residuals, as in WaveNet."""

    def __init__(self, wrap: Wrap) -> None:
        super().__init__()
        self.enter = wrap(nn.Conv1d(2, 6, 1))
        self.filters = nn.ModuleList(
            wrap(nn.Conv1d(6, 6, 3, padding=d, dilation=d)) for d in (1, 2)
        )
        self.gates = nn.ModuleList(wrap(nn.Conv1d(6, 6, 3, padding=d, dilation=d)) for d in (1, 2))
        self.leave = wrap(nn.Conv1d(6, 4, 1))

    def forward(self, x: Any) -> Any:
        x = self.enter(x)
        for straight, gate in zip(self.filters, self.gates, strict=True):
            x = x + straight(x).tanh() * gate(x).sigmoid()
        return self.leave(x)


WAVE = """input 2x16
conv1-6 as enter
default conv(pad=same)
residual { mul { | conv3-6 as filters_0; tanh | conv3-6 as gates_0; sigmoid } }
residual { mul {
  | conv3-6(dilation=2) as filters_1; tanh
  | conv3-6(dilation=2) as gates_1; sigmoid
} }
conv1-4
"""


def generator(wrap: Wrap) -> nn.Module:
    return nn.Sequential(
        wrap(nn.Linear(5, 32)),
        nn.Unflatten(1, (8, 2, 2)),
        nn.ReLU(),
        wrap(nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1)),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        wrap(nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1)),
        nn.ReLU(),
        wrap(nn.Conv2d(4, 3, 3, padding=1)),
    )


GENERATOR = """input 5
fc-32; reshape(8x2x2); relu
deconv4-8/2(pad=1); bn; relu
deconv4-4/2(pad=1); relu
conv3-3(pad=1)
"""


def discriminator(wrap: Wrap) -> nn.Module:
    return nn.Sequential(
        wrap(nn.Conv2d(3, 6, 3, padding=1)),
        nn.ReLU(),
        wrap(nn.Conv2d(6, 6, 3, padding=1)),
        nn.ReLU(),
        nn.Flatten(),
        wrap(nn.Linear(6 * 16, 8)),
        nn.ReLU(),
        wrap(nn.Linear(8, 1)),
    )


DISCRIMINATOR = """input 3x4x4
conv3-6(pad=1, act=relu); conv3-6(pad=1, act=relu); fc-8; relu; fc-1
"""

# Nothing in a file tells filters from gates, whose shapes are the same.
WAVE_MAP = {f"{kind}_{i}": f"{kind}.{i}" for kind in ("filters", "gates") for i in (0, 1)}

NETS: dict[str, tuple[Callable[[Wrap], nn.Module], str, tuple[int, ...]]] = {
    "wave": (Wave, WAVE, (3, 2, 16)),
    "generator": (generator, GENERATOR, (3, 5)),
    "discriminator": (discriminator, DISCRIMINATOR, (3, 3, 4, 4)),
}


def trained(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The module after some steps, in which singular vectors are found and lengths part from norms."""
    torch.manual_seed(1)
    for _ in range(5):
        module(torch.randn(shape))
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if name.endswith(("weight_g", "original0")):
                tensor.mul_(torch.rand_like(tensor) + 0.5)
    return module.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", NETS)
@pytest.mark.parametrize("how", WRAPS)
def test_a_net_with_normed_weights_answers_as_in_pytorch(
    how: str, which: str, kind: str, net: Built, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    make, text, shape = NETS[which]
    module = trained(make(WRAPS[how]), shape)
    graph, path = net(text), saved(dict(module.state_dict()), tmp_path / f"w.{kind}")
    loaded = load(path, graph, mapping=WAVE_MAP if which == "wave" else None)
    given = torch.randn(shape)
    with torch.no_grad():
        expected, found = module(given), to_module(graph, loaded.source).eval()(given)
    assert torch.allclose(found, expected, atol=1e-6), (found - expected).abs().max()
    assert not loaded.unused
    names = [name for pair in loaded.pairs for name in pair.theirs.split(" + ")]
    assert sorted([*names, *loaded.buffers]) == sorted(module.state_dict())


def one(module: nn.Module, wrap: Wrap, shape: tuple[int, ...], steps: int = 30) -> nn.Module:
    torch.manual_seed(2)
    wrapped = wrap(module)
    for _ in range(steps):
        wrapped(torch.randn(shape))
    return wrapped.eval()


LAYERS: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(5, 4, 3), "input 5x9\nconv3-4", (2, 5, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 4, 3), "input 4x9x9\nconv3-4", (2, 4, 9, 9)),
    "deconv2d": (lambda: nn.ConvTranspose2d(4, 4, 3), "input 4x5x5\ndeconv3-4", (2, 4, 5, 5)),
    "deconv2d, narrow": (
        lambda: nn.ConvTranspose2d(4, 3, 3),
        "input 4x5x5\ndeconv3-3",
        (2, 4, 5, 5),
    ),
    "linear": (lambda: nn.Linear(5, 5), "input 5\nfc-5", (2, 5)),
    "linear, wide": (lambda: nn.Linear(5, 7), "input 5\nfc-7", (2, 5)),
}
OPTIONS: dict[str, Wrap] = {
    f"{how}, dim {dim}": partial(WRAPS[how], dim=dim)
    for how in WRAPS
    for dim in ((0, 1, 2, None) if how.startswith("weight") else (0, 1))
}
CASES = [
    (o, x) for o in OPTIONS for x in LAYERS if not (o.endswith("2") and x.startswith("linear"))
]


@pytest.mark.parametrize(("options", "layer"), CASES)
def test_every_axis_of_a_layers_norm_is_found(
    options: str, layer: str, net: Built, tmp_path: Path
) -> None:
    make, text, shape = LAYERS[layer]
    module = one(make(), OPTIONS[options], shape)
    graph = net(text)
    prefixed = {f"block.{name}": tensor for name, tensor in module.state_dict().items()}
    loaded = load(saved(prefixed, tmp_path / "w.pt"), graph)
    (weight,) = (v for n, v in read(loaded, graph).items() if n.endswith("weight"))
    assert np.allclose(weight, module.weight.detach().numpy(), atol=1e-6)


def test_spectral_norm_of_before_the_second_vector_was_kept(net: Built, tmp_path: Path) -> None:
    module = one(nn.Linear(5, 5), nn.utils.spectral_norm, (2, 5), steps=500)
    tensors = {n: t for n, t in module.state_dict().items() if not n.endswith("weight_v")}
    graph = net("input 5\nfc-5")
    found = read(load(saved(tensors, tmp_path / "w.pt"), graph), graph)
    assert np.allclose(found["fc1.weight"], module.weight.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("wrap", ["weight norm, old", "weight norm, new"])
def test_any_parameter_may_be_normed(wrap: str, net: Built, tmp_path: Path) -> None:
    graph = net("input 4x7\nlstm-3 as rnn; fc-2")
    tensors = state(graph)
    module = nn.LSTM(4, 3)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        module = WRAPS[wrap](module, name=name)
    given = {f"rnn.{n}": t for n, t in module.state_dict().items()}
    given |= {n: t for n, t in tensors.items() if n.startswith("fc")}
    found = read(load(saved(given, tmp_path / "w.pt"), graph), graph)
    assert np.allclose(found["rnn.weight_ih_l0"], module.weight_ih_l0.detach().numpy(), atol=1e-6)
    assert np.allclose(found["rnn.weight_hh_l0"], module.weight_hh_l0.detach().numpy(), atol=1e-6)


def test_the_report_and_a_map_name_normed_weights(net: Built, tmp_path: Path) -> None:
    module = nn.utils.weight_norm(nn.Linear(5, 4))
    tensors = {f"a.{n}": t for n, t in module.state_dict().items()}
    graph = net("input 5\nfc-4")
    path = saved(tensors, tmp_path / "w.npz")
    for mapping in (None, {"fc1": "a"}, {"fc1.weight": "a.weight", "fc1.bias": "a.bias"}):
        loaded = load(path, graph, mapping=mapping)
        theirs = {pair.ours: pair.theirs for pair in loaded.pairs}
        assert theirs["fc1.weight"] == "a.weight_g + a.weight_v"
        assert "a.weight_g + a.weight_v" in loaded.table()
    assert "a.weight_g, a.weight_v" in refusal(path, net("input 6x6x6\nconv3-2; bn"))


def test_folding_rounds_once(net: Built, tmp_path: Path) -> None:
    """Doubles of PyTorch are not rounded before they are folded."""
    module = new.weight_norm(nn.Linear(50, 40)).double()
    graph = net("input 50\nfc-40")
    for kind in KINDS:
        path = saved(dict(module.state_dict()), tmp_path / f"w.{kind}")
        found = read(load(path, graph), graph)
        v, g = module.parametrizations.weight.original1, module.parametrizations.weight.original0
        v, g = v.detach().numpy(), g.detach().numpy()
        expected = v * (g / np.sqrt((v * v).sum(1, keepdims=True)))
        assert np.array_equal(found["fc1.weight"], expected.astype(np.float32))


@pytest.mark.parametrize(
    "parts",
    [
        {"x.weight_g": (4,), "x.weight_v": (4, 5)},
        {"x.weight_g": (4, 1), "x.weight_v": (3, 5)},
        {"x.weight_g": (4, 5), "x.weight_v": (4, 5)},
        {"x.bias_g": (4,), "x.bias_v": (4,)},
        {"x.weight_g": (4, 1)},
        {"x.weight_orig": (4, 5), "x.weight_u": (3,)},
        {"x.weight_orig": (4, 5), "x.weight_u": (4,), "x.weight_v": (4,)},
        {"x.weight": (4, 5), "x.weight_orig": (4, 5), "x.weight_u": (4,)},
        {"x.parametrizations.weight.original": (4, 5)},
        {"x.parametrizations.weight.original0": (4, 1)},
        {"x.parametrizations.weight.original": (4, 5), "x.parametrizations.weight.1._u": (4,)},
    ],
)
def test_what_is_no_norm_of_weights_is_left_as_it_is(
    parts: dict[str, tuple[int, ...]], net: Built, tmp_path: Path
) -> None:
    graph = net("conv3-2; gap; fc-3")
    tensors = {**state(graph), **{name: torch.rand(shape) for name, shape in parts.items()}}
    message = refusal(saved(tensors, tmp_path / "w.pt"), graph)
    assert all(name in message for name in parts)


def test_a_weight_of_length_nothing_is_reported_as_not_finite(net: Built, tmp_path: Path) -> None:
    module = nn.utils.weight_norm(nn.Linear(5, 4))
    with torch.no_grad():
        module.weight_v[1] = 0
    loaded = load(saved(dict(module.state_dict()), tmp_path / "w.pt"), net("input 5\nfc-4"))
    assert "5 weights" in loaded.warnings[0].problem.headline

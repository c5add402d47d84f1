"""Standardised kernels and windows laid apart, as torch and timm compute them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import netspec
from netspec.diagnostics.raised import NetspecError


def timms(weight: torch.Tensor, eps: float, scale: torch.Tensor | None = None) -> torch.Tensor:
    """timm.layers.std_conv: a batch normalisation over each output channel's kernel."""
    rows = weight.reshape(1, weight.shape[0], -1)
    found = functional.batch_norm(rows, None, None, weight=scale, training=True, eps=eps)
    return found.reshape_as(weight)


@pytest.mark.parametrize(
    ("step", "groups"),
    [
        ("conv3-6(standardise=1e-3, pad=1)", 1),
        ("conv3-6(standardise=1e-3, gain=1.7, pad=1, groups=2)", 2),
    ],
)
def test_a_standardised_kernel_is_timms(step: str, groups: int) -> None:
    model = netspec.load(step + "\n", input="4x7x8").to_torch()
    weights = {name.split(".")[-1]: tensor for name, tensor in model.state_dict().items()}
    scale = None
    if "gain" in weights:
        weights["gain"].copy_(torch.linspace(0.5, 2, 6))
        scale = weights["gain"] * 1.7 / weights["weight"][0].numel() ** 0.5
    x = torch.randn(2, 4, 7, 8)
    kernel = timms(weights["weight"], 1e-3, scale)
    expected = functional.conv2d(x, kernel, weights["bias"], padding=1, groups=groups)
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5)


def test_a_deployed_file_has_the_standardised_kernel(tmp_path: Path) -> None:
    import onnx

    net = netspec.load(
        "conv3-6(standardise=1e-6, gain=2, pad=1); dwconv3(standardise=1e-6)", input="3x9x9"
    )
    net.to_onnx(tmp_path / "net.onnx")
    net.to_onnx(tmp_path / "written.onnx", optimize=False)
    kinds = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert kinds.count("Conv") == 2
    assert not {"ReduceMean", "Sqrt"} & set(kinds)
    written = [node.op_type for node in onnx.load(tmp_path / "written.onnx").graph.node]
    assert written.count("ReduceMean") == 4


def test_a_gain_needs_a_standardised_kernel() -> None:
    with pytest.raises(NetspecError, match="NS211"):
        netspec.load("conv3-6(gain=1)\n", input="3x9x9")


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
def test_windows_are_torchs(stride: int, pad: int) -> None:
    given = f"stride={stride}, pad={pad}, dilation=2"
    net = netspec.load(f"relu as x; unfold3({given}) as apart; fold3(@x, {given})", input="2x9x11")
    x = torch.rand(2, 2, 9, 11)
    apart = functional.unfold(x, 3, 2, pad, stride)
    together = functional.fold(apart, (9, 11), 3, 2, pad, stride)
    torch.testing.assert_close(net.to_torch()(x), together)
    found = net.run(x.numpy())
    np.testing.assert_allclose(found.outputs["output"], together, rtol=1e-6)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NetspecError, match="NS3"):
        netspec.load("relu as x; unfold3; fold3(@x, pad=1)", input="2x9x9")
    with pytest.raises(NetspecError, match="NS3"):
        netspec.load("relu as x; conv1-5; fold3(@x, pad=1)", input="2x9x9")

"""Totals without layers are the sums over them."""

from __future__ import annotations

import pytest
from support.shelves import shipped

import netspec
from netspec.analysis.outline import subtotal
from netspec.analysis.presets import PRESETS
from netspec.analysis.totals import totals
from netspec.sizes.dims import symbols_of

# Training-only heads, what only a sampling layer reads, regions, shared and frozen weights, dropout.
NETS = ("googlenet", "vae", "fast_rcnn", "luong_attention", "vgg16_transfer", "alexnet", "swin_t")


@pytest.mark.parametrize("count", PRESETS)
@pytest.mark.parametrize("name", NETS)
def test_totals_are_sums_over_layers(name: str, count: str) -> None:
    net = netspec.load(name)
    summary, found = net.summary(count=count), totals(net.graph, count)
    kept, extra = subtotal(summary.layers), subtotal(summary.training_layers)
    frozen = sum(layer.params_frozen for layer in summary.layers)
    assert found["macs"] == kept.macs == summary.macs
    assert found["macs_training"] == kept.macs + extra.macs
    assert found["params_total"] == kept.params == found["params"] + frozen
    assert found["params_training"] == found["params"] + sum(
        layer.params for layer in summary.training_layers
    )
    assert found["buffers"] + found["constants"] == kept.buffers
    assert found["layers"] == len(summary.layers)
    assert found["weights"] == 4 * (kept.params + kept.buffers)
    assert (found["depth"], found["activations"]) == (summary.depth, summary.peak_activation)


def test_totals_of_open_sizes_are_formulas() -> None:
    found = netspec.variants("resnet18").totals(input="3xHxW")
    assert isinstance(found["params"], int)
    assert symbols_of(found["macs"]) == symbols_of(found["activations"]) == {"H", "W"}


def test_who_is_no_convention_is_refused() -> None:
    with pytest.raises(ValueError, match="flops"):
        totals(shipped("lenet5"), "flops")

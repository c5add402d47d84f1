"""Layers as figures, tables and other libraries write them get an edit that checks when it is applied."""

from __future__ import annotations

import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.edits.loose import loosely
from netspec.elaborate.build import build

# What stands behind `input 3x32x32`, and the edit that is shown first.
WRITTEN = {
    # Figures: arrows, dashes, what flows in and out.
    "Input -> Conv(64) -> ReLU": "conv3-64; relu",
    "Input → Conv(64) → ReLU → FC(10)": "conv3-64; relu; fc-10",
    "image ⇒ conv3–64 ⇒ gap ⇒ fc–10": "conv3-64; gap; fc-10",
    "conv3–64 – relu – maxpool2": "conv3-64; relu; maxpool2",
    "conv3-64 - relu - maxpool2": "conv3-64; relu; maxpool2",
    "conv3-64 ──> relu": "conv3-64; relu",
    "conv3-64 ——→ relu": "conv3-64; relu",
    "conv3-64 ↓ relu": "conv3-64; relu",
    "conv3-64 >> relu": "conv3-64; relu",
    "3×3 conv, 64, /2 → ReLU → 2×2 maxpool": "conv3-64/2; relu; maxpool2",
    "Conv(3×3, 64) → BN → ReLU": "conv3-64; bn; relu",
    "Conv2D(64, 3, activation='relu') >> MaxPooling2D(2)": "conv3-64(act=relu); maxpool2",
    "GlobalAvgPool → FC(10) → Softmax": "gap; fc-10; softmax",
    # Layers in words.
    "conv-64": "conv3-64",
    "conv3x3, 64 filters, stride 2": "conv3-64/2",
    "64 3x3 filters": "conv3-64",
    "conv 3 x 3 x 64": "conv3-64",
    "3x3x64 conv": "conv3-64",
    "3 by 3 conv, 64": "conv3-64",
    "conv2d 3x3 s2 p1 64": "conv3-64/2(pad=1)",
    "conv3-64 s=2 p=1": "conv3-64/2(pad=1)",
    "conv(k=3, n=64, s=1)": "conv3-64",
    "conv3-64, same padding": "conv3-64(pad=same)",
    "conv3-64 (same)": "conv3-64(pad=same)",
    "dilated conv3-64, rate 2": "conv3-64(dilation=2)",
    "conv3-64 with bn and relu": "conv3-64; bn; relu",
    "conv3-64 w/ BN": "conv3-64; bn",
    "conv3-64 [BN, ReLU]": "conv3-64(norm=bn, act=relu)",
    "conv3-64 then relu": "conv3-64; relu",
    "3×3 Conv, 64, stride=2, BN-ReLU": "conv3-64/2; bn; relu",
    "dw conv 3x3 / s2": "dwconv3/2",
    "max pool 2x2": "maxpool2",
    "MaxPool 2×2, stride 2": "maxpool2",
    "3x3 max pool, stride 1": "maxpool3/1",
    "avg. pool, 10-d fc, softmax": "gap; fc-10; softmax",
    "fully connected 10": "fc-10",
    "FC layer, 10 neurons": "fc-10",
    "batch norm": "bn",
    "layer norm": "layernorm",
    "leaky relu 0.2": "leaky(0.2)",
    "upsample ×2": "upsample(2)",
    "deconv4-64/2, pad 1": "deconv4-64/2(pad=1)",
    "conv1: 7x7, 64, stride 2": "conv7-64/2 as conv1",
    "k3n64s2": "conv3-64/2(pad=same)",
    # Repeats.
    "[3×3, 64] × 2": "conv3-64 x2",
    "2x [3x3 conv 64]": "conv3-64 x2",
    "2 × conv3-64": "conv3-64 x2",
    "repeat(3, conv3-64)": "conv3-64 x3",
    # Marks that were copied with the text.
    "**conv3-64**": "conv3-64",
    '"conv3-64"': "conv3-64",
    "• conv3-64": "conv3-64",
    ">>> conv3-64": "conv3-64",
    "| conv3-64 | relu |": "conv3-64; relu",
    "conv3-64\\": "conv3-64",
    # Sums and joins of what flows in and a step with a name.
    "conv1-3 as residual\nx += residual": "add { | identity | @residual }",
    "conv1-3 as residual\nx = x + residual": "add { | identity | @residual } as x",
    "conv1-3 as skip\nx = torch.cat([x, skip], dim=1)": "concat { | identity | @skip } as x",
    "conv1-3 as skip\nconcat with skip": "concat { | identity | @skip }",
    "flatten; nn.Linear(3*32*32, 10)": "fc-10",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_what_others_write_gets_an_edit_that_checks(text: str) -> None:
    source = Source("a.ns", f"input 3x32x32\n{text}")
    with pytest.raises(NetspecError) as caught:
        build(source)
    edits = [edit for item in caught.value.diagnostics for edit in item.edits]
    edit = next(edit for edit in edits if edit.text == f"`{WRITTEN[text]}`")
    whole = source.text[: edit.span.start] + edit.replacement + source.text[edit.span.end :]
    assert build(Source("a.ns", whole)).nodes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello world",
        "return x",
        "concat with skip",
        "conv3-64 as x",
        "3x3",
        "64",
        "conv 3x3 5x5",
        "fc 10 20",
        "relu 3 conv",
        "conv " * 30,
    ],
)
def test_what_is_no_layer_in_words_is_not_guessed(text: str) -> None:
    assert loosely(text) == ""

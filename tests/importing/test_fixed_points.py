"""What may be said in several ways is said in one: the text of a file is that of its own file too."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec
from netspec.importing.imported import Imported, import_file

_LOOK = (
    "input a: 3x4x5\ninput b: 3x4x5\n"
    "block look of map, place {{\n"
    "  @place; add {{ | identity | constant([0, 1, 0, 1, 0, 0]); affine_grid(3x3, align=yes) }}\n"
    "  scaled(1/3) as grid; @map; grid_sample(@grid, align=yes); reshape(9x1x1)\n"
    "}}\n"
    "@a; conv3-6(pad=same) as f; @b; conv3-6(pad=same) as g\n"
    "matmul {{ | @g; sequence; transpose | @f; sequence }}; grid(@f); partition(1); reshape(1x4x5) as map\n"
    "@f; {}; partition(1) as place; {{ | @map | @place }}; look; reassemble(@f, 1); conv1-2"
)
# Each with what its text holds.
KINDS = {
    "all steps": ("input 3x7\nunstack", "unstack"),
    "one of all steps in the middle": (
        "input 3x9\nslice(4, 5, axis=time); flatten; relu",
        "crop(4)",
    ),
    "a shortcut that is named": (
        "input 8x6\nadd { | identity | conv3-C(pad=same) } as keys; parameter(8x5); attention(2, @keys)\n"
        "fc-8(over=channels); attention(2, @keys)",
        "residual { conv3-8(pad=same) } as keys",
    ),
    "means over permuted places": (
        "input 3x6x7x6\nrelu as x; transpose((3, 0, 2, 1)); gmp(keep=yes); sigmoid as a; @x; tanh as b\n"
        "output a, b",
        "over_channels(max)",
    ),
    "means over places that lie in other axes": (
        "input 8x6x4\npixel_unshuffle(2, layout=columns); mul { | identity | gap; fc-32 }",
        "over_channels(mean)",
    ),
    "means over two axes of three": (
        "input 4x6x5\ntranspose((1, 0, 2)); over_channels(mean); relu",
        "over_channels(mean)",
    ),
    "a shift whose numbers repeat": (
        "input 3\nstack { | relu | tanh }; affine; rnn-4",
        "affine; ",
    ),
    "a projected state in both directions": (
        "input 3x5\ngap; fc-4 as h; fc-8 as c; @input; "
        "lstm-4(@h, @c, projection=2, bidirectional=yes)",
        "bidirectional=yes, projection=2)",
    ),
    "a projected state of numbers": (
        "input 3xT\nparameter(2) as h; parameter(4) as c; @input; lstm-4(@h, @c, projection=2)",
        "lstm-4(@parameter, @parameter2, projection=2)",
    ),
    "a projected state of zeros": (
        "input 3x5\nconstant(0, shape=4) as h; @input; gap; fc-8 as c; @input; "
        "lstm-4(@h, @c, projection=2, bidirectional=yes)",
        "projection=2)",
    ),
    "channels the other way round": (
        "input 5x6\nrelu as x; slice(2) as a; @x; slice(0, 2); { | @a | identity }; concat",
        "concat { | slice(2) | slice(0, 2) }",
    ),
    "a roll of places that were two axes": (
        "input 8x3x9x7\nreshape((C, D*H, W)); roll((1, -2)); conv1-8",
        "reshape(8x27x7); roll((1, -2))",
    ),
    "a mean over one channel between parts": (
        "input 1xT\nrelu as x; partition(3, spaced=yes); bn; reassemble(@x, 3, spaced=yes)\n"
        "add { | identity | over_channels(mean) }; conv3-4(pad=1)",
        "windows(3, spaced=yes) { bn; add",
    ),
    "one place the other way round": ("input 4x6x6\nconv3-5; gap(keep=yes); flip; relu", "relu"),
    "places behind one channel": (
        "input 6x1\nreshape((1, C, T)); pad(((0, 2), (0, 3))); relu; conv1-3",
        "reshape(1x6x1); pad(((0, 2), (0, 3)))",
    ),
    "a sequence of numbers": (
        "input 3xT\nrelu as x; parameter(3x4); expand(@x); rnn-3; conv1-2",
        "expand(@input)",
    ),
    "a mean that is repeated for what it is added to": (
        "input 8x6\nconv1-16; add { | identity | over_channels(mean) }; relu",
        "add { | identity | over_channels(mean) }; relu",
    ),
    "scores that are parameters, in a net without braces": (
        "input 8x6\nconv1-8 as k; parameter(2x6x6) as s; @k; attend(2, @k, scores=@s, scale=1)",
        "scores=parameter(2x6x6)",
    ),
    "one head of keys for several of queries": (
        "input 6x5\nattention(3, kv_heads=1, causal=yes, within=2)",
        "kv_heads=1, causal=yes, within=2",
    ),
    "branches of which one has an axis of one place more": (
        "input 24x10\nfc-24(over=channels) as x; reshape((3, 8, 10)); transpose((1, 0, 2))\n"
        "fc-8(over=channels); split(2) as u, v\n"
        "for part in [@u, @v] { | @part; over_channels(sum); sigmoid; reshape((3, -1)) } as a, b\n"
        "@b; bn; mul(@a); reshape((3, -1, 1)) as c\n"
        "@x; relative(3, buckets=32, most=80); mul(@c) as s; @x; residual { attention(3, scores=@s) }",
        "bn | ",
    ),
    "a name of a layer that a file writes as several steps": (
        "input 16x6x6\ndefault conv(bias=no, norm=layernorm)\n"
        "block small { dwconv3(pad=same) }\nsmall as query; @input; small as key; @input; small\n"
        "attend(2, @query, @key)",
        "dwconv3 as query",
    ),
    "a name of a block that is repeated": (
        "input 8x32x32\n"
        "block narrow { residual { dwconv3(pad=same); gelu; conv1-C; conv3-C(pad=same) }; maxpool2 }\n"
        "block looked(n) { narrow x(n) }\n"
        "narrow; relu; looked(2) as query; gap as y; fc-8; mul(@y) as z\n"
        "@query; mul(@z); mul(@y); conv1-8; narrow",
        "x2 as query",
    ),
    "heads that share a layer": (
        "input 8x6x6\nblock pooled(n) { split(n) as xs; for x in @xs { | dwconv3(pad=same); bn }; concat }\n"
        "fc-8(over=channels); pooled(4); relu; pooled(2); relu; pooled(2)",
        "for one in @",
    ),
    "parts that share layers and read what others do": (
        "input 6x8\nconv1-4(act=relu) as a; conv1-8(act=sigmoid); split(2) as xs\n"
        "for x in @xs { | mul(@a); deconv4-1/2 }; concat",
        "for one in @xs { | mul(@maps); deconv4-1/2 }; concat",
    ),
    "offsets that share rows up to one less than a power of two": (
        "input 8xT\nparameter(8x128) as p; @input; layernorm\n"
        "relative_scores(2, @p, back=yes, far=64, most=511)",
        "most=511",
    ),
    "a map read at each place of another": (
        _LOOK.format("conv3-2(pad=same)"),
        "windows(1) {",
    ),
    "a map read at places of numbers around each of another": (
        _LOOK.format("parameter(2x4x5); expand(@f)"),
        "windows(1) {",
    ),
    "one tensor as two outputs": (
        "input 6x5\nsplit(2) as s; { | relu | identity } as t\noutput s, t",
        "output s1, s2, t1",
    ),
}


def read(text: str, folder: Path) -> Imported:
    folder.mkdir(exist_ok=True)
    netspec.load(text).to_onnx(folder / "net.onnx", optimize=False)
    return import_file(folder / "net.onnx")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_said_in_one_way(kind: str, tmp_path: Path) -> None:
    text, held = KINDS[kind]
    found = read(text, tmp_path)
    assert found.proof is not None
    assert held in found.text
    assert read(found.text, tmp_path / "again").text == found.text

"""What netspec wrote comes back as a person would have written it, and its text is a fixed point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from specs.test_length import length
from support.onnx_files import FORMS, scrambled
from support.shelves import in_turn, others
from support.watching import counting

import netspec
from netspec.importing import imported

# Nets that hold every mechanism between them, in seconds, and the tokens that they may have.
NETS = {
    "autoencoder": 46,
    "fractalnet20": 90,
    "mixer_s16": 90,
    "regnet_y_400mf": 125,
    "repvgg_a0": 70,
    "resnet20_cifar": 72,
    "shufflenet_v2_x0_5": 150,
    "vae": 112,
}


@pytest.fixture(autouse=True)
def _unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are compared here; `test_own` runs the files."""
    monkeypatch.setattr(imported, "prove", lambda *_: None)


def read(spec: str, folder: Path, *, blind: bool = False, **options: Any) -> str:
    """The text that a spec's file becomes, under the same name always."""
    folder.mkdir(exist_ok=True)
    path = folder / "net.onnx"
    netspec.load(spec).to_onnx(path, **options)
    if blind:
        scrambled(path, path)
    return imported.import_file(path).text


def fixed(spec: str, folder: Path, **options: Any) -> str:
    """The text of a spec's file, which is that of its own file too."""
    text = read(spec, folder, **options)
    assert read(text, folder / "again", optimize=False) == text
    return text


@pytest.mark.parametrize(("name", "blind"), in_turn([*NETS]))
def test_the_text_of_a_shipped_net_is_a_fixed_point(name: str, blind: bool, tmp_path: Path) -> None:
    assert length(fixed(name, tmp_path, blind=blind)) <= NETS[name]


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_a_file_are_fixed_points(form: str, tmp_path: Path) -> None:
    text = fixed("resnet20_cifar", tmp_path, **FORMS[form])
    assert "basic(16) x3" in text


# What no spec says yet, or what is too large to be written in a test.
BEYOND = {
    "detr",
    "fasterrcnn",
    "lenet5_1998",
    "neocognitron",
    "gpt2_",
    "vit_h",
    "vit_l",
    "t5_large",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", others([*NETS]))
def test_the_text_of_every_shipped_net_is_a_fixed_point(name: str, tmp_path: Path) -> None:
    if any(name.startswith(word) for word in BEYOND):
        pytest.skip("not read, or gigabytes")
    fixed(name, tmp_path)
    fixed(name, tmp_path, blind=True)


# --- what is said, and how

HEAD = "input 4x16x16\n"
SAID = {
    "every other place": (
        "relu; subsample(2); relu; subsample(2x1, offset=1)",
        "subsample(2x1, 1)",
    ),
    "of a map of one column": ("conv3x16-8; subsample(2)", "subsample(2x1)"),
    "equal sides cut": ("conv3-8 as a; crop(2); relu", "crop(2)"),
    "a centre": ("relu; crop(size=7x9)", "crop(size=7x9)"),
    "uneven sides": ("relu; crop(((0, 1), (3, 2)))", "crop(((0, 1), (3, 2)))"),
    "transposed and cut": ("deconv3-4/2(pad=tf_same); relu", "deconv3-4/2(pad=tf_same)"),
    "no padding": ("conv3-8(pad=same) x3; conv1-6", "conv1-6"),
    "a sum of three": ("add { | conv1-4 | conv3-4(pad=same) | identity }", "add {"),
    "a mean of three": ("mean { | conv1-4 | conv3-4(pad=same) | tanh }", "mean {"),
    "a shortcut and more": (
        "residual { conv1-4 }; add { | identity | parameter(4x1x16) }",
        "residual {",
    ),
    "scores by offset": (
        "conv4-8/4; attention(2, scores=relative(2))",
        "attention(2, scores=relative(2))",
    ),
    "scores of any kind": (
        "conv4-8/4; attention(2, scores=parameter(2x16x16))",
        "attention(2, scores=parameter(2x16x16))",
    ),
    "a projected shortcut": (
        "default conv(norm=none, bias=yes)\nresidual(shortcut=project) { conv3-4(pad=same); relu; conv1-4 }",
        "residual(shortcut=project)",
    ),
    "a number": ("relu; scaled(1/3)", "scaled(1/3)"),
}


@pytest.mark.parametrize("case", SAID)
def test_a_step_is_said_in_few_words(case: str, tmp_path: Path) -> None:
    steps, told = SAID[case]
    text = fixed(HEAD + steps, tmp_path, optimize=False)
    assert told in text, text
    assert "output" not in text


def test_a_shortcut_is_not_swallowed_by_the_sum_behind_it(tmp_path: Path) -> None:
    text = fixed(HEAD + SAID["a shortcut and more"][0], tmp_path, optimize=False)
    assert "residual { conv1-4 }" in text
    assert "add" in text


def test_several_outputs_have_the_names_of_the_file(tmp_path: Path) -> None:
    spec = (
        HEAD
        + "conv3-8 as trunk; gap; fc-3 as scores\n@trunk; conv1-4 as boxes\noutput boxes, scores"
    )
    text = fixed(spec, tmp_path, blind=False)
    assert "output boxes, scores" in text
    assert "fc-3 as scores" in text


def test_arguments_that_follow_from_the_channels_make_one_block(tmp_path: Path) -> None:
    spec = (
        "block unit(n, s=1) { residual { conv1-n; relu; conv3-n/s(pad=same); relu; "
        "squeeze_excite(hidden=C//4); conv1-n }; relu }\n"
        "input 3x32x32\nconv3-16; unit(48, 2); stage(unit, 104, 3); stage(unit, 208, 4)"
    )
    text = fixed(spec, tmp_path, optimize=False)
    assert text.count("block ") == 1
    assert "squeeze_excite(hidden=C//4)" in text
    assert "stage(unit, 208, 4)" in text


def test_layers_as_arguments_have_parameters(tmp_path: Path) -> None:
    spec = (
        "block layer { residual { layernorm; attention(C//8, scores=relative(C//8)) } }\n"
        "input 3x16x16\nconv4-16/4; layer x2; conv1-32; layer; conv1-48; layer"
    )
    text = fixed(spec, tmp_path, optimize=False)
    assert "attention(C//8, scores=relative(C//8))" in text


def test_how_often_follows_from_no_width(tmp_path: Path) -> None:
    unit = "residual { conv3-C(pad=1); tanh; conv1-C; sigmoid; conv3-C(pad=1) }"
    spec = f"block u(n, m) {{ conv1-n; gelu; {unit} x(m) }}\n{HEAD}u(16, 2); u(24, 3); u(32, 4); u(40, 5)"
    text = fixed(spec, tmp_path, optimize=False)
    assert "x(n//8)" not in text
    assert "count" in text


def test_blocks_stand_behind_those_that_they_call(tmp_path: Path) -> None:
    text = read("ghostnet_050", tmp_path, blind=True)
    defined: list[str] = []
    for line in text.splitlines():
        if line.startswith("block "):
            name = line[6:].split("(")[0].split(" ")[0]
            assert f"{name}(" not in "".join(defined)
            defined.append(line.partition("{")[2])
    assert len(defined) > 2


def test_a_folded_net_is_made_of_the_blocks_that_it_was_made_of(tmp_path: Path) -> None:
    steps = (
        "conv7-8/2(pad=3); relu; stage(bottleneck, 4, 3, s=1); stage(bottleneck, 8, 4); gap; fc-5"
    )
    text = fixed(f"default conv(norm=bn, bias=no)\ninput 3x32x32\n{steps}", tmp_path)
    assert "norm=none" in text
    assert "stage(bottleneck, 8, 4)" in text
    assert "block" not in text.replace("bottleneck", "")


def test_steps_are_called_after_what_they_make(tmp_path: Path) -> None:
    spec = HEAD + "{a} as low; tanh as high; conv1-4; sub(@low); mul(@high); tanh; div(@low)"
    steps = spec.replace("{a}", "conv3-4(pad=1)")
    blind = read(steps, tmp_path, blind=True)
    assert "conv3-4(pad=same) as maps" in blind
    assert "@maps" in blind
    assert "as low" in read(steps, tmp_path / "named", optimize=False)


def test_work_grows_with_the_units_alone(tmp_path: Path) -> None:
    """Four times as many residual units take about four times as many calls, never the square."""
    calls = []
    for count in (12, 48):
        steps = (
            f"conv3-8(pad=1); stage(basic, 8, {count}, s=1); stage(basic, 16, {count}); gap; fc-2"
        )
        path = tmp_path / "net.onnx"
        netspec.load(f"default conv(norm=bn)\ninput 3x16x16\n{steps}").to_onnx(path)
        with counting() as work:
            imported.import_file(path)
        calls.append(work.calls)
    assert calls[1] < 5 * calls[0]


def test_windows_and_then_a_grid_of_the_same_map(tmp_path: Path) -> None:
    """Both cut the map, each in its own way, as one block that does not lend its word."""
    unit = "{ residual { layernorm; attention(2) }; residual { layernorm; mlp(16) } }"
    spec = f"input 8x14x14\nwindows(7) {unit}; windows(7, spaced=yes) {unit}"
    text = fixed(spec, tmp_path)
    assert "block layer(spaced) {\n  windows(7, spaced=spaced) {" in text
    assert text.endswith("\nlayer(no); layer(yes)\n")


@pytest.mark.parametrize(
    "steps",
    [
        "input 6x4x5\nreshape((6, 20)); relu; mul { | identity | gap(keep=yes); conv1-6; sigmoid }",
        "input 6x8\nfc-3(over=channels); tanh; transpose; grid((1, 3)); squeeze_excite(4)",
        "input 4x9\nlstm-5(state=yes) as all, last, cell\n@all; relu as end\noutput last, end, cell",
        "input 2x9\nrelu as low; conv1-2 as middle\n@low; conv1-3 as high\noutput middle, high, low",
    ],
)
def test_pooled_rows_and_parts_of_bundles_are_fixed_points(steps: str, tmp_path: Path) -> None:
    fixed(steps, tmp_path)


def test_outputs_stay_outside_blocks(tmp_path: Path) -> None:
    places = range(8)
    cuts = "\n".join(f"@image; conv3-4(pad=1); lrn(5); gap as o{i}" for i in places)
    spec = f"input image: 3x8x8\n{cuts}\noutput {', '.join(f'o{i}' for i in places)}"
    assert "block " in fixed(spec, tmp_path)


@pytest.mark.parametrize("sizes", ["8x6", "6x6", "8x5x6", "8"])
def test_norms_of_older_opsets_are_layernorm(sizes: str, tmp_path: Path) -> None:
    """Files before opset 17 have it written out, its axes put in order in between."""
    spec = f"input {sizes}\nlayernorm(eps=1e-6); relu; layernorm"
    assert "layernorm(eps=1e-6); relu; layernorm\n" in read(spec, tmp_path, opset=13)
    scaled = f"input {sizes}\nlayernorm; scaled(0.5); rmsnorm"
    assert "rmsnorm" in read(scaled, tmp_path, opset=13)

"""The commands on images and inner steps: what they say, what they save, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.terminals import netspec

SPEC = """net t
preprocess resize=11, channels=bgr, range=(0, 255), mean=(104, 117, 123), std=(57, 58, 59)
input 3x8x8
conv3-4(act=relu) as first
dropout
block unit { conv1-4; relu }
unit as body
gap; fc-5; softmax
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.ns").write_text(SPEC)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    return tmp_path


def test_a_spec_its_file_and_its_file_of_pixels_give_an_image_one_answer(folder: Path) -> None:
    taps = ["--tap", "first", "--tap", "bo*"]
    said = netspec("compile", "t.ns", "-o", "pixels.onnx", "--preprocess", *taps)
    assert (
        "input input: pixels, uint8 NxHxWxC; bgr, from 0 to 255, less a mean of 104" in said.stderr
    )
    assert "output first: that step alone; what flows on from `first` is first_relu" in said.stderr
    netspec("compile", "t.ns", "-o", "plain.onnx", *taps)
    for model, more in (("t.ns", taps), ("plain.onnx", []), ("pixels.onnx", [])):
        done = netspec("run", model, "x.png", *more, "--save", f"{model}.npz")
        assert done.returncode == 0, done.stderr
        assert "body: 1x4x6x6, from 0 to" in done.stdout
        assert "ImageNet" not in done.stderr
    first, *others = [
        np.load(folder / f"{model}.npz") for model in ("t.ns", "plain.onnx", "pixels.onnx")
    ]
    for other in others:
        assert set(other) == set(first) == {"output", "first", "body"}
        assert all(np.allclose(other[name], first[name], rtol=0, atol=1e-5) for name in first)
    assert first["first"].min() < 0 <= first["body"].min()


def test_pixels_in_an_array_are_taken_as_they_are(folder: Path) -> None:
    netspec("compile", "t.ns", "--preprocess", "--batch", "2")
    np.save(folder / "a.npy", np.zeros((2, 8, 8, 3), np.uint8))
    assert netspec("run", "t.onnx", "a.npy").stdout.count("output[") == 2
    np.save(folder / "b.npy", np.zeros((2, 3, 8, 8), np.uint8))
    refused = netspec("run", "t.onnx", "b.npy")
    assert refused.returncode == 1
    assert "2x3x8x8, the model takes 2x8x8x3: the channels come last" in refused.stderr
    assert netspec("run", "t.onnx").returncode == 0
    told = netspec("run", "t.ns", "b.npy")
    assert told.returncode == 1
    assert "prepare its pixels, or compile the model with --preprocess" in told.stderr


def test_without_a_line_an_image_is_prepared_as_for_imagenet_and_that_is_said(folder: Path) -> None:
    text = "\n".join(line for line in SPEC.splitlines() if not line.startswith("preprocess"))
    (folder / "t.ns").write_text(text)
    said = netspec("run", "t.ns", "x.png").stderr
    assert "x.png: the model does not say how images are prepared; done as for ImageNet" in said
    refused = netspec("compile", "t.ns", "--preprocess")
    assert refused.returncode == 2
    assert "NS640" in refused.stderr
    assert not (folder / "t.onnx").exists()


def test_compile_tells_in_json_what_the_file_takes_and_gives(folder: Path) -> None:
    done = netspec("compile", "t.ns", "--preprocess", "--tap", "body", "--json")
    told = json.loads(done.stdout)
    assert told["taps"] == ["body"]
    assert told["preprocess"]["input"]["crop"] == [8, 8]


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (["compile", "t.ns", "--tap", "bodi"], 2, "did you mean `body`?"),
        (["run", "t.ns", "--tap", "input"], 2, "NS641"),
        (["compile", "t.ns", "--to", "torch", "--tap", "body"], 2, "--tap is for ONNX files"),
        (["compile", "t.ns", "--to", "dot", "--preprocess"], 2, "--preprocess is for ONNX files"),
        (["run", "x.onnx", "--tap", "body"], 2, "--tap needs a spec"),
        (["run", "t.ns", "--save", "x.npy"], 2, "--save writes FILE.npz"),
        (["run", "t.ns", "--save", "no/x.npz"], 1, "no/x.npz"),
    ],
)
def test_what_cannot_be_done_is_said(args: list[str], status: int, says: str, folder: Path) -> None:
    done = netspec(*args)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert says in done.stderr


def test_what_is_saved_does_not_replace_what_was_read(folder: Path) -> None:
    (folder / "t.npz").write_bytes((folder / "x.png").read_bytes())
    refused = netspec("run", "t.ns", "input=t.npz", "--save", "t.npz")
    assert refused.returncode != 0
    assert (folder / "t.npz").read_bytes() == (folder / "x.png").read_bytes()

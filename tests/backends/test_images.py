"""Images as inputs: the same numbers whether a file prepares pixels itself or is given them prepared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from netspec.analysis.preprocessing import Preprocessing, completed, preprocessings
from netspec.backends.images import normalised, pixels_of, read_image
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.images import IMAGES, taking_pixels
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import InputInfo, Session
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

CAFFE = "channels=bgr, range=(0, 255), mean=(104, 117, 123), std=(57, 58, 59)"
STEPS = "conv3-4(pad=same, act=relu); gap; fc-5\n"


def graph(line: str = CAFFE, shape: str = "3x8x8", steps: str = STEPS) -> Graph:
    return build(Source("<test>", f"preprocess {line}\ninput {shape}\n{steps}"))


def both(net: Graph, folder: Path, **options: Any) -> tuple[Session, Session]:
    """The net as a file that takes numbers, and as one that takes pixels."""
    for pixels in (False, True):
        path = folder / f"{pixels}.onnx"
        compile_graph(net, path, FileOptions(preprocess=pixels, **options))
    return Session(folder / "False.onnx"), Session(folder / "True.onnx")


def photo(width: int = 50, height: int = 37) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def silent(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parametrize("line", [CAFFE, "mean=0.5, std=0.25", "range=(-1, 1), resize=11, pad=1"])
@pytest.mark.parametrize("shape", ["3x8x8", "1x8x8", "3x8x12", "3xHxW"])
def test_an_image_gives_the_same_output_both_ways(line: str, shape: str, tmp_path: Path) -> None:
    if shape.startswith("1"):
        line = "range=(-0.1, 1.175), pad=2"
    path = tmp_path / "x.png"
    photo().save(path)
    outputs, arrays = [], []
    for session in both(graph(line, shape), tmp_path):
        arrays.append(read_image(session.inputs[0], str(path), silent))
        outputs.append(session.run({"input": arrays[-1]}).outputs["output"])
    assert (arrays[0].dtype, arrays[1].dtype) == (np.float32, np.uint8)
    assert arrays[0].shape == tuple(arrays[1].shape[axis] for axis in (0, 3, 1, 2))
    assert np.abs(outputs[0]).max() > 1e-3
    assert np.allclose(*outputs, rtol=0, atol=1e-5)


def test_pixels_are_prepared_as_the_line_says(tmp_path: Path) -> None:
    _, session = both(graph(steps="identity as same; output same\nrelu\n"), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    found = session.run({"input": pixels}).outputs["same"]
    by_hand = pixels[..., ::-1].astype(np.float64) - (104, 117, 123)
    assert np.allclose(found, (by_hand / (57, 58, 59)).transpose(0, 3, 1, 2), atol=1e-5)


def test_the_file_is_a_checked_model_of_uint8_channels_last(tmp_path: Path) -> None:
    both(graph(), tmp_path, batch=2)
    model = onnx.load(tmp_path / "True.onnx")
    onnx.checker.check_model(model, full_check=True)
    kind = model.graph.input[0].type.tensor_type
    assert (model.graph.input[0].name, kind.elem_type) == ("input", onnx.TensorProto.UINT8)
    assert [dim.dim_value for dim in kind.shape.dim] == [2, 8, 8, 3]
    compile_graph(graph(), tmp_path / "again.onnx", FileOptions(preprocess=True, batch=2))
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "True.onnx").read_bytes()


def test_of_several_inputs_only_the_image_takes_pixels(tmp_path: Path) -> None:
    text = (
        "preprocess image=photo, std=0.5\ninput more: 4\ninput photo: 3x8x8\n"
        "@photo; gap as seen\n{ | @seen | @more }; concat; fc-2\n"
    )
    plain, session = both(build(Source("<test>", text)), tmp_path)
    assert [(info.name, info.dtype) for info in session.inputs] == [
        ("more", "<f4"),
        ("photo", "|u1"),
    ]
    pixels = np.full((1, 8, 8, 3), 51, np.uint8)
    more = np.ones((1, 4), np.float32)
    given = {"photo": np.full((1, 3, 8, 8), 0.4, np.float32), "more": more}
    found = session.run({"photo": pixels, "more": more}).outputs["output"]
    assert np.allclose(found, plain.run(given).outputs["output"], atol=1e-5)


def test_illegal_sizes_of_pixels_are_refused_by_the_file(tmp_path: Path) -> None:
    net = graph("std=0.5", "3xHxW", "concat { | identity | maxpool2; deconv2-3/2 }; conv1-2\n")
    _, session = both(net, tmp_path)
    assert session.run({"input": np.zeros((1, 4, 6, 3), np.uint8)}).outputs["output"].shape[2] == 4
    with pytest.raises(NetspecError, match="legal sizes: H even; W even"):
        session.run({"input": np.zeros((1, 4, 5, 3), np.uint8)})


def test_a_name_of_the_net_that_looks_like_the_files_own_is_kept_apart(tmp_path: Path) -> None:
    net = build(
        Source("<test>", "preprocess std=0.5\ninput 3x8x8\nblock cast { conv1-3 }\ncast; gap\n")
    )
    plain, session = both(net, tmp_path)
    pixels = np.full((1, 8, 8, 3), 255, np.uint8)
    numbers = np.full((1, 3, 8, 8), 2, np.float32)
    found = session.run({"input": pixels}).outputs["output"]
    assert np.allclose(found, plain.run({"input": numbers}).outputs["output"], atol=1e-5)


def test_what_prepares_pixels_says_its_types_and_where_it_comes_from(tmp_path: Path) -> None:
    both(graph(steps="identity as same; output same\nrelu\n"), tmp_path)
    model = onnx.load(tmp_path / "True.onnx")
    held = {item.name for item in (*model.graph.value_info, *model.graph.output)}
    assert all(name in held for node in model.graph.node for name in node.output)
    assert all(
        {"netspec.source", "namespace"} <= {entry.key for entry in node.metadata_props}
        for node in model.graph.node
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def test_a_net_of_half_precision_gets_what_was_prepared_in_single() -> None:
    net = graph()
    model = lower(net)
    proto = onnx.GraphProto.FromString(model.graph)
    proto.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    half = replace(model, graph=proto.SerializeToString())
    made = taking_pixels(half, preprocessings(net)).proto.graph.node
    assert [node.op_type for node in made[:6]] == [
        "Cast",
        "Transpose",
        "Gather",
        "Mul",
        "Add",
        "Cast",
    ]
    assert made[5].attribute[0].i == onnx.TensorProto.FLOAT16
    assert made[6].input[0] == made[5].output[0]


def test_without_a_line_nothing_is_guessed(tmp_path: Path) -> None:
    net = build(Source("<test>", "input 3x8x8\nconv1-2\n"))
    with pytest.raises(
        NetspecError, match=r"NS640.*\n.*write a line such as `preprocess resize=256"
    ):
        compile_graph(net, tmp_path / "x.onnx", FileOptions(preprocess=True))
    assert not list(tmp_path.iterdir())


# --- what is given


def test_pixels_come_back_from_what_they_became() -> None:
    (how,) = preprocessings(graph()).values()
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(pixels_of(normalised(pixels, how), how), pixels)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (
            np.zeros((1, 3, 8, 8), np.uint8),
            "1x3x8x8, the model takes Nx8x8x3: the channels come last",
        ),
        (np.zeros((1, 9, 8, 3), np.uint8), "1x9x8x3, the model takes Nx8x8x3"),
        (
            np.zeros((1, 8, 8, 3), np.float32),
            "float32, the model takes uint8: pixels from 0 to 255",
        ),
        (np.full((1, 8, 8, 3), 256), "numbers that are no pixels from 0 to 255"),
        (np.full((1, 8, 8, 3), -1), "numbers that are no pixels from 0 to 255"),
    ],
)
def test_what_are_no_pixels_is_refused(array: Any, says: str, tmp_path: Path) -> None:
    _, session = both(graph(), tmp_path)
    with pytest.raises(NetspecError) as caught:
        session.run({"input": array})
    assert says in str(caught.value)


def test_channels_last_given_to_a_file_of_numbers_is_told_from_other_sizes(tmp_path: Path) -> None:
    session, _ = both(graph(), tmp_path)
    with pytest.raises(
        NetspecError, match=r"before height and width, so transpose it with \(0, 3, 1"
    ):
        session.run({"input": np.zeros((1, 8, 8, 3), np.float32)})


def test_whole_numbers_of_another_type_are_pixels_too(tmp_path: Path) -> None:
    _, session = both(graph(), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3))
    outputs = [
        session.run({"input": pixels.astype(kind)}).outputs["output"] for kind in ("i8", "u1")
    ]
    assert np.array_equal(*outputs)


# --- files of images


def info_of(folder: Path, line: str = "mean=0", shape: str = "3x8x8") -> Any:
    return both(graph(line, shape), folder)[1].inputs[0]


def read(folder: Path, image: Image.Image, line: str, shape: str = "3x8x8", **save: Any) -> Any:
    image.save(folder / "x.png", **save)
    return read_image(info_of(folder, line, shape), str(folder / "x.png"), silent)[0]


@pytest.mark.parametrize(
    ("width", "height"), [(50, 37), (37, 50), (40, 40), (8, 8), (1, 1), (3, 100)]
)
def test_resizing_and_cropping_are_torchvisions(width: int, height: int, tmp_path: Path) -> None:
    image = photo(width, height)
    found = read(tmp_path, image, "resize=13, crop=8")
    # torchvision.transforms.functional, _compute_resized_output_size and center_crop.
    short, long = sorted((width, height))
    sizes = {short: 13, long: int(13 * long / short)}
    resized = image.resize((sizes[width], sizes[height]), Image.Resampling.BILINEAR)
    top, left = round((resized.height - 8) / 2.0), round((resized.width - 8) / 2.0)
    assert np.array_equal(found, np.asarray(resized.crop((left, top, left + 8, top + 8))))


def test_both_sides_may_be_given_and_black_put_around(tmp_path: Path) -> None:
    image = photo(30, 20)
    found = read(tmp_path, image, "resize=(8, 6), crop=(6, 6), pad=1, interpolation=nearest")
    resized = image.resize((6, 8), Image.Resampling.NEAREST).crop((0, 1, 6, 7))
    assert np.array_equal(found[1:-1, 1:-1], np.asarray(resized))
    assert not found[0].any()
    assert not found[:, -1].any()


def test_a_size_that_is_free_takes_the_image_as_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, photo(), "std=1", "3xHxW").shape == (37, 50, 3)
    assert read(tmp_path, photo(), "resize=8", "3xHxW").shape == (8, 10, 3)
    assert read(tmp_path, photo(10, 300), "crop=9", "3xHxW").shape == (9, 9, 3)


def with_orientation(image: Image.Image) -> dict[str, Any]:
    exif = image.getexif()
    exif[0x0112] = 6
    return {"exif": exif}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_kind_of_8_bit_image_is_read(mode: str, tmp_path: Path) -> None:
    info = info_of(tmp_path, "std=1", "3x8x8")
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    image = photo(8, 8).convert(mode)
    image.save(path)
    with Image.open(path) as stored:
        expected = np.asarray(stored.convert("RGB"))
    assert np.array_equal(read_image(info, str(path), silent)[0], expected)


def test_an_image_of_16_bits_is_refused_rather_than_cut_off(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(NetspecError, match="more than 8 bits a channel"):
        read_image(info_of(tmp_path, "std=1", "1x8x8"), str(tmp_path / "x.png"), silent)


def test_an_image_that_asks_to_be_turned_is_read_as_stored_and_said_so(tmp_path: Path) -> None:
    image, said = photo(8, 8), []
    image.save(tmp_path / "x.png", **with_orientation(image))
    found = read_image(info_of(tmp_path, "std=1"), str(tmp_path / "x.png"), said.append)
    assert np.array_equal(found[0], np.asarray(image))
    assert said == [
        f"{tmp_path}/x.png: EXIF orientation 6 is not applied: pixels are read as stored"
    ]


def test_a_broken_orientation_is_no_reason_to_fail(tmp_path: Path) -> None:
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"):
        photo(8, 8).save(tmp_path / "x.jpg", exif=exif)
        assert read_image(info_of(tmp_path), str(tmp_path / "x.jpg"), silent).shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("sizes", "size"),
    [((1, 2**31), (2**16, 1)), ((2**14, 2**14), (8, 8)), ((2**20, 1), (1, 1000))],
)
def test_a_model_that_claims_a_vast_input_makes_no_vast_image(
    sizes: tuple[int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("L", size).save(tmp_path / "x.png")
    for said in ({}, {"pad": 5}):
        how = completed(said, (1, *sizes)) if min(sizes) > 10 or not said else None
        info = InputInfo("input", (1, 1, *sizes), "<f4", how)
        with pytest.raises(NetspecError, match=r"more than 67,108,864 pixels|too long a strip"):
            read_image(info, str(tmp_path / "x.png"), lambda _: None)


def test_an_input_of_other_channels_takes_pixels_and_no_image_files(tmp_path: Path) -> None:
    _, session = both(graph("range=(0, 1)", "4x8x8"), tmp_path)
    assert session.run({"input": np.zeros((1, 8, 8, 4), np.uint8)}).outputs["output"].shape == (
        1,
        5,
    )
    photo().save(tmp_path / "x.png")
    with pytest.raises(NetspecError, match="1 or 3 channels"):
        read_image(session.inputs[0], str(tmp_path / "x.png"), silent)


# --- what a file says of its images


def saying(folder: Path, text: str | bytes) -> Path:
    path = folder / "said.onnx"
    compile_graph(build(Source("<test>", "input 3x8x8\nconv1-2\n")), path)
    model = onnx.load(path)
    model.metadata_props.add(key=IMAGES, value=text)
    onnx.save(model, path)
    return path


def test_a_file_of_numbers_says_how_to_prepare_images(tmp_path: Path) -> None:
    session, _ = both(graph("resize=9, mean=0.5"), tmp_path)
    numbers = ((0.0, 1.0), (0.5,) * 3, (1.0,) * 3)
    assert session.inputs[0].image == Preprocessing(9, (8, 8), 0, "bilinear", "rgb", *numbers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"input": 3}',
        '{"input": {"crop": [9, 9]}}',
        '{"input": {"resize": 1e9}}',
        '{"input": {"resize": 100000}}',
        '{"input": {"resize": true}}',
        '{"input": {"mean": [NaN, 0, 0]}}',
        '{"input": {"mean": [1, 2]}}',
        '{"input": {"mean": 1e999}}',
        '{"input": {"std": [0, 0, 0]}}',
        '{"input": {"std": [[1], 1, 1]}}',
        '{"input": {"std": {}}}',
        '{"input": {"range": [0, 0]}}',
        '{"input": {"channels": "grey"}}',
        '{"input": {"channels": "__class__"}}',
        '{"input": {"command": "rm"}}',
        "[" * 100_000,
        '{"input": {"source": "' + 70_000 * "x" + '"}}',
        '{"input": {"pad": -1}}',
    ],
)
def test_a_file_that_says_what_netspec_never_would_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(NetspecError, match=r"NS605.*what it says of images"):
        Session(saying(tmp_path, text))


def test_what_a_file_says_of_inputs_that_it_has_not_is_left_alone(tmp_path: Path) -> None:
    path = saying(tmp_path, json.dumps({"other": {"crop": [9, 9]}}))
    assert Session(path).inputs[0].image is None

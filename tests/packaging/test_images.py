"""What others' keys say of images does what `netspec run` does."""

from __future__ import annotations

from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.analysis.preprocessing import completed, preprocessings
from netspec.backends.images import read_image
from netspec.backends.runtime import InputInfo
from netspec.elaborate.build import build
from netspec.packaging.images import Unsaid, pretrained_cfg, processor
from netspec.syntax.files import read_spec, shipped_names


def by_processor(image: Image.Image, said: dict[str, Any]) -> np.ndarray:
    """What BitImageProcessor documents: RGB, resized, cropped, scaled, normalised."""
    assert said["image_processor_type"] == "BitImageProcessor"
    assert said["do_convert_rgb"]
    image = image.convert("RGB")
    if said["do_resize"]:
        if "shortest_edge" in said["size"]:
            edge = said["size"]["shortest_edge"]
            short, long = sorted(image.size)
            other = int(edge * long / short)
            size = (edge, other) if image.width <= image.height else (other, edge)
        else:
            size = (said["size"]["width"], said["size"]["height"])
        image = image.resize(size, Image.Resampling(said["resample"]))
    pixels = np.asarray(image)
    if said["do_center_crop"]:
        height, width = said["crop_size"]["height"], said["crop_size"]["width"]
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        pixels = pixels[top : top + height, left : left + width]
    scaled = pixels * said["rescale_factor"]
    return ((scaled - said["image_mean"]) / said["image_std"]).transpose(2, 0, 1)[None]


def by_timm(image: Image.Image, said: dict[str, Any]) -> np.ndarray:
    """What timm's create_transform documents of these keys."""
    height, width = said["input_size"][1:]
    tall, wide = (floor(size / said["crop_pct"]) for size in (height, width))
    image = image.convert("RGB")
    if said["crop_mode"] == "center":
        short, long = sorted(image.size)
        other = int(tall * long / short)
        wide, tall = (tall, other) if image.width <= image.height else (other, tall)
    image = image.resize((wide, tall), Image.Resampling[said["interpolation"].upper()])
    top, left = round((tall - height) / 2), round((wide - width) / 2)
    pixels = np.asarray(image.crop((left, top, left + width, top + height))) / 255
    return ((pixels - said["mean"]) / said["std"]).transpose(2, 0, 1)[None]


LINES = {
    "torchvision's": (
        {"resize": 40, "crop": 32, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)},
        32,
    ),
    "from -1 to 1": ({"resize": 40, "crop": 32, "range": (-1, 1)}, 32),
    "pixels as they are": (
        {"range": (0, 255), "mean": (125.3, 123, 113.9), "std": (63, 62.1, 66.7)},
        32,
    ),
    "both sides": ({"resize": (48, 40), "crop": 32, "interpolation": "bicubic"}, 32),
    "both sides alike": ({"resize": (40, 40), "crop": 32}, 32),
    "no resize": ({"interpolation": "nearest"}, 32),
    "odd": ({"resize": 43, "crop": 32}, 32),
    "nothing but the crop": ({"crop": 32}, 32),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("size", [(48, 64), (64, 48), (40, 40), (90, 41), (33, 200)])
def test_both_prepare_images_as_run_does(line: Any, size: tuple[int, int], tmp_path: Path) -> None:
    said, side = line
    how = completed(said, (3, side, side))
    random = np.random.default_rng(sum(size))
    image = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), np.uint8))
    image.save(tmp_path / "image.png")
    info = InputInfo("input", ("N", 3, side, side), "<f4", how)
    ours = read_image(info, str(tmp_path / "image.png"), pytest.fail)
    largest = np.abs(ours).max()
    if said.get("resize") != (48, 40):  # one share for both sides
        found = by_timm(image, pretrained_cfg(how))
        assert np.abs(found - ours).max() < 1e-6 * largest
    # transformers rounds the place of the crop down: along such a side it is one pixel beside.
    found = by_processor(image, processor(how))
    rows, columns = (_beside(how, image, axis) for axis in (1, 0))
    same = ours[:, :, : side - rows, : side - columns]
    assert np.abs(found[:, :, rows:, columns:] - same).max() < 1e-6 * largest


def _beside(how: Any, image: Image.Image, axis: int) -> int:
    """How many pixels before ours the crop of transformers begins along an axis."""
    if isinstance(how.resize, tuple):
        resized = how.resize[1 - axis]
    else:
        edge = how.resize or how.crop[0]
        resized = edge * image.size[axis] // min(image.size)
    apart = resized - how.crop[1 - axis]
    return round(apart / 2) - apart // 2


@pytest.mark.parametrize(
    ("said", "shape", "reason"),
    [
        ({"channels": "bgr"}, (3, 32, 32), "channels are turned"),
        ({}, (1, 32, 32), "images are made grey"),
        ({"pad": 2}, (3, 32, 32), "images are padded"),
        ({"resize": 40}, (3, 32, 48), "not square"),
    ],
)
def test_what_they_have_no_keys_for_is_not_said(said: Any, shape: Any, reason: str) -> None:
    for keys in (processor, pretrained_cfg):
        with pytest.raises(Unsaid, match=reason):
            keys(completed(said, shape))


def test_an_open_size_is_not_cropped() -> None:
    how = completed({"resize": 256}, (3, "H", "W"))
    assert processor(how)["size"] == {"shortest_edge": 256}
    assert not processor(how)["do_center_crop"]
    with pytest.raises(Unsaid, match="open"):
        pretrained_cfg(how)
    assert not processor(completed({}, (3, "H", "W")))["do_resize"]


def test_timm_finds_every_size_again() -> None:
    """It divides the crop by a share and rounds down, which a plain quotient often misses by one."""
    missed = 0
    for crop in range(16, 600, 7):
        for resize in range(crop, 2 * crop, 5):
            share = pretrained_cfg(completed({"resize": resize, "crop": crop}, (3, crop, crop)))
            assert floor(crop / share["crop_pct"]) == resize
            missed += floor(crop / (crop / resize)) != resize
    assert missed > 100


def test_most_shipped_specs_can_be_said() -> None:
    said = unsaid = 0
    for name in shipped_names("lectures"):
        graph = build(read_spec(name), expectations=False)
        for how in preprocessings(graph).values():
            try:
                processor(how)
                said += 1
            except Unsaid:
                unsaid += 1
    assert said > 25
    assert unsaid > 10

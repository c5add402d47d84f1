"""How images become inputs, in the keys of those who prepare them: transformers and timm.

Only what their code does is written: where a spec prepares images in a way that they have no keys for,
nothing is said but why.
"""

from __future__ import annotations

from math import floor, nextafter
from typing import Any

from netspec.analysis.preprocessing import Box, Preprocessing

# Pillow's numbers of its filters.
_FILTERS = {"nearest": 0, "bilinear": 2, "bicubic": 3}


class Unsaid(Exception):
    """There are no keys for it: why."""


def processor(how: Preprocessing) -> dict[str, Any]:
    """A preprocessor_config.json for transformers' AutoImageProcessor; raises Unsaid.

    BitImageProcessor resizes the shorter side, or both, takes the centre and normalises: in that order and
    in pixels, which ConvNext's and ViT's cannot say of a crop that is smaller than what is resized.
    """
    mean, std = _normalised(how)
    resize = _resized(how)
    said: dict[str, Any] = {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": True,
        "do_resize": resize is not None,
        "resample": _FILTERS[how.interpolation],
        "do_center_crop": how.crop is not None,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
    }
    if resize is not None:
        said["size"] = {"shortest_edge": resize} if isinstance(resize, int) else _named(resize)
    if how.crop is not None:
        said["crop_size"] = _named(how.crop)
    return said


def pretrained_cfg(how: Preprocessing) -> dict[str, Any]:
    """The keys of timm's `pretrained_cfg` that `timm.data.create_transform` is made of; raises Unsaid."""
    mean, std = _normalised(how)
    resize = _resized(how)
    if how.crop is None or resize is None:
        raise Unsaid("the size of the input is open")
    box = (resize, resize) if isinstance(resize, int) else resize
    return {
        "input_size": [3, *how.crop],
        "interpolation": how.interpolation,
        "crop_pct": _share(how.crop, box),
        "crop_mode": "center" if isinstance(resize, int) else "squash",
        "mean": mean,
        "std": std,
    }


def _normalised(how: Preprocessing) -> tuple[list[float], list[float]]:
    """The mean and deviation of pixels from 0 to 1, red before blue."""
    if how.channels == "bgr":
        raise Unsaid("channels are turned, blue before red")
    if how.channels != "rgb":
        raise Unsaid("images are made grey")
    low, high = how.range
    return [(mean - low) / (high - low) for mean in how.mean], [s / (high - low) for s in how.std]


def _resized(how: Preprocessing) -> int | Box | None:
    """What the shorter side becomes, or both; None if nothing is resized."""
    if how.pad:
        raise Unsaid("images are padded")
    if isinstance(how.resize, tuple):
        return how.resize
    if how.crop is not None and how.crop[0] != how.crop[1]:
        raise Unsaid("images are resized to cover a crop that is not square")
    return how.resize if how.resize is not None or how.crop is None else how.crop[0]


def _named(box: Box) -> dict[str, int]:
    return {"height": box[0], "width": box[1]}


def _share(crop: Box, resized: Box) -> float:
    """The quotient of both, by which timm finds the latter again: it divides and rounds down."""
    found = crop[0] / resized[0]
    while floor(crop[0] / found) < resized[0]:
        found = nextafter(found, 0)
    if tuple(floor(size / found) for size in crop) != resized:
        raise Unsaid("height and width are resized by different shares")
    return found

"""Image files to arrays: resized, cropped, and as numbers where a net does not take pixels itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.analysis.preprocessing import Box, Preprocessing, usual
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.system.extras import need
from netspec.system.reading import open_regular, reading

if TYPE_CHECKING:
    from netspec.backends.runtime import InputInfo

    Array = np.ndarray[Any, Any]

# Formats that Pillow reads by itself: for others it starts programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Those of 8 bits a channel. Of others Pillow makes 8 bits by cutting off what is brighter.
_MODES = frozenset("1 L LA La P PA RGB RGBA RGBa RGBX CMYK YCbCr LAB HSV".split())
_PIXELS = 2**26
# An image is enlarged to no more pixels than this many times what is cropped from it.
_STRETCHED = 64
_EXIF_ORIENTATION = 0x0112


def normalised(pixels: Array, how: Preprocessing) -> Array:
    """What an input takes of pixels (N, H, W, C), red before blue: float32 (N, C, H, W).

    The same two operations on the same float32 numbers as in a file that takes pixels itself.
    """
    array = pixels.astype(np.float32).transpose(0, 3, 1, 2)
    if how.channels == "bgr":
        array = array[:, ::-1]
    scale, shift = (
        np.array(numbers, np.float32).reshape(1, -1, 1, 1)
        for numbers in (how.scales(), how.shifts())
    )
    found: Array = np.ascontiguousarray(array * scale + shift)
    return found


def pixels_of(array: Array, how: Preprocessing) -> Array:
    """The pixels that `normalised` made an array of."""
    scale, shift = (
        np.array(numbers).reshape(1, -1, 1, 1) for numbers in (how.scales(), how.shifts())
    )
    found = np.rint((array - shift) / scale).clip(0, 255).astype(np.uint8)
    if how.channels == "bgr":
        found = found[:, ::-1]
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1))


def read_image(info: InputInfo, path: str, say: Callable[[str], None]) -> Array:
    """The array that an input takes of an image file, a batch of one.

    Where the model does not say how images are prepared, what is done instead is told to `say`, and
    so is an image that asks to be turned: its pixels are read as they are stored, as torchvision
    and timm do. Raises NetspecError of what is no image, or does not fit.
    """
    how = info.image or _usual(info, path, say)
    if not how.channels:
        raise _no_image(info)
    pixels = _read(info, path, how, say)
    return pixels if info.dtype == "|u1" else normalised(pixels, how)


def _no_image(info: InputInfo) -> NetspecError:
    reason = "an image needs an input of 1 or 3 channels, HxW"
    if info.dtype == "|u1" and info.image is None:
        reason = "the file does not say how an image becomes its pixels: give it an array"
    return NetspecError(BadInput(info.name, reason), status=2)


def _usual(info: InputInfo, path: str, say: Callable[[str], None]) -> Preprocessing:
    if len(info.shape) != 4 or info.shape[1] not in (1, 3) or info.dtype == "|u1":
        raise _no_image(info)
    how = usual(info.shape[1:])
    say(f"{path}: the model does not say how images are prepared; done as for ImageNet: {how}")
    return how


def _read(info: InputInfo, path: str, how: Preprocessing, say: Callable[[str], None]) -> Array:
    need("PIL", "reading images")
    from PIL import Image

    def wrong(reason: str) -> NetspecError:
        return NetspecError(BadInput(info.name, f"{path} is not an image: {reason}"))

    with (
        reading(wrong),
        open_regular(path) as opened,
        Image.open(opened, formats=_FORMATS) as file,
    ):
        # What it says of its size is believed before its pixels are made.
        if file.width * file.height > _PIXELS:
            raise wrong(f"it has {file.width}x{file.height} pixels, {_PIXELS:,} are read")
        if file.mode not in _MODES:
            raise NetspecError(
                BadInput(
                    info.name, f"{path} has more than 8 bits a channel ({file.mode}): save it as 8"
                )
            )
        if turned := _turned(file):
            say(f"{path}: EXIF orientation {turned} is not applied: pixels are read as stored")
        image = file.convert("L" if how.channels == "grey" else "RGB")
        image = _framed(image, how)
    array: Array = np.asarray(image, np.uint8)
    return array.reshape(1, *array.shape[:2], -1)


def _turned(file: Any) -> int:
    """The orientation that an image asks for, 2 to 8; 0 for none, or none that can be read."""
    with contextlib.suppress(Exception):  # Pillow raises what it likes of what is broken
        asked = file.getexif().get(_EXIF_ORIENTATION)
        return asked if isinstance(asked, int) and 2 <= asked <= 8 else 0
    return 0


def _framed(image: Any, how: Preprocessing) -> Any:
    """Resized, cropped and padded. Pillow's resizing averages what it makes smaller."""
    from PIL import Image, ImageOps

    width, height = _resized(image.width, image.height, how)
    tall, wide = how.crop or (height, width)
    if (tall + 2 * how.pad) * (wide + 2 * how.pad) > _PIXELS:
        raise ValueError(f"the model takes more than {_PIXELS:,} pixels")
    if (width, height) != image.size:
        target = how.crop or _pair(how.resize or 1)
        allowed = _STRETCHED * max(target[0] * target[1], _least(how) ** 2)
        if width * height > min(allowed, _PIXELS):
            raise ValueError(f"{image.width}x{image.height} pixels are too long a strip")
        image = image.resize((width, height), Image.Resampling[how.interpolation.upper()])
    if how.crop is not None:
        # As torchvision's CenterCrop rounds: a half goes to the even number.
        top, left = (
            round((size - wanted) / 2)
            for size, wanted in zip((image.height, image.width), how.crop, strict=True)
        )
        image = image.crop((left, top, left + how.crop[1], top + how.crop[0]))
    return ImageOps.expand(image, how.pad) if how.pad else image


def _least(how: Preprocessing) -> int:
    return min(_pair(how.resize or how.crop or 1))


def _pair(size: int | Box) -> Box:
    return (size, size) if isinstance(size, int) else size


def _resized(width: int, height: int, how: Preprocessing) -> Box:
    """The width and height before the crop.

    The image covers a box of the crop's shape whose shorter side is `resize`; a square one so has
    torchvision's Resize: the shorter side exact, the longer rounded down.
    """
    if isinstance(how.resize, tuple):
        return how.resize[1], how.resize[0]
    crop = how.crop or ((how.resize, how.resize) if how.resize else None)
    if crop is None:
        return width, height
    share = (how.resize or min(crop)) / min(crop)
    tall, wide = round(crop[0] * share), round(crop[1] * share)
    if height * wide <= width * tall:
        return max(wide, tall * width // height), tall
    return wide, max(tall, wide * height // width)

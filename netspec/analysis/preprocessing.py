"""How images become inputs: what `preprocess` lines say, completed from the input's own size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.sizes.dims import Dim

Said = Mapping[str, Any]
Box = tuple[int, int]
# The mean and deviation of ImageNet's pixels, red, green and blue, as torchvision's nets expect them.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Misfit(Exception):
    """What a line says does not fit the input; `key` is the pair that is wrong."""

    def __init__(self, key: str, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.key, self.reason, self.advice = key, reason, advice


@record
class Preprocessing:
    """How an image becomes an input of (C, H, W), one step after the other.

    `resize` is what the shorter side becomes, or both sides, without regard to their ratio; None
    leaves the image as large as it is, or just large enough for the crop. Of that the centre of
    `crop` (height, width) is taken, None for all of it, and `pad` black pixels are added on each
    side. A pixel of 0 then becomes the first number of `range`, one of 255 the second; of that
    `mean` is taken, and the rest is divided by `std`: for each channel, in the order of `channels`,
    which is empty where the input is no picture of 1 or 3.
    """

    resize: int | Box | None
    crop: Box | None
    pad: int
    interpolation: str
    channels: str
    range: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def scales(self) -> tuple[float, ...]:
        """What a pixel from 0 to 255 is multiplied by, for each channel."""
        low, high = self.range
        return tuple((high - low) / 255 / std for std in self.std)

    def shifts(self) -> tuple[float, ...]:
        """What is then added, for each channel."""
        return tuple(
            (self.range[0] - mean) / std for mean, std in zip(self.mean, self.std, strict=True)
        )

    def __str__(self) -> str:
        return ", ".join((*self.geometry(), *self.numbers()))

    def geometry(self) -> list[str]:
        """What happens to sizes, in words: `shorter side 256`, `centre 224x224`."""
        parts = []
        if isinstance(self.resize, tuple):
            parts.append(f"resized to {_box(self.resize)}")
        elif self.resize is not None:
            parts.append(f"shorter side {self.resize}")
        elif self.crop is not None:
            parts.append(f"resized to cover {_box(self.crop)}")
        parts += [f"centre {_box(self.crop)}"] if self.crop else []
        return [*parts, *([f"{self.pad} pixels around"] if self.pad else [])]

    def numbers(self) -> list[str]:
        """What happens to pixels, in words: `rgb`, `from 0 to 1`, `less a mean of 0.5`."""
        parts = [self.channels] if self.channels else []
        parts.append(f"from {self.range[0]:g} to {self.range[1]:g}")
        if any(self.mean):
            parts.append(f"less a mean of {_each(self.mean)}")
        if set(self.std) != {1.0}:
            parts.append(f"over a deviation of {_each(self.std)}")
        return parts

    def as_said(self) -> dict[str, Any]:
        """The pairs of a line that says all of this; JSON has lists for its tuples."""
        said = {
            "resize": self.resize,
            "crop": self.crop,
            "pad": self.pad,
            "interpolation": self.interpolation,
            "channels": self.channels,
            "range": self.range,
            "mean": self.mean,
            "std": self.std,
        }
        return {key: value for key, value in said.items() if value not in (None, "")}


def _box(box: Box) -> str:
    return "x".join(map(str, box))


def _each(numbers: Iterable[float]) -> str:
    shown = list(dict.fromkeys(f"{number:g}" for number in numbers))
    return shown[0] if len(shown) == 1 else ", ".join(f"{number:g}" for number in numbers)


def preprocessings(graph: Graph) -> dict[str, Preprocessing]:
    """What the spec's `preprocess` lines say, by the names of the inputs that they are of."""
    shapes = {node.path: node.types[0].shape for node in graph.inputs}
    first = graph.inputs[0].path
    lines: list[dict[str, Any]] = [dict(v) for k, v in graph.metadata if k == "preprocess"]  # type: ignore[call-overload]
    named = {line.get("image", first): line for line in lines}
    return {name: completed(line, shapes[name]) for name, line in named.items()}


def completed(said: Said, shape: Sequence[Dim | str]) -> Preprocessing:
    """What a line says of an input of this shape, of one sample; raises Misfit where it does not fit.

    The values are those that the keys of `netspec.analysis.statements.PREPROCESS` allow. Sizes that
    are no numbers are free.
    """
    if len(shape) != 3 or not isinstance(shape[0], int):
        shown = "x".join(map(str, shape))
        reason = f"an image is an input of channels, height and width, and this one is {shown}"
        raise Misfit("image", reason, "name another input: `image=NAME`")
    count, pad = int(shape[0]), said.get("pad", 0)
    crop = _crop(said, shape, pad)
    resize = said.get("resize")
    _check_resize(resize, crop)
    low, high = said.get("range", (0, 1))
    return Preprocessing(
        resize=resize,
        crop=crop,
        pad=pad,
        interpolation=said.get("interpolation", "bilinear"),
        channels=_channels(said, count),
        range=(float(low), float(high)),
        mean=_per_channel(said, "mean", 0, count),
        std=_per_channel(said, "std", 1, count),
    )


def _pair(size: int | Box) -> Box:
    return (size, size) if isinstance(size, int) else size


def _inside(shape: Sequence[Dim | str], pad: int) -> Box | None:
    """How large what is padded is, where the input is an image whose sizes are numbers."""
    if len(shape) != 3 or not all(isinstance(size, int) for size in shape[1:]):
        return None
    height, width = (int(size) - 2 * pad for size in shape[1:])  # type: ignore[arg-type]
    return height, width


def _crop(said: Said, shape: Sequence[Dim | str], pad: int) -> Box | None:
    room = _inside(shape, pad)
    if room is not None and min(room) < 1:
        reason = f"{pad} pixels on each side leave nothing for the image, {_input(shape)}"
        raise Misfit("pad", reason, "pad less")
    if "crop" not in said:
        return room
    crop = _pair(said["crop"])
    for size, wanted in zip(crop, shape[1:], strict=True):
        if isinstance(wanted, int) and size + 2 * pad != wanted:
            padded = f" and {pad} pixels around it make" if pad else " makes"
            made = _box((crop[0] + 2 * pad, crop[1] + 2 * pad))
            advice = "leave `crop` out: it follows from the input"
            raise Misfit("crop", f"the crop{padded} {made}, {_input(shape)}", advice)
    return crop


def _input(shape: Sequence[Dim | str]) -> str:
    return f"the input is {'x'.join(map(str, shape))}"


def _check_resize(resize: int | Box | None, crop: Box | None) -> None:
    if resize is None or crop is None:
        return
    if isinstance(resize, int):
        small, needed = resize < min(crop), str(min(crop))
    else:
        small, needed = resize[0] < crop[0] or resize[1] < crop[1], f"({crop[0]}, {crop[1]})"
    if small:
        shown = resize if isinstance(resize, int) else _box(resize)
        reason = f"the crop of {_box(crop)} is larger than what is resized to {shown}"
        raise Misfit("resize", reason, f"write `resize={needed}`, or more")


def _channels(said: Said, count: int) -> str:
    word: str = said.get("channels", {1: "grey", 3: "rgb"}.get(count, ""))
    if word and count != (1 if word == "grey" else 3):
        kind = "one channel" if word == "grey" else "three channels"
        advice = {1: "write `channels=grey`", 3: "write `channels=rgb` or `channels=bgr`"}
        raise Misfit(
            "channels",
            f"`{word}` is {kind}, and the input has {count}",
            advice.get(count, "leave `channels` out"),
        )
    return word


def _per_channel(said: Said, key: str, default: float, count: int) -> tuple[float, ...]:
    value = said.get(key, default)
    if not isinstance(value, tuple):
        return (float(value),) * count
    if len(value) != count:
        numbers = "one number" if len(value) == 1 else f"{len(value)} numbers"
        channels = "one channel" if count == 1 else f"{count} channels"
        advice = f"write {count} numbers" if count > 1 else f"write `{key}={value[0]:g}`"
        raise Misfit(key, f"{key} has {numbers}, the input {channels}", advice)
    return tuple(map(float, value))


def at_size(said: Said, declared: Sequence[Dim], given: Sequence[Dim]) -> dict[str, Any]:
    """What a line says of an input that was declared so and is given another size.

    The crop is as large as the input, and the same part of what is resized.
    """
    found, pad = dict(said), said.get("pad", 0)
    before, now = _inside(declared, pad), _inside(given, pad)
    old = _pair(said["crop"]) if "crop" in said else before
    if old is None or now is None or old == now or min(*old, *now) < 1:
        return found
    if "crop" in said:
        found["crop"] = now[0] if now[0] == now[1] else now
    resize = said.get("resize")
    if isinstance(resize, int):
        found["resize"] = round(resize * min(now) / min(old))
    elif resize is not None:
        found["resize"] = tuple(
            round(size * new / was) for size, new, was in zip(resize, now, old, strict=True)
        )
    return found


def usual(shape: Sequence[Dim | str]) -> Preprocessing:
    """What is done where nobody said: the crop alone, and for three channels ImageNet's numbers."""
    three = shape[:1] == [3] or shape[:1] == (3,)
    said = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if three else {}
    return completed(said, shape)

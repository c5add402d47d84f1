"""Small nets whose sizes are symbols, drawn at random; and what a predicate of sizes says."""

from __future__ import annotations

import random
import re
from math import ceil, floor

_PIECES = (
    "conv3-4",
    "conv3-4(pad=same)",
    "conv2-4/2",
    "conv3-4/2(pad=1)",
    "conv3-4/3(pad=1)",
    "conv3-4(dilation=2)",
    "conv3-4(pad=tf_same)",
    "dwconv3(pad=full)",
    "maxpool2",
    "maxpool3/2",
    "maxpool3/2(pad=1)",
    "maxpool2(ceil=yes)",
    "maxpool3/2(ceil=yes)",
    "maxpool2/3(ceil=yes, pad=1)",
    "maxpool3/2(pad=1, dilation=3)",
    "maxpool2/3(pad=1, dilation=4)",
    "avgpool2",
    "avgpool3/2(ceil=yes, pad=1)",
    "lppool3/2(ceil=yes)",
    "deconv2-4/2",
    "deconv3-4/2(pad=1, output_pad=1)",
    "deconv3-4/2(pad=1)",
    "deconv3-4(pad=2)",
    "deconv4-4/2(pad=same)",
    "upsample(2)",
    "upsample(2, mode=bilinear)",
    "pixel_unshuffle(2); conv1-4",
    "conv1-16; pixel_shuffle(2)",
    "crop(1)",
    "crop(size=3)",
    "pad(1)",
    "pad(2, mode=reflect)",
    "slice(1, -1, axis=height)",
    "slice(-2, axis=width)",
    "slice(0, 3, axis=width)",
    "subsample(2)",
    "subsample(2, offset=3)",
    "instancenorm(affine=no)",
    "relu",
)
_FEW = ("adaptive_avgpool(1)", "adaptive_maxpool(1)", "gap(keep=yes)", "slice(-1, axis=height)")
_MERGES = ("add", "concat", "mul", "maximum", "mean")


def _chain(rng: random.Random, length: int) -> str:
    pieces = rng.choices((*_PIECES, rng.choice(_FEW)), k=rng.randint(0, length))
    return "; ".join(pieces) or "identity"


def open_net(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A net and the symbols of its inputs."""
    symbols = rng.choice((("H", "W"), ("H", "W", "K", "L"), ("H", "K"), ("H",)))
    first = "4xHxW" if "W" in symbols else "4xHxH" if symbols == ("H",) else "4xHx6"
    lines = [f"input a: {first}"]
    start = "@a"
    if "K" in symbols:
        lines.append(f"input b: 4x{'KxL' if 'L' in symbols else 'Kx6'}")
        merge = rng.choice(_MERGES)
        start = f"{merge} {{ | @a; {_chain(rng, 2)} | @b; {_chain(rng, 1)} }}; conv1-4"
    lines.append(f"{start} as x; {_chain(rng, 2)} as y")
    kind = rng.randrange(5)
    merge = rng.choice(_MERGES)
    if kind == 0:
        lines.append(f"{merge} {{ | @x; {_chain(rng, 2)} | @y; {_chain(rng, 2)} }}; conv1-4")
    elif kind == 1:
        lines.append(f"{merge} {{ | identity | {_chain(rng, 3)} }}; conv1-4; {_chain(rng, 1)}")
    elif kind == 2:
        lines.append(f"{rng.choice(('crop', 'upsample'))}(@x); {merge} {{ | identity | @x }}")
    elif kind == 3:
        pool = rng.choice(("maxpool2", "maxpool3/2(pad=1)", "maxpool2(ceil=yes)"))
        lines.append(f"{pool} as p; {_chain(rng, 1)}; unpool(@p); {_chain(rng, 1)}")
    else:
        lines.append(_chain(rng, 3))
    return "\n".join(lines) + "\n", symbols


def concrete(text: str, sizes: dict[str, int]) -> str:
    """The net with numbers for the symbols of its inputs."""
    head = [line for line in text.splitlines() if line.startswith("input")]
    rest = [line for line in text.splitlines() if not line.startswith("input")]
    for symbol, size in sizes.items():
        head = [re.sub(rf"(?<=x){symbol}(?=x|$)", str(size), line) for line in head]
    return "\n".join((*head, *rest)) + "\n"


def says(predicate: str, name: str, size: int) -> bool:
    """Whether a printed predicate allows a size: read from its text alone."""
    if predicate == f"no {name}":
        return False
    starts = rf"{name}\b|floor\(|ceil\("
    return any(_clause(text, name, size) for text in re.split(rf" or (?={starts})", predicate))


def _clause(text: str, name: str, size: int) -> bool:
    return all(_atom(part, name, size) for part in re.split(rf", (?={name} >=)", text))


def _atom(text: str, name: str, size: int) -> bool:
    if found := re.fullmatch(rf"{name} >= (\d+)", text):
        return size >= int(found[1])
    if found := re.fullmatch(r"(.+) (even|odd)", text):
        return _value(found[1], name, size) % 2 == (found[2] == "odd")
    found = re.fullmatch(r"(.+?) = (.+?)(?: mod (\d+))?", text)
    assert found is not None, text
    value = _value(found[1], name, size)
    value = value % int(found[3]) if found[3] else value
    runs = (tuple(map(int, run.split(".."))) for run in re.split(r", | or ", found[2]))
    return any(run[0] <= value <= run[-1] for run in runs)


def _value(text: str, name: str, size: int) -> int:
    return int(eval(text, {name: size, "floor": floor, "ceil": ceil}))

"""Initial weights: the schemes a spec can name, and how a seed becomes numbers.

Every weight draws from generators of its own, seeded by the seed and the weight's name, so that the
same seed gives the same weights in PyTorch and in ONNX, whatever the order they are asked in.
"""

from __future__ import annotations

import math
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from netspec.diagnostics import Rejection
from netspec.errors.names import UnknownScheme

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from netspec.ops.base import Weight
    from netspec.ops.params import Layer

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

CHUNK = 1 << 18


@dataclass(frozen=True)
class Scheme:
    """How a weight starts. `std` is that of the normal it draws from, None if it draws none."""

    word: ClassVar[str]
    SCHEMES: ClassVar[dict[str, type[Scheme]]] = {}

    def __init_subclass__(cls) -> None:
        Scheme.SCHEMES[cls.word] = cls

    def std(self, weight: Weight) -> float | None:
        return None

    def constant(self) -> float | None:
        """The value of every element, for schemes that fill."""
        return None

    def table(self, weight: Weight) -> Array:
        """The whole tensor, for schemes that compute it; small tensors only."""
        raise NotImplementedError


@dataclass(frozen=True)
class He(Scheme):
    """Normal with variance 2 / fan-in (He et al. 2015, equation 10)."""

    word = "he"
    gain: float = math.sqrt(2)

    def std(self, weight: Weight) -> float:
        return self.gain / math.sqrt(weight.fan_in)


@dataclass(frozen=True)
class HeFanOut(Scheme):
    """Normal with variance 2 / fan-out (He et al. 2015, equation 14)."""

    word = "he_fan_out"

    def std(self, weight: Weight) -> float:
        return math.sqrt(2 / weight.fan_out)


@dataclass(frozen=True)
class LeCun(Scheme):
    """Normal with variance 1 / fan-in (LeCun et al. 1998, Efficient BackProp)."""

    word = "lecun"

    def std(self, weight: Weight) -> float:
        return 1 / math.sqrt(weight.fan_in)


@dataclass(frozen=True)
class Xavier(Scheme):
    """Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, equation 12)."""

    word = "xavier"

    def std(self, weight: Weight) -> float:
        return math.sqrt(2 / (weight.fan_in + weight.fan_out))


@dataclass(frozen=True)
class Gaussian(Scheme):
    """Normal with a given standard deviation: 0.01 in AlexNet and VGG."""

    word = "gaussian"
    deviation: float = 0.01

    def std(self, weight: Weight) -> float:
        return self.deviation


@dataclass(frozen=True)
class Constant(Scheme):
    word = "constant"
    value: float = 0.0

    def constant(self) -> float:
        return self.value


@dataclass(frozen=True)
class Zeros(Scheme):
    word = "zeros"

    def constant(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Ones(Scheme):
    word = "ones"

    def constant(self) -> float:
        return 1.0


@dataclass(frozen=True)
class Bilinear(Scheme):
    """Bilinear interpolation on the channel diagonal of a transposed convolution (Long et al. 2015)."""

    word = "bilinear"

    def table(self, weight: Weight) -> Array:
        import numpy as np

        channels_in, channels_out, *kernel = weight.shape
        axes = []
        for size in kernel:
            factor = (size + 1) // 2
            centre = factor - 1 if size % 2 else factor - 0.5
            axes.append(1 - np.abs(np.arange(size) - centre) / factor)
        filter_ = axes[0]
        for axis in axes[1:]:
            filter_ = filter_[..., None] * axis
        values = np.zeros(weight.shape, np.float32)
        for channel in range(min(channels_in, channels_out) if channels_out > 1 else channels_in):
            values[channel, channel if channels_out > 1 else 0] = filter_
        return values


@dataclass(frozen=True)
class Identity(Scheme):
    """Passes each input channel on; where widths differ, spread evenly (Yu and Koltun 2016, eq. 4)."""

    word = "identity"

    def table(self, weight: Weight) -> Array:
        import numpy as np

        out, into, *kernel = weight.shape
        values = np.zeros(weight.shape, np.float32)
        centre = tuple(size // 2 for size in kernel)
        common = math.gcd(out, into)
        share = common / out if out > into else common / into
        value = 1.0 if out == into else share * (into / common if out > into else 1.0)
        for o in range(out):
            for i in range(into):
                if o * common // out == i * common // into:
                    values[(o, i, *centre)] = value
        return values


@dataclass(frozen=True)
class Codes(Scheme):
    """Patterns of +1 and -1, one a row, any two of which differ in about half of their elements.

    Element (i, j) is +1 where the binary digits that i + 1 and j + 1 share are even in number:
    the rows of Walsh's functions, without the constant one.
    """

    word = "codes"

    def table(self, weight: Weight) -> Array:
        import numpy as np

        rows = weight.shape[0]
        columns = weight.size // rows
        shared = np.arange(1, rows + 1)[:, None] & np.arange(1, columns + 1)
        odd = np.zeros(shared.shape, np.int64)
        while shared.any():
            odd ^= shared & 1
            shared >>= 1
        return (1 - 2 * odd).astype(np.float32).reshape(weight.shape)


def scheme(value: Layer) -> Scheme:
    """The scheme a spec names, `he` or `gaussian(0.01)`; raises Rejection if there is none."""
    kind = Scheme.SCHEMES.get(value.name)
    if kind is None:
        raise Rejection(UnknownScheme(value.name, "known: " + ", ".join(sorted(Scheme.SCHEMES))))
    try:
        return kind(*map(float, value.positional), **{k: float(v) for k, v in value.named})
    except TypeError:
        raise Rejection(
            UnknownScheme(str(value), f"`{value.name}` does not take these values")
        ) from None


def draw(weight: Weight, name: str, seed: int) -> Iterator[Array]:
    """The weight's initial values as flat float32 pieces of at most `CHUNK` elements, in order.

    Each piece has a generator of its own, seeded by the seed, the weight's name and its number: so
    the cores draw side by side, a few pieces ahead of whoever reads them.
    """
    import numpy as np

    deviation = weight.init.std(weight)
    total = weight.size
    if deviation is None:
        value = weight.init.constant()
        if value is None:
            yield weight.init.table(weight).reshape(-1)
            return
        full = np.full(min(CHUNK, total), value, np.float32)
        for start in range(0, total, CHUNK):
            yield full[: total - start]
        return
    key, scale = zlib.crc32(name.encode()), np.float32(deviation)

    def piece(number: int) -> Array:
        random = np.random.Generator(np.random.SFC64([seed, key, number]))
        values = random.standard_normal(min(CHUNK, total - number * CHUNK), dtype=np.float32)
        values *= scale
        return values

    pieces = -(-total // CHUNK)
    yield from _ahead(piece, pieces) if pieces > 1 else (piece(0),)


def _ahead(piece: Callable[[int], Array], count: int) -> Iterator[Array]:
    """`piece(0)`, `piece(1)`, ... in order, computed on all cores a few ahead of the reader."""
    pool, cores = _drawers()
    waiting = deque(pool.submit(piece, number) for number in range(min(count, 2 * cores)))
    following = len(waiting)
    while waiting:
        yield waiting.popleft().result()
        if following < count:
            waiting.append(pool.submit(piece, following))
            following += 1


@cache
def _drawers() -> tuple[ThreadPoolExecutor, int]:
    from concurrent.futures import ThreadPoolExecutor

    cores = min(8, os.cpu_count() or 1)
    return ThreadPoolExecutor(cores, thread_name_prefix="netspec-draw"), cores

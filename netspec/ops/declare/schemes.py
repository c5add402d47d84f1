"""Initial weights: the schemes a spec can name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import Field, field, fields, replace
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.limits import LARGEST_REAL
from netspec.diagnostics.messages.names import BadSchemeArguments, UnknownScheme
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record
from netspec.ops.declare import patterns
from netspec.ops.declare.values import Layer
from netspec.ops.declare.weight import Scheme, Weight

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


class _Normal(Scheme):
    """Normal with mean 0."""

    def std(self, weight: Weight) -> float:
        """The standard deviation for a weight, by its fans."""
        raise NotImplementedError

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        values = random.standard_normal(size, dtype=np.float32)
        values *= _by_row(self.std, weight, start, size)
        return values


def _by_row(
    measure: Callable[[Weight], float], weight: Weight, start: int, size: int
) -> Array | np.float32:
    """A measure of the weight for its elements from `start` on: one number, or one for each."""
    import numpy as np

    if not weight.row_fans:
        return np.float32(measure(weight))
    each = [measure(replace(weight, fan_in=fan, row_fans=())) for fan in weight.row_fans]
    rows = np.arange(start, start + size) // prod(weight.shape[1:])
    return np.array(each, np.float32)[rows]


class _OverFans(Scheme):
    """A scheme whose size is a number, which powers of a weight's fans may divide."""

    fan_in: float
    fan_out: float

    def check(self, weight: Weight) -> None:
        if not (0 <= self.fan_in <= 2 and 0 <= self.fan_out <= 2):
            raise self._misfit(weight, "fan_in and fan_out are powers from 0 to 2")

    def _divisor(self, weight: Weight) -> float:
        return float(weight.fan_in**self.fan_in * weight.fan_out**self.fan_out)


@record(slots=False)
class He(_Normal):
    """Normal with variance gain^2 / fan-in, 2 / fan-in by default (He et al. 2015, equation 10)."""

    word = "he"
    gain: float = math.sqrt(2)

    def std(self, weight: Weight) -> float:
        return self.gain / math.sqrt(weight.fan_in)


@record(slots=False)
class HeFanOut(_Normal):
    """Normal with variance 2 / fan-out (He et al. 2015, equation 14)."""

    word = "he_fan_out"

    def std(self, weight: Weight) -> float:
        return math.sqrt(2 / weight.fan_out)


@record(slots=False)
class LeCun(_Normal):
    """Normal with variance 1 / fan-in (LeCun et al. 1998, Efficient BackProp)."""

    word = "lecun"

    def std(self, weight: Weight) -> float:
        return 1 / math.sqrt(weight.fan_in)


@record(slots=False)
class Xavier(_Normal):
    """Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, equation 12)."""

    word = "xavier"

    def std(self, weight: Weight) -> float:
        return math.sqrt(2 / (weight.fan_in + weight.fan_out))


@record(slots=False)
class Gaussian(_OverFans, _Normal):
    """Normal with a given standard deviation: 0.01 in AlexNet, 0.1 in VGG (a variance of 0.01).

    It is divided by the powers `fan_in` and `fan_out` of the weight's fans: `gaussian(1, fan_in=1)`
    is ShuffleNet's.
    """

    word = "gaussian"
    deviation: float = 0.01
    fan_in: float = field(default=0, kw_only=True)
    fan_out: float = field(default=0, kw_only=True)

    def std(self, weight: Weight) -> float:
        return self.deviation / self._divisor(weight)


@record(slots=False)
class Truncated(Gaussian):
    """Normal of a given deviation, cut at two of them: Inception v3, MobileNet, ViT, ConvNeXt.

    Divided as gaussian's. TensorFlow's `variance_scaling` is `truncated(sqrt(2.6), fan_in=1/2)`:
    1.3 in place of 1 makes up for the variance that is cut.
    """

    word = "truncated"
    deviation: float = 0.02

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        values = random.standard_normal(size, dtype=np.float32)
        while len(far := np.flatnonzero(np.abs(values) > 2)):
            values[far] = random.standard_normal(len(far), dtype=np.float32)
        values *= _by_row(self.std, weight, start, size)
        return values


class _Uniform(Scheme):
    """Uniform between two bounds of opposite sign."""

    def limit(self, weight: Weight) -> float:
        """The upper bound for a weight, by its fans; the lower one is its opposite."""
        raise NotImplementedError

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        values = random.random(size, dtype=np.float32)
        values -= np.float32(0.5)
        values *= 2 * _by_row(self.limit, weight, start, size)
        return values


@record(slots=False)
class Uniform(_OverFans, _Uniform):
    """Uniform in [-bound, bound].

    The bound is divided by the powers `fan_in` and `fan_out` of the weight's fans. `uniform(2.4,
    fan_in=1)` is LeNet-5's (LeCun et al. 1998, appendix A), `uniform(1, fan_in=1/2)` PyTorch's own.
    """

    word = "uniform"
    bound: float = 0.05
    fan_in: float = field(default=0, kw_only=True)
    fan_out: float = field(default=0, kw_only=True)

    def limit(self, weight: Weight) -> float:
        return self.bound / self._divisor(weight)


@record(slots=False)
class HeUniform(_Uniform):
    """Uniform with variance 2 / fan-in."""

    word = "he_uniform"

    def limit(self, weight: Weight) -> float:
        return math.sqrt(6 / weight.fan_in)


@record(slots=False)
class LeCunUniform(_Uniform):
    """Uniform with variance 1 / fan-in: what Caffe calls xavier."""

    word = "lecun_uniform"

    def limit(self, weight: Weight) -> float:
        return math.sqrt(3 / weight.fan_in)


@record(slots=False)
class XavierUniform(_Uniform):
    """Uniform with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010, equation 16)."""

    word = "xavier_uniform"

    def limit(self, weight: Weight) -> float:
        return math.sqrt(6 / (weight.fan_in + weight.fan_out))


@record(slots=False)
class Constant(Scheme):
    """One value everywhere: AlexNet's biases of one."""

    word = "constant"
    value: float = 0.0

    @property
    def drawn(self) -> bool:
        return False

    def constant(self) -> float:
        return self.value

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        return np.full(size, self.constant(), np.float32)


@record(slots=False)
class Zeros(Constant):
    """Zero everywhere: on the last norm of a residual branch, the unit starts as the identity."""

    word = "zeros"
    value: float = field(default=0.0, init=False)


@record(slots=False)
class Ones(Constant):
    """One everywhere."""

    word = "ones"
    value: float = field(default=1.0, init=False)


@record(slots=False)
class Bilinear(Scheme):
    """Bilinear interpolation of each channel by a transposed convolution (Long et al. 2015)."""

    word = "bilinear"

    @property
    def drawn(self) -> bool:
        return False

    def check(self, weight: Weight) -> None:
        if len(weight.shape) < 3 or weight.shape[0] % weight.shape[1]:
            reason = "it is for transposed convolutions from as many channels to as many"
            raise self._misfit(weight, reason)

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        return patterns.bilinear(weight.shape, start, size)


@record(slots=False)
class Identity(Scheme):
    """A convolution that passes its input on (Yu and Koltun 2016, equations 3 and 4).

    Where it has other than as many outputs as inputs, both are copies of `maps` maps, by default as
    many as divide both numbers, and normal noise breaks their ties: `noise` is its deviation as a
    part of the weights that are not zero.
    """

    word = "identity"
    maps: float = 0
    noise: float = 0.01

    @property
    def drawn(self) -> bool:
        return self.noise != 0

    def _maps(self, weight: Weight) -> int:
        return int(self.maps) or math.gcd(*weight.shape[:2])

    def check(self, weight: Weight) -> None:
        if len(weight.shape) < 2 or self.maps != int(self.maps) or self.maps < 0:
            raise self._misfit(weight, "it is for kernels, and maps is a whole number")
        if any(channels % self._maps(weight) for channels in weight.shape[:2]):
            reason = f"maps={self.maps:g} does not divide {weight.shape[1]} and {weight.shape[0]}"
            raise self._misfit(weight, reason)

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        out, into = weight.shape[:2]
        values = patterns.identity(weight.shape, self._maps(weight), start, size)
        if out != into:
            deviation = np.float32(self.noise * self._maps(weight) / out)
            values += random.standard_normal(size, dtype=np.float32) * deviation
        return values


@record(slots=False)
class Codes(Scheme):
    """Patterns of +1 and -1, one a row, any two of which differ in about half of their elements.

    Element (i, j) is +1 where the binary digits that i + 1 and j + 1 share are even in number:
    the rows of Walsh's functions, without the constant one.
    """

    word = "codes"

    @property
    def drawn(self) -> bool:
        return False

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        return patterns.by_rows(patterns.codes, weight.shape, start, size)

    def computed(self, torch: Any, weight: Weight) -> Any:
        rows, *rest = weight.shape
        found = patterns.codes(torch, 0, rows, prod(rest)).float()
        return found if len(rest) == 1 else found.reshape(weight.shape)


@record(slots=False)
class Sinusoids(Scheme):
    """Sines and cosines of growing wavelength, a row for each step (Vaswani et al. 2017, 3.5)."""

    word = "sinusoids"

    @property
    def drawn(self) -> bool:
        return False

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        return patterns.by_rows(patterns.sinusoids, weight.shape, start, size)

    def computed(self, torch: Any, weight: Weight) -> Any:
        rows, *rest = weight.shape
        found = patterns.sinusoids(torch, 0, rows, prod(rest)).float()
        return found if len(rest) == 1 else found.reshape(weight.shape)


def scheme(value: Layer) -> Scheme:
    """The scheme a spec names, `he` or `gaussian(0.01)`; raises Rejection if there is none."""
    kind = Scheme.SCHEMES.get(value.name)
    if kind is None:
        near = closest(value.name, Scheme.SCHEMES)
        known = "known: " + ", ".join(sorted(Scheme.SCHEMES))
        raise Rejection(UnknownScheme(value.name, f"did you mean {near}?" if near else known))
    try:
        positional = [_float32(item) for item in value.positional]
        return kind(*positional, **{name: _float32(item) for name, item in value.named})
    except (TypeError, ValueError):
        takes = [f"{item.name}={item.default:.6g}" for item in arguments(kind)]
        problem = BadSchemeArguments(str(value), value.name, ", ".join(takes) or "no arguments")
        raise Rejection(problem) from None


def arguments(kind: type[Scheme]) -> list[Field[float]]:
    """What a scheme may be given, in order."""
    return [item for item in fields(kind) if item.init]


def _float32(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not abs(number) <= LARGEST_REAL:
        raise ValueError
    return number

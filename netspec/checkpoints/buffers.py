"""Tensors of a file that are no weights: integers, counters, and constants kept beside weights.

Older files hold constants that the net computes itself, such as causal masks and tables of sines.
They are told from weights by computing them: a tensor is one only if it has exactly those numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.parsing import is_counter
from netspec.ops.declare.weight import Weight
from netspec.ops.vectors.heads import Regions
from netspec.weights.sources import ROUNDING, holds, known_values

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array

# What masked scores are set to; the last three are the least numbers of half and single precision.
# Swin takes this from the scores of places that lie apart.
_HIDDEN = -100.0
_MASKED = (-1e4, -1e9, -65504.0, -3.3895314e38, -3.4028235e38)
_LEAST_BASE, _SINUSOIDS_BASE = 50, 10_000
# A larger tensor is not read to see whether it is a constant: a compressed file may claim anything.
_LARGEST = 2**24


def shape_key(shape: Shape) -> Shape:
    """What shapes have in common that differ in axes of size 1 and in the order of axes."""
    return tuple(sorted(size for size in shape if size != 1))


def buffers_of(
    file: Checkpoint, wanted: Mapping[str, Shape], own: Mapping[str, Weight], taken: Collection[str]
) -> set[str]:
    """The tensors that take no part in the matching. `wanted` are those that do.

    Of floats only those are read that are more than the net wants of their shape, and neither have
    a name of its `own` nor are `taken` by a map; and those that bear the name of a fixed tensor.
    """
    plainly = {name for name in file if file.integer(name) or is_counter(name)}
    ours = Counter(map(shape_key, wanted.values()))
    theirs = Counter(shape_key(file[name]) for name in file if name not in plainly)
    left = [
        name
        for name in file
        if name not in plainly and name not in wanted and name not in taken
        if name in own or theirs[shape_key(file[name])] > ours[shape_key(file[name])]
    ]
    return plainly | constants_of(file, left, own)


def replaced_in(
    file: Checkpoint,
    wanted: Mapping[str, Shape],
    own: Mapping[str, Weight],
    settled: Collection[str],
) -> dict[str, Shape]:
    """The tensors that the net says itself but takes from this file, which has other numbers for them.

    They are `settled` by a map, or the file has one under the net's name; or it has as many more of
    their shape than the net's weights are, and they are not the net's own numbers all over again.
    """
    yielding: dict[Shape, list[str]] = {}
    for name, weight in own.items():
        if weight.yields:
            yielding.setdefault(shape_key(weight.shape), []).append(name)
    ours = Counter(map(shape_key, wanted.values()))
    found: list[str] = []
    for key, names in yielding.items():
        theirs = [n for n in file if shape_key(file[n]) == key and not file.integer(n)]
        found += [n for n in names if n in settled]
        named = [n for n in names if n in file and n not in settled]
        found += [n for n in named if not holds(file.read(n), own[n])]
        if len(theirs) == ours[key] + len(names) and not {*named, *settled} & {*names}:
            same = [n for n in theirs if all(holds(file.read(n), own[name]) for name in names)]
            found += names if len(same) < len(names) else []
    return {name: own[name].shape for name in found}


def constants_of(file: Checkpoint, names: Iterable[str], own: Mapping[str, Weight]) -> set[str]:
    """Those of the tensors whose numbers follow from their shape, or are fixed by the net.

    A table of sines is one only where the net wants no tensor of its shape: positions that a net
    learns may start as sines.
    """
    learned = {shape_key(weight.shape) for weight in own.values() if not weight.known}
    fixed: dict[Shape, list[Weight]] = {}
    for weight in own.values():
        if weight.known:
            fixed.setdefault(shape_key(weight.shape), []).append(weight)
    apart = {(*w.shape, w.shape[-1]): w for w in own.values() if isinstance(w.init, Regions)}
    found = set()
    for name in names:
        key = shape_key(file[name])
        may_be = _may_be_constant(file[name])
        if 0 < prod(file[name]) <= _LARGEST and (may_be or key in fixed):
            stored = file.read(name)
            if any(holds(stored, weight) for weight in fixed.get(key, ())) or (
                may_be and _is_constant(stored, sines=key not in learned)
            ):
                found.add(name)
        elif file[name] in apart and _hides(file.read(name), apart[file[name]]):
            found.add(name)
    return found


def _hides(stored: Array, weight: Weight) -> bool:
    """Whether it is a mask of the places of each part that lie apart, as Swin's files have it."""
    regions = known_values(weight)
    apart = regions[:, :, None] != regions[:, None]
    hidden = stored[apart]
    return not stored[~apart].any() and bool((hidden == hidden[0]).all() and hidden[0] <= _HIDDEN)


def _may_be_constant(shape: Shape) -> bool:
    sizes = [size for size in shape if size != 1]
    return len(sizes) < 2 or (len(sizes) == 2 and (sizes[0] == sizes[1] or sizes[1] % 2 == 0))


def _is_constant(stored: Array, *, sines: bool) -> bool:
    values = stored.squeeze()
    if values.ndim == 0:
        return _is_masked(float(values))
    if values.ndim == 1:
        return _is_range(values) or is_frequencies(values)
    return _is_triangle(values) or (sines and _is_sinusoids(values))


def _is_masked(value: float) -> bool:
    return value == float("-inf") or any(abs(value / m - 1) < ROUNDING for m in _MASKED)


def _is_range(values: Array) -> bool:
    import numpy as np

    expected = np.arange(values.size)
    return bool((np.abs(values - expected) <= ROUNDING * expected).all())


def is_frequencies(values: Array) -> bool:
    """Whether they fall from 1 in equal ratios, as the frequencies of rotary positions do."""
    import numpy as np

    if values[0] != 1 or not (np.diff(values) <= 0).all() or not 0 < values[1] < 1:
        return False
    # The smallest have few digits in half precision: the ratio is taken from a larger one.
    last = max(1, int(np.count_nonzero(values > 1e-3)) - 1)
    rate = np.log(np.float64(values[last])) / last
    expected = np.exp(rate * np.arange(values.size))
    near = np.abs(values - expected) <= 4 * ROUNDING * expected + 1e-7
    return bool(-rate * values.size >= np.log(_LEAST_BASE) and near.all())


def _is_triangle(values: Array) -> bool:
    import numpy as np

    rows, columns = values.shape
    return rows == columns and np.array_equal(values, np.tri(rows, dtype=np.float32))


def _is_sinusoids(values: Array) -> bool:
    """Whether each row has the sines and cosines of its place, interleaved or in halves."""
    import numpy as np

    count, half = values.shape[0], values.shape[1] // 2
    if values.shape[1] % 2:
        return False
    interleaved, halves = (values[:, ::2], values[:, 1::2]), (values[:, :half], values[:, half:])
    for first, second in (interleaved, halves, halves[::-1]):
        # The first place has the sine and the cosine of 0; few tables get further than this.
        if np.abs(first[0]).max() > 2 * ROUNDING or np.abs(second[0] - 1).max() > 2 * ROUNDING:
            continue
        for steps in {half, max(half - 1, 1)}:
            rates = _SINUSOIDS_BASE ** (-np.arange(half) / steps)
            angles = np.arange(count)[:, None] * rates
            near = np.abs(first - np.sin(angles)), np.abs(second - np.cos(angles))
            if max(part.max() for part in near) <= 2 * ROUNDING:
                return True
    return False

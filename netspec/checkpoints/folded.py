"""Weights that a file keeps as what they are computed from: weight norm and spectral norm.

Both are PyTorch's, in the spelling of `torch.nn.utils` and in that of its `parametrizations`. What
they stand for is computed in double precision and takes their place under the weight's own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any

from netspec.checkpoints.formats.tensors import Reader, Shape, Stored, Tensors

# `start` ends before what the parametrization keeps: `original0`, or `0._u` of the first of several.
_PARAMETRIZED = re.compile(
    r"(?P<start>(?P<around>.*)parametrizations[./](?P<name>[^./]+)(?P<separator>[./]))original0?\Z"
)


def folded(tensors: Tensors) -> dict[str, Stored]:
    """The tensors in their order, with each that is kept in parts in the place of its first part."""
    made = dict(_found(tensors))
    weights = {part: weight for weight, tensor in made.items() for part in tensor.parts}
    found: dict[str, Stored] = {}
    for name, tensor in tensors.items():
        weight = weights.get(name)
        if weight is None:
            found[name] = tensor
        elif weight not in found:
            found[weight] = made[weight]
    names = list(tensors)
    # Names by the alphabet tell nothing of the order of layers, and must not seem to.
    if made and names == sorted(names):
        found = dict(sorted(found.items()))
    return found


def _found(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    """Each weight that is kept in parts, by its own name."""
    for name in tensors:
        made = None
        if match := _PARAMETRIZED.match(name):
            weight = match["around"] + match["name"]
            state = f"{match['start']}0{match['separator']}"
            if name.endswith("0"):
                made = _weight_norm(tensors, name, f"{name.removesuffix('0')}1")
            else:
                made = _spectral_norm(tensors, name, f"{state}_u", f"{state}_v")
        elif name.endswith("_g"):
            weight = name.removesuffix("_g")
            made = _weight_norm(tensors, name, f"{weight}_v", least_rank=2)
        elif name.endswith("_orig"):
            weight = name.removesuffix("_orig")
            made = _spectral_norm(tensors, name, f"{weight}_u", f"{weight}_v")
        if made is not None and weight not in tensors:
            yield weight, made


def _weight_norm(
    tensors: Tensors, length: str, direction: str, least_rank: int = 0
) -> Stored | None:
    """A direction and its length, along one axis or none as the length's shape says."""
    g, v = tensors[length], tensors.get(direction)
    if v is None or g.integer or v.integer or not _measures(g.shape, v.shape, least_rank):
        return None
    read = partial(_read_weight_norm, g.read, v.read)
    return Stored(v.shape, read, parts=(length, direction))


def _measures(length: Shape, direction: Shape, least_rank: int) -> bool:
    if not length:
        return bool(direction)
    if len(length) != len(direction) or len(length) < least_rank:
        return False
    kept = [(a, b) for a, b in zip(length, direction, strict=True) if a != 1]
    return len(kept) < 2 and all(a == b for a, b in kept)


def _read_weight_norm(read_length: Reader, read_direction: Reader) -> Any:
    import numpy as np

    g = np.asarray(read_length(), dtype=np.float64)
    v = np.asarray(read_direction(), dtype=np.float64)
    axes = tuple(i for i in range(v.ndim) if g.ndim == 0 or g.shape[i] == 1)
    with np.errstate(all="ignore"):  # what is not finite is reported with the other weights
        return (v * (g / np.sqrt((v * v).sum(axes, keepdims=True)))).astype(np.float32)


def _spectral_norm(tensors: Tensors, whole: str, left: str, right: str) -> Stored | None:
    """A matrix and the vectors that give its largest singular value."""
    w, u, v = tensors[whole], tensors.get(left), tensors.get(right)
    if u is None or w.integer or u.integer or (v is not None and v.integer):
        return None
    axes = [
        axis
        for axis, size in enumerate(w.shape[:2])
        if u.shape == (size,) and (v is None or v.shape == (_others(w.shape, axis),))
    ]
    if not axes:
        return None
    read = partial(_read_spectral_norm, w.read, u.read, None if v is None else v.read, axes)
    names = (whole, left) if v is None else (whole, left, right)
    return Stored(w.shape, read, parts=names)


def _others(shape: Shape, axis: int) -> int:
    return prod(shape[:axis] + shape[axis + 1 :])


def _read_spectral_norm(
    read_whole: Reader, read_left: Reader, read_right: Reader | None, axes: list[int]
) -> Any:
    import numpy as np

    w, u = (np.asarray(read(), dtype=np.float64) for read in (read_whole, read_left))
    best: tuple[float, float] | None = None
    with np.errstate(all="ignore"):  # what is not finite is reported with the other weights
        for axis in axes:
            matrix = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
            if read_right is None:
                v = matrix.T @ u
                v = v / np.linalg.norm(v)
            else:
                v = np.asarray(read_right(), dtype=np.float64)
            image = matrix @ v
            # Where both axes have the size, the matrix is the one that takes v to u.
            away = float(np.linalg.norm(image / np.linalg.norm(image) - u))
            if best is None or away < best[0]:
                best = away, float(u @ image)
        assert best is not None
        return (w / best[1]).astype(np.float32)

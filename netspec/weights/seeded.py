"""How a seed becomes numbers.

Every weight draws from generators of its own, seeded by the seed and the weight's name, so that the
same seed gives the same weights in PyTorch and in ONNX, whatever the order they are asked in.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from netspec.ops.declare.weight import Weight

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

CHUNK = 1 << 18


def draw(weight: Weight, name: str, seed: int) -> Iterator[Array]:
    """The weight's initial values as flat float32 pieces of at most `CHUNK` elements, in order.

    Each piece has a generator of its own, seeded by the seed, the weight's name and its number: so
    the cores draw side by side, a few pieces ahead of whoever reads them.
    """
    import numpy as np

    key, total = zlib.crc32(name.encode()), weight.size

    def piece(number: int) -> Array:
        random = np.random.Generator(np.random.SFC64([seed, key, number]))
        start = number * CHUNK
        return weight.init.piece(weight, random, start, min(CHUNK, total - start))

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

"""Variants in chunks, and what becomes of a chunk whose process died: nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netspec.sweeping.variant import Plan, Row

# How often a chunk is built before its variants are built one by one, and each of these before it is lost.
ATTEMPTS = 2
# Seconds that a chunk should take: sending it costs little beside, and an end is not long waited for.
_SECONDS = 0.5
_LARGEST = 500
# Chunks of each process, at least: all are at work until the end.
_SHARE = 4

Chunk = Sequence[int]


class ProcessDied(Exception):
    """The process that built a chunk is gone."""


def chunks(numbers: Sequence[int], seconds: float, jobs: int) -> Iterator[Chunk]:
    """The variants in pieces for so many processes, where one variant takes so many seconds."""
    size = min(_LARGEST, int(_SECONDS / max(seconds, 1e-6)), len(numbers) // (_SHARE * jobs))
    size = max(1, size)
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def again(plan: Plan, chunk: Chunk, build: Callable[[Chunk], list[Row]]) -> list[Row]:
    """The rows of a chunk that may have killed a process: by itself, then variant by variant.

    `build` raises ProcessDied. Only a variant that is alone when its process dies, each time, is lost.
    """
    for _ in range(ATTEMPTS):
        try:
            return build(chunk)
        except ProcessDied:
            continue
    if len(chunk) == 1:
        return [plan.lost(chunk[0], ATTEMPTS)]
    return [row for number in chunk for row in again(plan, (number,), build)]

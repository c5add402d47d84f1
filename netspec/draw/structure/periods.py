"""What comes again and again in a row: one element, or several in turn."""

from __future__ import annotations

from collections.abc import Sequence

# So many elements in turn are looked for.
LONGEST = 6


def in_turn(keys: Sequence[object], at: int, alone: int, longest: int = LONGEST) -> tuple[int, int]:
    """How many elements come in turn from a place on, and how often; equal elements have equal keys.

    `alone` is how often the first comes by itself.
    """
    best = (1, alone)
    for period in range(2, min(longest, (len(keys) - at) // 2) + 1):
        body = keys[at : at + period]
        count = 1
        while keys[at + count * period : at + (count + 1) * period] == body:
            count += 1
        # Several layers in turn are only a pattern from the third time on.
        if count > 2 and period * count > best[0] * best[1]:
            best = (period, count)
    return best

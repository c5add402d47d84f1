"""Order in names: numbered series and their like."""

from __future__ import annotations

import re
from itertools import zip_longest

_TOKENS = re.compile(r"\d+|\.|[^\d.]+")
_SIDES = (("left", "right"), ("before", "after"))


def tokens(label: str) -> list[str]:
    """The numbers, dots and other stretches of a name, in order."""
    return _TOKENS.findall(label)


def natural(label: str) -> list[tuple[bool, int, str]]:
    """A key that sorts `layer2` before `layer10`."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in tokens(label)]


def series(first: str, second: str) -> int | None:
    """-1 or 1 where one name comes before the other in a numbered series, else None.

    `conv1` before `conv2`, `3_left` before `3_right`, `5.conv` before `6.norm`, `2a` before `2b`,
    `norm_before` before `norm_after`.
    """
    for a, b in zip_longest(tokens(first), tokens(second), fillvalue=""):
        if a == b:
            continue
        if a.isdigit() and b.isdigit():
            return -1 if int(a) < int(b) else 1
        a, b = a.strip("._-"), b.strip("._-")
        same, word = a.rpartition("_")[0] == b.rpartition("_")[0], a.rpartition("_")[2]
        for pair in _SIDES:
            if same and {word, b.rpartition("_")[2]} == set(pair):
                return -1 if word == pair[0] else 1
        if len(a) == len(b) == 1 and a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        return None
    return None


def follows(before: str, label: str) -> int:
    """How surely a name comes right after another: 2 in the same place of a series, 1 in the next.

    `1_bn` is in the place of `1_conv`, `2_conv` in the next. What follows the number may differ:
    `3a` and `3b` both come after `2`.
    """
    parts, others = tokens(before), tokens(label)
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=None)
    if last is None or others[:last] != parts[:last] or len(others) <= last:
        return 0
    if others[last] == parts[last]:
        return 2 if not any(part.isdigit() for part in others[last + 1 :]) else 0
    return int(others[last] == str(int(parts[last]) + 1))


def continues(before: str, label: str) -> bool:
    """Whether a name is the next of a series: the same with its last number one higher."""
    return follows(before, label) == 1

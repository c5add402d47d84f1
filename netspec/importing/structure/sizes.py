"""Sizes that follow from others: expressions of what flows in, and multiples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Value

_EXPRESSION = re.compile(r"(?:(\d+)\*)?([CHWT](?:\*[HWT])*)(?://(\d+))?")
# Parameters that are lists of sizes, and what such a size may follow from.
SHAPES = frozenset({"shape", "size"})
AXES = ("C", "T", "H", "W", "H*W", "C*H*W", "C*T")
# A size that is more times a side than this is so by chance.
_SIDES, _MOST_SIDES = frozenset("HW"), 4


@record
class Leaf:
    """One value in a piece: of which parameter, and the tensor whose sizes can be named there.

    Those of `inner` stand in braces in the piece, where these are the sizes of another tensor than
    where the piece is called. What `flows` is the tensor that flows into the piece.
    """

    slot: str
    value: Any
    entry: Value | None
    inner: bool
    flows: bool = False


def of_sizes(text: str) -> bool:
    """Whether an expression is one of the sizes of what flows in alone."""
    return _EXPRESSION.fullmatch(text) is not None


def comes_to(text: str, leaf: Leaf) -> int | None:
    """What an expression of the sizes of what flows in comes to; None where it does not."""
    sizes = _sizes(leaf.entry)
    found = _EXPRESSION.fullmatch(text)
    if not found or type(leaf.value) is not int:
        return None
    letters = found[2].split("*")
    known = [size for letter in letters if isinstance(size := sizes.get(letter), int)]
    if len(known) < len(letters):
        return None
    return prod(known) * int(found[1] or 1) // int(found[3] or 1)


def _sizes(entry: Value | None) -> dict[str, Any]:
    """The sizes of a tensor by the letters that say them where it flows in."""
    shape = entry.type.shape if entry is not None else ()
    letters = {1: "C", 2: "CT", 3: "CHW"}.get(len(shape), "C")
    return dict(zip(letters, shape, strict=False))


def multiple(name: str, known: Sequence[Any], values: Sequence[int]) -> str:
    """How values follow from those of a name by one factor; nothing where they do not."""
    if values[0] and known[0] and values[0] % known[0] == 0:
        factor = values[0] // known[0]
        if all(value == factor * size for value, size in zip(values, known, strict=True)):
            return name if factor == 1 else f"{factor}*{name}"
    if values[0] > 0 and known[0] % values[0] == 0:
        factor = known[0] // values[0]
        if all(value and size == factor * value for value, size in zip(values, known, strict=True)):
            return f"{name}//{factor}"
    return ""


def follows(column: Sequence[Leaf], before: Sequence[str]) -> str:
    """A size of each piece as an expression of what flows in; nothing where there is none.

    Of heights and widths that are alike it is the one that those `before` it do not say.
    """
    values = [leaf.value for leaf in column]
    for text in sorted(AXES, key=lambda text: text in before):
        known = [comes_to(text, leaf) for leaf in column]
        whole = [size for size in known if size]
        related = multiple(text, whole, values) if len(whole) == len(known) else ""
        if related and (text not in _SIDES or values[0] <= _MOST_SIDES * whole[0]):
            return related
    return ""

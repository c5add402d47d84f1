"""What blocks are given, as pictures print it: `3×3, 80, wide=184, se=no, hardswish`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netspec.draw.structure.elements import Block
from netspec.draw.structure.words import number

# Parameters that everyone reads without their name: a width, and which layer it is.
_OBVIOUS = frozenset({"n", "width", "act", "norm", "unit"})


def arguments(copies: Sequence[Block]) -> list[str]:
    """The arguments that all copies of a block have in common, as they read."""
    first, *rest = (dict(block.call.told) for block in copies)
    common = {k: v for k, v in first.items() if all(other.get(k) == v for other in rest)}
    rank = len(copies[0].type.spatial)
    found = [_read(name, value, rank) for name, value in common.items()]
    # A number on its own could be anything.
    return [f"{next(iter(common))}={found[0]}"] if len(found) == 1 and found[0].isdigit() else found


def _read(name: str, value: str, rank: int) -> str:
    text = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: number(float(found[0])), value)
    if name == "kernel" and text.isdigit():
        return "×".join([text] * max(1, rank))
    if name == "stride":
        return f"/{text}"
    return text if name in _OBVIOUS else f"{name}={text}"

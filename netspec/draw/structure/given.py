"""What blocks are given, as pictures print it: `3×3, 80, wide=184, se=no, hardswish`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netspec.draw.structure.elements import Block
from netspec.draw.structure.words import number

# Parameters that everyone reads without their name: a width, where it is one, and which layer it is.
_WIDTHS, _OBVIOUS = frozenset({"n", "width"}), frozenset({"act", "norm", "unit"})


def arguments(copies: Sequence[Block]) -> list[str]:
    """The arguments that all copies of a block have in common, as they read."""
    first, *rest = (dict(block.call.told) for block in copies)
    common = {k: v for k, v in first.items() if all(other.get(k) == v for other in rest)}
    found = [_read(name, value, copies[0]) for name, value in common.items()]
    # A number on its own could be anything.
    return [f"{next(iter(common))}={found[0]}"] if len(found) == 1 and found[0].isdigit() else found


def _read(name: str, value: str, block: Block) -> str:
    text = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: number(float(found[0])), value)
    if name == "kernel" and text.isdigit():
        return "×".join([text] * max(1, len(block.type.spatial)))
    if name == "stride":
        return f"/{text}"
    if name in _OBVIOUS or (name in _WIDTHS and (not text.isdigit() or _is_width(text, block))):
        return text
    return f"{name}={text}"


def _is_width(text: str, block: Block) -> bool:
    """Whether a layer of the block is so wide: a number of layers may be called `n` too."""
    return any(text == str(node.types[0].shape[0]) for node in block.nodes if node.types[0].shape)

"""Numbers that count layers, and numbers that only tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netspec.checkpoints.names import is_number, tokens
from netspec.checkpoints.structure.forest import Part

# Of two numbers nobody writes the second first. What is added between two later has the third.
_MANY = 3


def only_tell_apart(group: Part, buckets: Sequence[Sequence[Part]]) -> bool:
    """Whether numbers of a group's layers may be in another order than that of the data.

    XCiT runs `norm1`, `attn`, `norm3`, `local_mp`, `norm2`, `mlp`: the convolution was thought of last.
    Three or more layers of one shape say no order by their numbers where what runs between them has
    none. Where everything in the group is numbered, or the numbers are all of the names, they count.
    """
    members = [part for bucket in buckets for part in bucket]
    if any(is_number(part.label) for part in members):
        return False
    codes = Counter(part.code for part in members if part.module is not None)
    if max(codes.values(), default=0) < _MANY:
        return False
    alike = {part for part in members if codes[part.code] >= _MANY}
    return any(
        not any(map(is_number, tokens(child.label)))
        for child in group.children
        if child not in alike and not child.is_vectors
    )

"""Numbers that count layers, and numbers that only tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from netspec.checkpoints.names import is_number, series
from netspec.checkpoints.structure.forest import Forest, Part

# Of two numbers nobody writes the second first. What is added between two later has the third.
_MANY = 3


def only_tell_apart(forest: Forest, group: Part, buckets: Sequence[Sequence[Part]]) -> bool:
    """Whether numbers of a group's layers may be in another order than that of the data.

    XCiT runs `norm1`, `attn`, `norm3`, `local_mp`, `norm2`, `mlp`: the convolution was thought of last.
    Three or more layers of one shape say no order by their numbers where what runs between them has
    none. Where that is numbered too, or the numbers are all of the names, they count.
    """
    members = [part for bucket in buckets for part in bucket]
    if any(is_number(part.label) for part in members):
        return False
    codes = Counter(part.code for part in members if part.module is not None)
    alike = {code for code, count in codes.items() if count >= _MANY}
    if not alike:
        return False
    listed = series([child.label for child in group.children])
    numbered = {i for found in listed.values() for bucket in found for i in bucket}
    without = {
        leaf.code
        for i, child in enumerate(group.children)
        if i not in numbered
        for leaf in child.leaves
        if leaf.code not in alike and not leaf.is_vectors
    }
    return any(
        code in without
        for stretch in _stretches(forest, group)
        for one in alike
        for code in _between(stretch, one)
    )


def _stretches(forest: Forest, group: Part) -> Iterator[list[int]]:
    """The codes of the net's layers, in the order of the data, wherever the group fits: one after another."""
    start = 0
    while start + group.count <= len(forest.codes):
        if forest.fits(group, start):
            yield forest.codes[start : start + group.count]
            start += group.count
        else:
            start += 1


def _between(codes: list[int], code: int) -> list[int]:
    """What stands between the first and the last of these."""
    places = [place for place, found in enumerate(codes) if found == code]
    return codes[places[0] : places[-1]] if places else []

"""Lists beside each other that a net may run entry by entry: `convs1.0`, `convs2.0`, `convs1.1`, ...

HiFi-GAN's residual blocks (Kong et al. 2020) keep two lists of convolutions of one shape and run the
first of both, then the second of both. Nothing in names or in the order of definition tells that from
two lists that run one after the other, as stages do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from netspec.checkpoints.names import is_number
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.checkpoints.structure.search import Arrangement

Lists = tuple[Part, ...]


def lists_beside(forest: Forest) -> Iterator[Lists]:
    """Lists of one group, as long as each other, of layers all of which have one shape."""
    for part in forest.parts:
        alike: dict[tuple[int, int], list[Part]] = {}
        for child in part.children:
            if _is_list(child):
                alike.setdefault((child.count, child.children[0].code), []).append(child)
        yield from (tuple(lists) for lists in alike.values() if len(lists) > 1)


def _is_list(part: Part) -> bool:
    """Whether it is layers of one shape, numbered without gaps: those of a Sequential have some.

    A list in a unit that holds nothing else, `unit1.layers.0`, goes with its unit; a layer may stand
    in a wrapper, `convs1.0.conv`.
    """
    labels = [child.label.partition(".") for child in part.children]
    if "." in part.label or len(labels) < 2 or not all(is_number(label[0]) for label in labels):
        return False
    numbers = sorted(int(label[0]) for label in labels)
    return (
        all(child.count == 1 for child in part.children)
        and len({child.code for child in part.children}) == 1
        and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    )


def entry_by_entry(forest: Forest, arrangement: Arrangement, lists: Lists) -> Arrangement | None:
    """The arrangement with the lists run side by side, if it has them one after the other in one chain."""
    place = {leaf: position for position, leaf in enumerate(arrangement)}
    rows = sorted(
        (sorted(part.leaves, key=place.__getitem__) for part in lists),
        key=lambda leaves: place[leaves[0]],
    )
    positions = [place[leaf] for leaves in rows for leaf in leaves]
    in_a_row = all(a < b and forest.above[b] >> a & 1 for a, b in pairwise(positions))
    if not in_a_row:
        return None
    turned = list(arrangement)
    for position, leaf in zip(
        positions, (x for xs in zip(*rows, strict=True) for x in xs), strict=True
    ):
        turned[position] = leaf
    return tuple(turned)


def is_called(forest: Forest, arrangement: Sequence[Part], lists: Lists) -> bool:
    """Whether the spec gives the steps that the lists' layers are the lists' names."""
    named = {leaf: part.label for part in lists for leaf in part.leaves}
    return all(
        forest.layers[position].called == named[leaf]
        for position, leaf in enumerate(arrangement)
        if leaf in named
    )

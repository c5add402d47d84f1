"""A file's layers and groups of layers as numbered parts, and which of them fit which stretch of a net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from itertools import accumulate
from random import Random

from netspec.checkpoints.layers import Layer, Module, Signature
from netspec.checkpoints.names import series, unnumbered
from netspec.checkpoints.tree import Item
from netspec.foundation.records import record


@record(frozen=False, eq=False, slots=False)
class Part:
    """A layer of the file, or a group of layers whose names start alike.

    `number` is its place among the parts, `kind` what it has in common with parts that repeat: its
    path without numbers. `path` are the parts around it and itself, outermost first. `order` is where
    it starts in the file. `code` tells its multiset of shapes.
    """

    number: int
    label: str
    order: int
    kind: tuple[str, ...]
    parent: Part | None
    module: Module | None = None
    children: list[Part] = field(default_factory=list)
    leaves: list[Part] = field(default_factory=list)
    path: tuple[Part, ...] = ()
    code: int = 0

    @property
    def count(self) -> int:
        """How many layers it has."""
        return len(self.leaves)

    @cached_property
    def is_vectors(self) -> bool:
        """Whether it is norms or their like and nothing else."""
        return all(len(tensor.shape) < 2 for leaf in self.leaves for tensor in leaf.layer.tensors)

    @property
    def layer(self) -> Module:
        """The layer that a leaf is."""
        assert self.module is not None
        return self.module

    @cached_property
    def by_code(self) -> dict[int, list[Part]]:
        """The layers in it by their codes."""
        found: dict[int, list[Part]] = {}
        for leaf in self.leaves:
            found.setdefault(leaf.code, []).append(leaf)
        return found


class Forest:
    """The parts of a file, the root first, beside the layers of a net.

    Sets of positions of the net are bits: those `above` and `below` a position are all that it
    depends on and that depend on it, `near` it what feeds it or is fed by it, `places` are where the
    layers of a code are. `hashes` tell sets of parts apart.
    """

    def __init__(self, layers: Sequence[Layer], root: Item) -> None:
        self._codes: dict[Signature, int] = {}
        self._starts: dict[int, int] = {}
        self.layers = layers
        self.parts: list[Part] = []
        self.codes = [self._code(layer.signature) for layer in layers]
        self.sums = list(accumulate(self.codes, initial=0))
        self.root = self._grow(root, None, ())
        self.leaves = self.root.leaves
        random = Random(0)
        self.hashes = [random.getrandbits(96) for _ in self.parts]
        self.above = _above(layers)
        self.below = _turned(self.above)
        feeders = [sum(1 << feeder for feeder in layer.feeds) for layer in layers]
        self.near = [a | b for a, b in zip(feeders, _turned(feeders), strict=True)]
        self.places: dict[int, int] = {}
        for position, code in enumerate(self.codes):
            self.places[code] = self.places.get(code, 0) | 1 << position

    def fits(self, part: Part, start: int) -> bool:
        """Whether the layers from `start` on have the part's shapes, in whatever order."""
        bits = self._starts.get(part.number)
        if bits is None:
            sums, count = self.sums, part.count
            ends = zip(sums, sums[count:], strict=False)
            bits = sum(1 << i for i, (a, b) in enumerate(ends) if b - a == part.code)
            self._starts[part.number] = bits
        return bool(bits >> start & 1)

    def codes_at(self, bits: int) -> list[int]:
        """The codes of the layers at some positions."""
        return [code for position, code in enumerate(self.codes) if bits >> position & 1]

    def _grow(self, item: Item, parent: Part | None, kind: tuple[str, ...]) -> Part:
        part = Part(len(self.parts), item.label, item.order, kind, parent, item.module)
        self.parts.append(part)
        part.path = (*parent.path, part) if parent else ()
        if item.module is not None:
            part.leaves.append(part)
            part.code = self._code(item.module.signature)
            return part
        labels = [child.label for child in item.parts]
        numbered = {i for buckets in series(labels).values() for b in buckets for i in b}
        for i, child in enumerate(item.parts):
            lettered = i in numbered and len(child.label) == 1
            label = child.label if child.module is not None else unnumbered(child.label)
            grown = self._grow(child, part, (*kind, "#" if lettered else label))
            part.children.append(grown)
            part.leaves += grown.leaves
            part.code += grown.code
        return part

    def _code(self, key: Signature) -> int:
        """Numbers whose sums tell multisets of shapes apart."""
        if key not in self._codes:
            count = len(self._codes) + 1
            self._codes[key] = (count * 0x9E3779B97F4A7C15 + count**3 * 0xBF58476D1CE4E5B9) % 2**89
        return self._codes[key]


def _above(layers: Sequence[Layer]) -> list[int]:
    """For each layer, a bit for every layer that it depends on."""
    found: list[int] = []
    for layer in layers:
        bits = 0
        for feeder in layer.feeds:
            bits |= found[feeder] | 1 << feeder
        found.append(bits)
    return found


def _turned(sets: Sequence[int]) -> list[int]:
    """For each position, a bit for every one whose set it is in."""
    found = [0] * len(sets)
    for position, bits in enumerate(sets):
        while bits:
            lowest = bits & -bits
            found[lowest.bit_length() - 1] |= 1 << position
            bits ^= lowest
    return found

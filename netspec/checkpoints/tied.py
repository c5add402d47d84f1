"""Weights that a file lists more than once: once for each step that uses them, or under two names.

Which of equal tensors is taken makes no difference to the numbers, but it may to how names fit: the
ways to leave some out are tried one after another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import combinations, islice, product
from typing import TYPE_CHECKING

from netspec.checkpoints.buffers import shape_key
from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.plan import Plan
from netspec.diagnostics.messages.weights import TiedTensorsDiffer
from netspec.foundation.records import record
from netspec.graph.checked import Graph

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array

_MOST_WAYS = 16


@record(slots=False)
class Tied:
    """More tensors in a file than the net has of a shape.

    `groups` are those with the same numbers, `room` is how many the net has, `users` are the names
    that the shared weights would have in the steps that use them, with their owners'; none where the
    file has two names for what one step uses. A library may list what is shared under more names than
    it has users, for the whole and for each part; not if equal tensors are so by `chance`, each being
    all one number.
    """

    groups: tuple[tuple[str, ...], ...]
    chance: bool
    room: int
    users: Mapping[str, str]
    shape: Shape

    def ways(self, file: Checkpoint, own: Collection[str]) -> Iterator[dict[str, str]]:
        """Tensors to leave out, each with the equal one that stays; the likeliest way first."""
        alike = [group for group in self.groups if len(group) > 1]
        spare = sum(map(len, self.groups)) - self.room
        users = len(self.users) if self.chance else 0
        count = min(spare, users or spare, sum(len(group) - 1 for group in alike))
        places = {name: i for i, name in enumerate(file)}
        names = [name for group in alike for name in group if name not in own]
        # Tables come before the heads that share them, and have the shape that the net has.
        names.sort(key=lambda n: (n not in self.users, file[n] == self.shape, -places[n]))
        for gone in combinations(names, count):
            staying = [[name for name in group if name not in gone] for group in alike]
            if all(staying):
                yield {
                    name: stay[0]
                    for group, stay in zip(alike, staying, strict=True)
                    for name in group
                    if name in gone
                }

    def difference(self, plan: Plan, own: Collection[str]) -> TiedTensorsDiffer | None:
        """The problem of tensors that the net has one of and the file two, of different numbers."""
        if len(self.groups) <= self.room or not self.users:
            return None
        user, owner = next(iter(self.users.items()))
        if self.room == 1:
            first, second = sorted((g[0] for g in self.groups), key=lambda n: n not in own)[:2]
        else:
            # Other tensors have the shape too: those that found no place are taken for the user's.
            names = {name for group in self.groups for name in group}
            spare = next((name for name in plan.surplus if name in names), None)
            taken = next((pair.theirs for pair in plan.pairs if pair.ours == owner), None)
            if spare is None or taken is None:
                return None
            first, second = taken, spare
        return TiedTensorsDiffer(first, second, user.rpartition(".")[0], owner)


def tied_in(
    graph: Graph, file: Checkpoint, wanted: Mapping[str, Shape], taken: Collection[str]
) -> list[Tied]:
    """Where a file may list shared weights more than once. `taken` are the tensors of a map."""
    users: dict[Shape, dict[str, str]] = {}
    shapes: dict[Shape, Shape] = {}
    for node in graph.nodes:
        if node.owner != node.path:
            for weight in node.op.weights(*node.input_types):
                key = shape_key(weight.shape)
                users.setdefault(key, {})[f"{node.path}.{weight.name}"] = (
                    f"{node.owner}.{weight.name}"
                )
                shapes[key] = wanted.get(f"{node.owner}.{weight.name}", weight.shape)
    room = Counter(map(shape_key, wanted.values()))
    listed: dict[Shape, list[str]] = {}
    for name in file:
        if name not in taken:
            listed.setdefault(shape_key(file[name]), []).append(name)
    for shape in wanted.values():
        # Vectors are equal by chance, as ones are.
        if sum(size > 1 for size in shape) > 1:
            shapes.setdefault(shape_key(shape), shape)
    return [
        Tied(*_groups(file, listed[key], key in users), room[key], users.get(key, {}), shape)
        for key, shape in shapes.items()
        if len(listed.get(key, ())) > room[key]
    ]


def ways_to_tie(
    tied: Sequence[Tied], file: Checkpoint, own: Collection[str]
) -> Iterator[dict[str, str]]:
    """Which tensors to leave out as those of others, way by way; the empty way if there are none."""
    each = [list(islice(one.ways(file, own), _MOST_WAYS)) for one in tied]
    for chosen in islice(product(*filter(None, each)), _MOST_WAYS):
        yield {gone: stays for way in chosen for gone, stays in way.items()}


def _groups(
    file: Checkpoint, names: Sequence[str], shared: bool
) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """The tensors by their numbers, and whether equal ones are all one number.

    A matrix and its transpose are the same table.

    Where no step shares one, those of a single number are not the same: many start as zeros.
    """
    found: dict[object, list[str]] = {}
    alone: set[str] = set()
    for name in names:
        values = file.read(name).squeeze()
        if values.size and values.min() == values.max():
            alone.add(name)
            if not shared:
                found[name] = [name]
                continue
        same = found.get(_digest(values.T)) if values.ndim == 2 else None
        if same is None:
            same = found.setdefault(_digest(values), [])
        same.append(name)
    groups = tuple(map(tuple, found.values()))
    return groups, any(len(group) > 1 and group[0] in alone for group in groups)


def _digest(values: Array) -> bytes:
    return sha256(repr(values.shape).encode() + values.tobytes()).digest()

"""Which keys a query does not see: what is hidden by where the two stand, or by numbers that are read.

What lies between a tensor of ids and a mask is run on ids; if what comes out hides the keys whose ids are 0
and is otherwise the same whatever the ids are, that is what it does, in whatever words a file has written it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from math import prod

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.parts.running import RUN, run

# What stands for minus infinity in masks that are added.
LOW = -1e4
# Nodes that make a mask, and numbers that are run through them.
_MOST_NODES = 64
_MOST = 2**24
# How often ids are drawn, and how many of them are 0.
_DRAWS, _ZEROS = 3, 0.4
Shape = tuple[int, ...]


@record
class Hidden:
    """What a mask does to scores: hides where `places` is true and where the tensor of `ids` is 0.

    What it adds elsewhere are the numbers of `bias`; None where that is nothing.
    """

    places: Array
    ids: str = ""
    bias: Array | None = None


@record
class Masks:
    """Reads what hides scores: of the makers of tensors, constants, sizes and which are of whole numbers."""

    makers: Mapping[str, Node]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]
    integers: Set[str]

    def chosen(self, node: Node) -> tuple[Hidden, str] | None:
        """What a choice hides, and the tensor that it takes elsewhere; None for other choices."""
        condition, *ways = node.inputs
        for way, name in enumerate(ways):
            array = self.constants.get(name)
            if array is not None and array.size and (array <= LOW).all():
                hidden = self._read(condition, seen=way == 1)
                return None if hidden is None else (hidden, ways[1 - way])
        return None

    def added(self, name: str) -> Hidden | None:
        """What a tensor hides that is added to scores, and adds elsewhere; None for others."""
        return self._read(name)

    def _read(self, name: str, seen: bool = False) -> Hidden | None:
        """What a tensor of truth values hides, those that are `seen` or not, or one of numbers."""
        found = self._between(name)
        if found is None:
            return None
        nodes, ids = found
        values: list[Array] = []
        own = self.shapes.get(ids, ())
        random = np.random.default_rng(0)
        zeros = np.zeros(own, bool)
        for draw in range(_DRAWS if ids else 1):
            given = {ids: np.where(zeros, 0, self._most(ids, random, own))} if ids else {}
            made = run(nodes, given, self.constants, self.shapes).get(
                name, self.constants.get(name)
            )
            assert made is not None
            if made.dtype == bool:
                made = np.where(made != seen, np.float32(-np.inf), np.float32(0))
            if draw:
                mask = _spread(zeros, values[0].shape)
                if mask is None or not _same(made, np.where(mask, LOW, values[0])):
                    return None
            values.append(made)
            zeros = random.random(own) < _ZEROS
        hidden = values[0] <= LOW
        bias = np.where(hidden, np.float32(0), values[0]).astype(np.float32)
        return Hidden(hidden, ids, bias if bias.any() else None)

    def _most(self, ids: str, random: np.random.Generator, shape: Shape) -> Array:
        """Ids that hide nothing: ones of a mask, others of what is looked up in tables too."""
        looked_up = any(n.op == "Gather" and n.inputs[1] == ids for n in self.makers.values())
        return random.integers(1, 5 if looked_up else 2, shape)

    def _between(self, name: str) -> tuple[list[Node], str] | None:
        """The nodes that make a tensor of one input of ids, and its name; "" for one of constants."""
        nodes: list[Node] = []
        ids: set[str] = set()
        done: set[str] = set()
        waiting = [(name, False)]
        while waiting:
            tensor, ready = waiting.pop()
            node = self.makers.get(tensor)
            if tensor in self.constants or (tensor in done and not ready):
                continue
            done.add(tensor)
            if node is None:
                ids.add(tensor)
            elif ready:
                nodes.append(node)
            elif node.op not in RUN or len(done) > _MOST_NODES:
                return None
            else:
                waiting += [(tensor, True), *((part, False) for part in node.inputs)]
        sizes = [self.shapes.get(tensor, ()) for node in nodes for tensor in node.outputs]
        if len(ids) > 1 or sum(map(prod, sizes)) > _MOST:
            return None
        source = next(iter(ids), "")
        if source and (
            source not in self.integers or len(self.shapes.get(source, ())) not in (2, 3)
        ):
            return None
        return nodes, source


def _spread(zeros: Array, shape: Shape) -> Array | None:
    """Which scores of a shape are those of keys that ids (N, S), or (N, T, S), hide; None where none can be.

    The first axis may be that of samples and heads together.
    """
    if len(shape) < 3 or shape[-1] != zeros.shape[-1] or shape[0] % len(zeros):
        return None
    places = zeros.shape[1:] if zeros.ndim > 2 else (1, *zeros.shape[1:])
    heads = shape[0] // len(zeros)
    whole = np.repeat(zeros, heads, 0).reshape(shape[0], *[1] * (len(shape) - 3), *places)
    return whole if np.broadcast_shapes(whole.shape, shape) == shape else None


def _same(one: Array, other: Array) -> bool:
    """Whether two masks hide the same, and add the same elsewhere."""
    if one.shape != other.shape:
        return False
    hidden = one <= LOW
    return bool((hidden == (other <= LOW)).all() and (hidden | (one == other)).all())


def by_place(hidden: Array) -> dict[str, int] | None:
    """What hides by where a query and a key stand: `causal`, and `within` so many steps; None for others.

    It is the same for all samples and heads.
    """
    if hidden.ndim < 2 or not hidden.size:
        return None
    many = hidden.reshape(-1, *hidden.shape[-2:])
    if not (many == many[:1]).all():
        return None
    steps, seen = many.shape[1:]
    away = np.arange(seen) - np.arange(steps)[:, None]
    later = away > 0
    causal = bool(later.any()) and bool(many[0][later].all())
    far = np.abs(away[many[0] & ~later] if causal else away[many[0]])
    found = {"causal": int(causal)}
    wanted = later if causal else np.zeros_like(later)
    if far.size:
        found["within"] = int(far.min())
        wanted = wanted | (np.abs(away) >= far.min())
    return found if (many[0] == wanted).all() and not (far == 0).any() else None

"""Which keys a query does not see: what is hidden by where the two stand, or by numbers that are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node

# What stands for minus infinity in masks that are added.
LOW = -1e4
# The element type of truth values in ONNX.
_BOOL = 9
_SHAPED = frozenset({"Unsqueeze", "Squeeze", "Reshape", "Expand"})
Shape = tuple[int, ...]


@record
class Hidden:
    """Where scores are hidden: by constants, true there, and where tensors of ids are 0, by their names."""

    constants: tuple[Array, ...] = ()
    ids: tuple[str, ...] = ()

    def __add__(self, other: Hidden) -> Hidden:
        return Hidden(self.constants + other.constants, tuple({*self.ids, *other.ids}))


@record
class Masks:
    """Reads what hides scores: of the makers of tensors, constants and sizes."""

    makers: Mapping[str, Node]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]

    def chosen(self, node: Node) -> tuple[Hidden, str] | None:
        """What a choice hides, and the tensor that it takes elsewhere; None for other choices."""
        condition, *ways = node.inputs
        for way, name in enumerate(ways):
            if self._low(name):
                hidden = self._where(condition, way == 0)
                return None if hidden is None else (hidden, ways[1 - way])
        return None

    def added(self, name: str) -> Hidden | None:
        """What a tensor hides that is added to scores: very low there, 0 elsewhere; None for others."""
        array, node = self.constants.get(name), self.makers.get(name)
        if array is not None:
            hidden = array <= LOW
            return Hidden((hidden,)) if (array[~hidden] == 0).all() else None
        if node is None:
            return None
        if node.op in _SHAPED:
            return self._placed(self.added(node.inputs[0]), node)
        if node.op == "Where":
            found = self.chosen(node)
            zeros = None if found is None else self.constants.get(found[1])
            return found[0] if found is not None and zeros is not None and not zeros.any() else None
        if node.op == "Add":
            both = [self.added(part) for part in node.inputs]
            return None if both[0] is None or both[1] is None else both[0] + both[1]
        if node.op == "Mul":
            return self._turned(node)
        return None

    def _turned(self, node: Node) -> Hidden | None:
        """One less ids of 0 and 1, times what is very low."""
        for one, low in (node.inputs, node.inputs[::-1]):
            less = self.makers.get(one)
            if self._low(low) and less is not None and less.op == "Sub":
                whole = self.constants.get(less.inputs[0])
                if whole is not None and whole.size == 1 and whole.item() == 1:
                    return self._ids(less.inputs[1])
        return None

    def _low(self, name: str) -> bool:
        array = self.constants.get(name)
        return array is not None and bool(array.size) and bool((array <= LOW).all())

    def _where(self, name: str, truth: bool) -> Hidden | None:
        """Where a condition is true, or where it is false."""
        array, node = self.constants.get(name), self.makers.get(name)
        if array is not None:
            return Hidden((array.astype(bool) == truth,))
        if node is None:
            return None
        if node.op == "Not":
            return self._where(node.inputs[0], not truth)
        if node.op in _SHAPED:
            return self._placed(self._where(node.inputs[0], truth), node)
        if node.op == ("Or" if truth else "And"):
            both = [self._where(part, truth) for part in node.inputs]
            return None if both[0] is None or both[1] is None else both[0] + both[1]
        ids = self._against_zero(node)
        return self._ids(ids) if ids is not None and truth == (node.op == "Equal") else None

    def _against_zero(self, node: Node) -> str | None:
        """The tensor that a condition compares with 0: equal to it, greater, or as a truth value itself."""
        if node.op == "Cast" and node.get("to") == _BOOL:
            return node.inputs[0]
        ways = {"Equal": (node.inputs, node.inputs[::-1]), "Greater": (node.inputs,)}
        for name, zero in ways.get(node.op, ()):
            held = self.constants.get(zero)
            if held is not None and not held.any() and name not in self.constants:
                return name
        return None

    def _ids(self, name: str) -> Hidden | None:
        """Where a tensor of ids is 0: one that no node makes, or a cast or another shape of one."""
        node = self.makers.get(name)
        if node is None:
            return None if name in self.constants else Hidden((), (name,))
        if node.op == "Cast":
            return self._ids(node.inputs[0])
        return self._placed(self._ids(node.inputs[0]), node) if node.op in _SHAPED else None

    def _placed(self, hidden: Hidden | None, node: Node) -> Hidden | None:
        """What is hidden in another shape, whose last axis is still the keys'."""
        if hidden is None:
            return None
        shape = self.shapes.get(node.output, ())
        for name in hidden.ids:
            own = self.shapes.get(name, ())
            whole = node.op == "Expand" or prod(shape) % prod(own) == 0
            if len(own) not in (2, 3) or not whole or shape[-1] != own[-1]:
                return None
        arrays = (a.reshape(shape) if a.size == prod(shape) else a for a in hidden.constants)
        return replace(hidden, constants=tuple(arrays))


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

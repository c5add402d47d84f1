"""Patterns of nodes, written as they read: `Mul(x, Sigmoid(x))`.

A small letter is a tensor, the same wherever it stands; `$w` is a constant; a number is a constant of one
element of that value, to single precision's digits. Sums, products and maxima match in either order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node

_EITHER = frozenset({"Add", "Mul", "Max", "Min"})
_TOKEN = re.compile(r"\s*(\$?[A-Za-z_]\w*|-?[\d.]+(?:e-?\d+)?|[(),])")
_CLOSE = 1e-5


@record
class Tree:
    """A pattern: an operator of others, or a leaf: a tensor, a constant or a number."""

    word: str
    parts: tuple[Tree, ...] = ()
    leaf: bool = False


@record(eq=False)
class Match:
    """What a pattern met: the tensors of its letters, and the nodes it is made of, the last first."""

    tensors: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()

    def node(self, op: str) -> Node:
        """The first node of an operator."""
        return next(node for node in self.nodes if node.op == op)


def scalar(name: str, constants: Mapping[str, Array]) -> float | None:
    """The value of a constant of one element; None for all else."""
    value = constants.get(name)
    return float(value.item()) if value is not None and value.size == 1 else None


def parsed(text: str) -> Tree:
    """A pattern from its text."""
    tokens = _TOKEN.findall(text)[::-1]

    def tree() -> Tree:
        word = tokens.pop()
        if not tokens or tokens[-1] != "(":
            return Tree(word, leaf=True)
        parts = []
        while tokens.pop() != ")":
            parts.append(tree())
        return Tree(word, tuple(parts))

    return tree()


def matches(
    tree: Tree, name: str, makers: Mapping[str, Node], constants: Mapping[str, Array], found: Match
) -> Iterator[Match]:
    """Every way that the tensor `name` is what a pattern says."""
    if tree.leaf:
        if _fits(tree.word, name, constants, found):
            yield Match({**found.tensors, tree.word: name}, found.nodes)
        return
    node = makers.get(name)
    if node is None or node.op != tree.word or len(node.inputs) != len(tree.parts):
        return
    here = Match(found.tensors, (*found.nodes, node))
    orders = [node.inputs]
    if node.op in _EITHER and len(node.inputs) == 2:
        orders.append(node.inputs[::-1])
    for order in orders:
        yield from _all(list(zip(tree.parts, order, strict=True)), makers, constants, here)


def _all(
    pairs: list[tuple[Tree, str]],
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    found: Match,
) -> Iterator[Match]:
    if not pairs:
        yield found
        return
    (tree, name), *others = pairs
    for match in matches(tree, name, makers, constants, found):
        yield from _all(others, makers, constants, match)


def _fits(word: str, name: str, constants: Mapping[str, Array], found: Match) -> bool:
    if word[0] == "$":
        return name in constants and found.tensors.get(word, name) == name
    if word[0].isalpha():
        return name not in constants and found.tensors.get(word, name) == name
    value = scalar(name, constants)
    return value is not None and math.isclose(value, float(word), rel_tol=_CLOSE)

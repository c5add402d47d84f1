"""Rotary positions as they are written out: each pair of a head's channels turned by its place.

`x * cos + [-second half, first half] * sin`, of tables that say how fast each pair turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.patterns import Match
from netspec.importing.recognise.steps import number
from netspec.importing.recognise.views import View, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer

FORMS = [
    f"Add(Mul(x, $c), Mul(Concat(Neg({part}), {part}), $s))" for part in ("Slice(x)", "Split(x)")
]
# What single precision makes of an angle of some turns.
_CLOSE = 2e-5
_RATE = 1e-6


def turned(
    match: Match, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any] | None:
    """The base, and the axis of places, of the turning that a pattern is; None where it is none."""
    shape = shapes.get(match.tensors["x"], ())
    join = match.node("Concat")
    rank, width = len(shape), shape[-1] if shape else 0
    if rank < 3 or width % 2 or join.get("axis", 0) % rank != rank - 1:
        return None
    parts = [node for node in match.nodes if node.op in ("Slice", "Split")]
    if not _halves(match, join, parts, width // 2, rank):
        return None
    tables = [_table(constants[match.tensors[letter]], rank) for letter in ("$c", "$s")]
    if tables[0] is None or tables[1] is None or tables[0][1] != tables[1][1]:
        return None
    (cos, axis), sin = tables[0], tables[1][0]
    if cos.shape != (shape[axis], width) or sin.shape != cos.shape:
        return None
    base = _base(cos, sin)
    return None if base is None else {"base": base, "axis": axis}


def _halves(match: Match, join: Node, parts: list[Node], half: int, rank: int) -> bool:
    """Whether what is turned round is the second half, and the first."""
    if parts[0].op == "Split":
        negated = match.node("Neg").inputs[0]
        return (
            parts[0] is parts[1]
            and parts[0].get("axis", 0) % rank == rank - 1
            and parts[0].outputs == (join.inputs[1], negated)
        )
    bounds = []
    for node in parts:
        axes = node.get("axes") or tuple(range(len(node.get("starts"))))
        if tuple(a % rank for a in axes) != (rank - 1,) or node.get("steps", (1,)) != (1,):
            return False
        found = slice(node.get("starts")[0], node.get("ends")[0])
        bounds.append(found.indices(2 * half)[:2])
    return bounds == [(half, 2 * half), (0, half)]


def _table(array: Array, rank: int) -> tuple[Array, int] | None:
    """A table of places and channels, the channels last, and the axis of the places."""
    if array.ndim > rank:
        return None
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if array.shape[0] > 1 and (array == array[:1]).all():
        array = array[:1]
    wide = [i for i, size in enumerate(array.shape[:-1]) if size > 1]
    return (array.reshape(array.shape[wide[0]], -1), wide[0]) if len(wide) == 1 else None


def _base(cos: Array, sin: Array) -> float | None:
    """The growth of the wavelengths that gives these tables; the shortest number that does."""
    places, half = cos.shape[0], cos.shape[1] // 2
    if half < 2:
        return None
    rate = float(np.arctan2(np.float64(sin[1, half - 1]), np.float64(cos[1, half - 1])))
    if not 0 < rate < 1:
        return None
    exact = rate ** (-half / (half - 1))
    for digits in range(1, 10):
        base = float(f"{exact:.{digits}g}")
        if base < 1 or abs(base / exact - 1) > half * _RATE:
            continue
        angles = np.arange(places)[:, None] * base ** (-np.arange(half) / half)
        angles = np.concatenate([angles, angles], 1)
        close = _CLOSE * max(1.0, places / 64)
        same = np.abs(np.cos(angles) - cos).max() < close and (
            np.abs(np.sin(angles) - sin).max() < close
        )
        return base if same else None
    return None


def rotary(writer: Writer, node: Node) -> View:
    """What is turned, its heads and their channels one axis."""
    view, axis = writer.view(node.inputs[0]), node.get("axis")
    inner = flat(a for i, a in enumerate(view.axes[:-1]) if i != axis)
    batch = view.base[0]
    if inner[: len(batch)] != batch or not view.axes[axis]:
        raise Unsaid("its heads are no part of the channels")
    heads = inner[len(batch) :]
    view = writer.arranged(view, (batch, (*heads, *view.axes[-1]), view.axes[axis]))
    given = [str(size_of(heads))] * bool(heads)
    given += [f"base={number(node.get('base'))}"] * (node.get("base") != 10000)
    head = f"rotary({', '.join(given)})" if given else "rotary"
    return view.on(writer.step(head, [view.wire], view.wire.sizes))

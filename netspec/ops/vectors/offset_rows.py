"""Which row of a table an offset between two places has."""

from __future__ import annotations

from typing import Any

from netspec.foundation.records import record
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.plain import plain
from netspec.sizes.dims import Dim


@plain
def rows_of_offsets(torch: Any, before: int, after: int, most: int) -> Any:
    """The rows of offsets from -limit to limit, past which all have the last: (2 limit + 1,).

    A row each from -before to after; or, with `most`, half of `before` have one each, the others ever
    more, up to `most` steps away (He et al. 2021, DeBERTa; rows after are one less than before).
    """
    side = list(range(max(before, after) + 1))
    if most:
        exact, wide, step = before // 2, before - 1 - before // 2, 0
        side = side[: exact + 1]
        while side[-1] < before:
            # Where distances are powers, ends are whole: no rounding may take one past them.
            if exact * (most / exact) ** (step / wide) * (1 + 1e-9) < len(side):
                step += 1
            else:
                side.append(exact + step)
    found = [before - min(row, before) for row in side[:0:-1]]
    found += [before + min(row, after) for row in side]
    return torch.asarray(found)


@plain
def offsets_between(torch: Any, query: Any, key: Any, back: bool) -> Any:
    """How far keys are from queries, both counted from 0: (steps, seen); those of fewer lie apart."""
    steps, seen = query.shape[0], key.shape[0]
    query, key = (query * max(1, seen // steps))[:, None], key * max(1, steps // seen)
    return query - key if back else key - query


@plain
def scores_at(torch: Any, scores: Any, away: Any, rows: Any) -> Any:
    """Scores of rows, (*, T, rows), by key: the row of each is away, (T, S)."""
    starts = torch.arange(scores.shape[-2], device=scores.device) * rows
    return scores.flatten(-2)[..., away + starts.unsqueeze(1)]


@record
class Axis:
    """One axis of a map: places of queries and of keys, and rows of its table."""

    steps: Dim
    seen: Dim
    rows: Dim


def known(size: Dim) -> int:
    """A size that is a number."""
    assert isinstance(size, int)
    return size


def numbers(axis: Axis) -> tuple[int, int, int]:
    """Places of queries and of keys and rows of an axis of known sizes."""
    return known(axis.steps), known(axis.seen), known(axis.rows)


def index_of(
    graph: Builder,
    query: Operand,
    axis: Axis,
    back: bool,
    far: tuple[int, ...] | None,
    most: int,
) -> str:
    """Where scores of rows, one query after the other, hold those of each key: (steps, seen)."""
    import numpy as np

    def number(value: int) -> str:
        return graph.constant(np.asarray(value, np.int64))

    table, limit = np.zeros(1, np.int64), 0
    if far is not None:
        before, rows = far[0], known(axis.rows)
        table = rows_of_offsets(np, before, rows - 1 - before, most)
        limit = len(table) // 2
    if isinstance(axis.steps, int):
        steps, seen, rows = numbers(axis)
        away = offsets_between(np, np.arange(steps), np.arange(seen), back)
        away = away - away.min() if not limit else table[away.clip(-limit, limit) + limit]
        return graph.constant((away + np.arange(steps)[:, None] * rows).astype(np.int64))
    places = graph.steps(query, 2)
    turned = graph.node("Unsqueeze", [places, graph.integers([1])])
    found = graph.node("Sub", [turned, places] if back else [places, turned])
    if limit:
        found = graph.node("Min", [graph.node("Max", [found, number(-limit)]), number(limit)])
        found = graph.node("Add", [found, number(limit)])
        found = graph.node("Gather", [graph.constant(table), found], axis=0)
        each = number(known(axis.rows))
    else:
        last = graph.node("Sub", [graph.size(query, 2), number(1)])
        found = graph.node("Add", [found, last])
        each = graph.node("Add", [graph.size(query, 2), last])
    return graph.node("Add", [found, graph.node("Mul", [turned, each])])

"""What clusters that score queries by how far keys are away may be: products with a row for each offset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.written.again import Candidate
from netspec.importing.recognise.written.cluster import Cluster
from netspec.ops.vectors.offset_rows import rows_of_offsets

# Steps away up to which offsets may share rows, as a power of two.
_FARTHEST = 2**13


@record
class _Term:
    """What one axis adds: queries by places, the row of each query and key, and the table, if it is given.

    That is a tensor by its name, or else a constant (1, heads or 1, width, rows), `held` as (1, C, rows).
    """

    query: Node
    away: Array
    rows: int
    table: str | None
    held: Array | None


def offset_scores(cluster: Cluster) -> Iterator[Candidate | None]:
    """`relative_scores`: for each axis of a map, a product with rows of which each key's is picked."""
    end, tokens = cluster.end, 0
    if end.op == "Pad":
        end = cluster.makers.get(end.inputs[0], end)
        tokens = _first(cluster.shapes, cluster.end.output) - _first(cluster.shapes, end.output)
    terms = _terms(cluster, end)
    if not terms or tokens < 0:
        return
    split = terms[0].query
    queries = cluster.shapes.get(split.inputs[0], ())
    if len(queries) < 3 or any(term.query is not split for term in terms):
        return
    steps = tuple(len(term.away) for term in terms)
    seen = tuple(term.away.shape[1] for term in terms)
    given = [str(cluster.shapes[split.output][1])]
    if queries[2:] != steps:
        if len(queries) > 3 or queries[2] != prod(steps) + tokens:
            return
        given += ["size=" + "x".join(map(str, steps))] + [f"tokens={tokens}"] * (tokens > 0)
    elif tokens:
        return
    given += [f"keys={sizes(seen)}"] * (seen != steps)
    first = terms[0].away
    back = any(bool((term.away[:, 0] > term.away[:, -1]).any()) for term in terms)
    given += ["back=yes"] * back
    if len(terms) > 1 or first.shape[0] != first.shape[1] or terms[0].rows == 2 * len(first) - 1:
        yield _candidate(cluster, given, terms)
    if len(terms) == 1 and first.shape[0] == first.shape[1]:
        for far in _bounds(terms[0], back):
            yield _candidate(cluster, [*given, *far], terms)


def _candidate(cluster: Cluster, given: list[str], terms: list[_Term]) -> Candidate | None:
    reads = [terms[0].query.inputs[0]]
    tables = [term.table for term in terms if term.table is not None]
    if all(term.held is None for term in terms):
        return cluster.candidate("relative_scores", given, [*reads, *tables])
    found = cluster.candidate("relative_scores", given, reads)
    held = [(term.table, term.held) for term in terms if term.held is not None]
    if found is None or len(held) < len(terms):
        return None
    return replace(
        found,
        reads=(*found.reads, *tables),
        sizes=(*found.sizes, *(array.shape for _, array in held)),
        numbers=tuple(
            (place, array.shape, array.tobytes()) for place, (_, array) in enumerate(held, 1)
        ),
    )


def _first(shapes: Mapping[str, tuple[int, ...]], name: str) -> int:
    """How many queries a tensor has scores of."""
    shape = shapes.get(name, ())
    return shape[-2] if len(shape) == 4 else 0


def _terms(cluster: Cluster, end: Node) -> list[_Term]:
    """What is added up, an axis after another; nothing where a part is something else."""
    if end.op == "Gather":
        term = _term(cluster, end, cluster.maker(cluster.maker(end, 0, "Reshape"), 0, "MatMul"))
        return [term] if term else []
    parts: list[str] = []
    name = end.inputs[0] if end.op == "Reshape" else ""
    while (node := cluster.makers.get(name)) is not None and node.op == "Add":
        parts.insert(0, node.inputs[1])
        name = node.inputs[0]
    found = []
    for part in (name, *parts):
        picked = cluster.maker(cluster.maker(cluster.makers.get(part), 0, "Transpose"), 0, "Gather")
        flat = cluster.maker(cluster.maker(picked, 0, "Reshape"), 0, "Transpose")
        product = cluster.maker(cluster.maker(flat, 0, "Reshape"), 0, "MatMul")
        found.append(_term(cluster, picked, product))
    whole = [term for term in found if term is not None]
    return whole if len(whole) == len(found) > 1 else []


def _term(cluster: Cluster, picked: Node | None, product: Node | None) -> _Term | None:
    if picked is None or product is None:
        return None
    turned = cluster.maker(product, 0, "Transpose")
    split = cluster.maker(turned, 0, "Reshape")
    split = split or cluster.maker(cluster.maker(turned, 0, "Slice"), 0, "Reshape")
    index, scores = cluster.constant(picked, 1), cluster.shapes.get(product.output, ())
    if split is None or index is None or index.ndim != 2 or not scores:
        return None
    made, numbers = cluster.maker(product, 1, "Reshape"), cluster.constant(product, 1)
    if made is None and numbers is None:
        return None
    table, held = None if made is None else made.inputs[0], None
    if numbers is not None and numbers.ndim == 4:
        table, held = product.inputs[1], numbers.reshape(1, -1, numbers.shape[-1])
    away = index - np.arange(len(index))[:, None] * scores[-1]
    return _Term(split, away, scores[-1], table, held)


def _bounds(term: _Term, back: bool) -> Iterator[list[str]]:
    """From how far away on offsets may have one row, or share it, that each key's row fits."""
    places = np.arange(len(term.away))
    offsets = places - places[:, None]
    offsets = -offsets if back else offsets
    before = int(term.away[0, 0])
    after = term.rows - 1 - before
    if before < 1 or after < 1:
        return
    # The farthest place of as many as a power of two, as transformers counts it, or that many steps.
    powers = (2**i - less for i in range(3, _FARTHEST.bit_length()) for less in (0, 1))
    for most in (0, *powers, *range(before + 1, len(places))):
        if most and not (4 <= before < most and after == before - 1):
            continue
        rows = rows_of_offsets(np, before, after, most)
        limit = len(rows) // 2
        if not (rows[offsets.clip(-limit, limit) + limit] == term.away).all():
            continue
        far = [f"far={before}"] if after in (before, before - 1) else []
        far = far if after == before or term.table is not None or most else []
        yield [*(far or [f"far=({before}, {after})"]), *[f"most={most}"] * bool(most)]

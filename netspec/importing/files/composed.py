"""ONNX's own operators that stand for several of its others: attention and rotary positions of opset 23."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import NodeProto

from netspec.importing.files.program import Array
from netspec.importing.files.runtime import Apart, Shape
from netspec.importing.files.simpler import SIMPLER

# What hides a score, and the most scores that a causal mask is written out for.
_HIDDEN = -1e9
_MOST = 2**24


def composed(
    node: NodeProto,
    shape: Callable[[str], Shape | None],
    is_truth: Callable[[str], bool],
    fresh: Callable[[str], str],
    known: Callable[[str], Array | None],
    opset: int,
) -> list[NodeProto] | None:
    """The nodes that one stands for; None where no rule says it. `is_truth` tells masks of truth values."""
    apart = Apart(node, shape, fresh, known)
    if node.op_type in SIMPLER:
        return apart.made if SIMPLER[node.op_type](apart, opset) else None
    if node.op_type == "Attention":
        return apart.made if _attention(apart, is_truth) else None
    return apart.made if _rotary(apart) else None


COMPOSED = frozenset({"Attention", "RotaryEmbedding", *SIMPLER})


def _attention(apart: Apart, is_truth: Callable[[str], bool]) -> bool:
    """Scaled products of queries and keys, hidden by a mask: without past keys, and nothing else is read."""
    shapes = [apart.shape(apart.input(i)) for i in range(3)]
    further = any(apart.input(i) for i in (4, 5)) or any(apart.output(i) for i in (1, 2, 3))
    if any(shape is None or len(shape) not in (3, 4) for shape in shapes) or further:
        return False
    if apart.given.get("softcap"):
        return False
    ranks = {len(shape) for shape in shapes if shape is not None}
    many = [apart.given.get(word, 0) for word in ("q_num_heads", "kv_num_heads", "kv_num_heads")]
    if len(ranks) > 1 or (ranks == {3} and not all(many)):
        return False
    flat, parts, widths = ranks == {3}, [], []
    for i, shape in enumerate(shapes):
        assert shape is not None
        name, heads = apart.input(i), many[i] if flat else shape[1]
        widths.append(
            (heads, shape[2] // heads if flat else shape[3], shape[1] if flat else shape[2])
        )
        if flat:
            name = apart.add("Reshape", name, apart.whole([0, 0, heads, -1]))
            name = apart.add("Transpose", name, perm=[0, 2, 1, 3])
        parts.append(name)
    (heads, width, steps), (shared, _, seen), _ = widths
    if heads % shared:
        return False
    if heads != shared:
        own = apart.whole([i // (heads // shared) for i in range(heads)])
        parts[1:] = [apart.add("Gather", name, own, axis=1) for name in parts[1:]]
    scale = apart.given.get("scale") or width**-0.5
    keys = apart.add("Transpose", parts[1], perm=[0, 1, 3, 2])
    scores = apart.add("MatMul", apart.add("Mul", parts[0], apart.number(scale)), keys)
    if apart.given.get("is_causal"):
        if steps * seen > _MOST:
            return False
        mask = np.triu(np.full((steps, seen), _HIDDEN, np.float32), 1)
        scores = apart.add("Add", scores, apart.constant(mask))
    if apart.input(3) and is_truth(apart.input(3)):
        scores = apart.add("Where", apart.input(3), scores, apart.number(_HIDDEN))
    elif apart.input(3):
        scores = apart.add("Add", scores, apart.input(3))
    found = apart.add("MatMul", apart.add("Softmax", scores, axis=-1), parts[2])
    if flat:
        found = apart.add("Transpose", found, perm=[0, 2, 1, 3])
        found = apart.add("Reshape", found, apart.whole([0, 0, -1]))
    apart.end(found)
    return True


def _rotary(apart: Apart) -> bool:
    """Pairs of channels turned by tables of cosines and sines, which ids of places may choose rows of."""
    shape, tables = apart.shape(apart.input(0)), [apart.input(1), apart.input(2)]
    heads = apart.given.get("num_heads", 0)
    if shape is None or len(shape) not in (3, 4) or (len(shape) == 3 and not heads):
        return False
    name, width = apart.input(0), shape[-1] if len(shape) == 4 else shape[-1] // heads
    if len(shape) == 3:
        name = apart.add("Reshape", name, apart.whole([0, 0, heads, -1]))
        name = apart.add("Transpose", name, perm=[0, 2, 1, 3])
    if apart.input(3):
        tables = [apart.add("Gather", table, apart.input(3), axis=0) for table in tables]
    cos, sin = (apart.add("Unsqueeze", table, apart.whole([1])) for table in tables)
    turned = apart.given.get("rotary_embedding_dim") or width
    beside = bool(apart.given.get("interleaved"))

    def piece(start: int, end: int, step: int) -> str:
        bounds = [apart.whole([value]) for value in (start, end, -1, step)]
        return apart.add("Slice", name, *bounds)

    half = turned // 2
    one = piece(0, turned, 2) if beside else piece(0, half, 1)
    two = piece(1, turned, 2) if beside else piece(half, turned, 1)
    first = apart.add("Sub", apart.add("Mul", one, cos), apart.add("Mul", two, sin))
    second = apart.add("Add", apart.add("Mul", one, sin), apart.add("Mul", two, cos))
    rest = [piece(turned, width, 1)] if turned < width else []
    if beside:
        pairs = [apart.add("Unsqueeze", part, apart.whole([-1])) for part in (first, second)]
        joined = apart.add("Concat", *pairs, axis=-1)
        joined = apart.add("Reshape", joined, apart.whole([0, 0, 0, turned]))
        found = apart.add("Concat", joined, *rest, axis=-1) if rest else joined
    else:
        found = apart.add("Concat", first, second, *rest, axis=-1)
    if len(shape) == 3:
        found = apart.add("Transpose", found, perm=[0, 2, 1, 3])
        found = apart.add("Reshape", found, apart.whole([0, 0, -1]))
    apart.end(found)
    return True

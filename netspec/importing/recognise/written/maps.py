"""What clusters that take a map to another size may be: bins, averages, kernels that are tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netspec.importing.files.program import Node
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.written.again import Candidate
from netspec.importing.recognise.written.cluster import Cluster

# How far from one the numbers that a mean weighs by may add up to.
_CLOSE = 1e-4


def averaged(cluster: Cluster) -> Iterator[Candidate | None]:
    """`adaptive_avgpool`, or an `upsample` that averages: a matrix of means along each axis."""
    end, whole = cluster.end, cluster.shapes.get(cluster.end.output, ())
    node: Node | None = end
    source = end.output
    while (made := _product(cluster, node)) is not None:
        source = made.inputs[0]
        # One axis after another is brought to the end and back.
        turned = cluster.maker(made, 0, "Transpose")
        node, source = (
            (cluster.makers.get(turned.inputs[0]), turned.inputs[0])
            if turned
            else (
                cluster.makers.get(source),
                source,
            )
        )
    if source == end.output or not 2 < len(whole) < 6:
        return
    if node is not None and node.op == "ReduceMean":
        source = node.inputs[0]
    size = sizes(whole[2:])
    yield cluster.candidate("adaptive_avgpool", [size], [source])
    if len(whole) == 4:
        for mode in ("bilinear", "bicubic"):
            given = [f"size={size}", f"mode={mode}", "antialias=yes"]
            yield cluster.candidate("upsample", given, [source])


def _product(cluster: Cluster, node: Node | None) -> Node | None:
    """The product with a matrix of means that a node is, or puts back in order."""
    if node is not None and node.op == "Transpose":
        node = cluster.makers.get(node.inputs[0])
    matrix = cluster.constant(node, 1) if node is not None and node.op == "MatMul" else None
    if matrix is None or matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    # Most matrices are weights, and told by a column.
    parts = (matrix[:, :1], matrix)
    return node if all((np.abs(part.sum(0) - 1) < _CLOSE).all() for part in parts) else None


def correlated(cluster: Cluster) -> Iterator[Candidate | None]:
    """`correlate`: what windows see of each channel, side by side, times a kernel that is a tensor."""
    product = cluster.maker(cluster.end, 0, "MatMul")
    seen, kernel = cluster.maker(product, 1, "Reshape"), cluster.maker(product, 0, "Reshape")
    taps = cluster.maker(seen, 0, "Conv")
    apart = cluster.maker(taps, 0, "Reshape")
    grouped = cluster.shapes.get(seen.output, ()) if seen else ()
    if seen is None or kernel is None or taps is None or apart is None or len(grouped) != 4:
        return
    rank = len(taps.get("kernel_shape", ()))
    pads, ones = tuple(taps.get("pads") or (0,) * 2 * rank), (1,) * rank
    given = []
    for word, values in (
        ("stride", tuple(taps.get("strides") or ones)),
        ("dilation", tuple(taps.get("dilations") or ones)),
    ):
        given += [f"{word}={sizes(values)}"] * (values != ones)
    if any(pads):
        pairs = [f"({a}, {b})" for a, b in zip(pads[:rank], pads[rank:], strict=True)]
        given.append(f"pad=({', '.join(pairs)})" if rank > 1 else f"pad={pairs[0]}")
    given += [f"groups={grouped[1]}"] * (grouped[1] > 1)
    yield cluster.candidate("correlate", given, [apart.inputs[0], kernel.inputs[0]])

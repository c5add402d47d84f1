"""Average pooling and a convolution of one tap commute: pooling first leaves fewer places to work on.

DenseNet's transitions are written the other way round; a quarter of their multiply-adds is left.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from netspec.graph.checked import Node
from netspec.ops.declare.linear import Linear
from netspec.ops.spatial.pool import AvgPool
from netspec.passes.folding.draft import Draft


def pooled_first(draft: Draft, node: Node) -> bool:
    """An average pooling moves ahead of the convolution of one tap that nothing else reads.

    A mean of sums is the sum of means, and that of a bias the bias itself, unless zeros count in it.
    """
    if not isinstance(node.op, AvgPool):
        return False
    (value,) = draft.inputs(node)
    layer = value.node
    linear = draft.linear(layer)
    if linear is None or not draft.sole(value) or not _of_one_tap(linear):
        return False
    window = node.op.window(value.type)
    zeros = node.op.count_pad and any(map(any, window.pads))
    if (zeros and linear.bias is not None) or not _worth(linear, window.stride, window.kernel):
        return False
    (source,) = layer.inputs
    sizes = source.type.with_shape(source.shape[0], *node.types[0].spatial)
    first = replace(node, inputs=(source,), types=(sizes,))
    draft.stand(node, draft.swap(layer, first))
    return True


def _of_one_tap(linear: Linear) -> bool:
    window, layout = linear.geometry, linear.kernel.layout
    one = all(size == 1 for size in (*window.kernel, *window.stride))
    return one and not linear.padded and not layout.transposed and bool(window.kernel)


def _worth(linear: Linear, stride: tuple[int, ...], kernel: tuple[int, ...]) -> bool:
    """Whether the convolution saves more multiply-adds than the pooling has to add numbers."""
    layout = linear.kernel.layout
    saved = (prod(stride) - 1) * layout.planes
    return saved > prod(kernel) * max(0, layout.into - layout.out)

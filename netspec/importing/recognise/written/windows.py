"""What clusters that lay windows apart and put them back may be: kernels of one tap each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import prod

import numpy as np

from netspec.importing.files.program import Node
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.written.again import Candidate
from netspec.importing.recognise.written.cluster import Cluster

# Tensors that are looked at for one of the sizes that windows are put back to.
_MOST = 4096


def unfolded(cluster: Cluster) -> Iterator[Candidate | None]:
    """`unfold`: a convolution of each channel by kernels of one tap each, which are channels then."""
    taps = cluster.maker(cluster.end, 0, "Conv")
    apart = cluster.maker(taps, 0, "Reshape")
    if taps is None or apart is None or not _each_tap(cluster, taps):
        return
    rank = len(cluster.shapes[taps.output]) - 2
    pads = tuple(taps.get("pads") or (0,) * 2 * rank)
    given = [*_steps(taps, rank), *_padded(pads[:rank], pads[rank:])]
    yield cluster.candidate(_head("unfold", cluster, taps), given, [apart.inputs[0]])


def folded(cluster: Cluster) -> Iterator[Candidate | None]:
    """`fold`: the same way back, cut to the sizes of a tensor before that windows may reach past."""
    node = cluster.makers.get(cluster.end.inputs[0])
    node = cluster.makers.get(node.inputs[0]) if node is not None and node.op == "Pad" else node
    taps = cluster.maker(node, 0, "ConvTranspose")
    apart = cluster.maker(taps, 0, "Reshape")
    starts = cluster.constant(cluster.end, 1)
    before = cluster.end.get("starts") if starts is None else tuple(starts.tolist())
    if taps is None or apart is None or not before or not _each_tap(cluster, taps):
        return
    whole = cluster.shapes.get(cluster.end.output, ())
    rank = len(whole) - 2
    if len(before) != rank:
        return
    windows = cluster.shapes[taps.inputs[0]][2:]
    kernel, strides, dilations = _geometry(cluster, taps, rank)
    reached = (
        (count - 1) * step + (size - 1) * wide + 1
        for count, size, step, wide in zip(windows, kernel, strides, dilations, strict=True)
    )
    # As much at both ends, if no window more would fit then.
    after = [
        start if 0 <= size + 2 * start - end < step else max(0, end - size - start)
        for end, size, start, step in zip(reached, whole[2:], before, strides, strict=True)
    ]
    # What was taken apart has as many channels.
    sized = _of_sizes(cluster, apart.inputs[0], whole, 1)
    sized = sized or _of_sizes(cluster, apart.inputs[0], whole, 2)
    if sized is not None:
        given = [*_steps(taps, rank), *_padded(before, after)]
        yield cluster.candidate(_head("fold", cluster, taps), given, [apart.inputs[0], sized])


def _of_sizes(cluster: Cluster, name: str, wanted: tuple[int, ...], first: int) -> str | None:
    """The nearest tensor, of those that one is made of, that is of these sizes from an axis on."""
    todo, known = deque([name]), {name}
    while todo and len(known) < _MOST:
        name = todo.popleft()
        shape = cluster.shapes.get(name, ())
        of_samples = len(shape) == len(wanted) and shape[0] == cluster.program.batch
        if of_samples and shape[first:] == wanted[first:] and name not in cluster.constants:
            return name
        for read in cluster.makers[name].inputs if name in cluster.makers else ():
            if read not in known:
                known.add(read)
                todo.append(read)
    return None


def _each_tap(cluster: Cluster, node: Node) -> bool:
    """Whether the kernels of a convolution have one tap each, in order."""
    kernel = cluster.constant(node, 1)
    if kernel is None or kernel.ndim < 3 or len(node.inputs) > 2 or node.get("group", 1) != 1:
        return False
    taps = prod(kernel.shape[2:])
    return kernel.shape[:2] == (taps, 1) and np.array_equal(
        kernel.reshape(taps, taps), np.eye(taps)
    )


def _geometry(cluster: Cluster, node: Node, rank: int) -> tuple[tuple[int, ...], ...]:
    """Kernel, strides and dilations of a convolution."""
    kernel, ones = cluster.constants[node.inputs[1]], (1,) * rank
    strides, dilations = (tuple(node.get(word) or ones) for word in ("strides", "dilations"))
    return kernel.shape[2:], strides, dilations


def _head(word: str, cluster: Cluster, node: Node) -> str:
    kernel, strides, _ = _geometry(cluster, node, len(cluster.shapes[node.output]) - 2)
    step = f"/{sizes(strides)}" if set(strides) != {1} else ""
    return f"{word}{sizes(kernel)}{step}"


def _steps(node: Node, rank: int) -> list[str]:
    dilations = tuple(node.get("dilations") or (1,) * rank)
    return [f"dilation={_listed(dilations)}"] * (set(dilations) != {1})


def _listed(numbers: tuple[int, ...]) -> str:
    one = len(set(numbers)) == 1
    return str(numbers[0]) if one else f"({', '.join(map(str, numbers))})"


def _padded(before: tuple[int, ...] | list[int], after: tuple[int, ...] | list[int]) -> list[str]:
    pairs = list(zip(before, after, strict=True))
    if not any(map(any, pairs)):
        return []
    if len(set(pairs)) == 1 and pairs[0][0] == pairs[0][1]:
        return [f"pad={pairs[0][0]}"]
    told = [f"({a}, {b})" for a, b in pairs]
    return [f"pad=({', '.join(told)})" if len(told) > 1 else f"pad={told[0]}"]

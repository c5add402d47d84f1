"""What clusters of nodes may be: read off the last of them, the tensors that go in and the numbers inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.steps import number, sizes
from netspec.importing.recognise.written.again import Candidate
from netspec.importing.recognise.written.alike import plain
from netspec.importing.recognise.written.cluster import Cluster
from netspec.importing.recognise.written.maps import averaged, correlated
from netspec.importing.recognise.written.offsets import offset_scores
from netspec.importing.recognise.written.windows import folded, unfolded

# How values between elements are told by how many of these they are made of.
_BY_TERMS = {1: "nearest", 4: "bilinear", 16: "bicubic"}
_CHANNELS_LAST = (0, 2, 3, 1)


Form = Callable[[Cluster], "Iterator[Candidate | None]"]


def suppressed(cluster: Cluster) -> Iterator[Candidate | None]:
    """`nms`: boxes and scores are those of the suppression, and how many are given, of the best of them."""
    picked = cluster.before(cluster.end.inputs[1], "NonMaxSuppression")
    turned = cluster.maker(picked, 0, "Transpose")
    if picked is None or turned is None or len(picked.inputs) != 5:
        return
    numbers = [cluster.constant(picked, i) for i in (2, 3, 4)]
    if any(array is None or array.size != 1 for array in numbers):
        return
    most, iou, score = (array.item() for array in numbers if array is not None)
    given = [f"iou={number(iou)}", f"score={number(score)}", f"most={most}"]
    yield cluster.candidate("nms", given, [turned.inputs[0], picked.inputs[1]])


def pooled(cluster: Cluster) -> Iterator[Candidate | None]:
    """`roipool`: of a map and regions, whose corners are scaled before they are rounded."""
    where = cluster.maker(cluster.end, 0, "Where")
    whole = cluster.shapes.get(cluster.end.output, ())
    sign = cluster.before(where.output, "Sign") if where else None
    scaled = cluster.maker(sign, 0, "Mul")
    last = cluster.before(where.inputs[2], "Transpose", perm=_CHANNELS_LAST) if where else None
    rois = cluster.maker(scaled, 0, "Split")
    factor = cluster.constant(scaled, 1) if scaled else None
    if last is None or rois is None or factor is None or len(whole) != 4:
        return
    given = [f"scale={number(factor.item())}"] if factor.item() != 1 else []
    yield cluster.candidate(
        f"roipool{sizes(whole[2:])}", given, [last.inputs[0], rois.inputs[0]], (1,)
    )


def aligned(cluster: Cluster) -> Iterator[Candidate | None]:
    """`roialign`: means over samples of a map, of regions whose corners may be scaled and moved."""
    mean = cluster.maker(cluster.end, 0, "ReduceMean")
    shape = cluster.shapes.get(mean.inputs[0], ()) if mean else ()
    if mean is None or len(shape) != 6:
        return
    last = cluster.before(mean.output, "Transpose", perm=_CHANNELS_LAST)
    corners = cluster.before(mean.output, "Split", split=(1, 1, 1, 1))
    if last is None or corners is None:
        return
    moved = cluster.maker(corners, 0, "Sub")
    scaled = cluster.maker(moved or corners, 0, "Mul")
    factor = cluster.constant(scaled, 1) if scaled else None
    rois = cluster.maker(scaled or moved or corners, 0, "Split")
    if rois is None:
        return
    given = [f"scale={number(factor.item())}"] if factor is not None else []
    given += [f"samples={shape[2]}"] * (shape[2] != 2) + ["aligned=yes"] * (moved is not None)
    head = f"roialign{sizes((shape[1], shape[3]))}"
    yield cluster.candidate(head, given, [last.inputs[0], rois.inputs[0]], (1,))


def sampled(cluster: Cluster) -> Iterator[Candidate | None]:
    """`grid_sample`: sums over neighbours of places that a grid gives; two of its words are tried."""
    total = cluster.end.inputs[0]
    term = cluster.maker(cluster.end, 0, "Mul")
    term = term or cluster.maker(cluster.maker(cluster.end, 0, "Add"), 1, "Mul")
    if cluster.maker(term, 0, "Gather") is None:
        return
    last = cluster.before(total, "Transpose", perm=_CHANNELS_LAST)
    grid = cluster.before(total, "Split", axis=1)
    if last is None or grid is None:
        return
    terms, name = 1, total
    while (added := cluster.makers.get(name)) is not None and added.op == "Add":
        terms, name = terms + 1, added.inputs[0]
    mode = _BY_TERMS.get(terms, "bilinear")
    for padding, align in product(("zeros", "border", "reflection"), (False, True)):
        given = [mode] * (mode != "bilinear") + [f"padding={padding}"] * (padding != "zeros")
        given += ["align=yes"] * align
        yield cluster.candidate("grid_sample", given, [last.inputs[0], grid.inputs[0]])


def deformed(cluster: Cluster) -> Iterator[Candidate | None]:
    """`deformconv`: a convolution of what its taps see side by side; where they start says how it steps."""
    kernel = cluster.constant(cluster.end, 1)
    apart = cluster.maker(cluster.maker(cluster.end, 0, "Reshape"), 0, "Transpose")
    seen = cluster.maker(apart, 0, "Reshape")
    if kernel is None or kernel.ndim != 4 or apart is None or seen is None:
        return
    if apart.get("perm") != (0, 5, 3, 1, 4, 2):
        return
    last = cluster.before(seen.output, "Transpose", perm=_CHANNELS_LAST)
    split = cluster.before(seen.output, "Split", axis=2)
    offsets = cluster.maker(split, 0, "Reshape")
    if last is None or split is None or offsets is None:
        return
    grouped = cluster.maker(last, 0, "Reshape")
    tensor = grouped.inputs[0] if grouped else last.inputs[0]
    mask = cluster.maker(cluster.maker(cluster.maker(seen, 0, "Mul"), 1, "Unsqueeze"), 0, "Reshape")
    reads = [tensor, offsets.inputs[0], *([mask.inputs[0]] if mask else [])]
    shape = cluster.shapes.get(plain(tensor, cluster.makers, cluster.constants), ())
    ways = [_steps(cluster, output) for output in split.outputs]
    starts = [way for way in ways if way is not None]
    if len(shape) != 4 or len(starts) != 2:
        return
    strides, dilations, pads = [], [], []
    for axis, array in enumerate(starts):
        taps = array.reshape(*kernel.shape[2:], -1)
        along = taps[:, 0] if axis == 0 else taps[0]
        size, count = kernel.shape[2 + axis], along.shape[1]
        before = -int(along[0, 0])
        stride = int(along[0, 1] - along[0, 0]) if count > 1 else 1
        dilation = int(along[1, 0] - along[0, 0]) if size > 1 else 1
        reach = (count - 1) * stride + (size - 1) * dilation + 1
        strides.append(stride)
        dilations.append(dilation)
        pads.append((before, max(0, reach - before - shape[2 + axis])))
    step = f"/{sizes(strides)}" if set(strides) != {1} else ""
    given = [f"pad=(({pads[0][0]}, {pads[0][1]}), ({pads[1][0]}, {pads[1][1]}))"]
    given += [f"dilation=({dilations[0]}, {dilations[1]})"]
    groups = cluster.end.get("group", 1)
    given += [f"groups={groups}"] * (groups > 1) + ["bias=no"] * (len(cluster.end.inputs) < 3)
    head = f"deformconv{sizes(kernel.shape[2:])}-{kernel.shape[0]}{step}"
    yield cluster.candidate(head, given, reads)


def _steps(cluster: Cluster, moved: str) -> Array | None:
    """Where the taps stand that offsets move along an axis: (taps, height, width), as far as it varies."""
    for node in cluster.program.nodes:
        if node.op == "Add" and len(node.inputs) == 2:
            held = cluster.constant(node, 1)
            squeezed = cluster.maker(node, 0, "Squeeze")
            if squeezed is not None and squeezed.inputs[0] == moved and held is not None:
                return held if held.ndim == 3 else None
    return None


def summed(cluster: Cluster) -> Iterator[Candidate | None]:
    """`scan` with a decay: sums of sums that each reach twice as far, and products of decays beside them."""
    whole = cluster.shapes.get(cluster.end.output, ())
    name, decay, reads = cluster.end.output, "", []
    while (total := cluster.makers.get(name)) is not None and total.op == "Add":
        share = cluster.maker(total, 1, "Mul")
        if share is None or cluster.makers.get(share.inputs[1], total).op not in ("Pad", "Where"):
            break
        name, decay = total.inputs[0], share.inputs[0]
        reads.append((name, decay))
    if len(whole) < 3 or not reads:
        return
    name, decay = reads[-1]
    if decay in cluster.constants:
        yield from _decaying(cluster, name, decay)
        return
    # Of a length that is open what is the same at every step is repeated before.
    repeated = cluster.makers.get(decay)
    names = [repeated.inputs[0]] if repeated is not None and repeated.op == "Expand" else []
    for given in (*names, decay):
        found = cluster.candidate("scan", [], [name, given])
        ones = found is not None and 1 in found.sizes[1][2:]
        yield replace(found, repeated=(1,)) if found is not None and ones else found


def _decaying(cluster: Cluster, name: str, decay: str) -> Iterator[Candidate | None]:
    """`scan` with a decay that is a constant: the same at every step if it can be."""
    array, found = cluster.constants[decay], cluster.candidate("scan", [], [name])
    if found is None or array.dtype != np.float32:
        return
    rank = len(found.sizes[0])
    steady = array.ndim > 0 and bool((array == array[..., :1]).all())
    for numbers in (*([array[..., :1]] if steady else []), array):
        sizes = (1,) * (rank - numbers.ndim) + numbers.shape
        if len(sizes) == rank and sizes[0] == 1:
            yield replace(
                found,
                reads=(name, decay),
                sizes=(*found.sizes, sizes),
                repeated=(1,) if 1 in sizes[2:] else (),
                numbers=((1, numbers.shape, numbers.tobytes()),),
            )


def spread(cluster: Cluster) -> Iterator[Candidate | None]:
    """`affine_grid`: a matrix by its columns, times places along each axis."""
    whole = cluster.shapes.get(cluster.end.output, ())
    split = cluster.maker(cluster.end, 1, "Split")
    matrix = cluster.maker(split, 0, "Reshape")
    if matrix is None or len(whole) != 4:
        return
    for align in (False, True):
        given = [sizes(whole[2:]), *["align=yes"] * align]
        yield cluster.candidate("affine_grid", given, [matrix.inputs[0]])


# By the operator of the last node, what the nodes before it may be.
FORMS: Mapping[str, Sequence[Form]] = {
    "Where": (suppressed,),
    "Transpose": (pooled, aligned, sampled, averaged),
    "MatMul": (averaged,),
    "Reshape": (correlated, unfolded, offset_scores),
    "Gather": (offset_scores,),
    "Pad": (offset_scores,),
    "Slice": (folded,),
    "Conv": (deformed,),
    "Add": (summed, spread),
}

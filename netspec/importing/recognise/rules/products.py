"""Products of matrices that no layer is: of two tensors, by a matrix for each group, one for several."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.sources.held import widened
from netspec.importing.recognise.views import Atom, View, copies, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer


def product(writer: Writer, node: Node) -> View:
    """A product of two tensors; by a constant of several matrices a layer of groups, where it is none."""
    try:
        return _product(writer, node)
    except Unsaid:
        if node.inputs[1] not in writer.constants:
            raise
        return _grouped(writer, node, writer.constants[node.inputs[1]])


def _grouped(writer: Writer, node: Node, matrices: Array) -> View:
    """A matrix for each group of channels: (..., groups, T, K) by (groups, K, M)."""
    view = writer.view(node.inputs[0])
    if matrices.ndim < 3 or len(view.axes) < 3 or matrices.size != prod(matrices.shape[-3:]):
        raise Unsaid("its matrices differ along several axes")
    many, inner, outer = matrices.shape[-3:]
    groups, across = view.axes[-3], view.axes[-1]
    if many not in (1, size_of(groups)):
        raise Unsaid("its matrices are as many as no axis has places")
    groups = groups if many > 1 else ()
    others = [a for a in view.axes if a and a not in (view.base[0], groups, across)]
    view = writer.arranged(view, (view.base[0], (*groups, *across), *others))
    given = ["bias=no"] + [f"groups={many}"] * (many > 1)
    kernel = matrices.reshape(many, inner, outer).transpose(0, 2, 1).reshape(many * outer, inner)
    rank = len(others)
    if not 0 < rank < 4:
        raise Unsaid("it has too many axes, or no places")
    weight = np.ascontiguousarray(kernel.reshape(*kernel.shape, *(1,) * rank))
    shape = (many * outer, *view.wire.sizes[1:])
    head = f"conv1-{many * outer}"
    wire = writer.step(head, [view.wire], shape, *given, weights={"weight": weight})
    new = (Atom(outer),) if outer > 1 else ()
    return View(wire, (view.base[0], (*groups, *new), *others), (*view.axes[:-1], new))


def _product(writer: Writer, node: Node) -> View:
    shape = writer.shapes[node.output][1:]
    own = [_by_sample(writer.copied(n)) for n in node.inputs if n not in writer.constants]
    heads = [view for view in own if view is not None]
    if len(heads) == 2:
        left, right = map(writer.plain, heads)
        if left.sizes[0] != right.sizes[0]:
            raise Unsaid("its matrices differ along several axes")
        wire = writer.step("matmul", [left, right], (left.sizes[0], *shape))
        made = writer.whole(wire, heads[0].base[0])
        return replace(made, axes=((*made.axes[0], *made.axes[1]), *made.axes[2:]))
    one, other = (
        widened(writer.copied(n) if n in writer.constants else writer.view(n), len(shape) + 1)
        for n in node.inputs
    )
    if (found := _broadcast(writer, one, other)) is not None:
        return found
    left, right = writer.plain(_narrowed(one, other)), writer.plain(_narrowed(other, one))
    if len(left.sizes) < 2 or len(right.sizes) < 2:
        raise Unsaid("its matrices have different axes")
    rows = one.axes[0] or other.axes[0]
    wire = writer.step("matmul", [left, right], shape, shared=not rows)
    return writer.whole(wire, rows)


def _narrowed(view: View, beside: View) -> View:
    """The view without axes of one place before its matrices that the other has places along."""
    first = next(
        (i for i in range(1, len(view.axes) - 2) if view.axes[i] or not beside.axes[i]), None
    )
    first = len(view.axes) - 2 if first is None else first
    return replace(view, axes=(view.axes[0], *view.axes[first:]))


def _by_sample(view: View) -> View | None:
    """The view with the heads of each sample an axis of their own; None where there are none."""
    rows, first = view.base[0], view.axes[0]
    if len(view.axes) != 3 or len(rows) != 1 or first[:1] != rows or len(first) < 2 or copies(view):
        return None
    return replace(view, axes=(rows, first[1:], *view.axes[1:]))


def _broadcast(writer: Writer, one: View, other: View) -> View | None:
    """A product where matrices of one side meet several of the other: more rows, or more columns, of one.

    None where there are as many of both.
    """
    pairs = list(zip(one.axes[1:-2], other.axes[1:-2], strict=True))
    lone = any(bool(a) != bool(b) for a, b in pairs)
    if not lone or one.axes[0] != other.axes[0] or not one.axes[0]:
        return None
    rows = (*flat(a for a, b in pairs if not b), *one.axes[-2])
    columns = (*flat(b for a, b in pairs if not a), *other.axes[-1])
    many = tuple(a for a, b in pairs if a and b)
    targets = (
        (one.axes[0], *many, rows, one.axes[-1]),
        (one.axes[0], *(b for a, b in pairs if a and b), other.axes[-2], columns),
    )
    settled = (writer.parts.settled(view, everything=True) for view in (one, other))
    wires = [
        writer.arranged(view, target).wire for view, target in zip(settled, targets, strict=True)
    ]
    base = (one.axes[0], *many, rows, columns)
    wire = writer.step("matmul", wires, [size_of(axis) for axis in base[1:]])
    axes = (one.axes[0], *(a or b for a, b in pairs), one.axes[-2], other.axes[-1])
    return View(wire, base, axes)


PRODUCTS = {"MatMul": product}

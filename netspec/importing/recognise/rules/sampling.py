"""Maps read between their elements, and regions of them: GridSample, RoiAlign, DeformConv."""

from __future__ import annotations

from netspec.importing.files.program import Node
from netspec.importing.recognise.layers import windowed
from netspec.importing.recognise.sources.held import in_parts
from netspec.importing.recognise.steps import Wire, number, sizes
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer

# ONNX's words for what lies between elements, of its opsets.
_MODES = {"linear": "bilinear", "cubic": "bicubic"}


def grid_sample(writer: Writer, node: Node) -> View:
    """GridSample of a map of two axes."""
    view, grid = _of_rows(writer, node)
    if len(view.axes) != 4:
        raise Unsaid("it reads a volume")
    wire, where = writer.plain(view), writer.plain(grid.moved((0, 3, 1, 2)))
    mode = node.get("mode", "linear")
    mode, padding = _MODES.get(mode, mode), node.get("padding_mode", "zeros")
    given = [mode] * (mode != "bilinear")
    given += [f"padding={padding}"] * (padding != "zeros")
    given += ["align=yes"] * bool(node.get("align_corners", 0))
    return whole(
        writer,
        node,
        view,
        writer.step("grid_sample", [wire, where], writer.shapes[node.output][1:], *given),
    )


def _of_rows(writer: Writer, node: Node) -> list[View]:
    """What a node reads; a constant with a row for each part of the other's map is cut as that is."""
    views = {name: writer.view(name) for name in node.inputs if name not in writer.constants}
    rows = next((view.axes[0] for view in views.values()), ())
    for name in set(node.inputs) - set(views):
        parts = in_parts(writer, writer.constants[name], rows, name)
        views[name] = writer.view(name) if parts is None else writer.repeated(parts)
    return [views[name] for name in node.inputs]


def affine_grid(writer: Writer, node: Node) -> View:
    """AffineGrid of two axes, for a matrix of each sample."""
    view = writer.view(node.inputs[0])
    batch, *made = writer.shapes[node.output]
    matrix = view.reshaped((batch, 6)) if len(made) == 3 else None
    if matrix is None:
        raise Unsaid("it makes a grid of a volume")
    given = ["align=yes"] * bool(node.get("align_corners", 0))
    wire = writer.step(
        "affine_grid", [writer.plain(matrix)], (2, *made[:2]), sizes(made[:2]), *given
    )
    return whole(writer, node, view, wire).moved((0, 2, 3, 1))


def whole(writer: Writer, node: Node, rows: View, wire: Wire) -> View:
    """The view of a value as it stands, its rows being those of another as the file has it."""
    return writer.whole(wire, rows.axes[0])


def roi_align(writer: Writer, node: Node) -> View:
    """RoiAlign of regions that bring the index of their image."""
    view, rois = (writer.view(name) for name in node.inputs)
    if node.get("mode", "avg") != "avg":
        raise Unsaid("it takes the largest of its samples")
    samples = node.get("sampling_ratio", 0)
    if not samples:
        raise Unsaid("it takes as many samples as each region has elements")
    size = [node.get("output_height", 1), node.get("output_width", 1)]
    scale = node.get("spatial_scale", 1.0)
    how = node.get("coordinate_transformation_mode", "half_pixel")
    given = [f"scale={number(scale)}"] * (scale != 1)
    given += [f"samples={samples}"] * (samples != 2) + ["aligned=yes"] * (how == "half_pixel")
    wires = [writer.plain(view), writer.plain(rois)]
    made = writer.step(f"roialign{sizes(size)}", wires, (wires[0].sizes[0], *size), *given)
    return whole(writer, node, rois, made)


def roi_pool(writer: Writer, node: Node) -> View:
    """MaxRoiPool."""
    view, rois = (writer.view(name) for name in node.inputs)
    size, scale = node.get("pooled_shape"), node.get("spatial_scale", 1.0)
    wires = [writer.plain(view), writer.plain(rois)]
    given = [f"scale={number(scale)}"] * (scale != 1)
    made = writer.step(f"roipool{sizes(size)}", wires, (wires[0].sizes[0], *size), *given)
    return whole(writer, node, rois, made)


def deform_conv(writer: Writer, node: Node) -> View:
    """DeformConv, with a mask or without."""
    names = [*node.inputs, "", ""]
    view, read = writer.view(names[0]), [names[0], names[2], *[names[4]] * bool(names[4])]
    wires = [writer.plain(writer.view(name)) for name in read]
    plain = Node(
        node.op, (names[0], names[1], *[names[3]] * bool(names[3])), node.outputs, node.attributes
    )
    head, given, weights = windowed(writer, plain, wires[0])
    made = writer.step(
        f"deform{head}", wires, writer.shapes[node.output][1:], *given, weights=weights
    )
    return whole(writer, node, view, made)


SAMPLING = {
    "AffineGrid": affine_grid,
    "GridSample": grid_sample,
    "RoiAlign": roi_align,
    "MaxRoiPool": roi_pool,
    "DeformConv": deform_conv,
}

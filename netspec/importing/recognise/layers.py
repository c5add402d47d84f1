"""Layers with weights and windows: convolutions, linear layers, pools, normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.steps import Wire, number, sizes
from netspec.importing.recognise.views import Atom, View, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer


def conv(writer: Writer, node: Node) -> View:
    """Conv: grouped by every channel it is depthwise."""
    view = writer.view(node.inputs[0])
    wire = writer.plain(view)
    head, given, weights = windowed(writer, node, wire)
    out, groups = weights["weight"].shape[0], node.get("group", 1)
    if groups > 1 and groups == wire.sizes[0] and out % groups == 0:
        head = f"dw{head.replace(f'-{out}', '', 1)}"
        given = [f"multiplier={out // groups}" if g.startswith("groups=") else g for g in given]
        given = [g for g in given if g != "multiplier=1"]
    shape = writer.shapes[node.output][1:]
    return writer.whole(writer.step(head, [wire], shape, *given, weights=weights), view.axes[0])


def windowed(writer: Writer, node: Node, wire: Wire) -> tuple[str, list[str], dict[str, Array]]:
    """The head of a convolution of a value, its arguments, and its weights."""
    kernel = _array(writer, node, 1)
    window = _Window(node, kernel.shape[2:], wire.sizes[1:])
    groups, weights = node.get("group", 1), _weights(writer, node, kernel)
    given = window.given() + [f"groups={groups}"] * (groups > 1)
    given += ["bias=no"] * ("bias" not in weights)
    return f"conv{window.kernel}-{kernel.shape[0]}{window.step}", given, weights


def deconv(writer: Writer, node: Node) -> View:
    """ConvTranspose."""
    view, kernel = writer.view(node.inputs[0]), _array(writer, node, 1)
    wire = writer.plain(view)
    node = _padded(node, kernel.shape[2:], wire.sizes[1:])
    window = _Window(node, kernel.shape[2:], wire.sizes[1:])
    groups = node.get("group", 1)
    shape = writer.shapes[node.output][1:]
    weights, given = _weights(writer, node, kernel), window.given()
    extra = node.get("output_padding", ())
    given += [f"output_pad={sizes(extra)}"] * any(extra)
    given += [f"groups={groups}"] * (groups > 1) + ["bias=no"] * ("bias" not in weights)
    head = f"deconv{window.kernel}-{kernel.shape[1] * groups}{window.step}"
    return writer.whole(writer.step(head, [wire], shape, *given, weights=weights), view.axes[0])


def _padded(node: Node, kernel: Sequence[int], places: Sequence[int]) -> Node:
    """A transposed convolution whose padding is said where the file says how large its output is."""
    auto, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    same, rank = auto.startswith("SAME"), len(kernel)
    if not same and not wanted:
        return node
    ones, more = (1,) * rank, node.get("output_padding") or (0,) * rank
    strides, dilations = node.get("strides") or ones, node.get("dilations") or ones
    first, last, extra = [], [], []
    for axis, size in enumerate(places):
        stride = strides[axis]
        whole = stride * (size - 1) + (kernel[axis] - 1) * dilations[axis] + 1 + more[axis]
        off = whole - (wanted[-rank:][axis] if wanted else size * stride)
        # The half that is larger is cut off at the end, or else at the front.
        half = max(off, 0) // 2
        front = half if auto == "SAME_UPPER" else max(off, 0) - half
        first.append(front)
        last.append(max(off, 0) - front)
        extra.append(more[axis] + max(-off, 0))
    given = {**node.attributes, "pads": (*first, *last), "output_padding": tuple(extra)}
    return replace(node, attributes=given | {"auto_pad": "NOTSET"})


def linear(writer: Writer, node: Node) -> View:
    """A matrix applied along the last axis: of a vector, or at every place."""
    view, matrix = writer.copied(node.inputs[0]).alone(-1), _array(writer, node, 1)
    if not (writer.parts.left(view) and set(view.base[1]) == set(view.axes[-1])):
        view = writer.view(node.inputs[0]).alone(-1)
    matrix = matrix if node.get("turned") else matrix.T
    out = matrix.shape[0]
    last = len(view.axes) - 1
    view, matrix = _in_order(view, matrix)
    others = [axis for axis in view.axes[:-1] if axis and axis != view.base[0]]
    weights = {"weight": np.ascontiguousarray(matrix)}
    if len(node.inputs) > 2 and node.inputs[2]:
        weights["bias"] = np.broadcast_to(_array(writer, node, 2).reshape(-1), (out,))
    given = ["bias=no"] * ("bias" not in weights)
    new = (Atom(out),) if out > 1 else ()
    # One place that the file has as an axis is one that the value has.
    alone = len(view.axes) == len(view.base) > 2 and view.base[1] == view.axes[last]
    if not others and not alone:
        if flat(view.base[1:]) != view.axes[last]:
            view = writer.arranged(view, (view.base[0], view.axes[last]))
        wire = writer.step(f"fc-{out}", [view.wire], [out], *given, weights=weights)
        return View(wire, (view.base[0], new), (*view.axes[:-1], new))
    view = writer.channelled(view, last)
    shape = (out, *view.wire.sizes[1:])
    wire = writer.step(f"fc-{out}", [view.wire], shape, "over=channels", *given, weights=weights)
    return View(wire, (view.base[0], new, *view.base[2:]), (*view.axes[:-1], new))


def _in_order(view: View, matrix: Array) -> tuple[View, Array]:
    """A layer of attention's heads reads their channels in the order that the heads give them in."""
    step, own, read = view.wire.step, view.base[1] if len(view.base) > 1 else (), view.axes[-1]
    if step is None or step.head != "attend" or own == read or set(own) != set(read):
        return view, matrix
    places = np.arange(size_of(read)).reshape([atom.size for atom in read])
    order = places.transpose([read.index(atom) for atom in own]).reshape(-1)
    return View(view.wire, view.base, (*view.axes[:-1], own)), matrix[:, order]


def batch_norm(writer: Writer, node: Node) -> View:
    """BatchNormalization by running statistics."""
    if node.get("training_mode", 0) or len([n for n in node.outputs if n]) > 1:
        raise Unsaid("it normalises by the batch at hand")
    view = writer.channelled(writer.view(node.inputs[0]), 1)
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: _array(writer, node, i + 1) for i, name in enumerate(names)}
    given = _eps(node.get("epsilon", 1e-5), 1e-5)
    return view.on(writer.step("bn", [view.wire], view.wire.sizes, *given, weights=weights))


def layer_norm(writer: Writer, node: Node) -> View:
    """LayerNormalization along one axis, or what was written out as that."""
    view = writer.view(node.inputs[0])
    if node.get("perm"):
        view = view.moved(node.get("perm"))
    axis = node.get("axis", -1) % len(view.axes)
    if node.op == "LayerNormalization" and axis != len(view.axes) - 1:
        raise Unsaid("it normalises over several axes")
    view = writer.channelled(view, axis)
    names = ("weight", "bias")
    weights = {
        n: _array(writer, node, i + 1).reshape(-1)
        for i, n in enumerate(names)
        if len(node.inputs) > i + 1
    }
    if weights and "bias" not in weights:
        weights["bias"] = np.zeros_like(weights["weight"])
    given = _eps(node.get("epsilon", 1e-5), 1e-5) + ["affine=no"] * (not weights)
    return view.on(writer.step("layernorm", [view.wire], view.wire.sizes, *given, weights=weights))


def rms_norm(writer: Writer, node: Node) -> View:
    """Division by the root mean square along one axis."""
    view = writer.view(node.inputs[0])
    axis = node.get("axis", -1) % len(view.axes)
    if node.op == "RMSNormalization" and axis != len(view.axes) - 1:
        raise Unsaid("it normalises over several axes")
    view = writer.channelled(view, axis)
    scaled = len(node.inputs) > 1
    weights = {"weight": _array(writer, node, 1).reshape(-1)} if scaled else {}
    given = _eps(node.get("epsilon", 1e-5), 1e-6) + ["affine=no"] * (not scaled)
    return view.on(writer.step("rmsnorm", [view.wire], view.wire.sizes, *given, weights=weights))


def unit_length(writer: Writer, node: Node) -> View:
    """Division by the length along one axis."""
    view = writer.channelled(writer.view(node.inputs[0]), node.get("axis"))
    given = _eps(node.get("epsilon"), 1e-12)
    return view.on(writer.step("l2norm", [view.wire], view.wire.sizes, *given))


def group_norm(writer: Writer, node: Node) -> View:
    """Groups of channels normalised, written out or as GroupNormalization of opset 21."""
    view = writer.channelled(writer.view(node.inputs[0]), 1)
    groups = node.get("groups", node.get("num_groups"))
    weights = _scales(writer, node)
    if weights and weights["weight"].size != view.wire.sizes[0]:
        raise Unsaid("it scales groups and not channels")
    given = [*_eps(node.get("epsilon", 1e-5), 1e-5), *["affine=no"] * (not weights)]
    return view.on(
        writer.step(
            f"groupnorm({groups}{''.join(', ' + g for g in given)})",
            [view.wire],
            view.wire.sizes,
            weights=weights,
        )
    )


def instance_norm(writer: Writer, node: Node) -> View:
    """InstanceNormalization."""
    view = writer.channelled(writer.view(node.inputs[0]), 1)
    weights, given = _scales(writer, node), _eps(node.get("epsilon", 1e-5), 1e-5)
    if np.all(weights["weight"] == 1) and np.all(weights["bias"] == 0):
        weights, given = {}, [*given, "affine=no"]
    return view.on(
        writer.step("instancenorm", [view.wire], view.wire.sizes, *given, weights=weights)
    )


def pool(writer: Writer, node: Node) -> View | tuple[View, View]:
    """MaxPool and AveragePool; of maxima where they were, too."""
    view = writer.view(node.inputs[0])
    wire = writer.plain(view)
    window = _Window(node, node.get("kernel_shape"), wire.sizes[1:])
    ceil = bool(node.get("ceil_mode", 0)) and _rounds_up(writer, window, wire, node)
    given = window.given() + ["ceil=yes"] * ceil
    word = {"MaxPool": "maxpool", "AveragePool": "avgpool", "LpPool": "lppool"}[node.op]
    if (
        node.op == "AveragePool"
        and not node.get("count_include_pad", 0)
        and (window.padded or ceil)
    ):
        given.append("count_pad=no")
    if node.op == "LpPool":
        given += [f"p={node.get('p', 2)}"] * (node.get("p", 2) != 2)
    head = f"{word}{window.kernel}/{sizes(window.strides)}"
    made = writer.step(head, [wire], writer.shapes[node.output][1:], *given)
    found = writer.whole(made, view.axes[0])
    if len([n for n in node.outputs if n]) > 1:
        if node.get("storage_order", 0):
            raise Unsaid("its indices count columns first")
        return found, found.on(made.beside("unpool", made.sizes))
    return found


def _rounds_up(writer: Writer, window: _Window, wire: Wire, node: Node) -> bool:
    """Whether rounding up makes another size than rounding down; where sizes are open it may."""
    if any(any(item.symbols[2:]) for item in writer.program.inputs):
        return True
    kernel, made = node.get("kernel_shape"), writer.shapes[node.output][2:]
    reach = (d * (k - 1) + 1 for k, d in zip(kernel, window.dilations, strict=True))
    padded = (size + sum(pair) for size, pair in zip(wire.sizes[1:], window.pairs, strict=True))
    down = tuple(
        (size - r) // s + 1 for size, r, s in zip(padded, reach, window.strides, strict=True)
    )
    return down != tuple(made)


def response_norm(writer: Writer, node: Node) -> View:
    """LRN."""
    view = writer.view(node.inputs[0])
    wire = writer.plain(view)
    given = [str(node.get("size"))]
    for word, key, default in (
        ("alpha", "alpha", 1e-4),
        ("beta", "beta", 0.75),
        ("k", "bias", 1.0),
    ):
        value = node.get(key, default)
        given += [f"{word}={number(value)}"] * bool(np.float32(value) != np.float32(default))
    made = writer.step(f"lrn({', '.join(given)})", [wire], wire.sizes)
    return writer.whole(made, view.axes[0])


def prelu(writer: Writer, node: Node) -> View:
    """PRelu: a slope for each channel, or one."""
    view, slope = writer.view(node.inputs[0]), _array(writer, node, 1)
    if slope.size == 1:
        weights = {"weight": slope.reshape(1)}
        return view.on(
            writer.step("prelu", [view.wire], view.wire.sizes, "per=layer", weights=weights)
        )
    rank = len(view.axes)
    where = [i for i, size in enumerate((*(1,) * (rank - slope.ndim), *slope.shape)) if size != 1]
    if len(where) != 1:
        raise Unsaid("its slopes are not one for each channel")
    view = writer.channelled(view, where[0])
    return view.on(
        writer.step("prelu", [view.wire], view.wire.sizes, weights={"weight": slope.reshape(-1)})
    )


# --- shared


class _Window:
    """A node's window as a step's shorthand and arguments."""

    def __init__(self, node: Node, kernel: Sequence[int], places: Sequence[int]) -> None:
        rank = len(kernel)
        self.kernel = sizes(kernel)
        self.strides = tuple(node.get("strides") or (1,) * rank)
        self.dilations = tuple(node.get("dilations") or (1,) * rank)
        self.step = f"/{sizes(self.strides)}" if any(s != 1 for s in self.strides) else ""
        pads = tuple(node.get("pads") or (0,) * (2 * rank))
        auto = node.get("auto_pad", "NOTSET")
        self.pairs: list[tuple[int, int]] = list(zip(pads[:rank], pads[rank:], strict=True))
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            self.pairs = []
            for size, k, s, d in zip(places, kernel, self.strides, self.dilations, strict=True):
                total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
                sides = (total // 2, total - total // 2)
                self.pairs.append(sides if auto == "SAME_UPPER" else sides[::-1])
        if auto == "VALID":
            self.pairs = [(0, 0)] * rank
        if any(side < 0 for pair in self.pairs for side in pair):
            raise Unsaid("its padding is negative")

    @property
    def padded(self) -> bool:
        """Whether there is a border."""
        return any(map(any, self.pairs))

    def given(self) -> list[str]:
        """Padding and dilation, where there are any."""
        found = [f"pad={sides(self.pairs)}"] * self.padded
        return found + [f"dilation={_listed(self.dilations)}"] * any(d != 1 for d in self.dilations)


def _listed(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"({', '.join(map(str, values))})"


def sides(pairs: Sequence[tuple[int, int]]) -> str:
    """Amounts before and after along each axis, as an argument."""
    if all(a == b for a, b in pairs):
        return _listed([a for a, _ in pairs])
    inner = ", ".join(f"({a}, {b})" for a, b in pairs)
    return inner if len(pairs) == 1 else f"({inner})"


def _array(writer: Writer, node: Node, index: int) -> Array:
    found = writer.constants.get(node.inputs[index]) if index < len(node.inputs) else None
    if found is None:
        raise Unsaid("a weight of it is computed while it runs")
    return found


def _weights(writer: Writer, node: Node, kernel: Array) -> dict[str, Array]:
    found = {"weight": kernel}
    if len(node.inputs) > 2 and node.inputs[2]:
        found["bias"] = _array(writer, node, 2).reshape(-1)
    return found


def _scales(writer: Writer, node: Node) -> dict[str, Array]:
    if len(node.inputs) < 3:
        return {}
    return {
        "weight": _array(writer, node, 1).reshape(-1),
        "bias": _array(writer, node, 2).reshape(-1),
    }


def _eps(value: float, default: float) -> list[str]:
    return [] if np.float32(value) == np.float32(default) else [f"eps={number(value)}"]


LAYERS = {
    "Conv": conv,
    "ConvTranspose": deconv,
    "Linear": linear,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "Normal": layer_norm,
    "NormalScaled": layer_norm,
    "NormalShifted": layer_norm,
    "RMSNormalization": rms_norm,
    "RootMeanSquare": rms_norm,
    "RootMeanSquareScaled": rms_norm,
    "UnitLength": unit_length,
    "Groups": group_norm,
    "GroupsShifted": group_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "MaxPool": pool,
    "AveragePool": pool,
    "LpPool": pool,
    "LRN": response_norm,
    "PRelu": prelu,
}

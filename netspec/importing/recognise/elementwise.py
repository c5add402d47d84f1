"""What computes each element for itself: activations, arithmetic with constants, merges."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.sources.waving import waves
from netspec.importing.recognise.steps import Wire, number, same_along
from netspec.importing.recognise.views import Atom, Axes, View, refined, renamed
from netspec.importing.recognise.writer import Unsaid, Writer

# Alpha and gamma of Klambauer et al. 2017, as ONNX has them where a node says nothing.
_SELU = (1.6732632, 1.0507010)
# A node as a step, as several, or as none.
Spelt = Callable[[Node], tuple[str, ...]]


def _with(word: str, **defaults: float) -> Spelt:
    """A word whose arguments, in order, are attributes; those that are as usual at the end are left out."""

    def spelt(node: Node) -> tuple[str, ...]:
        values = [node.get(name, default) for name, default in defaults.items()]
        usual = list(defaults.values())
        while values and np.float32(values[-1]) == np.float32(usual[-1]):
            values.pop(), usual.pop()
        return (f"{word}({', '.join(map(number, values))})" if values else word,)

    return spelt


def _clip(node: Node) -> tuple[str, ...]:
    low, high = node.get("min"), node.get("max")
    if (low, high) == (0, 6):
        return ("relu6",)
    if low == 0 and high is None:
        return ("relu",)
    given = [f"{word}={number(v)}" for word, v in (("low", low), ("high", high)) if v is not None]
    return (f"clip({', '.join(given)})",) if given else ()


def _hard(node: Node) -> tuple[str, ...]:
    if np.float32(node.get("beta", 0.5)) != np.float32(0.5):
        raise Unsaid("it is not 1/2 at zero")
    return (*_times(6 * node.get("alpha", 0.2)), "hardsigmoid")


def _swish(node: Node) -> tuple[str, ...]:
    alpha = node.get("alpha", 1.0)
    if not alpha:
        return _times(0.5)
    return (*_times(alpha), "silu", *_times(1 / alpha))


def _selu(node: Node) -> tuple[str, ...]:
    alpha, gamma = node.get("alpha", _SELU[0]), node.get("gamma", _SELU[1])
    if np.allclose((alpha, gamma), _SELU, rtol=1e-6):
        return ("selu",)
    return (f"elu({number(alpha)})", *_times(gamma))


def _times(factor: float) -> tuple[str, ...]:
    """A factor, unless it is one."""
    return () if np.float32(factor) == 1 else (f"scaled({number(factor)})",)


def _word(word: str) -> Spelt:
    return lambda node: (word,)


_WORDS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Mish": "mish",
    "HardSwish": "hardswish",
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Abs": "abs",
    "Sin": "sin",
    "Cos": "cos",
    "Reciprocal": "reciprocal",
}
# An operator to the step that it is, by its attributes.
_UNARY: dict[str, Spelt] = {
    **{op: _word(word) for op, word in _WORDS.items()},
    "Elu": _with("elu", alpha=1.0),
    "Celu": _with("celu", alpha=1.0),
    "LeakyRelu": _with("leaky", alpha=0.01),
    "Selu": _selu,
    "Swish": _swish,
    "HardSigmoid": _hard,
    "Clip": _clip,
    "Gelu": lambda node: ("gelu(tanh)" if node.get("approximate") == "tanh" else "gelu",),
    "Neg": _word("scaled(-1)"),
}


def unary(writer: Writer, node: Node) -> View:
    """One function of one number."""
    view = writer.view(node.inputs[0])
    for head in _UNARY[node.op](node):
        view = view.on(writer.step(head, [view.wire], view.wire.sizes))
    return view


def softmax(writer: Writer, node: Node) -> View:
    """Softmax and LogSoftmax along the channels, or along the last axis of a value."""
    view = writer.view(node.inputs[0])
    axis = node.get("axis", -1) % len(view.axes)
    if node.get("flattened") and any(view.axes[axis + 1 :]):
        raise Unsaid("it is over several axes")
    word = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.op]
    atoms = view.axes[axis]
    if len(view.base) > 2 and view.base[-1] == atoms and view.base[1] != atoms:
        return view.on(writer.step(f"{word}(over=last)", [view.wire], view.wire.sizes))
    view = writer.channelled(view, axis)
    return view.on(writer.step(word, [view.wire], view.wire.sizes))


_MERGES = {
    "Add": "add",
    "Mul": "mul",
    "Sub": "sub",
    "Div": "div",
    "Max": "maximum",
    "Min": "minimum",
    "Sum": "add",
    "Mean": "mean",
}


def merge(writer: Writer, node: Node) -> View:
    """Tensors element by element, or a tensor and a constant."""
    constants = [name for name in node.inputs if name in writer.constants]
    tensors = [name for name in node.inputs if name not in writer.constants]
    if constants and node.op == "Mean":
        whole = merge(writer, replace(node, op="Sum"))
        return _scalar(writer, replace(node, op="Mul"), whole, 1 / len(node.inputs), True)
    if len(constants) == 1 and len(tensors) == 1 and node.op != "Sum":
        return _constant(writer, node, tensors[0], constants[0])
    if constants and node.op in _FOLDS:
        return _several(writer, node, tensors, constants)
    if len(node.inputs) == 1:
        return writer.view(tensors[0])
    tensors = [*node.inputs]
    found = writer.copied(tensors[0])
    if len(set(tensors)) == 1 and node.op == "Mul" and len(tensors) == 2:
        return found.on(writer.step("square", [found.wire], found.wire.sizes))
    views = [found]
    for name in tensors[1:]:
        one, other = writer.together(views[-1], writer.copied(name))
        if views[-1].base != one.base and len(views) > 1:
            raise Unsaid("its inputs lie in different orders")
        views[-1] = one
        views.append(other)
    return _merged(writer, _MERGES[node.op], views)


# Merges of any number of inputs in any order, and what they do to numbers.
_FOLDS = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum}


def _several(writer: Writer, node: Node, tensors: list[str], constants: list[str]) -> View:
    """Tensors, then constants that were joined first."""
    op = {"Sum": "Add"}.get(node.op, node.op)
    first = merge(writer, replace(node, inputs=tuple(tensors)))
    inner, numbers = f"{node.output} tensors", f"{node.output} constants"
    writer.views[inner] = first
    arrays = [writer.constants[name] for name in constants]
    writer.constants[numbers] = reduce(_FOLDS[node.op], arrays)
    return _constant(writer, replace(node, op=op), inner, numbers)


def _merged(writer: Writer, word: str, views: list[View]) -> View:
    views = [_spread(writer, view, views) for view in views]
    large = max(views, key=lambda v: len(v.base))
    base: list[tuple[Atom, ...]] = list(large.base)
    axes: list[tuple[Atom, ...]] = list(large.axes)
    for view in views:
        for i, axis in enumerate(view.base):
            base[i] = base[i] or axis
        for i, axis in enumerate(view.axes):
            axes[i] = axes[i] or axis
    shape = tuple(_size(axis) for axis in base[1:])
    wire = writer.step(word, [v.wire for v in views], shape, shared=not base[0])
    return View(wire, tuple(base), tuple(axes))


def _spread(writer: Writer, view: View, views: list[View]) -> View:
    """A map that came to be one place, as a vector where it meets more: such a map is not repeated."""
    wide = any(any(other.base[2:]) and other.base[1:2] == view.base[1:2] for other in views)
    if len(view.base) < 3 or any(view.base[2:]) or not wide or _stays_one(view.wire):
        return view
    wire = writer.step("flatten", [view.wire], view.wire.sizes[:1])
    return View(wire, view.base[:2], view.axes)


# What makes one place whatever was there.
_ONE = re.compile(r"(gap|gmp|gsp|reshape|grid|parameter|constant|over_channels)\b")


def _stays_one(wire: Wire) -> bool:
    """Whether a map has one place at any size of the inputs."""
    while wire.step is not None:
        before = wire.step.inputs[0]
        if _ONE.match(wire.step.head):
            return True
        if before.sizes[1:] != wire.sizes[1:]:
            return False
        wire = before
    return False


def _size(axis: tuple[Atom, ...]) -> int:
    found = 1
    for atom in axis:
        found *= atom.size
    return found


def _constant(writer: Writer, node: Node, tensor: str, constant: str) -> View:
    """A tensor and a constant: a factor, a shift, one for each channel, a table of positions."""
    view, array = writer.view(tensor), writer.constants[constant]
    first = constant not in node.inputs or node.inputs[0] == tensor
    if node.op == "Add" and array.size == 1 and not array.any():
        return view
    if array.dtype.kind != "f":
        if node.op == "Add" and array.size == 1 and not array.any():
            return view
        raise Unsaid("it computes with integers")
    if node.op == "Add" and (shifted := _shifted(writer, view, array, tensor)):
        return shifted
    if array.size == 1:
        return _scalar(writer, node, view, float(array.item()), first)
    if node.op == "Mul" and (several := _several_of_one(writer, view, array)):
        return several
    if _repeats(view, array):
        place = next((i for i, a in enumerate(view.axes) if a and a == view.base[0]), 0)
        place -= len(view.axes) - array.ndim
        views = writer.together(writer.copied(tensor), writer.copied(constant, place))
        return _merged(writer, _MERGES[node.op], list(views if first else views[::-1]))
    view = _with_channels(writer, view, array) if node.op == "Mul" else view
    placed = _placed(writer, view, array)
    if node.op == "Div" and first:
        placed = _of_numbers(placed, np.float32(1) / placed[2])
        node = replace(node, op="Mul")
    if node.op == "Sub" and first:
        placed = _of_numbers(placed, -placed[2])
        node = replace(node, op="Add")
    view, base, numbers = placed
    wire, channels = (
        view.wire,
        numbers.size == (view.wire.sizes or (0,))[0] and len(base) > 1 and bool(base[1]),
    )
    lone = channels and not any(base[2:])
    if node.op == "Mul" and lone:
        weights = {"weight": numbers.reshape(-1)}
        return view.on(writer.step("affine", [wire], wire.sizes, "bias=no", weights=weights))
    free = any(any(item.symbols[1:]) for item in writer.program.inputs)
    summed = node.op in ("Add", "Mul") and all(base[1:])
    waving = waves(writer, numbers, wire, free=free) if summed else None
    if waving is not None:
        return view.on(writer.step(_MERGES[node.op], [wire, waving], wire.sizes))
    # Numbers that several read are trained once.
    alone = len(writer.readers.get(constant, ())) == 1 and not writer.gives(numbers, constant)
    if node.op == "Add" and alone and len(view.base) == 3 and all(base[1:]):
        head, table = "position", numbers.T
        if constant in writer.program.tables:
            head, table = _rows(table, *writer.program.tables[constant])
        return view.on(writer.step(head, [wire], wire.sizes, weights={"weight": table}))
    if node.op == "Add" and alone and numbers.shape == wire.sizes:
        return view.on(writer.step("unit_bias", [wire], wire.sizes, weights={"bias": numbers}))
    other = writer.parameter(numbers.reshape(-1) if lone else numbers, wire, constant)
    pair = [wire, other] if first or node.op in ("Add", "Mul", "Max", "Min") else [other, wire]
    return view.on(writer.step(_MERGES[node.op], pair, wire.sizes))


def _with_channels(writer: Writer, view: View, array: Array) -> View:
    """The view on a value whose channels are the axis that holds them, if factors vary along it alone."""
    varied = [axis - array.ndim for axis, size in enumerate(array.shape) if size > 1]
    if len(varied) != 1 or len(view.base) < 2 or -varied[0] > len(view.axes):
        return view
    atoms, channels = view.axes[varied[0]], set(view.base[1])
    whole = channels and channels < set(atoms) and not set(atoms) & set(view.base[0])
    return writer.channelled(view, varied[0] % len(view.axes)) if whole else view


def _several_of_one(writer: Writer, view: View, array: Array) -> View | None:
    """A map's only channel times a number for each of several; None for other products."""
    spread = array.ndim == len(view.axes) - 1 and array.size == len(array) > 1
    if not spread or view.base != view.axes or view.axes[1] or len(view.axes) < 3:
        return None
    shape = (len(array), *view.wire.sizes[1:])
    weights = {"weight": array.reshape(-1)}
    wire = writer.step(f"affine-{len(array)}", [view.wire], shape, "bias=no", weights=weights)
    base = (view.base[0], (Atom(len(array)),), *view.base[2:])
    return View(wire, base, base)


def _rows(part: Array, table: Array, axis: int) -> tuple[str, Array]:
    """A table of which a sequence takes as many rows as it has steps, if these are its first."""
    whole = np.moveaxis(table, axis, 0)
    whole = np.ascontiguousarray(whole.reshape(len(whole), -1))
    if whole.shape[1:] != part.shape[1:] or not np.array_equal(whole[: len(part)], part):
        return "position", part
    return f"position({len(whole)})", whole


def _shifted(writer: Writer, view: View, array: Array, tensor: str) -> View | None:
    """A shift right after a factor that nothing else reads is one step with it; None elsewhere."""
    step = view.wire.step
    if step is None or step is not writer.steps[-1] or len(writer.readers.get(tensor, ())) != 1:
        return None
    if array.size == 1 and step.head.startswith("scaled(") and "," not in step.head:
        step.head = f"{step.head[:-1]}, {number(float(array.item()))})"
        return view
    channels = view.wire.sizes[0] if view.wire.sizes else 0
    scaled = step.head.startswith("affine") and step.given == ("bias=no",) and array.size > 1
    if scaled and not _repeats(view, array):
        _, base, numbers = _placed(writer, view, array)
        if numbers.size == channels and base[1] and not any(base[2:]):
            step.given, step.weights = (), {**step.weights, "bias": numbers.reshape(-1)}
            return view
    return None


def _of_numbers(placed: tuple[View, Axes, Array], numbers: Array) -> tuple[View, Axes, Array]:
    """The same place of other numbers."""
    return placed[0], placed[1], numbers


def _scalar(writer: Writer, node: Node, view: View, value: float, first: bool) -> View:
    with np.errstate(all="ignore"):
        inverse = float(np.float32(1) / np.float32(value)) if value else 0.0
    heads = {
        ("Mul", True): f"scaled({number(value)})",
        ("Mul", False): f"scaled({number(value)})",
        ("Div", True): f"scaled({number(inverse)})",
        ("Add", True): f"scaled(1, {number(value)})",
        ("Add", False): f"scaled(1, {number(value)})",
        ("Sub", True): f"scaled(1, {number(-value)})",
        ("Sub", False): f"scaled(-1, {number(value)})",
        ("Max", True): f"clip(low={number(value)})",
        ("Max", False): f"clip(low={number(value)})",
        ("Min", True): f"clip(high={number(value)})",
        ("Min", False): f"clip(high={number(value)})",
        ("Pow", True): "square" if value == 2 else f"pow({number(value)})",
    }
    if node.op == "Pow" and value == 0.5:
        heads["Pow", True] = "sqrt"
    if (node.op, first) == ("Div", False):
        made = view.on(writer.step("reciprocal", [view.wire], view.wire.sizes))
        if value == 1:
            return made
        return made.on(writer.step(f"scaled({number(value)})", [made.wire], made.wire.sizes))
    head = heads.get((node.op, first))
    if head is None or not np.isfinite(value):
        raise Unsaid("a constant of it is not one that a step takes")
    if (node.op, value) in (("Mul", 1.0), ("Add", 0.0), ("Div", 1.0)):
        return view
    return view.on(writer.step(head, [view.wire], view.wire.sizes))


def power(writer: Writer, node: Node) -> View:
    """Pow to a constant."""
    if node.inputs[1] not in writer.constants or writer.constants[node.inputs[1]].size != 1:
        raise Unsaid("its power is no constant")
    value = float(writer.constants[node.inputs[1]].item())
    return _scalar(writer, node, writer.view(node.inputs[0]), value, True)


def _repeats(view: View, array: Array) -> bool:
    """Whether a constant has several numbers where the tensor has one, for every sample alike."""
    sizes = [_size(axis) for axis in view.axes]
    pairs = zip(array.shape[::-1], sizes[::-1], strict=False)
    return any(size > 1 == held for size, held in pairs)


def _placed(writer: Writer, view: View, array: Array) -> tuple[View, Axes, Array]:
    """A constant's numbers in the order of a view's value, of size 1 where they do not vary."""
    rank = len(view.axes)
    if array.ndim > rank:
        raise Unsaid("a constant of it has more axes")
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    for axis, atoms in enumerate(view.axes):
        if any(atom.batch for atom in atoms) and array.shape[axis] > 1:
            if not same_along(array, axis):
                raise Unsaid("a constant of it differs from sample to sample")
            array = array.take([0], axis)
    own: Axes = tuple((Atom(size),) if size > 1 else () for size in array.shape)
    held = View(Wire("", array.shape), ((), *own), own)
    found = refined(view, held)
    if found is None:
        raise Unsaid("a constant of it lies otherwise")
    view, held = found
    named = renamed(view, held)
    assert named is not None
    # The numbers by atoms, those that the value has in the order that it has them.
    varied = [atom for axis in named.axes for atom in axis]
    numbers = array.reshape([atom.size for atom in varied])
    wanted = [atom for axis in view.base for atom in axis]
    here = {id(atom): i for i, atom in enumerate(varied)}
    if any(id(atom) not in {id(a) for a in wanted} for atom in varied):
        raise Unsaid("a constant of it lies otherwise")
    order = [here[id(atom)] for atom in wanted if id(atom) in here]
    numbers = numbers.transpose(order)
    base: Axes = tuple(tuple(a for a in axis if id(a) in here) for axis in view.base)
    for whole, part in zip(view.base, base, strict=True):
        if part and part != whole:
            expanded = [atom.size if id(atom) in here else 1 for atom in wanted]
            numbers = np.broadcast_to(
                numbers.reshape(expanded),
                [
                    a.size if any(a in w for w, p in zip(view.base, base, strict=True) if p) else 1
                    for a in wanted
                ],
            )
            base = tuple(w if p else () for w, p in zip(view.base, base, strict=True))
            break
    return view, base, np.ascontiguousarray(numbers.reshape([_size(axis) for axis in base[1:]]))


ELEMENTWISE = {
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_MERGES, merge),
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Pow": power,
}

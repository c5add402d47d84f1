"""Padding: of a map's places, wherever they lie in the file's tensor, or of channels after the last."""

from __future__ import annotations

from netspec.importing.files.program import Node
from netspec.importing.recognise.layers import sides
from netspec.importing.recognise.steps import number
from netspec.importing.recognise.views import Atom, View
from netspec.importing.recognise.writer import Unsaid, Writer

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
Pair = tuple[int, int]


def pad(writer: Writer, node: Node) -> View:
    """Pad; what is negative is cut off first."""
    view = writer.view(node.inputs[0])
    pairs = _pairs(node, len(view.axes))
    value = node.get("value", 0.0)
    value = value[0] if isinstance(value, tuple) else value
    mode = _MODES[node.get("mode", "constant")]
    if any(atom.batch for axis in pairs for atom in view.axes[axis]):
        raise Unsaid("it pads the batch, or cuts it")
    view = _apart(writer, view, pairs, plain=mode == "constant" and not value)
    cut = {axis: (max(-a, 0), max(-b, 0)) for axis, (a, b) in pairs.items() if min(a, b) < 0}
    if cut and mode != "constant":
        raise Unsaid("it cuts where it mirrors")
    if cut:
        view = _stepped(writer, view, "crop", {a: (-x, -y) for a, (x, y) in cut.items()}, [])
    more = {axis: (max(a, 0), max(b, 0)) for axis, (a, b) in pairs.items() if max(a, b) > 0}
    if not more:
        return view
    given = [f"mode={mode}"] * (mode != "constant") + [f"value={number(value)}"] * bool(value)
    return _stepped(writer, view, "pad", more, given)


def _pairs(node: Node, rank: int) -> dict[int, Pair]:
    """What is added before and after each axis that is padded."""
    amounts = list(node.get("pads", ()))
    axes = [a % rank for a in node.get("axes") or range(rank)]
    both = zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True)
    return {axis: (before, after) for axis, before, after in both if before or after}


def _apart(writer: Writer, view: View, pairs: dict[int, Pair], *, plain: bool) -> View:
    """The view on a value of which each padded axis is one, and no channels but to be padded at their end."""
    if not all(view.axes[axis] and view.axes[axis] in view.base[1:] for axis in pairs):
        wire = writer.plain(view)
        whole = (view.axes[0], *writer.axes(wire.sizes))
        view = View(wire, whole, whole)
    ending = plain and len(pairs) == 1 and min(next(iter(pairs.values()))) == 0
    ending = ending and not next(iter(pairs.values()))[0]
    if view.base[1] not in [view.axes[axis] for axis in pairs] or ending:
        return view
    rest = [
        atoms
        for axis, atoms in enumerate(view.axes)
        if axis not in pairs and atoms and atoms != view.base[0]
    ]
    if not rest:
        if view.axes[0] != view.base[0] or view.axes[1:2] != ((),):
            raise Unsaid("it pads channels before the first, or with other than zeros")
        # A map of one channel, whose places are no channels.
        wire = writer.plain(view)
        return View(wire, view.axes, view.axes)
    others = [atoms for atoms in view.base[1:] if atoms != rest[-1]]
    return writer.arranged(view, (view.base[0], rest[-1], *others))


def _stepped(
    writer: Writer, view: View, word: str, pairs: dict[int, Pair], given: list[str]
) -> View:
    """A step that adds what the pairs say to the axes, or cuts it off."""
    shape, base, axes = list(view.wire.sizes), list(view.base), list(view.axes)
    around = [(0, 0)] * (len(base) - 2)
    head = ""
    for axis, pair in pairs.items():
        # An axis of one place has no atoms: it stands where it does in the file's tensor.
        place = base.index(axes[axis]) if axes[axis] else axis
        shape[place - 1] += sum(pair)
        size = shape[place - 1]
        base[place] = axes[axis] = (Atom(size),) if size > 1 else ()
        if place == 1:
            head = f"pad_channels({size})"
        else:
            around[place - 2] = (abs(pair[0]), abs(pair[1]))
    head = head or f"{word}({', '.join([sides(around), *given])})"
    wire = writer.step(head, [view.wire], shape)
    return View(wire, tuple(base), tuple(axes))


PADDING = {"Pad": pad}

"""Recurrences: LSTM, GRU and RNN, from zeros or a state, with their output, their last state or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.sources.held import for_each
from netspec.importing.recognise.steps import Wire
from netspec.importing.recognise.views import Atom, Axes, Axis, View, size_of
from netspec.importing.recognise.writer import Unsaid, Writer

# How torch orders the gates that ONNX has as i, o, f, c; z, r, h; one.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_ACTS = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
# The states of each, and the inputs that they start from.
_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
_WAYS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def recurrent(writer: Writer, node: Node) -> tuple[View | None, ...]:
    """LSTM, GRU and RNN of one layer: what it gives at every step, and its states after the last.

    What runs backwards is one that runs over the sequence the other way round.
    """
    ways, given = _options(node)
    name, hidden, narrow = node.inputs[0], node.get("hidden_size"), node.get("projection")
    out = hidden if narrow is None else narrow.shape[1]
    if name in writer.constants:
        name = f"{name} of {node.output}"
        writer.views[name] = writer.copied(node.inputs[0], 1)
    view = writer.view(name)
    if len(view.axes) != 3 or view.axes[1] != view.base[0]:
        raise Unsaid("its sequence is not (steps, batch, channels)")
    if node.inputs[4:5] and node.inputs[4]:
        lengths = writer.constants.get(node.inputs[4])
        if lengths is None or not (lengths == size_of(view.axes[0])).all():
            raise Unsaid("it reads the lengths of sequences")
    first = _first(writer, node, view.base[0], ways, {5: out, 6: hidden})
    # One step from a state, of what is no sequence, stays that.
    single = bool(first) and not view.axes[0] and len(view.base) == 2
    view = writer.arranged(view, (view.base[0], view.axes[2], *view.axes[: not single]))
    backwards = node.get("direction") == "reverse"
    wire = _flipped(writer, view.wire) if backwards and not single else view.wire
    way, unit, inner = ((Atom(n),) if n > 1 else () for n in (ways, out, hidden))
    weights = _gates(writer, node, ways, hidden)
    if narrow is not None:
        given.append(f"projection={out}")
        suffixes = ("l0", "l0_reverse")[:ways]
        weights |= {f"weight_hr_{s}": m for s, m in zip(suffixes, narrow, strict=True)}
    given += ["bias=no"] * ("bias_ih_l0" not in weights)
    head, steps, width = f"{node.op.lower()}-{hidden}", wire.sizes[1:], ways * out
    everywhere, *states = _read(writer, node)
    over = () if single else view.base[2]
    output: Axes = (view.base[0], (*way, *unit), *view.base[2:])
    state: Axes = (view.base[0], (*way, *unit))
    lying = {"whole": (over, way, view.base[0], unit), "state": (way, view.base[0], unit)}
    cell: Axes = (view.base[0], (*way, *inner))
    if single and not any(states[1:]):
        made = writer.step(head, [wire, *first], (width,), *given, weights=weights)
        return View(made, state, lying["whole"]), View(made, state, lying["state"])
    if states[0] and not everywhere and not any(states[1:]):
        made = writer.step(head, [wire, *first], (width,), "last=yes", *given, weights=weights)
        return None, View(made, state, lying["state"])
    many = 1 + len(states) if any(states) else 1
    given += ["state=yes"] * (many > 1)
    made = writer.step(head, [wire, *first], (width, *steps), *given, weights=weights, outputs=many)
    assert made.step is not None
    for other, size in zip(made.step.made[1:], (out, hidden), strict=False):
        other.sizes = (ways * size,)
    whole = _flipped(writer, made) if backwards and not single else made
    found: list[View | None] = [View(whole, output, lying["whole"])]
    found += [View(other, state, lying["state"]) for other in made.step.made[1:2]]
    found += [View(o, cell, (way, view.base[0], inner)) for o in made.step.made[2:]]
    return tuple(found)


def _options(node: Node) -> tuple[int, list[str]]:
    """How many ways it runs, and the arguments that say how; raises Unsaid for what no step has."""
    ways = _WAYS.get(node.get("direction", "forward"))
    if ways is None or node.get("layout", 0) or node.get("clip") or node.get("input_forget", 0):
        raise Unsaid("it has attributes that no step has: layout, clip or input_forget")
    own = [word.lower() for word in node.get("activations") or ()]
    acts = list(_ACTS[node.op] * ways)
    given = ["bidirectional=yes"] * (ways == 2)
    if own and own != acts:
        if node.op != "RNN" or own != ["relu"] * ways:
            raise Unsaid("its activations are others")
        given.append("act=relu")
    if node.op == "GRU" and not node.get("linear_before_reset", 0):
        raise Unsaid("it resets before the product: torch and the language reset after it")
    return ways, given


def _first(
    writer: Writer, node: Node, batch: Axis, ways: int, widths: Mapping[int, int]
) -> list[Wire]:
    """The states that it starts from as vectors, of these widths by their inputs; none for zeros."""
    names = [node.inputs[i] if i < len(node.inputs) else "" for i in (5, 6, 7)]
    starts = [(i, names[i - 5]) for i in _STATES[node.op]]
    for i, name in enumerate(names, 5):
        held = writer.constants.get(name)
        if name and i not in _STATES[node.op] and (held is None or held.any()):
            raise Unsaid("its gates read the state of the cell")
    zero = [not name or not writer.constants.get(name, np.ones(1)).any() for _, name in starts]
    if all(zero):
        return []
    found = []
    for (i, name), nothing in zip(starts, zero, strict=True):
        if nothing:
            array = np.zeros(ways * widths[i], np.float32)
            found.append(writer.parameter(array, None, f"state {i}"))
            continue
        view = writer.copied(name, 1) if name in writer.constants else writer.view(name)
        if len(view.axes) == 3:
            view = for_each(view, batch, 1)
        if name in writer.constants and len(view.axes) == 3 and view.axes[1] != batch:
            raise Unsaid("a state that it starts from differs from sample to sample")
        if len(view.axes) != 3 or view.axes[1] != batch:
            raise Unsaid("a state that it starts from is not (ways, batch, channels)")
        found.append(writer.arranged(view, (batch, (*view.axes[0], *view.axes[2]))).wire)
        if found[-1].sizes != (ways * widths[i],):
            raise Unsaid("a state that it starts from has another size")
    return found


def _read(writer: Writer, node: Node) -> list[bool]:
    """Which of its outputs are read: that at every step, and each state."""
    count = 1 + len(_STATES[node.op])
    names: Sequence[str] = (*node.outputs, *[""] * 3)[:count]
    return [
        bool(name) and (name in writer.readers or name in writer.program.outputs) for name in names
    ]


def _flipped(writer: Writer, wire: Wire) -> Wire:
    return writer.step("flip(time)", [wire], wire.sizes)


def _gates(writer: Writer, node: Node, ways: int, hidden: int) -> dict[str, Array]:
    order, found = _GATES[node.op], {}
    arrays = [writer.constants.get(name) if name else None for name in node.inputs[1:4]]
    if arrays[0] is None or arrays[1] is None:
        raise Unsaid("a weight of it is computed while it runs")

    def turned(array: Array) -> Array:
        return np.concatenate([array[g * hidden : (g + 1) * hidden] for g in order])

    for way in range(ways):
        suffix = "l0_reverse" if way else "l0"
        found[f"weight_ih_{suffix}"] = turned(arrays[0][way])
        found[f"weight_hh_{suffix}"] = turned(arrays[1][way])
        if len(arrays) > 2 and arrays[2] is not None:
            both = arrays[2][way]
            half = len(both) // 2
            found[f"bias_ih_{suffix}"] = turned(both[:half])
            found[f"bias_hh_{suffix}"] = turned(both[half:])
    return found


RECURRING = dict.fromkeys(_GATES, recurrent)

"""Recurrences of a file's own steps: what begins one, what ends it, and what joins what its steps make.

The three are steps among the others, and become the braces of a `for` when the text is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from itertools import pairwise

import numpy as np

from netspec.foundation.records import record
from netspec.graph.nesting import Part, nested
from netspec.importing.files.looping import ALL, EACH, LAST
from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.arranging import sliced
from netspec.importing.recognise.steps import Step, Unsaid, Wire, number, same_along
from netspec.importing.recognise.views import Axes, Axis, View, size_of
from netspec.importing.recognise.writer import Writer

# Axes of the largest step that is taken of a sequence or joined to one.
_PLACES = 3


@record(eq=False)
class State:
    """Which axis of a state the batch is, and the others in the order in which its value has them."""

    batch: int
    order: tuple[int, ...]

    def laid(self, view: View) -> Axes:
        """The axes in which its value has them, of a tensor of the same sizes as the state."""
        others = tuple(view.axes[axis] for axis in self.order)
        return (view.base[0], *(others or ((),)))

    def view(self, writer: Writer, wire: Wire, rank: int, rows: Axis) -> View:
        """A value as a state of so many axes."""
        base = writer.whole(wire, rows).base
        axes: list[Axis] = [()] * rank
        axes[self.batch] = rows
        for axis, own in zip(self.order, base[1:], strict=False):
            axes[axis] = own
        return View(wire, base, tuple(axes))


@record(eq=False)
class Begun:
    """A recurrence: the steps that begin and end it, how its states lie, and the rows that its batch is."""

    each: Step
    states: tuple[State, ...]
    rows: Axis
    last: Step | None = None
    joined: dict[int, Wire] = field(default_factory=dict)


def begun(writer: Writer, node: Node) -> tuple[View, ...]:
    """What begins a recurrence: a step of each sequence, and its states."""
    along = node.get("axes")
    names, starts = node.inputs[: len(along)], node.inputs[len(along) :]
    sequences = [_sequence(writer, *pair) for pair in zip(names, along, strict=True)]
    wire, cuts = _one(writer, [wire for wire, _ in sequences])
    rows = sequences[0][1].base[0]
    if any(view.base[0] != rows for _, view in sequences):
        raise Unsaid("its sequences are of other samples than each other")
    states = [_start(writer, name, rows) for name in starts]
    # Braces carry something on: what nothing reads.
    states = states or [_constant(writer, np.zeros((size_of(rows), 1), np.float32), size_of(rows))]
    shape = (*wire.sizes[:1], *wire.sizes[2:]) if len(wire.sizes) > 1 else ()
    made = writer.step("each", [wire, *(w for w, _ in states)], shape, outputs=1 + len(states)).step
    assert made is not None
    found: list[View] = []
    for (_, view), axis, (low, high) in zip(sequences, along, cuts, strict=True):
        found.append(_step(writer, made.made[0], view, axis, low, high))
    outs = node.outputs[len(along) :]
    for (start, _), own in zip(states, made.made[1:], strict=True):
        own.sizes = start.sizes
    for (_, state), name, own in zip(states, outs, made.made[1:], strict=False):
        found.append(state.view(writer, own, len(writer.shapes[name]), rows))
    writer.passes[node.output] = Begun(made, tuple(state for _, state in states), rows)
    return tuple(found)


def ended(writer: Writer, node: Node) -> tuple[View, ...]:
    """What ends a recurrence: its states after the last step."""
    *ends, step = node.inputs
    loop = writer.passes[step]
    each, states, rows = loop.each, loop.states, loop.rows
    pairs = zip(ends, states, strict=False)
    given = [_laid(writer, name, state, each, rows) for name, state in pairs]
    given = given or [each.made[1]]
    for wire, state in zip(given, each.made[1:], strict=True):
        if wire.sizes != state.sizes:
            raise Unsaid("its states change their sizes")
    made = writer.step("last", [*given, each.made[0]], given[0].sizes, outputs=len(given)).step
    assert made is not None
    found = []
    for wire, own, state, name in zip(given, made.made, states, node.outputs, strict=True):
        own.sizes = wire.sizes
        if ends:
            found.append(state.view(writer, own, len(writer.shapes[name]), rows))
    writer.passes[node.output] = replace(loop, last=made)
    return tuple(found)


def joined(writer: Writer, node: Node) -> View:
    """What joins what all steps make along time."""
    name, _, last = node.inputs
    loop = writer.passes[last]
    each, rows = loop.each, loop.rows
    view = writer.view(name)
    state = _state(view, rows)
    wire = _laid(writer, name, state, each, rows)
    if len(wire.sizes) > _PLACES:
        raise Unsaid("what its steps make has too many axes")
    sequence, axis = each.inputs[0], node.get("axis")
    steps = sequence.sizes[-1] if len(sequence.sizes) == 1 else sequence.sizes[1]
    whole = (wire.sizes[0], steps, *wire.sizes[1:])
    if id(wire) not in loop.joined:
        loop.joined[id(wire)] = writer.step("all", [wire, sequence, loop.last.made[0]], whole)
    made = loop.joined[id(wire)]
    base = writer.whole(made, rows).base
    axes: list[Axis] = [()] * len(view.axes)
    axes[state.batch] = rows
    for place, own in zip(state.order, (base[1], *base[3:]), strict=False):
        axes[place] = own
    axes.insert(axis, base[2])
    return View(made, base, tuple(axes))


def _sequence(writer: Writer, name: str, axis: int) -> tuple[Wire, View]:
    """A sequence whose time comes first behind its channels, and what the file has."""
    view = writer.view(name)
    if not view.base[0] or view.base[0] not in view.axes or view.axes[axis] == view.base[0]:
        raise Unsaid("it goes over samples, or over what is the same for all of them")
    others = tuple(
        own for i, own in enumerate(view.axes) if i != axis and own and own != view.base[0]
    )
    if name in writer.program.integers:
        if others:
            raise Unsaid("its steps hold several whole numbers")
        return writer.arranged(view, (view.base[0], view.axes[axis])).wire, view
    others = others or ((),)
    if len(others) > _PLACES:
        raise Unsaid("its steps have too many axes")
    target = (view.base[0], others[0], view.axes[axis], *others[1:])
    wire = writer.sized(writer.arranged(view, target).wire, target)
    return wire, view


def _one(writer: Writer, wires: Sequence[Wire]) -> tuple[Wire, list[tuple[int, int]]]:
    """Sequences side by side along the channels, and from which channel to which each lies."""
    if len(wires) == 1:
        return wires[0], [(0, 0)]
    if len({wire.sizes[1:] for wire in wires}) > 1 or any(len(w.sizes) < 2 for w in wires):
        raise Unsaid("its sequences have other sizes than each other")
    ends = [0, *np.cumsum([wire.sizes[0] for wire in wires]).tolist()]
    wire = writer.step("concat", wires, (ends[-1], *wires[0].sizes[1:]))
    return wire, list(pairwise(ends))


def _step(writer: Writer, wire: Wire, view: View, axis: int, low: int, high: int) -> View:
    """A step, or its channels between two of them, as the file has it."""
    own = writer.whole(wire, view.base[0])
    if high:
        own = sliced(writer, own, 1, low, high, 1, drop=False)
    left = iter(own.base[1:])
    axes = [
        view.base[0] if places == view.base[0] else (next(left) if places else ())
        for i, places in enumerate(view.axes)
        if i != axis
    ]
    return View(own.wire, own.base, tuple(axes))


def _state(view: View, rows: Axis) -> State:
    """How a tensor of these samples lies as a state."""
    if rows not in view.axes:
        raise Unsaid("a state or a step of it is of other samples than its sequence")
    others = [i for i, own in enumerate(view.axes) if own and own != rows]
    if all(view.axes[i] in view.base for i in others):
        others.sort(key=lambda i: view.base.index(view.axes[i]))
    return State(view.axes.index(rows), tuple(others))


def _start(writer: Writer, name: str, rows: Axis) -> tuple[Wire, State]:
    """What a state starts from, and how it lies."""
    array = writer.constants.get(name)
    if array is not None:
        return _constant(writer, array, size_of(rows))
    view = writer.view(name)
    if not view.base[0]:
        raise Unsaid("it starts from what is computed and the same for all samples")
    state = _state(view, rows)
    target = state.laid(view)
    return writer.sized(writer.arranged(view, target).wire, target), state


def _constant(writer: Writer, array: Array, samples: int) -> tuple[Wire, State]:
    """A constant that a state starts from: one that is the same for every sample."""
    alike = (
        axis for axis, size in enumerate(array.shape) if size == samples and same_along(array, axis)
    )
    batch = next(alike, None)
    if batch is None or array.dtype.kind != "f":
        raise Unsaid("a state that it starts from differs from sample to sample")
    order = tuple(i for i, size in enumerate(array.shape) if i != batch and size > 1)
    numbers = array.take(0, batch)
    numbers = numbers.reshape([size for size in numbers.shape if size > 1] or [1])
    if (numbers == numbers.flat[0]).all():
        sizes = "x".join(map(str, numbers.shape))
        head = f"constant({number(float(numbers.flat[0]))}, shape={sizes})"
        wire = writer.step(head, [writer.flowing()], numbers.shape, shared=True)
    else:
        wire = writer.parameter(numbers)
    return wire, State(batch, order)


def _laid(writer: Writer, name: str, state: State, each: Step, rows: Axis) -> Wire:
    """What a step makes as its state or what is joined has it, a row for each sample."""
    view = writer.view(name)
    wire = writer.arranged(view, (target := state.laid(view))).wire
    wire = writer.sized(wire, target)
    if not view.base[0]:
        return writer.step("expand", [wire, each.made[0]], wire.sizes)
    if view.axes[state.batch] != rows:
        raise Unsaid("a state of it is of other samples than its sequence")
    return wire


def inside(nodes: Sequence[Node]) -> frozenset[str]:
    """The names of what is made at the steps of recurrences."""
    ends = {node.output: node.inputs[-1] for node in nodes if node.op == LAST}
    parts = []
    for node in nodes:
        last = node.inputs[-1] if node.inputs else ""
        ended = last if node.op == LAST else ends.get(last)
        begins = node.outputs[0] if node.op == EACH else None
        parts.append(
            Part(node.inputs, node.outputs, begins, ended if node.op in (LAST, ALL) else None)
        )
    pairs = zip(nodes, nested(parts), strict=True)
    return frozenset(
        name for node, loops in pairs if loops or node.op == EACH for name in node.outputs
    )


def lines(steps: Sequence[Step]) -> Iterator[str]:
    """Steps as text, those of recurrences in braces."""
    begun = {id(step.made[0]): step for step in steps if step.head == "each"}
    ends = {id(step.made[0]): begun[id(step.inputs[-1])] for step in steps if step.head == "last"}
    parts: list[Part[Step]] = []
    for step in steps:
        each = begun.get(id(step.inputs[-1])) if step.head == "last" else None
        each = ends.get(id(step.inputs[-1])) if step.head == "all" else each
        read = [id(wire) for wire in (*step.inputs, *step.named.values())]
        made = [id(wire) for wire in (*step.made, *step.aside)]
        parts.append(Part(read, made, step if step.head == "each" else None, each))
    stands: dict[Step | None, list[Step]] = {}
    joins: dict[Step, list[Step]] = {}
    for step, part, around in zip(steps, parts, nested(parts), strict=True):
        if step.head == "all" and part.ends is not None:
            joins.setdefault(part.ends, []).append(step)
        elif step.head != "each":
            stands.setdefault(around[-1] if around else None, []).append(step)

    def told(each: Step | None) -> Iterator[str]:
        for step in stands.get(each, ()):
            if step.head != "last":
                yield from step.lines()
                continue
            own = begun[id(step.inputs[-1])]
            sequence, *starts = own.inputs
            variable, *states = own.made
            yield _bundle(f"@{wire.name}" for wire in starts)
            yield f"for {variable.name} in @{sequence.name} {{"
            yield _bundle(f"identity as {wire.name}" for wire in states)
            yield from told(own)
            for join in joins.get(own, ()):
                yield f"@{join.inputs[0].name}; identity as {join.name}"
            yield _bundle(f"@{wire.name}" for wire in step.inputs[:-1])
            yield f"}} as {', '.join(wire.name for wire in step.made)}"

    return told(None)


def _bundle(parts: Iterable[str]) -> str:
    several = list(parts)
    return several[0] if len(several) == 1 else f"{{ | {' | '.join(several)} }}"


PASSES: dict[str, Callable[[Writer, Node], View | tuple[View, ...]]] = {
    EACH: begun,
    LAST: ended,
    ALL: joined,
}

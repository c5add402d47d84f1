"""Maps rolled along their axes: rolls of rolls are one, and none where they come back."""

from __future__ import annotations

from netspec.importing.files.program import Node
from netspec.importing.recognise.parts.parting import rolling, rolls
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Writer


def roll(writer: Writer, node: Node) -> View | None:
    """A tensor rolled along an axis of a map's places; None along its channels."""
    view, axis = writer.view(node.inputs[0]), node.get("axis")
    if axis > 1 and view.axes[axis] not in view.base:
        wire = writer.plain(view)
        view = View(wire, view.axes, view.axes)
    atoms = view.axes[axis]
    places = [i for i, a in enumerate(view.base) if a == atoms and i > 1]
    if not places:
        return None
    wire, sizes = view.wire, view.wire.sizes[1:]
    steps = [node.get("shift") if i == places[0] else 0 for i in range(2, len(view.base))]
    before = wire.step
    if before is not None and before.head.startswith("roll("):
        steps = [a + b for a, b in zip(steps, rolls(before), strict=True)]
        wire = before.inputs[0]
    steps = [(by + size // 2) % size - size // 2 for by, size in zip(steps, sizes, strict=True)]
    return view.on(writer.step(rolling(steps), [wire], wire.sizes) if any(steps) else wire)

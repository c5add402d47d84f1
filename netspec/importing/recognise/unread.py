"""Nodes that no step says: what stands in for them, so that the rest of a file can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field

from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.importing.files.looping import KIND, LAST
from netspec.importing.files.program import Node
from netspec.importing.recognise.steps import Wire
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer

# Nodes that are listed by name.
LISTED = 20


@record(eq=False, frozen=False)
class Unread:
    """A node that no step says, and why; `follows` if only since what it reads is not known.

    `reads` are the steps' tensors that it reads, which the text has as outputs, and `makes` the inputs in
    place of what it makes; each by the file's name, where it lies as the file has it.
    """

    node: Node
    reason: str
    follows: bool = False
    reads: list[tuple[str, Wire]] = field(default_factory=list)
    makes: list[tuple[str, Wire]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The operator that the file has."""
        return str(self.node.get(KIND, self.node.op))

    def __str__(self) -> str:
        name = f" {printable(self.node.name)}" if self.node.name else ""
        return f"{printable(self.kind)}{name} ({self.reason})"


class Follows(Unsaid):
    """What cannot be read for what another node makes."""

    def __init__(self) -> None:
        super().__init__("it reads what no step makes, of a size that is not known")


def stand_in(writer: Writer, item: Unread) -> None:
    """Puts inputs in place of what a node makes for every sample; what is of other sizes stays unknown."""
    for output in filter(None, item.node.outputs):
        shape = writer.shapes.get(output, ())
        # A net has no input for what is another tensor at each step.
        if (
            output in writer.stepped
            or len(shape) < 2
            or shape[0] != writer.program.batch
            or output in writer.program.integers
        ):
            writer.unknown.add(output)
            continue
        word = re.sub(r"\W+", "_", item.kind.lower(), flags=re.ASCII)
        wire = Wire(writer.names.free([f"missing_{word}"], "missing"), tuple(shape[1:]))
        base = ((writer.batch,), *writer.axes(wire.sizes))
        writer.views[output] = View(wire, base, base)
        item.makes.append((output, wire))


def cut(writer: Writer, unread: Sequence[Unread]) -> list[Wire]:
    """What steps make that these nodes read, as far as it can be an output."""
    found: dict[int, Wire] = {}
    for item in unread:
        for name in dict.fromkeys(item.node.inputs):
            view = writer.views.get(name)
            if view is None or view.wire.step is None or name in writer.stepped:
                continue
            try:
                item.reads.append((name, writer.plain(writer.view(name))))
            except Unsaid:
                item.reads.append(("", view.wire))
        if item.node.op == LAST and (loop := writer.passes.get(item.node.inputs[-1])):
            # What all of the recurrence reads.
            item.reads += [("", wire) for wire in loop.each.inputs if wire.step is not None]
        for _, wire in item.reads:
            found.setdefault(id(wire), wire)
    return list(found.values())


def listed(unread: Sequence[Unread]) -> str:
    """The nodes, those first without which the others would be read."""
    first = [item for item in unread if not item.follows]
    parts = [str(item) for item in first[:LISTED]]
    if len(first) > LISTED:
        parts.append(f"... ({len(first)})")
    others = len(unread) - len(first)
    if others:
        parts.append(
            f"and {others} that read what {'it makes' if len(first) == 1 else 'these make'}"
        )
    return "; ".join(parts)


def notes(unread: Sequence[Unread], total: int, missing: Sequence[Wire]) -> Iterator[str]:
    """What a text says of the nodes that it lacks, as comments: how to go on from there."""
    inputs = {id(wire) for wire in missing}
    yield f"# {len(unread)} of {total} nodes of the file have no operator. What they read is an output here,"
    yield "# what they make and others read an input. Write steps from one to the other in their place."
    told = [item for item in unread if not item.follows]
    told += [item for item in unread if item.follows and (item.reads or item.makes)]
    for item in told[:LISTED]:
        reads = ", ".join(dict.fromkeys(f"@{wire.name}" for _, wire in item.reads))
        makes = ", ".join(f"@{wire.name}" for _, wire in item.makes if id(wire) in inputs)
        yield f"# {item}{': ' * bool(reads or makes)}" + ", ".join(
            filter(None, (f"reads {reads}" * bool(reads), f"makes {makes}" * bool(makes)))
        )
    if len(told) > LISTED:
        yield f"# ... ({len(told)})"

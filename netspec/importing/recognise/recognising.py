"""A program to the text of a flat spec: every node by its rule, and what no rule reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node, Program
from netspec.importing.recognise.arranging import ARRANGING
from netspec.importing.recognise.cutting import slices
from netspec.importing.recognise.elementwise import ELEMENTWISE
from netspec.importing.recognise.fusing import Fusing
from netspec.importing.recognise.layers import LAYERS
from netspec.importing.recognise.merging import merged
from netspec.importing.recognise.padding import PADDING
from netspec.importing.recognise.projecting import projected
from netspec.importing.recognise.recurring import RECURRING
from netspec.importing.recognise.steps import Step, Wire
from netspec.importing.recognise.turned import turned
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.importing.scopes import Scope

Made = View | tuple[View | None, ...]
_RULES: dict[str, Callable[[Writer, Node], Made]] = {
    **LAYERS,
    **ELEMENTWISE,
    **ARRANGING,  # type: ignore[dict-item]
    **RECURRING,
    **PADDING,
    "Slice": slices,
}


@record(eq=False)
class Unread:
    """A node that no step says, and why."""

    node: Node
    reason: str

    def __str__(self) -> str:
        name = f" {printable(self.node.name)}" if self.node.name else ""
        return f"{printable(self.node.op)}{name} ({self.reason})"


@record(eq=False)
class Recognised:
    """A file as the text of a flat spec. `weights` are by their names in it, `scopes` by its steps' names.

    `unread` are the nodes without a step; the text has an input in place of what each of them makes.
    `inputs` and `outputs` are the names of the text's, in the file's order; a single one is `output`.
    `batches` says which axis of each output of the file the batch is, which the text has first.
    """

    text: str
    weights: Mapping[str, Array]
    scopes: Mapping[str, tuple[Scope, ...]]
    unread: tuple[Unread, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: int
    batches: tuple[int, ...] = ()


def recognised(program: Program, name: str) -> Recognised:
    """The steps of a program; `name` is that of the net."""
    total = len(program.nodes)
    turned(program)
    Fusing(program).run()
    writer = Writer(program)
    unread: list[Unread] = []
    missing: dict[str, Wire] = {}
    for node in program.nodes:
        writer.node = node
        before = len(writer.steps)
        try:
            rule = _RULES.get(node.op)
            if rule is None:
                raise Unsaid(_no_rule(node))
            made = rule(writer, node)
        except Unsaid as refusal:
            writer.forget(before)
            unread.append(Unread(node, str(refusal)))
            _stand_in(writer, node, missing)
            continue
        except (KeyError, IndexError, TypeError, ValueError, AssertionError, ArithmeticError):
            # Attributes and sizes that the operator does not have in ONNX: no rule expects them.
            writer.forget(before)
            unread.append(Unread(node, "its attributes are not those of the operator"))
            _stand_in(writer, node, missing)
            continue
        views = made if isinstance(made, tuple) else (made,)
        for output, view in zip(node.outputs, views, strict=False):
            if view is not None:
                writer.views[output] = view
    ends = [_output(writer, output, unread) for output in program.outputs]
    wires = [wire for wire, _ in ends]
    _called(writer, program.outputs, wires)
    projected(writer.steps)
    merged(writer.steps, wires)
    steps = _used(writer.steps, wires)
    _with_ids(program, writer, steps)
    found = _written(writer, steps, wires, tuple(unread), missing, name, total)
    return replace(found, batches=tuple(batch for _, batch in ends))


def _no_rule(node: Node) -> str:
    """Why nothing says a node of this operator."""
    if node.op.startswith("com.microsoft."):
        return "of ONNX Runtime's optimiser: import the file that it was made from"
    return _REASONS.get(node.op, "no operator")


_REASONS = {
    "Loop": "a loop: what it computes at each step is no step of a spec",
    "Scan": "a loop: what it computes at each step is no step of a spec",
    "If": "which of its branches is taken is computed while it runs",
}


def _stand_in(writer: Writer, node: Node, missing: dict[str, Wire]) -> None:
    """Inputs in place of what a node makes, so that the rest can be read."""
    for output in filter(None, node.outputs):
        shape = writer.shapes.get(output, ())
        wire = Wire(writer.names.free(["missing"], "missing"), tuple(shape[1:]) or (1,))
        base = ((writer.batch,), *writer.axes(wire.sizes))
        writer.views[output] = View(wire, base, base)
        missing[output] = wire


def _output(writer: Writer, output: str, unread: list[Unread]) -> tuple[Wire, int]:
    """The value that an output is, the batch first, and which axis of the file's that is."""
    writer.node = Node("Output", (), (output,), name="")
    try:
        view = writer.view(output)
        batch = view.axes.index(view.base[0]) if view.base[0] in view.axes else 0
        order = [batch, *(axis for axis in range(len(view.axes)) if axis != batch)]
        wire = writer.plain(view.moved(order))
        if wire.step is None:
            wire = writer.step("identity", [wire], wire.sizes)
        return wire, batch
    except Unsaid as refusal:
        unread.append(Unread(Node("output", (), (output,), name=output), str(refusal)))
        return Wire(writer.inputs[0].name, (1,)), 0


def _called(writer: Writer, outputs: Sequence[str], wires: Sequence[Wire]) -> None:
    """Gives the steps that several outputs come from the names that the file has for these."""
    if len({id(wire) for wire in wires}) == 1:
        return
    known: set[int] = set()
    for output, wire in zip(outputs, wires, strict=True):
        if wire.step is not None and len(wire.step.made) == 1 and id(wire) not in known:
            known.add(id(wire))
            wire.name = wire.step.name = writer.called[output]


def _used(steps: list[Step], wires: list[Wire]) -> list[Step]:
    """The steps that the outputs depend on."""
    wanted = {id(wire.step) for wire in wires if wire.step is not None}
    kept = []
    for step in reversed(steps):
        if id(step) in wanted:
            kept.append(step)
            read = (*step.inputs, *step.named.values())
            wanted |= {id(wire.step) for wire in read if wire.step is not None}
    return kept[::-1]


def _written(
    writer: Writer,
    steps: list[Step],
    wires: list[Wire],
    unread: tuple[Unread, ...],
    missing: Mapping[str, Wire],
    name: str,
    total: int,
) -> Recognised:
    lines = [f"net {name}"]
    for item, wire in zip(writer.program.inputs, writer.inputs, strict=True):
        label = "" if wire.name == "input" else f"{wire.name}: "
        ids = f" ids({_rows(steps, wire)})" if item.integers else ""
        lines.append(f"input {label}{'x'.join(map(str, wire.sizes)) or '1'}{ids}")
    for wire in missing.values():
        lines.append(f"input {wire.name}: {'x'.join(map(str, wire.sizes))}")
    lines += [f"# no operator: {item}" for item in unread]
    for step in steps:
        lines += step.lines()
    weights = {f"{s.name}.{key}": array for s in steps for key, array in s.weights.items()}
    outputs = tuple(wire.name for wire in wires)
    if len(set(outputs)) == 1 and not unread:
        # What flows at the end is the output, and is called so.
        lines.append(f"@{outputs[0]}")
        outputs = ("output",) * len(outputs)
    else:
        lines.append(f"output {', '.join(dict.fromkeys(outputs))}")
    return Recognised(
        "\n".join(lines) + "\n",
        weights,
        {step.name: step.scopes for step in steps},
        unread,
        tuple(wire.name for wire in writer.inputs),
        outputs,
        total,
    )


def _with_ids(program: Program, writer: Writer, steps: list[Step]) -> None:
    """Leaves out how many rows a table has where that is how many ids its input holds."""
    for item, wire in zip(program.inputs, writer.inputs, strict=True):
        if item.integers:
            rows = f"rows={_rows(steps, wire)}"
            for step in steps:
                if wire in step.inputs:
                    step.given = tuple(given for given in step.given if given != rows)


def _rows(steps: list[Step], wire: Wire) -> int:
    """How many ids an input can hold: as many as the smallest table has rows."""
    tables = [
        s.weights["weight"].shape[0] for s in steps if wire in s.inputs and "weight" in s.weights
    ]
    return min(tables, default=2)

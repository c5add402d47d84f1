"""A program to the text of a flat spec: every node by its rule, and what no rule reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace

from netspec.foundation.records import record
from netspec.importing.files.looping import UNREAD
from netspec.importing.files.program import Array, Node, Program
from netspec.importing.recognise.arranging import ARRANGING
from netspec.importing.recognise.cutting import rolled, slices
from netspec.importing.recognise.elementwise import ELEMENTWISE
from netspec.importing.recognise.fusing import Fusing
from netspec.importing.recognise.layers import LAYERS
from netspec.importing.recognise.merging import merged
from netspec.importing.recognise.padding import PADDING
from netspec.importing.recognise.parts.filling import filled
from netspec.importing.recognise.parts.rolled import shifted
from netspec.importing.recognise.passes import PASSES, inside, lines
from netspec.importing.recognise.projecting import projected
from netspec.importing.recognise.recurring import RECURRING
from netspec.importing.recognise.rules.bins import BINS
from netspec.importing.recognise.rules.chains import chained
from netspec.importing.recognise.rules.choosing import CHOOSING
from netspec.importing.recognise.rules.columns import with_regions
from netspec.importing.recognise.rules.heads import ATTENTION
from netspec.importing.recognise.rules.ids.counting import COUNTING, counted
from netspec.importing.recognise.rules.ids.largest import by_largest
from netspec.importing.recognise.rules.ids.told import of_ids
from netspec.importing.recognise.rules.joining import JOINING
from netspec.importing.recognise.rules.narrowing import narrowed
from netspec.importing.recognise.rules.pixels import PIXELS
from netspec.importing.recognise.rules.products import PRODUCTS
from netspec.importing.recognise.rules.reducing import REDUCING
from netspec.importing.recognise.rules.resizing import resize
from netspec.importing.recognise.rules.sampling import SAMPLING
from netspec.importing.recognise.rules.tables import in_tables
from netspec.importing.recognise.rules.tied import tied
from netspec.importing.recognise.rules.unpooling import UNPOOLING
from netspec.importing.recognise.steps import Step, Wire
from netspec.importing.recognise.turned import turned
from netspec.importing.recognise.turning import rotary
from netspec.importing.recognise.unread import Follows, Unread, cut, stand_in
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.importing.recognise.written.finding import WRITTEN, with_steps
from netspec.importing.scopes import Scope

Made = View | tuple[View | None, ...]
_RULES: dict[str, Callable[[Writer, Node], Made]] = {
    **LAYERS,
    **ELEMENTWISE,
    **ARRANGING,  # type: ignore[dict-item]
    **JOINING,
    **PRODUCTS,
    **REDUCING,
    **RECURRING,
    **PASSES,
    **PADDING,
    **ATTENTION,
    **PIXELS,
    **BINS,
    **CHOOSING,
    **COUNTING,
    **SAMPLING,
    **UNPOOLING,
    **WRITTEN,
    "Resize": resize,
    "Rotary": rotary,
    "Roll": rolled,
    "Slice": slices,
}


@record(eq=False)
class Recognised:
    """A file as the text of a flat spec. `weights` are by their names in it, `scopes` by its steps' names.

    `unread` are the nodes without a step: the text has an input in place of what they make and others
    read, and what they read of others as outputs. `inputs` and `outputs` are the names of the text's, in
    the file's order; a single output is `output`. `given` are its inputs, `steps`
    its steps, `ends` the tensors of the file that outputs are, and `batches` which axis
    of each the batch is there: the text has it first.
    """

    name: str
    steps: tuple[Step, ...]
    given: tuple[Wire, ...]
    missing: tuple[Wire, ...]
    wires: tuple[Wire, ...]
    ends: tuple[tuple[str, Wire], ...]
    unread: tuple[Unread, ...]
    nodes: int
    text: str = ""
    outputs: tuple[str, ...] = ()
    batches: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that the file has."""
        return tuple(wire.name for wire in self.given)

    @property
    def weights(self) -> dict[str, Array]:
        """The steps' tensors by their names in the text."""
        owners = [step for step in self.steps if step.owner is None]
        return {f"{s.name}.{key}": array for s in owners for key, array in s.weights.items()}

    @property
    def scopes(self) -> dict[str, tuple[Scope, ...]]:
        """What the file says of the surroundings of each step."""
        return {step.name: step.scopes for step in self.steps}


def recognised(program: Program, name: str, refused: Mapping[str, str] | None = None) -> Recognised:
    """The steps of a program, which is rewritten on the way; `name` is that of the net.

    `refused` are tensors whose steps the language refused, and why: what makes them is not read. A group of
    nodes that no step says is read as its nodes, where nothing else is unread for that.
    """
    whole = replace(
        program,
        nodes=list(program.nodes),
        constants=dict(program.constants),
        shapes=dict(program.shapes),
    )
    found, unsaid = _read(program, name, refused or {})
    if unsaid:
        other, left = _read(whole, name, refused or {}, unsaid)
        before = {item.node.output for item in found.unread} - unsaid
        if not left and {item.node.output for item in other.unread} <= before:
            program.nodes[:] = whole.nodes
            program.constants.update(whole.constants)
            program.shapes.update(whole.shapes)
            return other
    return found


def _read(
    program: Program, name: str, refused: Mapping[str, str], apart: Set[str] = frozenset()
) -> tuple[Recognised, frozenset[str]]:
    """The steps of a program, and what the groups make that are none; those that make `apart` stay nodes."""
    total = len(program.nodes)
    counted(program)
    by_largest(program)
    with_steps(program)
    turned(program)
    in_tables(program)
    narrowed(program)
    with_regions(program)
    groups = Fusing(program, apart).run()
    of_ids(program)
    writer = Writer(program)
    writer.stepped = inside(program.nodes)
    unread: list[Unread] = []
    for node in program.nodes:
        writer.node = node
        before = len(writer.steps)
        try:
            if node.output in refused:
                raise Unsaid(refused[node.output])
            views = _made(writer, node)
        except Unsaid as refusal:
            writer.forget(before)
            unread.append(Unread(node, str(refusal), isinstance(refusal, Follows)))
            stand_in(writer, unread[-1])
            continue
        several = views if isinstance(views, tuple) else (views,)
        for output, view in zip(node.outputs, several, strict=False):
            if view is not None:
                writer.views[output] = view
    missing = {id(wire): wire for item in unread for _, wire in item.makes}
    known = [name for name in program.outputs if name not in writer.unknown]
    made = {name: id(writer.views[name].wire) for name in known if name in writer.views}
    outputs = [name for name in known if made.get(name) not in missing]
    own: dict[int, Wire] = {}
    found = {output: _output(writer, output, unread, own) for output in outputs}
    placed = {output: item for output, item in found.items() if item is not None}
    outputs = [output for output in outputs if output in placed]
    wires = [placed[output][0] for output in outputs]
    _called(writer, outputs, wires)
    wires += cut(writer, unread)
    projected(writer.steps)
    merged(writer.steps, wires)
    steps = _used(writer.steps, wires)
    chained(steps, wires)
    filled(writer.parts.made, steps)
    shifted(writer.parts.made, steps)
    steps = _used(writer.steps, wires)
    writer.parts.told(steps)
    _with_ids(program, writer, steps)
    tied(steps)
    read = {id(wire) for step in steps for wire in (*step.inputs, *step.named.values())}
    whole = Recognised(
        name,
        tuple(steps),
        tuple(writer.inputs),
        tuple(wire for key, wire in missing.items() if key in read),
        tuple(wires),
        tuple(zip(outputs, wires, strict=False)),
        tuple(unread),
        total,
        batches=tuple(placed[output][1] for output in outputs),
    )
    return written(whole, program), groups & {item.node.output for item in unread}


def _no_rule(node: Node) -> str:
    """Why nothing says a node of this operator."""
    if UNREAD in node.attributes:
        return str(node.get(UNREAD))
    if node.op.startswith("com.microsoft."):
        return "of ONNX Runtime's optimiser: import the file that it was made from"
    return _REASONS.get(node.op, "no operator")


# How many regions figures are told of where a file leaves it open: what detectors propose.
_MANY = 1000
_REASONS = {
    **dict.fromkeys(
        ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Where"),
        "it chooses by comparing numbers, and hides no scores: no step does",
    ),
    "Cast": "it makes truth values or whole numbers, of which no scores are hidden and no table is read",
    "NonMaxSuppression": "how many boxes it keeps depends on the numbers",
}


def _made(writer: Writer, node: Node) -> Made:
    """What a node makes, its steps written; raises Unsaid where no step says it."""
    if not writer.unknown.isdisjoint(node.inputs):
        raise Follows
    rule = _RULES.get(node.op)
    if rule is None:
        raise Unsaid(_no_rule(node))
    try:
        return rule(writer, node)
    except (KeyError, IndexError, TypeError, ValueError, AssertionError, ArithmeticError):
        # Attributes and sizes that the operator does not have in ONNX: no rule expects them.
        raise Unsaid("its attributes are not those of the operator") from None


def _output(
    writer: Writer, output: str, unread: list[Unread], own: dict[int, Wire]
) -> tuple[Wire, int] | None:
    """The value that an output is, the batch first, and which axis of the file's that is; None if unread.

    `own` are steps that give inputs, or one of several tensors, names that outputs have.
    """
    writer.node = Node("Output", (), (output,), name="")
    try:
        view = writer.view(output)
        batch = view.axes.index(view.base[0]) if view.base[0] in view.axes else 0
        view = view.moved(sorted(range(len(view.axes)), key=lambda axis: axis != batch))
        # What is one number for each sample has an axis of one in a spec.
        view = View(view.wire, view.base, (*view.axes, *[()] * (len(view.axes) == 1)))
        wire = writer.sized(writer.plain(view), view.axes)
        if wire.only:
            raise Unsaid(f"it is of places that only {wire.only} takes")
        if not writer.parts.whole(wire, view.axes[0]):
            raise Unsaid("parts of maps lie in its batch")
        # One of several tensors of a step has no name of its own.
        part = wire.step is not None and len(wire.step.made) > 1 and len(writer.called) > 1
        if wire.step is None or part:
            if id(wire) not in own:
                own[id(wire)] = writer.step("identity", [wire], wire.sizes)
            wire = own[id(wire)]
        return wire, batch
    except Unsaid as refusal:
        unread.append(Unread(Node("output", (), (output,), name=output), str(refusal)))
        return None


def _called(writer: Writer, outputs: Sequence[str], wires: Sequence[Wire]) -> None:
    """Gives the steps that several outputs come from the names that the file has for these."""
    if len({id(wire) for wire in wires}) == 1:
        return
    known: set[int] = set()
    for output, wire in zip(outputs, wires, strict=True):
        if wire.step is not None and len(wire.step.made) == 1 and id(wire) not in known:
            known.add(id(wire))
            wire.step.renamed(writer.called[output])


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


def written(
    found: Recognised, program: Program, sizes: Mapping[str, str] | None = None
) -> Recognised:
    """What was recognised with its text; `sizes` are what the text has as those of inputs, by their names."""
    told, counted = [f"net {found.name}"], _counts(program)
    for item, wire in zip(program.inputs, found.given, strict=True):
        label = "" if wire.name == "input" else f"{wire.name}: "
        ids = f" ids({_rows(found.steps, wire)})" if item.integers else ""
        text = "x".join(map(str, wire.sizes)) or "1"
        rows = f" batch({counted[item.name]})" if item.regions else ""
        told.append(f"input {label}{(sizes or {}).get(wire.name, text)}{ids}{rows}")
    for wire in found.missing:
        told.append(f"input {wire.name}: {'x'.join(map(str, wire.sizes))}")
    told += lines(found.steps)
    outputs = tuple(wire.name for wire in found.wires)
    if len(set(outputs)) == 1 and not found.unread:
        # What flows at the end is the output, and is called so.
        told.append(f"@{outputs[0]}")
        outputs = ("output",) * len(outputs)
    elif outputs:
        told.append(f"output {', '.join(dict.fromkeys(outputs))}")
    return replace(found, text="\n".join(told) + "\n", outputs=outputs)


def _counts(program: Program) -> dict[str, str]:
    """How many regions each input of such has, by a symbol: of as many, the same."""
    letters: dict[int | str, str] = {}
    found = {}
    for item in program.inputs:
        if item.regions:
            many = item.sizes[0] or item.symbols[0]
            letter = letters.setdefault(many, f"R{len(letters) + 1}" if letters else "R")
            found[item.name] = f"{letter}={item.sizes[0] or _MANY}"
    return found


def _with_ids(program: Program, writer: Writer, steps: list[Step]) -> None:
    """Leaves out how many rows a table has where that is how many ids there can be."""
    pairs = zip(program.inputs, writer.inputs, strict=True)
    known = [(wire, str(_rows(steps, wire))) for item, wire in pairs if item.integers]
    known += [(step.made[0], step.given[0]) for step in steps if step.head == "position_ids"]
    for wire, rows in known:
        for step in steps:
            if any(read.source is wire for read in step.inputs):
                step.given = tuple(given for given in step.given if given != f"rows={rows}")


def _rows(steps: Sequence[Step], wire: Wire) -> int:
    """How many ids an input can hold: as many as the smallest table has rows."""
    tables = [
        s.weights["weight"].shape[0]
        for s in steps
        if any(read.source is wire for read in s.inputs) and "weight" in s.weights
    ]
    return min(tables, default=2)

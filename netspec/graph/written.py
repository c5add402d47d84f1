"""A graph as the text of a spec: every block, repeat, default and choice written out.

The text builds the same graph again, but for the paths of what stood in blocks: a step is named after
its path, with `_` for each dot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count, groupby

from netspec.diagnostics.raised import Rejection
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.graph.loops import Loop, loops
from netspec.ops.arranging.recurrence import All, Each, Last
from netspec.ops.declare.known import Values
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import MISSING
from netspec.ops.declare.schemes import arguments
from netspec.ops.declare.source import Input
from netspec.ops.declare.values import quoted, show
from netspec.ops.declare.weight import Scheme
from netspec.sizes.batch import SAMPLES
from netspec.syntax.expected import KEYWORDS
from netspec.syntax.fmt import format_text

_LONGEST = 64
# A number of many digits is a fraction of at most so many parts where it can be.
_PARTS = 64
RESERVED = {word.lower() for word in KEYWORDS}


def written(graph: Graph) -> str:
    """The text of a flat spec that says what the graph is, in canonical layout.

    `expect` lines are not in a graph; what a file says of itself is.
    """
    return format_text(_Writer(graph).text())


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.taken = RESERVED | {node.path for node in graph.inputs}
        # The outputs' own names are for the steps that make them, or for what passes them on.
        # `output` is what flows at the end of a file that names none.
        self.named_outputs = [o for o in graph.outputs if o.name not in self.taken]
        self.outputs = {output.value: output.name for output in reversed(self.named_outputs)}
        self.taken |= {output.name for output in self.named_outputs}
        self.loops = {loop.last: loop for loop in loops(graph)}
        # The steps that are written in the braces of each recurrence, and outside.
        self.braces: dict[Call | None, list[Node]] = {}
        for node in graph.nodes:
            if not isinstance(node.op, Input | Each | All):
                self.braces.setdefault(self._braces(node), []).append(node)
        self.steps: dict[str, str] = {}
        self.names: dict[Value, str] = {}

    def text(self) -> str:
        name = self.graph.name
        # A file without a `net` line is called after itself, also by a word that no line can say.
        lines = [] if name in RESERVED or not name.isidentifier() else [f"net {name}"]
        lines += [*metadata_lines(self.graph.metadata), ""]
        lines += [input_line(self.graph, node) for node in self.graph.inputs]
        self.names |= {node.output: node.path for node in self.graph.inputs}
        lines += self._steps()
        return "\n".join(lines) + "\n"

    def _steps(self) -> Iterator[str]:
        start = self.graph.inputs[0].output if len(self.graph.inputs) == 1 else None
        heads = {head.name: head for head in self.graph.heads}
        for name, nodes in groupby(self.braces.get(None, ()), key=lambda node: node.head):
            lines: list[str] = []
            wire = self._run(nodes, start, lines)
            start = wire if name is None else None
            if name is None:
                yield from lines
            else:
                lines += self._carry(heads[name].value, wire)
                flat = self._free(name.replace(".", "_"))
                yield f"head {flat}(loss={_number(heads[name].loss)}) {{"
                yield from (f"  {line}" for line in lines)
                yield "}"
        yield from self._ends(start)

    def _run(self, nodes: Iterable[Node], wire: Value | None, lines: list[str]) -> Value | None:
        """Adds the lines of nodes of one training head, or of none; what flows after them.

        What runs at every step of a recurrence comes with what ends it.
        """
        for node in nodes:
            if isinstance(node.op, Last):
                lines += self._recurrence(self.loops[node], wire)
                wire = node.output if len(node.types) == 1 else None
                continue
            lines.append(self._step(node, wire))
            lines += self._apart(node)
            wire = node.output if len(self._carried(node)) == 1 else None
        return wire

    def _recurrence(self, loop: Loop, wire: Value | None) -> Iterator[str]:
        """The lines of a recurrence: what flows in, its braces, and the names of what flows out."""
        sequence, *starts = loop.each.inputs
        step, *states = loop.each.outputs
        variable = self._free(loop.call.block)
        if len(starts) > 1 or starts[0] != wire:
            yield self._bundle(f"@{self.names[value]}" for value in starts)
        yield f"for {variable} in @{self.names[sequence]} {{"
        self.names[step] = variable
        for state in states:
            self.names[state] = self._free(f"{variable}_before")
        yield f"  {self._bundle(f'identity as {self.names[state]}' for state in states)}"
        lines: list[str] = []
        inside = self.braces.get(loop.call, ())
        wire = self._run(inside, states[0] if len(states) == 1 else None, lines)
        for node in loop.joined:
            made = node.inputs[0]
            given = made.node is loop.each or loop.call not in _recurrences(made.node)
            if given and made not in states:
                name = self._free(f"{self.names[made]}_all")
                lines.append(f"@{self.names[made]}; identity as {name}")
                self.names[node.output], wire = name, None
            else:
                self.names[node.output] = self.names[made]
        yield from (f"  {line}" for line in lines)
        ends = loop.last.inputs[:-1]
        if len(ends) > 1 or ends[0] != wire:
            yield f"  {self._bundle(f'@{self.names[value]}' for value in ends)}"
        for value in loop.last.outputs:
            name = self.outputs.pop(value, "") if loop.last.head is None else ""
            self.names[value] = name or self._free(f"{variable}_last")
            self.steps[f"{loop.last.path}.{value.index}"] = self.names[value]
        yield f"}} as {', '.join(self.names[value] for value in loop.last.outputs)}"

    @staticmethod
    def _braces(node: Node) -> Call | None:
        """The innermost recurrence in whose braces a node is written; what ends one stands behind them."""
        inside = _recurrences(node)
        if isinstance(node.op, Last):
            next(inside)
        return next(inside, None)

    @staticmethod
    def _bundle(parts: Iterable[str]) -> str:
        several = list(parts)
        return several[0] if len(several) == 1 else f"{{ | {' | '.join(several)} }}"

    def _carry(self, end: Value, wire: Value | None) -> Iterator[str]:
        """The line after which a value flows, where it does not yet."""
        if end != wire:
            yield f"@{self.names[end]}"

    @staticmethod
    def _carried(node: Node) -> tuple[Value, ...]:
        return node.outputs[: node.op.carried]

    def _step(self, node: Node, wire: Value | None) -> str:
        first = node.inputs[0]
        head, said = _head(node.op)
        plain, named = node.op.apart(node.inputs)
        given = [f"@{self.names[value]}" for value in referred(node.op, plain)]
        given += self._arguments(node, said | set(named))
        given += [f"{parameter}=@{self.names[value]}" for parameter, value in named.items()]
        name = self._named(node)
        self.steps[node.path] = name
        if len(self._carried(node)) == 1:
            self.names |= dict.fromkeys(node.outputs, name)
        step = f"{head}({', '.join(given)})" if given else head
        start = "" if first == wire else f"@{self.names[first]}; "
        return f"{start}{step} as {name}"

    def _apart(self, node: Node) -> Iterator[str]:
        """The line that names each of several outputs."""
        carried = self._carried(node)
        if len(carried) > 1:
            for value in carried:
                self.names[value] = self._free(f"{self.steps[node.path]}_{value.index + 1}")
            parts = " | ".join(f"identity as {self.names[value]}" for value in carried)
            yield f"{{ | {parts} }}"

    def _named(self, node: Node) -> str:
        if node.output in self.outputs and len(self._carried(node)) == 1 and node.head is None:
            return self.outputs.pop(node.output)
        return self._free(self._inside(node))

    def _inside(self, node: Node) -> str:
        """What a node is called in flat text: its path, without heads and recurrences, which have braces."""
        parts = node.path.removeprefix(f"{node.head}.").split(".")
        braces = {call.component for call in _recurrences(node)}
        return "_".join(part for part in parts if part not in braces)

    def _free(self, wanted: str) -> str:
        tries = (f"{wanted[: _LONGEST - len(end)]}{end}" for end in _endings())
        name = next(name for name in tries if name not in self.taken)
        self.taken.add(name)
        return name

    def _arguments(self, node: Node, said: set[str]) -> list[str]:
        given = []
        for name, param in node.op.params.items():
            value = getattr(node.op, name)
            # None of what must be given follows from something else that is.
            default = None if param.default is MISSING else param.default
            if value == default or name in said or name in node.op.follows:
                continue
            given.append(f"{name}={typed(value)}")
        if node.owner != node.path:
            given.append(f"weights=@{self.steps[node.owner]}")
        if node.frozen:
            given.append("frozen=yes")
        return given

    def _ends(self, wire: Value | None) -> Iterator[str]:
        """The lines that name the outputs, and the one that lists them."""
        made = set(self.steps.values())
        for output in self.named_outputs:
            if output.name not in made:
                yield f"@{self.names[output.value]}; identity as {output.name}"
        if self.named_outputs:
            yield f"output {', '.join(output.name for output in self.named_outputs)}"
        else:
            yield from self._carry(self.graph.outputs[0].value, wire)


def _recurrences(node: Node) -> Iterator[Call]:
    """The recurrences around a node that are not written out."""
    calls = node.call.ancestors() if node.call else ()
    return (call for call in calls if call.recurrent and call.copy is None)


def input_line(graph: Graph, node: Node) -> str:
    """The line that declares an input."""
    tensor, label = node.types[0], "" if node.path == "input" else f"{node.path}: "
    sizes = [str(size) for size in tensor.shape]
    line = f"input {label}{input_sizes(sizes)}"
    if tensor.ids is not None:
        line += f" ids({tensor.ids})"
    if tensor.batch != SAMPLES:
        symbol = tensor.batch.symbol
        line += f" batch({symbol}={graph.nominal_sizes[symbol]})"
    return line


def input_sizes(sizes: Sequence[str]) -> str:
    """The sizes of an input as its line has them: a list where letters would run into what follows."""
    alone = len(sizes) == 1 or sizes[0].isdigit()
    return "x".join(sizes) if alone else f"({', '.join(sizes)})"


def _head(op: Operator) -> tuple[str, set[str]]:
    """The shorthand of a step, `conv3-64/2`, and the parameters that it gives."""
    head, said = op.spelling, set()
    for name, mark in (("kernel", ""), ("width", "-"), ("stride", "/")):
        value = getattr(op, name) if name in op.params else None
        if value is None or value == op.params[name].default:
            continue
        sizes = value if isinstance(value, tuple) else (value,)
        if len(sizes) == 1 and isinstance(value, tuple):
            continue
        head += mark + "x".join(map(str, sizes))
        said.add(name)
    return head, said


def typed(value: object) -> str:
    """An argument's value as a spec has it."""
    if isinstance(value, Values):
        return _nested(value.shape, value.numbers)
    if isinstance(value, Scheme):
        return _scheme(value)
    if isinstance(value, tuple):
        inner = ", ".join(typed(item) for item in value)
        # Round brackets hold at least two.
        return f"[{inner}]" if len(value) == 1 else f"({inner})"
    return _number(value) if isinstance(value, float) else show(value)


def referred(op: Operator, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """What the step refers to by position: an operator may read more of it than its output."""
    wire, others = inputs[:1], inputs[1:]
    found = (others[:number] for number in range(len(others) + 1))
    return next(given for given in found if _connected(op, wire, given) == inputs)


def _connected(
    op: Operator, wire: tuple[Value, ...], given: tuple[Value, ...]
) -> tuple[Value, ...] | None:
    try:
        return op.connect(wire, given)
    except Rejection:
        return None


def _endings() -> Iterable[str]:
    yield ""
    yield from (f"_{number}" for number in count(2))


def _scheme(value: Scheme) -> str:
    given = arguments(type(value))
    said = [_number(getattr(value, f.name)) for f in given if not f.kw_only]
    named = [f for f in given if f.kw_only and getattr(value, f.name) != f.default]
    said += [f"{f.name}={_number(getattr(value, f.name))}" for f in named]
    return f"{value.word}({', '.join(said)})" if said else value.word


def _nested(shape: tuple[int, ...], numbers: Sequence[float]) -> str:
    if not shape:
        return _number(numbers[0])
    size = len(numbers) // shape[0]
    parts = (numbers[i * size : (i + 1) * size] for i in range(shape[0]))
    return f"[{', '.join(_nested(shape[1:], part) for part in parts)}]"


def fraction(value: float, same: Callable[[float], bool]) -> str:
    """A number as a fraction of small numbers, `1/3`, if one is the `same`; nothing elsewhere."""
    near = Fraction(value).limit_denominator(_PARTS)
    return str(near) if near.denominator > 1 and same(float(near)) else ""


def _number(value: float) -> str:
    text = f"{value:g}" if float(f"{value:g}") == value else ""
    text = text or fraction(value, lambda near: near == value) or repr(value)
    return re.sub(r"e(-?)\+?0*", r"e\1", text)  # 1e-6, as one writes it


def metadata_lines(items: Iterable[tuple[str, object]]) -> Iterator[str]:
    """The lines in which a file says what it is."""
    for key, value in items:
        if isinstance(value, tuple):
            pairs = (f"{name}={quoted(inner)}" for name, inner in value)
            yield f"{key} {', '.join(pairs)}"
        else:
            yield f"{key} {quoted(value)}"

"""A graph's levels as templates, and those of one block as classes of the file."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch

from netspec.backends.torch.levels import Level, Levels
from netspec.backends.torch.names import class_name
from netspec.backends.torch.source.code import (
    Bin,
    Code,
    Fn,
    Get,
    Hole,
    Slot,
    Text,
    mapped,
)
from netspec.backends.torch.source.conditions import condition
from netspec.backends.torch.source.examples import Stand
from netspec.backends.torch.source.known import started
from netspec.backends.torch.source.layouts import channels_last
from netspec.backends.torch.source.leaves import OWN, Leaf, borrowed, leaf
from netspec.backends.torch.source.options import Instance, merged
from netspec.backends.torch.source.repeats import looped, unrolled
from netspec.backends.torch.source.sizes import Untold
from netspec.backends.torch.source.templates import (
    Class,
    Part,
    State,
    Steps,
    Template,
    abstract,
    changed,
    shared,
    solved,
)
from netspec.backends.torch.source.trace import Line
from netspec.backends.torch.source.twins import Twins, every, told_apart
from netspec.diagnostics.messages.backends import NoSource
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.graph.checked import Graph, Node, Value
from netspec.graph.loops import Loop, loops
from netspec.ops.arranging.steps import time_axis
from netspec.sizes.shapes import same_ranks

# What a class has besides its parts: a step of this name would hide it.
_OWN_NAMES = frozenset(dir(torch.nn.Module)) | {"draws"}


class Blocks:
    """The classes of a graph, inner ones first; `root` is the net's."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph = told_apart(graph)
        self.levels = Levels(graph)
        self._twins = Twins(self.levels)
        self.classes: list[Class] = []
        self.helpers: dict[str, Callable[..., Any]] = {}
        self._named: set[str] = set()
        self._examples = Stand(graph)
        self._loops = {loop.each: loop for loop in loops(graph)}
        self._leaves: dict[Node, Leaf] = {}
        self._made: dict[int, Fn] = {}
        self._random: set[int] = set()
        self._nodes = {node.path: node for node in graph.nodes}
        self.heads: tuple[int, ...] = ()
        self.draws: dict[str, None] = {}
        self._read_leaves()
        self._build()

    # --- steps

    def _read_leaves(self) -> None:
        """Every step as source, and the classes of those that torch has no module for."""
        apart: dict[str, list[tuple[Node, Template]]] = {}
        for node in self.levels.root.nodes():
            found = self._told(node, self._leaf)
            self._leaves[node] = found
            self._examples.hold(node, found)
            self.helpers |= found.helpers
            self.draws |= dict.fromkeys(found.draws)
            if found.classed and self._owner(node) is None:
                kind = type(node.op).__name__
                apart.setdefault(kind, []).append((node, self._told(node, self._leaf_template)))
        for kind, found_ones in apart.items():
            self._classes(
                kind,
                [(node, template, _numbers(vars(node.op))) for node, template in found_ones],
            )

    def _told(self, node: Node, tell: Callable[[Node], Any]) -> Any:
        try:
            return tell(node)
        except (Untold, NotImplementedError) as reason:
            problem = NoSource(node.op.spelling, str(reason))
            raise NetspecError((Diagnostic(problem, node.span),)) from None

    def _leaf(self, node: Node) -> Leaf:
        inputs = [self._examples.of(value) for value in node.inputs]
        owner = self._owner(node)
        same = owner is None or (
            owner.op is node.op and same_ranks(owner.input_types, node.input_types)
        )
        if not same:
            return borrowed(node.op, node.input_types, self.levels.read(node), inputs)
        return leaf(node.op, node.input_types, self.levels.read(node), inputs)

    def _owner(self, node: Node) -> Node | None:
        """The step whose tensors the node uses, if they are another's."""
        if node.owner == node.path or not node.op.weights(*node.input_types):
            return None
        return self._nodes.get(node.owner)

    def _leaf_template(self, node: Node) -> Template:
        found = self._leaves[node]
        owned = tuple(self._owned(found))
        part = Part("", None, _placed(found.trace.lines, Text("self")))
        train = found.train and (_placed(found.train[0].lines, Text("self")), found.train[1])
        count = len(node.inputs)
        random = bool(found.draws)
        return Template(type(node.op).__name__, count, found.gives, (part,), owned, train, random)

    def _owned(self, found: Leaf) -> Iterator[tuple[str, bool, Code]]:
        """What a step owns: the name, whether it is trained, and how it starts or the layer is made."""
        said = set()
        for weight in found.owned:
            name = weight.name.rpartition(".")[0]
            if name not in found.inner:
                yield weight.name, weight.kind == "param", self._start(weight)
            elif name not in said:
                said.add(name)
                yield name, True, found.inner[name]

    def _start(self, weight: Any) -> Code:
        code, helpers = started(weight)
        self.helpers |= helpers
        return code

    # --- blocks

    def _build(self) -> None:
        levels = list(every(self.levels.root, lambda level: self._twins.of(level) is not None))
        levels.sort(key=_height)
        for _, alike in groupby(levels, key=_height):
            by_block: dict[tuple[str, str], list[Level]] = {}
            for level in alike:
                by_block.setdefault((level.kind, level.definition), []).append(level)
            for (kind, _), found in by_block.items():
                templates = [(level, self._template(level), _values(level)) for level in found]
                self._classes(class_name(kind), templates)
        self.root = self.classes[-1]

    def _template(self, level: Level) -> Template:
        inputs, outputs = self.ends(level)
        places = {value: i for i, value in enumerate(inputs)}
        loop = self._loop(level)
        # What stands around the steps is no part: its values are there before those of the parts.
        around = loop.ends if loop is not None else ()
        again = loop.at_each_step if loop is not None else frozenset()
        for value in (value for node in around for value in node.outputs):
            places[value] = len(places)
        count = len(places)
        parts: list[Part] = []
        random = False
        for name, item in level.items.items():
            if item in around:
                continue
            if isinstance(item, Node):
                part, lines_count = self._step(level, name, item, places, count)
                count += lines_count
            else:
                twin = self._twins.of(item)
                reads, writes = self._twins.ends(item)
                gives = tuple(range(count, count + len(writes)))
                slots = tuple(places[value] for value in reads)
                part = self._inner(level, name, item, twin, slots, gives)
                count += len(writes)
                places |= zip(writes, gives, strict=True)
            random = random or any(
                isinstance(line.code, Fn) and Text("draws") in line.code.args for line in part.lines
            )
            nodes = [item] if isinstance(item, Node) else item.nodes()
            once = loop is not None and again.isdisjoint(nodes)
            parts.append(replace(part, once=once))
        if random:
            self._random.add(id(level))
        returns = tuple(places[value] for value in outputs)
        if level is self.levels.root:
            many = len(self.graph.outputs)
            self.heads, returns = returns[many:], returns[:many]
        steps = None if loop is None else _steps(loop, places)
        read = (*returns, *self.heads, *(steps.reads if steps else ()))
        # Modules are made in the order of the text, and called in that of what needs them.
        order = {name: i for i, name in enumerate(level.items)}
        parts = channels_last(sorted(parts, key=lambda part: not part.once), read)
        parts.sort(key=lambda part: order[part.name])
        whole = looped(parts, read, level is not self.levels.root)
        table = _numbers_of(whole, len(inputs), steps)
        returns = tuple(table[slot] for slot in returns)
        if level is self.levels.root:
            self.heads = tuple(table[slot] for slot in self.heads)
        return Template(
            class_name(level.kind),
            len(inputs),
            returns,
            _renumbered(whole, table),
            random=random,
            steps=steps and steps.numbered(table),
        )

    def _loop(self, level: Level) -> Loop | None:
        """The recurrence whose step a block is."""
        items = (item for item in level.items.values() if isinstance(item, Node))
        return next((self._loops[item] for item in items if item in self._loops), None)

    def ends(self, level: Level) -> tuple[list[Value], list[Value]]:
        """What a block takes and gives, in order; the net's heads after its outputs."""
        if level is not self.levels.root:
            return self.levels.boundary(level)
        outputs = [output.value for output in self.graph.outputs]
        heads = [head.value for head in self.graph.heads]
        return [node.output for node in self.graph.inputs], outputs + heads

    def _step(
        self, level: Level, name: str, node: Node, places: dict[Value, int], count: int
    ) -> tuple[Part, int]:
        found = self._leaves[node]
        if found.module is not None or found.classed:
            _check_name(name, node)
        reads = [places[value] for value in node.inputs]
        owner = self._owner(node)
        where: Code = Get(Text("self"), name)
        if owner is not None:
            here, there = node.path.rpartition(".")[0], owner.path.rpartition(".")
            if here != there[0]:
                reason = "its weights are those of a step in another block"
                raise NetspecError((Diagnostic(NoSource(node.op.spelling, reason), node.span),))
            where = Get(Text("self"), there[2])
        writes = self.levels.gives(node)
        guarded = self._guarded([node], level)
        if found.classed:
            gives = tuple(range(count, count + len(writes)))
            args: list[Code] = [Slot(slot) for slot in reads]
            if found.draws:
                args.append(Text("draws"))
            lines: tuple[Line, ...] = (Line(gives, Fn(where, tuple(args))),)
            made = self._made[id(node)] if owner is None else None
            used = len(writes)
        else:
            table = dict(enumerate(reads))
            for line in found.trace.lines:
                for slot in line.gives:
                    table[slot] = count + len(table) - len(reads)
            lines = tuple(
                replace(
                    line,
                    gives=tuple(table[s] for s in line.gives),
                    code=_moved(line.code, table, where),
                )
                for line in found.trace.lines
            )
            gives = tuple(table[slot] for slot in found.gives)
            made = found.module if owner is None else None
            used = len(table) - len(reads)
        for value, slot in zip(writes, gives, strict=True):
            places[value] = slot
        still = node.frozen and any(
            "running" in weight.name for weight in node.op.weights(*node.input_types)
        )
        frozen = node.frozen and made is not None and bool(node.op.weights(*node.input_types))
        fixed = self._fixed(node) if made is not None and not found.classed else ()
        part = Part(name, made, lines, guarded, frozen, still, fixed=fixed)
        return part, used

    def _fixed(self, node: Node) -> tuple[tuple[str, Code], ...]:
        """The tensors of torch's module that the net itself says."""
        weights = node.op.weights(*node.input_types)
        told = self._told(node, lambda _: [(w.name, self._start(w)) for w in weights if w.known])
        return tuple(told)

    def _inner(
        self,
        around: Level,
        name: str,
        level: Level,
        twin: Level | None,
        reads: tuple[int, ...],
        gives: tuple[int, ...],
    ) -> Part:
        _check_name(name, level.nodes()[0])
        called = level if twin is None else twin
        where = Get(Text("self"), name if twin is None else twin.path.rpartition(".")[2])
        args: list[Code] = [Slot(slot) for slot in reads]
        if id(called) in self._random:
            args.append(Text("draws"))
        made = self._made[id(level)] if twin is None else None
        guarded = self._guarded(level.nodes(), around)
        return Part(name, made, (Line(gives, Fn(where, tuple(args))),), guarded)

    def _guarded(self, nodes: Sequence[Node], around: Level) -> bool:
        """Whether these run in training alone, where what is around them does not."""
        inside = self.levels.training.issuperset
        return inside(nodes) and not inside(around.nodes())

    # --- classes

    def _classes(self, name: str, given: list[tuple[Any, Template, dict[str, Any]]]) -> None:
        """Adds the classes that the instances of one block are of."""
        groups: dict[Template, list[Instance]] = {}
        for owner, template, values in given:
            found, numbers, names = abstract(template)
            groups.setdefault(found, []).append(Instance(owner, numbers, names, values))
        for template, members in merged(groups):
            self._class(name, template, members)

    def _class(self, name: str, template: Template, members: list[Instance]) -> None:
        rows = [member.numbers for member in members]
        names = max((member.names for member in members), key=len)
        codes, params = solved(rows, names, [member.values for member in members])
        columns = list(zip(names, codes, zip(*rows, strict=True), strict=True))
        params = dict(params)
        said = shared(member.values for member in members)
        options = []
        for number, option in enumerate(template.options):
            present = [member.has[number] for member in members]
            when = condition(template.parts[option.start].name, present, columns, said)
            if isinstance(when, Bin) and isinstance(when.left, Text) and when.left.text in said:
                params.setdefault(when.left.text, said[when.left.text])
            if when is None:
                word = f"has_{template.parts[option.start].name}"
                params[word], when = tuple(present), Text(word)
            options.append(replace(option, when=when))

        def fill(code: Code) -> Code | None:
            return codes[code.index] if isinstance(code, Hole) else None

        made = Class(
            self._class_name(name),
            unrolled(replace(changed(template, fill), options=tuple(options))),
            tuple(params),
            tuple(type(row[0]).__name__ for row in params.values()),
            instances=[member.owner for member in members],
        )
        self.classes.append(made)
        for i, member in enumerate(members):
            self._made[id(member.owner)] = made.made([row[i] for row in params.values()])

    def _class_name(self, name: str) -> str:
        found, number = name, 2
        while found in self._named or found in ("F", "Tensor", "TrainingOutputs"):
            found, number = f"{name}{number}", number + 1
        self._named.add(found)
        return found


def _check_name(name: str, node: Node) -> None:
    """Refuses the name of a module that is none in a file."""
    if keyword.iskeyword(name) or name in _OWN_NAMES:
        reason = f"`{name}` means something else in a module: give it another name"
        raise NetspecError((Diagnostic(NoSource(node.op.spelling, reason), node.span),))


def _height(level: Level) -> int:
    inner = [_height(item) for item in level.items.values() if isinstance(item, Level)]
    return 1 + max(inner, default=0)


def _values(level: Level) -> dict[str, Any]:
    return _numbers(dict(level.call.values)) if level.call is not None else {}


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _placed(lines: Sequence[Line], where: Code) -> tuple[Line, ...]:
    """Lines whose step has a place."""
    return tuple(
        replace(line, code=mapped(line.code, lambda c: where if c == OWN else None))
        for line in lines
    )


def _moved(code: Code, table: dict[int, int], where: Code) -> Code:
    def change(part: Code) -> Code | None:
        if isinstance(part, Slot):
            return Slot(table[part.index])
        return where if part == OWN else None

    return mapped(code, change)


def _steps(loop: Loop, places: Mapping[Value, int]) -> Steps:
    """How the block of a recurrence runs at every step, by the numbers of its tensors."""
    sequence, *starts = loop.each.inputs
    step, *begun = loop.each.outputs
    ways = zip(starts, begun, loop.last.inputs[:-1], loop.last.outputs, strict=True)
    return Steps(
        loop.call.block,
        1 + time_axis(sequence.type),
        places[sequence],
        places[step],
        tuple(State(*(places[value] for value in way)) for way in ways),
        tuple((places[node.inputs[0]], places[node.output]) for node in loop.joined),
    )


def _numbers_of(parts: Sequence[Part], inputs: int, steps: Steps | None) -> dict[int, int]:
    """Numbers for tensors in the order in which they are made."""
    table = {i: i for i in range(inputs)}
    made = [slot for part in parts for line in part.lines for slot in line.gives]
    if steps is not None:
        made = [*steps.begun, *made, *steps.gives]
    for slot in made:
        table[slot] = len(table)
    return table


def _renumbered(parts: Sequence[Part], table: Mapping[int, int]) -> tuple[Part, ...]:
    """The parts with other numbers for their tensors."""

    def change(code: Code) -> Code | None:
        return Slot(table[code.index]) if isinstance(code, Slot) else None

    return tuple(
        replace(
            part,
            lines=tuple(
                replace(
                    line,
                    gives=tuple(table[slot] for slot in line.gives),
                    code=mapped(line.code, change),
                )
                for line in part.lines
            ),
        )
        for part in parts
    )

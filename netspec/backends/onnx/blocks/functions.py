"""A lowered model whose blocks are functions of the file: one for each body, called wherever it stands.

A body is what one block computes, with names from the block on: `conv1` for `stage1.bottleneck1.conv1`.
Whatever it reads from outside is an input of the function, weights and constants too, so that blocks
of other widths share it; whatever is read outside is an output. Shapes are no part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto

from netspec.backends.onnx.blocks.grouping import Grouping, Item
from netspec.backends.onnx.blocks.inlining import DOMAIN, REPEAT
from netspec.backends.onnx.blocks.scopes import Scope, Scopes, named
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.places import SOURCE, entries, places_of_call
from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.syntax.files import shown_place

# The IR version that brought functions of a file.
_IR = 8
# A stage, or a repeat, only lists calls of one block: up to so many are read as they stand.
_LISTED = 8


@record
class Called:
    """A function of a file: how many nodes it holds, how often it is called, and one call as written."""

    name: str
    nodes: int
    calls: int
    call: str


@record
class Blocks:
    """What became of a model's blocks: `flat` nodes are `top` nodes and these functions.

    `refused` are the paths of blocks that stay flat: what they give comes back to them from outside.
    """

    flat: int
    top: int
    functions: tuple[Called, ...]
    refused: tuple[str, ...] = ()

    def text(self) -> str:
        """The report as a few lines for a terminal."""
        count = len(self.functions)
        lines = [f"blocks: {self.flat} nodes as {self.top} and {count} function{'s'[: count != 1]}"]
        for one in self.functions:
            lines.append(f"  {one.name}: {one.nodes} nodes, called {one.calls}x, as {one.call}")
        lines += [f"  {path} stays flat: it reads what it gives" for path in self.refused]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "flat": self.flat,
            "top": self.top,
            "functions": [
                {"name": one.name, "nodes": one.nodes, "calls": one.calls, "call": one.call}
                for one in self.functions
            ],
            "stays_flat": list(self.refused),
        }


def as_functions(model: Model, net: str, globs: Sequence[str] = ()) -> tuple[Model, Blocks]:
    """The model of the net of that name with its blocks as functions, and what became of them.

    `globs` name blocks by path or by name, each a function then; without them it is every block that
    does more than one thing, and what lists many calls of one block. Raises NetspecError for a glob that
    names nothing.
    """
    graph = GraphProto.FromString(model.graph)
    scopes = Scopes(model.owners)
    chosen = named(scopes, globs)
    grouping = Grouping(
        graph.node,
        [item.name for item in graph.output],
        scopes,
        (lambda scope, items: scope in chosen) if globs else _worth_it,
    )
    writer = _Writer(model, graph, net)
    writer.write(grouping.items)
    refused = tuple(scope.name for scope in grouping.refused)
    functions = tuple(function.called() for function in writer.functions)
    return (
        _model(model, graph, grouping.items, writer),
        Blocks(len(graph.node), len(grouping.items), functions, refused),
    )


def _worth_it(scope: Scope, items: Sequence[Item]) -> bool:
    """Whether a function of these shortens the file, and says more than a list does."""
    called = {item.scope.call.block if item.scope else None for item in items}
    lists = len(called) == 1 and None not in called
    return len(items) > (_LISTED if lists else 1)


def _model(model: Model, graph: GraphProto, items: Sequence[Item], writer: _Writer) -> Model:
    rest = GraphProto()
    rest.CopyFrom(graph)
    del rest.node[:], rest.value_info[:]
    rest.node.extend(writer.top)
    left = {name for item in items for name in item.makes}
    rest.value_info.extend(item for item in graph.value_info if item.name in left)
    head = ModelProto()
    head.CopyFrom(model.head)
    if writer.functions:
        head.ir_version = max(head.ir_version, _IR)
        head.opset_import.add(domain=DOMAIN, version=1)
        head.functions.extend(function.proto(head) for function in writer.functions)
    around = {item.name for item in graph.input} | left
    return replace(
        model.with_graph(rest),
        head=head,
        values={value: name for value, name in model.values.items() if name in around},
        owners=tuple(None if item.scope else model.owners[item.index] for item in items),
    )


@record(eq=False, frozen=False)
class _Function:
    """A body and who has it. `said` is each node's metadata, what all calls agree in."""

    name: str
    scope: Scope
    nodes: list[NodeProto]
    inputs: list[str]
    outputs: list[str]
    said: list[dict[str, str]]
    calls: int = 0

    def agree(self, said: list[dict[str, str]]) -> None:
        for known, new in zip(self.said, said, strict=True):
            for key in [key for key in known if known[key] != new.get(key)]:
                del known[key]

    def called(self) -> Called:
        return Called(self.name, len(self.nodes), self.calls, str(self.scope))

    def proto(self, head: ModelProto) -> FunctionProto:
        proto = FunctionProto(domain=DOMAIN, name=self.name, input=self.inputs, output=self.outputs)
        others = f", and {self.calls - 1} more" if self.calls > 1 else ""
        place = shown_place(self.scope.call.span)
        proto.doc_string = printable(f"{self.scope} at {place}{others}")
        imported = {node.domain for node in self.nodes}
        for opset in head.opset_import:
            if opset.domain in imported or not opset.domain:
                proto.opset_import.append(
                    OperatorSetIdProto(domain=opset.domain, version=opset.version)
                )
        for node, said in zip(self.nodes, self.said, strict=True):
            node.metadata_props.extend(entries(said))
            proto.node.append(node)
        return proto


class _Writer:
    """The functions of a model, those that others call first, and the nodes at its top."""

    def __init__(self, model: Model, graph: GraphProto, net: str) -> None:
        self._net = net
        self._weights = {item.name for item in model.weights}
        self._constants = {tensor.name for tensor in graph.initializer}
        self._known: dict[object, _Function] = {}
        self._names: Counter[str] = Counter()
        self.functions: list[_Function] = []
        self.top: list[NodeProto] = []

    def write(self, items: Iterable[Item]) -> None:
        for item in items:
            if item.proto is not None:
                self.top.append(item.proto)
                continue
            assert item.scope is not None
            node = self._call(item)
            said = places_of_call(self._net, item.scope.call, item.scope.name)
            node.metadata_props.extend(entries({**said, **_of_repeat(item.scope)}))
            self.top.append(node)

    def _call(self, item: Item) -> NodeProto:
        """The node that stands for a scope, under the names that are outside of it."""
        scope = item.scope
        assert scope is not None
        function = self._function(scope, item)
        function.calls += 1
        return NodeProto(
            domain=DOMAIN,
            op_type=function.name,
            name=scope.name,
            input=item.reads,
            output=item.makes,
        )

    def _function(self, scope: Scope, item: Item) -> _Function:
        inner = [self._inner(one) for one in item.items]
        nodes = [node for node, _ in inner]
        said = [about for _, about in inner]
        names = _Names(scope.prefix)
        made = dict.fromkeys(name for node in nodes for name in node.output if name)
        # Two bodies are one where they differ in the names of inputs and outputs only.
        marks = {name: f"<{i}" for i, name in enumerate(item.reads)}
        marks |= {name: f">{i}" for i, name in enumerate(item.makes)}
        hidden = {name: names.within(name) for name in made if name not in marks}
        plain = [_renamed(node, {**marks, **hidden}, scope.prefix) for node in nodes]
        key = (
            scope.kind,
            len(item.reads),
            len(item.makes),
            tuple(node.SerializeToString(deterministic=True) for node in plain),
        )
        if key in self._known:
            self._known[key].agree(said)
            return self._known[key]
        shown = {name: names.given(name, "output") for name in item.makes}
        for name in item.reads:
            shown[name] = names.given(name, self._word(name))
        body = [_renamed(node, {**shown, **hidden}, scope.prefix) for node in nodes]
        inputs, outputs = [shown[n] for n in item.reads], [shown[n] for n in item.makes]
        function = _Function(self._free(scope.kind), scope, body, inputs, outputs, said)
        self._known[key] = function
        self.functions.append(function)
        return function

    def _inner(self, item: Item) -> tuple[NodeProto, dict[str, str]]:
        """A node of a body under the model's names, and what it says of where it comes from."""
        if item.scope is not None:
            place = shown_place(item.scope.call.span)
            return self._call(item), {SOURCE: place, **_of_repeat(item.scope)}
        proto = NodeProto()
        assert item.proto is not None
        proto.CopyFrom(item.proto)
        said = {entry.key: entry.value for entry in proto.metadata_props if entry.key == SOURCE}
        del proto.metadata_props[:]
        return proto, said

    def _word(self, name: str) -> str:
        if name in self._weights:
            return "weight"
        return "constant" if name in self._constants else "input"

    def _free(self, kind: str) -> str:
        self._names[kind] += 1
        count = self._names[kind]
        return f"{kind}.{count}" if count > 1 else kind


class _Names:
    """What tensors are called within a block: by their own steps, or by what they are to it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._taken: set[str] = set()

    def within(self, name: str) -> str:
        """The name of what stands inside only."""
        return self._free(_relative(name, self._prefix) or "value")

    def given(self, name: str, word: str) -> str:
        """The name of a weight or an output, or of what comes from outside: by what it is."""
        own = _relative(name, self._prefix) if word in ("weight", "output") else ""
        count, plain = 1, own or word
        while not own and plain in self._taken:
            count += 1
            plain = f"{word}.{count}"
        return self._free(plain)

    def _free(self, name: str) -> str:
        # No path ends in a dot.
        while name in self._taken:
            name += "."
        self._taken.add(name)
        return name


def _relative(name: str, prefix: str) -> str:
    """A name from a block on; empty for what is named otherwise."""
    if not prefix:
        return name
    return name[len(prefix) + 1 :] if name.startswith(f"{prefix}.") else ""


def _renamed(node: NodeProto, names: dict[str, str], prefix: str) -> NodeProto:
    found = NodeProto()
    found.CopyFrom(node)
    found.input[:] = [names.get(name, name) for name in node.input]
    found.output[:] = [names.get(name, name) for name in node.output]
    found.name = _relative(node.name, prefix)
    return found


def _of_repeat(scope: Scope) -> dict[str, str]:
    return {REPEAT: str(scope.repeat)} if scope.repeat else {}

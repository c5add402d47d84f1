"""A graph's layers with weights, and how data flows between them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from math import prod

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.names import PROJECTIONS, unnumbered, words
from netspec.checkpoints.parsing import parsed_name
from netspec.checkpoints.ways import shortcuts_of, sides_of
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.ops.arranging.merge import Mul
from netspec.ops.declare.operator import Elementwise
from netspec.ops.elementwise.norm import LayerNorm, RmsNorm
from netspec.ops.spatial.pool import AvgPool, MaxPool
from netspec.ops.vectors.attention import Attention
from netspec.ops.vectors.sequence import Embedding, Position, Token
from netspec.ops.vectors.sources import Parameter
from netspec.ops.words import HOMES

# Words that say what a layer is, or that it is one, not where it stands.
_COMMON = {"bn", "norm", "layer", "block", "stage", "unit", "linear", "weight", "bias", "module"}

_TABLES = {"embedding", "position"}
_NORMS = (LayerNorm, RmsNorm)

Signature = tuple[tuple[str, Shape], ...]


@record
class Tensor:
    """A tensor of a layer: what it is to the layer, its full name, its shape.

    A file may have it in parts, under several names, that follow each other on its first axis.
    """

    role: str
    names: tuple[str, ...]
    shape: Shape

    @property
    def name(self) -> str:
        """The tensor's name in the file, or the names of what it is joined from."""
        return " + ".join(self.names)


@record(slots=False)
class Module:
    """The tensors of one layer."""

    name: str
    tensors: tuple[Tensor, ...]
    components: tuple[str, ...] = ()

    @cached_property
    def signature(self) -> Signature:
        """What tells layers apart: roles and shapes. A 1x1 convolution is a matrix."""
        return tuple(sorted((tensor.role, plain(tensor.shape)) for tensor in self.tensors))

    def tensor(self, role: str) -> Tensor | None:
        """The tensor of a role, if there is one."""
        return next((tensor for tensor in self.tensors if tensor.role == role), None)

    @property
    def axes(self) -> int:
        """How many axes its kernel has."""
        return max(len(tensor.shape) for tensor in self.tensors)

    @property
    def is_norm(self) -> bool:
        """Whether it has statistics."""
        return any(tensor.role == "running_mean" for tensor in self.tensors)


@record(slots=False)
class Layer(Module):
    """A layer of the graph: which layers feed it, and where it stands.

    `step` is the step of the spec that it comes from, `calls` the steps that called the blocks
    around it, innermost first, `words` are those of its path that no operator or block is called
    by, `called` the name that the spec gives its step, `inside` those that it gives the calls around
    it. `is_gate`: a product reads it through an activation. `kind`: it is an `embedding` or its norm, a
    table of each `position`, the token before all others, which is the `class`, or what an attention
    reads as `query`, `key` or `value`, or its norm; the last layer that `normalises` each position alone
    is `final`. `sides`: branches of sums, products and their like that it alone is on, each as the
    merge's place and the input's: whichever is written first, the net is the same.
    """

    feeds: frozenset[int] = frozenset()
    step: object = None
    calls: tuple[object, ...] = ()
    words: frozenset[str] = frozenset()
    called: str = ""
    inside: frozenset[str] = frozenset()
    is_shortcut: bool = False
    is_gate: bool = False
    after_pool: bool = False
    kind: str | None = None
    normalises: bool = False
    head: str | None = None
    sides: frozenset[tuple[int, int]] = frozenset()

    def is_across(self, other: Layer) -> bool:
        """Whether they are on two branches whose order says nothing."""
        merges = dict(other.sides)
        return any(merges.get(merge, side) != side for merge, side in self.sides)


def plain(shape: Shape) -> Shape:
    """The shape without a window of size 1."""
    return shape[:2] if len(shape) > 2 and prod(shape[2:]) == 1 else shape


def plain_bare(shape: Shape) -> Shape:
    """The shape of a parameter that no layer of its own holds, without axes of size 1."""
    return tuple(size for size in shape if size != 1)


def layers_of(graph: Graph, *, heads: bool, replaced: Collection[str] = ()) -> list[Layer]:
    """The layers with weights, in the order they run: the net's, or its training-only heads'.

    `replaced` are the tensors that the net says itself and that a file is asked for all the same.
    """
    pooled, sides = _pooled(graph), sides_of(graph)
    shortcuts = shortcuts_of(graph, _own)
    placed = {node.path: node for node in graph.nodes}
    numbers: dict[Node, frozenset[int]] = {}
    found: list[Layer] = []
    for node in graph.nodes:
        parts = _own(node, replaced)
        before = frozenset[int]().union(*(numbers[value.node] for value in node.inputs))
        if (node.head is not None) == heads:
            for path, tensors in parts.items():
                kind = _kind(graph, node, path)
                tables = [found[i].kind in _TABLES and found[i].axes > 1 for i in before]
                if kind is None and tables and all(tables) and isinstance(node.op, _NORMS):
                    # A norm of what is looked up is called after that too.
                    kind = "embedding"
                found.append(
                    Layer(
                        path,
                        tensors,
                        feeds=before,
                        step=_step(node, path),
                        calls=_calls(node),
                        words=_words(path),
                        called=_called(node, path, placed),
                        inside=_inside(node),
                        is_shortcut=node in shortcuts,
                        is_gate=_is_gate(graph, node),
                        after_pool=node in pooled,
                        kind=kind,
                        normalises=isinstance(node.op, _NORMS),
                        head=node.head,
                        sides=frozenset(
                            (merge.index, i) for merge, i in sides.get(node, {}).items()
                        ),
                    )
                )
                before = frozenset((len(found) - 1,))
        numbers[node] = before
    norms = [i for i, layer in enumerate(found) if layer.normalises]
    if norms and found[norms[-1]].kind is None:
        found[norms[-1]] = replace(found[norms[-1]], kind="final")
    return found


def _step(node: Node, path: str) -> object:
    """What the layers of one step have in common, wherever its block is called from."""
    span, inner = node.span, path.removeprefix(node.path)
    kind = type(node.op).__name__, unnumbered(node.name), inner
    return (span.source.path or span.source.name, span.start, span.end, *kind)


def _calls(node: Node) -> tuple[object, ...]:
    calls = node.call.ancestors() if node.call else ()
    return tuple((call.span.source.name, call.span.start, call.span.end) for call in calls)


def _words(path: str) -> frozenset[str]:
    return frozenset(word for word in words(path) if word not in HOMES and word not in _COMMON)


def _called(node: Node, path: str, placed: Mapping[str, Node]) -> str:
    """The name that the spec gives the step, if the layer is the whole step. Letters name wires.

    A parameter that an operator has beside others is called as the operator calls it. What runs again
    in a repeat has the number of the time behind it, `name_2`.
    """
    own = path.removeprefix(f"{node.path}.")
    if own != path and parsed_name(own).bare:
        return own
    if path != node.path or re.fullmatch(rf"{re.escape(node.op.spelling)}\d+", node.name):
        return ""
    name = node.name
    again = re.fullmatch(r"(.+)_\d+", name)
    if again is not None:
        first = placed.get(node.path.removesuffix(name) + again[1])
        name = again[1] if first is not None and first.span == node.span else name
    return name if len(name) > 1 else ""


def _inside(node: Node) -> frozenset[str]:
    """The names that the spec gives the calls around a step. One with a number counts the spec's own."""
    calls = node.call.ancestors() if node.call else ()
    names = (call.component for call in calls if call.component and not call.recurrent)
    return frozenset(name for name in names if len(name) > 1 and not re.search(r"\d", name))


def _kind(graph: Graph, node: Node, path: str) -> str | None:
    if isinstance(node.op, Embedding | Position):
        return node.op.spelling
    if isinstance(node.op, Token):
        before = any(isinstance(reader.op, Token) for reader in graph.consumers[node])
        return None if before else "class"
    if not isinstance(node.op, Attention):
        return None
    said = words(path.removeprefix(node.path))
    return next((p for p, spelt in PROJECTIONS.items() if not {*spelt}.isdisjoint(said)), None)


def _is_gate(graph: Graph, node: Node) -> bool:
    """Whether an activation alone reads it, and a product that."""
    readers = graph.consumers[node]
    if len(readers) != 1 or not isinstance(readers[0].op, Elementwise):
        return False
    return [type(reader.op) for reader in graph.consumers[readers[0]]] == [Mul]


def _own(node: Node, replaced: Collection[str] = ()) -> dict[str, tuple[Tensor, ...]]:
    """The node's tensors by layer: an attention is two, one after the other."""
    found: dict[str, tuple[Tensor, ...]] = {}
    if node.owner != node.path:
        return found
    for weight in node.op.weights(*node.input_types):
        if not weight.known or f"{node.path}.{weight.name}" in replaced:
            parsed = parsed_name(weight.name)
            path = ".".join((node.path, *parsed.components))
            alone = parsed.bare or isinstance(node.op, Parameter)
            shape = plain_bare(weight.shape) if alone else weight.shape
            tensor = Tensor(parsed.role, (f"{node.path}.{weight.name}",), shape)
            found[path] = (*found.get(path, ()), tensor)
    return found


def _pooled(graph: Graph) -> set[Node]:
    """The layers that read a pool, and norms and their like that read one of those."""
    found: set[Node] = set()
    for node in graph.nodes:
        feeders = [value.node for value in node.inputs]
        after = any(isinstance(feeder.op, MaxPool | AvgPool) for feeder in feeders)
        if after or (isinstance(node.op, Elementwise) and not found.isdisjoint(feeders)):
            found.add(node)
    return found

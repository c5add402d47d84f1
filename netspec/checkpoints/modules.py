"""Tensors grouped into layers: a graph's, with how data flows, and a file's, as a tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush
from math import prod

from netspec.checkpoints.files import Shape
from netspec.checkpoints.names import series
from netspec.graph import Graph, Node
from netspec.ops.merge import Add
from netspec.ops.pool import AvgPool, MaxPool

# One thing, spelt by libraries in several ways.
_ROLES = {
    **{"gamma": "weight", "scale": "weight", "kernel": "weight", "weights": "weight"},
    **{"beta": "bias", "biases": "bias", "offset": "bias"},
    **{"moving_mean": "running_mean", "moving_variance": "running_var"},
}
_NOT_WEIGHTS = ("num_batches_tracked",)
_SEPARATORS = re.compile(r"[./]")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a layer: what it is to the layer, its full name, its shape."""

    role: str
    name: str
    shape: Shape


@dataclass(frozen=True)
class Module:
    """The tensors of one layer."""

    name: str
    tensors: tuple[Tensor, ...]

    @cached_property
    def signature(self) -> tuple[tuple[str, Shape], ...]:
        """What tells layers apart: roles and shapes. A 1x1 convolution is a matrix."""
        return tuple(sorted((tensor.role, plain(tensor.shape)) for tensor in self.tensors))


@dataclass(frozen=True)
class Layer(Module):
    """A layer of the graph: which layers feed it, and where it stands."""

    feeds: frozenset[int] = frozenset()
    is_shortcut: bool = False
    after_pool: bool = False
    head: str | None = None


def plain(shape: Shape) -> Shape:
    """The shape without a window of size 1."""
    return shape[:2] if len(shape) > 2 and prod(shape[2:]) == 1 else shape


# --- the graph's


def layers_of(graph: Graph, *, heads: bool) -> list[Layer]:
    """The layers with weights, in the order they run: the net's, or its training-only heads'."""
    shortcuts = _shortcuts(graph)
    numbers: dict[Node, frozenset[int]] = {}
    found: list[Layer] = []
    for node in graph.nodes:
        tensors = _own(node)
        before = frozenset[int]().union(*(numbers[value.node] for value in node.inputs))
        if not tensors or (node.head is not None) != heads:
            numbers[node] = before
            continue
        numbers[node] = frozenset((len(found),))
        pooled = any(isinstance(value.node.op, MaxPool | AvgPool) for value in node.inputs)
        found.append(Layer(node.path, tensors, before, node in shortcuts, pooled, node.head))
    return found


def _own(node: Node) -> tuple[Tensor, ...]:
    if node.owner != node.path:
        return ()
    return tuple(
        Tensor(weight.name, f"{node.path}.{weight.name}", weight.shape)
        for weight in node.op.weights(*node.input_types)
        if weight.kind != "constant"
    )


def _shortcuts(graph: Graph) -> set[Node]:
    """The layers on the shorter of the two ways from a fork to an addition."""
    found: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, Add) and len(node.inputs) == 2:
            first, second = _ways(node.inputs[0].node, node.inputs[1].node)
            short, long = sorted((first, second), key=_weighted)
            if _weighted(short) < _weighted(long):
                found.update(short)
    return found


def _ways(first: Node, second: Node) -> tuple[list[Node], list[Node]]:
    """What leads to one of two nodes only, back to where their ways part."""
    sides = {first: {0}}
    sides.setdefault(second, set()).add(1)
    ways: tuple[list[Node], list[Node]] = ([], [])
    open_ = [(-node.index, node) for node in sides]
    heapify(open_)
    alone = sum(1 for _, node in open_ if len(sides[node]) == 1)
    while open_ and alone:
        _, node = heappop(open_)
        if len(sides[node]) == 1:
            alone -= 1
            ways[min(sides[node])].append(node)
        for value in node.inputs:
            before = sides.get(value.node)
            if before is None:
                sides[value.node] = set(sides[node])
                heappush(open_, (-value.node.index, value.node))
                alone += len(sides[node]) == 1
            elif len(before) == 1 and not sides[node] <= before:
                before |= sides[node]
                alone -= 1
    return ways


def _weighted(nodes: Iterable[Node]) -> int:
    return sum(1 for node in nodes if _own(node))


# --- a file's


@dataclass
class Item:
    """A layer of a file, or a group of layers whose names start alike.

    `label` is its name within its group; `order` is where its first tensor stands in the file.
    """

    label: str
    order: int
    module: Module | None = None
    children: dict[str, Item] = field(default_factory=dict)
    family: int = 0

    @property
    def parts(self) -> list[Item]:
        return list(self.children.values())

    def modules(self) -> Iterator[Module]:
        if self.module is not None:
            yield self.module
        for child in self.children.values():
            yield from child.modules()


def modules_of(tensors: Mapping[str, Shape], wanted: set[Shape]) -> list[Module]:
    """The layers of a file, in file order. `wanted` are the plain shapes that the graph has."""
    grouped: dict[str, list[Tensor]] = {}
    for name, shape in tensors.items():
        *around, leaf = _SEPARATORS.split(name.removesuffix(":0"))
        if leaf not in _NOT_WEIGHTS:
            tensor = Tensor(_ROLES.get(leaf, leaf), name, _as_wanted(shape, wanted))
            grouped.setdefault(".".join(around), []).append(tensor)
    return [Module(name, tuple(found)) for name, found in grouped.items()]


def _as_wanted(shape: Shape, wanted: set[Shape]) -> Shape:
    """A matrix over a flattened map is a convolution over the whole map, and the reverse."""
    if plain(shape) in wanted or len(shape) < 2:
        return shape
    flat = (shape[0], prod(shape[1:]))
    if len(shape) > 2:
        return flat if flat in wanted else shape
    same = [other for other in wanted if len(other) > 2 and (other[0], prod(other[1:])) == flat]
    return same[0] if len(same) == 1 else shape


def tree_of(modules: Iterable[Module]) -> Item:
    """The layers by the components of their names."""
    root = Item("", 0)
    for order, module in enumerate(modules):
        item = root
        components = module.name.split(".") if module.name else []
        for component in components:
            item = item.children.setdefault(component, Item(component, order))
        item.module = module
    return _settled(root)


def _settled(item: Item) -> Item:
    """A group's own layer becomes its first child; a group of one child is that child."""
    children = {name: _settled(child) for name, child in item.children.items()}
    if item.module is not None and children:
        order = min(item.order, *(child.order for child in children.values()))
        children = {"": Item("", item.order, item.module), **children}
        return Item(item.label, order, None, children)
    if len(children) == 1 and item.module is None:
        (child,) = children.values()
        label = ".".join(part for part in (item.label, child.label) if part)
        return Item(label, child.order, child.module, child.children)
    return Item(item.label, item.order, item.module, children)


# What a module lists after what.
_AFTER = {"weight": "bias", "running_mean": "running_var"}


def in_definition_order(tensors: Iterable[str]) -> bool:
    """Whether the file lists tensors as a module defines them, rather than sorted or shuffled.

    A module lists its weight before its bias, everything under one name together, and numbers its
    parts upwards, if with exceptions.
    """
    closed: set[str] = set()
    open_: list[str] = []
    seen: set[str] = set()
    last: dict[str, str] = {}
    up = down = 0
    for name in tensors:
        *around, leaf = _SEPARATORS.split(name.removesuffix(":0"))
        prefixes = [".".join(around[: i + 1]) for i in range(len(around))]
        closed.update(prefix for prefix in open_ if prefix not in prefixes)
        if closed.intersection(prefixes):
            return False
        open_ = prefixes
        module, role = ".".join(around), _ROLES.get(leaf, leaf)
        if f"{module}.{_AFTER.get(role)}" in seen:
            return False
        seen.add(f"{module}.{role}")
        for i, component in enumerate(around):
            parent = ".".join(around[:i])
            step = series(last.get(parent, component), component)
            up, down = up + (step == -1), down + (step == 1)
            last[parent] = component
    return 4 * down <= up

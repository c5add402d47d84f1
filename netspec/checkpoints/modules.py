"""Tensors grouped into layers: a graph's, with how data flows, and a file's, as a tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    **{"moving_mean": "running_mean"},
    **{"moving_variance": "running_var", "moving_var": "running_var"},
}
_COUNTER = "num_batches_tracked"
_SEPARATORS = re.compile(r"[./]")
_ROLE = re.compile(
    r"(?:(?P<layer>.+)_)?(?P<role>weight|bias|gamma|beta|(?:running|moving)_(?:mean|var)"
    r"|moving_variance|num_batches_tracked)\Z"
)
_RECURRENT = re.compile(r"(?:weight|bias)_[ih]h_l\d+")


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
    components: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class _Name:
    """A tensor's name taken apart. `bare`: a parameter that no layer of its own holds."""

    components: tuple[str, ...]
    role: str
    bare: bool = False


def _parsed(name: str) -> _Name:
    """`a.bn.gamma` is the weight of `a.bn`, `conv_weight` of `conv`; `a.token` is a layer."""
    *around, leaf = _SEPARATORS.split(name.removesuffix(":0"))
    if leaf in _ROLES or _RECURRENT.match(leaf):
        return _Name(tuple(around), _ROLES.get(leaf, leaf))
    match = _ROLE.match(leaf)
    if match is None:
        return _Name((*around, leaf), "weight", bare=True)
    inner = (match["layer"],) if match["layer"] else ()
    return _Name((*around, *inner), _ROLES.get(match["role"], match["role"]))


def _parsed_file(names: Iterable[str]) -> dict[str, _Name]:
    """All names of a file; where they have no levels, what underscores part may be levels."""
    found = {name: _parsed(name) for name in names}
    if any(len(parsed.components) > 1 for parsed in found.values()):
        return found
    levels = {
        name: replace(parsed, components=tuple("_".join(parsed.components).split("_")))
        for name, parsed in found.items()
    }
    return levels if _unbroken(parsed.components for parsed in levels.values()) else found


def _unbroken(paths: Iterable[tuple[str, ...]]) -> bool:
    """Whether what is under one name stands together."""
    closed: set[tuple[str, ...]] = set()
    open_: list[tuple[str, ...]] = []
    for path in paths:
        prefixes = [path[: i + 1] for i in range(len(path))]
        closed.update(prefix for prefix in open_ if prefix not in prefixes)
        if closed.intersection(prefixes):
            return False
        open_ = prefixes
    return True


# --- the graph's


def layers_of(graph: Graph, *, heads: bool) -> list[Layer]:
    """The layers with weights, in the order they run: the net's, or its training-only heads'."""
    shortcuts = _shortcuts(graph)
    numbers: dict[Node, frozenset[int]] = {}
    found: list[Layer] = []
    for node in graph.nodes:
        parts = _own(node)
        before = frozenset[int]().union(*(numbers[value.node] for value in node.inputs))
        if (node.head is not None) == heads:
            pooled = any(isinstance(value.node.op, MaxPool | AvgPool) for value in node.inputs)
            for path, tensors in parts.items():
                found.append(Layer(path, tensors, (), before, node in shortcuts, pooled, node.head))
                before = frozenset((len(found) - 1,))
        numbers[node] = before
    return found


def _own(node: Node) -> dict[str, tuple[Tensor, ...]]:
    """The node's tensors by layer: an attention is two, one after the other."""
    found: dict[str, tuple[Tensor, ...]] = {}
    if node.owner != node.path:
        return found
    for weight in node.op.weights(*node.input_types):
        if weight.kind != "constant":
            parsed = _parsed(weight.name)
            path = ".".join((node.path, *parsed.components))
            tensor = Tensor(parsed.role, f"{node.path}.{weight.name}", weight.shape)
            found[path] = (*found.get(path, ()), tensor)
    return found


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
    grouped: dict[tuple[str, ...], list[Tensor]] = {}
    for name, parsed in _parsed_file(tensors).items():
        if parsed.role != _COUNTER:
            shape = _as_wanted(tensors[name], wanted)
            if parsed.bare:
                shape = tuple(size for size in tensors[name] if size != 1)
            grouped.setdefault(parsed.components, []).append(Tensor(parsed.role, name, shape))
    return [
        Module(_common_name(found), tuple(found), components)
        for components, found in grouped.items()
    ]


def _common_name(tensors: list[Tensor]) -> str:
    """The layer's name as the file spells it."""
    first = tensors[0].name.removesuffix(":0")
    return ".".join(_parsed(first).components)


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
        for component in module.components:
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
    names = list(_parsed_file(tensors).values())
    if not _unbroken(parsed.components for parsed in names):
        return False
    seen: set[tuple[tuple[str, ...], str | None]] = set()
    last: dict[tuple[str, ...], str] = {}
    up = down = 0
    for parsed in names:
        path = parsed.components
        if (path, _AFTER.get(parsed.role)) in seen:
            return False
        seen.add((path, parsed.role))
        for i, component in enumerate(path):
            step = series(last.get(path[:i], component), component)
            up, down = up + (step == -1), down + (step == 1)
            last[path[:i]] = component
    return 4 * down <= up

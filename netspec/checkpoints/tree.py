"""A file's layers, as a tree by their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import combinations
from math import prod

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.layers import Module, Tensor, plain, plain_bare
from netspec.checkpoints.names import words
from netspec.checkpoints.parsing import is_counter, parsed_file, parsed_name
from netspec.foundation.records import record


@record(frozen=False, eq=False, slots=False)
class Item:
    """A layer of a file, or a group of layers whose names start alike.

    `label` is its name within its group; `order` is where its first tensor stands in the file;
    `family` is the group it was in before that was taken apart.
    """

    label: str
    order: int
    module: Module | None = None
    children: dict[str, Item] = field(default_factory=dict)
    family: Item | None = None

    @property
    def parts(self) -> list[Item]:
        """What the item holds, in the order of the file."""
        return list(self.children.values())

    def modules(self) -> Iterator[Module]:
        """The modules in the item, its own first, then group by group."""
        if self.module is not None:
            yield self.module
        for child in self.children.values():
            yield from child.modules()


def modules_of(tensors: Mapping[str, Shape], wanted: Collection[Shape]) -> list[Module]:
    """The layers of a file, in file order. `wanted` are the shapes that the graph has."""
    ranks: dict[Shape, set[int]] = {}
    for shape in wanted:
        ranks.setdefault(plain(shape), set()).add(len(shape))
    grouped: dict[tuple[str, ...], list[Tensor]] = {}
    for name, parsed in parsed_file(tensors).items():
        if not is_counter(name):
            shape = _as_wanted(tensors[name], ranks)
            if parsed.bare:
                shape = _bare(tensors[name], ranks)
            grouped.setdefault(parsed.components, []).append(Tensor(parsed.role, (name,), shape))
    return [
        Module(_common_name(found), tuple(found), components)
        for components, found in grouped.items()
    ]


def _common_name(tensors: list[Tensor]) -> str:
    """The layer's name as the file spells it."""
    first = tensors[0].name.removesuffix(":0")
    return ".".join(parsed_name(first).components)


def _bare(shape: Shape, wanted: Collection[Shape]) -> Shape:
    """A table over the places of a map, channels last, is one over places in a row."""
    found = plain_bare(shape)
    in_a_row = (prod(found[:-1]), *found[-1:])
    return in_a_row if found not in wanted and in_a_row in wanted else found


def _as_wanted(shape: Shape, wanted: Mapping[Shape, Collection[int]]) -> Shape:
    """A matrix over a flattened map is a convolution over the whole map, and the reverse; a vector may
    have axes of size 1 around it, as a layer scale that is written for maps: it is no kernel of another
    rank. `wanted` has the ranks by plain shape.
    """
    if len(shape) < 2:
        return shape
    vector = (max(shape),) if prod(shape) == max(shape) else None
    ranks = wanted.get(plain(shape), ())
    if ranks and (vector is None or {2, len(shape)} & set(ranks) or len(shape) == 2):
        return shape
    if vector is not None and vector in wanted:
        return vector
    if ranks:
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


def copies_of(modules: Sequence[Module]) -> tuple[str, str] | None:
    """Two of a file's layers whose names, without levels, can be read in two ways.

    Where all that ends in one number is there again, of the same shapes, with another, as in
    `conv_a_1`, `conv_b_1`, `conv_a_2`, `conv_b_2`, the last number may count copies of a whole. Of
    `conv1`, `bn1`, `conv2`, `bn2` both readings are the same.
    """
    ends: dict[str, dict[str, Module]] = {}
    for module in modules:
        if len(module.tensors[0].names[0].split(".")) > 2 or "/" in module.name:
            return None
        stem = module.name.rstrip("0123456789")
        if stem != module.name:
            ends.setdefault(module.name.removeprefix(stem), {})[stem] = module
    for first, second in combinations(ends.values(), 2):
        kinds = {words(stem)[0] if words(stem) else stem for stem in first}
        if len(first) < 3 or first.keys() != second.keys() or len(kinds) == len(first):
            continue
        if all(first[stem].signature == second[stem].signature for stem in first):
            stem = next(iter(first))
            return first[stem].name, second[stem].name
    return None

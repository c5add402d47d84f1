"""From a graph and the shapes in a file to which tensor is which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from types import MappingProxyType

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.function import Functions
from netspec.checkpoints.layers import Layer, Module, Signature, layers_of, plain, plain_bare
from netspec.checkpoints.layout import as_torch, is_outputs_last, turns_of
from netspec.checkpoints.parsing import in_definition_order, is_counter
from netspec.checkpoints.plan import Misfit, Plan
from netspec.checkpoints.projections import joined
from netspec.checkpoints.structure.arrange import Doubt, Identity, Match, arrange
from netspec.checkpoints.tree import Item, modules_of, tree_of
from netspec.graph.checked import Graph

# How many pairs of one shape are aligned at most: that takes time with their number to the power 1.5.
_PAIRS = 100_000
_AUXILIARY = re.compile(r"aux", re.IGNORECASE)


def by_name(wanted: Mapping[str, Shape], file: Mapping[str, Shape], heads: set[str]) -> Plan:
    """The tensors that have the graph's own names. `heads` are those the net can do without."""
    plan = Plan()
    for name, shape in wanted.items():
        if name not in file:
            if name not in heads:
                plan.missing.append(name)
        elif file[name] != shape:
            plan.misshaped.append(Misfit(name, name, shape, file[name]))
        else:
            plan.pair(name, (name,), "name")
    for name in file:
        if name not in wanted and not is_counter(name):
            training_only = any(map(_AUXILIARY.match, name.split(".")))
            (plan.training_only if training_only else plan.surplus).append(name)
    return plan


def by_structure(
    graph: Graph,
    file: Mapping[str, Shape],
    settled: Mapping[str, tuple[str, ...]],
    layout: str | None = None,
    named: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    replaced: Collection[str] = (),
) -> Plan:
    """Layers matched by shape, place and name tree. `settled` are taken by a map, `named` by name.

    Whole layers that a map settles take part in the search, where what they say counts for others
    too; if nothing fits then, they are left out of it, as what else is settled.

    `layout` is the file's, `torch` or `keras`; by default shapes tell it. `replaced` are tensors that
    the net says itself and takes from this file. Raises NetspecError where shapes do not tell.
    """
    layers = layers_of(graph, heads=False, replaced=replaced)
    whole = _whole(layers, file, settled) if settled else frozenset()
    if whole:
        names = {layer for layer, _ in whole}
        rest = {n: parts for n, parts in settled.items() if n.rpartition(".")[0] not in names}
        plan = _by_structure(graph, layers, file, rest, layout, named, whole)
        if not plan.missing and not plan.surplus and plan.pairs:
            return plan
    return _by_structure(graph, layers, file, settled, layout, named, frozenset())


def _whole(
    layers: Iterable[Layer], file: Mapping[str, Shape], settled: Mapping[str, tuple[str, ...]]
) -> frozenset[tuple[str, str]]:
    """Layers of the graph all of whose tensors a map takes from one layer of the file, all of it."""
    theirs: dict[str, set[str]] = {}
    for name in file:
        theirs.setdefault(name.rpartition(".")[0], set()).add(name)
    found = set()
    for layer in layers:
        parts = [settled.get(tensor.name, ()) for tensor in layer.tensors]
        names = {part[0] for part in parts if len(part) == 1}
        module = next(iter(names), "").rpartition(".")[0]
        tensors = {name for name in theirs.get(module, ()) if not is_counter(name)}
        if all(len(part) == 1 for part in parts) and names == tensors:
            found.add((layer.name, module))
    return frozenset(found)


def _by_structure(
    graph: Graph,
    all_layers: list[Layer],
    file: Mapping[str, Shape],
    settled: Mapping[str, tuple[str, ...]],
    layout: str | None,
    named: Mapping[str, tuple[str, ...]],
    whole: frozenset[tuple[str, str]],
) -> Plan:
    known = {**named, **settled}
    taken = {name for parts in known.values() for name in parts}
    left = {name: shape for name, shape in file.items() if name not in taken}
    layers = _unsettled(all_layers, known)
    heads = _unsettled(layers_of(graph, heads=True), known)
    plan = Plan()
    if is_outputs_last(graph, left, [*layers, *heads], layout):
        plan.turns = turns_of(graph)
        left = as_torch(left, [*layers, *heads])
    for ours, parts in known.items():
        plan.pair(ours, parts, "map" if ours in settled else "name")
    wanted = {tensor.shape for layer in (*layers, *heads) for tensor in layer.tensors}
    signatures = Counter(layer.signature for layer in (*layers, *heads))
    modules = _parameters(joined(modules_of(left, wanted), signatures), signatures)
    trusted = in_definition_order(file)
    identity = _identity(graph, plan)
    own = Counter(layer.signature for layer in layers)
    modules = _heads(plan, modules, heads, own, trusted, identity)
    kept_layers, kept_modules = _common(layers, modules)
    found = _arranged(plan, kept_layers, tree_of(kept_modules), trusted, identity, whole)
    matched = {match.layer.name for match in found}, {match.module.name for match in found}
    if plan.doubts:  # They have their places, though not which.
        matched = {layer.name for layer in kept_layers}, {module.name for module in kept_modules}
    _left_over(
        plan,
        [layer for layer in layers if layer.name not in matched[0]],
        [module for module in modules if module.name not in matched[1]],
    )
    return plan


def _parameters(modules: Iterable[Module], wanted: Counter[Signature]) -> list[Module]:
    """The layers; what is called a bias of nothing is a parameter, where the net has such: `dt_bias`."""
    found = []
    for module in modules:
        if len(module.tensors) == 1 and module.tensors[0].role == "bias":
            (tensor,) = module.tensors
            alone = replace(tensor, role="weight", shape=plain_bare(tensor.shape))
            components = (*module.components[:-1], re.split("[./]", tensor.name)[-1])
            bare = Module(tensor.name, (alone,), components)
            if bare.signature in wanted and module.signature not in wanted:
                module = bare
        found.append(module)
    return found


def _identity(graph: Graph, plan: Plan) -> Identity:
    """Tells functions of the graph apart by the layers of the file that its layers are."""
    functions = Functions(graph)
    settled: dict[str, object] = {pair.ours: pair.parts for pair in plan.pairs}

    def identity(pairs: Iterable[tuple[Layer, Module]]) -> int:
        taken = dict(settled)
        for layer, module in pairs:
            theirs = {tensor.role: tensor.names for tensor in module.tensors}
            taken |= {tensor.name: theirs[tensor.role] for tensor in layer.tensors}
        return functions.number(taken)

    return identity


def _arranged(
    plan: Plan,
    layers: list[Layer],
    root: Item,
    trusted: bool,
    identity: Identity,
    whole: frozenset[tuple[str, str]] = frozenset(),
) -> list[Match]:
    """Takes the layers' matches into the plan, or what is in doubt of them."""
    if not layers:
        return []
    found = arrange(layers, root, trusted, identity, whole)
    plan.take(found.matches)
    plan.doubts.extend(found.doubts)
    plan.settling.update(found.settling)
    if not found.matches and not found.doubts:
        names = (f"{len(layers)} layers of the same shapes in no order that fits",)
        plan.doubts.append(Doubt(layers[0], names))
    return list(found.matches)


def _unsettled(layers: list[Layer], settled: Container[str]) -> list[Layer]:
    """The layers without those that a map of names settles, numbered anew."""
    kept = [
        i for i, layer in enumerate(layers) if not all(t.name in settled for t in layer.tensors)
    ]
    return _renumbered(layers, kept)


def _renumbered(layers: list[Layer], kept: list[int]) -> list[Layer]:
    """Some of the layers; what fed one that is gone feeds what it fed."""
    numbers = {index: i for i, index in enumerate(kept)}
    through: dict[int, frozenset[int]] = {}
    for index, layer in enumerate(layers):
        feeds = frozenset[int]().union(*(through[i] for i in layer.feeds))
        through[index] = frozenset((numbers[index],)) if index in numbers else feeds
    found = []
    for index in kept:
        layer = layers[index]
        feeds = frozenset[int]().union(*(through[i] for i in layer.feeds))
        found.append(replace(layer, feeds=feeds))
    return found


# --- training-only heads


def _heads(
    plan: Plan,
    modules: list[Module],
    heads: list[Layer],
    wanted: Counter[Signature],
    trusted: bool,
    identity: Identity,
) -> list[Module]:
    """Matches training-only heads with the groups that look like them; returns the other modules.

    Groups called `aux...` that the graph has no head for are left out as training-only too, where the
    rest of the net, which has the `wanted` ones, has no use for them.
    """
    by_head: dict[str, list[int]] = {}
    for i, layer in enumerate(heads):
        by_head.setdefault(str(layer.head), []).append(i)
    groups = _groups(tree_of(modules), "")
    gone: set[str] = set()
    for name, indices in by_head.items():
        own = _renumbered(heads, indices)
        shapes = Counter(layer.signature for layer in own)
        same = [
            (path, group)
            for path, group in groups
            if Counter(m.signature for m in group.modules()) == shapes
            and not gone.intersection(m.name for m in group.modules())
        ]
        same.sort(key=lambda pair: (not _AUXILIARY.search(pair[0]), pair[0] != name))
        if same:
            found = _arranged(plan, own, same[0][1], trusted, identity)
            gone.update(match.module.name for match in found)
    for path, group in groups:
        if any(map(_AUXILIARY.match, path.split("."))):
            unused = [module for module in group.modules() if module.name not in gone]
            left = Counter(module.signature for module in modules if module.name not in gone)
            if all(left[module.signature] <= wanted[module.signature] for module in unused):
                continue
            plan.training_only.extend(_names(unused))
            gone.update(module.name for module in unused)
    return [module for module in modules if module.name not in gone]


def _groups(item: Item, path: str) -> list[tuple[str, Item]]:
    found = []
    for child in item.parts:
        inner = ".".join(part for part in (path, child.label) if part)
        found.append((inner, child))
        found.extend(_groups(child, inner))
    return found


# --- what both sides have


def _common(layers: list[Layer], modules: list[Module]) -> tuple[list[Layer], list[Module]]:
    """The layers and modules of shapes that both sides have, as many of each.

    Where one side has more of a shape, those that fall into place between their neighbours stay; of
    too many of one shape, none.
    """
    ours = Counter(layer.signature for layer in layers)
    theirs = Counter(module.signature for module in modules)
    layer_places = [i for i, layer in enumerate(layers) if layer.signature in theirs]
    module_places = [i for i, module in enumerate(modules) if module.signature in ours]
    uneven = {s for s in ours if s in theirs and ours[s] != theirs[s]}
    if uneven:
        first = [layers[i].signature for i in layer_places]
        second = [modules[i].signature for i in module_places]
        blocks = []
        if sum(ours[s] * theirs[s] for s in ours) <= _PAIRS:
            blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
        for places, starts, signatures in (
            (layer_places, [(b.a, b.size) for b in blocks], first),
            (module_places, [(b.b, b.size) for b in blocks], second),
        ):
            aligned = {i for start, size in starts for i in range(start, start + size)}
            places[:] = [
                place
                for i, place in enumerate(places)
                if i in aligned or signatures[i] not in uneven
            ]
    return _renumbered(layers, layer_places), [modules[i] for i in module_places]


def _left_over(plan: Plan, layers: list[Layer], modules: list[Module]) -> None:
    """Reports what was not matched; two layers with the same kinds of tensors are misshaped."""
    rest = list(modules)
    for layer in layers:
        kinds = _kinds(layer)
        other = next((module for module in rest if _kinds(module) == kinds), None)
        if other is None:
            plan.missing.extend(tensor.name for tensor in layer.tensors)
            continue
        rest.remove(other)
        shapes = {tensor.role: tensor for tensor in other.tensors}
        for tensor in layer.tensors:
            found = shapes[tensor.role]
            if plain(found.shape) == plain(tensor.shape):
                continue
            plan.misshaped.append(Misfit(tensor.name, found.name, tensor.shape, found.shape))
    plan.surplus.extend(_names(rest))


def _names(modules: Iterable[Module]) -> list[str]:
    return [name for module in modules for tensor in module.tensors for name in tensor.names]


def _kinds(module: Module) -> frozenset[tuple[str, int]]:
    return frozenset((tensor.role, len(tensor.shape)) for tensor in module.tensors)

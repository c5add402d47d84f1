"""Checkpoints of random networks, made without netspec, and what netspec makes of them.

`case(seed)` is a network as a spec and as a module of plain PyTorch, with the module's tensors under
a library's names in the order of a file. `judge` loads the file into the spec and compares outputs.

Files are made such that names, order and shapes together say which layer is which: layers of one
shape are listed in the spec's order, unless names say what they are, and a file that is sorted or
shuffled has a layer whose tensors stand as no module lists them. Now and then a shortcut is listed
before what it goes around though nothing else says that it is one: such a file may be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import safetensors.numpy
import torch
from support.generated_layers import Group, Plain, fill, layers
from support.generated_libraries import NAMES, flat_names, scheme
from support.generated_names import Scheme, places
from support.generated_nets import FAMILIES, Net, network
from support.generated_order import RULES, Place, readable
from support.generated_tensors import keras, tensors_of
from support.generated_text import Writer
from torch import Tensor

import netspec
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.weights.sources import named_weights

TOLERANCE = 1e-4
ORDERS = ("definition", "sorted", "shuffled")


@dataclass
class Case:
    """A network in both forms and its checkpoint.

    `stored` has the file's names for each layer's tensors, by the layer's `id`. `rule` is how the
    library lists layers where that is not as they run; `readable`, whether layers of one shape are
    in the spec's order all the same.
    """

    seed: int
    family: str
    spec: str
    module: Plain
    tree: Group
    inputs: list[Tensor]
    tensors: list[tuple[str, Tensor]]
    stored: dict[int, dict[str, list[str]]]
    scheme: str
    order: str
    container: str
    rule: str
    readable: bool


def case(seed: int, family: str = "", scheme_name: str = "") -> Case:
    """The case of a seed; the same for the same arguments. Orders take turns from seed to seed."""
    random = Random(f"checkpoint {seed}")
    picked = random.choice(FAMILIES), random.choice(NAMES)
    family, scheme_name = family or picked[0], scheme_name or picked[1]
    order = ORDERS[seed % len(ORDERS)]
    net = network(family, random)
    text = Writer(net.normed, random).write(net.tree, net.inputs)
    module = Plain(net.tree).eval()
    generator = torch.Generator().manual_seed(seed)
    fill(module, generator)
    images = [
        torch.randn(2, *map(int, size.split("x")), generator=generator) for size in net.inputs
    ]
    for gain in (1.4, 2.0, 3.0, 4.0, 6.0):
        if moved(module, images) >= 100 * TOLERANCE:
            break
        fill(module, generator, gain)
    naming = scheme(scheme_name, random)
    rule = random.choice(RULES) if random.random() < 0.15 else ""
    found, names, rule, plain = _named(net, naming, rule, random)
    tensors, stored = _tensors(module, naming, found, names, random)
    assert len({name for name, _ in tensors}) == len(tensors), [name for name, _ in tensors]
    # safetensors files sort by themselves.
    container = random.choice(["npz", "pt", *["safetensors"] * 2 * (order == "sorted")])
    tensors = _ordered(tensors, order, random)
    return Case(seed, family, text, module, net.tree, images, tensors, stored,
                scheme_name, order, container, rule, plain)  # fmt: skip


def moved(module: Plain, inputs: list[Tensor]) -> float:
    """How far other inputs move an answer, of its norm; where little, an exchange of layers may not show."""
    with torch.no_grad():
        answer, other = module(*inputs), module(*(-each for each in inputs))
    return float((answer - other).abs().max() / answer.norm())


def _named(
    net: Net, naming: Scheme, rule: str, random: Random
) -> tuple[list[Place], list[str], str, bool]:
    """The layers as listed with their names; by the spec's order where another could not be read."""
    flat, plain = "unit" in naming.inlined, True

    def can_be_read(found: list[Place]) -> bool:
        return readable(net.tree, found, nested=not flat, telling=naming.telling)

    for attempt in (rule, ""):
        found = places(naming, net.tree, attempt)
        if can_be_read(found):
            break
        if attempt == "shortcut_first" and can_be_read(places(naming, net.tree, "")):
            plain = random.random() < 0.5
            if not plain:
                break
        if not attempt:
            # The spec lists branches the other way round: the library does as the spec.
            _straighten(net.tree)
            found = places(naming, net.tree, "")
            attempt = "as the spec"
    names = flat_names(naming.name, found, random) if flat else [naming.join(p) for p in found]
    return found, names, attempt, plain


def _straighten(group: Group) -> None:
    """Lists branches as the spec does; what they compute is the same."""
    group.parts, group.written = group.in_text, group.written.replace("reversed", "branches")
    for part in group.parts:
        if isinstance(part, Group):
            _straighten(part)


def _tensors(
    module: Plain, naming: Scheme, found: list[Place], names: list[str], random: Random
) -> tuple[list[tuple[str, Tensor]], dict[int, dict[str, list[str]]]]:
    """The file's tensors in the order of definition, and which are whose."""
    counters, suffix = random.random() < 0.5, random.choice(["", ":0"])
    tensors: list[tuple[str, Tensor]] = []
    stored: dict[int, dict[str, list[str]]] = {}
    for place, name in zip(found, names, strict=True):
        layer = place.layer
        held = tensors_of(layer, module.layer(layer), naming.name, naming.attention)
        for tensor in held:
            if tensor.leaf == "num_batches_tracked" and (naming.keras or not counters):
                continue
            kept = keras(layer, tensor, suffix) if naming.keras else tensor
            tensors.append((name + kept.end, kept.tensor))
            stored.setdefault(id(layer), {}).setdefault(tensor.leaf, []).append(name + kept.end)
    return tensors, stored


def _ordered(
    tensors: list[tuple[str, Tensor]], order: str, random: Random
) -> list[tuple[str, Tensor]]:
    """The tensors as a file lists them. Shuffled ones do not look like a module's."""
    if order == "sorted":
        return sorted(tensors, key=lambda pair: pair[0])
    if order == "shuffled":
        for _ in range(20):
            tensors = random.sample(tensors, len(tensors))
            owners = [re.split(r"[./][^./]+\Z", name)[0] for name, _ in tensors]
            runs = sum(a != b for a, b in pairwise(owners)) + 1
            if runs > len(set(owners)):
                break
    return tensors


@dataclass
class Outcome:
    """What became of a case: `right`, `refused` with the code of the message, or `wrong`."""

    kind: str
    detail: str = ""


def judge(case: Case, folder: Path, *, mapped: bool = False) -> Outcome:
    """Loads the case's file into its spec and compares what both answer; `mapped`, by a full map."""
    net = netspec.load(case.spec)
    with torch.no_grad():
        expected = case.module(*case.inputs)
    mapping = None
    if mapped:
        weights = named_weights(net.graph).items()
        mapping = right_map(case, [name for name, held in weights if not held.known])
    path = saved(case, folder)
    try:
        loaded = load(path, net.graph, mapping=mapping)
        module = to_module(net.graph, loaded.source).eval()
        with torch.no_grad():
            found = module(*case.inputs)
    except NetspecError as error:
        return Outcome("refused", error.diagnostics[0].code)
    except Exception as error:  # whatever else ends a load is a fault of the loader
        return Outcome("wrong", f"{type(error).__name__}: {error}")
    finally:
        path.unlink()
    off = float((found - expected).abs().max() / expected.norm())
    return (
        Outcome("right") if off <= TOLERANCE else Outcome("wrong", f"outputs differ by {off:.1g}")
    )


def saved(case: Case, folder: Path) -> Path:
    """Writes the case's file."""
    path = folder / f"{case.seed}.{case.container}"
    if case.container == "pt":
        torch.save(dict(case.tensors), path)
        return path
    arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in case.tensors}
    if case.container == "npz":
        np.savez(path, **arrays)
    else:
        safetensors.numpy.save_file(arrays, path)
    return path


def right_map(case: Case, ours: Iterable[str]) -> dict[str, str | list[str]]:
    """The full map of netspec's tensors, in the order of the spec, to the file's."""
    grouped: dict[str, list[str]] = {}
    for name in ours:
        grouped.setdefault(name.rpartition(".")[0].removesuffix(".out_proj"), []).append(name)
    found: dict[str, str | list[str]] = {}
    for layer, names in zip(layers(case.tree, text=True), grouped.values(), strict=True):
        stored = case.stored[id(layer)]
        for name in names:
            leaf = name.rpartition(".")[2]
            leaf = f"out_proj.{leaf}" if ".out_proj." in name else leaf
            found[name] = stored[leaf][0] if len(stored[leaf]) == 1 else stored[leaf]
    return found

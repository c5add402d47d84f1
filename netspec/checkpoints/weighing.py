"""What speaks against an order of a file's layers, and what remains in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from netspec.checkpoints.layers import Layer, Module
from netspec.checkpoints.names import series
from netspec.checkpoints.tree import Item
from netspec.foundation.records import record


@record
class Match:
    """A layer of the file for a layer of the graph; `how` is `shape`, `order` or `words`."""

    layer: Layer
    module: Module
    how: str


@record
class Doubt:
    """Layers of the file that could all stand where the graph has `layer`."""

    layer: Layer
    candidates: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Looseness:
    """What speaks against an order, the gravest first.

    `entered`: how often it enters groups. `torn`: norms in another group than what they follow.
    `down`: steps back in the file, or in a series of names. `alone`: layers that nothing of their
    own child feeds (one in each if it is a chain). `touched`: layers that something else feeds.
    """

    entered: int
    torn: int
    down: int
    alone: int
    touched: int


def looseness(
    layers: Sequence[Layer], start: int, children: Sequence[Sequence[Item]], trusted: bool
) -> Looseness:
    """Of children of a group placed one after another from `start` on, each as its layers in turn.

    `trusted`: the file is in order of definition.
    """
    items = [item for child in children for item in child]
    paths = [item.module.components for item in items if item.module is not None]
    entered = sum(len(b) - _common_length(a, b) for a, b in pairwise(paths))
    torn = sum(
        layers[i].is_norm and _common_length(a[:-1], b[:-1]) < max(len(a), len(b)) - 1
        for i, (a, b) in enumerate(pairwise(paths), start + 1)
    )
    alone = touched = 0
    first = start
    for child in children:
        end = first + len(child)
        for layer in layers[first:end]:
            own = {index for index in layer.feeds if first <= index < end}
            alone += not own
            touched += own != layer.feeds
        first = end
    return Looseness(entered, torn, _steps_back(items, trusted), alone, touched)


def _steps_back(items: Sequence[Item], trusted: bool) -> int:
    """How often a group's next child comes before its last in the file, or in a series."""
    down = 0
    last: dict[tuple[str, ...], tuple[str, int]] = {}
    for item in items:
        assert item.module is not None
        path = item.module.components
        for i, component in enumerate(path):
            label, order = last.get(path[:i], (component, item.order))
            if label != component:
                down += order > item.order if trusted else series(label, component) == 1
            last[path[:i]] = component, item.order
    return down


def torn_pairs(matches: Sequence[Match]) -> list[Doubt]:
    """Norms that the file keeps farther from their convolution than another like them."""
    norms: dict[object, list[Module]] = {}
    for match in matches:
        if match.layer.is_norm:
            norms.setdefault(match.layer.signature, []).append(match.module)
    found = []
    for index, match in enumerate(matches):
        if not match.layer.is_norm or match.layer.feeds != {index - 1}:
            continue
        feeder, module = matches[index - 1].module, match.module
        rivals = norms[match.layer.signature]
        nearest = max(rivals, key=lambda rival: _shared(feeder, rival))
        if _shared(feeder, nearest) > _shared(feeder, module):
            found.append(Doubt(match.layer, (module.name, nearest.name)))
    return found


def _shared(first: Module, second: Module) -> int:
    """How many leading components of their groups two layers share."""
    return _common_length(first.components[:-1], second.components[:-1])


def _common_length(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

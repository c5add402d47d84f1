"""A large net at a smaller input: the same layers with the same weights on fewer positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.foundation.records import record
from netspec.sizes.batch import SAMPLES

if TYPE_CHECKING:
    from netspec.graph.checked import Graph, Node

# Multiply-adds of a sample above which a smaller input is looked for: about half a minute of work.
LARGE = 40e9
# Multiply-adds of a sample above which a verification can take more than a minute on two cores.
SLOW = 20e9
# The smaller input has at least this many positions along each axis.
_LEAST = 64


@record
class Reduced:
    """A net at a smaller input, and what was changed: `1x188x188 instead of 1x572x572`."""

    graph: Graph
    change: str


def multiply_adds(graph: Graph) -> int:
    """Those of one sample; 0 where a size is a symbol, since a small one is then chosen."""
    from netspec.analysis.costs import costs

    macs = costs(graph).macs
    return macs if isinstance(macs, int) else 0


def reduced(graph: Graph, above: float | None = None) -> Reduced | None:
    """A large net at the smallest legal image of at least 64x64; None where it has no smaller one.

    Large is one of more multiply-adds of a sample than `above`, `LARGE` by default.

    Every layer, weight and window stays; only the number of positions changes. Where a weight
    depends on the input's size, as that of a fully connected layer on a map does, there is none.
    """
    from netspec.diagnostics.raised import NetspecError

    images = [node for node in graph.inputs if _is_image(node)]
    if multiply_adds(graph) <= (LARGE if above is None else above) or not images:
        return None
    try:
        free = _at(graph, images, "H", "W")
        sizes = free.legality.example(_LEAST)
        if sizes is None or min(sizes.values()) < _LEAST:
            return None
        height, width = sizes["H"], sizes["W"]
        if any(max(height, width) >= min(_plane(node)) for node in images):
            return None
        small = _at(graph, images, height, width)
    except NetspecError:
        return None
    if not _same_layers(graph, small):
        return None
    changes = [
        f"{now.types[0]} instead of {before.types[0]}"
        for before, now in zip(graph.inputs, small.inputs, strict=True)
        if before.types != now.types
    ]
    return Reduced(small, ", ".join(changes))


def _is_image(node: Node) -> bool:
    tensor = node.types[0]
    return tensor.batch == SAMPLES and tensor.ids is None and len(tensor.shape) == 3


def _plane(node: Node) -> tuple[int, ...]:
    return tuple(size for size in node.types[0].shape[1:] if isinstance(size, int)) or (0,)


def _at(graph: Graph, images: list[Node], height: int | str, width: int | str) -> Graph:
    """The same spec with the same settings and other images."""
    from netspec.elaborate.build import build

    inputs = tuple(f"{node.path}:{node.types[0].shape[0]}x{height}x{width}" for node in images)
    return build(graph.source, dict(graph.parameters), inputs, mend=False)


def _same_layers(one: Graph, other: Graph) -> bool:
    from netspec.weights.sources import named_weights

    def weights(graph: Graph) -> dict[str, tuple[int, ...]]:
        return {name: weight.shape for name, weight in named_weights(graph).items()}

    def steps(graph: Graph) -> list[tuple[str, str]]:
        return [(node.path, repr(node.op)) for node in graph.nodes]

    return weights(one) == weights(other) and steps(one) == steps(other)

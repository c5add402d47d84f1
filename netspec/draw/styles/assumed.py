"""The numbers that a picture is drawn with or tells figures for, where sizes of a net are open."""

from __future__ import annotations

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.graph.written import input_sizes
from netspec.sizes.dims import Dim, substitute
from netspec.sizes.shapes import TensorType

# From the first on sizes are doubled until no map that they change is smaller than 7, as the last
# one of most classifiers.
_FIRST, _DOUBLINGS, _LEAST = 64, 12, 7


class Assumed:
    """Numbers for the sizes of a net; `sizes` are those of its open symbols.

    They are legal ones, large enough for what follows strides and pools. Raises NetspecError where
    none is known to be legal.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.sizes: dict[str, int] = _chosen(graph) if graph.symbols else {}
        self._known = {**graph.nominal_sizes, **self.sizes}

    def number(self, dim: Dim) -> int:
        """A size as a number."""
        found = substitute(dim, self._known)
        if not isinstance(found, int):
            raise _unknown(self._graph, str(dim))
        return found

    def shape(self, kind: TensorType) -> tuple[int, ...]:
        """The sizes of a tensor as numbers."""
        return tuple(map(self.number, kind.shape))

    @property
    def words(self) -> str:
        """What was assumed; nothing where no size is open."""
        return ", ".join(f"{name} = {size}" for name, size in self.sizes.items())


def _sized(graph: Graph) -> str:
    """How the command line is given such numbers for the inputs whose sizes are open: `--input 64`."""
    assumed = Assumed(graph)
    open_ones = [n for n in graph.inputs if not all(isinstance(s, int) for s in n.types[0].shape)]
    return " ".join(
        f"--input {'' if node.path == 'input' else f'{node.path}:'}"
        f"{input_sizes([*map(str, assumed.shape(node.types[0]))])}"
        for node in open_ones
    )


def is_counted(graph: Graph) -> bool:
    """Whether the multiply-adds of a net are a number, as what is to scale needs."""
    return isinstance(costs(graph).macs, int)


def uncounted(graph: Graph) -> NetspecError:
    """The error for a net whose multiply-adds are a formula, with sizes that make them a number."""
    reason = f"the multiply-adds of {graph.name} are a formula, {costs(graph).macs}"
    return NetspecError(CannotDraw(reason, f"give sizes: {_sized(graph)}"))


def _chosen(graph: Graph) -> dict[str, int]:
    every = {dim for node in graph.nodes for kind in node.types for dim in kind.spatial}
    changing = [dim for dim in every if not isinstance(dim, int)]
    found: dict[str, int] | None = None
    for i in range(_DOUBLINGS):
        tried = graph.legality.example(_FIRST << i)
        if tried is None or tried == found:
            continue
        found = tried
        sizes = [substitute(dim, {**graph.nominal_sizes, **found}) for dim in changing]
        if all(size >= _LEAST for size in sizes if isinstance(size, int)):
            break
    if found is None:
        raise _unknown(graph, ", ".join(graph.symbols))
    return found


def _unknown(graph: Graph, what: str) -> NetspecError:
    reason = (
        f"what is to scale needs numbers, and no legal size is known for {what} of {graph.name}"
    )
    return NetspecError(CannotDraw(reason, "give --input, or draw it with --style fold"))

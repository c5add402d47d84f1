"""PyTorch in double precision, and in that of a file, against ONNX Runtime, value by value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from netspec.backends.torch.modules import to_module
from netspec.graph.checked import Graph, Node, Value
from netspec.verify.numbers import announce, error, outputs, results
from netspec.verify.report import Case
from netspec.verify.tolerance import HALF, SINGLE, Tolerance, in_half

if TYPE_CHECKING:
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]

_Key = TypeVar("_Key")
# How often inputs are nudged, to see what rounding does to a net.
_NUDGES = 2


class Reference:
    """The net in PyTorch, in single and in double precision, with the same weights.

    `rounded` is the net in the precision that a file is held to: single, or double that is rounded to
    half. `reached` is called with the path of each layer that starts to run.
    """

    def __init__(
        self,
        graph: Graph,
        source: WeightSource,
        reached: Callable[[str], None] | None = None,
        limits: Tolerance = SINGLE,
    ) -> None:
        self.graph, self.limits = graph, limits
        self.single = to_module(graph, source).eval()
        self.double = copy.deepcopy(self.single).double()
        self.rounded, self._dtype = self.single, torch.float32
        if limits == HALF:
            self.rounded, self._dtype = in_half(copy.deepcopy(self.double), graph), torch.float64
        if reached is not None:
            announce(self.single, graph, reached)
            announce(self.double, graph, reached)

    def values(
        self, inputs: Mapping[str, Array], nodes: Iterable[Node]
    ) -> tuple[dict[Value, Array], dict[Value, Array]]:
        """What the nodes compute, in double precision and rounded."""
        wanted = list(nodes)
        return (
            _recorded(self.double, self.graph, inputs, wanted),
            _recorded(self.rounded, self.graph, inputs, wanted),
        )

    def part(
        self, nodes: Sequence[Node], values: Mapping[Value, Array]
    ) -> tuple[list[Array], list[Array]]:
        """What the last of some nodes gives, in double precision and rounded.

        They are in the order in which they run; what they read is another's of them, or given.
        """
        double = self._run(self.double, torch.float64, nodes, values)
        return double, self._run(self.rounded, self._dtype, nodes, values)

    def nudged_part(
        self, nodes: Sequence[Node], values: Mapping[Value, Array]
    ) -> Iterator[list[Array]]:
        """What the last of some nodes gives in double precision of values a few roundings away.

        A runtime may hand a layer what the one before computed, and round only what it shows.
        """
        for number in range(_NUDGES):
            nudged = _nudged(values, number, self.limits.nudge)
            yield self._run(self.double, torch.float64, nodes, nudged)

    def _run(
        self,
        module: Any,
        dtype: torch.dtype,
        nodes: Sequence[Node],
        values: Mapping[Value, Array],
    ) -> list[Array]:
        own = {value for node in nodes for value in node.outputs}
        read = {value for node in nodes for value in node.inputs} - own
        given = {value: torch.from_numpy(values[value]) for value in read}
        tensors = {v: t.to(dtype) if t.is_floating_point() else t for v, t in given.items()}
        many: Sequence[Any] = ()
        for node in nodes:
            with torch.no_grad():
                result = module.get_submodule(node.path)(*(tensors[v] for v in node.inputs))
            many = result if isinstance(result, tuple | list) else (result,)
            tensors |= zip(node.outputs, many, strict=False)
        return [tensor.numpy() for tensor in many if tensor is not None]

    def cases(
        self,
        found: Mapping[str, Array],
        inputs: Mapping[str, Array],
        batch: int,
        seed: int,
    ) -> list[Case]:
        """One case for each output.

        One rounding may spare what another moves, as where two nearly equal numbers compete for a
        maximum: before a file is blamed, the inputs are nudged to see how far rounding can go.
        """
        double = outputs(self.double, self.graph, inputs)
        roundings = [outputs(self.rounded, self.graph, inputs)]

        def compared() -> list[Case]:
            made = []
            for name, values in double.items():
                torch_error = max(error(rounded[name], values) for rounded in roundings)
                scale = float(np.abs(values).max()) if values.size else 0.0
                limit = self.limits.allowed(torch_error)
                off = error(found[name], values) if name in found else float("inf")
                steady = self.limits.steady
                made.append(Case(name, batch, seed, scale, off, torch_error, limit, steady))
            return made

        made = compared()
        for number in range(_NUDGES):
            if all(case.ok for case in made) or not all(case.steady for case in made):
                break
            nudged = _nudged(inputs, number, self.limits.nudge)
            roundings.append(outputs(self.double, self.graph, nudged))
            made = compared()
        return made


def _nudged(inputs: Mapping[_Key, Array], number: int, by: float) -> dict[_Key, Array]:
    random = np.random.default_rng(number)
    return {
        name: array
        if array.dtype.kind != "f"
        else array * (1 + by * random.standard_normal(array.shape))
        for name, array in inputs.items()
    }


def _recorded(
    module: Any, graph: Graph, inputs: Mapping[str, Array], nodes: list[Node]
) -> dict[Value, Array]:
    found: dict[Value, Array] = {}

    def recorder(node: Node) -> Any:
        def record(_module: Any, _inputs: Any, result: Any) -> None:
            results = result if isinstance(result, tuple | list) else (result,)
            for i, tensor in enumerate(results):
                if tensor is not None:
                    found[Value(node, i)] = tensor.numpy().copy()

        return record

    hooks = [module.get_submodule(n.path).register_forward_hook(recorder(n)) for n in nodes]
    try:
        with torch.no_grad():
            results(module, graph, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found

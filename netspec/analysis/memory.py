"""Activation memory of the deployed net for one sample, by liveness.

The rule: steps run one after another in the order of the spec. Each makes new tensors, nothing is
computed in place, and a tensor is freed after the last step that reads it; the net's outputs stay.
Dropout and training-only heads are gone, outputs that nothing reads (pooling indices) are not made.
Weights and the workspace of kernels are not counted. Numbers take 4 bytes, ids and indices 8.
"""

from __future__ import annotations

from functools import lru_cache

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.passes.deploy import deploy
from netspec.sizes.dims import Dim, substitute, symbols_of
from netspec.sizes.shapes import TensorType

RULE = (
    "one sample, float32, steps in order, every step makes a new tensor, "
    "freed after its last reader; weights apart"
)
_COMPARED_AT = 1024


@record
class Peak:
    """The most bytes alive at once, and the path of the step that reaches it.

    With symbolic sizes `size` is a formula; which step is largest was decided with every symbol
    at 1024.
    """

    size: Dim
    path: str


def tensor_bytes(tensor: TensorType, sizes: dict[str, int]) -> Dim:
    """Bytes of one tensor for one sample; tensors of another batch count their nominal number."""
    width = 4 if tensor.ids is None else 8
    return tensor.elements * (width * tensor.batch.rows(sizes))


def output_bytes(graph: Graph, node: Node) -> Dim:
    """Bytes of what a step makes: its first output, and others where something reads them."""
    if len(node.types) == 1:
        return tensor_bytes(node.types[0], graph.nominal_sizes)
    read = {value for user in graph.consumers[node] for value in user.inputs}
    read |= {output.value for output in graph.outputs}
    carried = node.op.carried or len(node.types)
    total: Dim = 0
    for index, tensor in enumerate(node.types):
        if index == 0 or Value(node, index) in read:
            size = tensor_bytes(tensor, graph.nominal_sizes)
            total = total + (size if index < carried else size * 2)
    return total


@lru_cache(maxsize=64)
def peak_memory(graph: Graph) -> Peak:
    """The peak over the steps of the deployed net."""
    deployed = deploy(graph)
    last = _last_readers(deployed)
    made = {node: output_bytes(deployed, node) for node in deployed.nodes}
    alive: Dim = 0
    most, size, path = 0, alive, ""
    for position, node in enumerate(deployed.nodes):
        alive = alive + made[node]
        if (scaled := _at_scale(alive)) > most:
            most, size, path = scaled, alive, node.path
        for freed in last.get(position, ()):
            alive = alive - made[freed]
    return Peak(size, path)


def _last_readers(graph: Graph) -> dict[int, list[Node]]:
    """For each position in the order, the nodes whose outputs are read there for the last time."""
    kept = {output.value.node for output in graph.outputs}
    last: dict[Node, int] = {}
    for position, node in enumerate(graph.nodes):
        last[node] = position
        for value in node.inputs:
            last[value.node] = position
    found: dict[int, list[Node]] = {}
    for node, at in last.items():
        if node not in kept:
            found.setdefault(at, []).append(node)
    return found


def _at_scale(size: Dim) -> int:
    if isinstance(size, int):
        return size
    value = substitute(size, dict.fromkeys(symbols_of(size), _COMPARED_AT))
    assert isinstance(value, int)
    return value

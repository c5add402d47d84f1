"""A net followed through one training pass: what it keeps for backward, step by step."""

from __future__ import annotations

from netspec.analysis.training.layers import Layers
from netspec.analysis.training.tensors import FLOAT32, INT64, Dtype, Tape, Tensor
from netspec.graph.checked import Graph, Node, Value


class Pass:
    """The training pass of a batch, in the order of the spec.

    `tape` has what it keeps, `weights` the tensors of the net by the step that owns them and by name;
    `buffers` are those of them that are no parameters. `inputs` and `outputs` are what flows in and out,
    training-only heads included.
    """

    def __init__(
        self, graph: Graph, batch: int, *, device: str = "cpu", low: Dtype | None = None
    ) -> None:
        self.graph, self.batch = graph, batch
        self.tape = Tape(device, low)
        self.weights: dict[str, dict[str, Tensor]] = {}
        self.buffers: set[tuple[str, str]] = set()
        self.inputs: list[Tensor] = []
        ends = {output.value for output in graph.outputs} | {h.value for h in graph.heads}
        read = {value for node in graph.nodes for value in node.inputs} | ends
        last = _last_readers(graph, ends)
        values: dict[Value, Tensor] = {}
        for node in graph.nodes:
            self._step(node, values, read)
            for value in last.get(node, ()):
                del values[value]
        self.outputs = [values[value] for value in ends if value in values]

    def _step(self, node: Node, values: dict[Value, Tensor], read: set[Value]) -> None:
        tape = self.tape
        tape.place = node.path
        if not node.inputs:
            values[node.output] = self._input(node)
            return
        given = [values[value] for value in node.inputs]
        own = self._own(node)
        wanted = frozenset(i for i, value in enumerate(node.outputs) if value in read)
        layers = Layers(wanted)
        made = node.op.torch(layers, *node.input_types)
        # A frozen step's running statistics are frozen too.
        tape.training = not (node.frozen and any("running" in name for name in own))
        found = made(tape, own, *given)
        if not isinstance(found, tuple | list):
            found = (found,)
        for value, tensor in zip(node.outputs, found, strict=False):
            if value in read:
                values[value] = tensor

    def _input(self, node: Node) -> Tensor:
        kind = node.types[0]
        rows = kind.batch.rows(self.graph.nominal_sizes, self.batch)
        dtype = FLOAT32 if kind.ids is None else INT64
        sizes = [size for size in (rows, *kind.shape) if isinstance(size, int)]
        tensor = self.tape.fresh(sizes, dtype, own=True)
        self.inputs.append(tensor)
        return tensor

    def _own(self, node: Node) -> dict[str, Tensor]:
        """The step's tensors, or those of the step whose weights it uses."""
        if node.owner not in self.weights:
            own = self.weights[node.owner] = {}
            for weight in node.op.weights(*node.input_types):
                trained = weight.kind == "param"
                own[weight.name] = self.tape.fresh(
                    weight.shape, needs=trained and not node.frozen, own=True
                )
                if not trained:
                    self.buffers.add((node.owner, weight.name))
        return self.weights[node.owner]


def _last_readers(graph: Graph, ends: set[Value]) -> dict[Node, list[Value]]:
    """For each node, the values that it is the last to read."""
    last: dict[Value, Node] = {}
    for node in graph.nodes:
        for value in node.inputs:
            last[value] = node
    found: dict[Node, list[Value]] = {}
    for value, node in last.items():
        if value not in ends:
            found.setdefault(node, []).append(value)
    return found

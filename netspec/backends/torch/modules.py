"""Graph to PyTorch: a module whose submodules are the spec's blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from torch import nn

from netspec.backends.torch import layers
from netspec.backends.torch import recurrent as torch_sequence
from netspec.backends.torch.levels import Level, Levels, Outputs
from netspec.backends.torch.names import argument_names
from netspec.backends.torch.net import NetModule, Repeats, Step, Wiring, made_class
from netspec.graph.checked import Graph, Node, Value
from netspec.graph.fitting import fitting
from netspec.graph.loops import Loop, loops
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.layers import pads_itself
from netspec.ops.declare.operator import Operator
from netspec.sizes.batch import SAMPLES
from netspec.sizes.shapes import TensorType, same_ranks
from netspec.weights.sources import WeightSource, named_weights


class Modules(Outputs):
    """What an operator's `torch` hook makes modules with. `nn` is `torch.nn`."""

    nn = nn
    torch = torch

    def apply(self, op: Operator, *inputs: TensorType) -> nn.Module:
        """A module that calls the operator's `compute`."""
        return layers.Apply(op, inputs, self.several)

    def linear(
        self, kind: str, into: int, out: int, bias: bool, kernel: tuple[int, ...] = ()
    ) -> nn.Module:
        """A linear layer: `plain` of a vector, `flat` of a map, of `windows` of this kernel."""
        if kind == "windows":
            return layers.WindowLinear(kernel, into, out, bias=bias)
        return {"plain": nn.Linear, "flat": layers.FlatLinear}[kind](into, out, bias=bias)

    def over_time(self, kind: str, into: int, width: int, **options: Any) -> nn.Module:
        """torch's recurrent layer over (C, T): `LSTM`, `GRU` or `RNN`."""
        return torch_sequence.over_time(kind, into, width, several=self.several, **options)

    def windowed(self, kind: str, window: Geometry, *args: Any, **kwargs: Any) -> nn.Module:
        """torch's module for a sliding window: `Conv`, `ConvTranspose` or `MaxPool`."""
        name = f"{kind}{len(window.kernel)}d"
        if pads_itself(kind, window):
            module: nn.Module = getattr(nn, name)(*args, padding=window.before, **kwargs)
            return module
        # Torch's own layer would pad once more, by nothing, and copy what it pads.
        mode = kwargs.pop("padding_mode", "zeros")
        module = layers.PADDED[name](*args, padding=0, **kwargs)
        module.window, module.border = window, mode  # type: ignore[assignment]
        return module


class _Assembly:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.levels = Levels(graph)
        self.leaves: dict[str, tuple[nn.Module, Node]] = {}
        # What begins and ends each recurrence, and joins what its steps made.
        self.ends = {node: loop for loop in loops(graph) for node in loop.ends}

    def net(self) -> NetModule:
        root = self.levels.root
        inputs = [node.output for node in self.graph.inputs]
        outputs = [output.value for output in self.graph.outputs]
        wanted = outputs + [head.value for head in self.graph.heads]
        children, wiring = self._wired(root, inputs, wanted)
        count = len(outputs)
        heads = {
            h.name: slot for h, slot in zip(self.graph.heads, wiring.outputs[count:], strict=True)
        }
        losses = {head.name: head.loss for head in self.graph.heads}
        names = argument_names(node.path for node in self.graph.inputs)
        made = made_class(self.graph.name, root.definition, names)
        net: NetModule = made(
            children,
            wiring._replace(outputs=wiring.outputs[:count]),
            heads,
            losses,
            [output.name for output in self.graph.outputs],
            fitting(self.graph) if self.graph.symbols else None,
        )
        return net

    def _wired(
        self, level: Level, inputs: list[Value], outputs: list[Value]
    ) -> tuple[dict[str, nn.Module], Wiring]:
        slots = {value: i for i, value in enumerate(inputs)}
        children: dict[str, nn.Module] = {}
        steps: list[Step] = []
        draws: dict[str, int] = {}
        # A frozen step's running statistics are frozen too.
        still: list[str] = []
        around = {
            name: item
            for name, item in level.items.items()
            if isinstance(item, Node) and item in self.ends
        }
        for node in around.values():
            for value in node.outputs:
                slots[value] = len(slots)
        for name, item in level.items.items():
            if name in around:
                children[name] = layers.Passing()
                continue
            if isinstance(item, Node):
                reads = list(item.inputs)
                writes = self.levels.gives(item)
                children[name] = self._leaf(item)
                shared = item.op.draws(*item.input_types)
                if item.frozen and any("running" in n for n, _ in children[name].named_buffers()):
                    still.append(name)
                training_only = item in self.levels.training
            else:
                reads, writes = self.levels.boundary(item)
                inside, wiring = self._wired(item, reads, writes)
                children[name] = made_class(item.kind, item.definition, None)(inside, wiring)
                shared = tuple(wiring.draws)
                training_only = all(node in self.levels.training for node in item.nodes())
            for value in writes:
                slots[value] = len(slots)
            read, written = (tuple(slots[v] for v in values) for values in (reads, writes))
            steps.append(Step(name, read, written, training_only, bool(shared)))
            if shared:
                # What has a row for each sample was made of something with such rows that came in.
                rows = next(i for i, v in enumerate(inputs) if v.type.batch == SAMPLES)
                draws |= dict.fromkeys(shared, rows)
        ends = tuple(slots[value] for value in outputs)
        loop = next((self.ends[node] for node in around.values()), None)
        repeats = None if loop is None else _repeats(loop, level, slots)
        wiring = Wiring(level.kind, tuple(steps), len(inputs), ends, draws, tuple(still), repeats)
        return children, wiring

    def _leaf(self, node: Node) -> nn.Module:
        if node.owner != node.path and node.owner in self.leaves:
            owner, owning = self.leaves[node.owner]
            same = owning.op is node.op and self.levels.read(owning) == self.levels.read(node)
            # torch has one kind of layer for maps of each number of axes.
            same = same and same_ranks(owning.input_types, node.input_types)
            return layers.Shared(owner, None if same else self._module(node))
        module = self._module(node)
        if node.frozen:
            module.requires_grad_(False)
        self.leaves[node.path] = (module, node)
        return module

    def _module(self, node: Node) -> nn.Module:
        module: nn.Module = node.op.torch(Modules(self.levels.read(node)), *node.input_types)
        for weight in node.op.weights(*node.input_types):
            held = module._parameters.pop(weight.name, None) if weight.known else None
            if held is not None:
                # torch's own modules train what they hold.
                module.register_buffer(weight.name, held.detach())
        return module


def _repeats(loop: Loop, level: Level, slots: Mapping[Value, int]) -> Repeats:
    """How the block of a recurrence runs at every step, by the slots of its tensors."""
    again = loop.at_each_step
    nodes = (
        (name, [item] if isinstance(item, Node) else item.nodes())
        for name, item in level.items.items()
    )
    sequence, *starts = loop.each.inputs
    return Repeats(
        loop.each.name,
        slots[sequence],
        tuple(slots[value] for value in starts),
        tuple(slots[value] for value in loop.each.outputs),
        loop.last.name,
        tuple(slots[value] for value in loop.last.inputs[:-1]),
        tuple(slots[value] for value in loop.last.outputs),
        tuple((node.name, slots[node.inputs[0]], slots[node.output]) for node in loop.joined),
        frozenset(name for name, inside in nodes if again.isdisjoint(inside)),
    )


def to_module(graph: Graph, source: WeightSource) -> NetModule:
    """The graph as a `torch.nn.Module` in training mode, its tensors filled from `source`."""
    module = skeleton(graph)
    _allocate(module)
    fill(module, graph, source)
    return module


def _allocate(module: nn.Module) -> None:
    """Gives every tensor storage, as `to_empty` does, which takes a millisecond for each."""
    for part in module.modules():
        for name, held in part.named_parameters(recurse=False):
            storage = torch.empty(held.shape, dtype=held.dtype)
            setattr(part, name, nn.Parameter(storage, requires_grad=held.requires_grad))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def skeleton(graph: Graph) -> NetModule:
    """The graph as a module whose tensors have shapes but no storage: on the meta device."""
    with torch.device("meta"):
        return _Assembly(graph).net()


def fill(module: nn.Module, graph: Graph, source: WeightSource) -> None:
    """Overwrites every tensor of the module, piece by piece."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
        for name, weight in named_weights(graph).items():
            flat = tensors[name].view(-1)
            start = 0
            for piece in source.pieces(name, weight):
                end = start + piece.size
                flat[start:end] = torch.from_numpy(
                    piece.copy() if not piece.flags.writeable else piece
                )
                start = end


def save(module: nn.Module, file: BinaryIO) -> None:
    """Writes the module's state_dict as a PyTorch checkpoint."""
    torch.save(module.state_dict(), file)

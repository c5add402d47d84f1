"""Recurrent layers: LSTM, GRU and plain, in one or both directions, in one or more layers."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, flag, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.schemes import LeCun, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class _Recurrent(Operator):
    """What recurrent layers share. Weights, gates in their order and biases are torch.nn's.

    (C, T) to (width, T), twice the width when bidirectional; `last=yes` gives the final state of
    each direction, (width,): the last step forwards, the first step backwards.
    """

    # The gates in ONNX's order, as indices into torch's.
    _gates: ClassVar[tuple[int, ...]]
    _kind: ClassVar[str]

    order = ("width",)

    width: int = count(doc="size of the hidden state")
    layers: int = count(1, high=64, doc="layers, each reading the one before")
    bidirectional: bool = flag(False, doc="also from the last step to the first")
    bias: bool = flag(True, doc="adds two trained values per gate, as torch.nn does")
    last: bool = flag(False, doc="only the final state")
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrices; lecun by default")

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self) -> list[str]:
        """What the names of a direction's tensors end in, layer by layer."""
        endings = ("", "_reverse")[: self._directions]
        return [f"l{layer}{ending}" for layer in range(self.layers) for ending in endings]

    def _into(self, tensor: TensorType, suffix: str) -> int:
        if suffix.startswith("l0"):
            return fixed_channels(self.spelling, tensor)
        return self.width * self._directions

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0], 1)
        fixed_channels(self.spelling, inputs[0])
        steps = () if self.last else inputs[0].spatial
        return inputs[0].with_shape(self.width * self._directions, *steps)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        rows, init = len(self._gates) * self.width, self.init or LeCun()
        found = []
        for suffix in self._suffixes():
            for name, into in (("ih", self._into(inputs[0], suffix)), ("hh", self.width)):
                shape = (rows, into)
                found.append(
                    Weight(f"weight_{name}_{suffix}", shape, init, "param", into, self.width)
                )
            for name in ("ih", "hh") if self.bias else ():
                found.append(Weight(f"bias_{name}_{suffix}", (rows,), Zeros()))
        return tuple(found)

    def macs(self, *inputs: TensorType) -> Dim:
        each = (self._into(inputs[0], suffix) + self.width for suffix in self._suffixes())
        return inputs[0].spatial[0] * (len(self._gates) * self.width * sum(each))

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def _options(self) -> dict[str, Any]:
        """What torch's module takes beyond the common."""
        return {}

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.over_time(
            self._kind,
            fixed_channels(self.spelling, inputs[0]),
            self.width,
            last=self.last,
            num_layers=self.layers,
            bidirectional=self.bidirectional,
            bias=self.bias,
            **self._options(),
        )

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        suffixes, name = self._suffixes(), graph.node("Transpose", [inputs[0].name], perm=[2, 0, 1])
        for layer in range(self.layers):
            here = suffixes[layer * self._directions : (layer + 1) * self._directions]
            hidden, final = self._onnx_layer(graph, name, here)
            if layer < self.layers - 1:
                # (T, directions, N, H) to (T, N, directions * H)
                turned = graph.node("Transpose", [hidden], perm=[0, 2, 1, 3])
                name = graph.node("Reshape", [turned, graph.integers([0, 0, -1])])
        if self.last:
            turned = graph.node("Transpose", [final], perm=[1, 0, 2])
            return graph.node(
                "Reshape", [turned, graph.integers([0, self._directions * self.width])]
            )
        turned = graph.node("Transpose", [hidden], perm=[2, 1, 3, 0])
        return graph.node(
            "Reshape", [turned, graph.integers([0, self._directions * self.width, -1])]
        )

    def _onnx_layer(self, graph: Builder, name: str, suffixes: list[str]) -> tuple[str, ...]:
        names = [name, self._stacked(graph, ["weight_ih"], suffixes)]
        names.append(self._stacked(graph, ["weight_hh"], suffixes))
        if self.bias:
            names.append(self._stacked(graph, ["bias_ih", "bias_hh"], suffixes))
        direction = "bidirectional" if self.bidirectional else "forward"
        attributes = {"hidden_size": self.width, "direction": direction, **self._onnx_options()}
        return graph.nodes(self._kind, names, 2, **attributes)

    def _onnx_options(self) -> dict[str, Any]:
        return {}

    def _stacked(self, graph: Builder, names: list[str], suffixes: list[str]) -> str:
        """Tensors of torch as one of ONNX: gates in its order, a leading axis of directions."""
        rows = [gate * self.width + i for gate in self._gates for i in range(self.width)]
        first, reorder = graph.integers([0]), rows != sorted(rows)
        directions = []
        for suffix in suffixes:
            parts = [graph.weight(f"{name}_{suffix}") for name in names]
            if reorder:
                order = graph.integers(rows)
                parts = [graph.node("Gather", [part, order], axis=0) for part in parts]
            joined = parts[0] if len(parts) == 1 else graph.node("Concat", parts, axis=0)
            directions.append(graph.node("Unsqueeze", [joined, first]))
        return directions[0] if len(directions) == 1 else graph.node("Concat", directions, axis=0)


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gates of Gers et al. 2000).

    (C, T) to (width, T); see the parameters for both directions and for the final state alone.
    """

    spelling = "lstm"
    examples = (
        ("3x5", "lstm-4"),
        ("3x5", "lstm-4(bidirectional=yes, layers=2)"),
        ("3x5", "lstm-4(bidirectional=yes, last=yes)"),
        ("3x5", "lstm-4(layers=2, bias=no)"),
    )
    # torch: input, forget, cell, output; ONNX: input, output, forget, cell.
    _gates, _kind = (0, 3, 1, 2), "LSTM"


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014), reset after the matrix product as torch.nn and cuDNN.

    (C, T) to (width, T); see the parameters for both directions and for the final state alone.
    """

    spelling = "gru"
    examples = (
        ("3x5", "gru-4"),
        ("3x5", "gru-4(bidirectional=yes, layers=2)"),
        ("3x5", "gru-4(last=yes)"),
    )
    # torch: reset, update, new; ONNX: update, reset, hidden.
    _gates, _kind = (1, 0, 2), "GRU"

    def _onnx_options(self) -> dict[str, Any]:
        return {"linear_before_reset": 1}


class RNN(_Recurrent):
    """Plain recurrence (Elman 1990): h = act(W x + U h + b).

    (C, T) to (width, T); see the parameters for both directions and for the final state alone.
    """

    spelling = "rnn"
    examples = (
        ("3x5", "rnn-4"),
        ("3x5", "rnn-4(act=relu, bidirectional=yes)"),
        ("3x5", "rnn-4(layers=2, last=yes)"),
    )
    _gates, _kind = (0,), "RNN"

    act: str = choice("tanh", "relu", default="tanh", doc="activation")

    def _options(self) -> dict[str, Any]:
        return {"nonlinearity": self.act}

    def _onnx_options(self) -> dict[str, Any]:
        return {"activations": [self.act.capitalize()] * self._directions}

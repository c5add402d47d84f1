"""Recurrent layers: LSTM, GRU and plain, in one or both directions, in one or more layers."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import OutOfRange, WrongCount, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Modules, Operand, V
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

    A state is a vector: that of each layer and direction, one after the other as torch.nn orders
    them. `@h` starts from it, and `state=yes` gives the final one besides the output. What starts
    from a state also reads a vector, (C,) to (width,): it is one step.
    """

    # The gates in ONNX's order, as indices into torch's.
    _gates: ClassVar[tuple[int, ...]]
    _kind: ClassVar[str]
    _states: ClassVar[tuple[str, ...]] = ("h",)

    arity = None
    order = ("width",)

    width: int = count(doc="size of the hidden state")
    layers: int = count(1, high=64, doc="layers, each reading the one before")
    bidirectional: bool = flag(False, doc="also from the last step to the first")
    bias: bool = flag(True, doc="adds two trained values per gate, as torch.nn does")
    last: bool = flag(False, doc="only the final state")
    state: bool = flag(False, doc="gives the output and the final state, as a bundle")
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrices; lecun by default")

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _hidden(self) -> int:
        """The width of what a step gives and the next one reads."""
        return self.width

    @property
    def _widths(self) -> tuple[int, ...]:
        """The width of each state, of one layer and direction."""
        return (self._hidden, self.width)[: len(self._states)]

    def _suffixes(self) -> list[str]:
        """What the names of a direction's tensors end in, layer by layer."""
        endings = ("", "_reverse")[: self._directions]
        return [f"l{layer}{ending}" for layer in range(self.layers) for ending in endings]

    def _into(self, tensor: TensorType, suffix: str) -> int:
        if suffix.startswith("l0"):
            return fixed_channels(self.spelling, tensor)
        return self._hidden * self._directions

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        inputs = (*wire, *references)
        if len(inputs) not in (1, 1 + len(self._states)):
            expected = f"a sequence, or one and its state ({', '.join(self._states)})"
            found = f"{len(wire)} tensors and {len(references)} references"
            raise Rejection(WrongCount(self.spelling, expected, found))
        return inputs

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        sequence, *given = inputs
        step = bool(given) and len(sequence.shape) == 1
        if not step:
            need_spatial(self, sequence, 1)
        fixed_channels(self.spelling, sequence)
        copies = self.layers * self._directions
        states = tuple(sequence.with_shape(copies * width) for width in self._widths)
        for name, state, wanted in zip(self._states, given, states, strict=False):
            if state != wanted:
                size = f"{copies} x {wanted.channels // copies}" if copies > 1 else wanted
                expected = f"a vector of {size} for its state {name}, not {state}"
                raise Rejection(WrongPartner(self.spelling, expected))
        steps = () if self.last else sequence.spatial
        output = sequence.with_shape(self._hidden * self._directions, *steps)
        return (output, *states) if self.state else output

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        rows, init = len(self._gates) * self.width, self.init or LeCun()
        found = []
        for suffix in self._suffixes():
            for name, into in (("ih", self._into(inputs[0], suffix)), ("hh", self._hidden)):
                shape = (rows, into)
                found.append(
                    Weight(f"weight_{name}_{suffix}", shape, init, "param", into, self.width)
                )
            for name in ("ih", "hh") if self.bias else ():
                found.append(Weight(f"bias_{name}_{suffix}", (rows,), Zeros()))
            found += self._further(suffix, init)
        return tuple(found)

    def _further(self, suffix: str, init: Scheme) -> list[Weight]:
        """What a direction owns beyond the common."""
        return []

    def macs(self, *inputs: TensorType) -> Dim:
        into = sum(self._into(inputs[0], suffix) + self._hidden for suffix in self._suffixes())
        further = sum(w.size for suffix in self._suffixes() for w in self._further(suffix, Zeros()))
        return prod(inputs[0].spatial) * (len(self._gates) * self.width * into + further)

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

    def onnx(self, graph: Builder, *inputs: Operand) -> str | tuple[str, ...]:
        sequence, *given = inputs
        suffixes, name, step = self._suffixes(), sequence.name, not sequence.type.spatial
        if step:
            name = graph.node("Unsqueeze", [name, graph.integers([2])])
        name = graph.node("Transpose", [name], perm=[2, 0, 1])
        starts = [
            self._started(graph, state.name, width)
            for state, width in zip(given, self._widths, strict=False)
        ]
        finals = []
        for layer in range(self.layers):
            here = suffixes[layer * self._directions : (layer + 1) * self._directions]
            start = [each[layer] for each in starts]
            hidden, *final = self._onnx_layer(graph, name, here, start, sequence)
            finals.append(final)
            if layer < self.layers - 1:
                # (T, directions, N, H) to (T, N, directions * H)
                turned = graph.node("Transpose", [hidden], perm=[0, 2, 1, 3])
                name = graph.node("Reshape", [turned, graph.integers([0, 0, -1])])
        found = ["" for _ in range(1 + len(self._states) * self.state)]
        if self.last or step:
            found[0] = self._vector(graph, [finals[-1][0]], self._hidden)
        else:
            turned = graph.node("Transpose", [hidden], perm=[2, 1, 3, 0])
            shape = graph.integers([0, self._directions * self._hidden, -1])
            found[0] = graph.node("Reshape", [turned, shape])
        for i, width in enumerate(self._widths if self.state else ()):
            if graph.is_read(i + 1):
                found[i + 1] = self._vector(graph, [final[i] for final in finals], width)
        return tuple(found)

    def _started(self, graph: Builder, name: str, width: int) -> tuple[str, ...]:
        """A state's part for each layer, (directions, N, width)."""
        parts = self.layers * self._directions
        apart = graph.node("Reshape", [name, graph.integers([0, parts, width])])
        turned = graph.node("Transpose", [apart], perm=[1, 0, 2])
        if self.layers == 1:
            return (turned,)
        return graph.split(turned, [self._directions] * self.layers, axis=0)

    def _vector(self, graph: Builder, names: list[str], width: int) -> str:
        """States of layers, each (directions, N, width), as one vector for each sample."""
        joined = names[0] if len(names) == 1 else graph.node("Concat", names, axis=0)
        turned = graph.node("Transpose", [joined], perm=[1, 0, 2])
        shape = graph.integers([0, len(names) * self._directions * width])
        return graph.node("Reshape", [turned, shape])

    def _onnx_layer(
        self, graph: Builder, name: str, suffixes: list[str], start: list[str], sequence: Operand
    ) -> tuple[str, ...]:
        """One layer over (T, N, C): (T, directions, N, H), then its final states.

        `sequence` is what the first layer reads, of as many steps.
        """
        names = [name, self._stacked(graph, ["weight_ih"], suffixes)]
        names.append(self._stacked(graph, ["weight_hh"], suffixes))
        return self._onnx_node(graph, names, suffixes, start)

    def _onnx_node(
        self, graph: Builder, names: list[str], suffixes: list[str], start: list[str]
    ) -> tuple[str, ...]:
        """ONNX's layer of these inputs and matrices."""
        if self.bias:
            names.append(self._stacked(graph, ["bias_ih", "bias_hh"], suffixes))
        if start:
            # Sequences are as long as they are, and there is no other input between.
            names += [""] * (5 - len(names)) + start
        direction = "bidirectional" if self.bidirectional else "forward"
        attributes = {"hidden_size": self.width, "direction": direction, **self._onnx_options()}
        count = 1 + len(self._states) if self.state else 2
        return graph.nodes(self._kind, names, count, **attributes)

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
    `lstm-512(@h, @c)` starts from a state, `state=yes` gives output, h and c. A state is a vector:
    that of each layer and direction, one after the other as torch.nn orders them. What starts from
    a state also reads a vector, (C,) to (width,), as one step. With a projection (Sak et al. 2014)
    output and h have its width, c has `width`; a file's matrix from step to step is then the
    product of two.
    """

    spelling = "lstm"
    examples = (
        ("3x5", "lstm-4"),
        ("3x5", "lstm-4(bidirectional=yes, layers=2)"),
        ("3x5", "lstm-4(bidirectional=yes, last=yes)"),
        ("3x5", "lstm-4(layers=2, bias=no)"),
        ("3x5", "lstm-4(state=yes)"),
        ("3x5", "lstm-4(projection=2, layers=2)"),
        ("3x5", "gap; fc-4 as h; tanh as c; @input; lstm-4(@h, @c, state=yes)"),
        (
            "3x5",
            "gap; fc-4 as h; fc-8 as c; @input; lstm-4(@h, @c, projection=2, bidirectional=yes)",
        ),
    )
    # torch: input, forget, cell, output; ONNX: input, output, forget, cell.
    _gates, _kind, _states = (0, 3, 1, 2), "LSTM", ("h", "c")

    projection: int | None = count(None, doc="width of the output, where it is projected")

    @property
    def _hidden(self) -> int:
        return self.projection or self.width

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.projection is not None and self.projection >= self.width:
            allowed = f"less than the width of {self.width}"
            raise Rejection(OutOfRange(self.spelling, "projection", allowed, self.projection))
        return super().infer(*inputs)

    def _further(self, suffix: str, init: Scheme) -> list[Weight]:
        if self.projection is None:
            return []
        shape = (self.projection, self.width)
        return [Weight(f"weight_hr_{suffix}", shape, init, "param", self.width, self.projection)]

    def _options(self) -> dict[str, Any]:
        return {"proj_size": self.projection or 0}

    def _onnx_layer(
        self, graph: Builder, name: str, suffixes: list[str], start: list[str], sequence: Operand
    ) -> tuple[str, ...]:
        """ONNX projects nothing: its hidden state is the output before the projection.

        What a step reads of the one before, W P r for the unprojected r, is one matrix W P. No r
        gives the h that a layer starts from: W h is added as further channels of the input, which
        are h at the first step and zero after it.
        """
        import numpy as np

        if self.projection is None:
            return super()._onnx_layer(graph, name, suffixes, start, sequence)
        into = self._stacked(graph, ["weight_ih"], suffixes)
        back = self._stacked(graph, ["weight_hh"], suffixes)
        first = graph.integers([0])
        rows = [
            graph.node("Unsqueeze", [graph.weight(f"weight_hr_{suffix}"), first])
            for suffix in suffixes
        ]
        project = rows[0] if len(rows) == 1 else graph.node("Concat", rows, axis=0)
        if start:
            hidden, cell = start
            begins = self._begins(graph, hidden, sequence)
            name = graph.node("Concat", [name, *begins], axis=2)
            into = graph.node("Concat", [into, *self._columns(graph, back)], axis=2)
            zero = graph.constant(np.zeros(1, np.float32))
            start = [graph.node("Expand", [zero, graph.sizes(cell, 0)]), cell]
        names = [name, into, graph.node("MatMul", [back, project])]
        turned = graph.node("Transpose", [project], perm=[0, 2, 1])
        steps, final, *others = self._onnx_node(graph, names, suffixes, start)
        return *(graph.node("MatMul", [each, turned]) for each in (steps, final)), *others

    def _begins(self, graph: Builder, hidden: str, sequence: Operand) -> list[str]:
        """The h that each direction starts from, at its first step: (T, N, H), zero elsewhere."""
        if sequence.type.spatial:
            at, count = graph.steps(sequence, 2), graph.size(sequence, 2)
        else:
            at, count = graph.integers([0]), graph.integers([1])
        ends = (graph.integers([0]), graph.node("Sub", [count, graph.integers([1])]))
        found = []
        for end, part in zip(ends, self._each(graph, hidden, 0), strict=False):
            there = graph.node("Cast", [graph.node("Equal", [at, end])], to=1)
            there = graph.node("Unsqueeze", [there, graph.integers([1, 2])])
            found.append(graph.node("Mul", [there, part]))
        return found

    def _columns(self, graph: Builder, back: str) -> list[str]:
        """What multiplies the h of each direction: its own matrix, and nothing in the other."""
        if not self.bidirectional:
            return [back]
        import numpy as np

        zero = graph.constant(
            np.zeros((1, len(self._gates) * self.width, self._hidden), np.float32)
        )
        one, other = self._each(graph, back, 0)
        return [
            graph.node("Concat", [one, zero], axis=0),
            graph.node("Concat", [zero, other], axis=0),
        ]

    def _each(self, graph: Builder, name: str, axis: int) -> tuple[str, ...]:
        """The part of each direction."""
        return graph.split(name, [1] * self._directions, axis) if self.bidirectional else (name,)


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014), reset after the matrix product as torch.nn and cuDNN.

    (C, T) to (width, T); see the parameters for both directions and for the final state alone.
    `gru-512(@h)` starts from a state and `state=yes` gives output and h: [as an lstm](#lstm) does.
    """

    spelling = "gru"
    examples = (
        ("3x5", "gru-4"),
        ("3x5", "gru-4(bidirectional=yes, layers=2)"),
        ("3x5", "gru-4(last=yes)"),
        ("3x5", "gap; fc-16 as h; @input; gru-4(@h, layers=2, bidirectional=yes, state=yes)"),
    )
    # torch: reset, update, new; ONNX: update, reset, hidden.
    _gates, _kind = (1, 0, 2), "GRU"

    def _onnx_options(self) -> dict[str, Any]:
        return {"linear_before_reset": 1}


class RNN(_Recurrent):
    """Plain recurrence (Elman 1990): h = act(W x + U h + b).

    (C, T) to (width, T); see the parameters for both directions and for the final state alone.
    `rnn-512(@h)` starts from a state and `state=yes` gives output and h: [as an lstm](#lstm) does.
    """

    spelling = "rnn"
    examples = (
        ("3x5", "rnn-4"),
        ("3x5", "rnn-4(act=relu, bidirectional=yes)"),
        ("3x5", "rnn-4(layers=2, last=yes)"),
        ("3", "fc-4 as h; @input; rnn-4(@h, act=relu)"),
    )
    _gates, _kind = (0,), "RNN"

    act: str = choice("tanh", "relu", default="tanh", doc="activation")

    def _options(self) -> dict[str, Any]:
        return {"nonlinearity": self.act}

    def _onnx_options(self) -> dict[str, Any]:
        return {"activations": [self.act.capitalize()] * self._directions}

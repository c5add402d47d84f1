"""Layers as an operator's `torch` hook makes them, followed on tensors without numbers.

A layer is called with its own tensors by name, and what flows in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from netspec.analysis.training.known import UnknownFunction
from netspec.analysis.training.namespace import Torch
from netspec.analysis.training.tensors import Tape, Tensor
from netspec.foundation.records import record
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.layers import (
    FUNCTIONS,
    cropped,
    flat_linear,
    max_padded,
    over_channels_first,
    padded,
    pads_itself,
    window_linear,
)
from netspec.ops.declare.operator import Operator
from netspec.sizes.shapes import TensorType

Own = Mapping[str, Tensor]
# What is called with the tape, a layer's own tensors and what flows in.
Called = Callable[..., Any]


class _Layer:
    """A layer of torch's with its tensors, as the functions of `ops/declare/layers.py` take it."""

    def __init__(self, call: Called, tape: Tape, own: Own) -> None:
        self._call, self._tape, self._own = call, tape, own

    def __call__(self, *tensors: Any) -> Any:
        return self._call(self._tape, self._own, *tensors)

    @property
    def weight(self) -> Tensor:
        """The layer's matrix or kernel."""
        return self._own["weight"]

    @property
    def bias(self) -> Tensor | None:
        """What it adds, if anything."""
        return self._own.get("bias")


def _function(name: str, *args: Any, **named: Any) -> Called:
    """A layer that owns nothing: a function with options."""
    if named.get("return_indices"):
        # Another function of torch's, which autocast leaves alone.
        name += "_with_indices"
    return lambda tape, own, *tensors: tape.call(name, *tensors, *args, **named)


def _linear(tape: Tape, own: Own, x: Tensor) -> Any:
    return tape.call("linear", x, own["weight"], own.get("bias"))


def _norm(name: str, *args: Any, **options: Any) -> Called:
    def called(tape: Tape, own: Own, x: Tensor) -> Any:
        parts = [own.get(key) for key in ("running_mean", "running_var", "weight", "bias")]
        return tape.call(name, x, *parts, tape.training)

    return called


def _windowed(name: str, *args: Any, **options: Any) -> Called:
    """A convolution: its channels and kernel are those of its weight."""
    taken = ("stride", "padding", "dilation", "groups", "output_padding")
    named = {key: value for key, value in options.items() if key in taken}
    border = options.get("padding_mode", "zeros")

    def called(tape: Tape, own: Own, x: Tensor) -> Any:
        more = dict(named)
        if border != "zeros":
            sides = more.pop("padding")
            flat = [side for pad in reversed(sides) for side in (pad, pad)]
            x = tape.call("pad", x, flat, border)
        return tape.call(name, x, own["weight"], own.get("bias"), **more)

    return called


class _Torchs:
    """`torch.nn` for a hook."""

    def __getattr__(self, name: str) -> Callable[..., Called]:
        function = FUNCTIONS.get(name)
        if function is not None:
            return partial(_function, function.rpartition(".")[2])
        stem = name.rstrip("d").rstrip("123")
        made: Mapping[str, Callable[..., Called]] = {
            "BatchNorm": partial(_norm, "batch_norm"),
            "InstanceNorm": partial(_norm, "instance_norm"),
            "Conv": partial(_windowed, f"conv{name[-2]}d"),
            "ConvTranspose": partial(_windowed, f"conv_transpose{name[-2]}d"),
            "Dropout": partial(_dropout, name.lower()),
            "Flatten": partial(_function, "flatten", 1),
            "PReLU": _prelu,
        }
        if stem not in made:
            raise UnknownFunction(name)
        return made[stem]


def _dropout(name: str, rate: float) -> Called:
    return lambda tape, own, x: tape.call(name, x, rate, tape.training)


def _prelu(size: int) -> Called:
    return lambda tape, own, x: tape.call("prelu", x, own["weight"])


@record
class Layers:
    """What a hook makes layers with; `read` are the outputs of its operator that anything reads."""

    read: frozenset[int]

    nn = _Torchs()
    torch = None

    @property
    def several(self) -> bool:
        """Whether anything reads more than the first output."""
        return any(self.read - {0})

    def is_read(self, index: int) -> bool:
        """Whether anything reads this output of the operator."""
        return index in self.read

    def apply(self, op: Operator, *inputs: TensorType) -> Called:
        """A layer that calls the operator's `train`, or its `compute`."""

        def called(tape: Tape, own: Own, *tensors: Tensor) -> Any:
            if not tape.training:
                return op.compute(Torch(tape), *tensors, **own)
            draws = {
                name: tape.drawn(f"{name} of {inputs[0].batch}", tensors[0].shape[0])
                for name in op.draws(*inputs)
            }
            return op.train(Torch(tape), draws, *tensors, **own)

        return called

    def linear(
        self, kind: str, into: int, out: int, bias: bool, kernel: tuple[int, ...] = ()
    ) -> Called:
        """A linear layer: `plain` of a vector, `flat` of a map, of `windows` of this kernel."""
        if kind == "plain":
            return _linear

        def called(tape: Tape, own: Own, x: Tensor) -> Any:
            layer, torch = _Layer(_linear, tape, own), Torch(tape)
            if kind == "flat":
                return flat_linear(torch, layer, x)
            return window_linear(torch, layer, kernel, out, x)

        return called

    def windowed(self, kind: str, window: Geometry, *args: Any, **kwargs: Any) -> Called:
        """torch's layer for a sliding window: `Conv`, `ConvTranspose` or `MaxPool`."""
        make = getattr(self.nn, f"{kind}{len(window.kernel)}d")
        if pads_itself(kind, window):
            found: Called = make(*args, padding=window.before, **kwargs)
            return found
        inner = make(*args, padding=0, **{k: v for k, v in kwargs.items() if k != "padding_mode"})
        mode = kwargs.get("padding_mode", "zeros")

        def called(tape: Tape, own: Own, x: Tensor) -> Any:
            layer, torch = _Layer(inner, tape, own), Torch(tape)
            if kind == "Conv":
                return padded(torch, layer, window, x, mode)
            return {"ConvTranspose": cropped, "MaxPool": max_padded}[kind](torch, layer, window, x)

        return called

    def over_time(self, kind: str, into: int, width: int, **options: Any) -> Called:
        """torch's recurrent layer over (C, T): `LSTM`, `GRU` or `RNN`."""
        shape = (
            options["num_layers"],
            options["bidirectional"],
            options["last"],
            self.several,
        )

        def inner(tape: Tape, own: Own, x: Tensor, states: Any = ()) -> Any:
            return tape.call("recurrent", x, states, own, kind, width, *shape[:2])

        def called(tape: Tape, own: Own, *tensors: Tensor) -> Any:
            return over_channels_first(_Layer(inner, tape, own), shape, *tensors)

        return called

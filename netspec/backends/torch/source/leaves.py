"""One step as source: the module it has, if any, and what is computed with it.

`Written` is what an operator's `torch` hook is given here: it takes the place of torch's modules, so
that a hook says what to write as it says what to run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import Any

import torch
from torch import nn

from netspec.backends.torch.levels import Outputs
from netspec.backends.torch.source.code import Code, Const, Fn, Get, Item, Signature, Text
from netspec.backends.torch.source.nested import layers_of
from netspec.backends.torch.source.signatures import signature_of
from netspec.backends.torch.source.sizes import Untold
from netspec.backends.torch.source.trace import Torch, Trace, Traced, lift
from netspec.foundation.records import record
from netspec.ops.declare import layers
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.layers import FUNCTIONS, over_channels_first
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.weight import Weight
from netspec.sizes.shapes import TensorType

# Stands for the step's own module until it has a name.
OWN = Text("@")
Examples = tuple[torch.Tensor, torch.Tensor]

# Arguments that are as good as one number where all their numbers are the same.
_PER_AXIS = {"kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"}


@record(eq=False)
class Leaf:
    """A step: the module to make, or what it owns if that is to be a class of its own, and its lines.

    `lines` are over its inputs, the first slots, and give the slots `gives`; in training `train` takes
    their place, where it is not the same. `helpers` are functions that are written out with it.
    """

    trace: Trace
    gives: tuple[int, ...]
    module: Fn | None = None
    owned: tuple[Weight, ...] = ()
    train: tuple[Trace, tuple[int, ...]] | None = None
    draws: tuple[str, ...] = ()
    helpers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    inner: dict[str, Fn] = field(default_factory=dict)

    @property
    def classed(self) -> bool:
        """Whether it is an object of a class that the file declares."""
        return bool(self.owned) or self.train is not None


@record(eq=False)
class _Made:
    """A module of torch's: how it is made, itself on the meta device, and what is done with it."""

    name: str
    code: Fn
    module: nn.Module
    run: Callable[..., Any] | None = None


@record(eq=False)
class _Applied:
    """An operator that computes by itself."""

    op: Operator
    types: tuple[TensorType, ...]


class _Layers:
    """`torch.nn` for an operator's hook: what is made is kept with how it was."""

    def __getattr__(self, name: str) -> Callable[..., _Made]:
        return partial(_made, name)


class Written(Outputs):
    """What an operator's `torch` hook makes modules with, where they are to be written down."""

    nn = _Layers()
    torch = torch

    def apply(self, op: Operator, *inputs: TensorType) -> _Applied:
        """A step that calls the operator's `compute`."""
        return _Applied(op, inputs)

    def linear(
        self, kind: str, into: int, out: int, bias: bool, kernel: tuple[int, ...] = ()
    ) -> _Made:
        """A linear layer: `plain` of a vector, `flat` of a map, of `windows` of this kernel."""
        run = {
            "plain": None,
            "flat": layers.flat_linear,
            "windows": lambda torch, layer, input: layers.window_linear(
                torch, layer, kernel, out, input
            ),
        }[kind]
        return _made("Linear", into, out, bias=bias, run=run)

    def over_time(self, kind: str, into: int, width: int, **options: Any) -> _Made:
        """torch's recurrent layer over (C, T): `LSTM`, `GRU` or `RNN`."""
        last = options.pop("last")
        shape = (options["num_layers"], options["bidirectional"], last, self.several)

        def run(torch: Any, layer: Any, *inputs: Any) -> Any:
            return over_channels_first(layer, shape, *inputs)

        if not options.get("proj_size", 1):
            del options["proj_size"]
        return _made(kind, into, width, run=run, **options)

    def windowed(self, kind: str, window: Geometry, *args: Any, **kwargs: Any) -> _Made:
        """torch's module for a sliding window: `Conv`, `ConvTranspose` or `MaxPool`."""
        name = f"{kind}{len(window.kernel)}d"
        if layers.pads_itself(kind, window):
            return _made(name, *args, padding=window.before, **kwargs)
        mode = kwargs.pop("padding_mode", "zeros")
        how: dict[str, Callable[..., Any]] = {
            "Conv": lambda torch, layer, x: layers.padded(torch, layer, window, x, mode),
            "ConvTranspose": lambda torch, layer, x: layers.cropped(torch, layer, window, x),
            "MaxPool": lambda torch, layer, x: layers.max_padded(torch, layer, window, x),
        }
        return _made(name, *args, padding=0, run=how[kind], **kwargs)


def leaf(
    op: Operator, types: Sequence[TensorType], read: frozenset[int], inputs: Sequence[Examples]
) -> Leaf:
    """A step with an operator on inputs of these types; raises Untold for what has no source."""
    written = Written(read)
    with torch.device("meta"):
        made: Any = op.torch(written, *types)
        if isinstance(made, _Applied):
            return _computed(op, types, written.several, inputs)
        return _called(made, written.several, inputs)


def borrowed(
    op: Operator,
    types: Sequence[TensorType],
    read: frozenset[int],
    inputs: Sequence[Examples],
) -> Leaf:
    """A step that computes with the tensors of another one's module, which `OWN` then is."""
    written = Written(read)
    with torch.device("meta"):
        made: Any = op.torch(written, *types)
        if isinstance(made, _Applied):
            found = _computed(op, types, written.several, inputs)
            if found.train is None:
                return Leaf(found.trace, found.gives, helpers=found.helpers)
        elif made.name in _BORROWED:
            return _called(made, written.several, inputs, _Borrowed)
    raise Untold("weights shared with a step that computes otherwise")


# --- modules of torch


def _made(name: str, *args: Any, run: Callable[..., Any] | None = None, **named: Any) -> _Made:
    kind = getattr(nn, name)
    module = kind(*args, **named).eval()
    signature = signature_of(name)
    values = dict(signature.params)
    values.update(zip(values, args, strict=False))
    values.update(named)
    if values.get("stride", 1) == values.get("kernel_size") and "Pool" in name:
        values["stride"] = None
    pairs = tuple((key, lift(_tidy(key, value))) for key, value in values.items())
    return _Made(name, Fn(Text(f"nn.{name}"), (), pairs, signature), module, run)


def _tidy(name: str, value: Any) -> Any:
    """One number for as many as are the same, where torch takes it so."""
    if name in _PER_AXIS and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    return value


def _called(
    made: _Made, several: bool, inputs: Sequence[Examples], kind: type[_Own] | None = None
) -> Leaf:
    """A module of torch's that is called, or the function that says the same."""
    trace = Trace()
    tensors = [trace.tensor(*examples) for examples in inputs]
    if made.name == "Flatten":
        return Leaf(trace, _given(tensors[0].flatten(1), several))
    function = FUNCTIONS.get(made.name)
    if function is not None and kind is None:
        own: Any = _Function(trace, made, function)
    else:
        own = (kind or _Own)(trace, made)
    result = made.run(Torch(trace), own, *tensors) if made.run else own(*tensors)
    module = made.code if function is None and kind is None else None
    gives = _given(result, several)
    trace.prune(gives)
    return Leaf(trace, gives, module, helpers=trace.helpers)


class _Own:
    """The step's module, as what is traced calls it or reads what it owns."""

    def __init__(self, trace: Trace, made: _Made) -> None:
        self._trace, self._made = trace, made

    def __call__(self, *args: Any) -> Any:
        return self._trace.call(OWN, self._made.module, args, {})

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made.module, name)
        return None if found is None else Traced(self._trace, Get(OWN, name), (found, found))


class _Function(_Own):
    """A function in the place of a module that owns nothing."""

    def __init__(self, trace: Trace, made: _Made, function: str) -> None:
        super().__init__(trace, made)
        self._name = function

    def __call__(self, *args: Any) -> Any:
        code, module = self._made.code, self._made.module
        found = tuple(module(*(a.examples[i] for a in args)) for i in (0, 1))
        lifted = tuple(lift(value) for value in args)
        call = Fn(Text(self._name), lifted, code.named, code.signature)
        return self._trace.given(call, (found[0], found[1]))


# Functions in the place of modules whose tensors are another's, and which of their arguments they take.
_BORROWED = {
    "Linear": ("F.linear", ()),
    **{
        f"Conv{n}d": (f"F.conv{n}d", ("stride", "padding", "dilation", "groups")) for n in (1, 2, 3)
    },
}


class _Borrowed(_Own):
    """A function that is given the weight and bias of another step's module."""

    def __call__(self, *args: Any) -> Any:
        function, taken = _BORROWED[self._made.name]
        code, module = self._made.code, self._made.module
        named = tuple((key, value) for key, value in code.named if key in taken)
        pairs = {key: default for key, default in (code.signature or _NONE).params if key in taken}
        found = tuple(module(*(a.examples[i] for a in args)) for i in (0, 1))
        own = [Get(OWN, "weight"), *([Get(OWN, "bias")] if module.bias is not None else [])]
        lifted = (*(lift(value) for value in args), *own)
        call = Fn(Text(function), lifted, named, Signature(tuple(pairs.items()), 0))
        return self._trace.given(call, (found[0], found[1]))


_NONE = Signature((), 0)


# --- operators that compute


def _computed(
    op: Operator, types: Sequence[TensorType], several: bool, inputs: Sequence[Examples]
) -> Leaf:
    owned = op.weights(*types)
    trace, gives = _traced(op, types, several, inputs)
    train = None
    if type(op).train is not Operator.train:
        train = _traced(op, types, several, inputs, training=True)
        if (train[0].lines, train[1]) == (trace.lines, gives):
            train = None
    traces = [trace, *([train[0]] if train else [])]
    inner, bodies = layers_of(OWN, owned, [each.lines for each in traces])
    for each, body in zip(traces, bodies, strict=True):
        each.lines = body
    helpers = {name: helper for each in traces for name, helper in each.helpers.items()}
    draws = op.draws(*types) if train else ()
    return Leaf(trace, gives, None, owned, train, draws, helpers, inner)


def _traced(
    op: Operator,
    types: Sequence[TensorType],
    several: bool,
    inputs: Sequence[Examples],
    training: bool = False,
) -> tuple[Trace, tuple[int, ...]]:
    """What `compute` does, or `train`."""
    trace = Trace()
    tensors = [trace.tensor(*examples) for examples in inputs]
    weights = {w.name: _weight(trace, w) for w in op.weights(*types)}
    if not training:
        result = op.compute(Torch(trace), *tensors, **weights)
    else:
        like = max(tensors, key=lambda tensor: len(tensor.examples[0]))
        draws = _draws(trace, op.draws(*types), like)
        result = op.train(Torch(trace), draws, *tensors, **weights)
    gives = _given(result, several)
    trace.prune(gives)
    return trace, gives


def _weight(trace: Trace, weight: Weight) -> Traced:
    inner, _, name = weight.name.rpartition(".")
    code: Code = Item(Get(OWN, inner), (Const(name),)) if inner else Get(OWN, name)
    example = torch.empty(weight.shape)
    return Traced(trace, code, (example, example))


def _draws(trace: Trace, names: Sequence[str], like: Traced) -> dict[str, Traced]:
    """The random numbers that operators share, by name: one for each row of a tensor like this."""
    first, second = (torch.empty(len(example)) for example in like.examples)
    return {n: Traced(trace, Item(Text("draws"), (Const(n),)), (first, second)) for n in names}


def _given(result: Any, several: bool) -> tuple[int, ...]:
    found = result if isinstance(result, tuple | list) else (result,)
    return tuple(tensor.index for tensor in (found if several else found[:1]))

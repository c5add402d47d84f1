"""The modules a net is made of, beyond torch's own: blocks, padded windows, functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.graph.fitting import Fitting
from netspec.ops.declare.checks import type_of
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.operator import Operator
from netspec.sizes.shapes import TensorType


class TrainingOutputs(NamedTuple):
    """What a net with training-only heads returns in training: its output, and theirs by name."""

    main: Any
    heads: dict[str, Tensor]


class Draws:
    """Random numbers of one training pass, where operators apart must draw the same ones."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def shared(self, name: str, like: Tensor) -> Tensor:
        """One uniform number in [0, 1) for each sample; the same to all who ask by one name."""
        key = (name, len(like), like.device)
        if key not in self._kept:
            self._kept[key] = torch.rand(len(like), device=like.device)
        return self._kept[key]


_draws: ContextVar[Draws | None] = ContextVar("draws", default=None)


@contextmanager
def _one_pass() -> Iterator[None]:
    token = _draws.set(Draws())
    try:
        yield
    finally:
        _draws.reset(token)


class Step(NamedTuple):
    """One call in a block: the child, the slots it reads and writes, training only or not."""

    child: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    training_only: bool


class Block(nn.Module):
    """A block of the spec: calls its children in order. Takes and returns tensors."""

    def __init__(
        self,
        kind: str,
        children: dict[str, nn.Module],
        steps: list[Step],
        inputs: int,
        outputs: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.kind = kind
        # Not `add_module`, which refuses names of nn.Module's own methods: `half`, `type`, `train`.
        self._modules.update(children)
        self.steps = steps
        self.inputs = inputs
        self.outputs = outputs
        self.slots = max([inputs, *(slot + 1 for step in steps for slot in step.writes)])
        self.still: tuple[str, ...] = ()

    def hold_still(self, children: tuple[str, ...]) -> None:
        """Keeps children in evaluation mode while the block trains."""
        self.still = children
        self.train(self.training)

    def train(self, mode: bool = True) -> Block:
        super().train(mode)
        for name in self.still:
            self._modules[name].eval()  # type: ignore[union-attr]
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        # A child may be called `steps` or `training` too: it lives apart from the attributes.
        if isinstance(value, Tensor | nn.Module):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def run(self, *tensors: Tensor) -> list[Any]:
        """Every tensor of the block by slot; None for those of training-only steps not run."""
        if len(tensors) != self.inputs:
            raise TypeError(f"{self.kind} takes {self.inputs} tensors, got {len(tensors)}")
        slots: list[Any] = [*tensors, *([None] * (self.slots - self.inputs))]
        for child, reads, writes, training_only in self.steps:
            if training_only and not self.training:
                continue
            result = self._modules[child](*[slots[i] for i in reads])  # type: ignore[misc]
            if not isinstance(result, tuple | list):
                slots[writes[0]] = result
            else:
                for slot, tensor in zip(writes, result, strict=False):
                    slots[slot] = tensor
        return slots

    def forward(self, *tensors: Tensor) -> Any:
        slots = self.run(*tensors)
        if len(self.outputs) == 1:
            return slots[self.outputs[0]]
        return tuple(slots[i] for i in self.outputs)

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return self.kind


class NetModule(Block):
    """A whole net. `loss_weights` maps each training-only head to the weight of its loss.

    `fitting`, where sizes are symbols, refuses those that are not legal.
    """

    def __init__(
        self,
        block: Block,
        heads: dict[str, int],
        loss_weights: dict[str, float],
        names: list[str],
        fitting: Fitting | None = None,
    ) -> None:
        children = dict(block.named_children())
        super().__init__(block.kind, children, block.steps, block.inputs, block.outputs)
        self.hold_still(block.still)
        self.heads = heads
        self.loss_weights = loss_weights
        self.output_names = names
        self.fitting = fitting

    def forward(self, *tensors: Tensor) -> Any:
        """The net's output (a tuple of them if several); in training, with its heads' outputs.

        Raises NetspecError where sizes of the inputs are not legal.
        """
        # While torch traces, sizes are not numbers: what is exported is checked where it runs.
        if self.fitting is not None and not _tracing():
            self._check(self.fitting, tensors)
        if self.training:
            with _one_pass():
                slots = self.run(*tensors)
        else:
            slots = self.run(*tensors)
        found = tuple(slots[i] for i in self.outputs)
        main = found[0] if len(found) == 1 else found
        if self.training and self.heads:
            return TrainingOutputs(main, {name: slots[i] for name, i in self.heads.items()})
        return main

    def _check(self, fitting: Fitting, tensors: tuple[Tensor, ...]) -> None:
        names = [name for name, _ in fitting.inputs]
        if len(tensors) != len(names):
            return
        found = fitting.misfit(
            {name: tuple(t.shape[1:]) for name, t in zip(names, tensors, strict=True)}
        )
        if found is not None:
            raise NetspecError(BadInput(*found))


def _tracing() -> bool:
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return traced or torch.compiler.is_compiling()


class Apply(nn.Module):
    """An operator that torch has no module for: calls its `compute`, in training its `train`."""

    def __init__(self, op: Operator, inputs: tuple[TensorType, ...]) -> None:
        super().__init__()
        self.op = op
        self.own: list[str] = []
        for weight in op.weights(*inputs):
            tensor = torch.empty(weight.shape)
            inner, _, name = weight.name.rpartition(".")
            if inner and inner not in self._modules:
                self.add_module(inner, nn.Module())
            holder = self._modules[inner] if inner else self
            assert holder is not None
            if weight.kind == "param":
                holder.register_parameter(name, nn.Parameter(tensor))
            else:
                holder.register_buffer(name, tensor)
            self.own.append(weight.name)

    def _tensor(self, name: str) -> Any:
        inner, _, name = name.rpartition(".")
        return getattr(self._modules[inner] if inner else self, name)

    def forward(self, *tensors: Tensor) -> Any:
        own = {name: self._tensor(name) for name in self.own}
        if self.training:
            return self.op.train(torch, _draws.get() or Draws(), *tensors, **own)
        return self.op.compute(torch, *tensors, **own)

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return repr(self.op)


class Shared(nn.Module):
    """A step that uses another step's weights: it owns none."""

    def __init__(self, owner: nn.Module, template: nn.Module | None) -> None:
        super().__init__()
        # In tuples, so that the weights stay registered where they are owned only.
        self._owner = (owner,)
        self._template = (template,)

    def forward(self, *tensors: Tensor) -> Any:
        owner, template = self._owner[0], self._template[0]
        if template is None:
            return owner(*tensors)
        weights = {**dict(owner.named_parameters()), **dict(owner.named_buffers())}
        return torch.func.functional_call(template, weights, tensors)


class FlatLinear(nn.Linear):
    """A linear layer over all elements of a map, channels first."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(1))


class ChannelLinear(nn.Linear):
    """A linear layer over the channels at each position."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class _Padded:
    """Pads before a window slides, where torch's own padding cannot: per side, or wide."""

    window: Geometry
    value = 0.0

    def forward(self, input: Tensor) -> Any:
        padded = F.pad(input, self.window.torch_pads, value=self.value)
        result = super().forward(padded)  # type: ignore[misc]
        if not self.window.ceil:
            return result
        sizes = self.window.output("pool", type_of(input))
        pieces = (..., *(slice(int(size)) for size in sizes))  # type: ignore[arg-type]
        if isinstance(result, tuple):
            return tuple(tensor[pieces] for tensor in result)
        return result[pieces]

    def extra_repr(self) -> str:
        text: str = super().extra_repr()  # type: ignore[misc]
        return f"{text}, pads={self.window.pads}"


class _MaxPadded(_Padded):
    """Pads with what no maximum takes, and counts the places it finds without the padding."""

    value = float("-inf")

    def forward(self, input: Tensor) -> Any:
        result = super().forward(input)
        if not isinstance(result, tuple):
            return result
        # torch counts places in the padded plane; they are those of the plane without.
        pooled, places = result
        found = torch.zeros_like(places)
        factor = 1
        axes = zip(input.shape[2:], self.window.pads, strict=True)
        for size, (before, after) in reversed(list(axes)):
            padded = size + before + after
            found += (places % padded - before) * factor
            places, factor = places // padded, factor * size
        return pooled, found


class _Cropped:
    """Crops what a transposed convolution makes, where the two sides differ."""

    window: Geometry

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = super().forward(input)  # type: ignore[misc]
        for axis, (before, after) in enumerate(self.window.pads, start=2):
            result = result.narrow(axis, before, result.shape[axis] - before - after)
        return result

    def extra_repr(self) -> str:
        text: str = super().extra_repr()  # type: ignore[misc]
        return f"{text}, crops={self.window.pads}"


_MIXINS = {"Conv": _Padded, "ConvTranspose": _Cropped, "MaxPool": _MaxPadded}
PADDED: dict[str, type[nn.Module]] = {}
for _kind, _mixin in _MIXINS.items():
    for _rank in (1, 2, 3):
        _name = f"Padded{_kind}{_rank}d"
        _base = getattr(nn, f"{_kind}{_rank}d")
        _about = f"`torch.nn.{_base.__name__}` whose two sides may differ: {_mixin.__doc__}"
        _body = {"__module__": __name__, "__doc__": _about}
        PADDED[f"{_kind}{_rank}d"] = type(_name, (_mixin, _base), _body)
        globals()[_name] = PADDED[f"{_kind}{_rank}d"]

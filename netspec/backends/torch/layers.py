"""The layers that torch has not: functions, shared ones, windows that are padded or cropped."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.layers import cropped, flat_linear, max_padded, padded, window_linear
from netspec.ops.declare.operator import Operator
from netspec.sizes.shapes import TensorType


def leaf(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's `forward` that `torch.fx` keeps as one call of the layer, as it keeps torch's own.

    So what a layer does may depend on sizes and on the mode, which a traced graph cannot.
    """

    @wraps(forward)
    def kept(self: nn.Module, *tensors: Any, **options: Any) -> Any:
        traced = next((tensor for tensor in tensors if isinstance(tensor, Proxy)), None)
        if traced is None:
            return forward(self, *tensors, **options)
        tracer: Any = traced.tracer
        return tracer.create_proxy("call_module", tracer.path_of_module(self), tensors, options)

    return kept


def drawn(like: Tensor) -> Tensor:
    """One uniform number in [0, 1) for each sample of a batch."""
    return torch.rand_like(like.new_empty(like.shape[0], dtype=torch.float32))


class Apply(nn.Module):
    """An operator that torch has no module for: calls its `compute`, in training its `train`.

    With `several`, it gives all of the operator's outputs, else the first alone.
    """

    def __init__(self, op: Operator, inputs: tuple[TensorType, ...], several: bool) -> None:
        super().__init__()
        self.op = op
        self.several = several
        self.draws = op.draws(*inputs)
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

    @leaf
    def forward(self, *tensors: Tensor, draws: dict[str, Tensor] | None = None) -> Any:
        own = {name: self._tensor(name) for name in self.own}
        if not self.training:
            result = self.op.compute(torch, *tensors, **own)
        else:
            shared = {name: draws[name] for name in self.draws} if draws else {}
            result = self.op.train(torch, shared, *tensors, **own)
        return result if self.several or isinstance(result, Tensor) else result[0]

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return repr(self.op)


class Passing(nn.Module):
    """What begins or ends a recurrence, or joins what its steps made: gives what it is given.

    The block that runs the steps cuts and stacks; here hooks see the values.
    """

    def forward(self, *tensors: Tensor) -> Any:
        return tensors[0] if len(tensors) == 1 else tensors


class Shared(nn.Module):
    """A step that uses another step's weights: it owns none."""

    def __init__(self, owner: nn.Module, template: nn.Module | None) -> None:
        super().__init__()
        # In tuples, so that the weights stay registered where they are owned only.
        self._owner = (owner,)
        self._template = (template,)

    def train(self, mode: bool = True) -> Shared:
        """Sets the mode of the layer that runs too, which is registered nowhere."""
        super().train(mode)
        if self._template[0] is not None:
            self._template[0].train(mode)
        return self

    @property
    def owner(self) -> nn.Module:
        """The step that has the weights."""
        return self._owner[0]

    @property
    def computes(self) -> nn.Module:
        """The layer that runs: the owner, or one of other settings that is given its weights."""
        return self._template[0] or self._owner[0]

    @leaf
    def forward(self, *tensors: Tensor, **options: Any) -> Any:
        owner, template = self._owner[0], self._template[0]
        if template is None:
            return owner(*tensors, **options)
        weights = {**dict(owner.named_parameters()), **dict(owner.named_buffers())}
        return torch.func.functional_call(template, weights, tensors, options)


class FlatLinear(nn.Linear):
    """A linear layer over all elements of a map, channels first."""

    @leaf
    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = flat_linear(torch, super().forward, input)
        return found


class WindowLinear(nn.Linear):
    """A linear layer over the elements of every window, channels first."""

    def __init__(self, kernel: tuple[int, ...], into: int, out: int, *, bias: bool) -> None:
        super().__init__(into, out, bias=bias)
        self.kernel = kernel

    @leaf
    def forward(self, input: Tensor) -> Tensor:
        layer = self if prod(self.kernel) > 1 else super().forward
        found: Tensor = window_linear(torch, layer, self.kernel, self.out_features, input)
        return found

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kernel={self.kernel}"


class _Padded:
    """Pads before a window slides, where torch's own padding cannot: per side, or wide."""

    window: Geometry
    border = "zeros"

    @leaf
    def forward(self, input: Tensor) -> Any:
        return padded(torch, super().forward, self.window, input, self.border)  # type: ignore[misc]

    def extra_repr(self) -> str:
        text: str = super().extra_repr()  # type: ignore[misc]
        border = "" if self.border == "zeros" else f", border={self.border}"
        return f"{text}, pads={self.window.pads}{border}"


class _MaxPadded(_Padded):
    """Pads with what no maximum takes, and counts the places it finds without the padding."""

    @leaf
    def forward(self, input: Tensor) -> Any:
        return max_padded(torch, super(_Padded, self).forward, self.window, input)  # type: ignore[misc]


class _Cropped:
    """Crops what a transposed convolution makes, where the two sides differ."""

    window: Geometry

    @leaf
    def forward(self, input: Tensor) -> Any:
        return cropped(torch, super().forward, self.window, input)  # type: ignore[misc]

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

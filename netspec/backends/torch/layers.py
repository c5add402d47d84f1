"""The modules a net is made of, beyond torch's own: blocks, padded windows, functions."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, wraps
from math import prod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.graph.fitting import Fitting
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.layers import cropped, flat_linear, max_padded, padded, window_linear
from netspec.ops.declare.operator import Operator
from netspec.sizes.shapes import TensorType


class TrainingOutputs(NamedTuple):
    """What a net with training-only heads returns in training: its output, and theirs by name."""

    main: Any
    heads: dict[str, Tensor]


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


class Step(NamedTuple):
    """One call in a block: the child, the slots it reads and writes.

    `training_only` steps run in training alone; those that are `random` are given the block's draws.
    """

    child: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    training_only: bool
    random: bool


class Wiring(NamedTuple):
    """How a block calls its children, and what it is called in the spec.

    `draws` names the random numbers that operators of the block share in training, each with the
    input whose samples they are for. `still` are children that stay in evaluation mode.
    """

    kind: str
    steps: tuple[Step, ...]
    inputs: int
    outputs: tuple[int, ...]
    draws: dict[str, int]
    still: tuple[str, ...]

    def slots(self) -> int:
        """How many tensors the block has at most."""
        return max([self.inputs, *(slot + 1 for step in self.steps for slot in step.writes)])

    def last_reads(self, kept: tuple[int, ...]) -> list[tuple[int, ...]]:
        """For each step, the slots that it is the last to read or write, without those that are kept."""
        last = {
            slot: i for i, step in enumerate(self.steps) for slot in (*step.reads, *step.writes)
        }
        found: list[list[int]] = [[] for _ in self.steps]
        for slot, i in last.items():
            if slot not in kept:
                found[i].append(slot)
        return [tuple(slots) for slots in found]


class Block(nn.Module):
    """A block of the spec: calls its children in order. Takes and returns tensors.

    The outermost block that is called draws what its operators share before all else and hands it
    down, so that a part that is computed twice finds the same numbers. A `_recomputed` block is: it
    keeps no inner tensor for backward, which runs it again.
    """

    # A child may be called as any attribute would be: those here cannot be meant by a spec's author.
    def __init__(self, children: dict[str, nn.Module], wiring: Wiring) -> None:
        super().__init__()
        # Not `add_module`, which refuses names of nn.Module's own methods: `half`, `type`, `train`.
        self._modules.update(children)
        self._wiring = wiring
        self._slots = wiring.slots()
        self._done = wiring.last_reads(wiring.outputs)
        self._recomputed = False
        self.train(self.training)

    def train(self, mode: bool = True) -> Block:
        super().train(mode)
        for name in self._wiring.still:
            self._modules[name].eval()  # type: ignore[union-attr]
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        # A child may be called `training` too: it lives apart from the attributes.
        if isinstance(value, Tensor | nn.Module):
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def _run(self, *tensors: Tensor, draws: dict[str, Tensor] | None = None) -> list[Any]:
        """The tensors of the block by slot; None where no step or output reads one any more."""
        wiring = self._wiring
        if len(tensors) != wiring.inputs:
            raise TypeError(f"{wiring.kind} takes {wiring.inputs} tensors, got {len(tensors)}")
        if draws is None and self.training:
            draws = {name: drawn(tensors[i]) for name, i in wiring.draws.items()}
        slots: list[Any] = [*tensors, *([None] * (self._slots - wiring.inputs))]
        for step, done in zip(wiring.steps, self._done, strict=True):
            child, reads, writes, training_only, random = step
            if training_only and not self.training:
                continue
            options = {"draws": draws} if random else {}
            result = self._modules[child](*[slots[i] for i in reads], **options)  # type: ignore[misc]
            if len(writes) == 1:
                slots[writes[0]] = result
            else:
                for i, slot in enumerate(writes):
                    slots[slot] = result[i]
            # What was read for the last time is let go, or it would stay to the end of the block.
            for slot in done:
                slots[slot] = None
        return slots

    def forward(self, *tensors: Tensor, draws: dict[str, Tensor] | None = None) -> Any:
        if not (self._recomputed and self.training and torch.is_grad_enabled()):
            return self._once(*tensors, draws=draws)
        if _proxies(tensors):
            return self._once(*tensors, draws=draws)
        # What compiles a block makes the second run of it itself, without running statistics.
        how: Any = {} if torch.compiler.is_compiling() else {"context_fn": self._again}
        return checkpoint(self._once, *tensors, draws=draws, use_reentrant=False, **how)

    def _once(self, *tensors: Tensor, draws: dict[str, Tensor] | None = None) -> Any:
        slots = self._run(*tensors, draws=draws)
        outputs = self._wiring.outputs
        return slots[outputs[0]] if len(outputs) == 1 else tuple(slots[i] for i in outputs)

    def _again(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_tracking(self)

    def extra_repr(self) -> str:
        return ""

    # What `made_class` made the class of.
    _made: ClassVar[tuple[Any, ...]]

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickles find classes by name, and this one has none that a module could be asked for.
        return _empty, type(self)._made, self.__dict__


@contextmanager
def _without_tracking(module: nn.Module) -> Iterator[None]:
    """Running statistics stay as they are, while a part is computed for the second time.

    They are still handed to the norms: what the two runs keep for backward has to be as many tensors.
    """
    leaves = {inner.computes if isinstance(inner, Shared) else inner for inner in module.modules()}
    norms = [m for m in leaves if isinstance(m, _NormBase) and m.track_running_stats]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


class NetModule(Block):
    """A whole net, called with its inputs in order or by name.

    `loss_weights` maps each training-only head to the weight of its loss. What makes one gives the
    slots of the `heads`, and where sizes are symbols a `fitting`, which refuses those that are not legal.
    """

    input_names: tuple[str, ...]

    def __init__(
        self,
        children: dict[str, nn.Module],
        wiring: Wiring,
        heads: dict[str, int],
        loss_weights: dict[str, float],
        names: list[str],
        fitting: Fitting | None = None,
    ) -> None:
        super().__init__(children, wiring)
        self._heads = heads
        self._done = wiring.last_reads((*wiring.outputs, *heads.values()))
        self.loss_weights = loss_weights
        self.output_names = names
        self._fitting = fitting

    def _answer(self, *tensors: Tensor) -> Any:
        """The net's output (a tuple of them if several); in training, with its heads' outputs.

        Raises NetspecError where sizes of the inputs are not legal.
        """
        if self._fitting is not None and not _traced(tensors):
            self._check(self._fitting, tensors)
        slots = self._run(*tensors)
        found = tuple(slots[i] for i in self._wiring.outputs)
        main = found[0] if len(found) == 1 else found
        if self.training and self._heads:
            return TrainingOutputs(main, {name: slots[i] for name, i in self._heads.items()})
        return main

    def total_loss(self, loss: Callable[..., Any], outputs: Any, *targets: Any) -> Any:
        """`loss(output, *targets)` of the net's output and, by their weights, of its heads' outputs.

        >>> import netspec, torch
        >>> model = netspec.load("head aux(loss=0.3) { gap }; conv3-4; gap", input="4x8x8").to_torch()
        >>> outputs, targets = model(torch.ones(2, 4, 8, 8)), torch.zeros(2, 4)
        >>> mse = torch.nn.functional.mse_loss
        >>> heads = 0.3 * mse(outputs.heads["aux"], targets)
        >>> bool(model.total_loss(mse, outputs, targets) == mse(outputs.main, targets) + heads)
        True
        """
        if not isinstance(outputs, TrainingOutputs):
            return loss(outputs, *targets)
        weighted = (
            self.loss_weights[n] * loss(head, *targets) for n, head in outputs.heads.items()
        )
        return sum(weighted, start=loss(outputs.main, *targets))

    def _check(self, fitting: Fitting, tensors: tuple[Tensor, ...]) -> None:
        names = [name for name, _ in fitting.inputs]
        if len(tensors) != len(names):
            return
        found = fitting.misfit(
            {name: tuple(t.shape[1:]) for name, t in zip(names, tensors, strict=True)}
        )
        if found is not None:
            raise NetspecError(BadInput(*found))


@cache
def made_class(kind: str, definition: str, inputs: tuple[str, ...] | None) -> Any:
    """The class of a block or, with the names of its inputs, of a net: as if written by hand.

    It is called as the spec calls what it is, in capitals: `SqueezeExcite`. Blocks of one name have
    one class where their `definition` is the same, so that what goes by class, as policies of
    wrapping and profilers do, sees the spec's blocks.
    """
    base: type[Any] = Block if inputs is None else NetModule
    body: dict[str, Any] = {"__module__": __name__, "__doc__": base.__doc__}
    body["_made"] = (kind, definition, inputs)
    if inputs is not None:
        body |= {"input_names": inputs, "forward": _forward(kind, inputs)}
    return type(class_name(kind), (base,), body)


def class_name(kind: str) -> str:
    """A block's name as that of a class.

    >>> class_name("squeeze_excite"), class_name("resnet50"), class_name("_"), class_name("true")
    ('SqueezeExcite', 'Resnet50', 'Block_', 'True_')
    """
    name = "".join(word[:1].upper() + word[1:] for word in kind.split("_"))
    if not name.isidentifier():
        name = f"Block{name}_"
    return f"{name}_" if keyword.iskeyword(name) else name


def _forward(kind: str, inputs: tuple[str, ...]) -> Any:
    """A `forward` that takes inputs of these names.

    Tracers, exporters and `inspect` read the names off the function's code, so it is made with them.
    """
    listed = ", ".join(inputs)
    made: dict[str, Any] = {}
    exec(f"def forward(self, {listed}):\n    return self._answer({listed})\n", made)
    forward = made["forward"]
    forward.__module__ = __name__
    forward.__doc__ = NetModule._answer.__doc__
    # Python's message for a wrong call starts with this name: it says what the right one is.
    forward.__qualname__ = f"{kind}({listed}).forward"
    return forward


def _empty(kind: str, definition: str, inputs: tuple[str, ...] | None) -> Block:
    made = made_class(kind, definition, inputs)
    empty: Block = made.__new__(made)
    return empty


def argument_names(inputs: Iterable[str]) -> tuple[str, ...]:
    """The inputs' names as Python takes them: what it reserves has an underscore after it.

    >>> argument_names(["image", "lambda", "self"])
    ('image', 'lambda_', 'self_')
    """
    given = list(inputs)
    found: list[str] = []
    for name in given:
        while keyword.iskeyword(name) or name == "self" or name in found:
            name += "_"
            while name in given:
                name += "_"
        found.append(name)
    return tuple(found)


def _traced(tensors: tuple[Tensor, ...]) -> bool:
    """Whether sizes are not numbers, as torch only traces: what comes of it is checked where it runs."""
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return traced or torch.compiler.is_compiling() or _proxies(tensors)


def _proxies(tensors: tuple[Tensor, ...]) -> bool:
    return any(isinstance(t, Proxy) for t in tensors)


class Apply(nn.Module):
    """An operator that torch has no module for: calls its `compute`, in training its `train`.

    With `several`, it gives all of the operator's outputs, else the first alone.
    """

    def __init__(self, op: Operator, inputs: tuple[TensorType, ...], several: bool) -> None:
        super().__init__()
        self.op = op
        self.several = several
        self.draws = {name: draw_key(name, inputs[0]) for name in op.draws(*inputs)}
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
            shared = {
                name: drawn(tensors[0]) if draws is None else draws[key]
                for name, key in self.draws.items()
            }
            result = self.op.train(torch, shared, *tensors, **own)
        return result if self.several or isinstance(result, Tensor) else result[0]

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return repr(self.op)


def draw_key(name: str, tensor: TensorType) -> str:
    """What a block calls the draw of this name for the samples that the tensor is of."""
    return f"{name} of {tensor.batch}"


class Shared(nn.Module):
    """A step that uses another step's weights: it owns none."""

    def __init__(self, owner: nn.Module, template: nn.Module | None) -> None:
        super().__init__()
        # In tuples, so that the weights stay registered where they are owned only.
        self._owner = (owner,)
        self._template = (template,)

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

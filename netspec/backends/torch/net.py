"""A net and its blocks as modules: they call their children in the spec's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from netspec.backends.torch.layers import Shared, drawn, leaf
from netspec.backends.torch.names import class_name
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.graph.fitting import Fitting


class TrainingOutputs(NamedTuple):
    """What a net with training-only heads returns in training: its output, and theirs by name."""

    main: Any
    heads: dict[str, Tensor]


class Step(NamedTuple):
    """One call in a block: the child, the slots it reads and writes.

    `training_only` steps run in training alone; those that are `random` are given the block's draws.
    """

    child: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    training_only: bool
    random: bool


class Repeats(NamedTuple):
    """How a block runs at every step of a sequence, by slots.

    `sequence` is cut along time into steps. Each is put, behind it the states, into the slots `begun`; the
    states are read from `starts` before the first step, from `carried` before the next. After the last,
    these are put into `final`. `joined` has what the steps make, and the slot for all of it along time. The
    children called `each`, `last`, and as `joined` says are shown what they are called for. What depends
    on no step, the children called `once`, is computed before the first.
    """

    each: str
    sequence: int
    starts: tuple[int, ...]
    begun: tuple[int, ...]
    last: str
    carried: tuple[int, ...]
    final: tuple[int, ...]
    joined: tuple[tuple[str, int, int], ...]
    once: frozenset[str]


class Wiring(NamedTuple):
    """How a block calls its children, and what it is called in the spec.

    `draws` names the random numbers that operators of the block share in training, each with the
    input whose samples they are for. `still` are children that stay in evaluation mode. A block that runs at
    every step of a sequence says how it `repeats`.
    """

    kind: str
    steps: tuple[Step, ...]
    inputs: int
    outputs: tuple[int, ...]
    draws: dict[str, int]
    still: tuple[str, ...]
    repeats: Repeats | None = None

    def slots(self) -> int:
        """How many tensors the block has at most."""
        written = [slot + 1 for step in self.steps for slot in step.writes]
        if (again := self.repeats) is not None:
            made = (*again.begun, *again.final, *(slot for _, _, slot in again.joined))
            written += [slot + 1 for slot in made]
        return max([self.inputs, *written])

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
        if wiring.repeats is None:
            self._call(slots, zip(wiring.steps, self._done, strict=True), draws)
        else:
            self._repeat(slots, wiring.repeats, draws)
        return slots

    def _repeat(self, slots: list[Any], how: Repeats, draws: dict[str, Tensor] | None) -> None:
        """Runs the block at every step of a sequence."""
        sequence = slots[how.sequence]
        states = [slots[slot] for slot in how.starts]
        made: list[list[Tensor]] = [[] for _ in how.joined]
        kept: list[tuple[Step, tuple[int, ...]]] = [(step, ()) for step in self._wiring.steps]
        self._call(slots, [pair for pair in kept if pair[0].child in how.once], draws)
        every = [pair for pair in kept if pair[0].child not in how.once]
        for step in sequence.unbind(min(2, sequence.dim() - 1)):
            self._show(how.each, (step, *states), slots, how.begun)
            self._call(slots, every, draws)
            states = [slots[slot] for slot in how.carried]
            for found, (_, slot, _) in zip(made, how.joined, strict=True):
                found.append(slots[slot])
        self._show(how.last, states, slots, how.final)
        for found, (child, _, slot) in zip(made, how.joined, strict=True):
            self._show(child, [torch.stack(found, dim=2)], slots, (slot,))

    def _show(
        self, child: str, tensors: Sequence[Tensor], slots: list[Any], into: tuple[int, ...]
    ) -> None:
        """Puts tensors into slots, by way of a child that passes them on."""
        result = self._modules[child](*tensors)  # type: ignore[misc]
        for slot, tensor in zip(into, (result,) if len(into) == 1 else result, strict=True):
            slots[slot] = tensor

    def _call(
        self,
        slots: list[Any],
        steps: Iterable[tuple[Step, tuple[int, ...]]],
        draws: dict[str, Tensor] | None,
    ) -> None:
        """Calls children, each given with the slots that nothing reads after it."""
        for step, done in steps:
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

    def forward(self, *tensors: Tensor, draws: dict[str, Tensor] | None = None) -> Any:
        if self._wiring.repeats is not None and _proxies(tensors):
            # How often it runs is no part of a traced graph: it is one call there.
            return leaf(type(self)._once)(self, *tensors, draws=draws)
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


def _traced(tensors: tuple[Tensor, ...]) -> bool:
    """Whether sizes are not numbers, as torch only traces: what comes of it is checked where it runs."""
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return traced or torch.compiler.is_compiling() or _proxies(tensors)


def _proxies(tensors: tuple[Tensor, ...]) -> bool:
    return any(isinstance(t, Proxy) for t in tensors)

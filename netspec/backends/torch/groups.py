"""The parameters of a module in groups with learning rates of their own, for `torch.optim`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from netspec.backends.torch.blocks import matches, unwrapped
from netspec.backends.torch.net import Block
from netspec.diagnostics.arguments import advising
from netspec.diagnostics.messages.budget import UnknownLayerPath
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest

if TYPE_CHECKING:
    from torch import nn


# What is added to what flows, or scales it, whatever its shape: swin_v2's `logit_scale` is (heads, 1, 1).
_UNDECAYED = ("bias", "scale")


@advising
def param_groups(
    module: nn.Module,
    parts: Mapping[str, float] | None = None,
    *,
    lr: float,
    rest: float = 1.0,
    weight_decay: float | None = None,
    **named: float,
) -> list[dict[str, Any]]:
    """A net's trainable parameters in groups for `torch.optim`, each with its learning rate.

    `parts` maps the paths of steps and blocks, `stage4` or `stage4.basic1.conv2`, to multiples of
    `lr`; those at the top may be given by name, `head=1`, as `dict` takes them. `rest` is that of all
    else. A path holds for all that is inside. Its names may be globs, which match one name each:
    `stage*`, `stage?.basic1`, `*.*.bn?`. Where several hold for a parameter the deepest does; of those
    as deep, one without a glob, and then the later.

    `weight_decay` is for what multiplies: biases, and the gains and slopes of norms and activations,
    stand in groups of their own, with a decay of 0. Without it the optimizer's own holds for all.

    What DistributedDataParallel or torch.compile puts around the module is seen through.

    Each group has `params`, `lr` and the `name` that `parts` gives it (`rest` for all else), in
    the order of `parts`; none is empty. With `weight_decay`, it has that too, and `, no decay` after
    the name where it is 0. Every trainable parameter is in exactly one, a shared one where the step
    that owns it is; frozen ones are in none.

    Raises NetspecError for a path that no part with weights of its own has, and ValueError for a
    multiple or a decay that is negative or no finite number.

    >>> import netspec
    >>> model = netspec.load("conv3-8 as trunk; gap; fc-2 as scores", input="3x8x8").to_torch()
    >>> groups = netspec.param_groups(model, scores=1, lr=0.1, rest=0.5)
    >>> [(group["name"], len(group["params"]), group["lr"]) for group in groups]
    [('scores', 2, 0.1), ('rest', 2, 0.05)]
    """
    parts = {**(parts or {}), **named}
    for name, multiple in (*parts.items(), ("rest", rest)):
        if not (isfinite(multiple) and multiple >= 0):
            raise ValueError(f"{name}={multiple}: a multiple of the learning rate is 0 or more")
    if weight_decay is not None and not (isfinite(weight_decay) and weight_decay >= 0):
        raise ValueError(f"weight_decay={weight_decay}: a decay is 0 or more")
    module = unwrapped(module)
    paths = _named(module, parts)
    kinds = (True,) if weight_decay is None else (True, False)
    groups: dict[tuple[str | None, bool], list[nn.Parameter]] = {
        (part, decayed): [] for part in (*parts, None) for decayed in kinds
    }
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decayed = weight_decay is None or _multiplies(name, parameter)
            groups[_closest_part(name, paths), decayed].append(parameter)
    return [
        {
            "params": params,
            "lr": lr * (rest if part is None else parts[part]),
            "name": ("rest" if part is None else part) + ("" if decayed else ", no decay"),
        }
        | ({} if weight_decay is None else {"weight_decay": weight_decay if decayed else 0.0})
        for (part, decayed), params in groups.items()
        if params
    ]


def _multiplies(name: str, parameter: nn.Parameter) -> bool:
    last = name.rpartition(".")[2]
    return parameter.ndim > 1 and not any(word in last for word in _UNDECAYED)


def _named(module: nn.Module, parts: Iterable[str]) -> dict[str, frozenset[str]]:
    """For every part, the paths of the module that it names."""
    owners = [path for path, inner in module.named_modules() if path and _has_weights(inner)]
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        found[part] = frozenset(path for path in owners if matches(path, part))
        if not found[part]:
            near = closest(part, owners)
            advice = (
                f"did you mean {near}?" if near else "`netspec summary --flat` lists the layers"
            )
            raise NetspecError(UnknownLayerPath(_name(module), part, advice), status=2)
    return found


def _is_glob(part: str) -> bool:
    return any(mark in part for mark in "*?[")


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _name(module: nn.Module) -> str:
    return module._wiring.kind if isinstance(module, Block) else type(module).__name__


def _closest_part(name: str, named: Mapping[str, frozenset[str]]) -> str | None:
    """The part that the parameter of this name belongs to; None where none names it."""
    later_first = [*named][::-1]
    exact = sorted(later_first, key=_is_glob)
    path = name.rpartition(".")[0]
    while path:
        for part in exact:
            if path in named[part]:
                return part
        path = path.rpartition(".")[0]
    return None

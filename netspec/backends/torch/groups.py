"""The parameters of a module in groups with learning rates of their own, for `torch.optim`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from math import isfinite
from typing import TYPE_CHECKING, Any

from netspec.backends.torch.layers import NetModule
from netspec.diagnostics.messages.budget import UnknownLayerPath
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest

if TYPE_CHECKING:
    from torch import nn


def param_groups(
    module: nn.Module, parts: Mapping[str, float], *, lr: float, rest: float = 1.0
) -> list[dict[str, Any]]:
    """A net's trainable parameters in groups for `torch.optim`, each with its learning rate.

    `parts` maps the paths of steps and blocks, `stage4` or `stage4.basic1.conv2`, to multiples of
    `lr`; `rest` is that of all else. A path holds for all that is inside. Its names may be globs,
    which match one name each: `stage*`, `stage?.basic1`, `*.*.bn?`. Where several hold for a
    parameter the deepest does, and of those that name the same the later.

    What DistributedDataParallel or torch.compile puts around the module is seen through.

    Each group has `params`, `lr` and the `name` that `parts` gives it (`rest` for all else), in
    the order of `parts`; none is empty. Every trainable parameter is in exactly one, a shared one
    where the step that owns it is; frozen ones are in none.

    Raises NetspecError for a path that no part with weights of its own has, and ValueError for a
    multiple that is negative or no finite number.

    >>> import netspec
    >>> model = netspec.load("conv3-8 as trunk; gap; fc-2 as scores", input="3x8x8").to_torch()
    >>> groups = netspec.param_groups(model, {"scores": 1}, lr=0.1, rest=0.5)
    >>> [(group["name"], len(group["params"]), group["lr"]) for group in groups]
    [('scores', 2, 0.1), ('rest', 2, 0.05)]
    """
    for name, multiple in (*parts.items(), ("rest", rest)):
        if not (isfinite(multiple) and multiple >= 0):
            raise ValueError(f"{name}={multiple}: a multiple of the learning rate is 0 or more")
    module = _unwrapped(module)
    named = _named(module, parts)
    groups: dict[str | None, list[nn.Parameter]] = {part: [] for part in (*parts, None)}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[_closest_part(name, named)].append(parameter)
    return [
        {
            "params": params,
            "lr": lr * (rest if part is None else parts[part]),
            "name": "rest" if part is None else part,
        }
        for part, params in groups.items()
        if params
    ]


def _unwrapped(module: nn.Module) -> nn.Module:
    """The net itself, without DistributedDataParallel and torch.compile around it."""
    inner = dict(module.named_children())
    if isinstance(module, NetModule) or len(inner) != 1 or not {"module", "_orig_mod"} & set(inner):
        return module
    return _unwrapped(*inner.values())


def _named(module: nn.Module, parts: Iterable[str]) -> dict[str, frozenset[str]]:
    """For every part, the paths of the module that it names."""
    owners = [path for path, inner in module.named_modules() if path and _has_weights(inner)]
    found: dict[str, frozenset[str]] = {}
    for part in parts:
        found[part] = frozenset(path for path in owners if _matches(path, part))
        if not found[part]:
            near = closest(part, owners)
            advice = (
                f"did you mean {near}?" if near else "`netspec summary --flat` lists the layers"
            )
            raise NetspecError(UnknownLayerPath(_name(module), part, advice), status=2)
    return found


def _matches(path: str, glob: str) -> bool:
    names, globs = path.split("."), glob.split(".")
    return len(names) == len(globs) and all(map(fnmatchcase, names, globs))


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _name(module: nn.Module) -> str:
    return str(getattr(module, "kind", type(module).__name__))


def _closest_part(name: str, named: Mapping[str, frozenset[str]]) -> str | None:
    """The part that the parameter of this name belongs to; None where none names it."""
    path = name.rpartition(".")[0]
    while path:
        for part in reversed([*named]):
            if path in named[part]:
                return part
        path = path.rpartition(".")[0]
    return None

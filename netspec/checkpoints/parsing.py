"""Names of tensors taken apart: the layer, and what the tensor is to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from netspec.checkpoints.names import series
from netspec.foundation.records import record

# One thing, spelt by libraries in several ways.
_ROLES = {
    **{"gamma": "weight", "scale": "weight", "kernel": "weight", "weights": "weight"},
    **{"depthwise_kernel": "weight"},
    **{"beta": "bias", "biases": "bias", "offset": "bias"},
    **{"moving_mean": "running_mean"},
    **{"moving_variance": "running_var", "moving_var": "running_var"},
}
_COUNTERS = {"num_batches_tracked", "n_averaged"}
_SEPARATORS = re.compile(r"[./]")
_ROLE = re.compile(
    r"(?:(?P<layer>.+)_)?(?P<role>weight|kernel|bias|gamma|beta|(?:running|moving)_(?:mean|var)"
    r"|moving_variance|num_batches_tracked)\Z"
)
_RECURRENT = re.compile(r"(?:weight|bias)_[ih]h_l\d+")


@record
class ParsedName:
    """A tensor's name taken apart. `bare`: a parameter that no layer of its own holds."""

    components: tuple[str, ...]
    role: str
    bare: bool = False


def parsed_name(name: str) -> ParsedName:
    """`a.bn.gamma` is the weight of `a.bn`, `conv_weight` of `conv`; `a.token` is a layer."""
    *around, leaf = _SEPARATORS.split(name.removesuffix(":0"))
    if leaf in _ROLES or _RECURRENT.match(leaf):
        return ParsedName(tuple(around), _ROLES.get(leaf, leaf))
    match = _ROLE.match(leaf)
    if match is None:
        return ParsedName((*around, leaf), "weight", bare=True)
    inner = (match["layer"],) if match["layer"] else ()
    return ParsedName((*around, *inner), _ROLES.get(match["role"], match["role"]))


def parsed_file(names: Iterable[str]) -> dict[str, ParsedName]:
    """All names of a file; where they have no levels, words and numbers in them may be levels."""
    found = {name: parsed_name(name) for name in names}
    if any(len(parsed.components) > 1 for parsed in found.values()):
        return found
    if regrouped := _kind_last(found):
        return regrouped
    levels = {
        name: replace(parsed, components=tuple("_".join(parsed.components).split("_")))
        for name, parsed in found.items()
    }
    return levels if _unbroken(parsed.components for parsed in levels.values()) else found


_NUMBERED = re.compile(r"([A-Za-z]+)_?(\d\w*)")
_LEVELS = re.compile(r"[A-Za-z]*\d+|[A-Za-z]+")


def _kind_last(found: Mapping[str, ParsedName]) -> dict[str, ParsedName] | None:
    """Names that begin with the kind of layer, taken apart: where it is.

    Caffe's `res2a_branch1` and `bn2a_branch1` are `res` and `bn` at 2, a, branch1. Most places must
    have layers of two kinds or more.
    """
    kinds: dict[str, set[str]] = {}
    for parsed in found.values():
        if match := _NUMBERED.fullmatch("_".join(parsed.components)):
            kinds.setdefault(match[2], set()).add(match[1])
    if 2 * sum(len(words) > 1 for words in kinds.values()) <= max(len(kinds), 2):
        return None
    regrouped = {}
    for name, parsed in found.items():
        if match := _NUMBERED.fullmatch("_".join(parsed.components)):
            parsed = replace(parsed, components=(*_LEVELS.findall(match[2]), match[1]))
        regrouped[name] = parsed
    return regrouped


def is_counter(name: str) -> bool:
    """Whether it counts steps of training: part of PyTorch's norms and averages, no weight."""
    return name.rpartition(".")[2] in _COUNTERS


def _unbroken(paths: Iterable[tuple[str, ...]]) -> bool:
    """Whether what is under one name stands together."""
    closed: set[tuple[str, ...]] = set()
    open_: list[tuple[str, ...]] = []
    for path in paths:
        prefixes = [path[: i + 1] for i in range(len(path))]
        closed.update(prefix for prefix in open_ if prefix not in prefixes)
        if closed.intersection(prefixes):
            return False
        open_ = prefixes
    return True


# What a module lists after what.
_AFTER = {"weight": "bias", "running_mean": "running_var"}


def in_definition_order(tensors: Iterable[str]) -> bool:
    """Whether the file lists tensors as a module defines them, rather than sorted or shuffled.

    A module lists its weight before its bias, everything under one name together, and numbers its
    parts upwards, if with exceptions.
    """
    names = list(parsed_file(tensors).values())
    if not _unbroken(parsed.components for parsed in names):
        return False
    seen: set[tuple[tuple[str, ...], str | None]] = set()
    last: dict[tuple[str, ...], str] = {}
    up = down = 0
    for parsed in names:
        path = parsed.components
        if (path, _AFTER.get(parsed.role)) in seen:
            return False
        seen.add((path, parsed.role))
        for i, component in enumerate(path):
            step = series(last.get(path[:i], component), component)
            up, down = up + (step == -1), down + (step == 1)
            last[path[:i]] = component
    return 4 * down <= up

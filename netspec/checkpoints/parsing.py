"""Names of tensors taken apart: the layer, and what the tensor is to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import lgamma, log

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.names import PROJECTIONS, is_alphabet, is_number, tokens
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
_RECURRENT = re.compile(r"(?:weight|bias)_(?:[ih]h|hr)_l\d+")


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
    found = _scaled({name: parsed_name(name) for name in names})
    if any(len(parsed.components) > 1 for parsed in found.values()):
        return found
    if regrouped := _kind_last(found):
        return regrouped
    levels = {
        name: replace(parsed, components=tuple("_".join(parsed.components).split("_")))
        for name, parsed in found.items()
    }
    return found if _returns(parsed.components for parsed in levels.values()) else levels


def _scaled(found: dict[str, ParsedName]) -> dict[str, ParsedName]:
    """The names, in which `alpha` beside a `beta` is the weight of what they are in, as in ResMLP."""
    shifted = {parsed.components for name, parsed in found.items() if name.endswith("beta")}
    return {
        name: ParsedName(parsed.components[:-1], "weight")
        if parsed.bare and parsed.components[-1] == "alpha" and parsed.components[:-1] in shifted
        else parsed
        for name, parsed in found.items()
    }


_NUMBERED = re.compile(r"([A-Za-z]+)_?(\d\w*)")
_LEVELS = re.compile(r"[A-Za-z]*\d+|[A-Za-z]+")


def _kind_last(found: Mapping[str, ParsedName]) -> dict[str, ParsedName] | None:
    """Names that begin with the kind of layer, taken apart: where it is.

    Caffe's `res2a_branch1` and `bn2a_branch1` are `res` and `bn` at 2, a, branch1. Kinds are words
    that share most of their places. Plain numbers are no places: a word may only count itself.
    """
    places: dict[str, set[str]] = {}
    for parsed in found.values():
        match = _NUMBERED.fullmatch("_".join(parsed.components))
        if match and not is_number(match[2]):
            places.setdefault(match[1], set()).add(match[2])
    kinds = {
        word
        for word, own in places.items()
        if any(word != w and 2 * len(own & theirs) > len(own) for w, theirs in places.items())
    }
    if not kinds:
        return None
    regrouped = {}
    for name, parsed in found.items():
        match = _NUMBERED.fullmatch("_".join(parsed.components))
        if match and match[1] in kinds:
            parsed = replace(parsed, components=(*_LEVELS.findall(match[2]), match[1]))
        regrouped[name] = parsed
    return regrouped


def is_counter(name: str) -> bool:
    """Whether it counts steps of training: part of PyTorch's norms and averages, no weight."""
    return name.rpartition(".")[2] in _COUNTERS


def in_definition_order(tensors: Mapping[str, Shape]) -> bool:
    """Whether the file lists tensors as a module defines them, rather than sorted or shuffled.

    A module lists a layer's tensors together, its running mean before its variance, and what is
    under one name together and with numbers upwards, if with exceptions. An order by the alphabet
    says nothing, nor does one that chance would make, once in a thousand files that are shuffled.
    """
    names = [name for name in tensors if not is_counter(name)]
    parsed = [parsed_name(name) for name in names]
    layers = [name.components for name in parsed]
    if names == sorted(names) or _returns(layers, layers):
        return False
    siblings: dict[tuple[str, ...], set[str]] = {}
    for path in layers:
        for i, component in enumerate(path):
            siblings.setdefault(path[:i], set()).add(component)
    seen: set[tuple[tuple[str, ...], str]] = set()
    last: dict[tuple[str, ...], str] = {}
    up = down = 0
    for name in parsed:
        path = name.components
        if name.role == "running_mean" and (path, "running_var") in seen:
            return False
        seen.add((path, name.role))
        for i, component in enumerate(path):
            before = last.get(path[:i], component)
            last[path[:i]] = component
            if is_number(before) and is_number(component) and int(component) < int(before):
                return False
            # Letters that leave some out are no series: `q`, `c`, `o`.
            counts = len(component) > 1 or len(before) > 1 or _is_run(siblings[path[:i]])
            step = _step(before, component) if counts else 0
            up, down = up + (step > 0), down + (step < 0)
    groups = [path[:i] for path in dict.fromkeys(layers) for i in range(1, len(path))]
    if 2 * down > up or 4 * _returns(dict.fromkeys(layers), groups) > len(set(layers)):
        return False
    listed = zip(parsed, (tensors[name] for name in names), strict=True)
    return _chance(listed) + up - 2 * down >= _BITS


# How unlikely chance must be, as a power of two.
_BITS = 10


def _chance(tensors: Iterable[tuple[ParsedName, Shape]]) -> float:
    """How unlikely it is that shuffling brings layers' tensors together, and their shapes in order.

    As a power of two: of all orders, those do that exchange layers of the same shapes.
    """
    layers: dict[tuple[str, ...], list[tuple[str, Shape]]] = {}
    for name, shape in tensors:
        layers.setdefault(name.components, []).append((name.role, shape))
    alike = Counter(tuple(sorted(layer)) for layer in layers.values())
    kept = sum(lgamma(count + 1) for count in alike.values())
    return (lgamma(sum(map(len, layers.values())) + 1) - kept) / log(2)


def _is_run(labels: set[str]) -> bool:
    """Whether the labels that are single letters are the first ones of the alphabet."""
    return is_alphabet(sorted(x.lower() for x in labels if len(x) == 1 and x.isalpha()))


def _returns(
    paths: Iterable[tuple[str, ...]], groups: Iterable[tuple[str, ...]] | None = None
) -> int:
    """How often the paths come back to a group after they left it; `groups` are the ones that count."""
    wanted = None if groups is None else set(groups)
    closed: set[tuple[str, ...]] = set()
    open_: set[tuple[str, ...]] = set()
    count = 0
    for path in paths:
        around = {path[:i] for i in range(1, len(path) + 1)}
        if wanted is not None:
            around &= wanted
        count += len((around - open_) & closed)
        closed |= open_ - around
        open_ = around
    return count


# Letters of an attention's three matrices, in whatever order: `linear_q`, `linear_k`, `linear_v`.
_ASKED = {word for spellings in PROJECTIONS.values() for word in spellings if len(word) == 1}


def _step(first: str, second: str) -> int:
    """1 where the second name comes after the first in a series, -1 where before, else 0."""
    for a, b in zip(tokens(first), tokens(second), strict=False):
        if a != b:
            if is_number(a) and is_number(b):
                return 1 if int(a) < int(b) else -1
            counts = len(a) == len(b) == 1 and not {a, b} <= _ASKED
            return (a < b) - (a > b) if counts else 0
    return 0

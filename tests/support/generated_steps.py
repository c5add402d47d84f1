"""Steps drawn at random: an operator's example with other parameters, often on another input."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import (
    Choice,
    Count,
    Flag,
    Integers,
    KnownParam,
    LayerParam,
    Padding,
    Param,
    PerAxis,
    Real,
    Reference,
    SchemeParam,
)
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.parse import parse

FREE_SIZES = {0: [], 1: ["T"], 2: ["H", "W"], 3: ["D", "H", "W"]}


def step_of(kind: type[Operator], random: Random) -> tuple[str, str]:
    """An example of an operator with other parameters, often on another input."""
    declared, step = random.choice(kind.examples)
    declared = input_like(declared, random)
    return declared, varied(kind, step, declared.split()[0].count("x"), random)


def input_like(declared: str, random: Random) -> str:
    """Another input of an example's kind: of other sizes or free ones, also on other axes."""
    match = re.fullmatch(r"([0-9]+)((?:x[0-9]+)*)", declared)
    if match is None or random.random() < 0.25:
        return declared
    channels, axes = match[1], match[2].count("x")
    rank = random.choice([axes, axes, axes, 1, 2, 3])
    if random.random() < 1 / 3:
        return "x".join([channels, *FREE_SIZES[rank]])
    width = random.choice([channels, "1", "2", "3", "4", "6", "8"])
    return "x".join([width, *(str(random.randint(1, 9)) for _ in range(rank))])


def varied(kind: type[Operator], step: str, rank: int, random: Random) -> str:
    """The step with some of the operator's arguments drawn anew, for an input of `rank` axes."""
    names = [name for name in kind.params if random.random() < 0.5]
    # What reads other tensors needs sizes that agree: of many arguments few change at a time.
    if "@" in step and len(kind.params) > 6:
        names = random.sample(names, min(len(names), 2))
    chosen = {
        name: VALUES[type(kind.params[name])](kind.params[name], rank, random) for name in names
    }
    # Of what excludes each other one is given; a list that fills a bias is seldom met by chance.
    rivals = [name for name in kind.either if name in chosen]
    for name in random.sample(rivals, max(0, len(rivals) - 1)):
        del chosen[name]
    if chosen.get("bias_init", "").startswith("[") and random.random() < 0.8:
        del chosen["bias_init"]
    return with_arguments(kind, step, chosen)


# --- values


def _listed(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _count(param: Count, rank: int, random: Random) -> str:
    return str(random.randint(param.low, min(param.high, param.low + 4)))


def _real(param: Real, rank: int, random: Random) -> str:
    low, high = max(param.low, -2.0), min(param.high, 2.0)
    value = random.choice([low, high, *(random.uniform(low, high) for _ in range(6))])
    return f"{max(low, round(value, 3)):.6f}"


def _per_axis(param: PerAxis, rank: int, random: Random) -> str:
    if param.words and random.random() < 1 / 2:
        return random.choice(param.words)
    sizes = [str(random.randint(param.low, param.low + 3)) for _ in range(max(rank, 1))]
    return _listed(sizes) if random.random() < 1 / 3 else sizes[0]


def _padding(param: Padding, rank: int, random: Random) -> str:
    def size() -> str:
        return str(random.randint(0, 3))

    match random.randrange(4):
        case 0 if param.words:
            return random.choice(["same", "tf_same", "valid", "full"])
        case 1:
            return size()
        case 2:
            return _listed([size() for _ in range(max(rank, 1))])
    return _listed([f"({size()}, {size()})" for _ in range(max(rank, 1))])


def _integers(param: Integers, rank: int, random: Random) -> str:
    def row() -> str:
        return _listed([str(random.randint(0, 4)) for _ in range(random.randint(1, 4))])

    return _listed([row() for _ in range(random.randint(1, 4))]) if param.nested else row()


def _values(rank: int, random: Random) -> str:
    """Nested lists of a window, mostly of as many axes as there are."""
    sizes = [random.randint(1, 3) for _ in range(random.choice([rank, rank, rank, 1, rank + 1]))]

    def level(sizes: list[int]) -> str:
        if not sizes:
            return random.choice(["0", "1", "-2", "1/9", "0.25"])
        return _listed([level(sizes[1:]) for _ in range(sizes[0])])

    return level(sizes or [1])


def _known(param: KnownParam, rank: int, random: Random) -> str:
    words = ["none", "none", "gaussian_window(1.5)", "binomial", "bilinear", "0.25", "ones"]
    return random.choice([*words, *[_values(rank, random) for _ in range(3)]])


def _scheme(param: SchemeParam, rank: int, random: Random) -> str:
    return random.choice(["he", "gaussian(0.5)", "0.3", "none", _values(rank, random)])


VALUES: dict[type[Param], Callable[[Any, int, Random], str]] = {
    Choice: lambda param, rank, random: random.choice(param.words),
    Count: _count,
    Flag: lambda param, rank, random: random.choice(["yes", "no"]),
    Integers: _integers,
    LayerParam: lambda param, rank, random: random.choice(["none", "relu", "leaky(0.1)", "bn"]),
    Padding: _padding,
    PerAxis: _per_axis,
    Real: _real,
    Reference: lambda param, rank, random: "none",
    KnownParam: _known,
    SchemeParam: _scheme,
}


# --- text

# What takes the same arguments as an operator before it.
PARTNERS = {"reassemble": "partition"}


def with_arguments(kind: type[Operator], step: str, chosen: dict[str, str]) -> str:
    """The step with some of the operator's arguments replaced, and its partner's with them."""
    if kind.spelling in PARTNERS:
        step = with_arguments(REGISTRY[PARTNERS[kind.spelling]], step, chosen)
    file = parse(Source("<step>", step), Collector(), DEFAULT)
    words = (kind.spelling, *kind.aliases)
    head = next(h for h in _heads(file.items) if _word(h) in words or h.word in words)
    references, given = _arguments(kind, step, head)
    if not chosen.keys().isdisjoint(kind.either):
        given = {name: text for name, text in given.items() if name not in kind.either}
    named = [f"{name}={text}" for name, text in {**given, **chosen}.items()]
    start, end = head.extent
    if head.body is not None:
        end = step.index("{", head.word_extent[1])
    return f"{step[:start]}{kind.spelling}({', '.join(references + named)}){step[end:]}"


def _word(head: ast.Head) -> str:
    return head.word.rstrip("0123456789x")


def _arguments(kind: type[Operator], step: str, head: ast.Head) -> tuple[list[str], dict[str, str]]:
    """The tensors a call refers to, and its parameters by name, all as typed."""
    given = {}
    if "kernel" in kind.params and _word(head) != head.word:
        given["kernel"] = head.word[len(_word(head)) :]
    for name, short in (("width", head.width), ("stride", head.stride)):
        if short is not None:
            given[name] = step[slice(*short.extent)]
    references = []
    free = [name for name in kind.order if name not in given]
    for argument in head.arguments:
        text = step[slice(*argument.extent)]
        if isinstance(argument.value, ast.Reference):
            references.append(text)
        elif argument.name is None:
            given[free.pop(0)] = text
        else:
            given[argument.name] = text.partition("=")[2]
    return references, given


def _heads(tree: Any) -> Iterator[ast.Head]:
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _heads(item)
    elif dataclasses.is_dataclass(tree):
        if isinstance(tree, ast.Head):
            yield tree
        for field in dataclasses.fields(tree):
            yield from _heads(getattr(tree, field.name))

"""Edits planted in shipped specs, by kind, from a seed: both graphs, and the line of the edit."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from support import planted_structure as structure
from support import planted_wider as wider
from support.planted_parts import Edit, heads, parts, steps

from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.written import written
from netspec.syntax import ast
from netspec.syntax.parse import parse

_POOLS = {"maxpool": "avgpool", "avgpool": "maxpool", "gap": "gmp", "gmp": "gap"}
_ACTIVATIONS = ("relu", "relu6", "elu", "tanh", "sigmoid", "selu")


@dataclass
class Planted:
    """One edit: the spec's name, the kind, both graphs and the line; in the first where a step went."""

    name: str
    kind: str
    before: Graph
    after: Graph
    line: int


def width(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another number of channels."""
    for head in heads(text):
        if isinstance(head.width, ast.Number):
            yield *head.width.extent, str(int(head.width.value) * chance.choice((2, 3)))


def kernel(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another kernel."""
    for head in heads(text):
        digits = head.word[len(head.word.rstrip("0123456789")) :]
        if digits and head.word.rstrip("0123456789") in ("conv", "dwconv", "maxpool", "avgpool"):
            end = head.word_extent[1]
            yield end - len(digits), end, str(int(digits) + chance.choice((2, 4)))


def stride(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another stride, or one where there was none."""
    for head in heads(text):
        if isinstance(head.stride, ast.Number):
            yield *head.stride.extent, str(int(head.stride.value) + 1)
        elif isinstance(head.width, ast.Number) and head.word.startswith(("conv", "dwconv")):
            yield head.width.extent[1], head.width.extent[1], "/2"


def activation(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another activation, as a step or behind one."""
    for head in heads(text):
        if head.word in _ACTIVATIONS:
            yield *head.word_extent, _other(_ACTIVATIONS, head.word, chance)
        for argument in head.arguments:
            if argument.name == "act" and text[slice(*argument.value.extent)] in _ACTIVATIONS:
                word = text[slice(*argument.value.extent)]
                yield *argument.value.extent, _other(_ACTIVATIONS, word, chance)


def norm(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another normalisation, or none, or one more."""
    for head in heads(text):
        if head.word == "bn":
            yield *head.word_extent, "instancenorm"
        elif head.word == "layernorm":
            yield *head.word_extent, "rmsnorm"
        elif head.word.startswith("conv") and not any(a.name == "norm" for a in head.arguments):
            if head.arguments:
                end = head.arguments[-1].extent[1]
                yield end, end, ", norm=instancenorm"
            elif head.body is None:
                yield head.extent[1], head.extent[1], "(norm=instancenorm)"


def pooling(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another kind of pooling."""
    for head in heads(text):
        word = head.word.rstrip("0123456789")
        if word in _POOLS and not any(a.name == "ceil" for a in head.arguments):
            start = head.word_extent[0]
            yield start, start + len(word), _POOLS[word]


def inserted(text: str, chance: random.Random) -> Iterator[Edit]:
    """A step more."""
    for step, _ in steps(text):
        words = chance.choice(("tanh", "lrn(7)", "dropout(0.37)", "affine", "maxpool3/1(pad=same)"))
        yield step.extent[1], step.extent[1], f"; {words}"


def removed(text: str, chance: random.Random) -> Iterator[Edit]:
    """A step less."""
    for step, around in steps(text):
        if isinstance(around, ast.Chain | ast.File) and isinstance(step.action, ast.Head):
            end = step.extent[1]
            while end < len(text) and text[end] in "; ":
                end += 1
            # Lines stay lines.
            yield step.extent[0], end, "\n" * text.count("\n", step.extent[0], end)


def repeat(text: str, chance: random.Random) -> Iterator[Edit]:
    """Repeated more often, or less often, or repeated at all."""
    for step, _ in steps(text):
        if isinstance(step.repeat, ast.Number):
            count = int(step.repeat.value)
            start, (at, end) = step.extent[0], step.repeat.extent
            yield start, end, f"{text[start:at]}{chance.choice((count + 1, count + 2, count - 1))}"
        elif step.repeat is None and isinstance(step.action, ast.Head):
            start, end = step.action.extent
            yield start, end, f"{text[start:end]} x{chance.choice((2, 3))}"


def block(text: str, chance: random.Random) -> Iterator[Edit]:
    """A block more."""
    for step, _ in steps(text):
        words = chance.choice(
            ("squeeze_excite(4)", "residual { tanh; affine }", "mul { | identity | sigmoid }")
        )
        yield step.extent[1], step.extent[1], f"; {words}"


def branch(text: str, chance: random.Random) -> Iterator[Edit]:
    """A branch less, one more, or two in another order."""
    tree = parse(Source("edited", text), Collector())
    for part, around in parts(tree):
        if not isinstance(part, ast.Branches) or not isinstance(around, ast.Head):
            continue
        chains = [chain for chain in part.chains if chain.links]
        if len(chains) < 2:
            continue
        last = chains[-1].extent[1]
        yield last, last, " | tanh; sigmoid"
        if len(chains) > 2:
            start = text.rindex("|", 0, chains[-1].extent[0])
            yield start, last, ""
        # Where both say what they read, either order is one: the steps read otherwise.
        if around.word == "concat" and text[chains[0].extent[0]] != "@":
            first, second = (text[slice(*chain.extent)] for chain in chains[:2])
            head = text[around.extent[0] : chains[0].extent[0]]
            between = text[chains[0].extent[1] : chains[1].extent[0]]
            yield around.extent[0], chains[1].extent[1], f"{head}{second}{between}{first}"


def default(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another default."""
    other = {"relu": "elu", "yes": "no", "no": "yes", "bn": "instancenorm", "he": "xavier"}
    for part, _ in parts(parse(Source("edited", text), Collector())):
        for argument in part.arguments if isinstance(part, ast.Default) else ():
            word = text[slice(*argument.value.extent)]
            # Rounding up or down comes to the same where windows fit.
            if word in other and argument.name != "ceil":
                yield *argument.value.extent, other[word]


def size(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another size of an input."""
    for part, _ in parts(parse(Source("edited", text), Collector())):
        if isinstance(part, ast.Input) and isinstance(part.shape, ast.Dims):
            sizes = list(part.shape.parts)
            if len(sizes) > 1 and all(isinstance(s, int) for s in sizes):
                more = chance.choice((32, 64))
                sizes[1:] = [int(s) + more for s in sizes[1:]]
                yield *part.shape.extent, "x".join(map(str, sizes))


def parameter(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another default of a parameter of the net or of a block."""
    for part, _ in parts(parse(Source("edited", text), Collector())):
        if isinstance(part, ast.Parameter) and isinstance(part.default, ast.Number):
            yield *part.default.extent, f"{part.default.value * 2:g}"


def _other(words: tuple[str, ...], word: str, chance: random.Random) -> str:
    return chance.choice([other for other in words if other != word])


KINDS: dict[str, Callable[[str, random.Random], Iterator[Edit]]] = {
    kind.__name__: kind
    for kind in (
        *(width, kernel, stride, activation, norm, pooling, inserted, removed, repeat, block),
        *(branch, default, size, parameter, structure.swapped, structure.moved),
        *(structure.wrapped, structure.call, structure.split, structure.frozen),
        *(structure.starts, structure.head, structure.variation),
        *(wider.skip, wider.default_gone, wider.argument_gone),
    )
}


def planted(
    kind: str, sources: list[Source], seed: int, count: int, most: int = 700
) -> Iterator[Planted]:
    """Edits of one kind that leave a net, and another one; of nets with at most so many layers."""
    chance = random.Random(f"{kind} {seed}")
    tries = 0
    found = 0
    while found < count and tries < 200 * count:
        tries += 1
        source = chance.choice(sources)
        edits = list(KINDS[kind](source.text, chance))
        if not edits:
            continue
        made = _made(source, kind, chance.choice(edits), most)
        if made is not None:
            found += 1
            yield made


def _made(source: Source, kind: str, edit: Edit, most: int) -> Planted | None:
    start, end, words = edit
    text = source.text[:start] + words + source.text[end:]
    before = built(source)
    if len(before.nodes) > most:
        return None
    try:
        after = build(replace(source, text=unexpected(text)))
    except NetspecError:
        return None
    if nameless(before) == nameless(after):
        return None
    return Planted(source.name, kind, before, after, source.position(start)[0])


@cache
def built(source: Source) -> Graph:
    """The net of a spec."""
    return build(source)


@lru_cache(maxsize=256)
def nameless(graph: Graph) -> str:
    """What a graph says, each name a number: equal for graphs that differ in names alone."""
    text = written(graph.replace(metadata=(), name="net"))
    numbers: dict[str, str] = {}
    for name in re.findall(r"(?<= as )\w+", text):
        numbers.setdefault(name, f"n{len(numbers)}")
    return re.sub(r"\w+", lambda word: numbers.get(word[0], word[0]), text)


def unexpected(text: str) -> str:
    """The text without the lines that hold figures, which an edit makes untrue; lines stay lines."""
    return "\n".join(
        "" if line.startswith(("expect ", "preprocess ")) else line for line in text.split("\n")
    )

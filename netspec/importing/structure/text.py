"""Chains as the text of a spec."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import takewhile, zip_longest
from typing import Any

from netspec.graph.written import typed
from netspec.importing.structure.fusing import PROJECTION, SHORTCUT, missing
from netspec.importing.structure.steps import OWNER
from netspec.importing.structure.terms import (
    EACH,
    FOR,
    FORK,
    HEAD,
    ONE,
    REFERENCE,
    RESIDUAL,
    WINDOWS,
    Chain,
    Item,
    Ref,
    Said,
    Tangled,
    bound,
    forms,
    parts,
)
from netspec.ops.declare.params import Count, PerAxis
from netspec.ops.declare.schemes import Constant
from netspec.ops.declare.values import Layer, show
from netspec.ops.registry import REGISTRY

_WIDTH = 96
_SHORT = (("kernel", ""), ("width", "-"), ("stride", "/"))
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|[^\s\w]")


def tokens(text: str) -> int:
    """Words, numbers and single punctuation marks."""
    return len(TOKEN.findall(text))


def family(word: str) -> str:
    """The word whose `default` lines apply to a step."""
    return (REGISTRY[word].defaults_of if word in REGISTRY else None) or word


class Writer:
    """Writes chains down, under `default` lines and names that are given."""

    def __init__(
        self,
        defaults: Mapping[str, Mapping[str, Any]],
        names: Mapping[Any, str],
        blocks: Mapping[str, Any] | None = None,
        giving: Collection[Any] = (),
    ) -> None:
        self.defaults, self.names, self.blocks = defaults, names, blocks or {}
        # The names of steps whose weights others use: a name is of the step, not of what follows it.
        self.giving = giving
        # Projections in blocks that are not what `residual` makes under these defaults.
        self.misfits: list[Item] = []

    # steps

    def told(self, items: Iterable[Item]) -> Iterator[str]:
        """Steps one after the other, the tensors of a bundle named where it is made."""
        last, before = "", None
        for item in items:
            names = parts(item)
            if names and last and before is not None and before.label is None:
                last += f" as {', '.join(self.names[name] for name in names)}"
            else:
                for step in self.steps(item):
                    if last:
                        yield last
                    last = step
            before = item if item.word not in (REFERENCE, FORK, HEAD) else None
        if last:
            yield last

    def steps(self, item: Item) -> list[str]:
        """A step, or several where followers are shorter as steps of their own."""
        together = self._named(item, self._step(item, {}))
        apart = [slot for slot in ("norm", "act") if isinstance(item.get(slot), Layer)]
        shared = item.get(OWNER) is not None or item.label in self.giving
        if (
            shared
            or item.times != 1
            or not apart
            or item.get("frozen")
            or item.word not in REGISTRY
        ):
            return [together]
        best = [together]
        for number in range(len(apart)):
            # What stands behind a follower that is apart has to be apart too.
            rest = apart[number:]
            steps = [self._step(item, dict.fromkeys(rest))]
            steps += [self.value(item.get(slot)) for slot in rest]
            steps[-1] = self._named(item, steps[-1])
            if tokens("; ".join(steps)) < tokens("; ".join(best)):
                best = steps
        return best

    def _named(self, item: Item, text: str) -> str:
        if isinstance(item.times, Said):
            text += f" x({item.times.text})"
        elif item.times > 1:
            text += f" x{item.times}"
        return f"{text} as {self.names[item.label]}" if item.label is not None else text

    def _step(self, item: Item, other: Mapping[str, Any]) -> str:
        if item.word == REFERENCE:
            return self.value(item.values[0])
        if item.word == FORK:
            return self._branches("", item.kids)
        if item.word == HEAD:
            name, loss = item.values
            return f"head {name}(loss={typed(loss)}) {self._braces(item.kids[0])}"
        if item.word == RESIDUAL:
            return self._residual(item)
        if item.word == FOR:
            sequence, step = map(self.value, item.values)
            return f"for {step.removeprefix('@')} in {sequence} {self._braces(item.kids[0])}"
        if item.word == EACH:
            return self._branches(f"for {ONE} in {self.value(item.values[0])} ", item.kids)
        if item.word == WINDOWS:
            given = dict(zip(item.slots, item.values, strict=True))
            cut = self._operator("partition", given).removeprefix("partition")
            return f"{WINDOWS}{cut} {self._braces(item.kids[0])}"
        if item.word in self.blocks:
            return self._call(item)
        given = {**dict(zip(item.slots, item.values, strict=True)), **other}
        head = self._operator(item.word, given)
        # What joins the tensors that flow as they are needs no braces.
        bundle = not item.single and not any(kid.items for kid in item.kids)
        return head if bundle or not item.kids else self._branches(f"{head} ", item.kids)

    def _operator(self, word: str, given: Mapping[str, Any]) -> str:
        if word not in REGISTRY:
            return word
        kind, said, head = REGISTRY[word], set(), word
        for name, mark in _SHORT:
            value = given.get(name)
            if name not in given or value is None or (mark and self._implied(word, name, value)):
                continue
            if mark or isinstance(value, int) or _lengths(value):
                short = self._shorthand(value, bool(mark))
                if short:
                    head += mark + short
                    said.add(name)
        order = [name for name in kind.order if name not in said and name in given]
        placed = list(takewhile(lambda name: not self._implied(word, name, given[name]), order))
        # How many of something, as heads, stands first, as a width does; then come references.
        counts = list(takewhile(lambda name: isinstance(kind.params[name], Count), placed))
        arguments = [self._argument(word, name, given[name]) for name in counts]
        arguments += [self.value(value) for name, value in given.items() if name[0] == "@"]
        arguments += [self._argument(word, name, given[name]) for name in placed[len(counts) :]]
        said.update(placed)
        for name, value in given.items():
            if name not in said and name[0] != "@" and not self._implied(word, name, value):
                arguments.append(f"{name}={self._argument(word, name, value)}")
        return f"{head}({', '.join(arguments)})" if arguments else head

    def _implied(self, word: str, name: str, value: Any) -> bool:
        default = missing(word, name)
        default = self.defaults.get(family(word), {}).get(name, default)
        return any(
            bool(form == default) and isinstance(form, bool) == isinstance(default, bool)
            for form in forms(value)
        )

    def _shorthand(self, value: Any, bracketed: bool) -> str:
        if isinstance(value, Said):
            plain = value.text.isidentifier() and not value.step
            return (value.text if plain else f"({self.value(value)})") if bracketed else ""
        if isinstance(value, tuple):
            return "x".join(map(str, value)) if _lengths(value) else ""
        return str(value) if isinstance(value, int) and value >= 0 else ""

    def _residual(self, item: Item) -> str:
        shortcut, projection = forms(item.get(SHORTCUT))[0], item.get(PROJECTION)
        if projection is not None and not self.projects(projection):
            # Only here is it known what a projection would have by default.
            if item.start is not None:
                return self._projected(item)
            self.misfits.append(item)
        head = f"{RESIDUAL} " if shortcut == "auto" else f"{RESIDUAL}(shortcut={shortcut}) "
        body = item.kids[0]
        return head + self._braces(body)

    def projects(self, projection: tuple[Any, ...]) -> bool:
        """Whether `residual` would project like this."""
        bias, norm, frozen = projection
        implied = (self._implied("conv", "bias", bias), self._implied("conv", "norm", norm))
        others = self.defaults.get("conv", {})
        plain = not {"groups", "dilation", "pad_mode"} & others.keys()
        return all(implied) and plain and not frozen

    def _projected(self, item: Item) -> str:
        assert item.way is not None
        return self._branches("add ", (item.kids[0], item.way))

    def _call(self, item: Item) -> str:
        block, said = self.blocks[item.word], []
        positional = True
        for (name, default), value in zip(block.parameters, item.values, strict=False):
            if default is not None and value == default[0]:
                positional = False
                continue
            text = self.value(value)
            said.append(text if positional else f"{name}={text}")
        if item.get(OWNER) is not None:
            said.append(f"{OWNER}={self.value(item.get(OWNER))}")
        return f"{item.word}({', '.join(said)})" if said else item.word

    def definition(self, block: Any) -> list[str]:
        """The lines that define a block."""
        told = [
            name if default is None else f"{name}={self.value(default[0])}"
            for name, default in block.parameters
        ]
        head = f"block {block.word}" + (f"({', '.join(told)})" if told else "")
        if block.given is not None:
            head += f" of {self.names[block.given]}"
        return [f"{head} {self._braces(block.body, len(head))}"]

    # values

    def _argument(self, word: str, slot: str, value: Any) -> str:
        """An operator's argument, sizes as one writes them."""
        plain = forms(value)[0]
        kind = REGISTRY[word].params.get(slot) if word in REGISTRY else None
        return (
            "x".join(map(str, plain))
            if isinstance(kind, PerAxis) and _lengths(plain)
            else self.value(value)
        )

    def value(self, value: Any) -> str:
        """An argument."""
        value = forms(value)[0]
        if isinstance(value, Said):
            return f"@{value.text}" if value.step else value.text
        if isinstance(value, Ref):
            if value.value not in self.names:
                raise Tangled
            return f"@{self.names[value.value]}"
        if isinstance(value, Layer):
            order = REGISTRY[value.name].order if value.name in REGISTRY else ()
            pairs = zip_longest(order[: len(value.positional)], value.positional, fillvalue="")
            given = [self._argument(value.name, name, v) for name, v in pairs]
            given += [f"{k}={self._argument(value.name, k, v)}" for k, v in value.named]
            return f"{value.name}({', '.join(given)})" if given else value.name
        if isinstance(value, tuple) and bound(value):
            return f"({', '.join(map(self.value, value))})"
        if isinstance(value, Constant):
            return typed(value.value)
        return typed(value) if not isinstance(value, str) else show(value)

    # braces

    def inline(self, chain: Chain) -> str:
        """A chain on one line."""
        return "; ".join(self.told(chain.items)) or "identity"

    def _braces(self, chain: Chain, before: int = 10) -> str:
        text = self.inline(chain)
        if len(text) < _WIDTH - before and "\n" not in text:
            return f"{{ {text} }}"
        return "{\n" + "\n".join(self.lines(chain)) + "\n}"

    def _branches(self, head: str, kids: tuple[Chain, ...]) -> str:
        texts = [self.inline(kid) for kid in kids]
        line = f"{head}{{ | {' | '.join(texts)} }}"
        if len(line) < _WIDTH - 16 and "\n" not in line:
            return line
        told = ("\n".join(self.lines(kid)) or text for kid, text in zip(kids, texts, strict=True))
        return f"{head}{{\n" + "\n".join(f"| {text}" for text in told) + "\n}"

    def lines(self, chain: Chain) -> Iterator[str]:
        """A chain on as many lines as it needs."""
        line = ""
        for step in self.told(chain.items):
            if line and (len(line) + len(step) + 2 > _WIDTH or "\n" in step or "\n" in line):
                yield line
                line = ""
            line = f"{line}; {step}" if line else step
        if line:
            yield line


def _lengths(value: Any) -> bool:
    whole = isinstance(value, tuple) and all(isinstance(v, int) and v >= 0 for v in value)
    return whole and len(value) > 1


class Anything(dict[Any, str]):
    """A name for whatever is asked, as long as names cost alike."""

    def __missing__(self, key: Any) -> str:
        return "t"

    def __contains__(self, key: object) -> bool:
        return True

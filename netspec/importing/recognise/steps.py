"""The steps that a spec will have: words, arguments, what they read and the numbers of their weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.graph.written import fraction
from netspec.importing.files.program import Array
from netspec.importing.scopes import Scope
from netspec.syntax.expected import KEYWORDS

_LONGEST = 56
# Numbers of more characters are fractions where they can be.
_SHORT = 8
# Why a reshape, or a table, has no place for what it reads.
MISFIT = "its sizes are not those of what it reads, at the sizes that inputs have here"
_RESERVED = {word.lower() for word in KEYWORDS} | {"input", "output"}


# What rounding makes of equal numbers that a file computes side by side, relative to the largest.
_CLOSE = 1e-6


class Unsaid(Exception):
    """What no operator says: why."""


def same_along(array: Array, axis: int) -> bool:
    """Whether the parts of an array along an axis, those of samples, are the same but for rounding.

    What a file computes of constants alone may differ in the last bit from sample to sample.
    """
    first = array.take([0], axis)
    if array.shape[axis] == 1 or bool((array == first).all()):
        return True
    if array.dtype.kind != "f":
        return False
    return bool(np.abs(array - first).max() <= _CLOSE * np.abs(first).max())


@record(eq=False, frozen=False)
class Wire:
    """One value of a step, or an input: its sizes without the batch. `name` is what refers to it.

    `shared` ones are the same for every sample. `cuts` are those that put parts of it into the batch.
    `only` is the word of the steps that may read it, where no others do: places by their own step's name.
    """

    name: str
    sizes: tuple[int, ...]
    step: Step | None = None
    shared: bool = False
    cuts: tuple[Any, ...] = ()
    only: str = ""

    @property
    def source(self) -> Wire:
        """What it is elements of, as they are."""
        if self.step is None:
            return self
        step = self.step.head == "each" and self is self.step.made[0]
        moved = step or re.match(r"(slice|pick)\b", self.step.head)
        return self.step.inputs[0].source if moved else self

    def beside(self, only: str, sizes: tuple[int, ...]) -> Wire:
        """What its step gives beside it, to steps of one word alone."""
        assert self.step is not None
        found = Wire(self.name, sizes, self.step, cuts=self.cuts, only=only)
        self.step.aside = (*self.step.aside, found)
        return found


@record(eq=False, frozen=False)
class Step:
    """One step: `head` is its word with the shorthand, `given` arguments as text, in order.

    It reads `inputs`, the first from the wire and the others by reference; `named` ones as the
    parameters of these names. `weights` are its tensors by their names in the operator. It makes the
    values `made`, and beside them what goes by its own name, `aside`. `source` is what the node makes that
    it was written for. With an `owner`, the weights are that step's.
    """

    name: str
    head: str
    inputs: tuple[Wire, ...]
    given: tuple[str, ...] = ()
    named: Mapping[str, Wire] = field(default_factory=dict)
    weights: Mapping[str, Array] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    joins: bool = False
    made: tuple[Wire, ...] = ()
    aside: tuple[Wire, ...] = ()
    owner: Step | None = None
    source: str = ""

    def renamed(self, name: str) -> None:
        """Calls the step, what it makes and what goes by its name otherwise."""
        self.name = name
        for wire in (*self.made, *self.aside):
            wire.name = name

    def lines(self) -> list[str]:
        """The step as text."""
        first, *others = self.inputs
        given = [f"@{wire.name}" for wire in others]
        given += [*self.given, *(f"{key}=@{wire.name}" for key, wire in self.named.items())]
        given += [] if self.owner is None else [f"weights=@{self.owner.name}"]
        call = f"{self.head}({', '.join(given)})" if given else self.head
        if given and self.head.endswith(")"):  # a head that has arguments has these first
            call = f"{self.head[:-1]}, {', '.join(given)})"
        found = [f"@{first.name}; {call} as {self.name}"]
        if len(self.made) > 1:
            parts = " | ".join(f"identity as {wire.name}" for wire in self.made)
            found.append(f"{{ | {parts} }}")
        return found


class Names:
    """Names for steps: what the file calls them where it says something, each once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {*_RESERVED, *(name.lower() for name in taken)}
        # The number that is tried next, by the name that it follows: those before are taken.
        self._next: dict[str, int] = {}

    def free(self, wanted: Sequence[str], word: str) -> str:
        """A name of a path's parts, or of the word; with a number where it is taken."""
        text = re.sub(r"\W+", "_", "_".join(wanted), flags=re.ASCII).strip("_")
        text = (text or word)[-_LONGEST:].lstrip("_0123456789") or word
        name, number = text, self._next.get(text.lower(), 2)
        while name.lower() in self._taken:
            name, number = f"{text}_{number}", number + 1
        self._next[text.lower()] = number
        self._taken.add(name.lower())
        return name


def sizes(values: Sequence[int]) -> str:
    """Sizes as an argument: one number where all are the same."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def number(value: float) -> str:
    """A number that reads back the same in single precision."""
    import numpy as np

    short = f"{value:.7g}"
    if np.float32(float(short)) != np.float32(value):
        short = str(np.float32(value))
    if len(short) > _SHORT and np.isfinite(value):
        held = np.float32(value)
        short = fraction(float(value), lambda near: np.float32(near) == held) or short
    if not short.lstrip("-").replace(".", "").isdigit():
        return short
    return str(int(float(short))) if float(short) == int(float(short)) else short

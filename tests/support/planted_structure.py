"""Edits of how a net is put together: what is swapped, moved, wrapped, split, said at one call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from support.planted_parts import Edit, heads, parts, steps

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.parse import parse


def _plain(text: str) -> Iterator[list[ast.Step]]:
    """The steps of each chain that are one after the other on a line, without names and repeats."""
    for around, _ in parts(parse(Source("edited", text), Collector())):
        links = around.links if isinstance(around, ast.Chain) else ()
        links = around.items if isinstance(around, ast.File) else links
        run: list[ast.Step] = []
        for link in (*links, None):
            fits = (
                isinstance(link, ast.Step)
                and isinstance(link.action, ast.Head)
                and not link.name
                and link.repeat is None
                and link.action.body is None
                and "@" not in text[slice(*link.extent)]
            )
            together = (
                not run or "\n" not in text[run[-1].extent[1] : link.extent[0] if link else 0]
            )
            if fits and together:
                run.append(link)
                continue
            if len(run) > 1:
                yield run
            run = [link] if fits else []


def swapped(text: str, chance: random.Random) -> Iterator[Edit]:
    """Two steps in the other order."""
    for run in _plain(text):
        for one, other in pairwise(run):
            first, second = text[slice(*one.extent)], text[slice(*other.extent)]
            if first != second:
                between = text[one.extent[1] : other.extent[0]]
                yield one.extent[0], other.extent[1], f"{second}{between}{first}"


def moved(text: str, chance: random.Random) -> Iterator[Edit]:
    """A step further back, over two others."""
    for run in _plain(text):
        for one, *_, last in zip(run, run[1:], run[2:], strict=False):
            said = [text[slice(*step.extent)] for step in run]
            start, end = one.extent[0], last.extent[1]
            first = text[slice(*one.extent)]
            rest = text[run[run.index(one) + 1].extent[0] : end]
            if said.count(first) == 1:
                yield start, end, f"{rest}; {first}"


def wrapped(text: str, chance: random.Random) -> Iterator[Edit]:
    """A shortcut around a step."""
    for step, _ in steps(text):
        if isinstance(step.action, ast.Head) and step.action.body is None and not step.name:
            start, end = step.extent
            yield start, end, f"residual {{ {text[start:end]} }}"


def call(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another number at one call of a block."""
    for head in heads(text):
        if head.word not in REGISTRY and head.word.isalpha():
            for argument in head.arguments:
                if isinstance(argument.value, ast.Number):
                    yield *argument.value.extent, f"{argument.value.value * 2:g}"


def split(text: str, chance: random.Random) -> Iterator[Edit]:
    """A step between two of a repeat."""
    for step, _ in steps(text):
        if isinstance(step.repeat, ast.Number) and step.repeat.value > 1 and not step.name:
            once = text[step.extent[0] : step.repeat.extent[0]].rstrip(" x")
            rest = f" x{int(step.repeat.value) - 1}"
            yield *step.extent, f"{once}; tanh; {once}{rest}"


def frozen(text: str, chance: random.Random) -> Iterator[Edit]:
    """A step that is no longer trained."""
    yield from _told(text, "frozen=yes", "frozen")


def starts(text: str, chance: random.Random) -> Iterator[Edit]:
    """Weights that start otherwise."""
    yield from _told(text, "init=gaussian(0.0371)", "init")


def _told(text: str, words: str, name: str) -> Iterator[Edit]:
    for head in heads(text):
        if head.word.startswith(("conv", "fc")) and head.body is None:
            if any(argument.name == name for argument in head.arguments):
                continue
            if head.arguments:
                end = head.arguments[-1].extent[1]
                yield end, end, f", {words}"
            else:
                yield head.extent[1], head.extent[1], f"({words})"


def head(text: str, chance: random.Random) -> Iterator[Edit]:
    """A head that acts in training only."""
    for step, around in steps(text):
        if isinstance(around, ast.File):
            yield step.extent[1], step.extent[1], "; head more(loss=0.5) { gap; fc-7 }"


def variation(text: str, chance: random.Random) -> Iterator[Edit]:
    """Another number that a variation gives the net that it varies."""
    for part, _ in parts(parse(Source("edited", text), Collector())):
        for argument in part.base.arguments if isinstance(part, ast.Net) and part.base else ():
            for value, _ in parts(argument.value):
                if isinstance(value, ast.Number):
                    yield *value.extent, f"{value.value * 2:g}"

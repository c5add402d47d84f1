"""Where in the text it is said what a step is told, and that there is the step: nearest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netspec.analysis.difference.said import (
    argument_of,
    default_of,
    last_default,
    links_of,
    references_in,
    words_in,
)
from netspec.analysis.difference.texts import Text, Texts, call_around, extent_of
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.source import Input
from netspec.syntax import ast

# Calls that arguments are followed through; blocks may call themselves deeper than matters.
_DEEPEST = 24


@record
class Place:
    """Something that was written: `extent` is what decides, `whole` the statement that it is part of.
    `only` is said here alone whatever words the other text has, as of one net of a file. `parameter` is
    the net's parameter that it gives a value, if it gives one.

    `kind` is step, repeat, default, parameter, condition or input.
    """

    text: Text
    kind: str
    extent: ast.Extent
    whole: Any
    only: bool = False
    parameter: str = ""

    @property
    def span(self) -> Span:
        """Where the statement stands."""
        return Span(self.text.source, *self.whole.extent)

    @property
    def is_changed(self) -> bool:
        """Whether the other spec does not say it."""
        return self.only or self.text.is_changed(self.extent)


@record
class Where:
    """A step in the text, and the block call around it."""

    text: Text
    head: ast.Head
    call: Call | None

    @property
    def at(self) -> At:
        """The step, as something that words stand in."""
        return At(self.text, self.head, self.call)


@record
class At:
    """A part of a text that words stand in, and the block call around it."""

    text: Text
    part: Any
    call: Call | None


class Origins:
    """Reads the texts of one graph."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def where(self, thing: Node | Call) -> Where | None:
        """The step that made a node or a call; None for what no step of a text made."""
        text = self.texts.of(thing.span.source)
        head = text.heads.get(extent_of(thing.span))
        around = thing.call if isinstance(thing, Node) else thing.parent
        return Where(text, head, around) if head is not None else None

    # --- what a step is told

    def argument(self, where: Where, op: Operator, name: str) -> Iterator[Place]:
        """Where a parameter of a step's operator gets its value."""
        head = where.head
        value = argument_of(head, name, type(op).order)
        if value is not None:
            yield from self._value(where.at, "step", value, head)
            return
        if name == "kernel":
            yield Place(where.text, "step", head.word_extent, head)
        yield from self._variable(where.at, head.word)
        yield from self._default(where, {op.spelling, op.defaults_of, *op.aliases}, name)

    def word(self, where: Where) -> Iterator[Place]:
        """Where it is said what a step does."""
        yield Place(where.text, "step", where.head.word_extent, where.head)
        yield from self._variable(where.at, where.head.word)

    def _value(self, at: At, kind: str, value: Any, whole: Any, depth: int = 0) -> Iterator[Place]:
        """An expression, and where the words in it get their values."""
        words = list(words_in(value))
        # A number of a step that is new is new, though the number stands somewhere else too.
        new = not words and isinstance(whole, ast.Head) and at.text.is_changed(whole.word_extent)
        yield Place(at.text, kind, value.extent, whole, new)
        for word in words:
            yield from self._variable(at, word, depth + 1)

    def _variable(self, at: At, word: str, depth: int = 0) -> Iterator[Place]:
        """Where a parameter or an index gets its value; nothing for other words."""
        if depth > _DEEPEST:
            return
        for around in at.text.around(at.part):
            match around:
                case ast.For() if word in around.variables:
                    outside = At(at.text, around, at.call)
                    for bound in around.bounds:
                        yield from self._value(outside, "condition", bound, around, depth)
                    return
                case ast.Block():
                    known = {p.name: p for p in around.parameters}
                    if word in known:
                        yield from self._given(at, around, known[word], depth)
                    return
                case ast.File():
                    yield from self._of_net(at, around, word, depth)

    def _given(
        self, at: At, block: ast.Block, parameter: ast.Parameter, depth: int
    ) -> Iterator[Place]:
        """What a call gives a block's parameter, or else the block's default for it."""
        call = call_around(at.call, block.name)
        calling = self.where(call) if call else None
        if calling is not None:
            order = tuple(p.name for p in block.parameters if p.name != "body")
            value = argument_of(calling.head, parameter.name, order)
            if value is not None:
                yield from self._value(calling.at, "step", value, calling.head, depth)
                return
            yield from self._variable(calling.at, calling.head.word, depth + 1)
            yield from self._default(calling, {block.name}, parameter.name)
        yield from self._its_default(at, parameter, depth)

    def _its_default(self, at: At, parameter: ast.Parameter, depth: int) -> Iterator[Place]:
        yield Place(at.text, "parameter", parameter.extent, parameter)
        if parameter.default is not None:
            for word in words_in(parameter.default):
                if word != parameter.name:
                    inside = At(at.text, parameter, at.call)
                    yield from self._variable(inside, word, depth + 1)

    def _of_net(self, at: At, file: ast.File, word: str, depth: int) -> Iterator[Place]:
        nets = [item for item in file.items if isinstance(item, ast.Net)]
        known = {p.name: p for p in nets[0].parameters} if nets else {}
        if word not in known:
            return
        call = call_around(at.call, nets[0].name)
        calling = self.where(call) if call else None
        value = argument_of(calling.head, word, tuple(known)) if calling else None
        if calling is not None and value is not None:
            yield from self._value(calling.at, "step", value, calling.head, depth)
            return
        if calling is not None:
            yield from self._variable(calling.at, calling.head.word, depth + 1)
        for argument in self._of_variation(tuple(known), word):
            only = self.texts.is_other_net
            yield Place(self.texts.main, "parameter", argument.extent, argument, only, word)
            return
        for place in self._its_default(at, known[word], depth):
            yield replace(place, parameter=word) if place.whole is known[word] else place

    def of_net(self, name: str) -> Place | None:
        """What says the value of a parameter of the net itself."""
        # What a variation varies may be in a file of its own.
        for text in (self.texts.main, *self.texts.all()):
            for place in self._of_net(At(text, text.file, None), text.file, name, 0):
                return place
        return None

    def _of_variation(self, order: tuple[str, ...], word: str) -> Iterator[Any]:
        """What the `net` line of a variation gives a parameter of the net that it varies."""
        wanted = self.texts.graph.source.net
        nets = [item for item in self.texts.main.file.items if isinstance(item, ast.Net)]
        for net in nets if wanted else nets[:1]:
            if net.base is not None and wanted in ("", net.name):
                free = [name for name in order if all(a.name != name for a in net.base.arguments)]
                for argument in net.base.arguments:
                    name = argument.name or (free.pop(0) if free else None)
                    if name == word:
                        yield argument

    def _default(self, where: Where, words: set[str | None], name: str) -> Iterator[Place]:
        """The `default` line that holds for a step, in its braces or those of the calls around."""
        call, text, at = where.call, where.text, where.head
        for _ in range(_DEEPEST):
            below: Any = at
            block = None
            for around in text.around(at):
                found = last_default(text.defaults_in(around), below, words, name)
                if found is not None:
                    line, value = found
                    yield from self._value(At(text, line, call), "default", value, line)
                    return
                if isinstance(around, ast.Block):
                    block = around
                    break
                below = around
            outer = call_around(call, block.name) if block is not None else None
            calling = self.where(outer) if outer is not None else None
            if calling is None:
                break
            text, at, call = calling.text, calling.head, calling.call
        if text is not where.text:
            for item in where.text.defaults_in(where.text.file):
                if (value := default_of(item, words, name)) is not None:
                    yield from self._value(At(where.text, item, None), "default", value, item)

    # --- that there is the step

    def presence(self, where: Where) -> Iterator[Place]:
        """What decides, up to the block around, whether and how often a step is run."""
        for around in where.text.around(where.head):
            match around:
                case ast.Block() | ast.File():
                    return
                case ast.Step() if around.repeat is not None:
                    yield from self._value(where.at, "repeat", around.repeat, around)
                case ast.If():
                    yield from self._value(where.at, "condition", around.condition, around)
                case ast.For():
                    for bound in around.bounds:
                        yield from self._value(where.at, "condition", bound, around)

    def call(self, where: Where) -> Iterator[Place]:
        """What a call is told: its word and its arguments."""
        yield from self.word(where)
        head = where.head
        values = [argument.value for argument in head.arguments]
        for value in (head.width, head.stride, *values):
            if value is not None:
                yield from self._value(where.at, "step", value, head)

    def around(self, where: Where) -> Call | None:
        """The call of the block that a step is written in; None in a file's own steps."""
        for around in where.text.around(where.head):
            if isinstance(around, ast.Block):
                return call_around(where.call, around.name)
        return None

    def trained(self, where: Where) -> Iterator[Place]:
        """Where it is said whether a step is trained, and by which weights."""
        for name in ("frozen", "weights"):
            value = argument_of(where.head, name, ())
            if value is not None:
                yield Place(where.text, "step", value.extent, where.head)
        for around in where.text.around(where.head):
            if isinstance(around, ast.Freeze):
                start = around.extent[0]
                yield Place(where.text, "condition", (start, start + len("freeze")), around)

    def reads(self, where: Where) -> Iterator[Place]:
        """Where it is said which tensors a step reads, and which steps have those names."""
        text, head = where.text, where.head
        found = [a.value for a in head.arguments if isinstance(a.value, ast.Reference)]
        before = None
        chain = next(text.around(next(text.around(head), None)), None)
        for link in links_of(chain):
            if isinstance(link, ast.Step) and link.action is head:
                break
            before = link
        if isinstance(before, ast.Step) and isinstance(before.action, ast.Reference):
            found.append(before.action)
        if isinstance(before, ast.Step) and isinstance(before.action, ast.Every):
            start = before.extent[0]
            yield Place(text, "rewired", (start, start + len("every")), before.action)
        found += references_in(head.body)
        for reference in found:
            yield Place(text, "rewired", reference.extent, head)
        names = {reference.parts[0] for reference in found}
        for step in text.named:
            for name, extent in step.named:
                if name in names:
                    yield Place(text, "rewired", extent, step)
        if head.body is not None:
            yield Place(text, "rewired", head.body.extent, head)

    def input(self, node: Node) -> Iterator[Place]:
        """Where the size of an input is said."""
        assert isinstance(node.op, Input)
        text = self.texts.of(node.span.source)
        line = text.inputs.get(extent_of(node.span))
        if line is not None:
            yield Place(text, "input", line.extent, line)
            said = [a.value for modifier in line.modifiers for a in modifier.arguments]
            for word in (word for value in (line.shape, *said) for word in words_in(value)):
                yield from self._variable(At(text, line, None), word)

"""The specs of two graphs as text: what stands where, and which of it the other does not say."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from netspec.analysis.difference.sequences import aligned, paired, share
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source, Span
from netspec.graph.checked import Call, Graph
from netspec.syntax import ast
from netspec.syntax.lexer import Lexer
from netspec.syntax.parse import parse, terminals

Part = TypeVar("Part")
# The number of a line's first word, and its words.
_Line = tuple[int, list[tuple[str, ast.Extent]]]
# What part of their words lines have in common that are each other's.
_ALIKE = 0.4
# Pairs of lines of which it is looked for those that are most alike; of more, only equal ones are paired.
_MOST_LINES = 10_000

# What a token is made of: `conv3-64/2` is one.
_PART = re.compile(r'"[^"\n]*"|[\w.@]+|[^\w\s]')


class Text:
    """One file: its tree, what each part stands in, and its words.

    `other` is the same file of the other graph, `theirs` its words by the number of those here.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.other: Text | None = None
        self.theirs: dict[int, int] = {}
        self._around: dict[int, Any] = {}
        self._starting: dict[tuple[type[Any], int], Any] = {}
        self.heads: dict[ast.Extent, ast.Head] = {}
        self.inputs: dict[ast.Extent, ast.Input] = {}
        self._defaults: dict[int, list[ast.Default]] = {}
        # Steps that have a name.
        self.named: list[ast.Step] = []
        self._walk(self.file)

    @cached_property
    def file(self) -> ast.File:
        """The file's tree."""
        return parse(self.source, Collector())

    def _walk(self, top: Any) -> None:
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if hasattr(node, "extent"):
                self._starting.setdefault((type(node), node.extent[0]), node)
            if isinstance(node, ast.Head):
                self.heads[node.extent] = node
            elif isinstance(node, ast.Input):
                self.inputs[node.extent] = node
            elif isinstance(node, ast.Step) and node.named:
                self.named.append(node)
            for child in _children(node):
                self._around[id(child)] = node
                if isinstance(child, ast.Default):
                    self._defaults.setdefault(id(node), []).append(child)
                waiting.append(child)

    def find(self, kind: type[Part], at: int) -> Part | None:
        """The part of a kind that starts at a place; the outermost where there are several."""
        found: Part | None = self._starting.get((kind, at))
        return found

    def around(self, node: Any) -> Iterator[Any]:
        """What a part of the tree stands in, innermost first."""
        while (node := self._around.get(id(node))) is not None:
            yield node

    def defaults_in(self, around: Any) -> tuple[ast.Default, ...]:
        """The `default` lines among the steps of braces or of the file, in order."""
        return tuple(self._defaults.get(id(around), ()))

    @cached_property
    def words(self) -> list[tuple[str, ast.Extent]]:
        """The words and signs, without comments and layout."""
        lexer = Lexer(terminals(), self.source, Collector(), DEFAULT, set())
        found = []
        for token in lexer.tokens():
            for part in _PART.finditer(self.source.text, *token.extent):
                found.append((part[0], (part.start(), part.end())))
        return found

    @cached_property
    def _at(self) -> dict[int, int]:
        return {extent[0]: i for i, (_, extent) in enumerate(self.words)}

    @cached_property
    def _starts(self) -> list[int]:
        return [extent[0] for _, extent in self.words]

    def numbers(self, extent: ast.Extent) -> range:
        """The numbers of the words in an extent."""
        return range(bisect_left(self._starts, extent[0]), bisect_left(self._starts, extent[1]))

    def is_changed(self, extent: ast.Extent) -> bool:
        """Whether the other file has not these words, one after the other."""
        numbers = self.numbers(extent)
        found = [self.theirs[i] for i in numbers if i in self.theirs]
        return len(found) < len(numbers) or (bool(found) and found[-1] - found[0] != len(found) - 1)

    def counterpart(self, at: int) -> int | None:
        """Where in the other file the word is that stands at a place here; None if it is not there."""
        number = self.theirs.get(self._at.get(at, -1))
        return None if number is None or self.other is None else self.other.words[number][1][0]

    def shown(self, head: ast.Head) -> str:
        """A step as it is written, without what stands in its braces."""
        end = head.extent[1] if head.body is None else head.body.extent[0]
        return self.said((head.extent[0], end)).rstrip(" {|")

    def said(self, extent: ast.Extent) -> str:
        """What is written there, on one line, with the brackets that an extent leaves open closed."""
        words = " ".join(self.source.text[slice(*extent)].split())
        return words + ")" * (words.count("(") - words.count(")"))


def _children(node: Any) -> Iterator[Any]:
    for field in fields(node):
        value = getattr(node, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if is_dataclass(item) and not isinstance(item, Source):
                yield item


class Texts:
    """The files that a graph was made of, as far as its nodes and calls come from them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[tuple[str, str], Text] = {}
        # Whether the other graph is of another net of the file.
        self.is_other_net = False
        self.main = self.of(graph.source)

    def of(self, source: Source) -> Text:
        """The text of a source; equal sources have one."""
        key = (source.key, source.text)
        if key not in self._known:
            self._known[key] = Text(source)
        return self._known[key]

    def all(self) -> list[Text]:
        """The texts, that of the net first."""
        for node in self.graph.nodes:
            self.of(node.span.source)
        calls = {c for n in self.graph.nodes if n.call for c in n.call.ancestors()}
        for call in calls:
            self.of(call.span.source)
        return list(self._known.values())


class Pair:
    """The texts of two graphs, which are compared when first asked for what they have in common."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = Texts(a), Texts(b)
        self._is_compared = False

    def compared(self) -> tuple[Texts, Texts]:
        """The texts, each with what it has in common with the other."""
        if not self._is_compared:
            _compare(self.a, self.b)
            self._is_compared = True
        return self.a, self.b

    def place(self, span: Span, new: bool) -> object:
        """Equal for a place of the first text and the one in the second where the same word stands."""
        a, b = self.compared()
        text = (b if new else a).of(span.source)
        if new or text.other is None:
            return id(text), span.start
        at = text.counterpart(span.start)
        return (id(text), span.start) if at is None else (id(text.other), at)

    def file(self, span: Span, new: bool) -> object:
        """Equal for places of one file in both graphs."""
        a, b = self.compared()
        text = (b if new else a).of(span.source)
        return id(text if new or text.other is None else text.other)


def _compare(a: Texts, b: Texts) -> None:
    """Finds for each file of two graphs the same file of the other, and the words that both have."""
    a.is_other_net = b.is_other_net = a.graph.source.net != b.graph.source.net
    first, second = ({_name(text): text for text in texts.all()[1:]} for texts in (a, b))
    pairs = [(a.main, b.main)]
    pairs += [(first[name], second[name]) for name in first.keys() & second.keys()]
    # A shipped file is the same for both, though nothing of it came to be in one of them.
    pairs += [(x, b.of(x.source)) for name, x in first.items() if name not in second and name[1]]
    pairs += [(a.of(y.source), y) for name, y in second.items() if name not in first and name[1]]
    for x, y in pairs:
        x.other, y.other = y, x
        for i, j in _equal_words(x, y):
            x.theirs[i], y.theirs[j] = j, i


def _name(text: Text) -> tuple[str, bool]:
    return Path(text.source.path or text.source.name).name, text.source.shipped


def _equal_words(x: Text, y: Text) -> Iterator[tuple[int, int]]:
    """Lines that are equal word for word; in what lies between, lines that are alike, then their words."""
    lines = _lines(x), _lines(y)
    whole = [[tuple(w for w, _ in words) for _, words in side] for side in lines]
    equal = aligned(*whole, ambiguous=_MOST_LINES)
    i = j = 0
    for k, m in [*equal, (len(lines[0]), len(lines[1]))]:
        yield from _in_alike(lines[0][i:k], lines[1][j:m])
        if k < len(lines[0]):
            start, other = lines[0][k][0], lines[1][m][0]
            yield from ((start + n, other + n) for n in range(len(lines[0][k][1])))
        i, j = k + 1, m + 1


def _in_alike(left: Sequence[_Line], right: Sequence[_Line]) -> Iterator[tuple[int, int]]:
    """Equal words of lines between two that are equal: of those that are alike, and of what is left."""
    words = [[[w for w, _ in line] for _, line in side] for side in (left, right)]
    bags = [[Counter(line) for line in side] for side in words]

    def score(i: int, j: int) -> float:
        if words[0][i] == words[1][j]:
            return 1.0 + _ALIKE
        shared = share(bags[0][i], bags[1][j])
        return shared if shared >= _ALIKE else 0.0

    i = j = 0
    if len(left) * len(right) > _MOST_LINES:
        pairs: list[tuple[int, int]] = []
    else:
        pairs = paired((len(left), len(right)), score, lambda i, j: score(i, j) > 0)
    for k, m in [*pairs, (len(left), len(right))]:
        rest = [
            [w for line in words[0][i:k] for w in line],
            [w for line in words[1][j:m] for w in line],
        ]
        if all(rest):
            yield from ((left[i][0] + p, right[j][0] + q) for p, q in aligned(*rest))
        if k < len(left):
            start, other = left[k][0], right[m][0]
            yield from ((start + p, other + q) for p, q in aligned(words[0][k], words[1][m]))
        i, j = k + 1, m + 1


def _lines(text: Text) -> list[_Line]:
    """The number of each line's first word, and its words."""
    found: list[_Line] = []
    last = -1
    for i, (word, extent) in enumerate(text.words):
        line = text.source.position(extent[0])[0]
        if line != last:
            found.append((i, []))
        found[-1][1].append((word, extent))
        last = line
    return found


def extent_of(span: Span) -> ast.Extent:
    """A span's characters, without the source."""
    return span.start, span.end


def call_around(call: Call | None, block: str) -> Call | None:
    """The innermost of a call and those around it that is of a block."""
    return next((c for c in (call.ancestors() if call else ()) if c.block == block), None)

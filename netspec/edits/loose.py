"""A step as people say it, `Conv 3x3, 64 filters, stride 2, bn, relu`, in the language's shorthand.

Words and numbers are read one by one, whatever stands between them: a layer begins a step, a number
beside a word of an argument is that argument, a number by itself is what the layer yet lacks. A word that
is neither ends the reading without a step: nothing is left out that may have meant something.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from netspec.diagnostics.suggest import ARGUMENTS, IMPLIED, layer
from netspec.edits.foreign import KERNELS, VALUES, completed, meant_value, square, written
from netspec.foundation.records import record
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import PAD_WORDS, Choice
from netspec.ops.registry import REGISTRY
from netspec.syntax.files import LIBRARY

_TOKEN = re.compile(
    r"(?P<share>\d+(?:\.\d+)?(?=%))%|(?P<fraction>\d*\.\d+)|(?P<size>\d+(?:[x×]\d+)+)|(?P<whole>\d+)"
    r"|(?P<word>[A-Za-z_]+(?:[123][dD](?![A-Za-z]))?)|(?P<mark>[-/=:,|+>;.*×()\[\]{}]|\s+)"
)
# What is spelt in words or signs of its own, and how it is read.
_SPELT = (
    (
        re.compile(r"(?<![-/\w])(\d+)(\s*)(?:x|×|by)\2(\d+)(?:\2(?:x|×|by)\2(\d+))?\b"),
        r"\1x\3 \4",
    ),
    (re.compile(r"\bw/"), "with "),
    (re.compile(r"\bn(?=\s*=\s*\d)"), "width"),
    (re.compile(r"(\d+)-d\b"), r"\1"),
    (re.compile(r"(?<=[a-z])\.(?=\s)"), ""),
)
# Other words of arguments than those of libraries.
_ARGUMENTS = {
    **dict.fromkeys(("channel", "channels", "filter", "maps", "neurons", "out"), "width"),
    **dict.fromkeys(("ch", "dim", "unit", "width"), "width"),
    **dict.fromkeys(("window", "ks"), "kernel"),
    **dict.fromkeys(("dil", "dilated", "rate"), "dilation"),
}
# Words that only join others.
_FILLING = frozenset(
    "and at by dilated every followed kernel kernels layer layers of on prob probability size strided"
    " the then with".split()
)
_TIMES = {"once": 1, "twice": 2, "thrice": 3}
# Words that arguments choose among: `bilinear`.
_CHOSEN = frozenset(
    word
    for kind in REGISTRY.values()
    for param in kind.params.values()
    if isinstance(param, Choice)
    for word in param.words
)
# Asked for by a word that says what flows in.
_LEFT_OUT = "in"
_LONGEST_NAME = 3
_LARGEST_STRIDE = 4


class _Unread(Exception):
    """A word or number that has no place."""


@record(frozen=False)
class _Step:
    """A layer with what was said of it; `loose` are numbers that no word says what they are."""

    word: str
    said: dict[str, str]
    loose: list[str]
    repeat: str = ""

    @property
    def kind(self) -> type[Operator] | None:
        """Its operator; None of a shipped block, which takes nothing here."""
        return REGISTRY.get(self.word)

    def takes(self, name: str) -> bool:
        """Whether the layer has an argument of that name that nothing was said of."""
        return self.kind is not None and name in self.kind.params and name not in self.said

    def give(self, name: str, value: str) -> None:
        """Notes an argument; raises _Unread where the layer has none such, or has it already."""
        if not self.takes(name):
            raise _Unread
        self.said[name] = value

    def text(self) -> str:
        """The step in the language's shorthand; raises _Unread where numbers are left over."""
        if (self.word, self.said, self.loose) == ("avgpool", {}, []):
            return "gap" + self.repeat  # as the last of a figure, of the whole map
        if self.kind is None:
            return self.word + (f"({', '.join(self.loose)})" if self.loose else "") + self.repeat
        if self.repeat and self.takes("factor"):  # `upsample x2`
            self.loose.append(self.repeat.removeprefix(" x"))
            self.repeat = ""
        for name, value in self._placed():
            self.give(name, value)
        said = completed(self.word, self.said)
        if said is None:
            raise _Unread
        return written(self.word, said) + self.repeat

    def _placed(self) -> Iterator[tuple[str, str]]:
        """What the loose numbers are: a kernel that nets have, then a width, then a small stride."""
        loose = list(self.loose)
        assert self.kind is not None
        if self.takes("kernel") and loose:
            sized = [n for n, value in enumerate(loose) if square(value) in KERNELS or "x" in value]
            free = len(loose) > 1 or not self.takes("width")
            if sized and (free or "x" in loose[0]):
                yield "kernel", loose.pop(sized[0])
            elif not self.takes("width"):
                yield "kernel", loose.pop(0)
        if self.takes("width") and loose:
            if not loose[0].isdigit():
                raise _Unread
            yield "width", loose.pop(0)
        if self.takes("stride") and loose and square(loose[0]).isdigit():
            if int(square(loose[0])) > _LARGEST_STRIDE:
                raise _Unread
            yield "stride", loose.pop(0)
        for name in self.kind.order:
            if loose and name not in ("kernel", "width", "stride") and self.takes(name):
                yield name, loose.pop(0)
        if loose:
            raise _Unread


def loosely(statement: str) -> str:
    """The steps that a statement says in words and numbers; empty where one of them says nothing known.

    `default conv(bn, relu)` stays a `default` line.
    """
    default, word, rest = statement.strip().partition("default ")
    if default:
        word, rest = "", statement
    for pattern, meant in _SPELT:
        rest = pattern.sub(meant, rest)
    try:
        steps = _read_or_conv(list(_tokens(rest)))
        texts = [step.text() for step in steps]
    except _Unread:
        if not word:
            return ""
        return _default(rest)
    if word:
        return ""
    last = steps[-1]
    if len(steps) > 1 and last.repeat and not last.said and not any(s.repeat for s in steps[:-1]):
        # A layer by itself is not what is repeated.
        together = "; ".join(texts).removesuffix(last.repeat)
        return f"for i in 1..{last.repeat.removeprefix(' x')} {{ {together} }}"
    return "; ".join(texts)


def _read_or_conv(tokens: list[tuple[str, str]]) -> list[_Step]:
    """The steps; a kernel and a width without a layer are a convolution."""
    try:
        return _read(list(tokens))
    except _Unread:
        kinds = [kind for kind, _ in tokens]
        if "size" not in kinds or "whole" not in kinds:
            raise
        return _read([("word", "conv"), ("mark", " "), *tokens])


def _default(rest: str) -> str:
    """A `default` line, whose step lacks what its steps say."""
    try:
        (step,) = _read(list(_tokens(rest)))
    except (_Unread, ValueError):
        return ""
    if step.loose or not step.said or step.repeat:
        return ""
    given = ", ".join(f"{name}={value}" for name, value in step.said.items())
    return f"default {step.word}({given})"


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kinds and texts of what a statement is made of; raises _Unread at anything else."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _Unread
        at = found.end()
        kind = found.lastgroup or ""
        yield kind, " " if found[kind].isspace() else found[kind]


def _read(tokens: list[tuple[str, str]]) -> list[_Step]:
    reader = _Reader()
    while tokens:
        tokens = reader.take(tokens)
    if not reader.steps or reader.before or reader.repeating or reader.depth:
        raise _Unread
    if reader.asked and not reader.steps[-1].loose:  # else said of numbers before: `64 3x3 filters`
        raise _Unread
    return reader.steps


class _Reader:
    """Reads tokens one by one: steps, and the argument that a word has asked for."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.before: list[str] = []  # numbers and words before the first layer
        self.asked = ""
        self.mark = ""
        self.depth = 0
        self.repeating = False

    def take(self, tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Takes the first tokens; gives those that are left."""
        kind, text = tokens[0]
        if kind == "mark":
            self._separate(text)
            return tokens[1:]
        if kind == "word":
            left = self._word(tokens)
        else:
            value = f"{float(text) / 100:g}" if kind == "share" else text.replace("×", "x")
            left = self._number(value, tokens[1:])
        self.mark = "" if self.mark != "new" else self.mark
        return left

    def _separate(self, text: str) -> None:
        self.depth += (text in "([{") - (text in ")]}")
        if self.depth > 1 or (self.depth and not self.steps):
            raise _Unread
        if text in ("*", "×"):
            self.repeating = True
        if text == ">" and self.mark == "-" and self.steps and self.steps[-1].loose:
            self.steps[-1].loose.pop()  # `3 -> 16`: what flows in is said first
        if not text.isspace():
            self.mark = text
        elif self.mark in ("", "new"):
            self.mark = " "

    def _number(self, value: str, left: list[tuple[str, str]]) -> list[tuple[str, str]]:
        named = self._named_behind(left)
        if self.repeating or (named == "times" and self.steps):
            if not value.isdigit() or not self.steps or self.steps[-1].repeat:
                raise _Unread
            self.steps[-1].repeat, self.repeating = f" x{value}", False
            return left if named != "times" else _behind_word(left)
        if not self.steps:
            self.before.append(value)
            return left
        step = self.steps[-1]
        if self.mark == "{" and not step.repeat:  # as patterns of text count
            step.repeat = f" x{value}"
            return left
        if self.asked:
            if self.asked != _LEFT_OUT:
                step.give(self.asked, value)
            self.asked = ""
        elif named and step.takes(named) and (value.isdigit() or named != "width"):
            step.give(named, value)
            return _behind_word(left)
        elif self.mark == "," and left[:1] and _named(left[left[0] == ("mark", " ") :])[0]:
            self.before.append(value)  # `avg pool, 10 fc`
        elif self.mark == "-" and value.isdigit() and step.kind:
            step.give("width", value)
        elif self.mark == "/" and step.kind:
            step.give("stride", value)
        elif self.mark == "new" and step.takes("kernel"):
            step.give("kernel", value)
        elif self.mark == "new" and step.kind is None:
            raise _Unread
        else:
            step.loose.append(value)
        return left

    def _named_behind(self, left: list[tuple[str, str]]) -> str:
        """The argument that the word behind a number is of: `64 filters`, `2 times`."""
        words = [text for kind, text in left[:2] if kind == "word"]
        marks = [text for kind, text in left[:1] if kind == "mark"]
        if not words or (marks and marks[0].strip() not in ("", "-")):
            return ""
        if words[0] == "times":
            return "times"
        after = left[[kind for kind, _ in left].index("word") + 1 :]
        valued = next((text for kind, text in after if kind != "mark" or text.strip()), "")
        if valued[:1].isdigit() or valued in ("=", ":"):
            return ""  # what stands behind the word is its value
        return self._argument(words[0])

    def _word(self, tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
        text = tokens[0][1]
        step = self.steps[-1] if self.steps else None
        if self.asked == _LEFT_OUT:
            raise _Unread
        if self.asked and step:
            step.give(self.asked, meant_value(text, self.asked))
            self.asked = ""
            return tokens[1:]
        if step and self.mark == "-" and step.takes("width") and len(text) == 1:
            step.give("width", text)  # a parameter: `conv3-n`
            return tokens[1:]
        if text in ("x", "X") and step:
            self.repeating = True
            return tokens[1:]
        if text.lower() in _TIMES and step and not step.repeat:
            step.repeat = f" x{_TIMES[text.lower()]}"
            return tokens[1:]
        if step and text in PAD_WORDS and step.takes("pad"):
            step.give("pad", text)
            return tokens[1:]
        if step and (asked := self._argument(text)):  # `same padding` has its value before it
            self.asked = asked if step.takes(asked) else ""
            return tokens[1:]
        if step and text != "name" and (text in IMPLIED or text == "in"):
            self.asked = _LEFT_OUT
            return tokens[1:]
        found, left = _named(tokens)
        if found:
            switched = [text for kind, text in left[:4] if kind != "mark" or not text.isspace()][:2]
            if switched[:1] == ["="]:
                self._switch(found, switched[1:])
                return left[left.index(("word", switched[1])) + 1 :]
            self._layer(found)
            return left
        if not step and text.lower() == "pointwise":
            self.before.append("1x1")
        elif not step and text in _CHOSEN:
            self.before.append(text)
        elif step and (name := _choosing(step, text)):
            step.give(name, text)
        elif text.lower() not in _FILLING:
            raise _Unread
        return tokens[1:]

    def _switch(self, word: str, value: list[str]) -> None:
        """A layer that other libraries switch on in another one: `batch_norm=true`."""
        if not self.steps or not value or VALUES.get(value[0], value[0]) != "yes":
            raise _Unread
        self.steps[-1].give("norm" if normalises(word) else "act", word)

    def _argument(self, word: str) -> str:
        """The argument of the last layer that a word is of; empty where it is of none."""
        if not self.steps or self.steps[-1].kind is None:
            return ""
        known = self.steps[-1].kind.params
        meant = (word, *ARGUMENTS.get(word.lower(), ()), _ARGUMENTS.get(word.lower(), ""))
        return next((name for name in meant if name in known), "")

    def _layer(self, word: str) -> None:
        """A layer begins a step; in the brackets of one that it may follow it is given to that."""
        inside = "norm" if normalises(word) else "act"
        if self.depth and self.steps and self.steps[-1].takes(inside):
            self.steps[-1].give(inside, word)
            return
        step = _Step(word, {}, [value for value in self.before if value not in _CHOSEN])
        for chosen in filter(_CHOSEN.__contains__, self.before):
            step.give(_choosing(step, chosen), chosen)
        self.steps.append(step)
        self.before, self.mark = [], "new"


def _named(tokens: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """The layer that the next words call, as long as can be, and the tokens behind them."""
    if not tokens or tokens[0][0] != "word":
        return "", tokens
    words, ends = [tokens[0][1]], [1]
    at = 1
    while len(words) < _LONGEST_NAME and len(tokens) > at + 1:
        if tokens[at] != ("mark", " ") or tokens[at + 1][0] != "word":
            break
        words.append(tokens[at + 1][1])
        at += 2
        ends.append(at)
    for count in range(len(words), 0, -1):
        joined = "".join(words[:count])
        digits = tokens[1][1] if count == 1 and len(tokens) > 1 and tokens[1][0] == "whole" else ""
        if digits and (found := layer(joined + digits, _layers())):
            return found, tokens[2:]
        if (
            found := "maxpool"
            if joined.lower() in ("pool", "pooling")
            else layer(joined, _layers())
        ):
            spelling = REGISTRY[found].spelling if found in REGISTRY else found
            if found in REGISTRY and REGISTRY[found].joins:
                raise _Unread
            return spelling, tokens[ends[count - 1] :]
    return "", tokens


@cache
def _layers() -> frozenset[str]:
    """Operators and shipped blocks, but those around which braces stand."""
    blocks = {path.stem for path in LIBRARY.glob("*.ns")}
    return frozenset(REGISTRY) | (blocks - {"mirrored", "residual"})


def _behind_word(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return tokens[[kind for kind, _ in tokens].index("word") + 1 :]


def normalises(word: str) -> bool:
    """Whether a layer is a normalisation: it holds its variance away from zero."""
    return word in REGISTRY and "eps" in REGISTRY[word].params


def _choosing(step: _Step, word: str) -> str:
    """The one argument that has a word among those it takes."""
    params = step.kind.params if step.kind else {}
    found = [
        name
        for name, param in params.items()
        if isinstance(param, Choice) and word in param.words and step.takes(name)
    ]
    return found[0] if len(found) == 1 else ""

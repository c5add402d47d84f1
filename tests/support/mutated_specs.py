"""Specs that somebody broke: mutants of generated, shipped and documented ones, and what they meet.

A mutant is either refused in messages or is a net that compiles and runs; a second reading says the
same. `mutant(seed)` is the same text for the same seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from support.generated_specs import OPERATORS, SMALL, spec
from support.judged_nets import Ready, Verdict, outline, runs_alike
from support.places import ROOT

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import REGISTRY
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.steps import Elaborator
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names
from netspec.syntax.fmt import format_text

# What a size may be where more is written than any net has: the edges of 32 bits among them.
_LARGE = ("9999", "1000000", "2147483647", "2147483648", "1e9", "1000000000000000000")
# Mutants of one text, and texts that are spliced with each other: a test's chunk of mutants makes each once.
_OF_ONE = 25
# Of what is refused, so manieth mutants are refused in the same words with the edits that mend them; the
# others with the same problems, as finding edits takes as long as all the rest.
_WHOLE_EVERY = 4
_TOGETHER = 8
# Regions that are made to run a net.
_MOST_ROWS = 1000
_MOST_TEXT = 64 * 1024
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|[A-Za-z_]\w*|\d+|\s+|\*\*|//|[=!<>]=|\.\.|.', re.DOTALL)
_BRACKETS = tuple("()[]{}")
_WORDS = tuple(
    """
    as if else for in head freeze every body block inline default output input net import from none yes no
    identity residual concat add split gap conv3-4 fc-3 pool x2 x0 x(n-1) @x @input C H W T L D N
    relu init weights frozen act norm pad same of and or not expect paper year ids batch
    """.split()
)
_ODD = (
    "|", ";", "\n", ",", "=", "==", "-", "/", "**", "//", "%", "..", "@", ".", ":", "#", '"', "\\",
    "0", "1", "-1", "1/2", "0.5", "1e9", "9999", "3xHxW", "1x1", "(1, 2)", "[[0], [1]]", "none",
    "\t", "\r", "\x1b", "\u0663", "\u202e", "\ufeff", "é", "$", "'", "`", "{ | relu | tanh }",
)  # fmt: skip


# --- texts


def _documented() -> Iterator[str]:
    for page in sorted((ROOT / "docs").glob("*.md")):
        for text in re.findall(r"```ns\n(.*?)```", page.read_text(), re.S):
            yield text if re.search(r"^\s*input\b", text, re.M) else f"input 16x32x32\n{text}"


@lru_cache(maxsize=1)
def _written() -> tuple[str, ...]:
    blocks = [path.read_text() for path in sorted((ROOT / "netspec" / "library").glob("*.ns"))]
    return (
        *_documented(),
        *blocks,
        *dict.fromkeys(read_spec(name).text for name in shipped_names()),
    )


@lru_cache(maxsize=64)
def _text(number: int) -> str:
    random = Random(f"text {number}")
    if random.random() < 0.15:
        return random.choice(_written())
    return spec(random.randrange(10**9)).text


# --- mutations of tokens


def _deleted(tokens: list[str], random: Random) -> list[str]:
    start = random.randrange(len(tokens))
    return tokens[:start] + tokens[start + random.choice((1, 1, 1, 2, 5, 20)) :]


def _doubled(tokens: list[str], random: Random) -> list[str]:
    start = random.randrange(len(tokens))
    end = start + random.choice((1, 2, 5, 20))
    return tokens[:end] + tokens[start:end] + tokens[end:]


def _swapped(tokens: list[str], random: Random) -> list[str]:
    """Two tokens, of one class as a rule."""
    a = random.randrange(len(tokens))
    same = [i for i, token in enumerate(tokens) if token[0].isalpha() == tokens[a][0].isalpha()]
    b = random.choice((random.randrange(len(tokens)), *[random.choice(same)] * 3))
    tokens[a], tokens[b] = tokens[b], tokens[a]
    return tokens


def _at(tokens: list[str], random: Random, wanted: Callable[[str], bool]) -> int | None:
    places = [i for i, token in enumerate(tokens) if wanted(token)]
    return random.choice(places) if places else None


def _inflated(tokens: list[str], random: Random) -> list[str]:
    at = _at(tokens, random, str.isdigit)
    if at is not None:
        value = int(tokens[at])
        tokens[at] = random.choice(
            ("0", "1", f"-{value}", f"{value + 1}", f"{value}0", f"{value}00", random.choice(_LARGE),
             f"({value}*{value})", f"{value}.5", f"({value}/3)", f"{value}x{value}")
        )  # fmt: skip
    return tokens


def _unbalanced(tokens: list[str], random: Random) -> list[str]:
    at = _at(tokens, random, _BRACKETS.__contains__)
    if at is None or random.random() < 0.5:
        tokens.insert(random.randrange(len(tokens) + 1), random.choice(_BRACKETS))
    else:
        tokens[at] = random.choice(("", "", *_BRACKETS))
    return tokens


def _misspelt(tokens: list[str], random: Random) -> list[str]:
    at = _at(tokens, random, lambda token: token[0].isalpha())
    if at is not None:
        word = tokens[at]
        place = random.randrange(len(word))
        tokens[at] = random.choice(
            (word[:place] + word[place + 1 :], word[:place] + "q" + word[place:], word.upper(),
             word[::-1], f"{word}{word}", "unknown")
        )  # fmt: skip
    return tokens


def _other_word(tokens: list[str], random: Random) -> list[str]:
    at = _at(tokens, random, lambda token: token[0].isalpha())
    if at is not None:
        others = (random.choice(_WORDS), random.choice(OPERATORS).spelling, random.choice(tokens))
        tokens[at] = random.choice(others)
    return tokens


def _inserted(tokens: list[str], random: Random) -> list[str]:
    tokens.insert(random.randrange(len(tokens) + 1), random.choice((*_ODD, *_WORDS)))
    return tokens


def _lines(tokens: list[str], random: Random) -> list[str]:
    """Whole lines or steps are dropped, doubled or change places."""
    mark = random.choice(("\n", "; ", "; ", " | "))
    parts = "".join(tokens).split(mark)
    a, b = random.randrange(len(parts)), random.randrange(len(parts))
    match random.randrange(3):
        case 0:
            parts[a], parts[b] = parts[b], parts[a]
        case 1:
            del parts[a]
        case _:
            parts.insert(b, parts[a])
    return _TOKEN.findall(mark.join(parts)) or [" "]


_MUTATIONS = (_deleted, _doubled, _swapped, _inflated, _inflated, _inflated, _unbalanced, _misspelt,
              _other_word, _other_word, _inserted, _lines, _lines, _lines)  # fmt: skip


def _spliced(text: str, other: str, random: Random) -> str:
    """The start of one and the end of another, cut at lines or at tokens."""
    if random.random() < 0.5:
        a, b = text.split("\n"), other.split("\n")
        return "\n".join(a[: random.randint(0, len(a))] + b[random.randint(0, len(b)) :])
    a, b = _TOKEN.findall(text), _TOKEN.findall(other)
    return "".join(a[: random.randint(0, len(a))] + b[random.randint(0, len(b)) :])


def mutant(seed: int) -> str:
    """The mutant of a seed."""
    random = Random(f"mutant {seed}")
    number = seed // _OF_ONE
    text = _text(number)
    if random.random() < 0.15:
        other = number - number % _TOGETHER + random.randrange(_TOGETHER)
        text = _spliced(text, _text(other), random)
    for _ in range(random.choice((0, 1, 1, 1, 2, 4)) or (1 if text == _text(number) else 0)):
        text = _changed(text, random)
    return text


def changed(text: str, seed: int) -> str:
    """A text with one mutation, always the same one for a seed."""
    return _changed(text, Random(seed))


def _changed(text: str, random: Random) -> str:
    tokens = _TOKEN.findall(text) or [" "]
    return "".join(random.choice(_MUTATIONS)(tokens, random))


# --- what becomes of one


def judge_mutant(seed: int, folder: Path) -> Verdict:
    """The mutant of a seed, read twice, and compiled and run where it is a net."""
    text = mutant(seed)
    try:
        kind, detail = _judge(text, seed, folder)
    except Exception as error:  # a foreign exception is what is looked for
        return Verdict(seed, "wrong", f"{type(error).__name__}: {error}", text)
    return Verdict(seed, kind, detail, text)


def _judge(text: str, seed: int, folder: Path) -> tuple[str, str]:
    kind, detail, graph = read_twice(text, whole=seed % _WHOLE_EVERY == 0)
    if kind == "read":
        assert graph is not None
        _runs(graph, seed, folder)
        return "ran", ""
    return kind, detail


def read_twice(text: str, *, whole: bool = True) -> tuple[str, str, Graph | None]:
    """What becomes of a text that is only read: `refused` with a code, `lost` with a step, or `read`.

    The net comes with what was read. AssertionError where two readings differ or what is said or
    laid out is not as it must be. Unless `whole`, the second reading looks for nothing that mends the text.
    """
    with _watched() as silent:
        first = _read(text)
    again = _read(text, mend=whole)
    if isinstance(first, NetspecError):
        assert isinstance(again, NetspecError)
        _readable(first, text)
        assert _said(first, whole) == _said(again, whole), "the same text gave other messages"
        return "refused", first.diagnostics[0].code, None
    assert isinstance(again, Graph), "refused when read again"
    assert outline(first) == outline(again), "the same text gave another net"
    if silent:
        return "lost", silent[0], None
    assert first.outputs, "a net without outputs"
    laid = format_text(text)
    assert format_text(laid) == laid, "the layout is no fixed point"
    return "read", "", first


def _read(text: str, *, mend: bool = True) -> Graph | NetspecError:
    try:
        return build(Source("<mutant>", text), limits=SMALL, mend=mend)
    except NetspecError as error:
        return error


def _said(error: NetspecError, whole: bool) -> str:
    """The text of an error; unless `whole`, without what is said of other texts and sizes that check."""
    plain = [item if whole else replace(item, note="", edits=()) for item in error.diagnostics]
    return str(NetspecError(tuple(plain), status=error.status, more=error.more))


def _readable(error: NetspecError, text: str) -> None:
    assert 1 <= len(error.diagnostics) <= 20
    assert error.status == 1
    shown = str(error)
    assert len(shown) <= _MOST_TEXT
    assert shown.replace("\n", "").isprintable()
    for found in error.diagnostics:
        assert found.code in REGISTRY
        assert found.span is None or 0 <= found.span.start <= found.span.end


def _runs(graph: Graph, seed: int, folder: Path) -> None:
    if max(graph.nominal_sizes.values(), default=0) > _MOST_ROWS:
        return  # figures are told of so many regions: that is a number, no size of a net
    path = folder / f"mutant{seed}.onnx"
    try:
        runs_alike(Ready(graph, seed, path), path, batches=(2,))
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Gathers the steps that gave nothing although no mistake had been said."""
    silent: list[str] = []
    run = Elaborator.run_step

    def watched(self: Elaborator, step: Any, wire: Any, scope: Any, *given: Any) -> Any:
        found = run(self, step, wire, scope, *given)
        if found is None and not self.collector.failed:
            silent.append(scope.unit.source.text[slice(*step.extent)])
        return found

    with patch.object(Elaborator, "run_step", watched):
        yield silent

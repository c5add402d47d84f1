"""Arguments of a spec written otherwise: which are said, where, by name, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator

from support.planted_parts import Edit, parts

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.parse import parse

# Arguments that say what holds anyhow.
_IDLE = {
    "conv": ("dilation=1", "groups=1", "frozen=no"),
    "dwconv": ("dilation=1",),
    "fc": ("frozen=no",),
    "maxpool": ("dilation=1",),
    "dropout": ("frozen=no",),
}


def tree_of(text: str) -> ast.File:
    return parse(Source("rewritten", text), Collector())


def whole(text: str, extent: tuple[int, int]) -> tuple[int, int]:
    """An extent with the brackets around the expressions at its ends, which the tree leaves out."""
    start, end = extent
    while (open_ := text.count("(", start, end) - text.count(")", start, end)) != 0:
        step = text.find(")", end) + 1 if open_ > 0 else text.rfind("(", 0, start)
        start, end = (start, step) if open_ > 0 else (step, end)
    return start, end


def edited(text: str, edits: list[Edit]) -> str:
    """The text with what stands at some places replaced; of two that overlap the first one counts."""
    end = len(text) + 1
    for start, stop, words in sorted(edits, reverse=True):
        if stop <= end:
            text, end = text[:start] + words + text[stop:], start
    return text


def idle(text: str, chance: random.Random) -> str:
    """Arguments written out that hold anyhow."""
    edits = []
    for part, _ in parts(tree_of(text)):
        if isinstance(part, ast.Head):
            said = _IDLE.get(part.word.rstrip("0123456789x"), ())
            words = [w for w in said if all(a.name != w.split("=")[0] for a in part.arguments)]
            edits += _with(text, part, words)
    return edited(text, edits)


def spread(text: str, chance: random.Random) -> str:
    """What the file's `default` lines say written at each of its own steps behind them."""
    tree = tree_of(text)
    edits: list[Edit] = []
    known: dict[str, dict[str, str]] = {}
    for item in tree.items:
        if isinstance(item, ast.Default):
            for a in item.arguments:
                known.setdefault(item.word, {})[str(a.name)] = text[slice(*a.value.extent)]
        elif isinstance(item, ast.Step):
            for part, _ in parts(item):
                if isinstance(part, ast.Head):
                    said = known.get(part.word.rstrip("0123456789x"), {})
                    own = {a.name for a in part.arguments}
                    edits += _with(
                        text, part, [f"{n}={v}" for n, v in said.items() if n not in own]
                    )
    return edited(text, edits)


def _with(text: str, head: ast.Head, words: list[str]) -> Iterator[Edit]:
    if not words or head.word_extent[0] != head.extent[0]:
        return
    said = ", ".join(words)
    if head.arguments:
        end = whole(text, head.arguments[-1].extent)[1]
        yield end, end, f", {said}"
    elif head.body is None:
        end = whole(text, head.extent)[1]
        yield end, end, f"({said})"


def named(text: str, chance: random.Random) -> str:
    """Arguments by name that were given by place."""
    tree = tree_of(text)
    blocks = {p.name: p for p, _ in parts(tree) if isinstance(p, ast.Block)}
    edits = []
    for part, _ in parts(tree):
        if not isinstance(part, ast.Head):
            continue
        stem = part.word.rstrip("0123456789x")
        if stem in blocks:
            order = tuple(p.name for p in blocks[stem].parameters if p.name != "body")
        elif stem in REGISTRY:
            order = REGISTRY[stem].order
        else:
            continue
        said = {a.name for a in part.arguments}
        said |= {"kernel"} if part.word != stem else set()
        said |= {n for n in ("width", "stride") if getattr(part, n) is not None}
        free = [name for name in order if name not in said]
        for argument in part.arguments:
            if argument.name is None and not isinstance(argument.value, ast.Reference):
                if not free:
                    break
                start = whole(text, argument.extent)[0]
                edits.append((start, start, f"{free.pop(0)}="))
    return edited(text, edits)


def shorthand(text: str, chance: random.Random) -> str:
    """Widths and strides in the parentheses."""
    edits = []
    for part, _ in parts(tree_of(text)):
        if isinstance(part, ast.Head) and part.width is not None and part.body is None:
            kinds = ("width", "stride")
            values = [(kind, getattr(part, kind)) for kind in kinds]
            words = [
                f"{k}={text[slice(*whole(text, v.extent))]}" for k, v in values if v is not None
            ]
            words += [text[slice(*whole(text, a.extent))] for a in part.arguments]
            if text[part.word_extent[1] : part.word_extent[1] + 1] == "-":
                edits.append(
                    (
                        *whole(text, part.extent),
                        f"{part.word}({', '.join(sorted(words, key=lambda w: '=' in w))})",
                    )
                )
    return edited(text, edits)


def apart(text: str, chance: random.Random) -> str:
    """Each argument of a `default` line on a line of its own."""
    edits = []
    for part, _ in parts(tree_of(text)):
        if isinstance(part, ast.Default) and len(part.arguments) > 1:
            lines = [
                f"default {part.word}({text[slice(*whole(text, a.extent))]})"
                for a in part.arguments
            ]
            chance.shuffle(lines)
            edits.append((*whole(text, part.extent), "\n".join(lines)))
    return edited(text, edits)


def shuffled(text: str, chance: random.Random) -> str:
    """Arguments given by name in another order."""
    edits = []
    for part, _ in parts(tree_of(text)):
        if isinstance(part, ast.Head | ast.Default) and len(part.arguments) > 1:
            names = [a for a in part.arguments if a.name is not None]
            other = chance.sample(names, len(names))
            edits += [
                (*whole(text, a.extent), text[slice(*whole(text, b.extent))])
                for a, b in zip(names, other, strict=True)
            ]
    return edited(text, edits)

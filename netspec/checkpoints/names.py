"""Order in names: numbered series and their like."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Sizes of windows (`3x3`) count nothing.
_TOKENS = re.compile(r"\d+x\d+(?:x\d+)*|\d+|[._-]+|[^\d._-]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# What an attention reads its input by, as libraries spell it.
PROJECTIONS = {
    "query": ("query", "queries", "q", "wq"),
    "key": ("key", "keys", "k", "wk"),
    "value": ("value", "values", "v", "wv"),
}
_ORDINALS = {
    word: place
    for place, words in enumerate(
        (
            ("first", "input", "in", "pre", "before", "left", "lower", "entry"),
            ("second", "middle", "mid"),
            ("third", "post", "after", "right", "upper", "exit"),
            ("fourth", "output", "out", "final", "last", "end"),
        ),
        1,
    )
    for word in words
}


def tokens(label: str) -> list[str]:
    """The numbers, separators and other stretches of a name, in order; `3x3` is a word."""
    return _TOKENS.findall(label)


def words(label: str) -> list[str]:
    """The words of a name, small: letters between numbers, separators and changes of case."""
    return [word.lower() for word in _WORDS.findall(label) if not is_number(word)]


def natural(label: str) -> list[tuple[bool, int, str]]:
    """A key that sorts `layer2` before `layer10`."""
    return [(is_number(part), int(part) if is_number(part) else 0, part) for part in tokens(label)]


def is_number(text: str) -> bool:
    """Whether it is a whole number in ASCII digits."""
    return text.isdigit() and text.isascii()


def is_alphabet(letters: Sequence[str]) -> bool:
    """Whether letters are the first ones of the alphabet, in its order."""
    return [ord(letter.lower()) - 97 for letter in letters] == list(range(len(letters)))


def unnumbered(label: str) -> str:
    """The name with `#` for each number."""
    return "".join("#" if is_number(part) else part for part in tokens(label))


def series(labels: Sequence[str]) -> dict[tuple[str, ...], list[list[int]]]:
    """The numbered series among some names: what precedes the number, and who has each number.

    Members are places in `labels`, in buckets of one number, which ascend: `conv1`, `bn1`, `conv2`
    are a series of two after `conv`; `1_conv`, `1_bn`, `2_conv` are one of two buckets. Letters
    count where they start at `a` and leave none out. Names alike up to a number continue in series
    of their own: `2a`, `2b`, or `2`, `2b`.
    """
    split = [tokens(label) for label in labels]
    found: dict[tuple[str, ...], list[list[int]]] = {}
    everyone = list(range(len(labels)))
    open_: list[tuple[tuple[str, ...], list[int]]] = [((), everyone)]
    while open_:
        prefix, members = open_.pop()
        depth = len(prefix)
        by_token: dict[str, list[int]] = {}
        for member in members:
            if len(split[member]) > depth:
                by_token.setdefault(split[member][depth], []).append(member)
        numbers = sorted((t for t in by_token if is_number(t)), key=int)
        letters = sorted(t for t in by_token if len(t) == 1 and t.isascii() and t.isalpha())
        # `conv2` stands for `conv2a` before `conv2b`.
        bare = [m for m in everyone if split[m] == list(prefix)] if _counted(prefix) else []
        first = {"a": bare} if bare and "a" not in letters else {}
        if not is_alphabet([*first, *letters]):
            letters = []
        # A name without the number is the first, as Keras counts.
        plain = [m for m in everyone if split[m] == list(prefix[:-1])] if _ends(prefix) else []
        for kind, ordered in (("#", numbers), ("@", letters)):
            buckets = [by_token[token] for token in ordered]
            if kind == "@" and ordered:
                buckets = [*first.values(), *buckets]
            if kind == "#" and buckets and ordered[0] != "0":
                buckets = [plain, *buckets] if plain else buckets
            if len(buckets) > 1:
                found[(*prefix, kind)] = buckets
        open_ += [((*prefix, t), inner) for t, inner in by_token.items() if len(inner) > 1]
    return found


def _counted(prefix: Sequence[str]) -> bool:
    """Whether what precedes a letter ends in a number."""
    return bool(prefix) and is_number(prefix[-1])


def _ends(prefix: Sequence[str]) -> bool:
    """Whether what precedes a number ends in a separator, or is nothing."""
    return not prefix or (len(prefix) > 1 and not prefix[-1].strip("._-"))


def place_of(label: str) -> tuple[int | None, tuple[str, ...]]:
    """Where a name's words say that it stands among its like, and the rest of it, numbers too.

    1 and `norm` for `input_norm`.
    """
    said = _WORDS.findall(label)
    places = {_ORDINALS[word.lower()] for word in said if word.lower() in _ORDINALS}
    rest = tuple(word.lower() for word in said if word.lower() not in _ORDINALS)
    return (places.pop() if len(places) == 1 else None), rest


def suffix(label: str) -> tuple[str, ...]:
    """The number at a name's end, or else the name from its first number on.

    `conv2d_1` and `norm_1` have the same, and so have `res2a_branch1` and `bn2a_branch1`.
    """
    parts = tokens(label)
    if parts and is_number(parts[-1]):
        return (parts[-1],)
    first = next((i for i, part in enumerate(parts) if is_number(part)), len(parts))
    return tuple(parts[first:])

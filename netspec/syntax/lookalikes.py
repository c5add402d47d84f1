"""Characters that stand for one of a spec: typographic signs, full-width forms, other spaces."""

from __future__ import annotations

import re
from unicodedata import category, normalize

ARROWS = "→⇒➔➜⟶⟹↦⇨➝➞▶►↓⇓"
_SIGNS = {
    **dict.fromkeys("“”„‟«»″‘’‚", '"'),
    **dict.fromkeys("‐‑‒–—―−─━", "-"),
    **dict.fromkeys("×✕✖⨉", "x"),
    **dict.fromkeys(ARROWS, ";"),
    **dict.fromkeys("⁄∕÷", "/"),
    **dict.fromkeys("∗⋅·", "*"),
    "、": ",",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "⊕": "+",
}
# ASCII signs of other languages: what is said of each.
_ELSEWHERE = {
    "!": "write `not`",
    "&": "write `and`",
    "^": "a power is written `2**4`, in parentheses behind a dash: `conv3-(2**4)`",
    "$": "a parameter stands without a sign, and the name of a step behind `@`",
    "?": "a choice is written `8 if deep else 16`, and an open size with a capital letter: `3xHxW`",
    "@": "a step's name stands behind `@` without a space; matrices are multiplied by `matmul { | @a | @b }`",
    "\\": "a step goes on at the next line only in parentheses",
}
_TEXT_OR_COMMENT = re.compile(r'"[^"\n]*"|#[^\n]*')
# A sign of times behind a step, which has a number of copies behind it.
_COPIES = re.compile(r"((?:-\w+(?:/\w+)?|[)}\]]))\s*[×✕✖⨉]\s*(?=\d)")
_ARROW = re.compile(rf"(?<!\s)\s*[{ARROWS}]\s*")


def plain(char: str) -> str:
    """The ASCII that a character was meant as; empty where none is sure, as of letters of other scripts."""
    if char in _SIGNS:
        return _SIGNS[char]
    if category(char) == "Zs":
        return " "
    form = normalize("NFKC", char)
    return form if form != char and form.isascii() and form.isprintable() else ""


def advice(char: str) -> str:
    """What to write in place of a character that begins nothing."""
    if char.isascii():
        return _ELSEWHERE.get(char, "delete it")
    meant = plain(char)
    if meant == " ":
        return "a space of another kind, write a plain one"
    return f"write `{meant}`" if meant else "names are ASCII letters, digits and _"


def is_elsewhere(char: str) -> bool:
    """Whether a character means something in other languages: what is left without it is not meant."""
    return char in _ELSEWHERE


def plainly(text: str) -> str:
    """The text with all such characters as they were meant, but in texts in quotes and comments."""
    done, parts = 0, []
    for kept in _TEXT_OR_COMMENT.finditer(text):
        parts += [_plain(text[done : kept.start()]), kept[0]]
        done = kept.end()
    return "".join((*parts, _plain(text[done:])))


def _plain(text: str) -> str:
    return "".join(
        char if char.isascii() else plain(char) or char
        for char in _COPIES.sub(r"\1 x", _ARROW.sub("; ", text))
    )

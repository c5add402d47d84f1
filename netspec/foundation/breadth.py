"""How wide text is on a terminal, where letters of East Asian scripts take two cells."""

from __future__ import annotations

from unicodedata import combining, east_asian_width


def breadth(text: str) -> int:
    """How many cells of a terminal a line of text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_of_letter, text))


def beginning(text: str, room: int) -> str:
    """As much of a line as fits `room` cells."""
    if text.isascii():
        return text[: max(room, 0)]
    taken = 0
    for i, letter in enumerate(text):
        taken += _of_letter(letter)
        if taken > room:
            return text[:i]
    return text


def _of_letter(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1

"""Did you mean."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, known: Iterable[str]) -> str:
    """The one to three known words nearest to `word`, quoted and joined; empty if none is near."""
    names = sorted(set(known))
    near = get_close_matches(word, names, n=3, cutoff=0.7)
    if not near:
        near = [name for name in names if name.lower() == word.lower()]
    return " or ".join(f"`{name}`" for name in near)

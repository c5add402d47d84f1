"""Things that belong together, told pair by pair."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T", bound=Hashable)


class Merged(Generic[_T]):
    """Sets of things, each alone until it is joined with another; for many things, too."""

    def __init__(self) -> None:
        self._parents: dict[_T, _T] = {}

    def root(self, one: _T) -> _T:
        """The thing that stands for all that this one was joined with."""
        parents = self._parents
        while (parent := parents.get(one, one)) != one:
            # Half of the way is left for whoever asks next.
            parents[one] = parents.get(parent, parent)
            one = parents[one]
        return one

    def join(self, one: _T, other: _T) -> None:
        """Puts all that the first stands with to the second, whose root stands for them."""
        self._parents[self.root(one)] = self.root(other)

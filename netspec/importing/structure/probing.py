"""The arguments of a shipped block that make given steps, found by making it and comparing.

Of a parameter that must be given it is seen which values change with it, and how; of the others, values
from the steps themselves are tried where something still differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, islice, product
from typing import Any

from netspec.foundation.records import record
from netspec.importing.structure.fusing import ANY, PROJECTION
from netspec.importing.structure.shipped import Shipped, made
from netspec.importing.structure.sizes import Leaf
from netspec.importing.structure.terms import Piece, forms
from netspec.importing.structure.text import Writer
from netspec.importing.structure.unify import leaves
from netspec.ops.declare.values import Layer

# Arguments that are tried where several may be the one.
_GUESSES = 3


@record(frozen=False, eq=False)
class Bench:
    """Where blocks are made: under these `defaults`, as a writer writes values; so often is `left`."""

    writer: Writer
    defaults: str
    left: int


class Probe:
    """Looks for the arguments of one block that make these values."""

    def __init__(self, by: Bench, block: Shipped, size: str, wanted: list[Leaf]) -> None:
        self.by, self.block, self.size, self.wanted = by, block, size, wanted
        self.known: dict[str, list[Any] | None] = {}

    def solved(self, likely: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments, those that are `likely` tried first; None if there are none."""
        guesses = list(self._required())
        for most in (1, 2):
            for given in guesses:
                found = self._completed(given, likely, most)
                if found is not None:
                    return found
        return None

    def _completed(
        self, given: dict[str, Any], likely: dict[str, Any], most: int
    ) -> dict[str, Any] | None:
        """The arguments with those that the block need not be given."""
        wrong = self.wrong(given)
        if wrong is None:
            # Nothing is made with what the block has by default.
            wrong = list(range(len(self.wanted)))
        # As the last use of the block, or as that without one of its arguments.
        for name in ("", *(name for name in likely if name not in given)) if wrong else ():
            other = {n: value for n, value in likely.items() if n != name} | given
            if self.wrong(other) == []:
                return other
        while wrong:
            better = self._better(given, wrong, 1)
            if better is None and most > 1:
                better = self._better(given, wrong, most)
            if better is None:
                return None
            given, wrong = better
        return given

    def _better(
        self, given: dict[str, Any], wrong: list[int], number: int
    ) -> tuple[dict[str, Any], list[int]] | None:
        """The arguments with so many more by which the fewest values are wrong, if that helps."""
        best: tuple[dict[str, Any], list[int]] | None = None
        optional = [name for name, default in self.block.parameters if default is not None]
        values = self._candidates(given, wrong)
        for names in combinations([name for name in optional if name not in given], number):
            for chosen in product(values, repeat=number):
                other = given | dict(zip(names, chosen, strict=True))
                left = self.wrong(other)
                if left is not None and len(left) < len(best[1] if best else wrong):
                    best = other, left
                    if not left or number > 1:
                        return best
        return best

    def _required(self) -> Iterator[dict[str, Any]]:
        """The arguments that must be given, by the values that change with each."""
        names = [name for name, default in self.block.parameters if default is None]
        sizes = [v.value for v in self.wanted if type(v.value) is int and v.value > 1]
        base = {name: max(sizes, default=8) for name in names}
        first = self._values(base)
        if first is None and names:
            return
        found: dict[str, list[Any]] = {}
        for name in names:
            other = self._values(base | {name: 2 * base[name]})
            if first is None or other is None:
                return
            # A value that grows with the argument says what it is.
            wanted = [leaf.value for leaf in self.wanted]
            tried = dict.fromkeys(
                value * base[name] // before
                for before, after, value in zip(first, other, wanted, strict=True)
                if type(before) is type(after) is type(value) is int and after == 2 * before > 0
            )
            found[name] = list(tried) or [base[name]]
        for chosen in islice(product(*found.values()), _GUESSES):
            yield dict(zip(found, chosen, strict=True))

    def _candidates(self, given: Mapping[str, Any], wrong: list[int]) -> list[Any]:
        """What the steps have where the block has something else, and numbers it compares with.

        Of sizes also how many times they are the block's, and go into the channels.
        """
        made = self._values(given)
        values: dict[Any, None] = dict.fromkeys(
            form
            for leaf in (self.wanted[i] for i in wrong)
            for form in forms(leaf.value)
            if form is None or isinstance(form, int | float | str | Layer)
        )
        for i in wrong:
            leaf = self.wanted[i]
            into = leaf.entry.type.shape[0] if leaf.entry and leaf.entry.type.shape else 0
            if type(leaf.value) is int and leaf.value > 0:
                has = made[i] if made else None
                if type(has) is int and has > 0 and leaf.value % has == 0:
                    values[leaf.value // has] = None
                if type(into) is int and into % leaf.value == 0:
                    values[into // leaf.value] = None
        return [*values, *(n for n in self.block.compared if n not in values)]

    def wrong(self, given: Mapping[str, Any]) -> list[int] | None:
        """Which values are others with these arguments; None if the block cannot have them."""
        values = self._values(given)
        if values is None:
            return None
        return [
            i
            for i, (value, leaf) in enumerate(zip(values, self.wanted, strict=True))
            if not _agree(leaf.slot, value, leaf.value)
        ]

    def _values(self, given: Mapping[str, Any]) -> list[Any] | None:
        """The values that the block has with these arguments; None if it cannot have them."""
        key = repr(sorted(given.items()))
        if key not in self.known:
            self.known[key] = self._made(given)
        return self.known[key]

    def _made(self, given: Mapping[str, Any]) -> list[Any] | None:
        self.by.left -= 1
        if self.by.left <= 0:
            return None
        told = ", ".join(f"{name}={self.by.writer.value(value)}" for name, value in given.items())
        text = f"input {self.size}\n{self.by.defaults}\n{self.block.word}({told})\n"
        chain = made(text)
        if chain is None or not chain.items:
            return None
        found = leaves(Piece(chain, 0, len(chain.items)))
        if [leaf.slot for leaf in found] != [leaf.slot for leaf in self.wanted]:
            return None
        return [leaf.value for leaf in found]


def _agree(slot: str, mine: Any, wanted: Any) -> bool:
    if slot == PROJECTION and ANY in (mine, wanted):
        return True
    return any(
        bool(form == other) and isinstance(form, bool) == isinstance(other, bool)
        for form in forms(mine)
        for other in forms(wanted)
    )

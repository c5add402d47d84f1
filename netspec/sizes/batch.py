"""What the leading dimension of a tensor counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from netspec.foundation.records import record
from netspec.sizes.dims import Dim, exact, substitute


@record(slots=False)
class Cut:
    """A map cut into parts that stand in the batch, the sample's first, row by row.

    `places` are the map's sizes, `counts` how many parts there are along each axis, `size` the sizes of
    a part. Parts are windows
    of neighbours, or with `spaced` of places that lie as far apart as there are parts. Before the cut
    the map was rolled back by `shift`, where there is more than one part along an axis.
    """

    places: tuple[Dim, ...]
    counts: tuple[Dim, ...]
    size: tuple[Dim, ...]
    spaced: bool = False
    shift: tuple[int, ...] = ()

    @property
    def parts(self) -> Dim:
        """How many parts a map has."""
        return prod(self.counts)

    @property
    def exact(self) -> Any:
        """What tells cuts apart whose sizes are equal as numbers."""
        dims = (self.places, self.counts, self.size)
        return tuple(tuple(map(exact, sizes)) for sizes in dims), self.spaced, self.shift

    def with_symbols(self, sizes: Mapping[str, Dim]) -> Cut:
        """The same cut with symbols in its sizes replaced."""
        places, counts, size = (
            tuple(substitute(dim, sizes) for dim in dims)
            for dims in (self.places, self.counts, self.size)
        )
        return Cut(places, counts, size, self.spaced, self.shift)


@record(slots=False)
class Batch:
    """The leading dimension: a row for each of what `symbol` counts, times the parts of the cuts.

    The symbol is `N` for samples, another where an input declares one (regions of interest are not
    images), and nothing for a tensor that is the same for all samples: it has one row.
    """

    symbol: str = "N"
    cuts: tuple[Cut, ...] = ()

    @property
    def exact(self) -> Any:
        """What tells batches apart whose sizes are equal as numbers."""
        return self.symbol, *(cut.exact for cut in self.cuts)

    @property
    def parts(self) -> Dim:
        """How many parts the cuts make of each."""
        return prod(cut.parts for cut in self.cuts)

    def rows(self, nominal: Mapping[str, int], samples: int = 1) -> Dim:
        """How many rows so many samples have.

        `nominal` are the numbers of what has a symbol of its own; one where it does not say.
        """
        each = samples if self.symbol == "N" else nominal.get(self.symbol, 1)
        return self.parts * each if self.cuts else each

    def size(self, samples: int | None) -> Dim | str:
        """The dimension's size for so many samples; a name where a symbol is in it."""
        known = {"N": samples, "": 1}.get(self.symbol)
        if known is not None:
            found = self.parts * known
            return found if isinstance(found, int) else str(found)
        return str(self)

    def cut(self, cut: Cut) -> Batch:
        """The batch of the parts of a map of this batch."""
        return Batch(self.symbol, (*self.cuts, cut))

    def with_symbols(self, sizes: Mapping[str, Dim]) -> Batch:
        """The same batch with symbols in the sizes of its cuts replaced."""
        return Batch(self.symbol, tuple(cut.with_symbols(sizes) for cut in self.cuts))

    def __str__(self) -> str:
        if not self.cuts:
            return self.symbol or "1"
        parts = str(self.parts)
        parts = parts if parts.isalnum() else f"({parts})"
        return f"{self.symbol}*{parts}" if self.symbol else str(self.parts)


SAMPLES = Batch()
# What is the same for every sample.
SHARED = Batch("")


def common(batches: Iterable[Batch]) -> Batch | None:
    """The batch of what is computed from tensors of these; None where their rows do not meet."""
    found = {batch for batch in batches if batch != SHARED}
    return None if len(found) > 1 else next(iter(found), SHARED)

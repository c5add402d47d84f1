"""In which order the resolutions of several nets follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod

from netspec.draw.styles.columns.chain import Band


def ordered(sequences: Sequence[Sequence[Band]]) -> list[Band] | None:
    """One order of all bands in which each sequence is in its own; None where there is none.

    Where the sequences leave it open, larger resolutions come first, vectors last.

    >>> [band.name for band in ordered([[Band("8×8"), Band("")], [Band("16×16"), Band("4×4")]])]
    ['16×16', '8×8', '4×4', '']
    """
    after: dict[Band, set[Band]] = {band: set() for bands in sequences for band in bands}
    for bands in sequences:
        for i, band in enumerate(bands):
            after[band] |= {*bands[:i]}
    found: list[Band] = []
    while after:
        free = [band for band, others in after.items() if not others]
        if not free:
            return None
        band = min(free, key=lambda band: (-_area(band.name), band.name == "", band.name, band.of))
        found.append(band)
        del after[band]
        for others in after.values():
            others.discard(band)
    return found


def _area(name: str) -> float:
    """The elements of a resolution; vectors have none, sizes that are formulas come first."""
    if not name:
        return 0.0
    parts = name.split("×")
    return float(prod(map(int, parts))) if all(p.isdigit() for p in parts) else inf

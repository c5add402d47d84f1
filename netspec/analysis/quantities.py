"""Numbers as tables print them, and as budgets are typed."""

from __future__ import annotations

import re

from netspec.sizes.dims import Dim

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_ROUNDED_UP = re.compile(r"floor\(\((\w+) \+ (\d+)\)/(\d+)\)")
_FRACTION = re.compile(r"\d+\.\d{5,}(?:e-?\d+)?")
_QUANTITY = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\Z")


def formula(value: Dim) -> str:
    """`64*ceil(H/2)` for the formula `64*floor((H + 1)/2)`."""
    return _ROUNDED_UP.sub(_ceil, str(value))


def _ceil(match: re.Match[str]) -> str:
    size, added, divisor = match.groups()
    return f"ceil({size}/{divisor})" if int(added) == int(divisor) - 1 else match[0]


def grouped(value: Dim) -> str:
    """`1,582,671,872`; a formula rounded up where it is shorter so."""
    return f"{value:,}" if isinstance(value, int) else formula(value)


def as_bytes(value: Dim) -> str:
    """`6.13 MiB`; a formula in bytes."""
    if not isinstance(value, int):
        return f"{formula(value)} B"
    size, unit = float(value), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{value} B" if unit == "B" else f"{size:.2f} {unit}"


def rounded(value: int) -> str:
    """Three digits and a unit, K, M, G or T of 1000: `25.6 M`."""
    if value < 1000:
        return str(value)
    size, unit = float(f"{value:.3g}"), ""
    for larger in "KMGT":
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.{max(0, 3 - len(str(int(size))))}f} {unit}"


def share(value: Dim, total: Dim) -> str:
    """A part of a total in per cent: `58.7`, `<0.1`; empty where it is nothing or cannot be said."""
    if not isinstance(value, int) or not isinstance(total, int) or not value:
        return ""
    if value == total:
        return "100"
    # Never rounded to nothing or to all.
    tenths = round(1000 * value / total)
    return "<0.1" if tenths < 1 else f"{min(tenths, 999) / 10:.1f}"


def short(text: str) -> str:
    """The text with four digits of each fraction that has more: `rate=0.01818`."""
    return _FRACTION.sub(lambda found: f"{float(found[0]):.4g}", text)


def shape(sizes: tuple[Dim, ...]) -> str:
    """`64x112x112`; formulas in brackets."""
    text = [str(size) if _plain(size) else f"[{formula(size)}]" for size in sizes]
    return "x".join(text) or "scalar"


def _plain(size: Dim) -> bool:
    return isinstance(size, int) or str(size).isalnum()


def parse_quantity(text: str) -> int | None:
    """`5M` is 5,000,000, `20MiB` 20 * 2^20, `1.5e9` is not accepted; None where it is no number.

    K, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024; a final B for bytes is free.
    """
    match = _QUANTITY.match(text.strip())
    if not match:
        return None
    digits, unit = match[1].replace(",", "").replace("_", ""), match[2].lower()
    factor = _factor(unit)
    if factor is None:
        return None
    whole, _, part = digits.partition(".")
    scaled = int(whole + part) * factor
    # Fractions are exact: 1.5K is 1500, and 0.0001K is no whole number of anything.
    value, rest = divmod(scaled, 10 ** len(part))
    return value if rest == 0 else None


def _factor(unit: str) -> int | None:
    for candidate in (unit, unit.removesuffix("b")):
        if candidate in _DECIMAL or candidate in _BINARY:
            return _DECIMAL.get(candidate) or _BINARY[candidate]
    return None

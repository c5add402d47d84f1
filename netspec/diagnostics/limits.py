"""The budget: bounds on what reading a spec may cost, each with its own error and flag."""

from __future__ import annotations

from dataclasses import fields

from netspec.foundation.records import record

# The largest number that float32 holds.
LARGEST_REAL = 3.4028234e38
# And the smallest above zero.
SMALLEST_REAL = 2.0**-149


@record
class Limits:
    """Upper bounds, inclusive. `--max-NAME` on the command line sets each of them.

    `parameters` and `tensor` count elements; `activations` counts bytes of one sample.
    """

    source: int = 4 * 2**20
    nesting: int = 64
    statements: int = 100_000
    nodes: int = 20_000
    depth: int = 64
    files: int = 64
    imports: int = 16
    tensor: int = 2**31
    parameters: int = 2_000_000_000
    activations: int = 8 * 2**30

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{item.name} is an integer from 0, not {value!r}")


DEFAULT = Limits()

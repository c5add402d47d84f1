"""What a file says of the surroundings of a node."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class Scope:
    """One level that a node stands in.

    `name` is the level's own name, `layer1` or `0`; `kind` the class, function or block that it is
    an instance of, where the file says.
    """

    name: str
    kind: str | None = None

"""What a file says of the blocks around a node."""

from __future__ import annotations

from netspec.foundation.records import record


@record
class Scope:
    """One level of blocks around a node of a file, as the file names it.

    `name` is the component's own name, such as `layer1` or `0`; `kind` the class, function or block
    that it is an instance of, None where the file does not say.
    """

    name: str
    kind: str | None = None

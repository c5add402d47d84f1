"""The size that a file is of, where it claims that any will do: exporters write it into reshapes.

Whoever traces a net that asks for a length as a number, as torch's attention does, gets a file that says it
once for all beside an input whose length is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, product

from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.opened import File
from netspec.importing.files.program import Node, Program
from netspec.importing.recognise.opening import open_sizes
from netspec.importing.recognise.recognising import Recognised, recognised
from netspec.importing.recognise.steps import MISFIT

# How often a file is read at sizes that it has somewhere.
_MOST = 32


def at_own_sizes(
    file: File, program: Program, found: Recognised, sizes: Mapping[str, int] | None
) -> tuple[Program, Recognised] | None:
    """A file as read at sizes that its reshapes have, where those that it was read at fit none of them.

    `sizes` are those that were asked for. None where all fit, or none of the file's own does.
    """
    wrong = [item.node for item in found.unread if item.reason == MISFIT]
    names = [name for name in open_sizes(program) if name not in (sizes or {})] if wrong else []
    for tried in islice(_tries(wrong, names), _MOST):
        with suppress(NetspecError):
            other = file.program({**(sizes or {}), **tried})
            read = recognised(other, found.name)
            if not any(item.reason == MISFIT for item in read.unread):
                return other, read
    return None


def _tries(nodes: Sequence[Node], names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Sizes of what is open that reshapes say, or the rows of tables, the largest first."""
    shapes = (node.get("shape") or (node.get("longest", 0),) for node in nodes)
    said = {size for shape in shapes for size in shape if size > 1}
    if names:
        for chosen in product(sorted(said, reverse=True), repeat=len(names)):
            yield dict(zip(names, chosen, strict=True))

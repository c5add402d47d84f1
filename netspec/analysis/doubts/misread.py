"""Steps and inputs that check and are yet likely to mean something else to their writer.

Other libraries put a convolution's arguments in another order, sizes last-channel first, and a batch
before them. What is built then is a net, and not the one that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from netspec.analysis.doubts.unread import unread
from netspec.diagnostics.messages.names import OrderDoubted
from netspec.diagnostics.messages.shapes import SizesDoubted
from netspec.diagnostics.records import Diagnostic
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import batch_first, channels_last

_IN_ORDER = re.compile(r"(\w+)\(\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+)\s*)?[,)]")
# A kernel of this size is written where a width is meant far more often than where it is meant.
_LARGE = 8
_USUAL = (3, 5, 7)


def warnings_of(graph: Graph) -> tuple[Diagnostic, ...]:
    """All that is worth a second look in a net that checks, in the order of the spec."""
    doubts = (item for item in graph.doubts if item.span and item.span.source == graph.source)
    found = (*unread(graph), *misread(graph), *doubts)
    return tuple(sorted(found, key=lambda item: item.span.start if item.span else 0))


def misread(graph: Graph) -> tuple[Diagnostic, ...]:
    """A warning for each place that is likely to be meant otherwise."""
    found = {}
    for node in graph.nodes:
        problem = next(_doubts(node, graph), None)
        if problem is not None and node.span.source == graph.source:
            found[node.span] = Diagnostic(problem, node.span, warning=True)
    return tuple(found.values())


def _is_plane(sizes: Sequence[Dim]) -> bool:
    """Whether these are the height and the width of an image, as it seems."""
    return len(sizes) == 2 and sizes[0] == sizes[1] and isinstance(sizes[0], int) and sizes[0] > 4


def _doubts(node: Node, graph: Graph) -> Iterator[OrderDoubted | SizesDoubted]:
    if isinstance(node.op, Input):
        sizes = node.types[0].shape
        if moved := channels_last(sizes):
            order = f"{sizes[0]} channels, of {sizes[1]}x{sizes[2]}"
            yield SizesDoubted("x".join(map(str, sizes)), order, "x".join(map(str, moved)))
        elif moved := batch_first(sizes):
            count = "1 channel" if sizes[0] == 1 else f"{sizes[0]} channels"
            order = f"{count}, of {'x'.join(map(str, sizes[1:]))}"
            yield SizesDoubted("x".join(map(str, sizes)), order, "x".join(map(str, moved)))
        elif _is_plane(sizes) and any(vars(n.op).get("kernel") for n in graph.consumers[node]):
            # A window over a row of places is rarely meant where the channels are as many as these.
            order = f"{sizes[0]} channels, of {sizes[1]} in a row"
            yield SizesDoubted("x".join(map(str, sizes)), order, f"1x{sizes[0]}x{sizes[1]}")
        return
    given = vars(node.op)
    found = _IN_ORDER.match(node.span.text)
    if not found or not {"kernel", "width"} <= given.keys():
        return
    kernel, width, stride = (int(part) if part else 1 for part in found.groups()[1:])
    swapped = kernel > width and (kernel >= _LARGE or width in _USUAL)
    even = kernel >= _LARGE and kernel % 2 == 0
    counted = stride >= kernel > 1 and kernel == node.input_types[0].channels
    if swapped or even or counted:
        parts = (width, stride) if counted else (kernel, width)
        meant = f"{found[1]}{parts[1]}-{parts[0]}"
        plain = f"{found[1]}{kernel}-{width}" + (f"/{stride}" if found[4] else "")
        said = f"{found[0][:-1]}, ...)" if found[0].endswith(",") else found[0]
        yield OrderDoubted(said, kernel, width, meant, plain)

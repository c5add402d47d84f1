"""Frequencies of rotary positions that a file holds, against those by which the net turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netspec.checkpoints.buffers import is_frequencies
from netspec.checkpoints.files import Checkpoint
from netspec.diagnostics.messages.weights import TurnsDiffer
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.ops.vectors.attention import frequencies
from netspec.weights.sources import ROUNDING

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array


def check_frequencies(graph: Graph, file: Checkpoint, buffers: Iterable[str]) -> None:
    """Raises NetspecError for frequencies among the buffers by which no layer of the net turns.

    A net that turns nothing has no use for them, and says nothing of them.
    """
    ours = {frequencies(node.op, *node.input_types) for node in graph.nodes} - {()}
    if not ours:
        return
    for name in buffers:
        if not file.integer(name) and len(file[name]) == 1 and file[name][0] > 1:
            values = file.read(name)
            if is_frequencies(values) and not any(_alike(values, rates) for rates in ours):
                raise NetspecError(
                    TurnsDiffer(name, _said(values), _said(sorted(ours, key=len)[-1]))
                )


def _alike(values: Array, rates: tuple[float, ...]) -> bool:
    import numpy as np

    if len(values) != len(rates):
        return False
    return bool((np.abs(values - rates) <= 4 * ROUNDING * np.array(rates) + 1e-7).all())


def _said(rates: Iterable[float]) -> str:
    """How many there are, and the growth of the wavelengths by the second of them."""
    found = [float(rate) for rate in rates]
    base = f" of base {float(f'{found[1] ** -len(found):.3g}'):g}" if len(found) > 1 else ""
    return f"{len(found)} frequencies{base}"

"""What speaks for one layer of a file rather than another where shapes do not decide."""

from __future__ import annotations

import re

from netspec.checkpoints.modules import Item, Layer

_WORDS = re.compile(r"[a-z]+")
_SHORTCUT = {"downsample", "shortcut", "skip", "proj", "projection"}
_PREVIOUS = {"prev", "previous"}


def hint(item: Item, layers: list[Layer], start: int) -> int:
    """1 where the item's own name says what the graph says of these layers, -1 where it says else.

    `start` is the number of the first of them in the graph.
    """
    words = set(_WORDS.findall(item.label.lower()))
    found = 0
    if words & _SHORTCUT:
        found += 1 if all(layer.is_shortcut for layer in layers) else -1
    if any("pool" in word for word in words):
        found += 1 if layers[0].after_pool else -1
    if words & _PREVIOUS:
        found += 1 if start - 1 not in layers[0].feeds else -1
    return found

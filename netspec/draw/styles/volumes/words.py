"""The words of a picture of slabs, as papers write them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netspec.draw.metrics import text_width
from netspec.draw.scene import SIZES
from netspec.draw.structure.elements import Repeat, Step
from netspec.draw.structure.labels import human, label, product, shape
from netspec.draw.styles.volumes.parts import Volume
from netspec.draw.view import View
from netspec.graph.checked import Node
from netspec.sizes.shapes import TensorType

LINE = 13.0
_WIDEST, _WIDE = 62.0, 92.0
_USUAL = View.__dataclass_fields__["show"].default


def width(text: str) -> float:
    """How wide a line of a label is, in points."""
    return text_width(text, SIZES["note"])


def widest(lines: Iterable[str]) -> float:
    """How wide several lines are, in points."""
    return max(map(width, lines), default=0.0)


def wrapped(text: str, room: float) -> tuple[str, ...]:
    """The text in lines of at most `room` points, but for words that are wider."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and width(f"{lines[-1]} {word}") <= room:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return tuple(lines)


def narrow(parts: Iterable[str]) -> tuple[str, ...]:
    """Words below the gap between two slabs: each part on lines of its own."""
    return tuple(line for part in parts if part for line in wrapped(part, _WIDEST))


def made(step: Step, view: View, copies: int = 1) -> tuple[str, ...]:
    """How a layer makes its output: `conv ×2`, `3×3`, `/2`; its width is that of the slab."""
    kernel = "kernel" in view.show
    # What stands in brackets is a shape, which the slab has.
    text = re.sub(r" \(.*\)", "", label(step.node, kernel=kernel))
    first, *others = text.split(", ")
    shown = [part for part in others if part != str(step.node.op.__dict__.get("width"))]
    window = re.match(r"\d+(×\d+)* ", first)
    if window:
        shown.insert(0, window[0].strip())
        first = first[window.end() :]
    first = first.removesuffix(f" {step.node.op.__dict__.get('width')}")
    return narrow((first + times(copies), ", ".join(shown)))


def made_by_block(name: str, repeat: Repeat | None, kind: str) -> tuple[str, ...]:
    """What a closed block is called, how often it follows itself and how the first differs."""
    if repeat is None:
        return narrow((name,))
    note = wrapped(repeat.note, _WIDE) if repeat.note else ()
    return kind + times(repeat.count), *note


def whose(weights: str) -> tuple[str, ...]:
    """Whose weights something uses, in as few lines as may be; none where it has its own."""
    return wrapped(weights, _WIDE) if weights else ()


def times(copies: int) -> str:
    """How often something follows itself, where it does."""
    return f" ×{copies}" if copies > 1 else ""


def size(kind: TensorType) -> str:
    """`55×55×96`: the sides first, then the channels."""
    if kind.ids is not None or len(kind.shape) < 2:
        return shape(kind)
    return product((*kind.spatial, kind.channels))


def _maps(kind: TensorType) -> str:
    """`6@28×28`, as LeCun writes it."""
    if len(kind.shape) < 2:
        return shape(kind)
    return f"{product((kind.channels,))}@{product(kind.spatial)}"


def caption(volume: Volume, *, planes: bool) -> tuple[str, ...]:
    """What a volume is: `55×55×96` and its name, or `C1: feature maps` and `6@28×28`."""
    kind, name = volume.kind, volume.name
    told = _maps(kind) if planes else size(kind)
    if planes and volume.made and name:
        flat = max(volume.sides, default=1) == 1
        name = f"{_capital(name)}: {'layer' if flat else 'feature maps'}"
        told = str(volume.channels) if flat else told
    sized = (told,) if volume.sized else ()
    lines = (name, *sized) if planes or not volume.made else (*sized, name)
    return tuple(line for line in (*lines, *volume.figures) if line)


def figures(view: View, nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """The parameters and multiply-adds, where they were asked for: the usual ones are not shown."""
    cost = view.cost(nodes)
    params = cost.params + cost.params_frozen
    found = []
    if "params" in view.show and view.show != _USUAL and params:
        found.append(human(params))
    if "macs" in view.show and cost.macs != 0:
        found.append(f"{human(cost.macs)} MACs")
    return tuple(found)


def _capital(name: str) -> str:
    """A name above a stack of planes: `c1` as `C1`, as LeCun names layers."""
    return name.upper() if re.fullmatch(r"[a-z]\d+", name) else name

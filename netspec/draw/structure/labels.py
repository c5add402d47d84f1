"""What pictures say of a layer: its words, its shape, its cost, its colour class."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from netspec.draw.structure.words import WHOLE, said, word
from netspec.graph.checked import Node, Value
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.source import Input
from netspec.ops.words import HOMES
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

_FAMILIES = {
    "conv": "conv",
    "pool": "pool",
    "linear": "fc",
    "norm": "minor",
    "activation": "minor",
    "regular": "minor",
    "merge": "join",
    "source": "in",
    "recurrent": "rnn",
    "embedding": "rnn",
}
_ELEMENTWISE = "netspec.ops.elementwise."
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "maximum", "minimum", "mean"})
_LONGEST_SIZE = 18


def spelling(op: Operator) -> str:
    """The word for an operator; `input` for an input, which has none."""
    return "input" if isinstance(op, Input) else op.spelling


def family(op: Operator) -> str:
    """The class that colours an operator: conv, pool, fc, join, minor, in, out, rnn or op."""
    if spelling(op) == "softmax":
        return "out"
    return _FAMILIES.get(type(op).__module__.rpartition(".")[2], "op")


def like(word: str) -> str:
    """The class that colours what does the same as the operator of a word."""
    if word in ("input", "softmax"):
        return {"input": "in", "softmax": "out"}[word]
    return _FAMILIES.get(HOMES.get(word, "").rpartition(".")[2], "op")


def is_minor(node: Node) -> bool:
    """Normalisation, activation, dropout: drawn with the layer they follow."""
    return family(node.op) == "minor" and len(node.inputs) == 1


def is_elementwise(node: Node) -> bool:
    """Whether the node computes each element from those at its place."""
    return type(node.op).__module__.startswith(_ELEMENTWISE) or (
        is_join(node) and spelling(node.op) in _ARITHMETIC
    )


def is_join(node: Node) -> bool:
    """Whether several tensors meet in the node."""
    return node.op.joins and len(node.inputs) > 1


def data_inputs(node: Node) -> tuple[Value, ...]:
    """What the node computes with: not what only gives it a size."""
    first = node.op.sized_by
    if first is None:
        return node.inputs
    return (*node.inputs[:first], *(value for value in node.inputs[first:] if value.index))


# A page draws a layer in each of its pictures.
@lru_cache(maxsize=8192)
def label(node: Node, *, kernel: bool = True) -> str:
    """What the layer is, as papers write it: `7×7 conv, 64, /2`."""
    op = node.op
    if isinstance(op, Input):
        return op.name
    values = op.__dict__
    name = word(node)
    bare, later = said(node)
    if op.spelling in WHOLE and bare:
        return bare
    if "kernel" in values:
        size = values["kernel"]
        if size is None and (window := op.window(*node.input_types)):
            size = window.kernel
        head = f"{_window(size, node)} {name}" if kernel and size is not None else name
        width = [str(node.types[0].shape[0])] if "width" in values else []
        if not kernel:
            later = [text for text in later if not text.startswith(("/", "dilated"))]
        return ", ".join([head, *width, *filter(None, [bare]), *later])
    if values.get("width") is not None:
        window = op.window(*node.input_types)
        wide = kernel and window is not None and set(window.kernel) != {1}
        over = f"{_window(window.kernel, node)} " if wide and window else ""
        return ", ".join([f"{over}{name} {values['width']}", *later])
    return ", ".join([f"{name} {bare}".rstrip(), *later])


def _window(size: int | tuple[int, ...], node: Node) -> str:
    if isinstance(size, tuple):
        return "×".join(map(str, size))
    return "×".join([str(size)] * max(1, len(node.input_types[0].spatial)))


def tag(node: Node) -> str:
    """A minor layer in a word or two: `bn`, `relu`, `dropout 0.5`."""
    return label(node)


def dim(size: Dim) -> str:
    """A size as text; `…` for a formula that is too long to stand in a picture."""
    text = str(size) if isinstance(size, int) else _ceilings(str(size))
    return text if len(text) <= _LONGEST_SIZE else "…"


def product(sizes: Iterable[Dim]) -> str:
    """Sizes as text, sums among several in brackets: `(H - 2)×(W - 2)`."""
    texts = [dim(size) for size in sizes]
    return "×".join(f"({t})" if len(texts) > 1 and _is_sum(t) else t for t in texts)


def _is_sum(text: str) -> bool:
    """Whether a formula is a sum, outside of what is in brackets."""
    if " " not in text:
        return False
    outside, depth = "", 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        outside += letter if not depth else ""
    return " " in outside


def _ceilings(formula: str) -> str:
    """A formula with `ceil(H/2)` for what is canonically `floor((H + 1)/2)`."""

    def written(found: re.Match[str]) -> str:
        size, added, divisor = found.groups()
        return f"ceil({size}/{divisor})" if int(added) == int(divisor) - 1 else found[0]

    return re.sub(r"floor\(\((\w+) \+ (\d+)\)/(\d+)\)", written, formula)


def shape(tensor: TensorType) -> str:
    """`64×112×112`; `16 ids` for integers."""
    text = product(tensor.shape) or "scalar"
    return text if tensor.ids is None else f"{text} ids"


@lru_cache(maxsize=8192)
def resolution(tensor: TensorType) -> str:
    """The spatial sizes, by which bands are drawn; empty for vectors."""
    return product(tensor.spatial)


def human(number: Any) -> str:
    """Three digits and a unit: `25.6 M`; so in formulas: `18.4 k·T² + 85 M·T`."""
    if not isinstance(number, int | float):
        return _formula(_ceilings(str(number)))
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return (
                f"{number / size:.3g} {unit}"
                if number < 999.5 * size
                else f"{number / size:.0f} {unit}"
            )
    return str(number)


def _formula(text: str) -> str:
    text = re.sub(r"\d+", lambda found: human(int(found[0])), text)
    text = re.sub(r"\b(\w+)\*\1\b(?!\*\1\b)", r"\1²", text)
    return text.replace("*", "·").replace(" - ", " − ")


def is_given(node: Node) -> bool:
    """Whether the author of a spec gave a step its name: `conv1` is none."""
    if isinstance(node.op, Input) or not node.name:
        return False
    words = (node.op.spelling, *node.op.aliases)
    ending = node.name.rpartition("_")[2] if node.name.rpartition("_")[0] else node.name
    return not any(
        word.rstrip("0123456789") == part.rstrip("0123456789")
        for word in words
        for part in (node.name, ending)
    )

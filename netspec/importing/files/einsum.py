"""Einsum of two tensors as the product of matrices that it is, between transposes and reshapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from math import prod

from onnx import NodeProto

from netspec.importing.files.program import Array, Node

Shape = tuple[int, ...]
_MORE = "..."


def as_products(
    nodes: Iterable[Node],
    constants: MutableMapping[str, Array],
    shapes: MutableMapping[str, Shape],
) -> list[Node]:
    """The nodes with each Einsum that is a product written as one; what is between is added to the others."""
    found: list[Node] = []
    for node in nodes:
        said = _Product(node, constants, shapes).nodes() if node.op == "Einsum" else None
        found += [node] if said is None else said
    return found


def bounded(node: NodeProto, constants: Mapping[str, Array], most: int) -> bool:
    """Whether an Einsum of constants takes at most so many multiplications, one letter each axis."""
    equation = next(
        (a.s.decode(errors="replace") for a in node.attribute if a.name == "equation"), ""
    )
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    shapes = [constants[name].shape for name in node.input]
    if "." in equation or [len(term) for term in terms] != [len(shape) for shape in shapes]:
        return False
    pairs = (zip(term, shape, strict=True) for term, shape in zip(terms, shapes, strict=True))
    return prod(dict(pair for term in pairs for pair in term).values()) <= most


def _written_out(parts: Sequence[str], out: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Terms with a letter for each axis that an ellipsis stands for, the last ones where it is of fewer."""
    many = [rank - len(part.replace(_MORE, "")) for part, rank in zip(parts, ranks, strict=True)]
    free = [chr(c) for c in range(0x100, 0x100 + max(many, default=0))]
    terms = [
        part.replace(_MORE, "".join(free[len(free) - max(count, 0) :]))
        for part, count in zip(parts, many, strict=True)
    ]
    return terms, out.replace(_MORE, "".join(free))


class _Product:
    def __init__(
        self,
        node: Node,
        constants: MutableMapping[str, Array],
        shapes: MutableMapping[str, Shape],
    ) -> None:
        self.node, self.constants, self.shapes = node, constants, shapes
        self.made: list[Node] = []

    def nodes(self) -> list[Node] | None:
        """The nodes that compute it; None where it is something else than a product."""
        inputs = self.node.inputs
        if not all(name in self.shapes or name in self.constants for name in inputs):
            return None
        terms = self._terms()
        if terms is None:
            return None
        one, other, out = terms
        if inputs[0] in self.constants:
            one, other, inputs = other, one, inputs[::-1]
        many = [c for c in one if c in other and c in out]
        summed = [c for c in one if c in other and c not in out]
        rows = [c for c in one if c not in other]
        columns = [c for c in other if c not in one]
        if not summed or sorted(out) != sorted([*many, *rows, *columns]):
            return None
        if not (rows and columns):
            return None
        size = dict(
            zip([*one, *other], [*self._shape(inputs[0]), *self._shape(inputs[1])], strict=True)
        )
        left = self._laid(inputs[0], one, [many, rows, summed], size, not many)
        right = self._laid(inputs[1], other, [many, summed, columns], size, False)
        product = self._add("MatMul", (left, right), self._between(many, rows, columns, size))
        whole = [*many, *rows, *columns]
        product = self._reshaped(product, tuple(size[c] for c in whole))
        self._transposed(product, whole, out)
        last = self.made.pop()
        return [*self.made, replace(last, outputs=self.node.outputs)]

    def _terms(self) -> tuple[str, str, str] | None:
        """The letters of two tensors and of the result, each once."""
        text = "".join(str(self.node.get("equation", "")).split())
        sources, arrow, out = text.partition("->")
        parts = sources.split(",")
        if len(parts) != 2 or len(self.node.inputs) != 2:
            return None
        if not arrow:
            known = "".join(sorted(c for c in sources if c.isalpha() and sources.count(c) == 1))
            out = _MORE * (_MORE in sources) + known
        if _MORE in sources:
            ranks = [len(self._shape(name)) for name in self.node.inputs]
            parts, out = _written_out(parts, out, ranks)
        if "." in sources.replace(_MORE, "") or "." in out:
            return None
        if any(len(set(part)) != len(part) for part in (*parts, out)):
            return None
        return parts[0], parts[1], out

    def _shape(self, name: str) -> Shape:
        return self.constants[name].shape if name in self.constants else self.shapes[name]

    def _between(
        self, many: Sequence[str], rows: Sequence[str], columns: Sequence[str], size: dict[str, int]
    ) -> Shape:
        apart = [size[c] for c in rows] if not many else [prod(size[c] for c in rows)]
        return (*(size[c] for c in many), *apart, prod(size[c] for c in columns))

    def _laid(
        self, name: str, letters: str, groups: list[list[str]], size: dict[str, int], apart: bool
    ) -> str:
        """A tensor with its axes in these groups, the last two one axis each; rows may stay `apart`."""
        many, first, last = groups
        name = self._transposed(name, letters, [*many, *first, *last])
        joined = [size[c] for c in first] if apart else [prod(size[c] for c in first)]
        shape = (*(size[c] for c in many), *joined, prod(size[c] for c in last))
        return self._reshaped(name, shape)

    def _transposed(self, name: str, letters: Sequence[str], wanted: Sequence[str]) -> str:
        order = tuple(letters.index(c) for c in wanted)
        if order == tuple(range(len(order))):
            return name
        shape = tuple(self._shape(name)[i] for i in order)
        if name in self.constants:
            return self._constant(self.constants[name].transpose(order))
        return self._add("Transpose", (name,), shape, "perm", order)

    def _reshaped(self, name: str, shape: Shape) -> str:
        if self._shape(name) == shape:
            return name
        if name in self.constants:
            return self._constant(self.constants[name].reshape(shape))
        return self._add("Reshape", (name,), shape, "shape", shape)

    def _constant(self, array: Array) -> str:
        name = self._free()
        self.constants[name] = array
        return name

    def _add(
        self, op: str, inputs: tuple[str, ...], shape: Shape, slot: str = "", value: Shape = ()
    ) -> str:
        name = self._free()
        self.shapes[name] = shape
        given = {slot: value} if slot else {}
        made = replace(self.node, op=op, inputs=inputs, outputs=(name,), attributes=given)
        self.made.append(made)
        return name

    def _free(self) -> str:
        number = len(self.made)
        while (name := f"{self.node.output}/{number}") in self.shapes or name in self.constants:
            number += 1
        return name

"""Einsum of one tensor or two as the sum or product that it is, between transposes and reshapes."""

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
    """The nodes with each Einsum written as what it is; what is between is added to the others."""
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
        """The nodes that compute it; None where it is neither a sum, nor a product of two tensors."""
        inputs = self.node.inputs
        if not all(name in self.shapes or name in self.constants for name in inputs):
            return None
        terms = self._terms()
        if terms is None:
            return None
        *parts, out = terms
        letters = [c for part in parts for c in part]
        shapes = [size for name in inputs for size in self._shape(name)]
        size = dict(zip(letters, shapes, strict=True))
        if not {*out} <= {*letters} or any(
            size[c] != n for c, n in zip(letters, shapes, strict=True)
        ):
            return None
        if len(parts) == 1:
            made = self._summed(inputs[0], parts[0], out)
        else:
            made = self._product(parts[0], parts[1], out, size)
        if not made or not self.made:
            return None
        last = self.made.pop()
        return [*self.made, replace(last, outputs=self.node.outputs)]

    def _product(self, one: str, other: str, out: str, size: dict[str, int]) -> str:
        """What two tensors make, of matrices where something is summed and both have axes of their own."""
        inputs = self.node.inputs
        if inputs[0] in self.constants:
            one, other, inputs = other, one, inputs[::-1]
        many = [c for c in one if c in other and c in out]
        summed = [c for c in one if c in other and c not in out]
        rows = [c for c in one if c not in other]
        columns = [c for c in other if c not in one]
        if sorted(out) != sorted([*many, *rows, *columns]):
            return ""
        if not (summed and rows and columns):
            return self._multiplied(inputs, (one, other), out, summed, size)
        if many and one[0] in rows and len(rows) > 1 and inputs[1] in self.constants:
            # Samples come first, of what has a matrix of its own at places of others too.
            first, rows = [one[0]], [c for c in rows if c != one[0]]
        else:
            first = []
        left = self._laid(inputs[0], one, [[*first, *many], rows, summed], size, not many)
        right = self._laid(inputs[1], other, [many, summed, columns], size, False)
        between = self._between([*first, *many], rows, columns, size)
        product = self._add("MatMul", (left, right), between)
        whole = [*first, *many, *rows, *columns]
        product = self._reshaped(product, tuple(size[c] for c in whole))
        return self._transposed(product, whole, out)

    def _multiplied(
        self,
        inputs: Sequence[str],
        terms: Sequence[str],
        out: str,
        summed: Sequence[str],
        size: dict[str, int],
    ) -> str:
        """Each number of one tensor times those of the other at the same place, and their sums."""
        whole = [*out, *summed]
        laid = []
        for name, term in zip(inputs, terms, strict=True):
            turned = self._transposed(name, term, [c for c in whole if c in term])
            laid.append(self._reshaped(turned, tuple(size[c] if c in term else 1 for c in whole)))
        found = self._add("Mul", (laid[0], laid[1]), tuple(size[c] for c in whole))
        return self._summed(found, whole, out)

    def _summed(self, name: str, letters: Sequence[str], out: str) -> str:
        """Sums over the axes that a result does not have, the others in its order."""
        axes = tuple(i for i, c in enumerate(letters) if c not in out)
        left = [c for c in letters if c in out]
        if axes:
            shape = tuple(n for i, n in enumerate(self._shape(name)) if i not in axes)
            name = self._add("ReduceSum", (name,), shape, "axes", axes)
            self.made[-1] = replace(
                self.made[-1], attributes={**self.made[-1].attributes, "keepdims": 0}
            )
        return self._transposed(name, left, out)

    def _terms(self) -> tuple[str, ...] | None:
        """The letters of one or two tensors, and of the result, each once."""
        text = "".join(str(self.node.get("equation", "")).split())
        sources, arrow, out = text.partition("->")
        parts = sources.split(",")
        if len(parts) > 2 or len(parts) != len(self.node.inputs):
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
        return (*parts, out)

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

"""Illegal sizes are refused by the file itself, whoever runs it.

A runtime broadcasts a size that happens to be 1 and shortens a slice that does not fit, without a
word. So what must hold of the symbols is computed from the inputs' shapes, as a number that is 0
where they are legal; it is looked up in a table of one zero, which nothing else can be, and the
zero is added to an input.
"""

from __future__ import annotations

import numpy as np

from netspec.graph.checked import Graph
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.sizes.conditions import Condition
from netspec.sizes.dims import Atom, Dim, Formula, symbol, symbols_of
from netspec.sizes.legal import EVERY
from netspec.sizes.sets import SizeSet


def zero_if_legal(graph: Graph, builder: Builder, inputs: list[Operand]) -> str | None:
    """The name of a float that is 0 where all symbols are legal, else refused; None without need.

    `inputs` are those of the graph that anything reads. The last node added is the look-up.
    """
    faults = _Faults(builder)
    for operand in inputs:
        for axis, dim in enumerate(operand.type.shape, 1):
            for name in symbols_of(dim):
                faults.measure(name, operand, axis)
    legal = graph.legality
    for name, found in legal.sets.items():
        if found != EVERY and name in faults.sizes:
            faults.outside(name, found)
    related = [Condition(symbol(name), "==", formula) for name, formula in legal.relations.items()]
    for condition in (*related, *legal.rest):
        if condition.symbols <= faults.sizes.keys():
            faults.unless(condition)
    if not faults.found:
        return None
    total = faults.found[0]
    for fault in faults.found[1:]:
        total = builder.node("Add", [total, fault])
    return builder.node("Gather", [builder.constant(np.zeros(1, np.float32)), total])


def where_the_net_runs(builder: Builder, zero: str) -> str:
    """The name of the same zero, on the device of the net.

    On the CPU, ONNX Runtime computes what follows from sizes, and from inputs of the net and constants
    of up to 100 numbers beside them: the checked input with all of its first layers. A larger constant
    ends that.
    """
    many = builder.constant(np.zeros(128, np.float32))
    return builder.reduce("ReduceMax", builder.node("Add", [zero, many]), [0])


class _Faults:
    """Numbers of the file that are 0 where the sizes are legal, above 0 elsewhere."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.sizes: dict[str, str] = {}
        self.found: list[str] = []

    def measure(self, name: str, operand: Operand, axis: int) -> None:
        """Takes a symbol's size from an input; from a second one, they must agree."""
        size = self.builder.size(operand, axis)
        if name in self.sizes:
            self.found.append(self._distance(self.sizes[name], size))
        self.sizes.setdefault(name, size)

    def outside(self, name: str, legal: SizeSet) -> None:
        """A fault where a size is not in a set.

        Nothing is as long as the sizes are large: a set may start at billions.
        """
        size, faults = self.sizes[name], []
        if legal.residues:
            late = self._above(self._number(legal.start), size)
            if legal.period > 1:
                table = [int(n not in legal.residues) for n in range(legal.period)]
                at = self.builder.node("Mod", [size, self._number(legal.period)])
                wrong = self.builder.node("Gather", [self.builder.integers(table), at])
                late = self.builder.node("Add", [late, wrong])
            # One at most, so that a product with it stays a number of 64 bits.
            faults.append(self.builder.node("Min", [late, self._number(1)]))
        if legal.early:
            away = self._distance(size, self.builder.integers(legal.early))
            faults.append(self.builder.node("ReduceMin", [away], keepdims=1))
        fault, *rest = faults
        for other in rest:
            fault = self.builder.node("Mul", [fault, other])
        self.found.append(fault)

    def unless(self, condition: Condition) -> None:
        """A fault where a condition does not hold."""
        left, right = (self._value(side) for side in (condition.left, condition.right))
        if condition.relation == "==":
            self.found.append(self._distance(left, right))
            return
        fault = self._above(right, left)
        for value in condition.exceptions:
            fault = self.builder.node("Mul", [fault, self._distance(left, self._number(value))])
        self.found.append(fault)

    def _number(self, value: int) -> str:
        return self.builder.integers([value])

    def _above(self, large: str, small: str) -> str:
        difference = self.builder.node("Sub", [large, small])
        return self.builder.node("Max", [difference, self._number(0)])

    def _distance(self, left: str, right: str) -> str:
        # Not Abs, which OpenCV has of floats only.
        both = [self.builder.node("Sub", [*pair]) for pair in ((left, right), (right, left))]
        return self.builder.node("Max", both)

    def _value(self, dim: Dim) -> str:
        if not isinstance(dim, Formula):
            return self._number(dim)
        total = ""
        for mono, coefficient in dim.terms:
            value = self._number(coefficient)
            for atom in mono:
                value = self.builder.node("Mul", [value, self._atom(atom)])
            total = self.builder.node("Add", [total, value]) if total else value
        return total

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, str):
            return self.sizes[atom]
        value, divisor = self._value(atom.formula), self._number(atom.divisor)
        # ONNX divides towards zero, but takes remainders as floors do.
        rest = self.builder.node("Mod", [value, divisor])
        return self.builder.node("Div", [self.builder.node("Sub", [value, rest]), divisor])

"""What an operator sees of a tensor's origin is declared: who adds steps again goes by it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.ops.declare.operator import Operator
from netspec.ops.registry import REGISTRY

CONNECTING = sorted(
    {kind for kind in REGISTRY.values() if kind.connect is not Operator.connect},
    key=lambda kind: kind.spelling,
)


@pytest.mark.parametrize("kind", CONNECTING, ids=lambda kind: kind.spelling)
def test_who_does_not_say_so_only_counts_tensors(kind: type[Operator]) -> None:
    looked = False
    for sizes, step in kind.examples:
        graph = build(Source("t", f"input {sizes}\n{step}"))
        steps = {(node.op, len(node.inputs)) for node in graph.nodes if type(node.op) is kind}
        for op, count in steps:
            for given in range(1, count + 1):
                looked = looked or _looks(op, given)
    assert looked == kind.looks_back


def _looks(op: Operator, count: int) -> bool:
    """Whether an operator asks something of tensors of which nothing can be asked.

    Some of them may come by the wire, others by reference.
    """
    tensors = tuple(object() for _ in range(count))
    for by_wire in range(count + 1):
        with suppress(Rejection):
            try:
                op.connect(tensors[:by_wire], tensors[by_wire:])
            except AttributeError:
                return True
    return False

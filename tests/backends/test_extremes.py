"""Whatever arguments a step is given: it is refused when it is checked, or ONNX Runtime loads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

import pytest
from support.differential import OPERATORS, Varied, onnx_model, session

from netspec import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import Choice, Flag, KnownParam, LayerParam, SchemeParam

VALUES = (
    *("0", "-1", "3", "65536", "1000003", "2147483647", "2147483648", "1e9", "-2147483648"),
    *("1e-300", "1e-44", "3e38", "(1, 2147483647)", "((0, 1048576), (1048576, 0))", "full", "nan"),
)
_LARGE = 100_000


def steps(kind: type[Operator]) -> Iterator[tuple[str, str]]:
    """An input, and a step of the operator with one argument that is extreme."""
    declared, step = kind.examples[0]
    words = "|".join((kind.spelling, *kind.aliases))
    call = list(re.finditer(rf"\b({words})(\d+(?:x\d+)*)?(-\d+)?(/\d+)?(\(.*?\))?(?=;|$| )", step))
    for name, param in kind.params.items():
        if isinstance(param, Choice | Flag | KnownParam | LayerParam | SchemeParam) or not call:
            continue
        word, kernel, width, stride, arguments = (part or "" for part in call[-1].groups())
        kernel = "" if name == "kernel" else kernel
        width = "" if name == "width" else width
        stride = "" if name == "stride" else stride
        bare = f"{word}{kernel}{width}{stride}"
        for value in VALUES:
            given = [f"{bare}({name}={value})"]
            if arguments and f"{name}=" not in arguments:
                given.append(f"{bare}{arguments[:-1]}, {name}={value})")
            for text in given:
                yield declared, step[: call[-1].start()] + text + step[call[-1].end() :]


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_what_is_accepted_with_extreme_arguments_loads(kind: type[Operator]) -> None:
    for declared, step in steps(kind):
        try:
            graph = build(Source("t.ns", f"input {declared}\n{step}"))
        except NetspecError:
            continue
        weights = [w.size for n in graph.nodes for w in n.op.weights(*n.input_types)]
        sizes = [prod(map(int, t.shape)) for n in graph.nodes for t in n.types]  # type: ignore[arg-type]
        if max((*weights, *sizes)) <= _LARGE:
            assert session(onnx_model(graph, Varied())).get_outputs(), step

"""The operator of docs/adding-an-operator.md, defined as the page shows it, works everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.differential import Net, assert_agree, legal, snippet
from support.kept import measured, said
from support.places import DOCS

from netspec.analysis.training.known import KNOWN
from netspec.diagnostics.raised import NetspecError
from netspec.ops.declare.operator import DECLARED, Elementwise, Operator
from netspec.ops.registry import REGISTRY

PAGE = DOCS / "adding-an-operator.md"


@pytest.fixture(scope="module")
def maxout() -> Iterator[type[Operator]]:
    """The class in the page's code, which goes out of the registry again."""
    found = re.search(r"```python\n(.*?)\n\n\nimport netspec\n", PAGE.read_text(), re.S)
    assert found is not None
    space: dict[str, Any] = {"__name__": "page"}
    exec(compile(found[1], str(PAGE), "exec", dont_inherit=True), space)
    yield space["Maxout"]
    del DECLARED["maxout"]


def test_its_shape_is_that_of_pytorch_and_of_onnx_runtime(maxout):
    for declared, step in (*maxout.examples, ("6xHxW", "maxout(2)")):
        graph = snippet(declared, step)
        net = Net(graph)
        for sizes in legal(graph):
            shape = [sizes.get(str(dim), dim) for dim in graph.inputs[0].types[0].shape]
            x = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
            ran = net.run([x])
            inferred = [sizes.get(str(dim), dim) for dim in graph.outputs[0].value.shape]
            assert ran.exact[0].shape == ran.onnx[0].shape == (2, *inferred)
            assert_agree(ran)


def test_its_numbers_are_the_largest_of_neighbours(maxout):
    x = np.random.default_rng(0).standard_normal((2, 6, 4, 5), dtype=np.float32)
    found = Net(snippet("6x4x5", "maxout(3)")).run([x]).onnx[0]
    assert np.array_equal(found, x.reshape(2, 2, 3, 4, 5).max(2))


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("maxout(4)", "NS303", "divisible by 4, got 6"),
        ("maxout(1)", "NS214", "pieces must be an integer from 2 to 1024, got 1"),
        ("maxout(pices=3)", "NS210", "usage: `maxout(3)`; parameters: pieces"),
        ("maxuot(3)", "NS201", "did you mean `maxout`?"),
    ],
)
def test_its_diagnostics_need_no_further_word(maxout, step, code, says):
    with pytest.raises(NetspecError) as caught:
        snippet("6x4x5", step)
    assert says in str(caught.value)
    assert code in str(caught.value)


def test_a_class_without_a_hook_or_with_a_misspelt_one_is_refused(maxout):
    hooks = {"__doc__": "A copy.", "spelling": "copy", "examples": (("3", "copy"),)}
    with pytest.raises(TypeError, match="does not define infer"):
        type("Copy", (Operator,), hooks)
    with pytest.raises(TypeError, match="inferr is not a hook"):
        type("Copy", (Operator,), {**hooks, "inferr": maxout.infer})
    assert "copy" not in REGISTRY


def test_what_it_keeps_for_backward_needs_no_further_word(maxout):
    for declared, step in maxout.examples:
        for dtype in ("fp32", "bf16"):
            graph = snippet(declared, f"affine; {step}")
            assert said(graph, 3, dtype) == measured(graph, 3, dtype)


@pytest.fixture
def cumulative() -> Iterator[None]:
    """The function that the page tells of, and an operator that computes by it."""
    text = next(
        t for t in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "@known" in t
    )
    exec(compile(text, str(PAGE), "exec", dont_inherit=True), {"__name__": "page"})

    class LogCumSumExp(Elementwise):
        """The logarithm of the running sum of exponentials along the channels."""

        spelling = "logcumsumexp"
        examples = (("3x4", "logcumsumexp"),)

        def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
            return torch.logcumsumexp(inputs[0], 1)

        def onnx(self, graph: Any, *inputs: Any) -> str:
            raise NotImplementedError

    yield
    del DECLARED["logcumsumexp"], KNOWN["logcumsumexp"]


def test_a_function_that_none_has_called_before_is_told_as_the_page_shows(cumulative):
    graph = snippet("3x4x5", "affine; logcumsumexp; tanh")
    assert said(graph, 2) == measured(graph, 2)

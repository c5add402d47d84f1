"""The operator of docs/adding-an-operator.md, defined as the page shows it, works everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.differential import Net, assert_agree, legal, snippet
from support.places import DOCS

from netspec.diagnostics.raised import NetspecError
from netspec.ops.declare.operator import DECLARED, Operator
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

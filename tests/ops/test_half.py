"""Every operator of the registry in half precision: the file loads, runs and agrees with float64."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from support.differential import OPERATORS, Net, Varied, inputs_for, legal, snippet

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session

# A rounding to half is off by 2^-11 at most; an example of a few steps rounds about four times.
TOLERANCE = 4 * 2.0**-11
# What ONNX's own evaluator has wrong in single precision too: groups, sums of squares, Relu in an RNN,
# the modes of GridSample as they were called before opset 20.
MISREAD = {
    *(step for kind in OPERATORS for _, step in kind.examples if "grid_sample" in step),
    "deconv4-6/2(pad=(1, 0), groups=2)",
    "lrn(5, k=2, alpha=0.5, average=no)",
    "rnn-4(act=relu, bidirectional=yes)",
}
EXAMPLES = [
    pytest.param(
        declared,
        step,
        id=f"{declared.split()[0]} {step}",
        # Further examples are of other sizes or parameters, and seldom of other nodes.
        marks=[pytest.mark.slow] if number > 1 else [],
    )
    for kind in OPERATORS
    for number, (declared, step) in enumerate(kind.examples)
]


def casts(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The casts between the two precisions."""
    pair = {TensorProto.FLOAT, TensorProto.FLOAT16}
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    kinds |= {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
    kinds |= {t.name: t.data_type for t in model.graph.initializer}
    found = [node for node in model.graph.node if node.op_type == "Cast"]
    return [n for n in found if n.attribute[0].i in pair and kinds[n.input[0]] in pair]


def assert_near(found: list[np.ndarray], exact: list[np.ndarray]) -> None:
    """Outputs in single precision that are off by a few roundings to half."""
    for half, expected in zip(found, exact, strict=True):
        assert half.dtype == (np.int64 if expected.dtype == np.int64 else np.float32)
        finite = np.isfinite(expected)
        assert np.array_equal(np.isfinite(half), finite)
        scale = max(np.abs(expected[finite]).max(initial=0), 1e-6)
        assert np.abs(half[finite] - expected[finite]).max(initial=0) <= TOLERANCE * scale


@pytest.mark.parametrize(("declared", "step"), EXAMPLES)
def test_an_example_in_half_precision_agrees_with_float64(declared, step, tmp_path):
    graph = snippet(declared, step)
    arrays = inputs_for(graph, 3, legal(graph)[0])
    feeds = {node.path: a for node, a in zip(graph.inputs, arrays, strict=True)}
    path = tmp_path / "net.onnx"
    compile_graph(graph, path, FileOptions(dtype="fp16"), source=Varied())
    onnx.checker.check_model(str(path), full_check=True)
    session = Session(path, most=None)
    feeds = {item.name: feeds[item.name] for item in session.inputs}
    exact = Net(graph).run(arrays).exact
    assert_near(list(session.run(feeds).outputs.values()), exact)
    if step not in MISREAD:
        # ONNX Runtime's kernels for CPUs are in single; this computes in half what the file says.
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            assert_near(ReferenceEvaluator(str(path)).run(None, feeds), exact)
    # No tensor is cast twice, and none back.
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path))
    between = casts(inferred)
    assert len({node.input[0] for node in between}) == len(between)
    assert not {node.output[0] for node in between} & {node.input[0] for node in between}

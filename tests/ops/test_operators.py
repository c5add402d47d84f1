"""Every operator of the registry: the shape we infer, PyTorch and ONNX Runtime say the same."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import subprocess
import sys
import zlib
from random import Random

import numpy as np
import pytest
import torch
from support.differential import (
    OPERATORS,
    Net,
    Varied,
    assert_agree,
    inputs_for,
    legal,
    nodes_of,
    snippet,
)
from support.generated_steps import FREE_SIZES, step_of
from support.oracle import REFERENCES
from support.places import DOCS

import netspec.ops
from netspec.backends.onnx.targets import OPSETS
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.ops.declare.operator import DECLARED, Elementwise, Operator
from netspec.ops.declare.params import real
from netspec.ops.registry import REGISTRY
from netspec.ops.words import HOMES
from netspec.sizes.dims import substitute

EXAMPLES = [
    pytest.param(kind, declared, step, id=f"{declared.split()[0]} {step}")
    for kind in OPERATORS
    for declared, step in kind.examples
]
every_operator = pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
every_example = pytest.mark.parametrize(("kind", "declared", "step"), EXAMPLES)


def assert_runs_alike(declared: str, step: str, *opsets: int | None) -> None:
    """At batch 1 and 3, and at the sizes a symbol may take, in files of these opsets."""
    graph = snippet(declared, step)
    net = Net(graph, opsets=opsets)
    for batch, sizes in zip((1, 3), legal(graph) * 2, strict=False):
        for ran in net.runs(inputs_for(graph, batch, sizes)):
            for output, exact, deployed in zip(graph.outputs, ran.exact, ran.onnx, strict=True):
                tensor = output.value.type
                leading = substitute(tensor.batch.rows(graph.nominal_sizes, batch), sizes)
                inferred = (leading, *(substitute(dim, sizes) for dim in tensor.shape))
                assert inferred == exact.shape == deployed.shape
            assert_agree(ran)


@every_example
def test_an_example_runs_alike_in_pytorch_and_onnx_runtime_at_every_kind_of_opset(
    kind, declared, step
):
    assert nodes_of(snippet(declared, step), kind)
    assert_runs_alike(declared, step, OPSETS[0], None, OPSETS[-1])


@pytest.mark.parametrize("most", [6, pytest.param(30, marks=pytest.mark.slow)])
@every_operator
def test_what_is_accepted_with_other_parameters_runs_alike(kind, most):
    accepted = 0
    for number in range(100 * most):
        # Seeded by hand: hypothesis draws constants of whatever is imported, so each edit gave other steps.
        declared, step = step_of(kind, Random(f"{kind.spelling} {number}"))
        try:
            snippet(declared, step)
        except NetspecError:
            continue
        try:
            assert_runs_alike(declared, step, OPSETS[zlib.crc32(step.encode()) % len(OPSETS)])
        except NetspecError as refusal:
            # Some options came with a later opset than the one that was drawn.
            assert [item.code for item in refusal.diagnostics] == ["NS613"]
            assert_runs_alike(declared, step, None)
        accepted += 1
        if accepted == most:
            break
    assert accepted >= 3, "hardly anything was accepted"


@pytest.mark.parametrize("kind", REFERENCES, ids=lambda kind: kind.spelling)
def test_numbers_are_those_of_the_definition_written_out_in_numpy(kind):
    compared = 0
    for seed in range(200):
        if compared == 20:
            break
        try:
            graph = snippet(*step_of(kind, Random(f"{kind.spelling} {seed}")))
        except NetspecError:
            continue
        node = graph.nodes[-1]
        if len(graph.nodes) > 2 or graph.symbols or numel(node) > 1000:
            continue
        (images,) = inputs_for(graph, 2, {})
        images = images.astype(np.float64)
        with torch.no_grad(), np.errstate(all="ignore"):
            module = to_module(graph, Varied()).eval().double()
            found = module(torch.from_numpy(images)).numpy()
            expected = REFERENCES[kind](node.op, images, own_weights(graph))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        compared += 1
    assert compared >= 8, "hardly anything was compared"


def numel(node) -> int:
    return int(np.prod(node.types[0].shape))


def own_weights(graph: Graph) -> dict[str, np.ndarray]:
    """The weights of the last step, by their own names."""
    node = graph.nodes[-1]
    return {
        weight.name: np.concatenate(
            list(Varied().pieces(f"{node.path}.{weight.name}", weight))
        ).reshape(weight.shape)
        for weight in node.op.weights(*node.input_types)
    }


@pytest.mark.parametrize("word", ["layernorm", "instancenorm", "groupnorm(1)", "rmsnorm"])
def test_a_constant_sample_is_normalised_alike_by_the_least_eps(word):
    step = word.replace(")", ", ") if "(" in word else f"{word}("
    with pytest.raises(NetspecError, match="NS214"):
        snippet("3x4", f"{step}eps=0.0)")
    ran = Net(snippet("3x4", f"{step}eps=1e-12)")).run([np.full((2, 3, 4), 0.1, np.float32)])
    assert_agree(ran)
    assert np.isfinite(ran.onnx[0]).all()


@every_example
def test_an_example_with_free_sizes_is_refused_or_runs_alike(kind, declared, step):
    channels, *lengths = declared.split("x")
    if not declared.replace("x", "").isdigit():
        pytest.skip("its sizes are stated in another way")
    declared = "x".join([channels, *FREE_SIZES[len(lengths)]])
    try:
        snippet(declared, step)
    except NetspecError:
        return
    if "antialias" in step:
        with pytest.raises(NetspecError, match="came with opset 18"):
            assert_runs_alike(declared, step, OPSETS[0])
        assert_runs_alike(declared, step, None)
        return
    assert_runs_alike(declared, step, OPSETS[0], None)


@every_example
def test_an_example_trains(kind, declared, step):
    graph = snippet(declared, step)
    module = to_module(graph, Varied()).train()
    tensors = [torch.from_numpy(array) for array in inputs_for(graph, 3, legal(graph)[0])]
    leaves = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    result = module(*tensors)
    outputs = result if isinstance(result, tuple) else (result,)
    total = sum((output**2).sum() for output in outputs)
    leaves += list(module.parameters())
    if not total.requires_grad:
        assert kind.sized_by == 0, "no number of the input is read"
        return
    for gradient in torch.autograd.grad(total, leaves, allow_unused=True):
        assert gradient is None or not torch.isnan(gradient).any()


@every_example
def test_an_operator_survives_pickling(kind, declared, step):
    for node in nodes_of(snippet(declared, step), kind):
        copy = pickle.loads(pickle.dumps(node.op))
        assert type(copy) is kind
        assert vars(copy) == vars(node.op)
        assert repr(copy) == repr(node.op)


@every_operator
def test_every_operator_and_every_parameter_is_documented(kind):
    assert kind.__doc__.strip().endswith((".", ":", ")"))
    for name, param in kind.params.items():
        assert param.doc, f"{kind.spelling}: {name} has no doc"
    assert kind.examples[0][1] in kind.usage()


# --- declarations


def hooks(**others):
    """A class body that is complete, with changes."""
    body = {
        "__doc__": "Doubles.",
        "spelling": "doubled_for_a_test",
        "examples": (("3", "doubled_for_a_test"),),
        "compute": lambda self, torch, *inputs, **weights: inputs[0] * 2,
        "onnx": lambda self, graph, *inputs: graph.scaled(inputs[0].name, 2),
    }
    return {name: value for name, value in (body | others).items() if value is not None}


def test_a_complete_declaration_is_all_an_operator_needs():
    try:
        type("Doubled", (Elementwise,), hooks())
        graph = snippet("3x4", "doubled_for_a_test")
        net = Net(graph)
        ran = net.run(inputs_for(graph, 2, {}))
        assert_agree(ran)
    finally:
        del DECLARED["doubled_for_a_test"]


@pytest.mark.parametrize(
    ("others", "complaint"),
    [
        ({"onxn": lambda self: None}, "onxn is not a hook"),
        ({"onnx": None}, "does not define onnx"),
        ({"compute": None}, "defines neither torch nor compute"),
        ({"examples": None}, "declares no examples"),
        ({"__doc__": None}, "has no docstring"),
        ({"order": ("size",)}, "orders unknown parameters"),
        ({"follows": ("act",)}, "orders unknown parameters"),
        ({"spelling": "conv"}, "`conv` is already Conv"),
        ({"aliases": ("batchnorm",)}, "`batchnorm` is already BatchNorm"),
        ({"rate": real(1.0)}, "rate has no doc"),
    ],
)
def test_a_declaration_with_a_mistake_is_refused_and_leaves_nothing_behind(others, complaint):
    before = dict(REGISTRY)
    with pytest.raises(TypeError, match=complaint):
        type("Doubled", (Elementwise,), hooks(**others))
    assert before == REGISTRY


@pytest.mark.parametrize("missing", ["infer", "macs", "reach"])
def test_a_declaration_without_a_shape_rule_or_cost_is_refused(missing):
    body = hooks(
        infer=lambda self, *inputs: inputs[0],
        macs=lambda self, *inputs: 0,
        reach=lambda self, *inputs: None,
    )
    del body[missing]
    with pytest.raises(TypeError, match=f"does not define {missing}"):
        type("Doubled", (Operator,), body)


def test_the_reference_page_is_what_the_declarations_say(monkeypatch):
    docs = DOCS
    monkeypatch.syspath_prepend(str(docs))
    written = (docs / "operators.md").read_text(encoding="utf-8")
    current = importlib.import_module("make_operators").page()
    assert written == current, "run `python docs/make_operators.py`"


def test_every_word_is_listed_with_the_module_that_declares_it():
    """`python docs/make_operators.py` lists them."""
    for module in pkgutil.walk_packages(netspec.ops.__path__, "netspec.ops."):
        importlib.import_module(module.name)
    declared = {word: kind for word, kind in DECLARED.items() if "netspec.ops." in kind.__module__}
    assert {word: kind.__module__ for word, kind in declared.items()} == HOMES
    assert set(REGISTRY) == set(HOMES)
    assert "nothing" not in REGISTRY


def test_a_net_imports_the_operators_that_it_uses():
    script = "import sys, netspec; netspec.load('conv3-8; gap', input='3x8x8'); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "netspec.ops.spatial.conv" in ran.stdout
    assert "netspec.ops.vectors.recurrent" not in ran.stdout

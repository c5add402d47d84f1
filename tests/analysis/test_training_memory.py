"""The memory of training: what is said to be kept for backward is what torch keeps, to the byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import jsonschema
import pytest
import torch
from support.differential import OPERATORS, snippet
from support.generated_specs import spec
from support.kept import measured, profiled_peak, said, sized, steps_in_context
from support.places import ROOT
from support.shelves import shipped
from support.terminals import netspec as command

import netspec
from netspec.analysis.budget import bounds, check_budget
from netspec.analysis.training.autocast import POLICIES
from netspec.analysis.training.known import KNOWN
from netspec.analysis.training.memory import largest_batch, training_memory
from netspec.analysis.training.optimizers import OPTIMIZERS
from netspec.analysis.training.recurrent import workspace
from netspec.analysis.training.tensors import BFLOAT16, FLOAT32, Tape
from netspec.diagnostics.raised import NetspecError
from netspec.ops.declare.operator import DECLARED, Elementwise, Operator

EXAMPLES = [
    pytest.param(declared, step, id=f"{declared.split()[0]} {step}")
    for kind in OPERATORS
    for declared, step in kind.examples
]
both_precisions = pytest.mark.parametrize("dtype", ["fp32", "bf16"])


@both_precisions
@pytest.mark.parametrize(("declared", "step"), EXAMPLES)
def test_what_an_example_keeps_is_what_torch_keeps(declared, step, dtype):
    graph = sized(declared, step)
    assert graph is not None
    assert said(graph, 3, dtype) == measured(graph, 3, dtype)


@pytest.mark.parametrize("most", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_a_step_keeps_the_same_frozen_or_not_behind_and_before_others(kind, most):
    compared = 0
    for graph, batch in steps_in_context(kind, most):
        for dtype in ("fp32", "bf16"):
            try:
                kept = measured(graph, batch, dtype)
            except pytest.skip.Exception:
                continue
            except ValueError as refusal:
                # torch normalises no single value, and by no eps of zero.
                assert "training" in str(refusal)
                continue
            assert said(graph, batch, dtype) == kept, graph.source.text
            compared += 1
    assert compared >= min(most, 2)


NETS = {
    "shared weights": """
        input 3x8x8
        conv3-3(pad=same) as a; relu; conv3-3(pad=same, weights=@a); gap; fc-2
    """,
    "a frozen trunk": """
        input 3x8x8
        freeze { conv3-4; bn; relu; maxpool2 }
        conv1-4; bn; gap; fc-2
    """,
    "a frozen end": """
        input 3x8x8
        conv3-4; bn; relu
        freeze { conv1-5; bn; gap; fc-3 }
    """,
    "a head in training": """
        input 3x8x8
        conv3-4 as a
        head aux(loss=0.3) { gap; fc-2 }
        relu; gap; fc-3
    """,
    "tensors read twice": """
        input 3x8x8
        conv1-4 as a; relu as b
        { | @a | @b; tanh }; add; gap; fc-2
    """,
    "what only lies otherwise": """
        input 4x6
        conv1-6; transpose; { | identity | reshape(6x6) }; add; fc-2
    """,
    "stochastic depth": """
        input 3x8x8
        residual { conv3-3(pad=same); bn; droppath(0.2) }
        dropout(0.5); gap
    """,
    "a recurrence": """
        input x: 8x10; gap; fc-5 as h
        for x_t in @x { { | @x_t | identity }; concat; fc-5(act=tanh) }
    """,
    "queries that are one for all samples": """
        input 8x5
        relu as m; parameter(8x3); attention(2, @m); attention(2)
    """,
    "windows of a shifted map": """
        input 8x8x8
        residual { layernorm; windows(4, shift=2) { attention(2, scores=relative(2)) } }
    """,
    "what is unpooled": """
        input 2x4x4x4
        conv1-4; maxpool2 as p; conv1-4; unpool(@p)
    """,
    "statistics without weights": """
        input 3x4x4
        conv1-3; instancenorm(track=yes, affine=no); conv1-3; bn(affine=no)
        freeze { instancenorm(track=yes, affine=no) }
    """,
    "a crop whose channels lie side by side": """
        input 4x6x6
        layernorm; deconv3-5/4(pad=((3, 1), (3, 1)), output_pad=1); groupnorm(1)
    """,
    "a map that is rolled along one axis": """
        input 2x4x6
        layernorm; partition(by=(2, 1), shift=1); attention(2)
    """,
    "norms and squeezes": """
        input 6x8x8
        groupnorm(2); squeeze_excite(2); instancenorm; lrn(3); l2norm; rmsnorm
    """,
    "what is read as a map and as a vector": """
        input 3x9x9
        maxpool3/2(pad=1) as p; flatten; fc-4
        { | identity | @p; gap; fc-4 }; mul
    """,
}


@both_precisions
@pytest.mark.parametrize("name", NETS)
def test_a_net_keeps_what_torch_keeps(name, dtype):
    graph = netspec.load(NETS[name]).graph
    assert said(graph, 2, dtype) == measured(graph, 2, dtype)


@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(12, 400), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_net_drawn_at_random_keeps_what_torch_keeps(seeds):
    compared = 0
    for seed in seeds:
        graph = spec(seed).graph
        if graph.symbols:
            continue
        for dtype in ("fp32", "bf16"):
            try:
                kept = measured(graph, 2, dtype)
            except pytest.skip.Exception:
                continue
            except ValueError as refusal:
                assert "training" in str(refusal)
                continue
            assert said(graph, 2, dtype) == kept, graph.source.text
            compared += 1
    assert compared > len(seeds)


SHIPPED = [
    "lenet5",
    "lenet5_1998",
    "sentence_cnn",
    "window_tagger",
    "vae",
    "fractalnet20",
    "shufflenet_v2",
    "resnet20_cifar",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "alexnet",
            "vgg16",
            "googlenet",
            "resnet50",
            "densenet121",
            "mobilenet_v2",
            "nasnet_mobile",
            "captioning",
            "vgg16_transfer",
            "efficientnet_b0",
            "vit_b_16",
            "swin_t",
            "swin_v2_t",
            "convnext_tiny",
            "maxvit_t",
            "unetpp",
            "detr_resnet50",
            "yolov8n",
        )
    ),
]


@both_precisions
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_net_keeps_what_torch_keeps(name, dtype):
    graph = shipped(name)
    assert said(graph, 2, dtype) == measured(graph, 2, dtype)


@pytest.mark.parametrize(
    ("declared", "step"),
    [
        ("300x7", "lstm-512"),
        ("64x20", "lstm-100(layers=2)"),
        ("512x3", "lstm-64(bidirectional=yes)"),
    ],
)
@both_precisions
def test_the_workspace_of_an_lstm_is_one_dnns(declared, step, dtype):
    graph = snippet(declared, step)
    assert said(graph, 5, dtype) == measured(graph, 5, dtype)


def test_the_workspace_grows_with_what_an_lstm_reads():
    small, wide = (
        workspace(Tape().fresh((4, 2, into), kind), 64)
        for into, kind in ((64, FLOAT32), (640, FLOAT32))
    )
    half = workspace(Tape().fresh((4, 2, 640), BFLOAT16), 64)
    assert small < half < wide


# --- what autocast computes in which type


@pytest.mark.parametrize("device", POLICIES)
def test_autocast_s_lists_are_the_dispatcher_s(device):
    key = f"Autocast{device.upper()}"
    there = {
        name.removeprefix("aten::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(name, key)
    }
    policy = POLICIES[device]
    listed = policy.low | policy.full | policy.widest
    assert listed <= set(KNOWN)
    assert not policy.low & policy.full
    followed = {name for name in KNOWN if hasattr(torch.ops.aten, name)}
    # Builds of torch for CUDA alone register the last.
    assert listed - {"_cudnn_rnn"} == (followed & there) - {"_cudnn_rnn"}


@pytest.mark.parametrize("name", ["softmax", "layer_norm", "pow", "sum", "exp"])
def test_on_cuda_half_precision_is_left_for_float32_where_a_cpu_stays(name):
    assert name in POLICIES["cuda"].full
    assert name not in POLICIES["cpu"].full


@pytest.mark.parametrize(
    ("step", "dtype", "cpu", "cuda"),
    [
        # A mask of numbers, or of bytes.
        ("affine(bias=no, init=1); dropout(0.5)", "fp32", 4 * 24, 1 * 24),
        # The result, computed in half precision or in float32.
        ("conv1-4(bias=no); softmax", "bf16", 2 * 32, 4 * 32),
        # By its parts, which keep what is scaled too, or by one kernel.
        ("affine(bias=no); rmsnorm", "fp32", 4 * (24 + 8 + 24), 4 * (24 + 8)),
    ],
)
def test_cuda_keeps_otherwise(step, dtype, cpu, cuda):
    graph = snippet("3x4", step)
    for device, expected in (("cpu", cpu), ("cuda", cuda)):
        taken = training_memory(graph, batch=2, dtype=dtype, device=device)
        last = graph.nodes[-1].path
        assert sum(item.bytes for item in taken.kept if item.path == last) == expected


# --- what stands beside


@pytest.mark.parametrize("name", ["lenet5", "resnet20_cifar", "googlenet_bn"])
def test_weights_and_buffers_are_those_of_the_module(name):
    net = netspec.load(name)
    taken, module = net.training_memory(), net.to_torch()
    trained = [p for p in module.parameters() if p.requires_grad]
    assert taken.weights == sum(p.nbytes for p in module.parameters())
    assert taken.buffers == sum(b.nbytes for b in module.buffers())
    assert taken.gradients == sum(p.nbytes for p in trained)


def test_frozen_weights_have_neither_gradients_nor_state():
    net = netspec.load("input 3x8x8\nfreeze { conv3-4; bn }; conv1-4; gap; fc-2")
    taken = net.training_memory(optimizer="momentum")
    assert taken.weights == 4 * (112 + 8 + 20 + 10)
    assert taken.gradients == taken.optimizer_state == 4 * (20 + 10)
    frozen = netspec.load("input 3x8x8\nfreeze { conv3-4; bn; relu }").training_memory()
    assert (frozen.gradients, frozen.optimizer_state, frozen.activations) == (0, 0, 0)


MADE = {
    "sgd": lambda given: torch.optim.SGD(given),
    "momentum": lambda given: torch.optim.SGD(given, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adafactor": torch.optim.Adafactor,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_is_what_torch_s_optimiser_holds(name):
    net = netspec.load(
        "input 3x8x8\nconv3-4; bn; prelu; affine; gap; fc-2; parameter(3x4x2); flatten"
    )
    module = net.to_torch()
    given = list(module.parameters())
    for parameter in given:
        parameter.grad = torch.ones_like(parameter)
    optimizer = MADE[name](given)
    optimizer.step()
    held = sum(
        value.nbytes
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    )
    assert net.training_memory(optimizer=name).optimizer_state == held


def test_the_peak_is_what_torch_s_profiler_counts():
    """Within a tenth: what kernels need for themselves is not in it."""
    for name in ("resnet20_cifar", "shufflenet_v2"):
        net = netspec.load(name)
        taken = net.training_memory(batch=4)
        beside = taken.weights + taken.buffers + taken.optimizer_state + taken.inputs
        module, x = net.to_torch().train(), torch.randn(4, *net.graph.inputs[0].types[0].shape)
        assert 0.9 < (taken.peak - beside) / profiled_peak(module, [x]) <= 1.01


def test_what_is_kept_stands_with_the_step_that_keeps_it_first():
    taken = netspec.load("input 3x8x8\nconv3-4; relu; conv1-5; gap; fc-2").training_memory(batch=2)
    kept = {item.path: item.bytes for item in taken.kept}
    assert kept == {"relu1": 2 * 4 * 6 * 6 * 4, "fc1": 2 * 5 * 4}
    assert taken.activations == sum(kept.values())
    assert taken.total == taken.fixed + taken.inputs + taken.activations


def test_a_block_lets_go_of_what_nothing_reads_any_more():
    module = netspec.load(
        "input 3x8x8\nconv3-4; tanh; sigmoid as s; gap; fc-2; add { | identity | @s; gap; fc-2 }"
    )
    block = module.to_torch()
    left = block._run(torch.zeros(1, 3, 8, 8))
    assert [slot is not None for slot in left].count(True) == 1
    assert left[block._wiring.outputs[0]] is not None


# --- the largest batch


@pytest.mark.parametrize("options", [{}, {"dtype": "bf16", "optimizer": "sgd", "device": "cuda"}])
@pytest.mark.parametrize("name", ["resnet20_cifar", "vae", "lenet5"])
def test_the_largest_batch_fits_and_one_more_does_not(name, options):
    graph = shipped(name)
    for room in (2**25, 3 * 2**30):
        batch = largest_batch(graph, room, **options)
        taken = [training_memory(graph, batch=n, **options) for n in (batch, batch + 1)]
        assert max(taken[0].total, taken[0].peak) <= room < max(taken[1].total, taken[1].peak)


def test_where_not_even_one_sample_fits_none_does():
    assert largest_batch(shipped("lenet5"), 1000) == 0


def test_room_is_bytes_or_a_text():
    net = netspec.load("lenet5")
    assert net.largest_batch("16MiB", dtype="bf16") == net.largest_batch(2**24, dtype="bf16") > 100
    with pytest.raises(ValueError, match="'much' is not an amount of memory"):
        net.largest_batch("much")


# --- what is refused


def test_open_sizes_are_asked_for():
    with pytest.raises(NetspecError, match=r"NS712.*depends on H, W"):
        netspec.load("conv3-4; gap; fc-2", input="3xHxW").training_memory()


@pytest.mark.parametrize("option", [{"dtype": "fp8"}, {"optimizer": "magic"}, {"device": "tpu"}])
def test_a_name_that_is_none_lists_those_that_are(option):
    with pytest.raises(ValueError, match=f"{next(iter(option))} is one of"):
        netspec.load("lenet5").training_memory(**option)


def test_a_batch_of_none_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        netspec.load("lenet5").training_memory(batch=0)


@pytest.fixture
def bessel() -> Iterator[type[Operator]]:
    """An operator of one's own, by a function of torch's that nothing is said of."""

    class Bessel(Elementwise):
        """A Bessel function."""

        spelling = "bessel_j0"
        examples = (("3x4", "bessel_j0"),)

        def compute(self, torch, *inputs, **weights):
            return torch.special.bessel_j0(inputs[0])

        def onnx(self, graph, *inputs):
            return inputs[0].name

    yield Bessel
    del DECLARED["bessel_j0"]


def test_a_function_of_which_nothing_is_said_is_named(bessel):
    net = netspec.load("input 3x4\nbessel_j0")
    with pytest.raises(NetspecError, match=r"NS713.*`special`") as caught:
        net.training_memory()
    assert caught.value.status == 2


# --- the command

SCHEMA = json.loads((ROOT / "netspec" / "schemas" / "summary.json").read_text())


def test_the_command_adds_a_column_and_says_what_a_step_takes():
    plain = command("summary", "lenet5").stdout
    shown = command("summary", "lenet5", "--training", "--batch", "32", COLUMNS="160").stdout
    assert "kept" not in plain
    assert "kept: 1011.75 KiB is kept for backward, of 32 samples in float32" in shown
    assert "training: 2.05 MiB by adamw: 241.04 KiB weights" in shown
    assert "peak:" in shown


@pytest.mark.parametrize("style", ["markdown", "latex", "csv"])
def test_every_form_has_the_column(style):
    shown = command("summary", "lenet5", "--training", "--format", style).stdout
    assert "kept" in shown
    assert "kept" not in command("summary", "lenet5", "--format", style).stdout


def test_the_json_has_it_and_keeps_to_the_schema():
    words = ("--fits", "1GiB", "--dtype", "bf16", "--optimizer", "momentum", "--device", "cuda")
    found = json.loads(command("summary", "googlenet", "--json", *words).stdout)
    jsonschema.validate(found, SCHEMA)
    taken = found["training"]
    every = (*found["layers"], *found["training_only"]["layers"])
    assert sum(layer["kept_bytes"] for layer in every) == taken["kept_bytes"]
    assert taken["batch"] == taken["largest_batch"] > 1
    assert taken["total_bytes"] <= taken["room_bytes"] == 2**30
    plain = json.loads(command("summary", "googlenet", "--json").stdout)
    assert "training" not in plain
    assert not any("kept_bytes" in layer for layer in plain["layers"])


def test_nets_side_by_side_have_it_each():
    shown = command("summary", "lenet5", "alexnet", "--fits", "2GiB", COLUMNS="200").stdout
    head = next(line for line in shown.splitlines() if line.startswith("net"))
    assert head.split()[-3:] == ["batch", "training", "fits"]
    assert "fits: the most samples whose training step fits 2.00 GiB" in shown


@pytest.mark.parametrize(
    ("bound", "status"),
    [
        ("training_memory<2MiB", 0),
        ("training_memory<900KiB", 1),
        ("training_kept<40KiB", 0),
        ("training_peak<3KiB", 1),
    ],
)
def test_a_bound_asks_for_it(bound, status):
    done = command("summary", "lenet5", "--assert", bound)
    assert done.returncode == status
    assert ("training" in done.stderr) is bool(status)


def test_a_summary_without_it_cannot_be_bounded_by_it():
    summary = netspec.load("lenet5").summary()
    with pytest.raises(NetspecError, match=r"NS710.*(?s:.)*with --training"):
        check_budget(summary, "training_memory<1GiB")
    with pytest.raises(NetspecError, match="NS710"):
        bounds("training_memory<1GiB")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--batch", "3"), "--batch is for --training"),
        (("--optimizer", "sgd"), "--optimizer is for --training"),
        (("--fits", "many"), "`many` is not an amount of memory"),
        (("--fits", "0"), "is not an amount of memory"),
        (("--training", "--batch", "0"), "0 is not in the range"),
        (("--explain", "conv1", "--training"), "--explain prints text"),
    ],
)
def test_what_makes_no_sense_is_refused(words, says):
    done = command("summary", "lenet5", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_nothing_heavy_is_loaded_for_it():
    script = (
        "import sys, netspec\n"
        "for name in ('resnet50', 'captioning', 'swin_v2_t', 'fasterrcnn_resnet50_fpn'):\n"
        "    netspec.load(name).training_memory(batch=2, dtype='bf16')\n"
        "print({'torch', 'onnx', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"

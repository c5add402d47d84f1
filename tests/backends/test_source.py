"""PyTorch source: it runs by itself, computes to the last bit what `to_torch` does, and is in good form."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.differential import OPERATORS, Varied, snippet
from support.generated_specs import spec
from support.shelves import shipped
from support.sources import TOKEN, bare, faults, made

import netspec
from netspec.backends.torch.modules import to_module
from netspec.backends.torch.source.code import NONE, Code, Const, Cut, Get, Item, Text, flat
from netspec.backends.torch.source.write import source
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names
from netspec.weights.sources import Seeded

EXAMPLES = [
    pytest.param(declared, step, id=f"{declared.split()[0]} {step}")
    for kind in OPERATORS
    for declared, step in kind.examples
]
_SIZE = Get(Text("self"), "size")
FEW = ["resnet20_cifar", "wrn28_10", "shufflenet_v2", "sentence_cnn", "googlenet", "lenet5_1998"]


def assert_alike(graph: Graph, *, training: bool = False) -> str:
    """The source of a graph, after its net was held to that of `to_torch`."""
    text = source(graph)
    assert list(faults(graph, text, training=training)) == []
    return text


@pytest.mark.parametrize(("declared", "step"), EXAMPLES)
def test_an_operator_is_the_same_in_source(declared: str, step: str) -> None:
    graph = snippet(declared, step)
    assert_alike(graph)


@pytest.mark.parametrize(
    "step",
    [
        "droppath(0.5)",
        "dropout(0.5)",
        "bn; dropout(0.3, over=channels)",
        "{ | conv3-4(pad=same) | conv1-4; relu }; mean(drop_path=0.4)",
        "mean(drop_path=0.4) { | parameter(4x8x8) | conv3-4(pad=same) }",
        "parameter(4x8x8); mean(drop_path=0.4) { | conv1-4 | conv3-4(pad=same) }",
        "windows(4) { mean(drop_path=0.4) { | conv1-4 | conv3-4(pad=same) } }",
        "head aux(loss=0.3) { gap; fc-3 }; conv3-4; gap",
        "freeze { conv3-4(norm=bn) }; conv3-4(norm=bn)",
    ],
)
def test_it_is_the_same_in_training(step: str) -> None:
    assert_alike(snippet("4x8x8", step), training=True)


@pytest.mark.parametrize("seed", range(0, 1000, 25))
def test_a_random_net_is_the_same_in_source(seed: int) -> None:
    try:
        text = source(graph := spec(seed).graph)
    except NetspecError as refusal:
        assert [found.code for found in refusal.diagnostics] == ["NS646"]
    else:
        assert list(faults(graph, text)) == []


@pytest.mark.parametrize("name", FEW)
def test_a_net_is_the_same_in_source(name: str) -> None:
    assert_alike(shipped(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_net_is_the_same_in_source(name: str) -> None:
    assert_alike(shipped(name))


@pytest.mark.parametrize(("name", "most"), [("resnet50", 900), ("googlenet", 1200)])
def test_it_is_as_short_as_a_person_writes_it(name: str, most: int) -> None:
    assert len(TOKEN.findall(bare(netspec.load(name).to_source()))) <= most


def test_a_block_is_a_class_with_its_parameters() -> None:
    text = netspec.load("resnet50").to_source()
    assert text.count("class Bottleneck") == 1
    assert "def __init__(self, into: int, n: int, s: int) -> None:" in text
    assert "if self.has_shortcut:" in text
    assert "for i in range(2, count + 1):" in text
    assert '"""resnet50: He et al., Deep residual learning' in text


def test_the_file_needs_torch_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(netspec.load("shufflenet_v2").to_source())
    script = (
        "import sys, runpy, torch\n"
        "sys.modules['netspec'] = None\n"
        f"found = runpy.run_path({str(path)!r})\n"
        "net = found['ShufflenetV2']().eval()\n"
        "print(tuple(net(torch.zeros(2, 3, 224, 224)).shape))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "(2, 1000)\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    names = (
        *FEW,
        "resnet50",
        "nasnet_mobile",
        "swin_t",
        "fractalnet20",
        "luong_attention",
        "yolov8n",
    )
    for name, text in HARD.items():
        (folder / f"{name.replace(' ', '_').replace(',', '')}.py").write_text(
            netspec.load(f"{text}\n").to_source()
        )
    for name in names:
        (folder / f"{name}.py").write_text(netspec.load(name).to_source())
    for kind in OPERATORS:
        for number, example in enumerate(kind.examples):
            (folder / f"operator_{kind.spelling}_{number}.py").write_text(source(snippet(*example)))
    return folder


def test_ruff_has_nothing_to_say(files: Path) -> None:
    ruff = pytest.importorskip("ruff").__name__
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", ruff, *command, "--isolated", "--no-cache", str(files)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_strict_mypy_has_nothing_to_say(files: Path) -> None:
    api = pytest.importorskip("mypy.api")
    config = files / "none.ini"
    config.write_text("[mypy]\nstrict = true\n")
    out, errors, status = api.run(
        ["--config-file", str(config), "--cache-dir", str(files / "cache"), str(files)]
    )
    assert status == 0, out + errors


def test_constants_are_right_without_the_state() -> None:
    graph = netspec.load("dwconv3(fixed=binomial, pad=1, bias=no); relu", input="4x6x6").graph
    expected = to_module(graph, Varied()).state_dict()
    found = made(source(graph)).state_dict()
    assert {name: tuple(t.shape) for name, t in found.items()} == {"dwconv1.weight": (4, 1, 3, 3)}
    torch.testing.assert_close(found["dwconv1.weight"], expected["dwconv1.weight"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("declared", "step"),
    [
        ("32x14x14", "windows(7, shift=3) { attention(4) }"),
        ("6x7x5", "offsets"),
        ("84", "rbf-10"),
        ("8x40", "position(init=sinusoids)"),
        ("3x9x9", "dwconv5(fixed=gaussian_window(1.5), pad=2)"),
        ("3x5x5", "constant(value=2, shape=3x5x5); add(@input)"),
    ],
)
def test_what_is_known_beforehand_is_computed_in_the_file(declared: str, step: str) -> None:
    graph = netspec.load(f"input {declared}\n{step}\n").graph
    theirs, net = to_module(graph, Seeded(0)), made(source(graph))
    known = {
        f"{node.path}.{weight.name}"
        for node in graph.nodes
        for weight in node.op.weights(*node.input_types)
        if not weight.init.drawn and weight.name.rpartition(".")[2] != "bias"
    }
    for name in known:
        torch.testing.assert_close(
            net.state_dict()[name], theirs.state_dict()[name], rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("conv3-4 as half; gap", "`half` means something else"),
        ("conv3-4 as lambda; gap", "`lambda` means something else"),
        (
            "block a(n) { conv1-n as c }\nblock b of x { conv1-3(weights=@x) }\n"
            "a(3) as first; conv1-3(weights=@first.c)",
            "its weights are those of a step in another block",
        ),
    ],
)
def test_what_has_no_source_is_refused_at_its_line(text: str, says: str) -> None:
    net = netspec.load(f"input 3x8x8\n{text}\n")
    with pytest.raises(NetspecError, match="NS646") as caught:
        net.to_source()
    assert says in str(caught.value)
    assert caught.value.diagnostics[0].span is not None


def test_blocks_that_share_all_weights_are_one_module() -> None:
    text = "block u(n) { conv3-n(pad=same); bn }\nu(3) as a; u(3, weights=@a) as b; gap\n"
    written = assert_alike(netspec.load(text, input="3x8x8").graph)
    assert written.count("self.a(") == 2 or "self.a(self.a(x))" in written


def test_an_optional_part_may_follow_what_is_read_before_it() -> None:
    # The shortcut is of what flows in where it is the identity, and of its normalisation elsewhere.
    text = """
    block unit(n) {
      if C == n { residual(shortcut=identity) { bn; relu; conv3-n(pad=same) } }
      else { bn; relu; residual { conv3-n(pad=same) } }
    }
    unit(4); unit(6); unit(6); unit(6); gap
    """
    assert_alike(netspec.load(text, input="4x8x8").graph)


HARD = {
    "names of inputs": "input self: 3x8x8\ninput F: 3x8x8\nadd { | @self | @F }; conv3-4; gap",
    "names of blocks": (
        "input 3x8x8\nblock tensor(n) { conv1-n }\nblock f(torch, nn=2) { conv1-torch; conv1-nn }\n"
        "tensor(3); f(4); f(6); gap"
    ),
    "a recurrence": (
        "input x: 8x10\ngap; fc-5 as h\n"
        "for x_t in @x { { | @x_t | identity }; concat; fc-5(act=tanh) as y } as last\n@y; gap; add(@last)"
    ),
    "two in, two out": (
        "input a: 3x8x8\ninput b: 3x8x8\nblock u of p, q { { | @p; conv3-4(pad=same) | @q; conv1-4 } }\n"
        "{ | @a | @b }; u as w\nadd as s\n@w\noutput s, w"
    ),
    "a net with heads in it": (
        "input 3x16x16\nblock u { head aux(loss=0.3) { gap; fc-2 }; conv3-4 }\nu; gap"
    ),
    "read from outside": (
        "input 3x16x16\nblock u(n) { conv3-n(pad=same) as c; relu }\n"
        "u(4) as a; u(5); concat { | identity | @a.c }; gap"
    ),
    "loops in blocks": (
        "input 3x8x8\nblock u(n) { conv3-n(pad=same); relu }\n"
        "block s(n, count) { u(n); u(n) x(count-1); relu; concat { | identity | u(n) } }\n"
        "s(4, 3); s(8, 5); gap"
    ),
    "parts that some have": (
        "input 3x32x32\nblock u(n) { if n > 2 { conv1-n }; residual { conv3-n(pad=same); bn }\n"
        "if n > 4 { maxpool2 } }\nu(2); u(4); u(6); u(8); gap"
    ),
    "weights of a step beside": "input 3x8x8\nlayernorm as a; relu; layernorm(weights=@a); gap",
    "another stride": "input 3x8x8\nconv3-3(pad=same) as a; conv3-3/2(pad=same, weights=@a); gap",
    "borders of their own": (
        "input 2x9x9x9\nmaxpool2(ceil=yes); conv3-4(pad=tf_same); avgpool3/2(ceil=yes, pad=1); gap"
    ),
    "open sizes": "input 3xHxW\nconv3-4(pad=same); maxpool2; upsample(2, mode=bilinear); gap",
}


@pytest.mark.parametrize("name", HARD)
def test_what_is_hard_to_write_is_the_same_in_source(name: str) -> None:
    assert_alike(netspec.load(f"{HARD[name]}\n").graph, training="heads" in name)


def test_names_of_parameters_and_steps_do_not_meet() -> None:
    text = "block unit(n) { conv3-n as n; pad_channels(2*n) as into }\nunit(4); unit(6); gap\n"
    assert_alike(netspec.load(text, input="4x8x8").graph)


def test_one_of_what_may_be_several_is_no_tuple() -> None:
    written = assert_alike(netspec.load("input 3x1\nunstack\n").graph)
    assert "return torch.unbind(x, dim=2)[0]\n" in written
    assert_alike(netspec.load("input 3x1x4\nunstack; relu\n").graph)


def test_a_checker_knows_what_is_returned() -> None:
    # After a module's answer, which may be anything, a name is no longer known to be a tensor.
    steps = "relu as x; partition(2); conv3-3(pad=1); reassemble(@x, 2)"
    assert "out: Tensor = y.reshape(" in source(snippet("2xHxW", steps))
    # So it is beside heads.
    text = "input a: 4x6x6\ninput b: 4x6x6\nadd { | @a | @b }; conv3-4; head h(loss=1) { gap }; conv1-2\n"
    assert "x: Tensor = self.conv1(a + b)" in assert_alike(netspec.load(text).graph, training=True)
    # What several names are given at once cannot be said of one of them.
    text = "block u { { | conv1-4 | relu } }\nu; { | identity | tanh }; subtract\n"
    assert_alike(netspec.load(text.replace("subtract", "concat"), input="3x8x8").graph)


# --- what a person would not write


@pytest.fixture(scope="module")
def attention() -> str:
    return netspec.load("attention(4)\n", input="32x14").to_source()


def test_nothing_is_computed_for_nothing_or_twice(attention: str) -> None:
    assert "arange" not in attention
    assert "_ = " not in attention
    # Before, after, and of queries, keys and values.
    assert attention.count(".transpose(1, 2)\n") == 5
    assert ".flatten(2).transpose" not in attention


def test_defaults_of_torch_are_left_out(attention: str) -> None:
    assert "F.scaled_dot_product_attention(y, z, x)" in attention
    causal = netspec.load("attention(4, causal=yes)\n", input="32x14").to_source()
    assert "is_causal=True)" in causal
    resized = netspec.load("upsample(2, mode=bilinear)\n", input="3x8x8").to_source()
    assert "antialias" not in resized
    assert "align_corners=False" in resized


def test_what_is_left_of_a_rate_is_said_by_the_rate() -> None:
    text = netspec.load("droppath(0.1); droppath(0.3)\n", input="3x8x8").to_source()
    assert "x * (y >= self.rate) / (1 - self.rate)" in text
    assert text.count("DropPath(") == 3


def test_two_of_a_kind_are_no_loop_and_many_are() -> None:
    block = "block u(n) { conv3-n(pad=same); relu }\nconv1-4; "
    few, many = (
        netspec.load(f"{block}u(4) x{count}; gap\n", input="4x8x8").to_source() for count in (3, 9)
    )
    assert "for i in" not in few
    assert "self.u3(self.u2(self.u1(" in few
    assert "for i in range(1, 10):" in many


@pytest.mark.parametrize(
    ("body", "calls", "why"),
    [
        ("residual(shortcut=same) { conv3-n/s(pad=1) }", "u(4, 1); u(4, 2); u(4, 1)", "s == 1"),
        ("conv1-n; if s > 1 { conv3-n(pad=same) }", "u(4, 1); u(4, 2); u(4, 3)", "s > 1"),
    ],
)
def test_a_part_is_there_for_a_reason_that_is_written(body: str, calls: str, why: str) -> None:
    text = f"input 4x16x16\nblock u(n, s) {{ {body} }}\n{calls}; gap\n"
    written = assert_alike(netspec.load(text).graph)
    assert f" = {why}\n" in written


def test_a_part_that_is_there_for_none_has_a_parameter() -> None:
    text = """
    block u(n, more=no) { conv3-n(pad=same); bn; if more { relu } }
    u(4); u(6, yes); u(8); u(6); u(4, yes); gap
    """
    written = assert_alike(netspec.load(text, input="4x8x8").graph)
    assert "has_relu1: bool" in written


def test_inputs_may_be_called_as_what_a_net_with_heads_uses() -> None:
    text = "input heads: 3x8x8\nhead aux(loss=0.3) { gap; fc-2 }\nconv3-4; gap\n"
    assert_alike(netspec.load(text).graph, training=True)


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((NONE, NONE, Const(2)), "x[::2]"),
        ((Const(1), NONE, Const(2)), "x[1::2]"),
        ((_SIZE, NONE, Const(1)), "x[self.size :: 1]"),
        ((NONE, _SIZE, Const(1)), "x[: self.size : 1]"),
        ((NONE, NONE, _SIZE), "x[:: self.size]"),
        ((Const(1), NONE, _SIZE), "x[1 :: self.size]"),
        ((_SIZE, _SIZE, _SIZE), "x[self.size : self.size : self.size]"),
        ((_SIZE, NONE, Const(None)), "x[self.size :]"),
    ],
)
def test_a_cut_is_laid_out_as_ruff_has_it(ends: tuple[Code, ...], text: str) -> None:
    assert flat(Item(Text("x"), (Cut(*ends),))) == text


@pytest.mark.parametrize(
    ("declared", "step", "said", "calls"),
    [
        ("64xT", "attention(2, causal=yes, rotary=10000)", "base ** (-i / half)", 3),
        ("64xT", "attention(2, rotary=500, rotary_pairs=neighbours)", "base ** (-i / half)", 3),
        ("64xT", "attention(4, scores=relative(4, buckets=32))", "near_buckets(16, 128)", 1),
        ("64xT", "attention(4, scores=alibi(4))", "head_slopes(4)", 1),
        ("64x9", "add { | identity | waves(layout=halves) }", "waves(x, 1, 32, 10000.0, True)", 1),
        (
            "3x9x9",
            "tableconv3-4(table=[[0], [0, 1], [0, 1, 2], [2]])",
            "((0,), (0, 1), (0, 1, 2), (2,))",
            1,
        ),
    ],
)
def test_tables_of_numbers_are_computed(declared: str, step: str, said: str, calls: int) -> None:
    text = assert_alike(snippet(declared, step))
    assert said in text
    assert len(re.findall(r"\d\.\d{9}", text)) == 0
    assert len(text.splitlines()) < 110
    for name in re.findall(r"^def (\w+)", text, re.MULTILINE):
        assert 1 <= len(re.findall(rf"\b{name}\(", text)) - 1 <= calls
    assert "numpy" not in text


def test_tensors_of_a_layer_of_torchs_are_that_layer(attention: str) -> None:
    assert "self.out_proj = nn.Linear(32, 32)\n" in attention
    assert "self.out_proj(x)" in attention
    assert "v, w, p = self.in_proj_bias.chunk(3)" in attention
    plain = assert_alike(snippet("32x9", "attention(4, bias=no)"))
    assert "None)" not in plain
    assert "nn.Linear(32, 32, bias=False)" in plain
    normed = assert_alike(snippet("32x9", "attention(4, qk_norm=layernorm)"))
    assert "self.q_norm = nn.LayerNorm(8, eps=1e-06)" in normed
    table = assert_alike(snippet("64xT", "attention(4, scores=relative(4, buckets=32))"))
    assert "self.relative_attention_bias = nn.Embedding(32, 4)" in table
    shared = "attention(4) as a; relu; attention(4, weights=@a)"
    assert_alike(snippet("32x9", shared))


def test_channels_stay_last_between_layers_that_want_them_so() -> None:
    def turns(steps: str) -> int:
        return assert_alike(snippet("8x5", steps)).count("movedim")

    fc = "fc-8(over=channels)"
    assert turns(f"{fc}; relu; sigmoid; {fc}") == 2
    # Two ways from one, joined again.
    assert turns(f"mul {{ | {fc}; silu | {fc} }}; {fc}") == 2
    # What something else reads too is turned for it, torch's GELU differs by where elements lie.
    assert turns(f"{fc}; relu as x; {fc}; add(@x)") == 4
    assert turns(f"{fc}; gelu; {fc}") == 4
    assert turns(f"{fc}; relu; conv1-8; {fc}") == 4
    assert turns(f"{fc}; relu; {fc} as y; tanh; output y") == 2


def test_rates_that_grow_are_fractions() -> None:
    text = """
    input 4x8x8
    block unit(drop) { residual { conv3-4(pad=same); droppath(drop) } }
    for i in 1..9 { unit(0.1*i/17) }
    block few(first) { for i in 1..3 { unit((first+i)/7) } }
    few(0); few(1); gap
    """
    written = assert_alike(netspec.load(text).graph)
    assert 'self.add_module(f"unit{i}", Unit(i / 170))' in written
    assert "2 / 7" in written
    assert re.search(r"\d\.\d{9}", written) is None


def test_nothing_idle_is_written() -> None:
    assert "return -x\n" in source(snippet("4", "scaled(-1)"))
    assert "return x * 0.5\n" in source(snippet("4", "scaled(0.5)"))
    assert "x[:, :2, :]" in source(snippet("4x3", "slice(0, 2)"))
    text = source(netspec.load("input 4x3\nblock u { relu; tanh }\nu; u\n").graph)
    assert "super().__init__()\n\n    def forward" not in text.split("class ")[1]


def test_how_weights_are_loaded_is_said() -> None:
    text = netspec.load("conv3-4; gap", input="3x8x8").to_source()
    assert "netspec compile SPEC --to torch -o net.pt" in text

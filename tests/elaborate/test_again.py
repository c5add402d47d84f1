"""Calls added again: the graph is the one that running every call gives, and fewer are run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.generated_specs import spec
from support.graphs import outcome, told, variants
from support.mutated_specs import mutant

import netspec
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.again import recall
from netspec.elaborate.again.recall import Memo, Recall
from netspec.elaborate.apply import Operators
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.build import build
from netspec.sizes.dims import Open
from netspec.syntax.files import read_spec, shipped_names

ERRORS = sorted((Path(__file__).parents[1] / "diagnostics" / "errors").glob("*.ns"))
# Heads, shared and frozen parts, recurrences, windows, regions, bundles, two inputs, ids, variations.
FEW = """googlenet resnet18 swin_t squeezenet1_1 shufflenet_v2_x1_0 luong_attention captioning mixer_s16
vae mobilenet_v2 fast_rcnn vgg16_transfer resnext50_32x4d t5_small_encoder""".split()


def text(body: str) -> Source:
    return Source("t.ns", body)


def check(source: Source, givens: list[Any]) -> None:
    memo = Memo()
    for given in givens:
        assert outcome(source, given, memo) == outcome(source, given), given


@pytest.mark.parametrize("name", FEW)
def test_a_net_is_the_same_whatever_was_built_before(name: str) -> None:
    source = read_spec(name)
    check(source, variants(build(source, expectations=False)))


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_every_net_is_the_same_whatever_was_built_before(name: str) -> None:
    source = read_spec(name)
    check(source, variants(build(source, expectations=False)))


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_what_is_said_against_a_spec_is_the_same(path: Path) -> None:
    try:
        source = Source(path.name, path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        pytest.skip("it is no text")
    check(source, [({}, ()), ({}, ()), ({}, ("3x40x40",)), ({}, ())])


@pytest.mark.parametrize("chunk", range(3))
def test_random_nets_are_the_same(chunk: int) -> None:
    for seed in range(8 * chunk, 8 * chunk + 8):
        made = spec(seed)
        check(text(made.text), variants(made.graph))
        check(text(mutant(seed)), [({}, ()), ({}, ()), ({}, ("3x40x40",)), ({}, ())])


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(40))
def test_many_random_nets_are_the_same(chunk: int) -> None:
    for seed in range(50 * chunk, 50 * chunk + 50):
        made = spec(seed)
        check(text(made.text), variants(made.graph))
        check(text(mutant(seed)), [({}, ()), ({}, ()), ({}, ("3x40x40",)), ({}, ())])


BLOCKS = """net t(n=8, deep=yes, kind=a, word=relu, eps=0)
block unit(n, act=relu) { conv3-n(pad=same, act=act); bn }
block sized(n) { if H > 20 { conv3-n/2(pad=same) } else { conv3-n(pad=same) }; relu }
block open(k) { reshape((C, H*W)); fc-k }
block inner(n) { unit(n) as first; unit(n) as last }
block around(body) { body; relu }
block told(n) { around { unit(n) } }
block again(n) { if n > 0 { unit(8); again(n-1) } else { tanh } }
block pooled { maxpool2 as p; conv1-C; unpool(@p) }
block unpooled(p) { conv1-C; unpool(@p) }
block joined of a, b { add { | @a | @b } }
block merged(x) { add(@x); relu }
block taught(n) { conv3-n(pad=same) as same; relu; conv3-n(pad=same, weights=@same) }
block headed(n) { unit(n); head aux(loss=0.5) { gap; fc-4 } }
block quiet { default conv(bias=no); unit(8) }
block steps { gap; fc-5 as h; relu }
block recur of x {
  reshape((C, H*W)) as s; @x; gap
  for t in @s { { | @t | identity }; concat; fc-8(act=tanh) as y }
}
block strided(x) { maxpool(ratio(@x, @x)); conv1-C/(ratio(@x, @x)) }
"""
STEPS = [
    "unit(8); unit(8) x3",
    "unit(n); unit(8); unit(1*8); unit(8.0)",
    "unit(8, act=relu); unit(8, act=leaky(0)); unit(8, act=leaky(0.0)); unit(8, act=leaky(-0.0))",
    "sized(8); sized(8); sized(8)",
    "conv1-8; { | unit(8) | unit(8); maxpool1 }; joined; { | identity | identity }; joined",
    "inner(8) as a; inner(8) as b; @a.first; merged(@b.last); merged(@a.last); merged(@a)",
    "told(8) x2; around { unit(8) }; around { unit(8) as u }; around { unit(8) }",
    "again(3); again(3); again(2)",
    "pooled; pooled; maxpool2 as p; conv1-C; unpooled(@p)",
    "conv1-8; maxpool2 as p; relu as q; { | @p | @q }; joined; unpooled(@p)",
    "conv1-8; maxpool2 as p; relu as q; @q; unpooled(@p); maxpool2; unpooled(@q)",
    "taught(8); taught(8); unit(8) as u; unit(8, weights=@u); unit(8)",
    "freeze { unit(8); unit(8) }; unit(8); unit(8, frozen=yes); unit(8)",
    "headed(8); headed(8); head other { headed(8); gap }; unit(8)",
    "unit(8) x2; quiet; quiet; default conv(bias=no); unit(8); unit(8); default conv(bias=yes); unit(8)",
    "default conv(act=word); conv3-8; unit(8); unit(8, act=word)",
    "conv1-8; relu as x; strided(@x); strided(@x)",
    "open(5)",
    "maxpool8; conv1-6; reshape((6, H*W)) as x; for x_t in @x { unit(6) }; relu",
    "unit(8); relu as r; merged(@r); merged(@r); conv1-8 as s; merged(@r); merged(@s)",
    "maxpool8; conv1-8; relu as m; recur as a; @m; recur as b; { | @a.y | @b.y | @a.y }; concat",
    "if deep { unit(8) x2 } else { unit(4) }; unit(n) x2",
    "unit(8) x2; conv3-8(padd=1); unit(8); unit(-1); unit(8)",
    "unit(8) x70; unit(8) x70",
]


@pytest.mark.parametrize("steps", STEPS)
def test_what_a_call_depends_on_tells_it_from_others(steps: str) -> None:
    source = text(f"{BLOCKS}\ninput 3x24x24\n{steps}\n")
    sizes = ["3x24x24", "3x40x40", "3x16x24", "3xHxW", "3x25x31", "3x24x24"]
    settings = [
        {},
        {"n": 8.0},
        {"n": 16},
        {"deep": False},
        {"word": "tanh"},
        {"eps": 0.0},
        {"n": "x"},
    ]
    givens: list[Any] = [({}, ()), ({}, ())]
    givens += [({}, (size,)) for size in sizes] + [(one, ()) for one in settings]
    check(source, [*givens, *givens])


@pytest.mark.parametrize(
    "limits",
    [
        Limits(nodes=20),
        Limits(depth=2),
        Limits(parameters=3000),
        Limits(activations=60_000),
        Limits(tensor=5000),
    ],
)
def test_limits_hold_for_calls_that_are_added_again(limits: Limits) -> None:
    source = text(f"{BLOCKS}\ninput 8x10x10\nunit(8) x(n); told(8); told(8)\n")
    memo = Memo()
    for n in (1, 2, 3, 20, 2, 30, 1):
        for size in ("8x10x10", "8x20x20"):
            found, alone = [_refused(source, n, size, limits, known) for known in (memo, None)]
            assert found == alone, (n, size)


def _refused(source: Source, n: int, size: str, limits: Limits, memo: Memo | None) -> Any:
    with patch.object(Recall, "find", Recall.find if memo else lambda *_: None):
        try:
            return told(build(source, {"n": n}, (size,), limits, memo=memo or Memo(), mend=False))
        except NetspecError as error:
            return str(error)


@pytest.fixture
def work() -> Iterator[Counter[str]]:
    """How many steps are run and how many shape rules are applied."""
    found: Counter[str] = Counter()
    apply, infer = Operators.apply, Assembler.infer

    def applied(*values: Any) -> Any:
        found["steps"] += 1
        return apply(*values)

    def inferred(assembler: Assembler, *values: Any) -> Any:
        before = len(assembler.known.inferred)
        try:
            return infer(assembler, *values)
        finally:
            found["rules"] += len(assembler.known.inferred) - before

    with patch.object(Operators, "apply", applied), patch.object(Assembler, "infer", inferred):
        yield found


def test_a_repeat_is_run_once(work: Counter[str]) -> None:
    graph = build(text("block unit { conv3-8(pad=same); relu }\ninput 8x9x9\nunit x10; gap"))
    assert len(graph.nodes) == 22
    # What makes the 8 channels with the input's sizes, and one that reads what it gave.
    assert work["steps"] == 5


def test_equal_calls_in_one_net_are_run_once(work: Counter[str]) -> None:
    assert len(build(read_spec("resnet50"), expectations=False).nodes) == 176
    assert work["steps"] < 110


def test_a_setting_runs_what_depends_on_it(work: Counter[str]) -> None:
    family = netspec.variants("resnet50")
    family.load(classes=10)
    work.clear()
    family.load(classes=10)
    assert work == {}
    family.load(classes=11)
    # The stem, the pooling, and what makes the classes: four stages are added again.
    assert work["steps"] == 7
    assert work["rules"] == 2


def test_a_size_runs_no_step_that_was_run(work: Counter[str]) -> None:
    family = netspec.variants("resnet50")
    family.load(classes=10)
    work.clear()
    family.load(classes=10, input=(3, 320, 320))
    assert work["steps"] == 0
    assert 0 < work["rules"] < 100


def test_a_setting_given_as_text_is_the_same_each_time(work: Counter[str]) -> None:
    body = "net t(act=relu, n=2)\ninput 8x8x8\nblock u(act) { conv1-8(act=act) }\nu(act) x3; fc-n\n"
    family = netspec.variants(body)
    family.load(act="leaky(0.1)", n="3")
    work.clear()
    family.load(act="leaky(0.1)", n="3")
    assert work == {}
    family.load(act="leaky(0.1)", n="4")
    assert work["steps"] == 1


def test_a_text_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    family = netspec.variants("fasterrcnn_resnet50_fpn")
    first = told(family.load(classes=5).graph)
    monkeypatch.setattr("netspec.syntax.units.parse", None)
    assert told(family.load(classes=5).graph) == first


def test_files_are_those_of_the_net_that_is_built() -> None:
    body = "net t(plain=yes)\ninput 8x8x8\nif plain { conv1-8 } else { bottleneck(2) x2; mlp(4) }; relu\n"
    family = netspec.variants(body)
    many = family.load(plain=False).graph.files
    assert [Path(file).stem for file in many] == ["bottleneck", "residual", "mlp"]
    assert family.load().graph.files == ()
    assert family.load(plain=False).graph.files == many


def test_heads_are_left_out_where_a_net_stops_early(tmp_path: Path) -> None:
    inside = tmp_path / "inside.ns"
    block = "block headed { conv1-8; head aux { gap; fc-2 } }"
    inside.write_text(f"net inside\n{block}\ninput 8x8x8\nheaded as a; relu as b; conv1-8\n")
    path = tmp_path / "net.ns"
    steps = "relu; inside; relu; inside(until=b); relu; inside; relu; head more { inside; gap }"
    body = f"import inside\ninput 8x8x8\n{steps}\n"
    source = Source("net.ns", body, str(path))
    assert len(build(source).heads) == 3
    check(source, [({}, ()), ({}, ()), ({}, ("8x9x9",))])


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "_MOST", 400)
    source, memo = read_spec("resnet18"), Memo()
    for classes in range(20, 40):
        graph = build(source, {"classes": classes}, memo=memo)
        assert told(graph) == outcome(source, ({"classes": classes}, ()))
        assert memo.held <= 400 + 3 * len(graph.nodes)
        assert len(memo.calls) < 40


def test_a_mistake_in_one_variant_stays_in_it() -> None:
    family = netspec.variants(
        "net t(s=1)\nblock u(s) { conv3-8/s }\ninput 3x8x8\nu(s); u(1); fc-2\n"
    )
    right = told(family.load().graph)
    with pytest.raises(NetspecError, match="NS"):
        family.load(s=-1)
    with pytest.raises(NetspecError):
        family.load(input=(3, 2, 2))
    assert told(family.load().graph) == right


def test_sizes_that_are_equal_by_chance_are_told_apart() -> None:
    """Of two maps of one size one comes from an input of twice the size: its stride is another."""
    graph = build(
        text(
            "input a: 3x8x8\ninput b: 3x16x16\n"
            "@b; conv2-3/2 as half; conv1-3 as one\n@a; conv1-3 as two\n"
            "@b; maxpool(ratio(@b, @one)); add(@one, @two)\n"
            "@a; conv1-3/(ratio(@a, @two)); conv1-3/(ratio(@b, @one))"
        )
    )
    rates = {node.path: node.types[0].shape[1] for node in graph.nodes}
    assert {name: getattr(rates[name], "rate", None) for name in ("one", "two")} == {
        "one": (1, 2),
        "two": (1, 1),
    }
    assert isinstance(rates["one"], Open)


def test_operators_of_equal_values_are_told_apart() -> None:
    graph = build(
        text(
            "input 3x8x8\nblock u(e) { conv1-3(norm=bn(eps=e)) }\nu(0.001); u(1/1000)\nleaky(0); leaky(0.0)"
        )
    )
    assert len(graph.nodes) == 7
    shown = build(text("input 3x8x8\nconv1-3(norm=bn(eps=1)); conv1-3(norm=bn(eps=1.0))")).nodes
    assert [
        repr(node.op).count("eps=1.0")
        for node in shown
        if node.path.startswith("conv") and "norm=" in repr(node.op)
    ] == [0, 1]

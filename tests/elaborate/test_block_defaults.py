"""`default` lines for blocks: as if each call said it, where it says nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import netspec
from netspec.analysis.difference.difference import difference
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.syntax.fmt import format_text

UNIT = "block unit(n, k=3, act=relu) { conv(k)-n(pad=same, act=act) }\n"
NETS = {
    "a call": (UNIT + "default unit(k=1, act=tanh)\nunit(8)", UNIT + "unit(8, 1, tanh)"),
    "what a call says comes first": (
        UNIT + "default unit(k=1, act=tanh)\nunit(8, 5); unit(8, act=none)",
        UNIT + "unit(8, 5, tanh); unit(8, 1, none)",
    ),
    "one that must be given": (
        UNIT + "default unit(n=6)\nunit; unit(k=1)",
        UNIT + "unit(6); unit(6, 1)",
    ),
    "a later line": (
        UNIT + "default unit(k=1, n=6)\nunit\ndefault unit(k=5)\nunit",
        UNIT + "unit(6, 1); unit(6, 5)",
    ),
    "to the end of its braces": (
        UNIT + "residual { default unit(k=1); unit(8) }; unit(8)",
        UNIT + "residual { unit(8, 1) }; unit(8)",
    ),
    "in the blocks that are called from there": (
        UNIT + "block two(n) { unit(n) x2 }\ndefault unit(k=1)\ntwo(4)",
        UNIT + "unit(4, 1) x2",
    ),
    "a block's own line over its caller's": (
        UNIT
        + "block two(n) { default unit(k=5); unit(n) x2 }\ndefault unit(k=1, act=none)\ntwo(4); unit(4)",
        UNIT + "unit(4, 5, none) x2; unit(4, 1, none)",
    ),
    "a block of the library, called by another": (
        "default bottleneck(stride_at=3)\nstage(bottleneck, 4, 2)",
        "stage(bottleneck(stride_at=3), 4, 2)",
    ),
    "a layer that brings its own": (
        "default bottleneck(stride_at=3, widen=2)\nstage(bottleneck(widen=1), 4, 2)",
        "stage(bottleneck(stride_at=3, widen=1), 4, 2)",
    ),
    "a block around braces": (
        "default residual(shortcut=none)\nresidual { conv1-8 }; residual(identity) { conv1-8 }",
        "conv1-8; residual { conv1-8 }",
    ),
    "a parameter of the net": (
        "block scores(n) { gap; fc-n }\ndefault scores(n=classes)\nscores",
        "gap; fc-7",
    ),
    "a step": (
        "block with(n, x) { conv1-n; add(@x) }\nconv1-4 as seen\ndefault with(x=@seen)\nwith(4) x2",
        "conv1-4 as seen; conv1-4; add(@seen); conv1-4; add(@seen)",
    ),
    "a block that calls itself": (
        "block down(n, k=3) { if n > 0 { conv(k)-4(pad=same); down(n-1) } }\ndefault down(k=1)\ndown(2)",
        "conv1-4 x2",
    ),
}


def _kernels(graph: Graph) -> list[int]:
    """The last size of each convolution's kernel."""
    weights = [node.op.weights(*node.input_types) for node in graph.nodes]
    return [found[0].shape[-1] for found in weights if found]


@pytest.mark.parametrize(("short", "long"), NETS.values(), ids=NETS)
def test_it_is_as_if_each_call_said_it(short: str, long: str) -> None:
    heading = "net n(classes=7)\ninput 8x10x12\n"
    a, b = (build(Source("n", f"{heading}{text}\n")) for text in (short, long))
    assert same(a, b) is not None
    formatted = format_text(f"{heading}{short}\n")
    assert format_text(formatted) == formatted


def test_calls_before_and_after_a_line_are_told_apart() -> None:
    text = UNIT + "unit(8) as a; unit(8) as b\ndefault unit(k=1)\nunit(8) as c; unit(8) as d"
    graph = build(Source("n", f"input 8x10x12\n{text}\n"))
    assert _kernels(graph) == [3, 3, 1, 1]


def test_lines_of_a_file_hold_for_what_its_blocks_call_wherever_they_are_used(
    tmp_path: Path,
) -> None:
    (tmp_path / "parts.ns").write_text(
        f"net parts(k=1)\ninput 8x10x12\n{UNIT}block two(n) {{ unit(n) x2 }}\ndefault unit(k=k)\ntwo(4)\n"
    )
    head = "import block two, unit from parts\ninput 8x10x12\n"
    kernels = []
    for text in ("two(4); unit(4)", "default unit(k=5)\ntwo(4); unit(4)"):
        (tmp_path / "n.ns").write_text(head + text + "\n")
        kernels.append(_kernels(netspec.load(tmp_path / "n.ns").graph))
    assert kernels == [[1, 1, 3], [5, 5, 5]]


def test_counting_knows_that_a_line_may_say_less() -> None:
    text = "input 8\nblock many(n=10000) { relu x(n) }\ndefault many(n=2)\nmany; many(3)\n"
    assert len(build(Source("n", text), limits=Limits(nodes=10)).nodes) == 1 + 2 + 3


def test_a_sweep_tries_what_only_a_line_uses(tmp_path: Path) -> None:
    text = (
        "net n(k=1, deep=no)\ninput 8x9x9\nblock unit(n, k=5) { if k > 1 { conv(k)-n(pad=same) } else "
        "{ relu } }\n"
        "default unit(k=k)\nif deep { unit(4) }; unit(8)\n"
    )
    (tmp_path / "n.ns").write_text(text)
    rows = list(netspec.sweep(tmp_path / "n.ns", {"k": [1, 3]}))
    assert [row.totals["params"] for row in rows] == [0, 8 * 8 * 9 + 8]


def test_a_diff_names_the_line() -> None:
    before = f"input 8x10x12\n{UNIT}default unit(k=1)\nunit(8); unit(4)\n"
    after = before.replace("k=1", "k=3")
    a, b = (build(Source("n", text)) for text in (before, after))
    found = difference(a, b).changes
    assert [(c.before, c.after, c.place.line) for c in found] == [
        ("default unit(k=1)", "default unit(k=3)", 3)
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("default unit(s=1)\nunit(4)", "NS210"),
        ("default unit(4)\nunit(4)", "NS234"),
        ("block b(kind=a) { if kind == a { relu } }\ndefault b(kind=c)\nrelu", "NS214"),
        ("block b(body) { body }\ndefault b(body=relu)\nb { relu }", "NS210"),
        ("default unit3(k=1)\nunit(4)", "NS201"),
        ("default unit(n=wrong)\nunit", "NS202"),
        ("default unit(k=1, n=2)\nunit(4, 1, relu, 5)", "NS213"),
    ],
)
def test_a_mistake_costs_one_message(
    text: str, code: str, refused: Callable[[str], NetspecError]
) -> None:
    error = refused(f"input 8x6x7\n{UNIT}{text}\n")
    assert [item.problem.code for item in error.diagnostics] == [code]

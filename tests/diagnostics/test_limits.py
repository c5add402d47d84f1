"""Every limit holds at N, refuses N + 1, has an error of its own and names its flag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from netspec import NetspecError
from netspec.cli.shared.common import FLAGS
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.records import REGISTRY
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.steps import Elaborator
from netspec.syntax.files import read_file

Make = Callable[[int, Path], Source]


def text(body: str) -> Source:
    return Source("t.ns", body)


def of_size(n: int, folder: Path) -> Source:
    path = folder / "t.ns"
    path.write_text("input 3\nrelu\n".ljust(n, "#"))
    return read_file(path, Limits(source=200))


def nested(n: int, folder: Path) -> Source:
    return text("input 3\nfc-" + "(" * n + "2" + ")" * n)


def statements(n: int, folder: Path) -> Source:
    return text("input 3\n" + "relu\n" * (n - 1))


def nodes(n: int, folder: Path) -> Source:
    return text(f"input 3\nrelu x{n - 1}")


def deep(n: int, folder: Path) -> Source:
    return text(f"input 3\nblock r(n) {{ if n > 1 {{ r(n-1) }} else {{ relu }} }}\nr({n})")


def files(n: int, folder: Path) -> Source:
    for i in range(n):
        (folder / f"part{i}.ns").write_text(f"block b{i} {{ relu }}")
    lines = [f"import b{i} from part{i}" for i in range(n)]
    return Source("t.ns", "\n".join([*lines, "input 3", "relu"]), str(folder / "t.ns"))


def imports(n: int, folder: Path) -> Source:
    for i in range(n):
        deeper = f"import b{i + 1} from part{i + 1}\n" if i + 1 < n else ""
        (folder / f"part{i}.ns").write_text(f"{deeper}block b{i} {{ relu }}")
    return Source("t.ns", "import b0 from part0\ninput 3\nrelu", str(folder / "t.ns"))


def tensor(n: int, folder: Path) -> Source:
    return text(f"input 1\npad_channels({n})")


def parameters(n: int, folder: Path) -> Source:
    return text(f"input 1\nfc-{n}(bias=no)")


def activations(n: int, folder: Path) -> Source:
    return text(f"input 1\npad_channels({n // 4})")


CASES: dict[str, tuple[str, Make, int, int]] = {
    "source": ("NS401", of_size, 200, 1),
    "nesting": ("NS402", nested, 20, 1),
    "statements": ("NS403", statements, 20, 1),
    "nodes": ("NS404", nodes, 20, 1),
    "depth": ("NS405", deep, 10, 1),
    "files": ("NS406", files, 5, 1),
    "imports": ("NS407", imports, 5, 1),
    "tensor": ("NS408", tensor, 1000, 1),
    "parameters": ("NS409", parameters, 1000, 1),
    "activations": ("NS410", activations, 4000, 4),
}


def test_every_limit_is_tested() -> None:
    assert set(CASES) == {field.name for field in fields(Limits)}


@pytest.mark.parametrize("name", CASES)
def test_a_limit_holds_up_to_its_value_and_refuses_more(name: str, tmp_path: Path) -> None:
    code, make, limit, step = CASES[name]
    limits = replace(DEFAULT, **{name: limit})
    for i, size in enumerate((limit - step, limit)):
        (tmp_path / str(i)).mkdir()
        assert build(make(size, tmp_path / str(i)), limits=limits).nodes
    with pytest.raises(NetspecError) as caught:
        build(make(limit + step, tmp_path), limits=limits)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize("name", CASES)
def test_the_message_of_a_limit_names_its_flag(name: str) -> None:
    problem = REGISTRY[CASES[name][0]]
    assert f"--max-{FLAGS.get(name, name)}" in problem.help


def test_limits_have_errors_of_their_own() -> None:
    codes = [code for code, *_ in CASES.values()]
    assert len(set(codes)) == len(codes)


def test_steps_that_make_no_node_are_bounded_too() -> None:
    with pytest.raises(NetspecError, match="NS411"):
        build(text("input 3\nfor i in 1..1000 { identity }"), limits=Limits(nodes=100))


def test_shared_weights_count_once() -> None:
    shared = "input 4\nfc-4(bias=no) as a\n" + "fc-4(bias=no, weights=@a)\n" * 9
    assert build(text(shared), limits=Limits(parameters=16)).nodes


@pytest.mark.parametrize(
    "body",
    [
        "block r(body) { body x1000 }\n" + "r { " * 8 + "relu" + " }" * 8,
        "for i in 1..1000 { for j in 1..1000 { for k in 1..1000 { relu } } }",
        "block z(n) { if n > 0 { z(n-1) x1000 } else { relu } }\nz(8)",
        "block z(n) { if n > 0 { z(n-1); z(n-1) } else { relu } }\nz(60)",
        "block r(n, body) { body; if n > 0 { r(n-1) { body; body } } }\nr(60) { relu }",
        "block a { relu x1000 }\nblock b { a x1000 }\nb x1000",
        "block u(b, n) { if n > 0 { u(b, n-1) x1000 } else { b } }\nu(relu, 8)",
        "relu x(1e9)",
        "for i in 1..1e9 { relu }",
        "block b(n) { relu x(n/2) }\nb(10**9)",
        "block z { }\nz x1000000000",
        "for i in 1..10**9 { identity }",
    ],
    ids=[
        "braces",
        "loops",
        "recursion",
        "twice",
        "braces of braces",
        "blocks",
        "layer argument",
        "a float",
        "a float's loop",
        "a quotient",
        "nothing",
        "nothing's loop",
    ],
)
def test_expansion_is_counted_before_anything_is_built(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("a node was built")

    monkeypatch.setattr("netspec.elaborate.assemble.Assembler.add", never)
    with pytest.raises(NetspecError, match=r"NS404|NS411"):
        build(text("input 3x8x8\n" + body))


@pytest.mark.parametrize(
    "body",
    [
        "relu x(C * 10**9)",
        "for i in 1..C * 10**9 { relu }",
        "block b { if C > 2 { relu x1000000 } }\nb",
        "block b { if C > 2 { identity x1000000 } }\nb",
        "relu as r; relu x(@r.H * 10**9)",
    ],
)
def test_a_repeat_that_shapes_decide_is_counted_before_it_runs(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = 0

    def ticked(self: Elaborator, *place: object) -> None:
        nonlocal ticks
        ticks += 1

    monkeypatch.setattr(Elaborator, "_tick", ticked)
    with pytest.raises(NetspecError, match=r"NS404|NS411"):
        build(text("input 3x8x8\n" + body))
    assert ticks < 8


@pytest.mark.parametrize(
    "body",
    [
        "for i in 1..3 { if i == 1 { relu x50 } }",
        "block b(n) { if n > 9 { relu x500 } else { relu } }\nb(C)",
        "block b { if C == 3 { relu } else { relu x500 } }\nb",
        "relu x(C-2)",
    ],
)
def test_what_depends_on_an_index_or_a_shape_is_not_counted_too_high(body: str) -> None:
    assert build(text("input 3x8x8\n" + body), limits=Limits(nodes=60)).nodes


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("maxpool(kernel=[1e9, 4], stride=1, ceil=yes, pad=full)", "16,000,000,000"),
        ("upsample(65536)", "17,179,869,184"),
        ("deconv2-4/2; upsample(30000)", "14,400,000,000"),
    ],
)
def test_a_tensor_that_is_too_large_at_any_size_is_refused(text: str, elements: str) -> None:
    with pytest.raises(NetspecError, match=f"one tensor would have {elements} elements"):
        build(Source("<net>", f"input 4xHxW\n{text}\n"))


def test_the_least_of_all_tensors_is_added_up() -> None:
    source = Source("<net>", "input 4xHxW\nupsample(10); relu x4\n")
    build(source, limits=Limits(activations=4 * 400 * 6))
    with pytest.raises(NetspecError, match="bytes"):
        build(source, limits=Limits(activations=4 * 400 * 5 - 1))
    # Sizes that may shrink to nothing count as one.
    build(Source("<net>", "input 4xHxW\nconv7-4; maxpool9\n"), limits=Limits(tensor=800))

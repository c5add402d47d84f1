"""Options and outputs that would be lost without a word are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.system.atomic import planned_apart
from netspec.system.locks import lock

NET = """net p(n=4)
input 3x8x8
block bb(m) { conv1-m; relu }
bb(n) x2; maxpool2; bb(8) x3; gap; fc-5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.ns").write_text(NET)
    (tmp_path / "main.ns").write_text("import bb from part\nnet q(n=4)\ninput 3x8x8\nbb(n)\n")
    (tmp_path / "part.ns").write_text("block bb(m) { conv3-m; relu }\n")
    build(Source("p.ns", NET))
    assert main(["compile", "p.ns", "-q", "-o", "p.onnx"], standalone_mode=False) is None
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    return tmp_path


def said(words: str) -> tuple[str, Result]:
    """What a line of words is refused with, and how it ended."""
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code, done.output
    error = done.exception
    return str(error) if isinstance(error, NetspecError) else done.stderr, done


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("compile p.ns --to dot --verify", "--verify has no meaning for --to dot"),
        ("compile p.ns --to dot --seed 1", "--seed has no meaning for --to dot"),
        ("compile p.ns --to torch --stamp", "--stamp has no meaning for --to torch"),
        ("compile p.ns --to torch -O0", "-O has no meaning for --to torch"),
        ("compile p.ns --to pytorch --batch 2", "--batch has no meaning for --to pytorch"),
        ("diff p.onnx p.onnx --input 3x9x9", "both of these are ONNX files"),
        ("run p.onnx x.npy --batch 2", "--batch is of noise"),
        ("run p.onnx x.npy --input 3x8x8", "--input is of noise"),
        ("run p.onnx input=x.npy input=x.npy", "it is fed twice"),
        ("import p.onnx --size H=3 --size H=4", "H is set twice"),
        ("import p.onnx --weights-out -", "weights are no text"),
        ("import p.onnx -o a.ns --weights-out ./a.ns", "it is written to twice"),
        ("sweep p.ns --set n=1,2,1", "it has 1 twice"),
        ("sweep p.ns --set n=4,4.0", "it has 4.0 twice"),
        ("sweep p.ns --input 3x8x8 --input 3x8x8", "it has 3x8x8 twice"),
        ("sweep p.ns -o a.svg --format csv --plot ./a.svg", "it is written to twice"),
        ("bench p.onnx --tf32", "--tf32 changes nothing on the CPU"),
        ("deploy p.ns --triton out --delay 5 --max-batch 1", "no delay"),
        ("summary p.ns --explain fc1 --flat", "no --flat"),
        ("summary p.ns p.ns --flat", "--flat is for one net's table"),
        ("summary p.ns --json --format csv", "--format says csv"),
        ("draw p.ns --style columns --depth 1", "depth has no meaning in the style columns"),
        ("draw p.ns --style bars --heat params", "heat has no meaning in the style bars"),
        ("draw p.ns --format dot --theme dark", "theme has no meaning in dot text"),
    ],
)
def test_what_would_change_nothing_is_refused(words: str, reason: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    text, done = said(words)
    assert reason in text
    assert done.exit_code == 2 or isinstance(done.exception, NetspecError)
    assert sorted(folder.iterdir()) == before


def test_each_option_of_a_picture_changes_it_or_is_refused() -> None:
    graph = build(Source("p.ns", NET))
    # What is open, and shown copy by copy, without being asked for.
    already = {
        (style, word) for style in ("fold", "flow", "volumes") for word in ("expand", "unfold")
    } | {("columns", "unfold")}
    options = {
        "depth": {"depth": 0},
        "expand": {"expand": ("bb",)},
        "unfold": {"unfold": ("bb",)},
        "show": {"show": ("macs", "name")},
        "heat": {"heat": "params"},
        "theme": {"theme": "dark"},
        "title": {"title": False},
    }
    for style in ("fold", "flow", "volumes", "columns"):
        for form in ("svg", "dot"):
            plain = draw([graph], style=style, format=form)
            for word, given in options.items():
                try:
                    drawn = draw([graph], style=style, format=form, **given)  # type: ignore[arg-type]
                except NetspecError as error:
                    assert error.status == 2
                    continue
                assert drawn != plain or (style, word) in already, (style, form, word)


def test_what_a_sweep_s_spec_imports_is_not_written_over(folder: Path) -> None:
    for words in ("-o part.ns --format csv", "-o main.ns --format csv"):
        text, _ = said(f"sweep main.ns --set n=1,2 {words}")
        assert "which was read" in text
    assert (folder / "part.ns").read_text().startswith("block bb")


def test_the_data_of_a_model_that_is_read_is_not_written_over(folder: Path) -> None:
    proto = onnx.load(folder / "p.onnx")
    onnx.save(
        proto, folder / "e.onnx", save_as_external_data=True, location="e.bin", size_threshold=0
    )
    data = (folder / "e.bin").read_bytes()
    for words in ("import e.onnx --weights-out e.bin", "import e.onnx -o e.bin"):
        text, _ = said(words)
        assert "which was read" in text
    text, _ = said("compile p.ns --weights e.onnx -o e.bin")
    assert "which was read" in text
    assert (folder / "e.bin").read_bytes() == data


def test_outputs_are_apart_by_any_spelling(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to("inner")
    planned_apart([tmp_path / "a", tmp_path / "inner" / "a", Path("/dev/null"), Path("/dev/null")])
    with pytest.raises(NetspecError, match="written to twice"):
        planned_apart([tmp_path / "inner" / "a", tmp_path / "link" / "a"])


def test_a_list_without_a_line_says_so() -> None:
    done = CliRunner().invoke(main, ["list", "--errors", "--shelf", "blocks"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "none states an error" in done.stderr


def test_a_spec_and_its_weights_are_placed_while_no_other_process_places_any(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two imports to the same files left the spec of one and the weights of the other."""
    seen = []
    real = os.replace

    def noted(source: Path, target: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        seen.append((target.name, lock(handle, wait=0) is False))
        os.close(handle)
        real(source, target)

    monkeypatch.setattr(os, "replace", noted)
    words = ["import", "p.onnx", "-o", "q.ns", "--weights-out", "q.safetensors"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert seen[-2:] == [("q.safetensors", True), ("q.ns", True)]

"""What is not installed is asked for by name: one line, status 3, from the command and the library."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

# What a fresh interpreter does, with packages that cannot be found.
COMMAND = """
import sys
for name in {missing}:
    sys.modules[name] = None
sys.argv = ["netspec", *{arguments}]
from netspec.cli.main import run
run()
"""
LIBRARY = """
import sys
for name in {missing}:
    sys.modules[name] = None
import netspec, numpy
net = netspec.load("lenet5")
try:
    {call}
except netspec.NetspecError as error:
    print(error.status, error)
"""


def python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        (["onnxruntime"], ["run", "lenet5"], "run"),
        pytest.param(["onnxruntime"], ["run", "mine.onnx"], "run", marks=pytest.mark.slow),
        pytest.param(["onnxruntime"], ["bench", "lenet5"], "run", marks=pytest.mark.slow),
        pytest.param(["onnxruntime"], ["verify", "lenet5"], "run", marks=pytest.mark.slow),
        (["torch"], ["verify", "lenet5"], "torch"),
        pytest.param(["torch"], ["compile", "lenet5", "--verify"], "torch", marks=pytest.mark.slow),
        (["onnxruntime"], ["compile", "lenet5", "--stamp"], "run"),
        (["torch"], ["compile", "lenet5", "--to", "torch"], "torch"),
        (["torch"], ["compile", "lenet5", "--weights", "mine.pt"], "torch"),
        pytest.param(
            ["torch"], ["run", "lenet5", "--weights", "mine.pt"], "torch", marks=pytest.mark.slow
        ),
        (["PIL"], ["run", "alexnet", "photo.jpg"], "run"),
        (["reportlab"], ["draw", "lenet5", "-o", "lenet5.pdf"], "pdf"),
        (["resvg_py"], ["draw", "lenet5", "-o", "lenet5.png"], "png"),
        (["matplotlib"], ["draw", "lenet5", "--style", "bars"], "charts"),
        pytest.param(
            ["matplotlib"], ["draw", "--style", "depth"], "charts", marks=pytest.mark.slow
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_command_names_the_extra_that_it_needs(
    missing: list[str], arguments: list[str], extra: str, tmp_path: Path
) -> None:
    import torch

    import netspec

    netspec.load("lenet5").to_onnx(tmp_path / "mine.onnx")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "mine.pt")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    before = sorted(tmp_path.iterdir())
    ran = python(COMMAND.format(missing=missing, arguments=arguments), tmp_path)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == ""
    first, advice = ran.stderr.splitlines()
    assert re.fullmatch(
        rf"error\[NS606\]: .* needs .*, which is not installed: the extra `{extra}` brings it",
        first,
    )
    assert f"pip install 'netspec-networks[{extra}]'" in advice
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("missing", "call", "extra"),
    [
        (["torch"], "net.to_torch()", "torch"),
        (["onnxruntime"], "net.run(numpy.zeros((1, 1, 32, 32), 'f'))", "run"),
        (["torch", "onnxruntime"], "net.verify()", "torch"),
        (["onnxruntime"], "net.verify()", "run"),
        (["resvg_py"], "net.draw(format='png')", "png"),
        (["matplotlib"], "net.draw(style='bars')", "charts"),
    ],
)
def test_so_does_the_library(missing: list[str], call: str, extra: str, tmp_path: Path) -> None:
    ran = python(LIBRARY.format(missing=missing, call=call), tmp_path)
    assert ran.stdout.startswith("3 error[NS606]"), ran.stderr
    assert f"netspec-networks[{extra}]" in ran.stdout


def test_what_is_installed_and_broken_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import a_library_of_its_own\n")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libcuda.so.1: cannot open')\n")
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]\n" + LIBRARY
    for call, reason in {
        "net.to_torch()": "No module named 'a_library_of_its_own'",
        "net.run(numpy.zeros((1, 1, 32, 32), 'f'))": "libcuda.so.1: cannot open",
    }.items():
        ran = python(script.format(missing=[], call=call), tmp_path)
        assert ran.stdout.startswith("3 error[NS607]"), ran.stderr
        assert reason in ran.stdout


def test_a_module_that_cannot_be_imported_raises_as_python_does(tmp_path: Path) -> None:
    script = """
import sys
sys.modules["torch"] = sys.modules["onnxruntime"] = None
for name in ("netspec.backends.torch.modules", "netspec.backends.runtime"):
    try:
        __import__(name)
    except ImportError as error:
        print(type(error).__name__)
"""
    assert python(script, tmp_path).stdout.split() == ["CannotImport", "CannotImport"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "resnet50"],
        ["summary", "resnet50"],
        ["draw", "resnet50", "-o", "-"],
        ["draw", "unet", "--format", "html", "-o", "-"],
        ["fmt", str(ROOT / "specs" / "resnet50.ns"), "--check"],
        ["show", "resnet50"],
        ["explain", "NS201"],
        ["list", "--shelf", "blocks"],
        ["compile", "lenet5"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[2:]),
)
def test_the_core_imports_nothing_that_an_extra_brings(
    arguments: list[str], tmp_path: Path
) -> None:
    heavy = ["torch", "onnxruntime", "PIL", "matplotlib", "resvg_py"]
    light = arguments[0] != "compile"
    if light:
        heavy += ["numpy", "onnx", "google", "safetensors", "graphviz"]
    ran = python(COMMAND.format(missing=heavy, arguments=arguments), tmp_path)
    assert ran.returncode == 0, ran.stderr

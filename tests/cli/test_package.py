"""`netspec package` and `netspec verify DIR` on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.terminals import netspec

SPEC = """net small
preprocess mean=(0.5, 0.4, 0.3)
input 3x16x16
conv3-8(norm=bn, act=relu); gap; fc-3; softmax
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, labels and a package of it."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "small.ns").write_text(SPEC)
    (folder / "labels.txt").write_text("cat\ndog\nbird\n")
    (folder / "holes.txt").write_text("cat\n\ndog\nbird\n")
    done = netspec(
        *"package small.ns -o made --dtype fp16,fp32 --license mit --labels labels.txt".split(),
        *("--name", "A small net"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made\n"
    assert "files" in done.stderr
    return folder


def test_what_was_packaged_is_verified_and_told(folder: Path) -> None:
    done = netspec("verify", "made", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "every byte as it was packaged" in done.stdout
    assert "not signed" in done.stdout
    found = json.loads(netspec("verify", "made", "--json", cwd=folder).stdout)
    assert found["ok"]
    assert not found["signed"]
    assert "onnx/model_fp16.onnx" in found["files"]
    assert (folder / "made" / "README.md").read_text().count("# A small net\n") == 1
    assert json.loads((folder / "made" / "config.json").read_text())["id2label"]["2"] == "bird"


def test_its_numbers_are_proven_again_if_asked(folder: Path) -> None:
    from click.testing import CliRunner

    from netspec.cli.verify import command

    done = CliRunner().invoke(command, [str(folder / "made"), "--prove", "--json"])
    reports = json.loads(done.stdout)["reports"]
    assert reports.keys() == {"onnx/model.onnx", "onnx/model_fp16.onnx"}
    assert all(report["ok"] for report in reports.values())


def test_a_changed_byte_ends_in_status_1_and_a_code(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(folder / "made", tmp_path / "made"))
    with (copy / "onnx" / "model.onnx").open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    done = netspec("verify", "made", cwd=tmp_path)
    assert done.returncode == 1
    assert "NS531" in done.stderr
    assert "`onnx/model.onnx` was changed" in done.stderr


def test_a_package_s_weights_and_spec_are_packaged_again(folder: Path) -> None:
    from netspec.packaging.check import check_package

    done = netspec(
        *"package made/small.ns --weights made/model.safetensors -o again --logits".split(),
        *("--no-verify", "-q"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    weights = [(folder / name / "model.safetensors").read_bytes() for name in ("made", "again")]
    assert weights[0] == weights[1]
    card = (folder / "again" / "README.md").read_text()
    assert "Weights: from model.safetensors." in card
    assert "was not verified" in card
    assert check_package(folder / "again", prove=True).ok


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["small.ns"], "-o"),
        (["small.ns", "-o", "x", "--dtype", "fp8"], "precisions are fp32 and fp16"),
        (["small.ns", "-o", "x", "--samples", "photos"], "--samples needs --quantize"),
        (["small.ns", "-o", "x", "--labels", "small.ns"], "NS534"),
        (["small.ns", "-o", "x", "--labels", "none.txt"], "NS653"),
        (["small.ns", "-o", "x", "--labels", "holes.txt"], "line 2 is no label"),
        (["small.ns", "-o", "small.ns"], "it is no folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from netspec.cli.package import command
    from netspec.diagnostics.raised import NetspecError

    monkeypatch.chdir(folder)
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, NetspecError | SystemExit)
    assert said in f"{done.output}{done.exception}"
    assert not (folder / "x").exists()


@pytest.mark.parametrize("flag", [["--prove"], ["--key", "public.pem"]])
def test_flags_of_packages_are_for_packages(folder: Path, flag: list[str]) -> None:
    done = netspec("verify", "small.ns", *flag, cwd=folder)
    assert done.returncode == 2
    assert "which are folders" in done.stderr


@pytest.mark.parametrize(
    "flags",
    ["--seed 1", "--dtype fp16", "--set n=3", "--input 3x8x8", "--device cpu", "--weights x"],
)
def test_what_a_package_says_itself_is_not_asked_again(folder: Path, flags: str) -> None:
    from click.testing import CliRunner

    from netspec.cli.verify import command

    done = CliRunner().invoke(command, [str(folder / "made"), *flags.split()])
    assert done.exit_code == 2
    assert f"{flags.split()[0]} " in done.output


def test_a_folder_that_is_no_package_is_said_to_be_none(tmp_path: Path) -> None:
    done = netspec("verify", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert "NS530" in done.stderr


def test_without_model_signing_a_key_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from netspec.diagnostics.raised import NetspecError
    from netspec.packaging.signature import check_signature, signer

    monkeypatch.setitem(sys.modules, "model_signing", None)
    for call in (lambda: signer(tmp_path), lambda: check_signature(tmp_path, tmp_path)):
        with pytest.raises(NetspecError) as caught:
            call()
        assert caught.value.status == 3
        assert "netspec-networks[sign]" in str(caught.value)


def test_what_is_asked_to_end_leaves_nothing(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "netspec", "package", "vgg16", "-o", "made", "--no-verify"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".ns-*/made/onnx/.ns-*")):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert "no file was changed" in said
    assert list(tmp_path.iterdir()) == []

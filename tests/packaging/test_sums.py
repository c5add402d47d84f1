"""No byte of a package can be changed, lost or added without being refused."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from netspec.diagnostics.messages.packages import NotAPackage, PackageChanged
from netspec.diagnostics.raised import NetspecError
from netspec.packaging.check import check_package
from netspec.packaging.layout import SUMS
from netspec.packaging.sums import check_sums, write_sums


def refusal(folder: Path) -> str:
    with pytest.raises(NetspecError) as caught:
        check_package(folder)
    problem = caught.value.diagnostics[0].problem
    assert isinstance(problem, PackageChanged | NotAPackage)
    return str(problem)


def test_a_package_as_it_was_written_passes(written: Path) -> None:
    assert check_package(written).ok
    assert (written / SUMS).read_text().count("\n") == len(check_sums(written)) - 1


def test_its_digests_are_those_of_sha256sum(written: Path) -> None:
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("the system has no sha256sum")
    import subprocess

    subprocess.run([program, "--check", "--strict", "--quiet", SUMS], cwd=written, check=True)


def test_of_a_thousand_changes_of_one_byte_all_are_refused(copied: Path) -> None:
    draw = random.Random(0)
    files = sorted(path for path in copied.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    # Every file is hit some twenty times, the rest fall where most bytes are.
    chosen = files * 20 + draw.choices(files, sizes, k=1000 - 20 * len(files))
    refused = 0
    for path in chosen:
        data = path.read_bytes()
        at = draw.randrange(len(data))
        other = (data[at] + draw.randrange(1, 256)) % 256
        path.write_bytes(data[:at] + bytes([other]) + data[at + 1 :])
        refusal(copied)
        refused += 1
        path.write_bytes(data)
    assert refused == len(chosen) == 1000
    assert check_package(copied).ok


def test_a_file_that_is_cut_or_goes_on_is_refused(copied: Path) -> None:
    for path in [path for path in copied.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        for other in (b"", data[:-1], data[1:], data + b"\n", data + b"\0", data * 2):
            path.write_bytes(other)
            refusal(copied)
        path.write_bytes(data)


def _lost(folder: Path) -> None:
    (folder / "config.json").unlink()


def _renamed(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model2.safetensors")


def _swapped(folder: Path) -> None:
    one, other = folder / "onnx" / "model.onnx", folder / "onnx" / "model_fp16.onnx"
    one.rename(folder / "x")
    other.rename(one)
    (folder / "x").rename(other)


def _moved(folder: Path) -> None:
    (folder / "onnx" / "MLmodel").rename(folder / "MLmodel")


def _link(folder: Path) -> None:
    path = folder / "config.json"
    outside = folder.parent / "config.json"
    path.rename(outside)
    path.symlink_to(outside)


def _link_of_folder(folder: Path) -> None:
    outside = folder.parent / "onnx"
    (folder / "onnx").rename(outside)
    (folder / "onnx").symlink_to(outside)


def _file_for_folder(folder: Path) -> None:
    shutil.rmtree(folder / "onnx")
    (folder / "onnx").write_text("")


def _pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


CHANGES = {
    "a file is lost": _lost,
    "a file is renamed": _renamed,
    "two files change places": _swapped,
    "a file is in another folder": _moved,
    "a file is a link to the same bytes": _link,
    "a folder is a link to the same files": _link_of_folder,
    "a folder is a file": _file_for_folder,
    "a file is a pipe": _pipe,
    "a file is added": lambda folder: (folder / "onnx" / "more").write_text(""),
    "a hidden file is added": lambda folder: (folder / ".gitattributes").write_text(""),
    "a file of another's code is added": lambda folder: (folder / "x.py").write_text(""),
    "a link is added": lambda folder: (folder / "more").symlink_to("config.json"),
    "a link to nowhere is added": lambda folder: (folder / "more").symlink_to("nowhere"),
    "an empty folder is added": lambda folder: (folder / "more").mkdir(),
    "a folder is added": lambda folder: shutil.copytree(folder / "onnx", folder / "onnx2"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_folder_that_holds_other_things_is_refused(copied: Path, change) -> None:
    change(copied)
    refusal(copied)


def _lines(folder: Path, edit) -> None:
    path = folder / SUMS
    path.write_text(edit(path.read_text()))


EDITS = {
    "nothing in it": lambda text: "",
    "another order": lambda text: "".join(reversed(text.splitlines(keepends=True))),
    "a line twice": lambda text: text + text.splitlines(keepends=True)[-1],
    "a line left out": lambda text: "".join(text.splitlines(keepends=True)[1:]),
    "no last newline": lambda text: text[:-1],
    "a comment": lambda text: "# note\n" + text,
    "other newlines": lambda text: text.replace("\n", "\r\n"),
    "capitals": lambda text: text.upper(),
    "a path outside": lambda text: text.replace("  config.json", "  ../config.json"),
    "a path from the root": lambda text: text.replace("  config.json", "  /config.json"),
    "itself": lambda text: text + "0" * 64 + f"  {SUMS}\n",
    "the mark of binary files": lambda text: text.replace("  ", " *"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_digests_that_are_written_otherwise_are_refused(copied: Path, edit) -> None:
    (copied.parent / "config.json").write_bytes((copied / "config.json").read_bytes())
    _lines(copied, edit)
    refusal(copied)


def test_what_was_changed_is_named_and_the_rest_counted(copied: Path) -> None:
    for name in ("config.json", "README.md"):
        (copied / name).write_text("x")
    (copied / "model.safetensors").unlink()
    (copied / "more").write_text("")
    said = refusal(copied)
    assert (
        "`model.safetensors` is missing, `more` was added, `README.md` was changed and 1 more"
        in said
    )


def test_what_is_no_package_is_said_to_be_none(tmp_path: Path) -> None:
    assert "it has no SHA256SUMS" in refusal(tmp_path)
    (tmp_path / "a").write_text("x")
    write_sums(tmp_path)
    assert "lists no config.json" in refusal(tmp_path)

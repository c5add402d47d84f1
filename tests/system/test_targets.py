"""What may be written over: a file or nothing, and never what was read; pipes and devices get bytes."""

from __future__ import annotations

import os
import pty
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.system.atomic import replacing, write_text

SPEC = "input 3x8x8\nconv3-4; gap; fc-10\n"


def put(path: Path, data: bytes = b"new", **options: object) -> None:
    with replacing(path, **options) as file:
        file.write(data)


def code_of(path: Path, **options: object) -> str:
    with pytest.raises(NetspecError) as caught:
        put(path, **options)
    (said,) = caught.value.diagnostics
    assert said.problem.facts["path"] == str(path)
    return said.code


def run(*words: object, cwd: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "netspec", *map(str, words)]
    return subprocess.run(command, cwd=cwd, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_a_pipe_gets_all_bytes_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    put(tmp_path / "pipe", b"x" * 200_000)
    reader.join(10)
    assert got == [b"x" * 200_000]
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_pipe_whose_reader_leaves_is_an_error(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def leaving() -> None:
        with replacing(path) as file:
            file.write(b"new")
            os.close(reader)

    with pytest.raises(NetspecError, match="Broken pipe"):
        leaving()


@pytest.mark.parametrize(("minor", "full"), [(3, False), (7, True)])
def test_a_device_is_written_to_and_stays_a_device(tmp_path, minor, full):
    path = tmp_path / "device"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, minor))
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        pytest.skip("devices are made by root alone, where the disk allows them")
    if full:
        assert code_of(path) == "NS506"
    else:
        put(path)
    assert stat.S_ISCHR(os.stat(path).st_mode)


def test_a_socket_and_a_folder_are_refused_and_so_are_links_to_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    (tmp_path / "folder").mkdir()
    for kind in ("socket", "folder"):
        (tmp_path / f"to_{kind}").symlink_to(kind)
        for name in (kind, f"to_{kind}"):
            assert code_of(tmp_path / name) == "NS504"
    assert sorted(os.listdir(tmp_path)) == ["folder", "socket", "to_folder", "to_socket"]


def test_a_file_that_was_made_read_only_is_refused(tmp_path):
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(0o444)
    assert code_of(path) == "NS504"
    assert path.read_text() == "old"


def test_a_link_to_nothing_becomes_a_file_and_a_circle_of_links_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    put(tmp_path / "link")
    assert (tmp_path / "link").read_bytes() == b"new"
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "circle").symlink_to("circle")
    assert code_of(tmp_path / "circle") == "NS504"


def test_another_name_of_a_replaced_file_keeps_what_it_had(tmp_path):
    (tmp_path / "old").write_text("old")
    os.link(tmp_path / "old", tmp_path / "other")
    put(tmp_path / "old")
    assert (tmp_path / "other").read_text() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_permissions_and_is_never_open_to_more_people(tmp_path, mode):
    path = tmp_path / "old"
    path.write_text("old")
    path.chmod(mode)

    def check(draft: Path) -> None:
        assert draft.stat().st_mode & 0o777 == 0o600

    put(path, check=check)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        put(tmp_path / "new")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_terminal_gets_text_only():
    ours, theirs = pty.openpty()
    try:
        path = Path(os.ttyname(theirs))
        assert code_of(path) == "NS506"
        write_text(path, "text")
        assert os.read(ours, 100) == b"text"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("what", ["net.ns", "imported.ns", "weights.npz", "map.json"])
def test_what_is_read_is_not_written_over_by_any_name(tmp_path, what, link):
    import numpy as np

    (tmp_path / "imported.ns").write_text("block b { conv3-4 }\n")
    (tmp_path / "net.ns").write_text("import b from imported\ninput 3x8x8\nb; gap; fc-10\n")
    np.savez(tmp_path / "weights.npz", x=np.zeros(1, np.float32))
    (tmp_path / "map.json").write_text("{}")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    output = tmp_path / what
    if link is not None:
        output = tmp_path / "other.onnx"
        link(tmp_path / what, output)
    done = run(
        *("compile", "net.ns", "--weights", "weights.npz", "--map", "map.json", "-o", output),
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "error[NS505]" in said
    assert f"`{what}`, which was read" in said.replace(f"{tmp_path}/", "")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_picture_does_not_replace_the_spec_either(tmp_path):
    (tmp_path / "net.svg").write_text(SPEC)
    done = run("draw", "./net.svg", "-o", "net.svg", cwd=tmp_path, capture_output=True)
    assert done.returncode == 1
    assert b"NS505" in done.stderr
    assert (tmp_path / "net.svg").read_text() == SPEC
    (tmp_path / "net.ns").write_text(SPEC)
    net = netspec.load(tmp_path / "net.ns")
    (tmp_path / "alias.svg").symlink_to("net.ns")
    for write in (net.draw().save, net.to_onnx):
        with pytest.raises(NetspecError, match="NS505"):
            write(tmp_path / "alias.svg")


def test_what_standard_input_was_read_from_is_not_replaced(tmp_path):
    (tmp_path / "net.ns").write_text(SPEC)
    with (tmp_path / "net.ns").open() as spec:
        done = run("compile", "-", "-o", "net.ns", cwd=tmp_path, stdin=spec, capture_output=True)
    assert done.returncode == 1
    assert b"NS505" in done.stderr
    assert (tmp_path / "net.ns").read_text() == SPEC


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_standard_output_gets_the_model_and_nothing_else(tmp_path, name):
    if not Path(name).exists():
        pytest.skip(f"no {name} here")
    (tmp_path / "net.ns").write_text(SPEC)
    run("compile", "-q", "net.ns", "-o", "net.onnx", cwd=tmp_path, capture_output=True)
    piped = run("compile", "net.ns", "-o", name, cwd=tmp_path, capture_output=True)
    with (tmp_path / "redirected").open("wb") as file:
        run("compile", "net.ns", "-o", name, cwd=tmp_path, stdout=file, stderr=subprocess.PIPE)
    whole = (tmp_path / "net.onnx").read_bytes()
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "redirected").read_bytes() == whole


def test_fmt_mends_the_file_behind_a_link(tmp_path):
    (tmp_path / "net.ns").write_text("conv3-4;gap\n")
    (tmp_path / "net.ns").chmod(0o600)
    (tmp_path / "link.ns").symlink_to("net.ns")
    assert run("fmt", "-q", "link.ns", cwd=tmp_path).returncode == 0
    assert (tmp_path / "link.ns").is_symlink()
    assert (tmp_path / "net.ns").read_text() == "conv3-4; gap\n"
    assert (tmp_path / "net.ns").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "x" * 300, '"../x"', "a\0b"])
def test_no_name_of_a_net_leads_out_of_the_folder(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NetspecError):
        netspec.load(f"net {name}\ninput 3x8x8\ngap; fc-3\n").to_onnx()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("through", ["itself", "a link", "a link to a link", "a link here"])
def test_an_open_file_of_this_process_gets_the_bytes(tmp_path, through):
    reader, writer = os.pipe()
    path = Path(f"/dev/fd/{writer}")
    links = {"itself": 0, "a link": 1, "a link to a link": 2, "a link here": 2}[through]
    for number in range(links):
        link = tmp_path / f"link{number}"
        # From its own folder, as `ln -s link0 link1` says it.
        link.symlink_to(path.name if number and through == "a link here" else path)
        path = link
    try:
        put(path, b"bytes")
        assert os.read(reader, 100) == b"bytes"
    finally:
        os.close(reader)
        os.close(writer)


def test_what_this_process_reads_from_standard_input_is_not_replaced(tmp_path):
    path = tmp_path / "net.ns"
    path.write_text(SPEC)
    before, file = os.dup(0), os.open(path, os.O_RDONLY)
    try:
        os.dup2(file, 0)
        with pytest.raises(NetspecError) as caught:
            put(path)
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(file)
    said = f"would overwrite `{path}`"
    assert "what standard input was read from" in str(caught.value)
    assert str(path) in str(caught.value).partition("what standard input")[0], said
    assert path.read_text() == SPEC


def test_what_fails_elsewhere_is_not_blamed_on_the_file(tmp_path):
    """Another file's error is its own; only what the written file and its folder are refused is told."""
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "net.onnx"):
        (tmp_path / "other" / "weights").read_bytes()
    with pytest.raises(NetspecError, match=r"net\.onnx"), replacing(tmp_path / "net.onnx"):
        (tmp_path / "beside").read_bytes()
    assert os.listdir(tmp_path) == []


def test_what_was_read_and_is_gone_keeps_nothing_from_being_looked_at(tmp_path):
    (tmp_path / "old").write_text("old")
    with pytest.raises(NetspecError, match="which was read"):
        put(tmp_path / "old", keep=[tmp_path / "gone", tmp_path / "old"])
    put(tmp_path / "old", keep=[tmp_path / "gone"])
    assert (tmp_path / "old").read_bytes() == b"new"


def test_a_file_is_replaced_where_there_is_no_standard_input(tmp_path):
    (tmp_path / "old").write_text("old")
    before = os.dup(0)
    try:
        os.close(0)
        put(tmp_path / "old")
    finally:
        os.dup2(before, 0)
        os.close(before)
    assert (tmp_path / "old").read_bytes() == b"new"


def test_a_folder_is_refused_where_a_stream_of_its_number_is_open(tmp_path):
    """A number is a stream's by where it stands, not by how it is called."""
    (tmp_path / "1").mkdir()
    assert code_of(tmp_path / "1") == "NS504"
    put(tmp_path / "2")
    assert (tmp_path / "2").read_bytes() == b"new"

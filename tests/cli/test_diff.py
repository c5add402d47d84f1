"""`netspec diff`: specs as git has them, what git calls to show a change, and the hooks for a commit."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT
from support.tools import tools

from netspec import diff, load
from netspec.diagnostics.raised import NetspecError
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec
from netspec.system.git import tree_of

NET = """\
net tiny
import block unit from parts
input 3x32x32
unit(16)
unit(32)
gap; fc-10; softmax
"""
PARTS = "block unit(n) { conv3-n(pad=same); relu }\n"
HEAVY = "{'torch', 'onnx', 'onnxruntime', 'numpy'}"


def run(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **more,
    }
    return subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def netspec(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(str(tools() / "netspec"), *words, cwd=cwd)


def git(*words: str, cwd: Path) -> str:
    name = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    done = run("git", *name, *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of a net in a folder, and of the file that it imports a block from."""
    git("init", "-q", cwd=tmp_path)
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "net.ns").write_text(NET)
    (folder / "parts.ns").write_text(PARTS)
    git("add", ".", cwd=tmp_path)
    git("commit", "-qm", "one", cwd=tmp_path)
    (folder / "net.ns").write_text(NET.replace("unit(32)", "unit(48)"))
    (folder / "parts.ns").write_text(PARTS.replace("relu", "bn; relu"))
    git("commit", "-qam", "two", cwd=tmp_path)
    return tmp_path


def changes(before: str, after: str, cwd: Path) -> list[tuple[str, str, str, int]]:
    with chdir(cwd):
        found = diff(before, after).changes
    return [(c.before, c.after, c.place.source.name, c.place.line) for c in found]


# --- revisions


def test_a_revision_is_read_with_what_it_imports(repository: Path) -> None:
    assert changes("HEAD~1:nets/net.ns", "HEAD:nets/net.ns", repository) == [
        ("unit(32)", "unit(48)", "HEAD:nets/net.ns", 5),
        ("", "bn", "HEAD:nets/parts.ns", 1),
    ]


def test_paths_of_a_revision_are_gits(repository: Path) -> None:
    folder = repository / "nets"
    for path in ("./net.ns", "../nets/net.ns", "nets/net.ns"):
        assert len(changes(f"HEAD~1:{path}", "net.ns", folder)) == 2
    with pytest.raises(NetspecError, match="NS502"):
        changes("HEAD:net.ns", "net.ns", folder)


def test_what_is_staged_is_a_revision_too(repository: Path) -> None:
    net = repository / "nets" / "net.ns"
    net.write_text(net.read_text().replace("fc-10", "fc-20"))
    assert changes("HEAD:nets/net.ns", ":nets/net.ns", repository) == []
    git("add", ".", cwd=repository)
    assert changes("HEAD:nets/net.ns", ":nets/net.ns", repository) == [
        ("fc-10", "fc-20", ":nets/net.ns", 6)
    ]


def test_a_revision_does_not_read_the_working_tree(repository: Path) -> None:
    (repository / "nets" / "parts.ns").unlink()
    assert len(changes("HEAD~1:nets/net.ns", "HEAD:nets/net.ns", repository)) == 2


def test_a_variation_of_a_revision(repository: Path) -> None:
    text = "net one(n=4)\ninput 3x8x8\nconv1-n\n\nnet two = one(n=8)\n"
    (repository / "one.ns").write_text(text)
    git("add", ".", cwd=repository)
    git("commit", "-qm", "three", cwd=repository)
    found = changes("HEAD:one.ns", "HEAD:one.ns:two", repository)
    assert [(after, line) for _, after, _, line in found] == [("n=8", 5)]


@pytest.mark.parametrize("name", ["HEAD:nowhere.ns", "nobody:nets/net.ns", "HEAD:nets/../../x.ns"])
def test_what_git_has_not_is_refused_in_its_words(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(NetspecError, match=r"NS502"):
        read_spec(name)


def test_a_revision_is_no_option_and_no_command(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    for name in ("--output=x:net.ns", "-c:net.ns"):
        assert tree_of(name) is None
    for name in ("$(touch x):net.ns", "HEAD;touch x:net.ns", "HEAD:$(touch x).ns"):
        with pytest.raises(NetspecError):
            read_spec(name)
    assert not (repository / "x").exists()


def test_sides_of_a_conflict_import_what_is_without_one(repository: Path) -> None:
    net = repository / "nets" / "net.ns"
    both = net.read_text()
    for side, width in (("theirs", 50), ("ours", 60)):
        git("checkout", "-qb", side, "HEAD" if side == "theirs" else "HEAD~1", cwd=repository)
        net.write_text(both.replace("unit(48)", f"unit({width})"))
        git("commit", "-qam", side, cwd=repository)
    run(
        "git",
        "-c",
        "user.name=n",
        "-c",
        "user.email=n@example.org",
        "merge",
        "theirs",
        cwd=repository,
    )
    assert "<<<<<<<" in net.read_text()
    sides = [f":{stage}:nets/net.ns" for stage in (1, 2, 3)]
    for before, after, widths in ((0, 1, (48, 60)), (0, 2, (48, 50)), (1, 2, (60, 50))):
        found = changes(sides[before], sides[after], repository)
        assert found == [(f"unit({widths[0]})", f"unit({widths[1]})", sides[after], 5)]


def test_without_a_repository_git_says_so(tmp_path: Path) -> None:
    done = netspec("diff", "HEAD:net.ns", "lenet5", cwd=tmp_path)
    assert done.returncode == 1
    assert "not a git repository" in done.stderr


def test_a_file_of_a_revision_is_held_to_the_limits(repository: Path) -> None:
    done = netspec("check", "HEAD:nets/net.ns", "--max-source", "20", cwd=repository)
    assert done.returncode == 1
    assert "NS401" in done.stdout


# --- the command


def test_the_exit_status_is_asked_for(repository: Path) -> None:
    folder = repository / "nets"
    assert netspec("diff", "HEAD~1:./net.ns", "net.ns", cwd=folder).returncode == 0
    assert netspec("diff", "--exit-code", "HEAD~1:./net.ns", "net.ns", cwd=folder).returncode == 1
    assert netspec("diff", "--exit-code", "HEAD:./net.ns", "net.ns", cwd=folder).returncode == 0


def test_diff_takes_two_specs(tmp_path: Path) -> None:
    for words in (["lenet5"], ["lenet5", "mlp", "vgg16"], ["--git", "--", "a", "b"]):
        assert netspec("diff", *words, cwd=tmp_path).returncode == 2


def test_a_picture_replaces_no_spec_and_has_a_known_format(repository: Path) -> None:
    folder = repository / "nets"
    done = netspec("diff", "HEAD~1:./net.ns", "net.ns", "-o", "net.svg", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "~ told otherwise" in (folder / "net.svg").read_text()
    for name in ("net.html", "net.ns", "net"):
        done = netspec("diff", "HEAD~1:./net.ns", "net.ns", "-o", name, cwd=folder)
        assert done.returncode == 2
    assert (folder / "net.ns").read_text().startswith("net tiny")


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    done = netspec("diff", "model.onnx", "lenet5", cwd=tmp_path)
    assert done.returncode == 1
    assert "NS605" in done.stderr


# --- git's driver


@pytest.fixture
def driven(repository: Path) -> Path:
    """The repository with `netspec diff` as its way to show specs."""
    (repository / ".gitattributes").write_text("*.ns diff=netspec\n")
    git("add", ".", cwd=repository)
    git("commit", "-qm", "attributes", cwd=repository)
    command = f"{shlex.quote(sys.executable)} -m netspec diff --git --"
    git("config", "diff.netspec.command", command, cwd=repository)
    return repository


def test_git_shows_what_a_spec_computes_otherwise(driven: Path) -> None:
    shown = git("diff", "HEAD~1", "HEAD~2", "--", "nets/net.ns", cwd=driven)
    assert "~ unit(48) → unit(32) (b/nets/net.ns:5:1)" in shown
    assert "@@" not in shown
    inside = git("log", "-p", "--ext-diff", "-1", "HEAD~1", cwd=driven / "nets")
    assert "~ unit(32) → unit(48) (b/nets/net.ns:5:1)" in inside


def test_git_shows_that_nothing_was_changed_but_the_layout(driven: Path) -> None:
    net = driven / "nets" / "net.ns"
    net.write_text(net.read_text().replace("gap; ", "gap   # the mean\n"))
    assert git("diff", cwd=driven) == "a/nets/net.ns and b/nets/net.ns compute the same\n"


def test_git_shows_lines_where_a_file_is_no_net(driven: Path) -> None:
    shown = git("diff", "HEAD~2", "HEAD", "--", "nets/parts.ns", cwd=driven)
    assert shown.startswith("--- a/nets/parts.ns\n")
    assert "-block unit(n) { conv3-n(pad=same); relu }" in shown
    (driven / "nets" / "net.ns").write_text(NET.replace("unit(16)", "unit(16"))
    shown = git("diff", cwd=driven)
    assert "error[NS" in shown
    assert "+unit(16\n" in shown


@pytest.mark.parametrize(
    ("content", "says", "shows"),
    [
        (b"# caf\xe9\ninput 3x8x8\n", "b/nets/net.ns:1:6: error[NS102]", "-net tiny\n"),
        # As git has it, bytes of zero are no lines.
        (b"\xff\xfei\0n\0", "b/nets/net.ns:1:1: error[NS102]", "b/nets/net.ns differ\n"),
        (b"", "b/nets/net.ns", "-net tiny\n"),
    ],
)
def test_git_calls_files_that_are_no_text_as_it_has_them(
    content: bytes, says: str, shows: str, driven: Path
) -> None:
    (driven / "nets" / "net.ns").write_bytes(content)
    shown = git("diff", cwd=driven)
    assert shown.startswith(says)
    assert shows in shown


def test_line_ends_are_no_difference(driven: Path) -> None:
    net = driven / "nets" / "net.ns"
    net.write_bytes(net.read_bytes().replace(b"\n", b"\r\n").replace(b"fc-10", b"fc-20"))
    assert "~ fc-10 → fc-20 (b/nets/net.ns:6:6)\n" in git("diff", cwd=driven)


def test_git_shows_files_that_came_went_or_were_renamed(driven: Path) -> None:
    git("mv", "nets/net.ns", "nets/other.ns", cwd=driven)
    other = driven / "nets" / "other.ns"
    other.write_text(other.read_text().replace("fc-10", "fc-20"))
    (driven / "nets" / "new.ns").write_text("input 3x8x8\nrelu\n")
    git("add", ".", cwd=driven)
    shown = git("diff", "--cached", "-M", cwd=driven)
    assert "nets/new.ns: added" in shown
    assert "~ fc-10 → fc-20 (b/nets/other.ns:6:6)" in shown
    git("commit", "-qm", "renamed", cwd=driven)
    git("rm", "-q", "nets/new.ns", cwd=driven)
    assert git("diff", "--cached", cwd=driven) == "nets/new.ns: removed\n"


def test_the_driver_takes_gits_arguments_and_no_others(tmp_path: Path) -> None:
    assert netspec("diff", "--git", "--json", "--", "a", cwd=tmp_path).returncode == 2
    assert netspec("diff", "--git", "--", "-a.ns", cwd=tmp_path).stdout == "-a.ns: unmerged\n"


def test_flat_texts_make_a_line_diff_that_git_can_merge(repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.ns diff=netspec\n")
    command = f"{shlex.quote(sys.executable)} -m netspec show --flat"
    git("config", "diff.netspec.textconv", command, cwd=repository)
    plain = repository / "plain.ns"
    plain.write_text("input 3x8x8\nconv1-4 x2\n")
    git("add", ".", cwd=repository)
    git("commit", "-qm", "plain", cwd=repository)
    plain.write_text("input 3x8x8\nconv1-4 x3\n")
    shown = git("diff", "--", "plain.ns", cwd=repository)
    assert "+conv1-4 as conv3\n" in shown


# --- hooks


def hooks() -> dict[str, dict[str, str]]:
    """The entries of `.pre-commit-hooks.yaml`, a list of flat mappings."""
    found = {}
    for part in (ROOT / ".pre-commit-hooks.yaml").read_text().split("- id: ")[1:]:
        name, *lines = part.strip().splitlines()
        found[name] = dict(line.strip().split(": ", 1) for line in lines)
    return found


def hook(name: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a hook as pre-commit does: the entry, the arguments, then the files."""
    entry = shlex.split(hooks()[name]["entry"])
    assert entry[0] == "netspec"
    files = [str(p.relative_to(cwd)) for p in cwd.rglob("*") if re.search(r"\.ns$", p.name)]
    return netspec(*entry[1:], *args, *files, cwd=cwd)


def test_the_hooks_pass_specs_that_are_right_and_stop_others(tmp_path: Path) -> None:
    net = tmp_path / "net.ns"
    runs: list[tuple[str, list[str]]] = [
        ("netspec-check", []),
        ("netspec-fmt", []),
        ("netspec-budget", ["--assert", "params<1k"]),
    ]
    texts = {
        "input 3x8x8\nconv3-4\n": [0, 0, 0],
        "input 3x8x8\nconv9-4\n": [1, 0, 1],
        "input 3x8x8\nconv3-4;relu\n": [0, 1, 0],
        "input 3x8x8\nconv3-64\n": [0, 0, 1],
    }
    for text, wanted in texts.items():
        net.write_text(text)
        assert [hook(name, *args, cwd=tmp_path).returncode for name, args in runs] == wanted, text


def test_hooks_are_python_for_specs() -> None:
    for name, said in hooks().items():
        assert said["language"] == "python", name
        assert re.search(said["files"], "nets/net.ns")
        assert not re.search(said["files"], "net.nsx")


@pytest.mark.parametrize(
    "words",
    [
        ["diff", "HEAD~1:nets/net.ns", "nets/net.ns"],
        ["check", "nets/net.ns"],
        ["fmt", "--check", "nets/net.ns"],
        ["summary", "--assert", "params<5M", "nets/net.ns"],
    ],
)
def test_what_runs_at_a_commit_loads_no_back_end(words: list[str], repository: Path) -> None:
    script = (
        "import sys\nfrom netspec.cli.main import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        f"print('loaded', sorted({HEAVY} & set(sys.modules)))"
    )
    done = run(sys.executable, "-c", script, cwd=repository)
    assert done.stdout.splitlines()[-1] == "loaded []", done.stderr


def built(name: str) -> Graph:
    return build(read_spec(name))


def test_files_of_a_revision_are_not_files_that_were_read(
    repository: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(repository)
    assert built("HEAD:nets/net.ns").files == ()
    assert built("nets/net.ns").files == ("nets/net.ns", "nets/parts.ns")


@pytest.mark.parametrize("git", [False, True])
def test_an_edit_is_told_before_what_is_expected_of_the_net_is_corrected(
    tmp_path: Path, git: bool
) -> None:
    old, new = tmp_path / "old.ns", tmp_path / "new.ns"
    old.write_text("net small\ninput 3x8x8\nexpect params=3114\nconv3-8; fc-10\n")
    new.write_text(old.read_text().replace("conv3-8", "conv3-16"))
    words = [str(old), str(new)]
    if git:
        words = ["--git", "--", "small.ns", words[0], "0", "644", words[1], "0", "644"]
    done = netspec("diff", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "conv3-8" in done.stdout
    assert "conv3-16" in done.stdout


def test_an_onnx_file_is_compared_as_it_is_imported(tmp_path: Path) -> None:
    path = Path("net.onnx")
    with chdir(tmp_path):
        load("conv3-8; relu; gap; fc-10", input="3x8x8").to_onnx(path)
        assert not diff(path, str(path))
        # A file says nothing of how weights start.
        assert not diff("input 3x8x8; conv3-8(init=he); relu; gap; fc-10", path)
        found = diff("input 3x8x8; conv3-16; relu; gap; fc-10", path)
        (change,) = [c for c in found.changes if "16" in str(c.before)]
        assert "conv3-8" in str(change.after)
        done = netspec("diff", "net.onnx", "net.onnx", cwd=tmp_path)
    assert "same" in done.stdout or "no difference" in done.stdout, done.stdout + done.stderr

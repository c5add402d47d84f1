"""Every place of the command line that takes a file, and files of every kind in it.

A few of the pairs are tried at once, all by `pytest -m slow tests/fuzz/test_file_arguments.py`.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from support.file_arguments import READ, WRITTEN, Case, complaints, furnish, judged, listing, lost
from support.forked import Forks
from support.wrong_files import KINDS, PLACES, remove

LINES = [*READ, *WRITTEN]
# Pairs that once ended in anything but a message.
FOUND = [
    ("show @.ns", "escapes"),
    ("check imports_@.ns", "zeros"),
    ("diff good.ns @.onnx", "sparse"),
    *(
        ("diff --git -- good.ns @.ns 1 2 good.ns 3 4", kind)
        for kind in ("pipe", "zero", "sparse", "escapes", "noise")
    ),
]


@pytest.fixture(scope="module")
def good(forked: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    furnish(folder, forked)
    return folder


def test_some_files_in_each_place(forked: Forks, good: Path, tmp_path: Path) -> None:
    kinds = list(KINDS)
    pairs = [(words, kinds[7 * number % len(kinds)]) for number, words in enumerate(LINES[::3])]
    for words, kind in (*pairs, *FOUND):
        found = list(complaints(Case(words, kind), forked, good, tmp_path / "tried"))
        assert not found, (words, kind)


@pytest.mark.slow
@pytest.mark.parametrize("words", LINES)
def test_all_files_in_each_place(words: str, forked: Forks, good: Path, tmp_path: Path) -> None:
    found = {}
    for kind in (*KINDS, *PLACES) if words in WRITTEN else KINDS:
        if said := list(complaints(Case(words, kind), forked, good, tmp_path / "tried")):
            found[kind] = said
    assert not found


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "-x", "a" * 300, "a\nb\x1b[31m", "\udcff", "~"]
)
def test_names_that_no_file_has(name: str, forked: Forks, good: Path) -> None:
    before = listing(good)
    for words in (
        "check -- @",
        "fmt -- @",
        "import -- @",
        "run -- @",
        "diff good.ns -- @",
        "verify -- @",
    ):
        line = [name if word == "@" else word for word in words.split()]
        ended = forked.run(line, good)
        assert ended.status, (words, name)
        assert not [*judged(ended), *lost(ended, before, listing(good))], (words, name)


NAMES = ["a\nb", "\udcff", "\u00e9" * 100, "a" * 240, "a" * 5000, "good.ns/x", "none/../x", "-x"]


def ended_well(words: str, name: str, forked: Forks, good: Path, folder: Path) -> bool:
    """Whether a line whose file has a name was refused, or did what it says."""
    shutil.copytree(good, folder, symlinks=True)
    try:
        before = listing(folder)
        ended = forked.run([word.replace("@", name) for word in words.split()], folder)
        after = listing(folder)
        done = ended.status or after.keys() - before.keys()
        return bool(done) and not [*judged(ended), *lost(ended, before, after)]
    finally:
        shutil.rmtree(folder)


def test_what_is_written_under_an_odd_name(forked: Forks, good: Path, tmp_path: Path) -> None:
    tried = tmp_path / "tried"
    assert ended_well("package good.ns -o @ --no-verify", "none/../x", forked, good, tried)
    for number, words in enumerate(WRITTEN[::3]):
        name = NAMES[number % len(NAMES)]
        assert ended_well(words, name, forked, good, tried), (words, name)


@pytest.mark.slow
@pytest.mark.parametrize("words", WRITTEN)
def test_all_that_is_written_under_odd_names(
    words: str, forked: Forks, good: Path, tmp_path: Path
) -> None:
    for name in NAMES:
        assert ended_well(words, name, forked, good, tmp_path / "tried"), name


@pytest.mark.parametrize(
    ("number", "delays"),
    [
        (signal.SIGINT, (0.03,)),
        (signal.SIGKILL, (0.03,)),
        pytest.param(signal.SIGINT, (0, 0.01, 0.05, 0.1, 0.2, 0.3), marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, (0, 0.01, 0.05, 0.1, 0.2, 0.3), marks=pytest.mark.slow),
    ],
)
def test_what_is_struck_has_written_all_or_nothing(
    number: int, delays: tuple[float, ...], forked: Forks, good: Path, tmp_path: Path
) -> None:
    shutil.copytree(good, tmp_path / "tried")
    folder = tmp_path / "tried"
    for words in WRITTEN:
        case = Case(words, "missing" if "package" in words or "--triton" in words else "spec")
        for delay in delays:
            case.place(folder)
            before = listing(folder)
            ended = forked.run(case.line(), folder, struck=(number, delay))
            after = listing(folder)
            assert "Traceback" not in ended.err, words
            lacking = "which is not installed" in ended.err
            assert lacking or ended.status in (0, 128 + number, -number), (words, ended)
            strays = {name for name in after if ".ns-" in name}
            assert number == signal.SIGKILL or not strays, words
            if ended.status and "written before" not in ended.err:
                # An empty model repository is none.
                made = {n for n in after if n not in before and (folder / n).is_file()} - strays
                assert not made, words
                changed = [name for name, seen in before.items() if after[name] != seen]
                if changed and number == signal.SIGKILL:
                    # Killed when all was written: it is written so again.
                    forked.run(case.line(), folder)
                    whole = listing(folder)
                    assert all(whole[name] == after[name] for name in changed), words
                else:
                    assert not changed, words
            for name in strays:
                remove(folder / name)


def test_a_disk_that_is_full_changes_nothing(forked: Forks, good: Path, tmp_path: Path) -> None:
    shutil.copytree(good, tmp_path / "tried")
    folder = tmp_path / "tried"
    for words in WRITTEN:
        case = Case(words, "missing" if "package" in words or "--triton" in words else "spec")
        case.place(folder)
        before = listing(folder)
        # What is said is cut off by the same limit.
        ended = forked.run(case.line(), folder, most=20)
        assert ended.status in (1, 2, 3, 4), words
        assert not list(lost(ended, before, listing(folder))), words

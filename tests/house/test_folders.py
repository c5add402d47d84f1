"""The plan can be seen: a door at the root, and folders that a reader can take in."""

from __future__ import annotations

from support.places import ROOT

PACKAGE = ROOT / "netspec"
# About as many files as a listing shows at a glance.
MOST = 21


def test_at_the_root_are_folders_alone() -> None:
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


def test_no_folder_holds_more_than_can_be_seen() -> None:
    for folder in (PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())):
        held = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(held) <= MOST, f"{folder.name} holds {len(held)}"


def test_the_tests_have_the_folders_of_the_package() -> None:
    ours = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    tested = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert ours - tested <= {"edits", "graph", "passes", "schemas", "weights"}

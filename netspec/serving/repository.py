"""A folder of models: which versions each has, and what may be added."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netspec.diagnostics.messages.serving import EditedByHand, NoRepository
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.serving.config import MODEL
from netspec.serving.pbtxt import sealed, untouched
from netspec.system.atomic import Paths, write_text
from netspec.system.folders import place_of, replacing_folder
from netspec.system.reading import open_regular, reading

CONFIG = "config.pbtxt"


@record(slots=False)
class Place:
    """The folder of one model in a repository: `held` are the versions that are there, in order."""

    root: Path
    name: str
    held: tuple[int, ...]

    @property
    def folder(self) -> Path:
        """The model's folder."""
        return self.root / self.name

    @property
    def next(self) -> int:
        """The number of the version that is added."""
        return max(self.held, default=0) + 1

    @property
    def last(self) -> Path:
        """The ONNX file of the last version that is there; raises NetspecError where it has none."""
        path = self.folder / str(self.held[-1]) / MODEL
        if not path.is_file():
            raise _refused(self.folder, f"version {self.held[-1]} has no {MODEL}")
        return path

    @property
    def shared(self) -> Shared:
        """What stands there already of what all versions share."""
        return Shared(self.folder, fresh=False)

    @contextmanager
    def adding(self, keep: Paths) -> Iterator[tuple[Path, Shared]]:
        """The folder of a version, which is there when the block ends, or nothing of it.

        With it what all versions share, which a first version brings along. Raises NetspecError where
        another took its number meanwhile.
        """
        drafts = _beside(self.root)
        if self.held:
            target = self.folder / str(self.next)
            with replacing_folder(target, _taken, keep=keep, drafts=drafts) as made:
                yield made, self.shared
            return
        with replacing_folder(self.folder, _taken, keep=keep, drafts=drafts) as made:
            version = made / str(self.next)
            version.mkdir()
            yield version, Shared(made, fresh=True)


@record
class Shared:
    """The files that all versions of a model share; `fresh` are those of one that is not there yet."""

    folder: Path
    fresh: bool

    def text(self, name: str) -> str | None:
        """What a file holds; None where it is not there."""
        return _text(self.folder / name)

    def write(self, name: str, text: str) -> None:
        """Writes a file whole, unless it stands there as it is."""
        if self.text(name) != text:
            write_text(self.folder / name, text)

    def write_sealed(self, name: str, body: str, *, keep_edited: bool) -> None:
        """Writes a file under a line that has its hash; one that was edited stays if it is to be kept."""
        stands = self.text(name)
        if stands is None or untouched(stands) or not keep_edited:
            self.write(name, sealed(body))


def place(root: Path, name: str) -> Place:
    """Where a model stands or would; raises NetspecError where something else does."""
    folder = root / name
    for path in (root, folder):
        if path.exists() and not path.is_dir():
            raise _refused(path, "it is no folder")
    held = tuple(sorted(_versions(folder)))
    if not held and folder.is_dir() and any(folder.iterdir()):
        raise _refused(folder, "it holds something, and no version of a model")
    return Place(root, name, held)


def _beside(root: Path) -> Path:
    """Where models are drafted: outside the repository, in which a server sees a model in each folder.

    In it where nothing of the same disk can be written outside.
    """
    inside = place_of(root)
    outside = inside.parent
    same = os.stat(inside).st_dev == os.stat(outside).st_dev
    return outside if same and os.access(outside, os.W_OK) else inside


def _versions(folder: Path) -> Iterator[int]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_dir() and re.fullmatch("[1-9][0-9]{0,8}", entry.name):
                yield int(entry.name)


def check_unedited(path: Path) -> None:
    """Raises NetspecError where a file is there that netspec did not write as it stands."""
    text = _text(path)
    if text is not None and not untouched(text):
        raise NetspecError(EditedByHand(str(path)))


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    with reading(lambda reason: _refused(path, reason)), open_regular(path) as file:
        return file.read().decode(errors="replace")


def _taken(path: Path) -> None:
    raise _refused(path, "it was written meanwhile")


def _refused(path: Path, reason: str) -> NetspecError:
    return NetspecError(NoRepository(str(path), reason))

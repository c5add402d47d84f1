"""Folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from netspec.diagnostics.messages.files import CannotWrite, Overwrites
from netspec.diagnostics.raised import NetspecError
from netspec.system.atomic import Paths, draft_folder, placing, renamed, sweep, telling
from netspec.system.locks import alone

# Raises NetspecError unless the folder that stands there may give way to a new one.
GivesWay = Callable[[Path], None]


@contextlib.contextmanager
def replacing_folder(
    path: Path, gives_way: GivesWay, *, keep: Paths = (), drafts: Path | None = None
) -> Iterator[Path]:
    """An empty folder that takes the place of `path` when the block ends, and is gone if it fails.

    A folder that stands at `path` is asked for by `gives_way`, before the block and after it, and moved
    aside in the moment that the new one takes its place: between the two renames there is none, which other
    netspec processes wait for. No file of `keep` may lie in it. What is no folder, and what is a link, is
    not replaced.

    The folder that is given has the name of `path`, in a folder of its own beside it, or in `drafts`, which
    is on the same disk.
    """
    place = place_of(path)
    with alone(place.parent):
        _may_be(path, place, gives_way, keep)
    around = place.parent if drafts is None else drafts
    with telling(path, around):
        sweep(around)
        with draft_folder(around) as draft:
            made = draft / place.name
            made.mkdir()
            with _named(made, path):
                yield made
            with alone(place.parent):
                _may_be(path, place, gives_way, keep)
                with placing(place):
                    _exchange(made, place, draft / "before")


def place_of(path: Path) -> Path:
    """Where a path leads, a link that stands there not followed: as the system reads `..`, behind links.

    Raises NetspecError where there is no folder to hold it.
    """
    try:
        if path.name in ("", ".."):
            return Path(os.path.realpath(path, strict=True))
        return Path(os.path.realpath(path.parent, strict=True)) / path.name
    except OSError as error:
        raise NetspecError(CannotWrite(str(path), error.strerror or str(error))) from None


@contextlib.contextmanager
def _named(draft: Path, path: Path) -> Iterator[None]:
    """Makes messages name the folder that files of a draft are for."""
    try:
        yield
    except NetspecError as error:
        named = tuple(renamed(item, draft, path) for item in error.diagnostics)
        raise NetspecError(named, status=error.status, more=error.more) from None


def _may_be(path: Path, place: Path, gives_way: GivesWay, keep: Paths) -> None:
    """Raises NetspecError unless a folder may be put at a place."""
    if place.is_symlink():
        raise NetspecError(CannotWrite(str(path), "it is a link"))
    if not place.exists():
        return
    if not place.is_dir():
        raise NetspecError(CannotWrite(str(path), "it is no folder"))
    for file in keep:
        if Path(file).resolve().is_relative_to(place.resolve()):
            raise NetspecError(Overwrites(str(path), f"where `{file}` lies, which was read"))
    if any(place.iterdir()):
        gives_way(place)


def _exchange(made: Path, place: Path, aside: Path) -> None:
    stands = place.exists()
    if stands:
        os.rename(place, aside)
    try:
        os.rename(made, place)
    except OSError:
        if stands:
            os.rename(aside, place)
        raise

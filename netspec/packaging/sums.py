"""The digests of a package's files: written last, and held against what is there."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from netspec.diagnostics.messages.packages import NotAPackage, PackageChanged
from netspec.diagnostics.raised import NetspecError
from netspec.packaging.layout import CONFIG, SUMS
from netspec.system.atomic import write_text
from netspec.system.reading import open_regular

_LINE = re.compile(
    r"([0-9a-f]{64})  ((?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*)\n"
)
# A package has some dozens of files.
_LONGEST = 2**20
_PIECE = 2**20
_TOLD = 3


def write_sums(folder: Path) -> None:
    """Writes the digest of every file of a folder into its SHA256SUMS."""
    found = {name: _digest(folder / name) for name in sorted(_files(folder)) if name != SUMS}
    write_text(folder / SUMS, _as_text(found))


def check_sums(folder: Path) -> tuple[str, ...]:
    """Holds a folder to its SHA256SUMS; returns the names of its files.

    Raises NetspecError of a folder that is no package, and unless every byte of every file is as it was,
    no file is missing, and there is nothing besides: no further file, folder or link.
    """
    listed = _listed(folder)
    found = _files(folder)
    changed = [f"`{name}` is missing" for name in listed if name not in found]
    changed += [
        f"`{name}` was added" if kind is None else f"`{name}` is {kind}"
        for name, kind in found.items()
        if name != SUMS and (kind is not None or name not in listed)
    ]
    for name, digest in listed.items():
        if found.get(name, "") is None and _digest(folder / name) != digest:
            changed.append(f"`{name}` was changed")
    if changed:
        more = f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
        raise NetspecError(PackageChanged(str(folder), ", ".join(changed[:_TOLD]) + more))
    return (*listed, SUMS)


def _listed(folder: Path) -> dict[str, str]:
    try:
        with open_regular(folder / SUMS) as file:
            text = file.read(_LONGEST).decode("ascii", "replace")
    except OSError as error:
        reason = f"its {SUMS} cannot be read: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            reason = f"it has no {SUMS}"
        raise NetspecError(NotAPackage(str(folder), reason)) from None
    listed = {match[2]: match[1] for match in _LINE.finditer(text)}
    if CONFIG not in listed:
        raise NetspecError(NotAPackage(str(folder), f"its {SUMS} lists no {CONFIG}"))
    # Lines that are read otherwise by another program, in another order or twice are a change.
    if _as_text(dict(sorted(listed.items()))) != text:
        raise NetspecError(PackageChanged(str(folder), f"`{SUMS}` was changed"))
    return listed


def _as_text(digests: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def _files(folder: Path) -> dict[str, str | None]:
    """All that is in a folder by its path, with what it is instead of a regular file.

    Of folders only those that are empty are told: others are there by what they hold.
    """
    return dict(_within(folder, ""))


def _within(folder: Path, prefix: str) -> Iterator[tuple[str, str | None]]:
    with os.scandir(folder) as entries:
        held = sorted(entries, key=lambda entry: entry.name)
    for entry in held:
        name = f"{prefix}{entry.name}"
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            inside = list(_within(Path(entry.path), f"{name}/"))
            yield from inside or [(name, "an empty folder")]
        else:
            kind = "a link" if stat.S_ISLNK(mode) else "no file"
            yield name, None if stat.S_ISREG(mode) else kind


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()

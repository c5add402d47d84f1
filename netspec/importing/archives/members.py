"""The members of an archive: a plain zip file that stores, as torch writes it."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.importing import Unreadable
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.system.reading import open_regular, reading

# What a text of an archive may have in bytes, and how many members it may.
_LONGEST = 2**28
_MOST = 2**18
MAGIC = b"PK\x03\x04"


def refused(path: Path, reason: str) -> NetspecError:
    """What is raised of an archive that cannot be read."""
    return NetspecError(Unreadable(str(path), reason))


def is_archive(path: Path) -> bool:
    """Whether a plain file begins as a zip archive does."""
    try:
        with open_regular(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class Members:
    """The members of an archive by their names without the folder that torch puts around them.

    Raises NetspecError for what torch does not write: compression, names twice, more bytes than there are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(lambda reason: refused(path, f"it is a broken archive: {reason}")):
            self._file = open_regular(path)
            try:
                self._archive = zipfile.ZipFile(self._file)
                self._members = self._checked(self._archive.infolist())
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Members:
        return self

    def __exit__(self, *raised: object) -> None:
        self._archive.close()
        self._file.close()

    def _checked(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        if len(members) > _MOST or sum(m.file_size for m in members) > self.path.stat().st_size:
            raise refused(self.path, "its members claim more bytes than the archive has")
        for member in members:
            stored = member.compress_type == zipfile.ZIP_STORED
            if not stored or member.file_size != member.compress_size:
                name = printable(member.filename)
                raise refused(self.path, f"its member {name} is compressed, which torch never does")
        (twice, count), *_ = Counter(m.filename for m in members).most_common(1) or [("", 0)]
        if count > 1:
            raise refused(self.path, f"it holds {printable(twice)} twice")
        names = {member.filename for member in members}
        folders = {name.split("/", 1)[0] for name in names if "/" in name}
        around = f"{folders.pop()}/" if len(folders) == 1 and "version" not in names else ""
        return {m.filename.removeprefix(around): m for m in members}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def data(self, name: str) -> bytes:
        """The bytes of a member."""
        member = self._members.get(name)
        if member is None:
            raise refused(
                self.path, f"it is no archive of torch.export: it has no {printable(name)}"
            )
        with (
            reading(lambda reason: refused(self.path, f"{printable(name)}: {reason}")),
            self._archive.open(member) as inside,
        ):
            found = inside.read(member.file_size + 1)
        if len(found) != member.file_size:
            raise refused(self.path, f"{printable(name)} is cut short")
        return found

    def text(self, name: str) -> Any:
        """What the JSON of a member says."""
        data = self.data(name)
        if len(data) > _LONGEST:
            raise refused(self.path, f"its {name} has {len(data):,} bytes")
        with reading(lambda reason: refused(self.path, f"its {name} is not JSON: {reason}")):
            return json.loads(data)

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
            with open_regular(path) as file, zipfile.ZipFile(file) as archive:
                members = archive.infolist()
            size = path.stat().st_size
        if len(members) > _MOST or sum(m.file_size for m in members) > size:
            raise refused(path, "its members claim more bytes than the archive has")
        for member in members:
            if (
                member.compress_type != zipfile.ZIP_STORED
                or member.file_size != member.compress_size
            ):
                name = printable(member.filename)
                raise refused(path, f"its member {name} is compressed, which torch never does")
        names = Counter(member.filename for member in members)
        if names and max(names.values()) > 1:
            raise refused(path, f"it holds {printable(max(names, key=lambda n: names[n]))} twice")
        folders = {m.filename.split("/", 1)[0] for m in members if "/" in m.filename}
        around = f"{folders.pop()}/" if len(folders) == 1 and "version" not in names else ""
        self._members = {m.filename.removeprefix(around): m for m in members}

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
            open_regular(self.path) as file,
            zipfile.ZipFile(file) as archive,
            archive.open(member) as inside,
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

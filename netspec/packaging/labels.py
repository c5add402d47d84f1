"""The names of classes that a package is given."""

from __future__ import annotations

from pathlib import Path

from netspec.diagnostics.messages.files import CannotRead
from netspec.diagnostics.raised import NetspecError
from netspec.system.reading import open_regular, reading

_LONGEST = 2**24


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a text file, in the order of the classes; raises NetspecError of what is none."""

    def wrong(reason: str) -> NetspecError:
        return NetspecError(CannotRead(str(path), reason))

    with reading(wrong), open_regular(path) as file:
        text = file.read(_LONGEST).decode("utf-8-sig")
    lines = tuple(line.strip() for line in text.splitlines())
    for number, line in enumerate(lines, 1):
        if not line or not line.isprintable():
            raise wrong(f"line {number} is no name of a class")
    return lines

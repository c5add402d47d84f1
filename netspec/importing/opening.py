"""A model of any kind that is read, told by what its file begins with."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics.messages.importing import NoSuchSize
from netspec.diagnostics.raised import NetspecError
from netspec.importing.archives.members import Members, is_archive
from netspec.importing.archives.program import read_program
from netspec.importing.imported import Imported, import_file
from netspec.importing.modules import import_module
from netspec.system.extras import need


def import_model(
    path: Path, *, partial: bool = False, sizes: Mapping[str, int] | None = None
) -> Imported:
    """The ONNX file or the archive of torch.export at `path` as a spec; see `import_file`.

    `sizes` are those of what an ONNX file leaves open. An archive is proven beside the calls that it lists,
    which torch runs.
    """
    if not is_archive(path):
        return import_file(path, partial=partial, sizes=sizes)
    if sizes:
        given = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise NetspecError(NoSuchSize(str(path), given, "none: an archive says its sizes"))
    torch = need("torch", "reading an archive of torch.export")
    with Members(path) as members:
        program = read_program(torch, members)
    return import_module(
        program.module, program.example, partial=partial, name=path.stem, free=program.free
    )


def import_exported(program: Any, *, partial: bool = False) -> Imported:
    """A program of torch.export as a spec, by way of the archive that torch writes of it."""
    torch = need("torch", "reading an exported program")
    if not isinstance(program, torch.export.ExportedProgram):
        raise TypeError("a module needs an example: what it is called with")
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "exported.pt2"
        torch.export.save(program, path)
        return import_model(path, partial=partial)

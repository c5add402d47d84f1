"""A file opened once, to be read at as many sizes as it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from onnx import ModelProto

from netspec.foundation.records import record
from netspec.importing.files.meaning.meant import Meant, meant
from netspec.importing.files.program import Array, Program
from netspec.importing.files.reading import read_flat
from netspec.importing.files.specialise import OPEN, specialised


@record(eq=False)
class File:
    """A flat model, its arrays, which are the same in each program, and what it means in single precision."""

    path: Path
    model: ModelProto
    arrays: Mapping[str, Array]
    meant: Meant | None

    def program(self, sizes: Mapping[str, int] | None = None, others: int = OPEN) -> Program:
        """The file at `sizes` of its inputs' symbols, and at `others` where none is given.

        Raises NetspecError for a file that cannot be read.
        """
        read = self.meant or self
        program = specialised(self.path, read.model, dict(read.arrays), sizes or {}, others)
        return replace(program, meant=self.meant)

    def leaves_open(self) -> list[list[str]]:
        """The names of the sizes, other than that of samples, that the file leaves open, for each input."""
        return [
            [
                dim.dim_param or f"{item.name}.{axis}"
                for axis, dim in enumerate(item.type.tensor_type.shape.dim)
                if axis and not dim.HasField("dim_value")
            ]
            for item in self.model.graph.input
            if item.name not in self.arrays
        ]


def open_file(path: Path) -> File:
    """The file at `path`.

    Raises NetspecError for what cannot be opened, or computes with integers in ways that have no meaning.
    """
    proto, arrays = read_flat(path)
    return File(path, proto, arrays, meant(path, proto, arrays))

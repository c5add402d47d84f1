"""What an ONNX file declares that it takes and gives, found without reading its weights."""

from __future__ import annotations

from pathlib import Path

from onnx import GraphProto, ModelProto, ValueInfoProto

from netspec.diagnostics.messages.backends import BadModel
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.system.protobuf import BYTES, fields, held, size_of
from netspec.system.reading import open_regular, reading

_GRAPH = ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_INPUT, _OUTPUT = (GraphProto.DESCRIPTOR.fields_by_name[n].number for n in ("input", "output"))


@record
class Declared:
    """The inputs and the outputs of a file, in order."""

    inputs: tuple[ValueInfoProto, ...]
    outputs: tuple[ValueInfoProto, ...]


def declared(path: Path) -> Declared:
    """What the file at `path` declares; raises NetspecError where it is no ONNX file."""

    def refused(reason: str) -> NetspecError:
        return NetspecError(BadModel(str(path), f"it is not ONNX ({reason})"))

    found: dict[int, list[ValueInfoProto]] = {_INPUT: [], _OUTPUT: []}
    with reading(refused), open_regular(path) as file:
        for part in fields(file, 0, size_of(file)):
            if part.number != _GRAPH or part.kind != BYTES:
                continue
            for field in fields(file, part.body, part.end):
                if field.number in found and field.kind == BYTES:
                    item = ValueInfoProto.FromString(held(file, field))
                    found[field.number].append(item)
    if not found[_OUTPUT]:
        raise refused("it has no outputs")
    return Declared(tuple(found[_INPUT]), tuple(found[_OUTPUT]))

"""Who reads ONNX files: the opset and IR version that each accepts, and what each lacks or misreads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from netspec.diagnostics.messages.backends import UnknownTarget
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record

# Those that ONNX Runtime 1.31 loads, from the first whose axes are all inputs on.
OPSETS = range(13, 27)


def ir_version(opset: int) -> int:
    """The IR version of the first release of ONNX that had an opset: who reads one, reads the other."""
    return 7 if opset < 15 else 8 if opset < 19 else 9 if opset < 21 else 10


@record
class Target:
    """A reader of ONNX files, called `name` on the command line.

    `opset` is what is written for it unless another is asked for, `newest` the newest that it reads.
    `lacks` says of operators and of features of them, `MaxPool with indices`, why they are not written for
    it. `functions` says whether it reads a file's own functions.
    """

    name: str
    title: str
    opset: int = 17
    newest: int = OPSETS.stop - 1
    functions: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)


EVERY = Target("every", "every reader")

_KNOWN = (
    Target("ort1.17", "ONNX Runtime 1.17", newest=20),
    Target("ort", "ONNX Runtime", functions=True),
    Target("tensorrt8", "TensorRT 8.6", newest=17),
    Target("tensorrt10", "TensorRT 10", newest=20),
    Target("openvino", "OpenVINO"),
    Target("opencv", "OpenCV"),
    Target("onnx2torch", "onnx2torch", newest=17),
    Target("web", "ONNX Runtime Web"),
)
TARGETS: Mapping[str, Target] = {target.name: target for target in _KNOWN}


def target_named(name: str | None) -> Target:
    """The target of a name, or every reader; raises NetspecError where there is none."""
    if name is None:
        return EVERY
    if name not in TARGETS:
        raise NetspecError(UnknownTarget(name, ", ".join(TARGETS)), status=2)
    return TARGETS[name]

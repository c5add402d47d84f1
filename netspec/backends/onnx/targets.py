"""Who reads ONNX files: the opset and IR version that each accepts, and what each lacks or misreads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from netspec.diagnostics.messages.backends import UnknownTarget
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.loops import Loop, is_apart

# Those that ONNX Runtime 1.31 loads, from the first whose axes are all inputs on.
OPSETS = range(13, 27)


def ir_version(opset: int) -> int:
    """The IR version of the first release of ONNX that had an opset: who reads one, reads the other."""
    return 7 if opset < 15 else 8 if opset < 19 else 9 if opset < 21 else 10


# A loop whose body reads what nodes outside of it compute, or holds another loop.
OUTER_SCAN = "Scan that reads from outside"


def feature_of(loop: Loop) -> str:
    """What a reader has to have for a recurrence as a loop."""
    return "Scan" if is_apart(loop) else OUTER_SCAN


@record
class Target:
    """A reader of ONNX files, called `name` on the command line.

    `opset` is what is written for it unless another is asked for, `newest` the newest that it reads.
    `lacks` says of operators and of features of them, `MaxPool with indices`, why they are not written for
    it. `misread` are operators in a row that it takes for a function of what enters the first, whatever else
    they read. `functions` says whether it reads a file's own functions. `activations` is how it wants values
    of eight bits: `uint8`, from a zero of its own, or `int8`, about zero. `weights` is the largest integer of
    a weight in eight bits whose products it sums exactly on every processor.
    """

    name: str
    title: str
    opset: int = 17
    newest: int = OPSETS.stop - 1
    functions: bool = False
    activations: str = "uint8"
    weights: int = 127
    lacks: Mapping[str, str] = field(default_factory=dict)
    misread: tuple[tuple[str, ...], ...] = ()

    def runs(self, loop: Loop) -> bool:
        """Whether it takes a recurrence as a loop."""
        return feature_of(loop) not in self.lacks


EVERY = Target("every", "every reader", functions=True)

_TENSORRT = {
    "MaxPool with dilation": "its parser takes dilations of 1",
    "MaxPool with indices": "its parser has no second output of MaxPool",
    "Resize by mode cubic": "its parser takes nearest and linear",
    "Resize with antialias": "its parser refuses it",
}
_NO_LOOPS = "it has no loops, and the steps are too many to be written out, or of an open number"
_NO_CONVERTER = "it has no converter for this operator"
_EVEN = "its converter pads both ends alike"

# The limits of TensorRT are those of docs/operators.md in onnx-tensorrt, of releases 8.6 and 10.1;
# ONNX Runtime 1.17's of its docs/Versioning.md. Those of the others were seen by running
# benchmarks/consumers.py, with the versions that docs/deploy.md names.
_KNOWN = (
    Target("ort1.17", "ONNX Runtime 1.17", newest=20, functions=True),
    Target("ort", "ONNX Runtime", functions=True),
    Target(
        "web",
        "ONNX Runtime Web",
        newest=22,
        functions=True,
        lacks={"Outputs that are read again": "it fuses a convolution with the sum behind it"},
    ),
    Target("tensorrt8", "TensorRT 8.6", newest=17, activations="int8", lacks=_TENSORRT),
    Target("tensorrt10", "TensorRT 10", newest=20, activations="int8", lacks=_TENSORRT),
    Target(
        "openvino",
        "OpenVINO",
        newest=22,
        weights=63,
        lacks={
            "MaxPool with ceil_mode": "it counts other windows",
            "Div rounded to nearest": "it multiplies by a reciprocal, and bins end elsewhere",
            "Reduce along the last of 3 axes": "it takes what follows by channel for one number",
            "Resize with antialias": "it computes other weights",
            OUTER_SCAN: "its loops see what goes into them only",
        },
    ),
    Target(
        "opencv",
        "OpenCV",
        newest=22,
        lacks={
            "Conv of no input": "it convolves what comes from an input only",
            "Gelu": "it computes the estimate by tanh as the exact function",
            "GridSample by bicubic": "it computes other values",
            "MaxPool with indices": "it counts them within a sample",
            "PRelu": "its parser takes slopes of one shape only, and leaves files to an older one",
            "QuantizeLinear": "its convolutions of eight bits err at the ends of maps",
            "RNN": "it has no such layer",
            "Resize of 1 or 3 axes": "it resizes images only",
            "Scan": _NO_LOOPS,
            OUTER_SCAN: _NO_LOOPS,
            "Resize with antialias": "it has no such interpolation",
            "Transpose of more than 6 axes": "it has no tensors of so many",
            "parts in the batch": "it takes the batch after them for that of the input",
        },
        # HardSwish, Mish, the softplus, and the start of a softmax.
        misread=(
            ("HardSigmoid", "Mul"),
            ("Softplus", "Tanh", "Mul"),
            ("Exp", "Add", "Log"),
            ("ReduceMax", "Sub", "Exp"),
        ),
    ),
    Target(
        "onnx2torch",
        "onnx2torch",
        opset=13,
        newest=17,
        lacks={
            "AveragePool of uneven padding": _EVEN,
            "Conv by a computed kernel": "it reads kernels from the file only",
            "ConvTranspose by a computed kernel": "it reads kernels from the file only",
            "GRU": _NO_CONVERTER,
            "LSTM": _NO_CONVERTER,
            "MaxPool with indices": "its converter gives no second output",
            "NonMaxSuppression": _NO_CONVERTER,
            "Outputs that are one of several": "it gives all that the node gives",
            "QuantizeLinear": _NO_CONVERTER,
            "RNN": _NO_CONVERTER,
            "RoiAlign": _NO_CONVERTER,
            "Scan": _NO_CONVERTER,
            OUTER_SCAN: _NO_CONVERTER,
            "ScatterElements": _NO_CONVERTER,
            "TopK without its places": "its converter gives both outputs",
        },
    ),
)
TARGETS: Mapping[str, Target] = {target.name: target for target in _KNOWN}


def target_named(name: str | None) -> Target:
    """The target of a name, or every reader; raises NetspecError where there is none."""
    if name is None:
        return EVERY
    if name not in TARGETS:
        raise NetspecError(UnknownTarget(name, ", ".join(TARGETS)), status=2)
    return TARGETS[name]

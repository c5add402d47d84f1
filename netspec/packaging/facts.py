"""What programs of hubs ask of a net: its task, its classes, the tensors of its file."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.analysis.preprocessing import Preprocessing, preprocessings
from netspec.analysis.published import published
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.ops.elementwise.activation import Softmax

# The Hub's tasks by what a spec states of a net that has it.
_TASKS = {
    "top1": "image-classification",
    "top5": "image-classification",
    "mean_ap": "object-detection",
    "mean_iu": "image-segmentation",
    "pixel_accuracy": "image-segmentation",
}
# What else a `task` line may call a net by.
_NAMED = frozenset(
    """audio-classification automatic-speech-recognition depth-estimation feature-extraction fill-mask
    image-feature-extraction image-to-image image-to-text keypoint-detection mask-generation
    question-answering reinforcement-learning summarization tabular-classification tabular-regression
    text-classification text-generation text-to-image text-to-speech time-series-forecasting
    token-classification translation unconditional-image-generation video-classification
    visual-question-answering zero-shot-image-classification""".split()
) | set(_TASKS.values())


@record
class TensorInfo:
    """An input or output of a net's ONNX file: its sizes, of which -1 are open, and numpy's type."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def sizes(self) -> str:
        """The sizes in words: `Nx3x224x224`, `?` for other open ones."""
        first = "N" if self.shape[:1] == (-1,) else "".join(map(str, self.shape[:1]))
        return "x".join([first, *("?" if size < 0 else str(size) for size in self.shape[1:])])


@record
class Facts:
    """What is told of a net beside its spec.

    `task` is the Hub's name for what it does, empty where the spec states nothing that tells.
    `classes` is how many it tells apart, 0 where it does not; `features` how many numbers its last layer
    with a matrix makes them of. `images` says how images are prepared, by input.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    task: str
    classes: int
    features: int
    images: dict[str, Preprocessing]


def facts(graph: Graph) -> Facts:
    """What is told of a deployed net, as its file has it."""
    task = _task(graph)
    classes = _classes(graph) if task in ("", "image-classification") else 0
    if not task and classes and _is_image(graph):
        task = "image-classification"
    inputs = tuple(_tensor(node.path, node.output) for node in graph.inputs)
    outputs = tuple(_tensor(output.name, output.value) for output in graph.outputs)
    features = _features(graph) if classes else 0
    return Facts(inputs, outputs, task, classes, features, preprocessings(graph))


def _task(graph: Graph) -> str:
    """What a `task` line calls by the Hub's name, or what the measures of its figures are for."""
    said = str(dict(graph.metadata).get("task", "")).lower().replace(" ", "-")
    if said in _NAMED:
        return said
    measures = [name for item in published(graph.metadata) for name, _ in item.values]
    return next((_TASKS[name] for name in measures if name in _TASKS and _is_image(graph)), "")


def _is_image(graph: Graph) -> bool:
    shape = graph.inputs[0].types[0].shape
    return len(graph.inputs) == 1 and len(shape) == 3 and shape[0] in (1, 3)


def _classes(graph: Graph) -> int:
    """The length of the only output, where it is a softmax's or errors are stated of it."""
    if len(graph.outputs) != 1:
        return 0
    value = graph.outputs[0].value
    stated = any(item.line == "error" for item in published(graph.metadata))
    size = value.shape[0] if len(value.shape) == 1 else 0
    tells = isinstance(value.node.op, Softmax) or stated
    return size if tells and isinstance(size, int) and size > 1 else 0


def _features(graph: Graph) -> int:
    """The numbers, or channels of a map, that the last layer with a matrix before the output reads."""
    node: Node = graph.outputs[0].value.node
    while len(node.inputs) == 1:
        for weight in node.op.weights(*node.input_types):
            if len(weight.shape) > 1:
                return weight.shape[1]
        node = node.inputs[0].node
    return 0


def _tensor(name: str, value: Value) -> TensorInfo:
    from onnx import helper

    from netspec.backends.onnx.types import value_type

    kind = value_type(value, None).tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return TensorInfo(name, dtype, tuple(_sizes(kind.shape.dim)))


def _sizes(dims: Iterable[object]) -> Iterable[int]:
    for dim in dims:
        yield dim.dim_value if dim.WhichOneof("value") == "dim_value" else -1  # type: ignore[attr-defined]

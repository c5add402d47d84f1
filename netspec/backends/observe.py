"""What a lowered net computes inside on samples, through ONNX Runtime: for what depends on ranges."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx import TensorProto

from netspec.backends.onnx.file import write
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.recurring.scans import closed
from netspec.backends.onnx.recurring.stepwise import bodies
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches

if TYPE_CHECKING:
    import numpy as np

    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]


def watched(
    model: Model,
    source: WeightSource,
    samples: Iterable[Mapping[str, Array]],
    names: Sequence[str],
    *,
    threads: int = 0,
    optimize: bool = True,
) -> Iterator[dict[str, Array]]:
    """Yields, for each sample, the tensors of these names in a model: outputs, inputs, or of float32.

    Without `optimize` ONNX Runtime computes each node as it stands.
    """
    model = closed(model)
    proto = model.proto
    # However many samples the file will take at once, here it takes those that there are.
    for item in (*proto.graph.input, *proto.graph.output):
        leading = item.type.tensor_type.shape.dim[:1]
        if leading and leading[0].HasField("dim_value"):
            leading[0].dim_param = "N"
            del proto.graph.value_info[:]
            for body in bodies(proto.graph.node):
                del body.value_info[:]
                for inner in (*body.input, *body.output):
                    inner.type.tensor_type.ClearField("shape")
    given = {item.name for item in proto.graph.input}
    declared = {item.name for item in proto.graph.output}
    for name in names:
        if name not in given | declared:
            proto.graph.output.add(name=name).type.tensor_type.elem_type = TensorProto.FLOAT
    more = model.with_graph(proto.graph)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        write(more, path, source)
        switches = Switches(threads=threads, optimization="all" if optimize else "none")
        session = Session(path, switches=switches, most=None)
        for sample in samples:
            arrays = {**sample, **session.run(sample).outputs}
            yield {name: arrays[name] for name in names}

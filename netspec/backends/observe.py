"""What every step of a net computes on samples, through ONNX Runtime: for what depends on ranges."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches
from netspec.graph.checked import Graph, Output, Value

if TYPE_CHECKING:
    import numpy as np

    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]


def observed(
    graph: Graph, source: WeightSource, samples: Iterable[Mapping[str, Array]], *, threads: int = 0
) -> Iterator[dict[Value, Array]]:
    """Yields, for each sample, every value of a deployed graph that something reads.

    A sample is arrays by input name. The values of one are held at a time.
    """
    read = {value for node in graph.nodes for value in node.inputs}
    read |= {output.value for output in graph.outputs}
    values = [value for node in graph.nodes for value in node.outputs if value in read]
    outputs = tuple(Output(f"value{i}", value) for i, value in enumerate(values))
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        write(lower(graph.replace(outputs=outputs, heads=())), path, source)
        session = Session(path, switches=Switches(threads=threads), most=None)
        for sample in samples:
            arrays = session.run(sample).outputs
            yield {value: arrays[f"value{i}"] for i, value in enumerate(values)}

"""The ONNX file that a command runs: one that is named, or a spec compiled for as long as needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.shared.common import Options

if TYPE_CHECKING:
    from netspec.cli.shared.weights import WeightsFile
    from netspec.graph.checked import Graph


@contextmanager
def model_file(
    model: str,
    options: Options,
    *,
    seed: int = 0,
    weights: WeightsFile | None = None,
    logits: bool = False,
    taps: tuple[str, ...] = (),
) -> Iterator[tuple[Path, Graph | None]]:
    """The file of MODEL and, where it is a spec, its graph.

    Raises click.UsageError where MODEL is an ONNX file and an option needs a spec.
    """
    if Path(model).suffix == ".onnx":
        given = {"set": options.settings, "weights": weights, "logits": logits, "tap": taps}
        words = [f"--{name}" for name, value in given.items() if value]
        if words:
            raise click.UsageError(f"{model} is an ONNX file: {', '.join(words)} needs a spec")
        yield Path(model), None
        return
    from netspec.backends.onnx.compile import compile_graph
    from netspec.backends.onnx.options import FileOptions
    from netspec.weights.sources import Seeded

    graph = options.graph(model)
    source = Seeded(seed) if weights is None else weights.read(graph, seed=seed).source
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        path = Path(folder) / "model.onnx"
        compile_graph(graph, path, FileOptions(logits=logits, taps=taps), source=source)
        yield path, graph

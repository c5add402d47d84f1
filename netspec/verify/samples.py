"""Seeded inputs for a net: noise for numbers, valid ids, boxes inside the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.sizes.batch import SAMPLES

if TYPE_CHECKING:
    import numpy as np

    from netspec.analysis.preprocessing import Preprocessing
    from netspec.graph.checked import Graph, Node

    Array = np.ndarray[Any, Any]

# Where a size is a symbol, an input gets the smallest legal size of at least this.
_SIZE = 64

# The input's seed and the batch size of each run.
_RUNS = ((0, 1), (1, 1), (2, 3))

# Samples on which values are measured.
_MEASURED = 2
# Those that ranges of eight bits are taken from where none are given.
CALIBRATED = 8


@record
class Run:
    """One set of inputs: the seed and the batch size that made them, arrays by name."""

    seed: int
    batch: int
    inputs: dict[str, Array]


@record
class Images:
    """How inputs are prepared in a file that takes their pixels, by name; none where it takes none."""

    prepared: Mapping[str, Preprocessing]

    def in_place(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """The runs with what pixels become in place of any numbers."""
        return tuple(replace(run, inputs=run.inputs | self._images(run)) for run in runs)

    def _images(self, run: Run) -> dict[str, Array]:
        import numpy as np

        from netspec.backends.images import normalised

        random, found = np.random.default_rng(run.seed), {}
        for name, how in self.prepared.items():
            count, channels, height, width = run.inputs[name].shape
            pixels = random.integers(0, 256, (count, height, width, channels), np.uint8)
            found[name] = normalised(pixels, how)
        return found

    def taken(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What the file is given for the inputs of a net: pixels again."""
        from netspec.backends.images import pixels_of

        return {**inputs, **{n: pixels_of(inputs[n], how) for n, how in self.prepared.items()}}


def sample_runs(graph: Graph, seed: int = 0) -> tuple[Run, ...]:
    """The inputs of a verification's runs."""
    return tuple(
        Run(seed + more, batch, sample_inputs(graph, batch=batch, seed=seed + more))
        for more, batch in _RUNS
    )


def noise(graph: Graph, seed: int = 0, count: int = _MEASURED) -> Iterator[dict[str, Array]]:
    """So many seeded samples, to measure values on where none are given."""
    for more in range(count):
        yield sample_inputs(graph, seed=seed + more)


def sample_inputs(graph: Graph, *, batch: int = 1, seed: int = 0) -> dict[str, Array]:
    """One array for each input, by name, batch first."""
    import numpy as np

    random = np.random.default_rng(seed)
    sizes = graph.legality.example(_SIZE)
    if sizes is None:
        tied = " and ".join(map(str, graph.legality.rest))
        reason = f"no sizes were found for it by trying: {tied}"
        raise NetspecError(BadInput(graph.inputs[0].path, reason))
    found: dict[str, Array] = {}
    for node in graph.inputs:
        tensor = node.types[0]
        leading = batch if tensor.batch == SAMPLES else max(2, batch)
        shape = (leading, *(_fixed(graph, dim, sizes) for dim in tensor.shape))
        if tensor.ids is not None:
            found[node.path] = random.integers(0, tensor.ids, shape)
        elif tensor.batch != SAMPLES and tensor.shape == (5,):
            found[node.path] = _boxes(random, graph, leading, batch, sizes)
        else:
            found[node.path] = random.standard_normal(shape, dtype=np.float32)
    return found


def _fixed(graph: Graph, dim: Any, sizes: dict[str, int]) -> int:
    from netspec.sizes.dims import substitute

    size = substitute(dim, {**graph.nominal_sizes, **sizes})
    assert isinstance(size, int)
    return size


def _boxes(random: Any, graph: Graph, count: int, batch: int, sizes: dict[str, int]) -> Array:
    """Regions (image, x1, y1, x2, y2) in pixels of the first image input."""
    import numpy as np

    image: Node = next(node for node in graph.inputs if len(node.types[0].shape) == 3)
    height, width = (_fixed(graph, dim, sizes) for dim in image.types[0].shape[1:])
    limits = np.array([width, height], np.float32) - 1
    corners = np.sort(random.random((count, 2, 2)), axis=1) * limits
    images = random.integers(0, batch, (count, 1))
    return np.concatenate([images, corners.reshape(count, 4).round()], axis=1).astype(np.float32)

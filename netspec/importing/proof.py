"""A file and what was read of it side by side: the same inputs through ONNX Runtime, output by output."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.importing import NotProven
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.importing.files.program import Program
from netspec.ops.declare.weight import Weight
from netspec.system.extras import need
from netspec.system.reading import reading
from netspec.weights.sources import WeightSource

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Sequence[Array]]
# Relative to the largest value: what is the same, and what rounding may make of a deep net.
EQUAL = 1e-6
_MOST = 1e-4
# How far beyond what one rounding of its inputs moves the file's own outputs.
_ROUNDINGS = 8
# Batches of the runs; a fixed one has two inputs of its own size.
_BATCHES = (1, 3)


@record
class Proof:
    """What was compared: `error` is the largest difference, relative to the largest value.

    `rounding` is what nudging the inputs by one rounding does to the file itself, where that was asked; of
    a file that reads ids alone, what nudging the vectors that they stand for does to the spec. `places` are
    the sizes of the first input where they are open. `parts` says that nodes of the file were not read,
    and that the text was given what they make.
    """

    batches: tuple[int, ...]
    outputs: int
    error: float
    rounding: float | None = None
    places: tuple[str, ...] = ()
    parts: bool = False

    @property
    def exact(self) -> bool:
        """Whether every bit is the same."""
        return self.error == 0

    def as_json(self) -> dict[str, Any]:
        """What `netspec import --json` says of it."""
        return {
            "bitwise": self.exact,
            "error": self.error,
            "rounding": self.rounding,
            "batches": list(self.batches),
            "outputs": self.outputs,
            "sizes": list(self.places),
            "parts": self.parts,
        }

    def __str__(self) -> str:
        many = "output" if self.outputs == 1 else f"{self.outputs} outputs"
        ran = f"{many} on 2 inputs, batches {' and '.join(map(str, self.batches))}"
        if self.places:
            ran += f", sizes {' and '.join(self.places)}"
        what = "proven but for what is lacking" if self.parts else "proven"
        if self.exact:
            return f"{what}: {ran}: bitwise the same"
        text = f"{what}: {ran}: within {self.error:.1e} of the largest value"
        if self.rounding is not None:
            text += f"; one rounding of the inputs moves the file's own by {self.rounding:.1e}"
        return text


def prove(
    path: Path,
    graph: Graph,
    source: WeightSource,
    programs: Sequence[Program],
    names: Sequence[str],
    outputs: Sequence[str],
    run: Run | None = None,
) -> Proof:
    """Runs both; raises NetspecError where they differ by more than rounding.

    `programs` are the file as it was read, once or at two sizes of what it leaves open.
    `names` and `outputs` are the graph's inputs and outputs in the file's order. `run` computes what the
    file stands for, the file itself by default.
    """
    need("onnxruntime", "import")
    program = programs[0]
    reference = run or session_run(path, [item.name for item in program.inputs])
    batches = batches_of(program)
    feeds = feeds_of(programs, graph, names)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        made = Path(folder) / "model.onnx"
        compile_graph(graph, made, FileOptions(optimize=False), source=source)
        ours = session_run(made, list(names), list(dict.fromkeys(outputs)))
        places = tuple("x".join(map(str, next(iter(f.values())).shape[2:])) for f in feeds)
        places = places if len(programs) > 1 else ()
        worst = 0.0
        named = [dict(zip(names, feed.values(), strict=True)) for feed in feeds]
        for feed, renamed in zip(feeds, named, strict=True):
            theirs = told(path, reference, feed)
            found = dict(zip(dict.fromkeys(outputs), told(path, ours, renamed), strict=True))
            for name, array in zip(outputs, theirs, strict=True):
                worst = max(worst, compared(path, name, found[name], array))
        if worst <= EQUAL:
            return Proof(tuple(dict.fromkeys(batches)), len(outputs), worst, None, places)
        if any(not item.integers for item in program.inputs):
            moved = max(_rounding(path, reference, feed) for feed in feeds)
        else:
            nudged = Path(folder) / "nudged.onnx"
            compile_graph(graph, nudged, FileOptions(optimize=False), source=_Nudged(graph, source))
            other = session_run(nudged, list(names), list(dict.fromkeys(outputs)))
            pairs = [(told(path, other, feed), told(path, ours, feed)) for feed in named]
            moved = max(_apart(path, *pair) for pair in pairs)
    if worst > min(_MOST, _ROUNDINGS * moved):
        reason = f"an output differs by {worst:.1e} of its largest value, rounding by {moved:.1e}"
        raise NetspecError(NotProven(str(path), reason))
    return Proof(tuple(dict.fromkeys(batches)), len(outputs), worst, moved, places)


def batches_of(program: Program) -> tuple[int, ...]:
    """The batches that a file is run at."""
    return _BATCHES if program.free else (program.batch,) * 2


def feeds_of(
    programs: Sequence[Program], graph: Graph, names: Sequence[str]
) -> list[dict[str, Array]]:
    """Inputs for each batch, in the file's order; `names` are those of the graph's."""
    ids = {node.path: node.types[0].ids for node in graph.inputs}
    bounds = [ids.get(name) for name in names]
    batches = batches_of(programs[0])
    return [_feeds(programs[-seed], batch, bounds, seed) for seed, batch in enumerate(batches)]


def session_run(path: Path, names: list[str], outputs: list[str] | None = None) -> Run:
    """A file in ONNX Runtime, as a function of arrays in the order of the names."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def failed(reason: str) -> NetspecError:
        return NetspecError(NotProven(str(path), f"ONNX Runtime does not run it: {reason}"))

    with reading(failed):
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = {item.name: item.type for item in session.get_inputs()}

    def run(feeds: Mapping[str, Array]) -> Sequence[Array]:
        given = {
            name: array.astype(np.int32) if kinds[name] == "tensor(int32)" else array
            for name, array in zip(names, feeds.values(), strict=True)
            if name in kinds
        }
        found: Sequence[Array] = session.run(outputs, given)
        return found

    return run


def told(path: Path, run: Run, feeds: Mapping[str, Array]) -> Sequence[Array]:
    """What a file gives; raises NetspecError where it does not run."""
    with reading(lambda reason: NetspecError(NotProven(str(path), f"it does not run: {reason}"))):
        return run(feeds)


def _feeds(
    program: Program, batch: int, bounds: Sequence[int | None], seed: int
) -> dict[str, Array]:
    """Inputs in the file's order; `bounds` are the numbers of ids that the spec's take."""
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for item, bound in zip(program.inputs, bounds, strict=True):
        shape = (batch, *program.shapes[item.name][1:])
        found[item.name] = (
            random.integers(0, bound or 2, shape)
            if item.integers
            else random.standard_normal(shape, np.float32)
        )
    return found


def compared(path: Path, name: str, found: Array, wanted: Array) -> float:
    """The largest difference of an output, relative to the largest value; raises for other shapes."""
    if found.shape != wanted.shape:
        raise NetspecError(NotProven(str(path), f"{name} is {found.shape}, not {wanted.shape}"))
    if not wanted.size:
        return 0.0
    if not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return 0.0 if np.array_equal(found, wanted, equal_nan=True) else float("inf")
    largest = float(np.abs(wanted).max())
    off = float(np.abs(found.astype(np.float64) - wanted).max())
    return off / largest if largest else off


def _rounding(path: Path, run: Run, feeds: Mapping[str, Array]) -> float:
    """What moving every input by half a unit in its last place does to the outputs."""
    random = np.random.default_rng(7)
    nudged = {
        name: _nudged(array, random) if array.dtype.kind == "f" else array
        for name, array in feeds.items()
    }
    return _apart(path, told(path, run, nudged), told(path, run, feeds))


def _apart(path: Path, one: Sequence[Array], other: Sequence[Array]) -> float:
    pairs = zip(one, other, strict=True)
    return max(compared(path, "", found, wanted) for found, wanted in pairs)


def _nudged(array: Array, random: np.random.Generator) -> Array:
    factors = 1 + np.float32(2**-23) * random.choice([-1, 1], array.shape)
    moved: Array = (array * factors).astype(np.float32)
    return moved


class _Nudged:
    """Weights whose vectors of ids are moved by half a unit in their last places."""

    def __init__(self, graph: Graph, source: WeightSource) -> None:
        self.source = source
        self.tables = {f"{node.path}.weight" for node in graph.nodes if node.op.takes_ids}

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The tensor's elements, as the source gives them or moved."""
        random = np.random.default_rng(7)
        for piece in self.source.pieces(name, weight):
            yield _nudged(piece, random) if name in self.tables else piece

"""A file and what was read of it side by side: the same inputs through ONNX Runtime, output by output."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.importing import NothingShown, NotProven
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.importing.apart import Apart, in_words
from netspec.importing.files.meaning.meant import Meant
from netspec.importing.files.program import Program
from netspec.importing.recognise.recognising import Recognised
from netspec.importing.regions import boxes
from netspec.importing.same_files import same_files
from netspec.ops.declare.weight import Weight
from netspec.system.extras import need
from netspec.system.reading import reading
from netspec.weights.sources import WeightSource

Array = np.ndarray[Any, Any]
Run = Callable[[Mapping[str, Array]], Sequence[Array]]
# Relative to the largest value: what is the same, and what rounding may make of a deep net.
EQUAL = 1e-6
_MOST = 1e-4
# Whole numbers that are read as numbers go up to this: the steps of a diffusion.
_COUNTED = 1000
# How far beyond what one rounding of its inputs moves the file's own outputs.
_ROUNDINGS = 8
# What adds up elements of one tensor: nudged inputs average out there, and roundings of the sum do not.
_MEANS = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"})
# Batches of the runs; a fixed one has two inputs of its own size.
_BATCHES = (1, 3)
# The types of inputs that arrays are cast to.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(int32)": np.int32,
    "tensor(float16)": np.float16,
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
}
# Steps of half precision and of single, relative to a number; and what a file in half may differ by always.
_HALF, _SINGLE = 2**-11, 2**-23
_HALF_MOST = 1e-2


@record
class Proof:
    """What was compared: `error` is the largest difference, relative to the largest value.

    `rounding` is what nudging the inputs by one rounding does to the file itself, where that was asked; of
    a file that reads ids alone, what nudging the vectors that they stand for does to the spec. `places` are
    the sizes of the first input where they are open. `parts` says that nodes of the file were not read,
    and that the text was given what they make. `apart` is there where not the file but what it means in
    single precision was compared: how far the file's own outputs are from that. Where outputs are no
    finite numbers, which show nothing, `nodes` says that every node and number is the file's.
    """

    batches: tuple[int, ...]
    outputs: int
    error: float
    rounding: float | None = None
    places: tuple[str, ...] = ()
    parts: bool = False
    apart: Apart | None = None
    nodes: bool = False

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
            "nodes": self.nodes,
            "compared": "the file" if self.apart is None else f"the file {self.apart.compared}",
            "file_error": None if self.apart is None else self.apart.error,
        }

    def __str__(self) -> str:
        many = "output" if self.outputs == 1 else f"{self.outputs} outputs"
        ran = f"{many} on 2 inputs, batches {' and '.join(map(str, self.batches))}"
        if self.places:
            ran += f", sizes {' and '.join(self.places)}"
        if self.apart is not None:
            ran += f", beside the file {self.apart.compared}"
        what = "proven but for what is lacking" if self.parts else "proven"
        text = f"{what}: {ran}: within {self.error:.1e} of the largest value"
        if self.exact:
            text = f"{what}: {ran}: bitwise the same"
        if self.nodes:
            text += ", no finite numbers; every node and constant is the file's"
        if self.rounding is not None:
            text += f"; one rounding of the inputs moves the file's own by {self.rounding:.1e}"
        return text if self.apart is None else f"{text}; {self.apart}"


def prove(
    path: Path,
    graph: Graph,
    source: WeightSource,
    programs: Sequence[Program],
    found: Recognised,
    run: Run | None = None,
) -> Proof:
    """Runs both; raises NetspecError where they differ by more than rounding.

    `programs` are the file as it was read, once or at two sizes of what it leaves open.
    `found` says what the graph's inputs and outputs are in the file. `run` computes what the file stands for,
    the file itself by default.
    """
    need("onnxruntime", "import")
    program = programs[0]
    inputs, names = [item.name for item in program.inputs], found.inputs
    outputs = list(dict.fromkeys(found.outputs))
    batches = batches_of(program)
    feeds = feeds_of(programs, graph, names)
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        made = Path(folder) / "model.onnx"
        compile_graph(graph, made, FileOptions(optimize=False), source=source)
        ours = session_run(made, list(names), outputs, of=path)
        reference = run
        if reference is None or program.meant is not None:
            reference = session_run(plain(path, program.meant, folder), inputs, of=path)
        lead = program.inputs[0]
        start = lead.places if not any(lead.symbols[1 : lead.places]) else 1
        sizes = (np.delete(next(iter(f.values())).shape, lead.batch)[start - 1 :] for f in feeds)
        places = tuple("x".join(map(str, own)) for own in sizes)
        places = places if len(programs) > 1 else ()
        worst, regions = 0.0, {item.name for item in program.inputs if item.regions}
        there = [told(path, reference, feed) for feed in feeds]
        if blank(there):
            # Roots and logarithms are of numbers above zero.
            feeds = [{name: np.abs(array) for name, array in feed.items()} for feed in feeds]
            there = [told(path, reference, feed) for feed in feeds]
        nodes = blank(there) and same_files(path, made)
        named = [leading(program, names, feed) for feed in feeds]
        for renamed, theirs in zip(named, there, strict=True):
            here = dict(zip(outputs, told(path, ours, renamed), strict=True))
            for name, array, axis in zip(found.outputs, theirs, found.batches, strict=True):
                ours_there = np.moveaxis(here[name], 0, axis)
                worst = max(worst, compared(path, name, ours_there, array, shown=nodes))
        ran, count = tuple(dict.fromkeys(batches)), len(found.outputs)
        apart = None
        if program.meant is not None:
            noise = max(_rounding(path, reference, feed, regions, _HALF) for feed in feeds)
            own = run or partial(_session, path, inputs)
            apart = _beside(path, program.meant, own, feeds, there, noise)
        if worst <= EQUAL:
            return Proof(ran, count, worst, None, places, apart=apart, nodes=nodes)
        if any(not item.integers for item in program.inputs):
            moved = max(_rounding(path, reference, feed, regions) for feed in feeds)
        else:
            nudged = Path(folder) / "nudged.onnx"
            compile_graph(graph, nudged, FileOptions(optimize=False), source=_Nudged(graph, source))
            other = session_run(nudged, list(names), outputs, of=path)
            pairs = [(told(path, other, feed), told(path, ours, feed)) for feed in named]
            moved = max(_apart(path, *pair) for pair in pairs)
    near = min(_MOST, max(_ROUNDINGS * moved, _summing(programs)))
    if worst > max(near, min(moved, _HALF_MOST)):
        reason = f"an output differs by {worst:.1e} of its largest value, rounding by {moved:.1e}"
        raise NetspecError(NotProven(str(path), reason))
    return Proof(ran, count, worst, moved, places, apart=apart)


def _summing(programs: Sequence[Program]) -> float:
    """What the order of its additions makes of a sum: a random walk of as many roundings, of the longest."""
    longest = 1.0
    for program in programs:
        for node in program.nodes:
            if node.op in _MEANS:
                whole, sums = (
                    math.prod(program.shapes[v]) for v in (node.inputs[0], node.outputs[0])
                )
                longest = max(longest, whole / max(sums, 1))
    return _SINGLE / 2 * math.sqrt(longest)


def plain(path: Path, meant: Meant | None, folder: str) -> Path:
    """The file that is compared: what it means in single precision where that is another."""
    if meant is None:
        return path
    written = Path(folder) / "meant.onnx"
    with reading(lambda reason: NetspecError(NotProven(str(path), reason))):
        meant.save(written)
    return written


def leading(program: Program, names: Sequence[str], feed: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs by the graph's names, the batch first, and an axis of one behind it where there is no other."""
    pairs = zip(names, feed.values(), program.inputs, strict=True)
    found = {name: np.moveaxis(array, item.batch, 0) for name, array, item in pairs}
    return {name: a[:, None] if a.ndim == 1 else a for name, a in found.items()}


def _session(path: Path, inputs: list[str], feed: Mapping[str, Array]) -> Sequence[Array]:
    return session_run(path, inputs)(feed)


def _beside(
    path: Path,
    meant: Meant,
    own: Run,
    feeds: Sequence[Mapping[str, Array]],
    there: Sequence[Sequence[Array]],
    noise: float,
) -> Apart:
    """How far a file's `own` outputs are from what it means, `there`; where it does not run, why.

    Raises NetspecError where half precision makes less of a difference: `noise` is what one rounding to it
    of the inputs does.
    """
    try:
        found = [told(path, own, feed) for feed in feeds]
    except NetspecError as refusal:
        reason = str(getattr(refusal.diagnostics[0].problem, "reason", ""))
        return Apart(in_words(meant), None, reason.partition(": ")[0])
    pairs = zip(found, there, strict=True)
    error = max(_apart(path, [a.astype(np.float32) for a in one], two) for one, two in pairs)
    if not meant.rounded and error > max(_HALF_MOST, _ROUNDINGS * noise):
        reason = f"the file's own outputs are {error:.1e} from it {in_words(meant)}"
        raise NetspecError(NotProven(str(path), reason))
    return Apart(in_words(meant), error)


def batches_of(program: Program) -> tuple[int, ...]:
    """The batches that a file is run at."""
    return _BATCHES if program.free else (program.batch,) * 2


def feeds_of(
    programs: Sequence[Program], graph: Graph, names: Sequence[str]
) -> list[dict[str, Array]]:
    """Inputs for each batch, in the file's order; `names` are those of the graph's."""
    ids = {node.path: node.types[0].ids for node in graph.inputs}
    bounds = [ids.get(name) for name in names]
    masks = {
        value.node.path
        for node in graph.nodes
        for key, value in node.op.apart(node.inputs)[1].items()
        if key == "mask"
    }
    batches = batches_of(programs[0])
    found = [_feeds(programs[-seed], batch, bounds, seed) for seed, batch in enumerate(batches)]
    for feeds in found:
        for item, name in zip(programs[0].inputs, names, strict=True):
            if item.integers and name in masks:
                feeds[item.name] = _seen(feeds[item.name])
    return found


def _seen(mask: Array) -> Array:
    """A mask of which every step sees something, whatever else is hidden: what is left then is anyone's."""
    found = mask.copy()
    for place in range(mask.shape[-1]):
        before = found[..., place - 1] if place else np.zeros_like(found[..., 0])
        found[..., place][(found[..., place] == 0) & (before == 0)] = 1
    return found


def session_run(
    path: Path, names: list[str], outputs: list[str] | None = None, *, of: Path | None = None
) -> Run:
    """A file in ONNX Runtime, as a function of arrays in the order of the names.

    Messages name the file that it was made `of`, where it was.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def failed(reason: str) -> NetspecError:
        return NetspecError(NotProven(str(of or path), f"ONNX Runtime does not run it: {reason}"))

    with reading(failed):
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = {item.name: item.type for item in session.get_inputs()}

    def run(feeds: Mapping[str, Array]) -> Sequence[Array]:
        given = {
            name: array.astype(_TYPES.get(kinds[name], array.dtype))
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
        shape = list(program.shapes[item.name])
        if item.regions:
            # Where it is open how many there are, another number for each run.
            count = shape[0] if item.sizes[0] else shape[0] + 2 * seed
            found[item.name] = boxes(program, random, count, batch)
            continue
        shape[item.batch] = batch
        most = 256 if item.bytes else _COUNTED
        found[item.name] = (
            random.integers(0, most if item.counted else bound or 2, shape)
            if item.integers or item.counted
            else random.standard_normal(shape, np.float32)
        )
    return found


def blank(runs: Iterable[Iterable[Array]]) -> bool:
    """Whether an output of some run holds no finite number."""
    return any(a.size and not np.isfinite(a).any() for arrays in runs for a in arrays)


def compared(path: Path, name: str, found: Array, wanted: Array, *, shown: bool = False) -> float:
    """The largest difference of an output, relative to the largest value; raises for other shapes.

    Raises for one without a finite number too, if nothing else has `shown` that the nets are the same.
    """
    if wanted.ndim == 1 and found.shape[:1] == wanted.shape and found.size == wanted.size:
        found = found.reshape(wanted.shape)  # one number for each sample
    if found.shape != wanted.shape:
        raise NetspecError(NotProven(str(path), f"{name} is {found.shape}, not {wanted.shape}"))
    if not wanted.size:
        return 0.0
    if not shown and not np.isfinite(wanted).any():
        raise NetspecError(NothingShown(str(path), name))
    if not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return 0.0 if np.array_equal(found, wanted, equal_nan=True) else float("inf")
    largest = max(float(wanted.max()), -float(wanted.min()))
    # Row by row: outputs may be as large as memory allows.
    rows = zip(np.atleast_1d(found), np.atleast_1d(wanted), strict=True)
    off = max(float(np.abs(one.astype(np.float64) - other).max()) for one, other in rows)
    return off / largest if largest else off


def _rounding(
    path: Path,
    run: Run,
    feeds: Mapping[str, Array],
    regions: Collection[str],
    step: float = _SINGLE,
) -> float:
    """What moving every input by a step, relative to it, does to the outputs.

    The images that `regions` are of stay.
    """
    random, nudged = np.random.default_rng(7), dict(feeds)
    for name, array in feeds.items():
        if array.dtype.kind == "f":
            nudged[name] = _nudged(array, random, step)
        if name in regions:
            nudged[name][:, 0] = array[:, 0]
    return _apart(path, told(path, run, nudged), told(path, run, feeds))


def _apart(path: Path, one: Sequence[Array], other: Sequence[Array]) -> float:
    pairs = zip(one, other, strict=True)
    return max(compared(path, "", found, wanted) for found, wanted in pairs)


def _nudged(array: Array, random: np.random.Generator, step: float = _SINGLE) -> Array:
    factors = 1 + np.float32(step) * random.choice([-1, 1], array.shape)
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

"""A file and what was read of it side by side: the same inputs through ONNX Runtime, output by output."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.importing import NotProven
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.importing.files.meaning.meant import Meant
from netspec.importing.files.program import Program
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
# The types of inputs that arrays are cast to.
_TYPES = {"tensor(int32)": np.int32, "tensor(float16)": np.float16}
# Steps of half precision and of single, relative to a number; and what a file in half may differ by always.
_HALF, _SINGLE = 2**-11, 2**-23
_HALF_MOST = 1e-2


@record
class Apart:
    """What was compared in place of a file of half precision or eight bits, and how far the file is from it.

    `error` is relative to the largest value; None where ONNX Runtime does not run the file, for `reason`.
    """

    compared: str
    error: float | None
    reason: str = ""

    def __str__(self) -> str:
        if self.error is None:
            return f"how far the file's own outputs are from that is not known: {self.reason}"
        return f"the file's own outputs are within {self.error:.1e} of that"


@record
class Proof:
    """What was compared: `error` is the largest difference, relative to the largest value.

    `rounding` is what nudging the inputs by one rounding does to the file itself, where that was asked.
    `apart` is there where not the file but what it means in single precision was compared: how far the
    file's own outputs are from that, and why it computes them so.
    """

    batches: tuple[int, ...]
    outputs: int
    error: float
    rounding: float | None = None
    apart: Apart | None = None

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
            "compared": "file" if self.apart is None else self.apart.compared,
            "file_error": None if self.apart is None else self.apart.error,
        }

    def __str__(self) -> str:
        many = "output" if self.outputs == 1 else f"{self.outputs} outputs"
        ran = f"{many} on 2 inputs, batches {' and '.join(map(str, self.batches))}"
        if self.apart is not None:
            ran += f", beside the file {self.apart.compared}"
        if self.exact:
            text = f"proven: {ran}: bitwise the same"
        else:
            text = f"proven: {ran}: within {self.error:.1e} of the largest value"
        if self.rounding is not None:
            text += f"; one rounding of the inputs moves the file's own by {self.rounding:.1e}"
        return text if self.apart is None else f"{text}; {self.apart}"


def prove(
    path: Path,
    graph: Graph,
    source: WeightSource,
    program: Program,
    names: Sequence[str],
    batches_of: Sequence[int],
    outputs: Sequence[str],
    run: Run | None = None,
) -> Proof:
    """Runs both; raises NetspecError where they differ by more than rounding.

    `names` and `outputs` are the graph's inputs and outputs in the file's order; `batches_of` says which axis
    of each output of the file the batch is: the graph has it first. `run` computes what the
    file stands for, the file itself by default.
    """
    need("onnxruntime", "import")
    inputs = [item.name for item in program.inputs]
    batches = _BATCHES if program.free else (program.batch,) * 2
    feeds = [_feeds(program, batch, seed) for seed, batch in enumerate(batches)]
    with tempfile.TemporaryDirectory(prefix="netspec-") as folder:
        made = Path(folder) / "model.onnx"
        compile_graph(graph, made, FileOptions(optimize=False), source=source)
        ours = session_run(made, list(names), list(dict.fromkeys(outputs)), of=path)
        reference = run
        if reference is None and program.meant is not None:
            meant = Path(folder) / "meant.onnx"
            with reading(lambda reason: NetspecError(NotProven(str(path), reason))):
                program.meant.save(meant)
            reference = session_run(meant, inputs, of=path)
        elif reference is None:
            reference = session_run(path, inputs)
        worst, told = 0.0, []
        for feed in feeds:
            theirs = _told(path, reference, feed)
            told.append(theirs)
            leading = [
                np.moveaxis(array, item.batch, 0)
                for array, item in zip(feed.values(), program.inputs, strict=True)
            ]
            renamed = dict(zip(names, leading, strict=True))
            found = dict(zip(dict.fromkeys(outputs), _told(path, ours, renamed), strict=True))
            for name, array, axis in zip(outputs, theirs, batches_of, strict=True):
                worst = max(worst, _error(path, name, np.moveaxis(found[name], 0, axis), array))
        moved = None
        if worst > EQUAL:
            moved = max(_rounding(path, reference, feed) for feed in feeds)
            if worst > min(_MOST, _ROUNDINGS * moved):
                reason = f"an output differs by {worst:.1e} of its largest value, rounding by {moved:.1e}"
                raise NetspecError(NotProven(str(path), reason))
        apart = None
        if program.meant is not None:
            noise = max(_rounding(path, reference, feed, _HALF) for feed in feeds)
            apart = _apart(path, program.meant, inputs, feeds, told, noise)
    return Proof(tuple(dict.fromkeys(batches)), len(outputs), worst, moved, apart)


def _apart(
    path: Path,
    meant: Meant,
    inputs: list[str],
    feeds: Sequence[Mapping[str, Array]],
    told: Sequence[Sequence[Array]],
    noise: float,
) -> Apart:
    """How far a file's own outputs are from what it means, `told`; where it does not run, why.

    Raises NetspecError where half precision makes less of a difference: `noise` is what one rounding to it
    of the inputs does.
    """
    parts = [f"with its tensors widened from {meant.dtype}"] * (meant.dtype != "fp32")
    parts += ["without its roundings to eight bits"] * meant.rounded
    compared = " and ".join(parts)
    try:
        own = session_run(path, inputs)
        errors = [
            _error(path, "an output", found.astype(np.float32), wanted)
            for feed, outputs in zip(feeds, told, strict=True)
            for found, wanted in zip(_told(path, own, feed), outputs, strict=True)
        ]
    except NetspecError as refusal:
        reason = str(getattr(refusal.diagnostics[0].problem, "reason", ""))
        return Apart(compared, None, reason.partition(": ")[0])
    error = max(errors, default=0.0)
    if not meant.rounded and error > max(_HALF_MOST, _ROUNDINGS * noise):
        reason = f"the file's own outputs are {error:.1e} from it {compared}"
        raise NetspecError(NotProven(str(path), reason))
    return Apart(compared, error)


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


def _told(path: Path, run: Run, feeds: Mapping[str, Array]) -> Sequence[Array]:
    with reading(lambda reason: NetspecError(NotProven(str(path), f"it does not run: {reason}"))):
        return run(feeds)


def _feeds(program: Program, batch: int, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for item in program.inputs:
        shape = list(program.shapes[item.name])
        shape[item.batch] = batch
        found[item.name] = (
            random.integers(0, 2, shape)
            if item.integers
            else random.standard_normal(shape, np.float32)
        )
    return found


def _error(path: Path, name: str, found: Array, wanted: Array) -> float:
    if found.shape != wanted.shape:
        raise NetspecError(NotProven(str(path), f"{name} is {found.shape}, not {wanted.shape}"))
    if not wanted.size:
        return 0.0
    if not (np.isfinite(wanted).all() and np.isfinite(found).all()):
        return 0.0 if np.array_equal(found, wanted, equal_nan=True) else float("inf")
    largest = float(np.abs(wanted).max())
    off = float(np.abs(found.astype(np.float64) - wanted).max())
    return off / largest if largest else off


def _rounding(path: Path, run: Run, feeds: Mapping[str, Array], step: float = _SINGLE) -> float:
    """What moving every input by a step, relative to it, does to the outputs."""
    random = np.random.default_rng(7)
    nudged = {
        name: array
        if array.dtype.kind != "f"
        else (array * (1 + np.float32(step) * random.choice([-1, 1], array.shape))).astype(
            np.float32
        )
        for name, array in feeds.items()
    }
    pairs = zip(_told(path, run, nudged), _told(path, run, feeds), strict=True)
    return max(_error(path, "", found, wanted) for found, wanted in pairs)

"""Loading a file of weights into a graph: the one way in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.checkpoints.files import Checkpoint, Shape, open_checkpoint
from netspec.checkpoints.mapping import Pair, Plan, by_name, by_structure, text
from netspec.diagnostics import Diagnostic, NetspecError
from netspec.errors.weights import AmbiguousTensors, BadMapping, NotFinite, TensorsDiffer
from netspec.graph import Graph
from netspec.seeded import CHUNK
from netspec.weights import Seeded, named_weights, some

if TYPE_CHECKING:
    from netspec.ops.base import Weight
    from netspec.weights import Array


@dataclass(frozen=True)
class FromFile:
    """Weights read from a file when they are asked for; those it lacks start from a seed."""

    file: Checkpoint
    names: Mapping[str, str]
    seed: int = 0

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        if name not in self.names:
            yield from Seeded(self.seed).pieces(name, weight)
            return
        flat = self.file.read(self.names[name]).reshape(-1)
        for start in range(0, flat.size, CHUNK):
            yield flat[start : start + CHUNK]


@dataclass(frozen=True)
class Loaded:
    """Weights for a graph, and what was done to find them.

    `pairs` are the tensors taken. `initial` are the graph's tensors that the file does not have,
    which start from the seed: training-only heads, and with `partial` whatever does not fit.
    `unused` are the file's that the graph does not have. `warnings` are diagnostics to show.
    """

    source: FromFile
    pairs: tuple[Pair, ...]
    initial: tuple[str, ...]
    unused: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()

    def table(self) -> str:
        """Which tensor of the file each of the graph's tensors is, one per line."""
        rows = [(pair.ours, pair.theirs, pair.how) for pair in self.pairs]
        rows += [(name, "-", "initial") for name in self.initial]
        rows += [("-", name, "unused") for name in self.unused]
        widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {how}" for a, b, how in rows)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data; `format_version` 1."""
        return {
            "format_version": 1,
            "file": self.source.file.path.name,
            "tensors": [{"ours": p.ours, "theirs": p.theirs, "how": p.how} for p in self.pairs],
            "initial": list(self.initial),
            "unused": list(self.unused),
        }


def load(
    path: str | Path,
    graph: Graph,
    *,
    mapping: Mapping[str, str] | str | Path | None = None,
    partial: bool = False,
    strict: bool = False,
    seed: int = 0,
) -> Loaded:
    """The weights in a file, for a graph: safetensors, PyTorch checkpoint, npz or netspec's ONNX.

    A file saved from netspec's own module fits by name. Any other is matched by structure: shapes,
    kinds of layers, the order they run in, the tree of names. `mapping` (`ours: theirs`, of tensors
    or of whole layers; a mapping or a JSON file) decides before either.

    Everything must fit, unless `partial`: then what fits is taken, if anything does, the rest
    starts from `seed`, and the result says which. NaN and infinite weights are a warning, with
    `strict` an error.
    Raises NetspecError, listing at most 20 tensors of each kind; the graph is not changed.
    """
    file = open_checkpoint(path)
    wanted = {n: w.shape for n, w in named_weights(graph).items() if w.kind != "constant"}
    settled = _settled(mapping, wanted, file)
    plan = _plan(graph, file, wanted, settled)
    if plan.doubts:
        choices = [f"{d.layer.name} is one of {', '.join(d.candidates)}" for d in plan.doubts]
        raise NetspecError(AmbiguousTensors(some(choices, separator="; ")))
    unfit = plan.missing or plan.surplus or plan.misshaped
    if unfit and not (partial and plan.pairs):
        advice = "--partial takes what fits" if plan.pairs else "nothing in the file fits"
        lists = some(plan.missing), some(plan.surplus), some(plan.misshaped)
        raise NetspecError(TensorsDiffer(*lists, advice))
    pairs = tuple(sorted(plan.pairs, key=lambda pair: _rank(wanted)[pair.ours]))
    names = {pair.ours: pair.theirs for pair in pairs}
    _check_shapes(names, wanted, file)
    used = set(names.values())
    constants = {
        n: n for n, w in named_weights(graph).items() if w.kind == "constant" and n in file
    }
    unused = [n for n in file if n not in used and n not in constants and not _is_counter(n)]
    source = FromFile(file, {**names, **constants}, seed)
    warnings = _finite(file, used, strict)
    initial = tuple(name for name in wanted if name not in names)
    return Loaded(source, pairs, initial, tuple(unused), warnings)


def _rank(wanted: Mapping[str, Shape]) -> dict[str, int]:
    return {name: i for i, name in enumerate(wanted)}


def _plan(
    graph: Graph, file: Checkpoint, wanted: Mapping[str, Shape], settled: dict[str, str]
) -> Plan:
    mapped = [Pair(ours, theirs, "map") for ours, theirs in settled.items()]
    left = {name: shape for name, shape in wanted.items() if name not in settled}
    common = sum(1 for name in left if name in file)
    if 2 * common > len(left):
        heads = {name for name in left if _in_head(graph, name)}
        taken = set(settled.values())
        plan = by_name(left, {n: s for n, s in file.items() if n not in taken}, heads)
        constants = named_weights(graph).keys() - wanted.keys()
        plan.surplus = [n for n in plan.surplus if n not in constants]
    else:
        plan = by_structure(graph, file, settled)
    plan.pairs = mapped + plan.pairs
    return plan


def _in_head(graph: Graph, name: str) -> bool:
    return any(name.startswith(f"{head.name}.") for head in graph.heads)


def _settled(
    mapping: Mapping[str, str] | str | Path | None, wanted: Mapping[str, Shape], file: Checkpoint
) -> dict[str, str]:
    """The map of names as tensor to tensor; a layer's name stands for all of its tensors."""
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        mapping = _read_mapping(Path(mapping))
    found: dict[str, str] = {}
    for ours, theirs in mapping.items():
        if ours in wanted:
            found[ours] = theirs
            continue
        own = [name for name in wanted if name.rpartition(".")[0] == ours]
        if not own:
            raise NetspecError(BadMapping(f"the net has no tensor or layer `{ours}`"))
        found.update({name: f"{theirs}.{name.rpartition('.')[2]}" for name in own})
    for ours, theirs in found.items():
        if theirs not in file:
            raise NetspecError(BadMapping(f"the file has no `{theirs}`, named for `{ours}`"))
    return found


def _read_mapping(path: Path) -> Mapping[str, str]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetspecError(BadMapping(f"{path.name}: {error.strerror}")) from None
    except (ValueError, RecursionError):
        raise NetspecError(BadMapping(f"{path.name} is not JSON")) from None
    if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
        raise NetspecError(BadMapping(f"{path.name} is not an object of names"))
    return held


def _check_shapes(names: Mapping[str, str], wanted: Mapping[str, Shape], file: Checkpoint) -> None:
    """Holds for every pair, however it was found: as many numbers, outputs first."""
    wrong = []
    for ours, theirs in names.items():
        need, have = wanted[ours], file[theirs]
        same = [size for size in have if size != 1] == [size for size in need if size != 1]
        flat = (
            len(have) > 1 and len(need) > 1 and have[0] == need[0] and _numel(have) == _numel(need)
        )
        if not same and not flat:
            wrong.append(f"{ours} ({theirs} in the file) is {text(have)}, not {text(need)}")
    if wrong:
        raise NetspecError(TensorsDiffer("none", "none", some(wrong)))


def _numel(shape: Shape) -> int:
    from math import prod

    return prod(shape)


def _finite(file: Checkpoint, names: set[str], strict: bool) -> tuple[Diagnostic, ...]:
    import numpy as np

    counts: dict[str, int] = {}
    for name in file:
        if name in names:
            values = file.read(name)
            bad = values.size - int(np.count_nonzero(np.isfinite(values)))
            if bad:
                counts[name] = bad
    if not counts:
        return ()
    problem = NotFinite(sum(counts.values()), some([f"{n} ({c})" for n, c in counts.items()]))
    if strict:
        raise NetspecError(problem)
    return (Diagnostic(problem, None, warning=True),)


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")

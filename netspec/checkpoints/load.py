"""Loading a file of weights into a graph: the one way in."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.checkpoints.buffers import buffers_of, constants_of, replaced_in
from netspec.checkpoints.copies import one_copy
from netspec.checkpoints.files import Checkpoint, open_checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.given import Given, settle
from netspec.checkpoints.mapping import by_name, by_structure
from netspec.checkpoints.meanings import meanings
from netspec.checkpoints.plan import ZEROS, Misfit, Pair, Plan
from netspec.checkpoints.projections import by_head
from netspec.checkpoints.rows import without_row
from netspec.checkpoints.tied import tied_in, ways_to_tie
from netspec.checkpoints.turning import check_frequencies
from netspec.checkpoints.twins import twins_of
from netspec.diagnostics.messages.weights import (
    AmbiguousTensors,
    KnownDiffers,
    NotFinite,
    TensorsDiffer,
)
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.weights.seeded import CHUNK
from netspec.weights.sources import Seeded, named_weights, shape_text, some

if TYPE_CHECKING:
    from netspec.ops.declare.weight import Weight
    from netspec.weights.sources import Array


@record(slots=False)
class FromFile:
    """Weights read from a file when they are asked for; those it lacks start from a seed."""

    file: Checkpoint
    pairs: Mapping[str, Pair]
    # Of every tensor of the graph that they are for.
    shapes: Mapping[str, tuple[int, ...]]
    seed: int = 0

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The file's tensor, turned and joined as the plan says; one that is not there, from the seed."""
        if name not in self.pairs:
            yield from Seeded(self.seed).pieces(name, weight)
            return
        pair = self.pairs[name]
        for part, shape in zip(pair.parts, _shares(pair, weight.shape, self.file), strict=True):
            if part == ZEROS:
                yield from _zeros(prod(shape))
                continue
            stored = self.file.read(part)
            flat = (pair.turn(stored, shape) if pair.turn else stored).reshape(-1)
            for start in range(0, flat.size, CHUNK):
                yield flat[start : start + CHUNK]


def _shares(pair: Pair, whole: Shape, file: Checkpoint) -> list[Shape]:
    """What each part is of a tensor of this shape: on its first axis as much as the file has, or as
    the others where it is zeros or stored turned.
    """
    if len(pair.parts) == 1:
        return [whole]
    have = [file[part][:1] if part != ZEROS and not pair.turn else () for part in pair.parts]
    rest = max(1, have.count(()))
    equal = ((whole[0] - sum(size for (size,) in filter(None, have))) // rest,)
    return [((size or equal)[0], *whole[1:]) for size in have]


def _zeros(count: int) -> Iterator[Array]:
    import numpy as np

    for start in range(0, count, CHUNK):
        yield np.zeros(min(CHUNK, count - start), np.float32)


@record(slots=False)
class Loaded:
    """Weights for a graph, and what was done to find them.

    `pairs` are the tensors taken. `initial` are the graph's tensors that the file does not have,
    which start from the seed: training-only heads, and with `partial` whatever does not fit.
    `unused` are the file's that the graph does not have. `buffers` are the file's that are no
    weights, `tied` those that it lists again, with the name of the equal one. `warnings` are
    diagnostics to show.
    """

    source: FromFile
    pairs: tuple[Pair, ...]
    initial: tuple[str, ...]
    unused: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()
    buffers: tuple[str, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()

    def table(self) -> str:
        """Which tensor of the file each of the graph's tensors is, one per line."""
        rows = [(p.ours, p.theirs, p.how + ", turned" * bool(p.turn)) for p in self.pairs]
        rows += [(name, "-", "initial") for name in self.initial]
        rows += [("-", name, "unused") for name in self.unused]
        rows += [("-", name, f"tied to {other}") for name, other in self.tied]
        rows += [("-", name, "buffer") for name in self.buffers]
        widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {how}" for a, b, how in rows)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data; `format_version` 1."""
        return {
            "format_version": 1,
            "file": self.source.file.path.name,
            "tensors": [
                {"ours": p.ours, "theirs": p.theirs, "how": p.how, "turned": bool(p.turn)}
                for p in self.pairs
            ],
            "initial": list(self.initial),
            "unused": list(self.unused),
            "buffers": list(self.buffers),
            "tied": dict(self.tied),
        }


def load(
    path: str | Path,
    graph: Graph,
    *,
    mapping: Given | str | Path | None = None,
    prefix: str | None = None,
    layout: str | None = None,
    qkv: str | None = None,
    drop_row: int | None = None,
    partial: bool = False,
    strict: bool = False,
    seed: int = 0,
) -> Loaded:
    """The weights in a file, for a graph: safetensors, PyTorch checkpoint, npz or netspec's ONNX.

    A file saved from netspec's own module fits by name. Any other is matched by structure: shapes,
    kinds of layers, the order they run in, the tree of names. `mapping` (`ours: theirs`, of tensors
    or of whole layers; a mapping or a JSON file) decides before either; a list of theirs is joined
    along the first axis. `prefix` takes only what the file has under that name. `layout` says how
    the file stores kernels, `torch` or `keras`; by default their shapes tell. `qkv` says how a joined
    projection is ordered, `rows`: all queries, all keys, all values; `heads`: those of each head in
    turn. `drop_row` leaves out that row of layers that have one more output than the net's.

    Everything must fit, unless `partial`: then what fits is taken, if anything does, the rest
    starts from `seed`, and the result says which. NaN and infinite weights are a warning, with
    `strict` an error.
    Raises NetspecError, listing at most 20 tensors of each kind; the graph is not changed.
    """
    file = open_checkpoint(path, prefix)
    own = named_weights(graph)
    wanted = {name: weight.shape for name, weight in own.items() if not weight.known}
    file, notes = one_copy(file, len(wanted))
    if drop_row is not None:
        file = without_row(file, set(wanted.values()), drop_row)
    yielding = {name: weight.shape for name, weight in own.items() if weight.yields}
    settled = settle(mapping, {**wanted, **yielding}, file)
    replaced = replaced_in(file, wanted, own, settled)
    wanted = {**wanted, **replaced}
    taken = {name for parts in settled.values() for name in parts}
    _check_real(file, taken if partial else {*taken, *wanted})
    buffers = buffers_of(file, wanted, own, taken)
    weights = file.excluding(buffers)
    shared = tied_in(graph, weights, wanted, taken)
    plan, tied = _plan_with_ties(
        (_plan(graph, weights.excluding(way), wanted, settled, layout, partial, replaced), way)
        for way in ways_to_tie(shared, weights, own)
    )
    constants = constants_of(file, plan.surplus, own)
    buffers |= constants
    check_frequencies(graph, file, buffers)
    plan.surplus = [name for name in plan.surplus if name not in constants]
    if not partial and (plan.doubts or plan.surplus):
        for one in shared:
            if (problem := one.difference(plan, own)) is not None:
                raise NetspecError(problem)
    if not partial and (differing := [name for name in plan.surplus if name in own]):
        raise NetspecError(KnownDiffers(differing[0]))
    _check_plan(plan, graph, file, partial)
    _check_shapes(plan.pairs, wanted, file)
    pairs = {
        pair.ours: replace(pair, names=tuple(n for p in pair.parts for n in file.parts(p)))
        for pair in by_head(graph, plan.pairs, file, qkv)
    }
    used = {name for pair in plan.pairs for name in pair.parts}
    unused = [n for n in weights if not (n in used or n in buffers or n in tied)]
    shapes = {name: weight.shape for name, weight in own.items()}
    source = FromFile(file, pairs, shapes, seed)
    foreign = any(pair.how != "name" for pair in plan.pairs)
    said = (*meanings(graph, pairs.values(), file), *twins_of(graph)) if foreign else ()
    return Loaded(
        source,
        tuple(pairs[name] for name in wanted if name in pairs),
        tuple(name for name in wanted if name not in pairs),
        tuple(part for name in unused for part in file.parts(name)),
        (*notes, *_finite(file, used, strict), *said),
        tuple(name for name in file if name in buffers),
        tuple((_shown(file, name), _shown(file, other)) for name, other in tied.items()),
    )


def _shown(file: Checkpoint, name: str) -> str:
    return " + ".join(file.parts(name))


def _check_real(file: Checkpoint, names: Collection[str]) -> None:
    """Refuses whole numbers and truths where weights are."""
    for name in file:
        if name in names and (integer := file.integer(name)):
            raise file.refusal(name, f"holds {integer}, not real numbers")


def _plan_with_ties(
    plans: Iterable[tuple[Plan, Mapping[str, str]]],
) -> tuple[Plan, Mapping[str, str]]:
    """The first plan that fits, with what it leaves out as tied; the first of all if none does."""
    first = None
    for plan, tied in plans:
        if plan.fits:
            return plan, tied
        first = first or (plan, tied)
    assert first is not None
    return first


def _plan(
    graph: Graph,
    file: Checkpoint,
    wanted: Mapping[str, Shape],
    settled: Mapping[str, tuple[str, ...]],
    layout: str | None,
    partial: bool,
    replaced: Collection[str] = (),
) -> Plan:
    """By name where the names are the net's own, else by structure.

    The names are its own where the file has all of them, or has no others; if it has most of them,
    what does not fit is told by name. With `partial`, what has a name of the net is taken by it if
    most are there, and the rest by structure.
    """
    left = {name: shape for name, shape in wanted.items() if name not in settled}
    taken = {name for parts in settled.values() for name in parts}
    rest = {n: s for n, s in file.items() if n not in taken}
    heads = {name for name in left if _in_head(graph, name)}
    common = [name for name in left if name in rest]
    complete = all(name in rest or name in heads for name in left)
    foreign = any(n not in left for n in rest)
    most = 2 * len(common) > len(left)
    if layout == "keras" or not common or (foreign and not complete):
        named = {n: (n,) for n in common if partial and most and left[n] == rest[n]}
        plan = by_structure(graph, file, settled, layout, named, replaced)
        if plan.may_fit or partial or not most:
            return plan
    plan = by_name(left, rest, heads)
    if plan.misshaped and not plan.missing and layout is None:
        # Libraries count layers too: the names may be the net's by chance.
        other = by_structure(graph, file, settled, layout, replaced=replaced)
        if other.may_fit:
            return other
    for ours, parts in settled.items():
        plan.pair(ours, parts, "map")
    return plan


def _check_plan(plan: Plan, graph: Graph, file: Checkpoint, partial: bool) -> None:
    """Refuses what is in doubt, and what does not fit unless `partial` takes the rest."""
    if plan.doubts:
        choices = [f"{d.layer.name} is {' or '.join(d.candidates)}" for d in plan.doubts]
        advice = "name them in a file of `ours: theirs` pairs and pass it with --map"
        if plan.settling:
            advice = f"a file with {json.dumps(plan.settling)}, passed with --map, takes the first of each"
        raise NetspecError(AmbiguousTensors(some(choices, separator="; "), advice))
    unfit = plan.missing or plan.surplus or plan.misshaped
    if unfit and not (partial and plan.pairs):
        advice = _cause(graph, plan.misshaped)
        advice += "--partial takes what fits" if plan.pairs else "nothing in the file fits"
        surplus = [part for name in plan.surplus for part in file.parts(name)]
        lists = some(plan.missing), some(surplus), some(list(map(str, plan.misshaped)))
        raise NetspecError(TensorsDiffer(*lists, advice))


def _cause(graph: Graph, misfits: Iterable[Misfit]) -> str:
    """What shapes that differ come from, where that can be told, with what to do about it."""
    settings = dict(graph.parameters)
    for misfit in misfits:
        need, have = misfit.need, misfit.have
        if len(need) != len(have) or len(need) < 2:
            continue
        if need[1:] == have[1:]:
            if have[0] == need[0] + 1:
                return f"{misfit.ours} has one output more in the file: --drop-row 0 leaves out the first; "
            named = [name for name, value in settings.items() if value == need[0]]
            if named:
                return f"the file is of a net with --set {named[0]}={have[0]}; "
        if need[0] == have[0] and need[2:] == have[2:]:
            return f"{misfit.ours} reads {have[1]} channels in the file, {need[1]} here; "
        if need[:2] != have[:2] and (need[1], need[0], *need[2:]) == have:
            return f"{misfit.ours} is stored turned: --layout keras, if all are; "
    return ""


def _in_head(graph: Graph, name: str) -> bool:
    return any(name.startswith(f"{head.name}.") for head in graph.heads)


def _check_shapes(pairs: Iterable[Pair], wanted: Mapping[str, Shape], file: Checkpoint) -> None:
    """Holds for every pair, however it was found: as many numbers, outputs first or turned."""
    wrong = []
    for pair in pairs:
        shares = _shares(pair, wanted[pair.ours], file)
        if sum(share[0] for share in shares if share) != sum(wanted[pair.ours][:1]):
            listed = " + ".join(shape_text(file[part]) for part in pair.parts if part != ZEROS)
            wrong.append(f"{pair.ours} is {shape_text(wanted[pair.ours])}, not {listed}")
            continue
        for name, part in zip(pair.parts, shares, strict=True):
            if name == ZEROS:
                continue
            have = file[name]
            same = [size for size in have if size != 1] == [size for size in part if size != 1]
            free = pair.turn or (have[:1] == part[:1] and min(len(have), len(part)) > 1)
            # A table over the places of a map, channels last, is one over places in a row.
            free = free or (len(part) == 2 and have[-1:] == part[-1:])
            if not same and not (free and prod(have) == prod(part)):
                wrong.append(
                    f"{pair.ours} ({name} in the file) is {shape_text(have)}, not {shape_text(part)}"
                )
    if wrong:
        raise NetspecError(TensorsDiffer("none", "none", some(wrong)))


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

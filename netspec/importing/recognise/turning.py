"""Rotary positions however they are written: each pair of a head's channels turned by where it stands.

What lies between one tensor and another of its shape, sums and products with constants, is run on numbers;
if what comes out is what went in, turned in pairs, the angles say by which base, in which places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.parts.running import RUN, run
from netspec.importing.recognise.steps import number
from netspec.importing.recognise.views import View, copies, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.vectors.turning import Slowing, map_angles

Shape = tuple[int, ...]
# Nodes that turn a tensor, and numbers that are run through them.
_MOST_NODES = 40
_MOST = 2**24
# What single precision makes of an angle of some turns.
_CLOSE = 2e-5
_RATE = 1e-6
# Angles of less than this are told without turns that are whole; shares of less count as none.
_NEAR, _BETWEEN = 3.0, 1e-4


def rotated(
    node: Node,
    makers: Mapping[str, Node],
    rank: Mapping[str, int],
    constants: Mapping[str, Array],
    shapes: Mapping[str, Shape],
    known: dict[object, dict[str, Any] | None],
) -> Node | None:
    """The turning whose last node this is, of one tensor; None where it is none.

    Its attributes: `base`; `axis`, that of the places; `share` of the channels that turn; `neighbours`,
    whether pairs lie side by side; `size` of a map that the last places are; the `nodes` that it was.
    `rank` says which tensors were made later than others. Nodes that do what others did are not run again:
    `known` has what came of those.
    """
    if node.op not in ("Add", "Concat", "Reshape"):
        return None
    shape = shapes.get(node.output, ())
    if len(shape) < 3 or np.prod(shape) > _MOST:
        return None
    inner = _between(node, makers, rank, constants, shape, shapes)
    if inner is None:
        return None
    nodes, source = inner
    key = _told(nodes, source, constants, shapes)
    if key not in known:
        probe = np.random.default_rng(0).standard_normal(shape)
        values = run(nodes, {source: probe}, constants, shapes)
        made = None if values is None else values[node.output]
        known[key] = _angles(probe, made) if made is not None and made.shape == shape else None
    turning = known[key]
    if turning is None:
        return None
    found = {**turning, "nodes": tuple(nodes)}
    return Node("Rotary", (source,), node.outputs, found, node.name, node.scopes)


def _told(
    nodes: Sequence[Node], source: str, constants: Mapping[str, Array], shapes: Mapping[str, Shape]
) -> object:
    """What nodes do to their source, in the order that they stand in, whatever their tensors are called."""
    number: dict[str, object] = {source: 0}
    told: list[object] = []
    for node in nodes:
        for name in node.inputs:
            if name in constants and name not in number:
                array = constants[name]
                number[name] = (array.dtype, array.shape, array.tobytes())
        number |= {name: len(number) + at for at, name in enumerate(node.outputs)}
        sizes = tuple(shapes.get(name) for name in node.outputs)
        given = tuple(sorted((key, repr(value)) for key, value in node.attributes.items()))
        told.append((node.op, tuple(map(number.get, node.inputs)), given, sizes))
    return tuple(told)


def _between(
    node: Node,
    makers: Mapping[str, Node],
    rank: Mapping[str, int],
    constants: Mapping[str, Array],
    shape: Shape,
    shapes: Mapping[str, Shape],
) -> tuple[list[Node], str] | None:
    """The nodes down to this one from the nearest tensor that it is made of, of the same shape."""
    nodes: list[Node] = []
    waiting: dict[str, None] = {node.output: None}
    tables = 0
    while len(waiting) > 1 or shapes.get(next(iter(waiting))) != shape or not tables:
        made = makers.get(max(waiting, key=lambda name: rank.get(name, -1)))
        if node.output in waiting:
            made = node
        parts = (made,) if made is None or made.op != "Rotary" else made.get("nodes")[::-1]
        for part in parts:
            if part is None or part.op not in RUN or len(nodes) >= _MOST_NODES:
                return None
            nodes.append(part)
            numbers = [constants[name].size for name in part.inputs if name in constants]
            tables += part.op == "Mul" and max(numbers, default=1) > 1
            for name in part.outputs:
                waiting.pop(name, None)
            waiting |= dict.fromkeys(name for name in part.inputs if name not in constants)
        if not waiting:
            return None
    words = {made.op for made in nodes}
    return (nodes[::-1], next(iter(waiting))) if words & {"Sub", "Neg"} else None


def _angles(before: Array, after: Array) -> dict[str, Any] | None:
    """How a tensor (..., D) was turned, if in pairs of channels by angles that one axis alone says."""
    width = before.shape[-1]
    same = (before == after).reshape(-1, width).all(0)
    turned = width - int(np.argmin(same[::-1])) if not same.all() else 0
    if turned < 2 or turned % 2:
        return None
    for neighbours in (False, True):
        one, two = (
            part[..., 0:turned:2] + 1j * part[..., 1:turned:2]
            if neighbours
            else part[..., : turned // 2] + 1j * part[..., turned // 2 : turned]
            for part in (before, after)
        )
        for axis in range(before.ndim - 1):
            others = tuple(i for i in range(before.ndim - 1) if i != axis)
            turns = (two * one.conj()).sum(others) / (abs(one) ** 2).sum(others)
            off = np.abs(two - one * np.expand_dims(turns, others)).max()
            if len(turns) > 1 and off < _close(len(turns)) * np.abs(before).max():
                found = _fitted(turns, turned)
                if found is not None:
                    share = _share(turned, width, 2 * len(found.get("size", (1,))))
                    return {**found, "axis": axis, "neighbours": int(neighbours), "share": share}
    return None


def _close(places: int) -> float:
    return _CLOSE * max(1.0, places / 64)


def _share(turned: int, width: int, whole: int) -> float:
    """The shortest share of the channels that makes so many turn, a multiple of `whole`."""
    found = 1.0
    for digits in range(7, 0, -1):
        share = np.ceil(turned / width * 10**digits) / 10**digits
        if int(width * share) // whole * whole == turned and turned < width:
            found = float(share)
    return found


def _fitted(turns: Array, turned: int) -> dict[str, Any] | None:
    """The base, and the map that the places are, of turns (places, pairs); None where nothing fits."""
    moved = np.abs(turns - 1).max(1) > _CLOSE
    tokens = int(np.argmax(moved)) - 1
    for rank in (1, 2, 3):
        half = turned // 2 // rank
        size = _map(turns[tokens:], rank, half) if tokens >= 0 and half else None
        if turned % (2 * rank) or size is None or (rank == 1 and tokens):
            continue
        for base in _bases(float(np.angle(turns[tokens + 1, rank * half - 1])), half):
            angles = map_angles(np, size, tokens, half, float(np.log(base)) / half)
            if np.abs(np.exp(1j * angles) - turns).max() < _close(len(turns)):
                return {"base": base, **({"size": size} if rank > 1 else {})}
    return _slowed(turns, turned // 2) if not tokens else None


def _bases(rate: float, half: int) -> Iterator[float]:
    """Growths of wavelengths of which the last pair turns by a rate, the shortest first; of one pair any."""
    if half == 1:
        yield 10000.0
    elif 0 < rate < 1:
        exact = rate ** (-half / (half - 1))
        yield from (base for base in _shorter(exact, half * _RATE) if base >= 1)


def _shorter(exact: float, close: float) -> Iterator[float]:
    """Numbers so close to one, relative to it, of few digits first."""
    found = (float(f"{exact:.{digits}g}") for digits in range(1, 10))
    return (number for number in found if abs(number / exact - 1) <= close)


def _slowed(turns: Array, half: int) -> dict[str, Any] | None:
    """The base, and how long waves are slowed, of turns (places, pairs); None if they are not."""
    if half < 2 or len(turns) < 2:
        return None
    rates = _rates(turns)
    if (rates <= 0).any():
        return None
    places = np.arange(len(turns))[:, None]
    for ratio in (rates[-1] / rates[-2], rates[1] / rates[0]):
        for base in _shorter(float(ratio) ** -half, half * _RATE) if 0 < ratio < 1 else ():
            plain = float(base) ** (-np.arange(half) / half)
            factor = next(_shorter(float(plain[-1] / rates[-1]), half * _RATE), 1.0)
            if factor <= 1:
                continue
            for length in _lengths(rates / plain, plain, factor):
                found = np.array([Slowing(factor, length).of(rate) for rate in plain])
                if np.abs(np.exp(1j * places * found) - turns).max() < _close(len(turns)):
                    return {"base": base, "factor": factor, "length": length}
    return None


def _rates(turns: Array) -> Array:
    """By how much each pair turns from place to place, told at the farthest within half a turn."""
    found: Array = np.angle(turns[1])
    step = 2
    while step < len(turns):
        near = found * step < _NEAR
        found = np.where(near, np.angle(turns[step]) / step, found)
        step *= 2
    return found


def _lengths(share: Array, plain: Array, factor: float) -> Iterator[int]:
    """Lengths of waves by which pairs of these plain rates turn by such shares of them."""
    kept = (share - 1 / factor) / (1 - 1 / factor)
    between = (kept > _BETWEEN) & (kept < 1 - _BETWEEN)
    if between.any():
        exact = float(np.median(2 * np.pi * (1 + 3 * kept[between]) / plain[between]))
        yield from (int(number) for number in _shorter(exact, _BETWEEN) if number >= 1)
        return
    # Any between those of what turns as ever and of what is slowed: a power of two, or the shortest.
    least = 8 * np.pi / plain[kept >= 0.5].min() if (kept >= 0.5).any() else 1
    most = 2 * np.pi / plain[kept < 0.5].max()
    yield 2 ** int(np.ceil(np.log2(least)))
    yield int(np.floor(most))


def _map(turns: Array, rank: int, half: int) -> Shape | None:
    """The sizes of a map of so many axes whose pairs turn along each in order."""
    sizes_: list[int] = []
    inner = len(turns)
    for axis in range(rank - 1):
        moved = np.abs(turns[:inner, axis * half] - 1) > _CLOSE
        step = int(np.argmax(moved)) if moved.any() else 0
        if not step or inner % step:
            return None
        sizes_.append(inner // step)
        inner = step
    return (*sizes_, inner)


def given(turning: Mapping[str, Any], places: Sequence[int]) -> list[str]:
    """What attention says of how its queries and keys are turned, at places of these sizes."""
    if not turning:
        return []
    found = [f"rotary={number(turning['base'])}"]
    found += pairs(turning)
    size = turning.get("size")
    if size and tuple(places) != tuple(size):
        # Of a sequence, one number would be a map of one axis.
        found.append(f"rotary_size={'x'.join(map(str, size))}")
    return [item if item.startswith("rotary") else f"rotary_{item}" for item in found]


def pairs(turning: Mapping[str, Any]) -> list[str]:
    """Which channels turn, with which, and how slowly long waves, where that is not all by halves alike."""
    share = turning["share"]
    found = [f"part={number(share)}"] * (share != 1)
    found += ["pairs=neighbours"] * bool(turning["neighbours"])
    if "factor" in turning:
        found.append(f"factor={number(turning['factor'])}")
        found += [f"length={turning['length']}"] * (turning["length"] != Slowing().length)
    return found


def rotary(writer: Writer, node: Node) -> View:
    """What is turned, its heads and their channels one axis."""
    view, axis = writer.settled(node.inputs[0]), node.get("axis")
    if node.get("size"):
        raise Unsaid("it turns by the axes of a map, outside of attention")
    inner = flat(a for i, a in enumerate(view.axes[:-1]) if i != axis)
    batch = view.base[0]
    if inner[: len(batch)] != batch or not view.axes[axis]:
        raise Unsaid("its heads are no part of the channels")
    # Heads that are copies of others turn as those do.
    repeated = set(copies(view))
    heads = tuple(atom for atom in inner[len(batch) :] if atom not in repeated)
    view = writer.arranged(view, (batch, (*heads, *view.axes[-1]), view.axes[axis]))
    found = [str(size_of(heads))] * bool(heads)
    found += [f"base={number(node.get('base'))}"] * (node.get("base") != 10000)
    found += pairs(node.attributes)
    head = f"rotary({', '.join(found)})" if found else "rotary"
    return view.on(writer.step(head, [view.wire], view.wire.sizes))

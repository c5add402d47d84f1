"""Rotary positions: pairs of channels turned by the place they stand at, in a sequence or a map."""

from __future__ import annotations

from math import log, pi, prod
from typing import Any, NamedTuple

from netspec.diagnostics.messages.shapes import ElementsDiffer, UnknownSize
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.plain import plain
from netspec.sizes.shapes import TensorType, numel

# Steps are counted by so many, and turns in so many parts whose products with counts are exact in float32.
_NEAR, _EXACT = 2**8, 2**12


class Places(NamedTuple):
    """What steps are places of: a map of this `size`, row by row, after `tokens` that do not turn.

    Without a size they are a sequence's.
    """

    size: tuple[int, ...] = ()
    tokens: int = 0

    @property
    def rank(self) -> int:
        """How many axes share the channels of a head."""
        return max(1, len(self.size))


def places_of(op: Operator, tensor: TensorType, size: int | tuple[int, ...] | None) -> Places:
    """Those of a map, or of a sequence that ends in one of the `size` given; raises Rejection."""
    rank = need_spatial(op, tensor)
    if size is None and rank == 1:
        return Places()
    if size is None:
        known = tuple(length for length in tensor.spatial if isinstance(length, int))
        if len(known) < rank:
            advice = "positions along several axes are numbers, so sizes must be"
            raise Rejection(UnknownSize(op.spelling, str(tensor), advice))
        return Places(known)
    asked = (size,) if isinstance(size, int) else size
    steps = numel(tensor.spatial)
    if not isinstance(steps, int) or steps < prod(asked):
        wanted = f"{prod(asked)} steps or more"
        raise Rejection(ElementsDiffer(op.spelling, str(tensor), wanted))
    return Places(asked, steps - prod(asked))


class Slowing(NamedTuple):
    """How waves longer than `length` steps turn `factor` times slower (Llama 3.1, Grattafiori et al. 2024).

    Those of at most a quarter of it turn as ever, between by a share that is linear in turns.
    """

    factor: float = 1.0
    length: int = 8192

    def of(self, rate: float) -> float:
        """The rate of a pair that would turn by this one."""
        turns = self.length * rate / (2 * pi)
        kept = min(1.0, max(0.0, (turns - 1) / 3))
        return rate * ((1 - kept) / self.factor + kept)


@plain
def map_angles(torch: Any, size: tuple[int, ...], tokens: int, half: int, fall: float) -> Any:
    """By what each pair of channels turns at each place: (places, axes * half), nothing at tokens.

    Along an axis pair i turns by exp(-fall i) for each step.
    """
    count = 1
    for length in size:
        count = count * length
    each = torch.exp(torch.arange(half, dtype=torch.float64) * -fall)
    places, parts, inner = torch.arange(count), [], count
    for length in size:
        inner = inner // length
        parts.append((places // inner % length)[:, None] * each)
    found = torch.zeros((tokens + count, len(size) * half), dtype=torch.float64)
    found[tokens:] = torch.stack(parts, 1).reshape(count, -1)
    return found


@plain
def step_angles(
    torch: Any, tensor: Any, half: int, base: float, factor: float = 1.0, length: int = 0
) -> Any:
    """By what each pair of channels turns at each step of (N, heads, T, D): (T, half).

    Waves longer than `length` steps turn `factor` times slower, those of a quarter as ever.
    """
    rates = [base ** (-i / half) for i in range(half)]
    each = torch.tensor(rates, dtype=torch.float64, device=tensor.device)
    if length:
        kept = ((length * each / (2 * torch.pi) - 1) / 3).clamp(0, 1)
        each = each * ((1 - kept) / factor + kept)
    steps = torch.arange(tensor.shape[2], dtype=torch.float64, device=tensor.device)
    return steps.unsqueeze(1) * each


@plain
def turned_halves(torch: Any, tensor: Any, angles: Any, half: int) -> Any:
    """(N, heads, T, D), each channel turned with that `half` further by (T, half).

    What is behind both halves stays.
    """
    cos, sin = angles.cos().to(tensor.dtype), angles.sin().to(tensor.dtype)
    first, second = tensor[..., :half], tensor[..., half : 2 * half]
    turned = first * cos - second * sin, second * cos + first * sin
    return torch.cat([*turned, tensor[..., 2 * half :]], -1)


@plain
def turned_neighbours(torch: Any, tensor: Any, angles: Any, half: int) -> Any:
    """(N, heads, T, D), each of the first `half` pairs of channels turned by (T, half)."""
    cos, sin = angles.cos().to(tensor.dtype), angles.sin().to(tensor.dtype)
    first, second = tensor[..., 0 : 2 * half : 2], tensor[..., 1 : 2 * half : 2]
    turned = first * cos - second * sin, second * cos + first * sin
    pairs = torch.stack(turned, -1).flatten(-2)
    return torch.cat([pairs, tensor[..., 2 * half :]], -1)


class Turning:
    """Rotary positions (Su et al. 2021): each pair of a head's channels turned by its place.

    `base` is the growth of the wavelengths, `part` the share of the channels that turn; pairs are
    neighbours, or the first of each half. `places` are the map's, whose axes share the channels out;
    `slowing` is for sequences alone.
    """

    def __init__(
        self,
        base: float,
        width: int,
        part: float,
        neighbours: bool,
        places: Places,
        slowing: Slowing,
    ) -> None:
        rank = places.rank
        self.turned = int(width * part) // (2 * rank) * 2 * rank
        self.width, self.neighbours, self.places = width, neighbours, places
        self._base, self._slowing = base, slowing
        half = self.turned // (2 * rank)
        self.rates = [slowing.of(base ** (-i / half)) for i in range(half)]

    def _given(self) -> tuple[tuple[int, ...], int, int, float]:
        """What `map_angles` takes."""
        half = len(self.rates)
        return self.places.size, self.places.tokens, half, log(self._base) / half

    def torch(self, torch: Any, tensor: Any) -> Any:
        """(N, heads, T, D) turned."""
        if self.places.size:
            angles = map_angles(torch, *self._given()).to(tensor.device)
        else:
            slowed = () if self._slowing.factor == 1 else self._slowing
            angles = step_angles(torch, tensor, len(self.rates), self._base, *slowed)
        turn = turned_neighbours if self.neighbours else turned_halves
        return turn(torch, tensor, angles, self.turned // 2)

    def onnx(self, graph: Builder, name: str, operand: Operand) -> str:
        """The name of (N, heads, T, D) turned; `operand` is what its steps are those of."""
        import numpy as np

        size, half = operand.type.spatial[0], self.turned // 2
        rates = np.array(self.rates)
        angles = None
        if self.places.size:
            angles = map_angles(np, *self._given())
        elif isinstance(size, int):
            angles = np.arange(size)[:, None] * rates
        if angles is not None:
            cos, sin = (graph.constant(f(angles).astype(np.float32)) for f in (np.cos, np.sin))
        else:
            turns = _open_angles(graph, operand, rates)
            cos, sin = graph.node("Cos", [turns]), graph.node("Sin", [turns])
        rest: tuple[str, ...] = ()
        if self.turned < self.width:
            name, *rest = graph.split(name, [self.turned, self.width - self.turned], axis=3)  # type: ignore[assignment]
        if self.neighbours:
            shape = graph.integers([0, 0, -1, half, 2])
            name = graph.node("Reshape", [name, shape])
        first, second = graph.split(name, [half if not self.neighbours else 1] * 2, axis=-1)
        if self.neighbours:
            first, second = (
                graph.node("Squeeze", [part, graph.integers([4])]) for part in (first, second)
            )
        turned = [
            graph.node("Sub", [graph.node("Mul", [first, cos]), graph.node("Mul", [second, sin])]),
            graph.node("Add", [graph.node("Mul", [second, cos]), graph.node("Mul", [first, sin])]),
        ]
        if self.neighbours:
            turned = [graph.node("Unsqueeze", [part, graph.integers([4])]) for part in turned]
            name = graph.node("Concat", turned, axis=4)
            name = graph.node("Reshape", [name, graph.integers([0, 0, -1, self.turned])])
            return graph.node("Concat", [name, *rest], axis=3) if rest else name
        return graph.node("Concat", [*turned, *rest], axis=3)


def _open_angles(graph: Builder, operand: Operand, rates: Any) -> str:
    """The name of angles (T, half), each about half a turn at most, of steps whose number is open.

    A product in float32 loses what is left of a turn, digit by digit of the step. So steps are 256 a + b, and
    what each of a and b turns by is a share of 12 bits, whose products are exact up to 2^20 steps, and a rest
    that stays below a turn. Not in whole numbers of 64 bits, which some readers take for 32.
    """
    import numpy as np

    def number(value: float) -> str:
        return graph.constant(np.float32(value))

    places = graph.node("Cast", [graph.steps(operand, 2)], to=1)
    steps = graph.node("Unsqueeze", [places, graph.integers([1])])
    high = graph.node("Floor", [graph.node("Mul", [steps, number(1 / _NEAR)])])
    low = graph.node("Sub", [steps, graph.node("Mul", [high, number(_NEAR)])])
    turns = rates[None] / (2 * np.pi)
    found = ""
    for part, share in ((high, turns * _NEAR % 1), (low, turns)):
        coarse = np.floor(share * _EXACT) / _EXACT
        whole, rest = (
            graph.node("Mul", [part, graph.constant(factor.astype(np.float32))])
            for factor in (coarse, share - coarse)
        )
        for each in (graph.node("Sub", [whole, graph.node("Floor", [whole])]), rest):
            found = graph.node("Add", [found, each]) if found else each
    # Up to four turns: the nearest whole number of them is left out.
    nearest = graph.node("Floor", [graph.node("Add", [found, number(0.5)])])
    left = graph.node("Sub", [found, nearest])
    return graph.node("Mul", [left, number(2 * np.pi)])

"""Tensors without numbers: sizes, strides, a storage, and whether a gradient flows into them.

They take torch's tensors' place in what layers compute. Views share their storage. What a function
keeps for backward, it keeps of a `Tape`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from netspec.analysis.training.autocast import POLICIES
from netspec.analysis.training.known import KNOWN, UnknownFunction
from netspec.analysis.training.layout import Sizes, contiguous, elements, is_contiguous
from netspec.foundation.records import record


@record
class Dtype:
    """A type of numbers: its name, its bytes, and how it ranks where types meet."""

    name: str
    size: int
    rank: int

    @property
    def floating(self) -> bool:
        """Whether gradients may flow."""
        return self.rank >= 3


BOOL, UINT8 = Dtype("bool", 1, 0), Dtype("uint8", 1, 1)
INT32, INT64 = Dtype("int32", 4, 2), Dtype("int64", 8, 2)
FLOAT16, BFLOAT16 = Dtype("float16", 2, 3), Dtype("bfloat16", 2, 3)
FLOAT32, FLOAT64 = Dtype("float32", 4, 4), Dtype("float64", 8, 5)
DTYPES = {
    kind.name: kind
    for kind in (BOOL, UINT8, INT32, INT64, FLOAT16, BFLOAT16, FLOAT32, FLOAT64)
}  # fmt: skip


class Storage:
    """Bytes that one or several tensors lie in; a net's `own` are there whatever is kept."""

    __slots__ = ("bytes", "number", "own", "tape")

    def __init__(self, tape: Tape, size: int, own: bool) -> None:
        self.tape, self.bytes, self.own = tape, size, own
        self.number = tape.made
        tape.made += 1
        if not own:
            tape.alive += size
            if tape.alive > tape.most[0]:
                tape.most = (tape.alive, tape.place)

    def __del__(self) -> None:
        if not self.own:
            self.tape.alive -= self.bytes


@record
class Move:
    """One function that a gradient goes back through, by the numbers of storages.

    It turns the gradient of what it `makes` into those of what it `reads`, with what it has `kept`. With
    each that it reads stand the bytes of its storage, those of its gradient before that is added up,
    where it was expanded, and whether it is a net's own.
    """

    place: str
    makes: int
    reads: tuple[tuple[int, int, int, bool], ...]
    kept: tuple[int, ...]


class Tape:
    """What is kept for backward while layers are followed.

    `place` is the step that runs, `training` whether it does so in training mode. `kept` has the
    storages in the order in which they are first kept, each with the place that does. `low` is the type
    that autocast computes in, None without. `device` is `cpu` or `cuda`, where the two do not keep the
    same. `alive` are the bytes of all that is there but the net's own, `most` the most so far, and
    where; a storage is freed as torch frees it, when nothing refers to it. `moves` are the functions
    that the gradient goes back through.
    """

    def __init__(self, device: str = "cpu", low: Dtype | None = None) -> None:
        self.device, self.low = device, low
        self.place, self.training = "", True
        self.kept: dict[Storage, str] = {}
        self.casts: dict[Storage, Tensor] = {}
        self.draws: dict[str, Tensor] = {}
        self.moves: list[Move] = []
        self.made = 0
        self.alive, self.most = 0, (0, "")

    def fresh(
        self,
        shape: Sequence[int],
        dtype: Dtype = FLOAT32,
        strides: Sizes | None = None,
        *,
        needs: bool = False,
        own: bool = False,
    ) -> Tensor:
        """A tensor with a storage of its own, dense in the order of the strides."""
        sizes = tuple(shape)
        storage = Storage(self, elements(sizes) * dtype.size, own)
        steps = contiguous(sizes) if strides is None else strides
        made = Tensor(self, sizes, steps, dtype, storage, needs and dtype.floating)
        made.leaf = own
        return made

    def drawn(self, name: str, rows: int) -> Tensor:
        """The number for each sample that operators share by this name."""
        if name not in self.draws:
            self.draws[name] = self.fresh((rows,))
        return self.draws[name]

    def keep(self, *tensors: Tensor) -> None:
        """Keeps tensors for backward, each storage once."""
        for tensor in tensors:
            self.kept.setdefault(tensor.storage, self.place)

    def result(
        self,
        inputs: Sequence[Tensor],
        shape: Sequence[int],
        *,
        dtype: Dtype | None = None,
        strides: Sizes | None = None,
        keep: Sequence[Tensor | None] = (),
        itself: bool = False,
    ) -> Tensor:
        """What a function makes of inputs; where a gradient flows, it keeps these, and `itself`."""
        needs = any(tensor.needs for tensor in inputs)
        made = self.fresh(shape, dtype or inputs[0].dtype, strides, needs=needs)
        if made.needs:
            held = [tensor for tensor in (*keep, made if itself else None) if tensor is not None]
            self.keep(*held)
            reads = tuple(
                (tensor.storage.number, tensor.storage.bytes, tensor.bytes, tensor.storage.own)
                for tensor in inputs
                if tensor.needs
            )
            kept = tuple(tensor.storage.number for tensor in held)
            self.moves.append(Move(self.place, made.storage.number, reads, kept))
        return made

    def call(self, name: str, *args: Any, **named: Any) -> Any:
        """What the function of torch's of this name makes."""
        function = KNOWN.get(name)
        if function is None:
            raise UnknownFunction(name)
        kind = self._computed_in(name, (*args, *named.values()))
        if kind is None:
            return function(self, *args, **named)
        low, self.low = self.low, None
        given = [self._cast(value, kind, low) for value in args]
        found = function(self, *given, **{k: self._cast(v, kind, low) for k, v in named.items()})
        self.low = low
        return found

    def _computed_in(self, name: str, given: Sequence[Any]) -> Dtype | None:
        """The type that autocast computes a function in; None where it leaves it alone."""
        if self.low is None:
            return None
        policy = POLICIES[self.device]
        if name in policy.low:
            return self.low
        if name in policy.full:
            return FLOAT32
        if name not in policy.widest:
            return None
        tensors = [t for value in given for t in _tensors(value) if t.dtype.floating]
        return max((t.dtype for t in tensors), key=lambda kind: kind.rank, default=None)

    def _cast(self, value: Any, kind: Dtype, low: Dtype | None) -> Any:
        """What autocast makes of an argument; a parameter's copy is made once."""
        if isinstance(value, list | tuple):
            return type(value)(self._cast(item, kind, low) for item in value)
        if not isinstance(value, Tensor) or not value.dtype.floating:
            return value
        if value.dtype is kind or value.dtype is FLOAT64:
            return value
        cached = kind is low and value.leaf and value.needs
        if cached and value.storage in self.casts:
            return self.casts[value.storage]
        found = self.call("to", value, kind)
        if cached:
            self.casts[value.storage] = found
        return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


class Tensor:
    """A tensor of a tape; a `leaf` is no view and made by no function.

    Methods and operators that it has no own ones for are functions by name.
    """

    __slots__ = ("dtype", "leaf", "needs", "shape", "storage", "strides", "tape")

    # There is one device, and what is asked of it is told by its name alone.
    device = None

    def __init__(
        self,
        tape: Tape,
        shape: Sizes,
        strides: Sizes,
        dtype: Dtype,
        storage: Storage,
        needs: bool,
    ) -> None:
        self.tape, self.shape, self.strides = tape, shape, strides
        self.dtype, self.storage, self.needs = dtype, storage, needs
        self.leaf = False

    def alias(self, shape: Sequence[int], strides: Sequence[int]) -> Tensor:
        """The same storage by other sizes and strides."""
        return Tensor(self.tape, tuple(shape), tuple(strides), self.dtype, self.storage, self.needs)

    @property
    def layout_of(self) -> tuple[Sizes, Sizes]:
        """Shape and strides."""
        return self.shape, self.strides

    @property
    def bytes(self) -> int:
        """Bytes of its elements, each counted once."""
        return elements(self.shape) * self.dtype.size

    def dim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def numel(self) -> int:
        """How many elements it has."""
        return elements(self.shape)

    def is_contiguous(self) -> bool:
        """Whether the elements lie in order."""
        return is_contiguous(self.shape, self.strides)

    @property
    def T(self) -> Tensor:
        """Its axes in the reverse order."""
        return self.alias(self.shape[::-1], self.strides[::-1])

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tape.call("unbind", self, 0))

    def __getitem__(self, index: Any) -> Tensor:
        found: Tensor = self.tape.call("getitem", self, index)
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.needs or (isinstance(value, Tensor) and value.needs):
            raise TypeError("a tensor that a gradient flows into is not written over")

    def __getattr__(self, name: str) -> Any:
        if name not in KNOWN:
            raise UnknownFunction(name)

        def method(*args: Any, **named: Any) -> Any:
            return self.tape.call(name, self, *args, **named)

        return method

    __hash__ = object.__hash__


def _operator(method: str, name: str, turned: bool = False) -> None:
    def called(self: Tensor, *others: Any) -> Any:
        operands = (*others, self) if turned else (self, *others)
        return self.tape.call(name, *operands)

    setattr(Tensor, f"__{method}__", called)


for _name in ("add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "matmul"):
    _method = {"div": "truediv", "floor_divide": "floordiv", "remainder": "mod"}.get(_name, _name)
    _operator(_method, _name)
    _operator(f"r{_method}", _name, turned=True)
for _name in ("lt", "le", "gt", "ge", "eq", "ne", "neg"):
    _operator(_name, _name)
for _name in ("and", "or", "xor"):
    _operator(_name, f"bitwise_{_name}")
_operator("invert", "bitwise_not")

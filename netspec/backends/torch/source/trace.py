"""What an operator's `compute` does, as expressions: it is run on tensors that write down what is asked.

The tensors stand for two examples of different batch and open sizes, both on the meta device. A size
in which they agree is a number, any other is written as it is read: `x.shape[2]`. What would go one way
for one example and another way for the other cannot be written down.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from netspec.backends.torch.source.code import (
    Bin,
    Code,
    Const,
    Cut,
    Fn,
    Get,
    Item,
    Neg,
    Seq,
    Slot,
    Text,
    flat,
    slots,
)
from netspec.backends.torch.source.sizes import Size, Untold, in_example
from netspec.backends.torch.source.tidy import (
    FUNCTIONS,
    RESHAPING,
    equal_parts,
    is_repeatable,
    moves_nothing,
    needed,
    needed_first,
    written_out,
)
from netspec.foundation.records import record


@record
class Line:
    """One statement: the tensors it gives, by number, and what of.

    The last `inner` of them are a tuple of their own.
    """

    gives: tuple[int, ...]
    code: Code
    inner: int = 0


class Trace:
    """The statements of one function, as they are written down. `helpers` are the functions it calls."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.helpers: dict[str, Callable[..., Any]] = {}
        self.count = 0
        self.kinds: dict[int, torch.dtype] = {}
        # What was computed, by how it is written.
        self._known: dict[str, Traced] = {}

    def tensor(self, *examples: torch.Tensor) -> Traced:
        """A further tensor, an input of the function."""
        self.kinds[self.count] = examples[0].dtype
        self.count += 1
        return Traced(self, Slot(self.count - 1), examples)

    def given(self, code: Code, examples: tuple[Any, Any]) -> Any:
        """What an expression gives, written down if it is a tensor or several."""
        first = examples[0]
        if isinstance(first, torch.Tensor):
            words = flat(code)
            if words in self._known and is_repeatable(code):
                return self._known[words]
            found = self._known[words] = self.tensor(*examples)
            self.lines.append(Line((found.index,), code))
            return found
        if isinstance(first, tuple | list) and any(isinstance(x, torch.Tensor) for x in first):
            if len(first) == 1:
                return (self.given(Item(code, (Const(0),)), (first[0], examples[1][0])),)
            *plain, last = zip(*examples, strict=True)
            many: list[Any] = [self.tensor(*pair) for pair in plain]
            inner: tuple[Traced, ...] = ()
            if isinstance(last[0], tuple):
                inner = tuple(self.tensor(*pair) for pair in zip(*last, strict=True))
            else:
                many.append(self.tensor(*last))
            gives = tuple(tensor.index for tensor in (*many, *inner))
            self.lines.append(Line(gives, code, len(inner)))
            return (*many, inner) if inner else tuple(many)
        if isinstance(first, bool | int) and examples[0] == examples[1]:
            return first
        return Told(self, code, examples)

    def call(
        self, code: Code, function: Callable[..., Any], args: Any, named: Any, *own: Traced
    ) -> Any:
        """Calls a function with what is traced, which `code` calls; a method with its `own` tensor."""
        lifted = tuple(lift(value) for value in args)
        pairs = tuple((name, lift(value)) for name, value in named.items())
        examples = tuple(
            function(
                *(real(value, i) for value in (*own, *args)),
                **{name: real(value, i) for name, value in named.items()},
            )
            for i in (0, 1)
        )
        return self.given(Fn(code, lifted, pairs), (examples[0], examples[1]))

    def prune(self, gives: tuple[int, ...]) -> None:
        """Leaves out what nothing reads, of what only computes."""
        read = set(gives)
        kept = []
        for line in reversed(self.lines):
            if read.intersection(line.gives) or not is_repeatable(line.code):
                kept.append(line)
                read.update(slots(line.code))
        self.lines = kept[::-1]


class Told:
    """A value that is known by an expression: a tensor's type or device, or a number of it."""

    def __init__(self, trace: Trace, code: Code, examples: tuple[Any, ...]) -> None:
        self.trace, self.code, self.examples = trace, code, examples

    def __getattr__(self, name: str) -> Any:
        found = tuple(getattr(example, name) for example in self.examples)
        return self.trace.given(Get(self.code, name), (found[0], found[1]))


class Traced:
    """A tensor that writes down what is asked of it."""

    def __init__(self, trace: Trace, code: Code, examples: tuple[torch.Tensor, ...]) -> None:
        self.trace, self.code, self.examples = trace, code, examples

    @property
    def index(self) -> int:
        """Its number."""
        assert isinstance(self.code, Slot)
        return self.code.index

    @property
    def shape(self) -> tuple[int | Size, ...]:
        """Its sizes, batch included."""
        pairs = zip(*(example.shape for example in self.examples), strict=True)
        shape = Get(self.code, "shape")
        return tuple(
            first if first == other else Size(Item(shape, (Const(i),)), first, other)
            for i, (first, other) in enumerate(pairs)
        )

    def dim(self) -> int:
        """How many axes it has."""
        return self.examples[0].dim()

    def __len__(self) -> int:
        size = self.shape[0]
        if isinstance(size, Size):
            raise Untold("a length that is not known")
        return size

    def __iter__(self) -> Iterator[Any]:
        return iter(self.unbind(0))

    def __getitem__(self, index: Any) -> Any:
        items = index if isinstance(index, tuple) else (index,)
        found = tuple(self.examples[i][real(index, i)] for i in (0, 1))
        return self.trace.given(Item(self.code, tuple(map(lift, items))), (found[0], found[1]))

    def __getattr__(self, name: str) -> Any:
        found = tuple(getattr(example, name) for example in self.examples)
        if not callable(found[0]):
            return self.trace.given(Get(self.code, name), (found[0], found[1]))

        def method(*args: Any, **named: Any) -> Any:
            return self._call(name, args, named)

        return method

    def _call(self, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Calls a method of the tensor, written as `tidy` has it."""
        if name == "split" and (count := equal_parts(args[0])) is not None:
            return self._call("chunk", (count, *args[1:]), named)

        def called(this: Any, *rest: Any, **more: Any) -> Any:
            return getattr(this, name)(*rest, **more)

        if name in RESHAPING and self._keeps_shape(called, args, named):
            return self
        named = needed(name, getattr(torch.Tensor, name), named)
        if name in FUNCTIONS:
            whole = tuple(list(a) if name == "split" and isinstance(a, tuple) else a for a in args)
            return self.trace.call(Text(f"torch.{name}"), called, (self, *whole), named)
        return self.trace.call(Get(self.code, name), called, args, named, self)

    def _keeps_shape(self, called: Callable[..., Any], args: Any, named: Any) -> bool:
        return all(
            called(
                example,
                *(real(value, i) for value in args),
                **{key: real(value, i) for key, value in named.items()},
            ).shape
            == example.shape
            for i, example in enumerate(self.examples)
        )


def _operator(sign: str, name: str) -> None:
    """Gives tensors an operator that writes itself down."""

    def method(self: Traced, value: Any, turned: bool = False) -> Any:
        operands = (value, self) if turned else (self, value)
        found = []
        for i in (0, 1):
            first, second = (real(operand, i) for operand in operands)
            found.append(
                getattr(torch.Tensor, f"__{name}__")(first, second)
                if not turned
                else getattr(torch.Tensor, f"__r{name}__")(second, first)
            )
        code = Bin(sign, lift(operands[0]), lift(operands[1]))
        return self.trace.given(code, (found[0], found[1]))

    setattr(Traced, f"__{name}__", method)
    if hasattr(torch.Tensor, f"__r{name}__"):
        setattr(Traced, f"__r{name}__", lambda self, value: method(self, value, turned=True))


for _sign, _name in {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
    "@": "matmul", ">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "ne", "&": "and",
    "|": "or",
}.items():  # fmt: skip
    _operator(_sign, _name)
Traced.__hash__ = object.__hash__  # type: ignore[method-assign]
for _sign, _name in {"-": "neg", "~": "invert"}.items():

    def _unary(self: Traced, sign: str = _sign, name: str = _name) -> Any:
        found = tuple(getattr(example, f"__{name}__")() for example in self.examples)
        return self.trace.given(Neg(sign, self.code), (found[0], found[1]))

    setattr(Traced, f"__{_name}__", _unary)


# Functions that are written as operators.
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


class Torch:
    """`torch`, or a module in it, as `compute` is given it: functions that are traced."""

    def __init__(self, trace: Trace, module: Any = torch, path: str = "torch") -> None:
        self._trace, self._module, self._path = trace, module, path

    def __getattr__(self, name: str) -> Any:
        found, path = getattr(self._module, name), f"{self._path}.{name}"
        if path == "torch.nn.functional":
            path = "F"
        if isinstance(found, type(torch)):
            return Torch(self._trace, found, path)
        if not callable(found) or isinstance(found, torch.dtype):
            return (
                found if isinstance(found, float) else Told(self._trace, Text(path), (found, found))
            )
        if name in _SIGNS and self._module is torch:
            return lambda one, other: _SIGNS[name](one, other)
        return partial(self._call, Text(path), name, found)

    def _call(self, code: Code, name: str, found: Any, *args: Any, **named: Any) -> Any:
        if name == "broadcast_tensors" and is_one_shape(args):
            return args
        if name in FUNCTIONS and self._module is torch:
            return args[0]._call(name, args[1:], named)
        if moves_nothing(name, args) and not named:
            return args[0]
        args = needed_first(name, found, args)
        return self._trace.call(code, found, args, needed(name, found, named))

    def written(self, function: Callable[..., Any], args: Any, named: Any) -> Any:
        """Calls a function that is written out as it stands; see `netspec.ops.declare.plain`."""
        name = function.__name__
        self._trace.helpers[name] = function
        args, named = written_out(function, args, named)
        return self._trace.call(Text(name), lambda *a, **n: function(torch, *a, **n), args, named)


def is_one_shape(tensors: tuple[Traced, ...]) -> bool:
    """Whether tensors have one shape, in both examples."""
    return all(len({tensor.examples[i].shape for tensor in tensors}) == 1 for i in (0, 1))


def real(value: Any, example: int) -> Any:
    """The value itself in one of the two examples."""
    match value:
        case Traced() | Told():
            return value.examples[example]
        case Size():
            return in_example(value, example)
        case tuple() | list():
            return type(value)(real(item, example) for item in value)
        case slice():
            ends = (value.start, value.stop, value.step)
            return slice(*(real(end, example) for end in ends))
    return value


def _cut(piece: slice) -> Cut:
    """A slice without the ends and the step that it has anyway."""
    step = None if type(piece.step) is int and piece.step == 1 else piece.step
    forward = step is None or (type(step) is int and step > 0)
    start = None if forward and type(piece.start) is int and piece.start == 0 else piece.start
    return Cut(lift(start), lift(piece.stop), lift(step))


def lift(value: Any) -> Code:
    """The value as an expression."""
    match value:
        case Traced() | Told() | Size():
            return value.code
        case None | bool() | float() | str():
            return Const(value)
        case int():
            return Const(int(value))
        case torch.dtype():
            return Text(str(value))
        case tuple():
            return Seq(tuple(map(lift, value)))
        case list():
            return Seq(tuple(map(lift, value)), "[]")
        case range():
            return Seq(tuple(map(lift, value)), "[]")
        case slice():
            return _cut(value)
    if value is Ellipsis:
        return Text("...")
    raise Untold(f"a {type(value).__name__} has no short form")

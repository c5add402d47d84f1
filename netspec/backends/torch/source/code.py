"""Python expressions as trees, and their text in lines of 88 columns, as ruff and black lay it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from netspec.backends.torch.source.numbers import divided
from netspec.foundation.records import record

WIDTH = 88


@record
class Const:
    """A number, yes or no, None or a text."""

    value: int | float | str | None


@record
class Slot:
    """A tensor of the function that the expression stands in, by number."""

    index: int


@record
class Hole:
    """A number that instances of a class differ in, by its place in the class."""

    index: int


@record
class Text:
    """A name: `torch.float32`, `self`, `x`."""

    text: str


@record
class Fn:
    """A call. Of what has a `signature`, arguments are by name, all there are, in its order."""

    target: Code
    args: tuple[Code, ...] = ()
    named: tuple[tuple[str, Code], ...] = ()
    signature: Signature | None = None


@record
class Get:
    """`base.name`."""

    base: Code
    name: str


@record
class Item:
    """`base[a, b]`."""

    base: Code
    index: tuple[Code, ...]


@record
class Cut:
    """`first:last:step` in an index."""

    first: Code
    last: Code
    step: Code


@record
class Bin:
    """Two operands and what is between."""

    sign: str
    left: Code
    right: Code


@record
class Neg:
    """`-a`, `~a`."""

    sign: str
    operand: Code


@record
class Seq:
    """`(a, b)` or `[a, b]`."""

    items: tuple[Code, ...]
    brackets: str = "()"


@record
class Signature:
    """The parameters of a call: name and default, `...` where there is none.

    The first `plain` are given by position.
    """

    params: tuple[tuple[str, object], ...]
    plain: int


Code: TypeAlias = Const | Slot | Hole | Text | Fn | Get | Item | Cut | Bin | Neg | Seq

NONE = Const(None)


def mapped(code: Code, change: Callable[[Code], Code | None]) -> Code:
    """The tree with some parts changed: those for which `change` gives something."""
    found = change(code)
    if found is not None:
        return found

    def inner(part: Code) -> Code:
        return mapped(part, change)

    match code:
        case Fn(target, args, named, signature):
            pairs = tuple((name, inner(value)) for name, value in named)
            return Fn(inner(target), tuple(map(inner, args)), pairs, signature)
        case Get(base, name):
            return Get(inner(base), name)
        case Item(base, index):
            return Item(inner(base), tuple(map(inner, index)))
        case Cut(first, last, step):
            return Cut(inner(first), inner(last), inner(step))
        case Bin(sign, left, right):
            return Bin(sign, inner(left), inner(right))
        case Neg(sign, operand):
            return Neg(sign, inner(operand))
        case Seq(items, brackets):
            return Seq(tuple(map(inner, items)), brackets)
    return code


def parts(code: Code) -> Iterator[Code]:
    """The tree's leaves, in the order of the text."""
    match code:
        case Fn(target, args, named):
            children: tuple[Code, ...] = (target, *args, *(value for _, value in named))
        case Get(base):
            children = (base,)
        case Item(base, index):
            children = (base, *index)
        case Cut(first, last, step):
            children = (first, last, step)
        case Bin(_, left, right):
            children = (left, right)
        case Neg(_, operand):
            children = (operand,)
        case Seq(items):
            children = items
        case _:
            yield code
            return
    for child in children:
        yield from parts(child)


def slots(code: Code) -> list[int]:
    """The tensors that an expression reads, each as often as it does, in order."""
    return [part.index for part in parts(code) if isinstance(part, Slot)]


# --- text

# How tightly operators bind; a call and what is in brackets bind most.
_BINDING = {
    "==": 1, "!=": 1, "<": 1, "<=": 1, ">": 1, ">=": 1,
    "|": 2, "&": 3, "+": 4, "-": 4, "*": 5, "/": 5, "//": 5, "%": 5, "@": 5, "unary": 6, "**": 7,
}  # fmt: skip
_MOST = 9


def flat(code: Code) -> str:
    """The expression on one line."""
    return _flat(code)[0]


def _flat(code: Code) -> tuple[str, int]:
    """The text and how tightly it binds."""
    match code:
        case Const(float(value)) if (text := divided(value)) is not None:
            return text, _BINDING["/"]
        case Const(value):
            text = _literal(value)
            return text, _BINDING["unary"] if text.startswith("-") else _MOST
        case Text(text):
            return text, _MOST
        case Slot(index):
            return f"_{index}", _MOST
        case Hole(index):
            return f"_h{index}", _MOST
        case Fn(target):
            return f"{_inside(target, _MOST)}({', '.join(arguments(code))})", _MOST
        case Get(base, name):
            whole = isinstance(base, Const) and isinstance(base.value, int)
            held = f"({flat(base)})" if whole else _inside(base, _MOST)
            return f"{held}.{name}", _MOST
        case Item(base, index):
            items = ", ".join(map(flat, index))
            return f"{_inside(base, _MOST)}[{items}]", _MOST
        case Cut():
            return _cut(code), 0
        case Bin(sign, left, right):
            binding = _BINDING[sign]
            # Comparisons do not chain, and powers bind to the right.
            first = _inside(left, binding + (binding == 1 or sign == "**"))
            second = _inside(right, binding + (sign != "**"))
            simple = sign == "**" and _is_simple(left) and _is_simple(right)
            return f"{first}{sign}{second}" if simple else f"{first} {sign} {second}", binding
        case Neg(sign, operand):
            return f"{sign}{_inside(operand, _BINDING['unary'])}", _BINDING["unary"]
        case Seq(items, brackets):
            inner = ", ".join(map(flat, items))
            if len(items) == 1 and brackets == "()":
                inner += ","
            return f"{brackets[0]}{inner}{brackets[1]}", _MOST
    raise AssertionError(code)


def _inside(code: Code, least: int) -> str:
    text, binding = _flat(code)
    return text if binding >= least else f"({text})"


def _is_simple(code: Code) -> bool:
    """Whether ruff leaves no space around `**` beside it."""
    if isinstance(code, Neg):
        return _is_simple(code.operand)
    return isinstance(code, Text | Slot | Hole) or (
        isinstance(code, Const) and isinstance(code.value, int | float)
    )


def _cut(code: Cut) -> str:
    ends = [code.first, code.last]
    if not isinstance(code.step, Const) or code.step.value is not None:
        ends.append(code.step)
    texts = ["" if end == NONE else flat(end) for end in ends]
    # As ruff has it: spaces around the colon where an end is more than a name or a number.
    plain = all(end == NONE or _is_simple(end) for end in ends)
    if plain:
        return ":".join(texts)
    found = texts[0]
    for text in texts[1:]:
        found += " :" if found and not found.endswith(":") else ":"
        found += f" {text}" if text else ""
    return found


def _literal(value: object) -> str:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return repr(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def arguments(call: Fn) -> list[str]:
    """The texts of a call's arguments, those that are as by default left out."""
    return [f"{name}={flat(value)}" if name else flat(value) for name, value in written(call)]


def written(call: Fn) -> list[tuple[str, Code]]:
    """A call's arguments that are written: by what name, or none, and the value."""
    found: list[tuple[str, Code]] = [("", value) for value in call.args]
    defaults = dict(call.signature.params) if call.signature else {}
    plain = call.signature.plain if call.signature else 0
    for i, (name, value) in enumerate(call.named):
        default = defaults.get(name, ...)
        if default is not ... and isinstance(value, Const) and _same(value.value, default):
            plain = min(plain, i)
        else:
            found.append(("" if i < plain else name, value))
    return found


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


def statement(start: str, code: Code, indent: int, after: str = "") -> list[str]:
    """`start`, an expression and what comes `after` it: on one line, or with a call's arguments below it."""
    pad = " " * indent
    line = f"{pad}{start}{flat(code)}{after}"
    if len(line) <= WIDTH or not isinstance(code, Fn):
        return [line]
    head = f"{pad}{start}{_inside(code.target, _MOST)}("
    inner = " " * (indent + 4)
    texts = arguments(code)
    together = f"{inner}{', '.join(texts)}"
    if len(together) <= WIDTH:
        return [head, together, f"{pad}){after}"]
    found = [head]
    for value in written(code):
        found += _argument(value, indent + 4)
    return [*found, f"{pad}){after}"]


def _argument(pair: tuple[str, Code], indent: int) -> list[str]:
    """One argument on lines of its own, with a comma after it."""
    name, value = pair
    start = f"{name}=" if name else ""
    pad = " " * indent
    if len(line := f"{pad}{start}{flat(value)},") <= WIDTH:
        return [line]
    if isinstance(value, Seq):
        inner = " " * (indent + 4)
        together = f"{inner}{', '.join(map(flat, value.items))}"
        opened, closed = f"{pad}{start}{value.brackets[0]}", f"{pad}{value.brackets[1]},"
        if len(together) <= WIDTH:
            return [opened, together, closed]
        items = [line for item in value.items for line in _argument(("", item), indent + 4)]
        return [opened, *items, closed]
    return statement(start, value, indent, ",")

"""Nodes as steps: the parameters that a spec says, in their simplest form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from netspec.diagnostics.raised import Rejection
from netspec.graph.checked import Node, Value
from netspec.graph.written import referred
from netspec.importing.structure.terms import Free, Item, forms, read
from netspec.importing.structure.ways import operands
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import Reference, SchemeParam
from netspec.ops.declare.values import Layer
from netspec.ops.registry import REGISTRY
from netspec.sizes.shapes import TensorType

OWNER, FROZEN, NODES = "weights", "frozen", "*"


def references(node: Node) -> tuple[tuple[Value, ...], dict[str, Value]]:
    """What a node reads by reference: by position, and by the name of a parameter."""
    plain, named = node.op.apart(operands(node))
    return referred(node.op, plain), named


def step(node: Node, pads: tuple[str, ...]) -> Item:
    """The step that makes a node, without norm and activation behind it.

    `pads` are the words for paddings, first what is preferred. Whose weights it uses is said later.
    """
    plain, named = references(node)
    values: dict[str, Any] = {
        name: getattr(node.op, name)
        for name, param in node.op.params.items()
        if not isinstance(param, SchemeParam) and not isinstance(param, Reference)
    }
    values |= dict.fromkeys(node.op.follows)
    if node.op.window(*node.input_types) is not None:
        said = tuple((name, getattr(node.op, name)) for name in node.op.params)
        values |= dict(_simplest(node.op.spelling, said, node.input_types, pads))
    if "over" in values and not node.input_types[0].spatial:
        values["over"] = Free((values["over"], *{"all", "channels"} - {values["over"]}))
    values |= {name: read(named[name]) if name in named else None for name in _steps_of(node.op)}
    values |= {f"@{i}": read(value) for i, value in enumerate(plain)}
    weighted = bool(node.op.weights(*node.input_types))
    values |= {OWNER: None, FROZEN: node.frozen and weighted}
    return Item(node.op.spelling, tuple(values), tuple(values.values()), nodes=(node,))


def layer(item: Item) -> Layer:
    """A step as the argument of another."""
    kind = REGISTRY[item.word]
    said = {
        name: forms(value)[0]
        for name, value in zip(item.slots, item.values, strict=True)
        if name in kind.params and kind.params[name].default not in forms(value)
    }
    positional: list[Any] = []
    for name in kind.order:
        if name not in said:
            break
        positional.append(said.pop(name))
    return Layer(item.word, tuple(positional), tuple(said.items()))


def _steps_of(op: Operator) -> Iterator[str]:
    return (name for name, param in op.params.items() if isinstance(param, Reference))


@lru_cache(maxsize=1024)
def _simplest(
    word: str,
    said: tuple[tuple[str, Any], ...],
    types: tuple[TensorType, ...],
    pads: tuple[str, ...],
) -> tuple[tuple[str, Any], ...]:
    """A window's parameters, each in the simplest form that makes the same window; paddings in all."""
    op = REGISTRY[word](**dict(said))
    window = op.window(*types)
    assert window is not None
    found: dict[str, Any] = {
        n: getattr(op, n) for n in ("kernel", "stride", "pad", "dilation") if n in op.params
    }
    tries: dict[str, list[Any]] = {
        "kernel": [window.kernel],
        "stride": [op.params["stride"].default, window.stride] if "stride" in found else [],
        "dilation": [1, window.dilation],
    }
    for name in [name for name in found if name in tries]:
        for value in tries[name]:
            value = _one(value)
            if _windowed(op, found | {name: value}, types) == window:
                found[name] = value
                break
    if "pad" in found:
        sides = _one([pair[0] for pair in window.pads])
        ways = dict.fromkeys((*pads, sides if window.symmetric else window.pads))
        # No padding is what is not said; a size rounded up leaves no choice.
        ways = dict.fromkeys((0, *ways)) if "ceil" in op.params or sides == 0 else ways
        same = [way for way in ways if _windowed(op, found | {"pad": way}, types) == window]
        found["pad"] = _either(same or [found["pad"]])
    return tuple(found.items())


def _either(ways: list[Any]) -> Any:
    return ways[0] if len(ways) == 1 else Free(tuple(ways))


def _one(value: Any) -> Any:
    """A size for each axis as one where they agree."""
    if isinstance(value, tuple | list):
        return value[0] if len(set(value)) == 1 and isinstance(value[0], int) else tuple(value)
    return value


def _windowed(op: Operator, values: dict[str, Any], types: Any) -> Any:
    given = {name: getattr(op, name) for name in op.params} | values
    try:
        other = type(op)(**given)
        return other.window(*types) if other.infer(*types) == op.infer(*types) else None
    except (Rejection, TypeError):
        return None


def paddings(nodes: tuple[Node, ...]) -> tuple[str, ...]:
    """The words for paddings, that of TensorFlow first where the net needs it."""
    for node in nodes:
        window = node.op.window(*node.input_types) if "pad" in node.op.params else None
        uneven = window is not None and not window.symmetric and "ceil" not in node.op.params
        if uneven and _windowed(node.op, {"pad": "tf_same"}, node.input_types) == window:
            return ("tf_same", "same")
    return ("same", "tf_same")

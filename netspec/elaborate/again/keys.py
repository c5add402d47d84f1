"""What a call depends on: values that compare equal only where every step would do the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from netspec.elaborate.scope import Binding, Defaults, Given, Scope, Wire
from netspec.graph.checked import Value
from netspec.ops.declare.values import told_apart
from netspec.sizes.asked import SIZES
from netspec.sizes.dims import exact


class Unkeyed(Exception):
    """A value that a call depends on in ways that cannot be told: braces, or what is none of ours."""


class Key(NamedTuple):
    """A call: `same` is equal for equal calls on tensors of any sizes but the first, `types` tells those.

    `outer` are the tensors that reach it from outside, those of the wire first.
    """

    same: Hashable
    types: Hashable
    outer: tuple[Value, ...]


class Keys:
    """Makes the keys of the calls of one build; `numbers` are those of sets of default lines."""

    def __init__(self, numbers: dict[Hashable, int]) -> None:
        self.numbers = numbers
        # By identity, which holds as long as they are kept.
        self._defaults: dict[int, tuple[Defaults, int]] = {}

    def of(self, what: Hashable, values: Given, wire: Wire, scope: Scope) -> Key | None:
        """The key of a call of `what` with these values; None where it may not be compared."""
        if wire is None or scope.shared is not None:
            return None
        outer = list(wire)
        try:
            told = (
                tuple((name, _keyed(v, outer)) for name, v in values.named.items()),
                tuple(_keyed(v, outer) for v, _ in values.positional),
                self._number(scope.defaults),
            )
        except Unkeyed:
            return None
        surroundings = (scope.head, scope.frozen, scope.headless, scope.recurring, len(wire))
        places: dict[Value, int] = {}
        tensors = [(places.setdefault(v, i), *_origin(v)) for i, v in enumerate(outer)]
        types = tuple(value.type.exact for value in outer)
        return Key((what, told, surroundings, *tensors), types, tuple(outer))

    def _number(self, defaults: Defaults) -> int:
        held = self._defaults.get(id(defaults))
        if held is None:
            told = tuple((word, _defaults(values)) for word, values in defaults.items())
            held = defaults, self.numbers.setdefault(told, len(self.numbers))
            self._defaults[id(defaults)] = held
        return held[1]


def _defaults(values: Mapping[str, Any]) -> Hashable:
    # Messages name the line that a value comes from.
    places = ((name, d.value, d.span) for name, d in values.items())
    return tuple(
        (name, _keyed(value, None), span.source.key, span.start, span.end)
        for name, value, span in places
    )


def _origin(value: Value) -> tuple[Hashable, ...]:
    """What steps may see of a tensor from outside besides its sizes: operators tell each other."""
    shape, tensor = value.type.shape, value.type
    first = exact(shape[0]) if shape else None
    return value.node.op, value.index, len(shape), first, tensor.batch.symbol, tensor.ids


def _keyed(value: Any, outer: list[Value] | None) -> Hashable:
    """A value as part of a key; the tensors that it stands for are added to `outer`.

    Raises Unkeyed.
    """

    def reference(value: Any) -> Hashable:
        if outer is None or not isinstance(value, Binding):
            raise Unkeyed
        return Binding, _bound(value, outer)

    return told_apart(value, reference)


def _bound(binding: Binding, outer: list[Value]) -> int:
    """How many tensors a reference stands for, which are added to `outer`."""
    named_as_sizes = binding.inner and not SIZES.keys().isdisjoint(binding.inner)
    if binding.wire is None or binding.make is not None or named_as_sizes:
        raise Unkeyed
    outer.extend(binding.wire)
    return len(binding.wire)

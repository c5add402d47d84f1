"""Receptive fields: which input elements an output element can depend on, along each axis.

For each axis the elements seen form an interval that repeats: output `i + period` sees what output
`i` sees, `shift` input elements further on. Without upsampling the period is one and this is the
usual arithmetic of size, stride and offset; with it, neighbours may see intervals of unlike size.
Nothing is clipped at the border: padding counts as places of the input. A window that covers the
whole of a map is global, whatever the step is called: what it gives sees the whole input.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import lcm

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.ops.declare.reach import (
    EVERYWHERE,
    Everywhere,
    Pointwise,
    Reach,
    Unsupported,
    Upsampling,
    Window,
)
from netspec.ops.declare.source import Input
from netspec.ops.spatial.adaptive import AdaptiveAvgPool, AdaptiveMaxPool
from netspec.ops.spatial.region import RoiPool
from netspec.sizes.shapes import TensorType


@record
class Axis:
    """What the elements along one axis see: `intervals[i]` is (first, last) for element i.

    `shift` is how far the interval moves over one period, in input elements; negative where the
    axis is mirrored.
    """

    intervals: tuple[tuple[int, int], ...]
    shift: int

    @property
    def size(self) -> int:
        """Input elements seen, by the element that sees most."""
        return max(last - first + 1 for first, last in self.intervals)

    @property
    def stride(self) -> Fraction:
        """Input elements from one output element to the next; below one after upsampling."""
        return Fraction(self.shift, len(self.intervals))

    @property
    def start(self) -> int:
        """The first input element that output element 0 sees; negative in the padding."""
        return self.intervals[0][0]

    def at(self, index: int) -> tuple[int, int]:
        """The first and last input element that output element `index` sees."""
        turns, rest = divmod(index, len(self.intervals))
        first, last = self.intervals[rest]
        return first + turns * self.shift, last + turns * self.shift


IDENTITY = Axis(((0, 0),), 1)


@record
class Field:
    """An interval along each axis of one input."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """The field's size along each axis, in input elements."""
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction, ...]:
        """How far apart neighbouring fields start along each axis, in input elements."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def start(self) -> tuple[int, ...]:
        """Where the first field starts along each axis; negative in the padding."""
        return tuple(axis.start for axis in self.axes)


@record
class Whole:
    """Every element may depend on the whole input."""


@record
class Unknown:
    """The field cannot be said, and why."""

    reason: str


Seen = Field | Whole | Unknown
WHOLE = Whole()


Seens = tuple[tuple[str, Seen], ...]


@record
class OutputField:
    """What an output of the net sees of each input, and what the last maps on the way to it see.

    `maps` has each such map's node with what it sees: one but where branches end in maps of their
    own, none where the net has no maps. Where the output is a map, it is the last.
    """

    name: str
    sees: Seens
    maps: tuple[tuple[Node, Seens], ...]


@lru_cache(maxsize=64)
def receptive_fields(graph: Graph) -> dict[Node, dict[str, Seen]]:
    """For every node, what its output sees of each input of the net that it depends on."""
    found: dict[Node, dict[str, Seen]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            tensor = node.types[0]
            axes = len(tensor.shape) - (tensor.ids is None)
            found[node] = {node.path: Field((IDENTITY,) * axes)}
        else:
            found[node] = _through(node, found)
    return found


def output_fields(graph: Graph) -> tuple[OutputField, ...]:
    """The fields of every output, in order: nets are compared by those of their last maps.

    A net that ends in global pooling, in a pooling as large as the map or in fully connected layers
    sees its whole input; how far it looks before that is the field of the last map.
    """
    fields = receptive_fields(graph)
    found = []
    for output in graph.outputs:
        maps = tuple((node, tuple(fields[node].items())) for node in _last_maps(output.value))
        found.append(OutputField(output.name, tuple(fields[output.value.node].items()), maps))
    return tuple(found)


def _last_maps(output: Value) -> tuple[Node, ...]:
    """The nearest maps that an output is made of, in the order of the spec.

    A map has more than one place, and as many as the size of the input gives it: what pools to a
    fixed size belongs to what follows. What acts in training only makes none.
    """
    found: dict[Node, None] = {}
    passed, ahead = {output}, [output]
    while ahead:
        value = ahead.pop()
        node = value.node
        through = node.op.deployed() if node.inputs else None
        fixed = isinstance(node.op, AdaptiveAvgPool | AdaptiveMaxPool | RoiPool)
        if _has_places(value.type) and not fixed and through is None:
            found[node] = None
            continue
        read = node.inputs[: node.op.sized_by] if through is None else (node.inputs[through],)
        ahead += [value for value in read if value not in passed]
        passed.update(read)
    return tuple(sorted(found, key=lambda node: node.index))


def _has_places(tensor: TensorType) -> bool:
    return any(size != 1 for size in tensor.spatial)


def _through(node: Node, found: dict[Node, dict[str, Seen]]) -> dict[str, Seen]:
    reach = node.op.reach(*node.input_types)
    if isinstance(reach, Window) and _covers(reach, node.input_types[0], node.types[0]):
        reach = EVERYWHERE
    seen: dict[str, Seen] = {}
    # What follows gives its size only, or the places of a pooling's maxima.
    for value in node.inputs[: node.op.sized_by]:
        for name, field in found[value.node].items():
            passed = _pass(field, reach)
            seen[name] = _hull(seen[name], passed) if name in seen else passed
    return seen


def _covers(window: Window, given: TensorType, made: TensorType) -> bool:
    """Whether one window, the only one, is as large as a map of several places."""
    if _has_places(made) or not _has_places(given):
        return False
    axes = zip(given.spatial, window.kernel, window.dilation, window.before, strict=True)
    return all(
        isinstance(size, int) and before >= 0 and (kernel - 1) * dilation - before >= size - 1
        for size, kernel, dilation, before in axes
    )


def _pass(field: Seen, reach: Reach) -> Seen:
    if isinstance(reach, Unsupported):
        return Unknown(reach.reason)
    if isinstance(reach, Pointwise) or not isinstance(field, Field):
        return field
    if isinstance(reach, Everywhere):
        return WHOLE
    if len(reach.kernel) != len(field.axes):
        return Unknown("its axes are not those of the input")
    slide = _window if isinstance(reach, Window) else _upsampling
    return Field(tuple(slide(axis, reach, i) for i, axis in enumerate(field.axes)))


def _window(axis: Axis, window: Reach, index: int) -> Axis:
    assert isinstance(window, Window)
    stride, before = window.stride[index], window.before[index]
    last = (window.kernel[index] - 1) * window.dilation[index]

    def seen(out: int) -> tuple[int, int]:
        first = out * stride - before
        return _around(axis.at(first), axis.at(first + last))

    steps = lcm(len(axis.intervals), stride) // abs(stride)
    return _axis(seen, steps, axis.shift * (steps * stride // len(axis.intervals)))


def _upsampling(axis: Axis, up: Reach, index: int) -> Axis:
    assert isinstance(up, Upsampling)
    kernel, factor, before = up.kernel[index], up.factor[index], up.before[index]

    def seen(out: int) -> tuple[int, int]:
        last = (out + before) // factor
        # Where the kernel is smaller than the step, some outputs see nothing: they get a neighbour.
        first = min(-(-(out + before - kernel + 1) // factor), last)
        return _around(axis.at(first), axis.at(last))

    return _axis(seen, len(axis.intervals) * factor, axis.shift)


def _axis(seen: Callable[[int], tuple[int, int]], period: int, shift: int) -> Axis:
    """The axis whose elements see what `seen` says, with the shortest period it has."""
    intervals = [seen(out) for out in range(period)]
    for shorter in range(1, period):
        if period % shorter or shift * shorter % period:
            continue
        step = shift * shorter // period
        if all(
            (first + step, last + step) == intervals[i + shorter]
            for i, (first, last) in enumerate(intervals[:-shorter])
        ):
            return Axis(tuple(intervals[:shorter]), step)
    return Axis(tuple(intervals), shift)


def _around(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The smallest interval around two."""
    return min(one[0], other[0]), max(one[1], other[1])


def _hull(left: Seen, right: Seen) -> Seen:
    """What an element sees that is made of two: the smallest intervals around both."""
    for seen in (left, right):
        if isinstance(seen, Unknown):
            return seen
    if not isinstance(left, Field) or not isinstance(right, Field):
        return WHOLE
    if len(left.axes) != len(right.axes):
        return Unknown("it joins tensors with different axes")
    if left.stride != right.stride:
        return Unknown("it joins tensors of different strides")
    return Field(tuple(map(_hull_axis, left.axes, right.axes)))


def _hull_axis(left: Axis, right: Axis) -> Axis:
    def seen(out: int) -> tuple[int, int]:
        return _around(left.at(out), right.at(out))

    period = lcm(len(left.intervals), len(right.intervals))
    return _axis(seen, period, int(left.stride * period))

"""Constants where a step needs a tensor: parameters, the same for every sample, in the order that is read.

Which axis is that of the samples shows in the numbers alone: the first, where it has one place or repeats
itself as often as there are samples. A constant without such an axis meets others from its last axis on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.parts.stepping import Steps
from netspec.importing.recognise.sources.offsets import by_offset
from netspec.importing.recognise.steps import Unsaid, Wire, same_along
from netspec.importing.recognise.views import Atom, Axes, Axis, View, flat, size_of

_WORD = "parameter"


def held(steps: Steps, array: Array, batch: Atom, name: str, place: int = 0) -> View:
    """A constant as a tensor, whose samples lie along this axis if along any: below 0 it has none for them.

    Its rows are copies along the samples where there is one for each of them.
    """
    if array.dtype.kind != "f":
        raise Unsaid("it computes with integers")
    if 0 < place < array.ndim:
        order = [*range(1, place + 1), 0, *range(place + 1, array.ndim)]
        return held(steps, np.moveaxis(array, place, 0), batch, name).moved(order)
    rows = len(array) if array.ndim > 1 else 0
    many = place >= 0 and rows == batch.size > 1 and same_along(array, 0)
    numbers = array[0] if many or rows == 1 else array
    wire = _of_offsets(steps, numbers)
    if wire is None:
        wire = steps.parameter(numbers.reshape(numbers.shape or (1,)), None, name)
    own: Axes = tuple((Atom(size),) if size > 1 else () for size in numbers.shape)
    first: Axes = (((batch,) if many else ()),) if many or rows == 1 else ()
    return View(wire, ((), *(own or ((),))), (*first, *own))


def in_parts(steps: Steps, array: Array, rows: Axis, name: str) -> View | None:
    """A constant whose rows are the parts of a map, for all samples alike; None where they are not."""
    places = tuple(atom for atom in rows if not atom.batch)
    if not places or size_of(rows) != len(array) or sum(atom.batch for atom in rows) != 1:
        return None
    apart = array.reshape([atom.size for atom in rows] + [-1])
    samples = next(i for i, atom in enumerate(rows) if atom.batch)
    apart = np.moveaxis(apart, (samples, -1), (0, 1))
    if not same_along(apart, 0):
        raise Unsaid("a constant of it differs from sample to sample")
    wire = steps.parameter(np.ascontiguousarray(apart[0]), None, name)
    own: Axes = tuple((Atom(size),) if size > 1 else () for size in array.shape[1:])
    return View(wire, ((), flat(own), *((atom,) for atom in places)), (rows, *own))


def _of_offsets(steps: Steps, numbers: Array) -> Wire | None:
    """Scores for each pair of an input's places that depend on their offset alone; None for others."""
    if numbers.ndim != 3 or len(numbers[0]) < 3 or (numbers == numbers[:, :1, :1]).all():
        return None
    like = steps.flowing()
    if len(like.sizes) < 2 or numbers.shape[1:] != (prod(like.sizes[1:]),) * 2:
        return None
    found = by_offset(numbers, like.sizes[1:])
    if found is None:
        return None
    head, weights = found
    return steps.step(head, [like], numbers.shape, weights=weights, shared=True)


def in_order(steps: Steps, view: View, target: Axes) -> Wire | None:
    """A parameter whose axes are `target`, of the numbers of the view's; None where that is none."""
    step, own, wanted = view.wire.step, flat(view.base[1:]), flat(target[1:])
    if step is None or not step.head.startswith(f"{_WORD}(") or set(own) != set(wanted):
        return None
    numbers = step.weights["weight"].reshape([atom.size for atom in own])
    numbers = numbers.transpose([own.index(atom) for atom in wanted])
    shape = [size_of(axis) for axis in target[1:]]
    return steps.parameter(np.ascontiguousarray(numbers.reshape(shape)), None, step.name)


def for_each(view: View, rows: tuple[Atom, ...], place: int) -> View:
    """What is the same for every sample as a tensor of these rows, which the view has at `place`.

    A step that joins it with what has rows repeats it for them.
    """
    if view.base[0] or any(not atom.batch for atom in view.axes[place]):
        return view
    axes = tuple(rows if i == place else axis for i, axis in enumerate(view.axes))
    return View(view.wire, (rows, *view.base[1:]), axes)


def widened(view: View, rank: int) -> View:
    """The view with axes of one place before the others, `rank` in all."""
    return View(view.wire, view.base, ((),) * (rank - len(view.axes)) + view.axes)


def like(steps: Steps, view: View, other: View) -> View:
    """The view with the axes of its value in the order that another has its own in, where it says so."""
    places: Sequence[int] = [
        other.axes.index(axis) for axis in other.base[1:] if axis and axis in other.axes
    ]
    if len(view.axes) != len(other.axes) or len(places) != len(other.base) - 1:
        return view
    target = (view.base[0], *(view.axes[place] for place in places))
    if set(flat(view.base[1:])) != set(flat(target[1:])):
        return view
    return steps.arranged(view, target)

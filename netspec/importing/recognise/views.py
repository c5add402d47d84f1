"""Views: how a file's tensor lies in a step's, so that reshapes and transposes are no steps of their own.

A tensor of the file is a step's value with its axes split, permuted and merged. What computes along one
axis, as a normalisation of the last does, is then a step on the value itself; only what needs another
order of numbers makes steps of the view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from math import prod
from typing import TYPE_CHECKING

from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.importing.recognise.steps import Wire


class Atom:
    """A part of an axis that is never taken apart further; `batch` for that of samples."""

    __slots__ = ("batch", "size")

    def __init__(self, size: int, batch: bool = False) -> None:
        self.size, self.batch = size, batch


Axis = tuple[Atom, ...]
Axes = tuple[Axis, ...]


def size_of(axis: Axis) -> int:
    """How many places an axis has."""
    return prod(atom.size for atom in axis)


def flat(axes: Iterable[Axis]) -> Axis:
    """The atoms of some axes, in order."""
    return tuple(chain.from_iterable(axes))


def copies(view: View) -> list[Atom]:
    """The atoms of a view that its value does not have: along them it is repeated."""
    own = set(flat(view.base))
    return [atom for atom in flat(view.axes) if atom not in own]


@record
class View:
    """A tensor as the file has it: `axes` of the atoms that the axes of a step's value, `base`, are of.

    An axis of size 1 has no atoms; the first of `base` is the batch, without atoms where there is none.
    """

    wire: Wire
    base: Axes
    axes: Axes

    @property
    def plain(self) -> bool:
        """Whether it is the value as it stands."""
        return self.base == self.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes, the batch among them."""
        return tuple(size_of(axis) for axis in self.axes)

    def moved(self, order: Sequence[int]) -> View:
        """With its axes in another order."""
        return replace(self, axes=tuple(self.axes[i] for i in order))

    def on(self, wire: Wire) -> View:
        """The same view of another value that lies alike."""
        return replace(self, wire=wire)

    def split(self, atom: Atom, parts: Axis) -> View:
        """With an atom taken apart."""

        def cut(axes: Axes) -> Axes:
            return tuple(
                tuple(chain.from_iterable(parts if a is atom else (a,) for a in axis))
                for axis in axes
            )

        return replace(self, base=cut(self.base), axes=cut(self.axes))

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """With its atoms dealt out to other axes; None where an axis ends inside of two."""
        view: View = self
        axes: list[Axis] = []
        left = list(flat(self.axes))
        for position, size in enumerate(shape):
            axis: list[Atom] = []
            room = size
            while room > 1 or self._single(left, axis, shape[position + 1 :]):
                if not left:
                    return None
                atom = left.pop(0)
                if room % atom.size == 0:
                    axis.append(atom)
                    room //= atom.size
                    continue
                if atom.batch or atom.size % room:
                    return None
                parts = (Atom(room), Atom(atom.size // room))
                view = view.split(atom, parts)
                axis.append(parts[0])
                left.insert(0, parts[1])
                room = 1
                axes = [_cut(done, atom, parts) for done in axes]
            axes.append(tuple(axis))
        return None if left else replace(view, axes=tuple(axes))

    def _single(self, left: list[Atom], axis: list[Atom], others: Sequence[int]) -> bool:
        """Whether a batch of one sample, which sizes do not show, belongs to the axis being dealt.

        It leads an axis, unless it stood alone and what came after it is not taken apart: then it
        goes with what came before.
        """
        if not left or left[0].size != 1 or not left[0].batch:
            return False
        if not axis:
            return True
        alone = self.axes.index((left[0],)) if (left[0],) in self.axes else None
        if alone is None or not others or others[0] == 1:
            return not others
        after = size_of(self.axes[alone + 1]) if alone + 1 < len(self.axes) else 1
        return others[0] >= after


def _cut(axis: Axis, atom: Atom, parts: Axis) -> Axis:
    return tuple(chain.from_iterable(parts if a is atom else (a,) for a in axis))


def refined(one: View, other: View) -> tuple[View, View] | None:
    """Two views whose axes of equal size are of equal atoms, in number and size; None where they cannot.

    They have as many axes; an axis of size 1 goes with any.
    """
    for i in range(len(one.axes)):
        left, right = one.axes[i], other.axes[i]
        if 1 in (size_of(left), size_of(right)):
            continue
        if size_of(left) != size_of(right):
            return None
        place = 0
        while place < len(one.axes[i]) or place < len(other.axes[i]):
            if place >= len(one.axes[i]) or place >= len(other.axes[i]):
                return None
            a, b = one.axes[i][place], other.axes[i][place]
            if a.size != b.size:
                if a.size > b.size and a.size % b.size == 0 and not a.batch:
                    one = one.split(a, (Atom(b.size), Atom(a.size // b.size)))
                elif b.size > a.size and b.size % a.size == 0 and not b.batch:
                    other = other.split(b, (Atom(a.size), Atom(b.size // a.size)))
                else:
                    return None
            elif a.batch != b.batch:
                return None
            place += 1
    return one, other


def renamed(one: View, other: View) -> View | None:
    """`other`, refined along with `one`, by the atoms of `one`; None where one stands in two places."""
    names: dict[int, Atom] = {}
    for left, right in zip(one.axes, other.axes, strict=True):
        if left and right:
            names |= {id(b): a for a, b in zip(left, right, strict=True)}

    def named(axes: Axes) -> Axes:
        return tuple(tuple(names.get(id(atom), atom) for atom in axis) for axis in axes)

    return replace(other, base=named(other.base), axes=named(other.axes))

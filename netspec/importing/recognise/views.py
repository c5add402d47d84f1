"""Views: how a file's tensor lies in a step's, so that reshapes and transposes are no steps of their own.

A tensor of the file is a step's value with its axes split, permuted and merged. What computes along one
axis, as a normalisation of the last does, is then a step on the value itself; only what needs another
order of numbers makes steps of the view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, pairwise
from math import prod
from typing import TYPE_CHECKING

from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.importing.recognise.steps import Wire


class Atom:
    """A part of an axis that is never taken apart further; `batch` for that of samples.

    `whole` is the atom that it was taken from, itself where it is none's part, and `step` how many places
    of that one of its own is.
    """

    __slots__ = ("batch", "size", "step", "whole")

    def __init__(self, size: int, batch: bool = False) -> None:
        self.size, self.batch = size, batch
        self.whole, self.step = self, 1

    def apart(self, first: int) -> tuple[Atom, Atom]:
        """The atom as two, the outer of `first` places."""
        outer, inner = Atom(first), Atom(self.size // first)
        outer.whole = inner.whole = self.whole
        outer.step, inner.step = self.step * inner.size, self.step
        return outer, inner

    def lies_in(self, other: Atom) -> bool:
        """Whether it is the other or a part of it."""
        inside = other.step <= self.step and self.step * self.size <= other.step * other.size
        return self.whole is other.whole and inside

    def with_inner(self, inner: Atom) -> Atom:
        """The atom of this one and one that follows it inside of the same axis."""
        found = Atom(self.size * inner.size)
        if self.whole is inner.whole and self.step == inner.step * inner.size:
            found.whole, found.step = self.whole, inner.step
            if found.size == found.whole.size:
                return found.whole
        return found


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

    def alone(self, axis: int) -> View:
        """With a batch of one sample, which might stand in any axis, in another than this one."""
        axis %= len(self.axes)
        return self._lone(1 if axis == 0 else 0) if self._shares(axis) else self

    def apart(self) -> View:
        """With a batch of one sample in an axis of its own, where there is one of a single place."""
        if () not in self.axes or not any(map(self._shares, range(len(self.axes)))):
            return self
        return self._lone(self.axes.index(()))

    def _shares(self, axis: int) -> bool:
        """Whether other atoms stand in this axis beside a batch of one sample."""
        lone = [atom for atom in self.base[0] if atom.batch and atom.size == 1]
        here = [atom for atom in self.axes[axis] if atom in lone]
        return bool(here) and len(self.axes) > 1 < len(self.axes[axis])

    def _lone(self, place: int) -> View:
        """With a batch of one sample at the front of an axis."""
        rows = tuple(atom for atom in self.base[0] if atom.batch)
        axes = [tuple(atom for atom in axis if atom not in rows) for axis in self.axes]
        axes[place] = (*rows, *axes[place])
        return replace(self, axes=tuple(axes))

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

    def _joined(self, order: Axis) -> View:
        """With atoms made one that follow each other in the value and in this order, but the batch's."""
        after, found = {id(a): b for a, b in pairwise(order)}, self
        for axis in self.base[1:]:
            run: list[Atom] = []
            for atom in axis:
                if run and after.get(id(run[-1])) is not atom:
                    found, run = found._with_run(run), []
                run.append(atom)
            found = found._with_run(run)
        return found

    def _with_run(self, run: Sequence[Atom]) -> View:
        """With atoms that stand side by side made one, in the axis of the first of them."""
        if len(run) < 2:
            return self
        whole, inner = reduce(Atom.with_inner, run), {id(atom) for atom in run[1:]}

        def joined(axes: Axes) -> Axes:
            return tuple(
                tuple(whole if a is run[0] else a for a in axis if id(a) not in inner)
                for axis in axes
            )

        return replace(self, base=joined(self.base), axes=joined(self.axes))

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """With its places dealt out to other axes; None where an axis ends inside of two."""
        return self._dealt(shape) or self._joined(flat(self.axes))._dealt(shape)

    def whole(self) -> View:
        """With atoms made one that follow each other in the value and in one axis of the view."""
        found = self
        for axis in self.axes:
            found = found._joined(axis)
        return found

    def _dealt(self, shape: Sequence[int]) -> View | None:
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
                parts = atom.apart(room)
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
        goes with what came before. Behind others of one axis it stays with them, where no axis of one
        place follows.
        """
        if not left or left[0].size != 1 or not left[0].batch:
            return False
        if not axis:
            return True
        if not others or others[0] == 1:
            return not others
        own = next(a for a in self.axes if left[0] in a)
        if len(own) > 1:
            return own[0] is not left[0]
        alone = self.axes.index(own)
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
                    one = one.split(a, a.apart(b.size))
                elif b.size > a.size and b.size % a.size == 0 and not b.batch:
                    other = other.split(b, b.apart(a.size))
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

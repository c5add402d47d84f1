"""Parts of maps in the batch: where a view's samples lie is where a map is cut, or put together again.

Files fold rows, windows, patches or time into the batch by reshapes and transposes, of which a view keeps
account. What then reads the view says which of its atoms stand beside the samples: those of the value
that do not yet are cut off by `partition`, and those that no longer do come back by `reassemble`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from netspec.foundation.records import record
from netspec.importing.recognise.parts.rows import rows_of, with_rows
from netspec.importing.recognise.parts.stepping import Steps
from netspec.importing.recognise.steps import Step, Unsaid, Wire
from netspec.importing.recognise.views import Atom, Axes, Axis, View, flat, size_of

# Axes of places that a map has at most.
_PLACES = 3


@record(eq=False, frozen=False)
class Parting:
    """A map, the value `whole`, cut into parts: the atoms of each axis that are in the batch, and the others.

    `shift` is how far the map is rolled back before, where attention keeps apart what that brings
    together; `open` says that something attended to the parts as to a map that is not rolled, `filled`
    that zeros make whole parts of it.
    """

    whole: Wire
    counts: Axes
    sizes: Axes
    spaced: bool
    cut: Step
    joins: list[Step]
    shift: tuple[int, ...] = ()
    open: bool = False
    filled: bool = False

    def shifted(self, shift: tuple[int, ...]) -> None:
        """Takes the roll before into the cut, which is then of the map before that."""
        rolled = self.whole.step
        assert rolled is not None
        assert not self.joins
        self.whole, self.shift = rolled.inputs[0], shift
        self.cut.inputs = (self.whole,)


class Parts:
    """What a program cuts, and how views get the batch that they have in the file."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.made: list[Parting] = []
        self._known: dict[tuple[int, Axis, Axes, Axes, bool], Wire] = {}
        # The places of maps before they were pooled in windows beside each other, by what that made.
        self.pooled: dict[int, Axes] = {}

    def forget(self) -> None:
        """Forgets which steps cut what, some of which are taken back."""
        self._known.clear()

    # --- the batch of a view

    def settled(self, view: View, *, everything: bool = False) -> View:
        """The view on a value whose batch is the axis that its samples lie in.

        Channels beside the samples, as heads, are left there, and so are places where none are left
        elsewhere: layers at every place need no cut. `everything` cuts these too.
        """
        rows = next((axis for axis in view.axes if any(atom.batch for atom in axis)), ())
        if not rows or not view.base[0]:
            return view
        while not set(view.base[0]) <= set(rows):
            view = self._put_together(view)
        own, places = set(view.base[0]), set(flat(view.base[2:]))
        wanted = [a for a in rows if a not in own and (everything or a in places)]
        if wanted and (everything or not places <= set(rows)):
            view = self._cut_off(view, wanted, everything)
        if set(view.base[0]) == set(rows) and view.base[0] != rows:
            view = View(view.wire, (rows, *view.base[1:]), view.axes)
        return view

    @staticmethod
    def left(view: View) -> bool:
        """Whether parts of maps are in the value's batch, and no more beside the samples of the view."""
        rows = next((axis for axis in view.axes if any(atom.batch for atom in axis)), ())
        return bool(rows) and not set(view.base[0]) <= set(rows)

    def whole(self, wire: Wire, rows: Axis) -> bool:
        """Whether the rows of a value's batch are in the order that its cuts put them in."""
        found = [atom for atom in rows if atom.batch]
        for part in wire.cuts:
            found += [a for axis in part.counts for atom in axis for a in pieces(rows, (atom,))]
        return found == list(rows)

    def apart(self, view: View, outer: Iterable[Axis]) -> View:
        """The view on a value in whose batch the places among these atoms are too."""
        places = set(flat(view.base[2:]))
        wanted = [atom for atom in flat(outer) if atom in places]
        if not wanted:
            return view
        whole = self.pooled.get(id(view.wire), ())
        inside = [set(axis) <= set(own) for axis, own in zip(view.base[2:], whole, strict=False)]
        if inside and all(inside):
            return self._pooled(view, whole, outer)
        found = rows_of(view.wire)
        if found is None:
            return self._cut_off(view, wanted, False)
        # A layer at every place is one in the parts: what it reads is cut, once for all that read that.
        source = found[0].inputs[0]
        base = (view.base[0], (Atom(source.sizes[0]),), *view.base[2:])
        cut = self._cut_off(View(source, base, view.axes), wanted, False)
        wire = with_rows(self.steps, view.wire, np.arange(view.wire.sizes[0]), cut.wire)
        assert wire is not None
        return View(wire, (cut.base[0], view.base[1], *cut.base[2:]), view.axes)

    def _pooled(self, view: View, whole: Axes, outer: Iterable[Axis]) -> View:
        """The same of windows beside each other, pooled from a map of these places: in the parts."""
        step = view.wire.step
        assert step is not None
        left = set(flat(view.base[2:]))
        cut = self.apart(View(step.inputs[0], (*view.base[:2], *whole), view.axes), outer)
        places = tuple(tuple(a for a in axis if a in left) for axis in cut.base[2:])
        shape = [view.wire.sizes[0], *map(size_of, places)]
        wire = self.steps.step(step.head, [cut.wire], shape)
        return View(wire, (*cut.base[:2], *places), view.axes)

    def told(self, steps: Iterable[Step]) -> None:
        """Says in the steps how maps are cut: by sizes, or by how many parts where that alone stays."""
        used = set(map(id, steps))
        for spaced in (False, True):
            parts = [p for p in self.made if p.spaced == spaced and id(p.cut) in used]
            sizes, counts = (
                {tuple(map(size_of, axes)) for axes in chosen}
                for chosen in ([p.sizes for p in parts], [p.counts for p in parts])
            )
            by = len(counts) == 1 < len(sizes) and not any(part.filled for part in parts)
            for part in parts:
                numbers = [size_of(axis) for axis in (part.counts if by else part.sizes)]
                given = [f"{'by=' * by}{_listed(numbers)}", *["spaced=yes"] * spaced]
                given += [f"shift={_shift(part)}"] if any(part.shift) else []
                given += ["fill=yes"] * part.filled
                for step in (part.cut, *part.joins):
                    step.given = tuple(given)

    # --- cutting

    def _cut_off(self, view: View, wanted: Sequence[object], everything: bool) -> View:
        if len(view.axes) < 2:
            raise Unsaid("it mixes the batch with other axes")
        chosen = set(wanted)
        view = self._as_map(view, chosen)
        ends = [_ends(axis, chosen) for axis in view.base[2:]]
        if chosen <= set(flat(view.base[2:])) and all(ends):
            for spaced in (False, True):
                counts = tuple(end[spaced] for end in ends if end is not None)
                if any(counts):
                    view = self._cut(view, counts, spaced)
            return view
        if len(view.axes if everything else view.base) < 2:
            raise Unsaid("its first axis is not the batch")
        # As axes of their own, which parts then have one place of.
        others = [axis for axis in view.axes if not any(atom.batch for atom in axis)]
        first, *others = others if everything else view.base[1:]
        channels, *rest = (tuple(a for a in axis if a not in chosen) for axis in (first, *others))
        rest = [axis for axis in rest if axis]
        alone = tuple((a,) for a in flat(view.axes) if a in chosen)
        view = self.steps.arranged(view, (view.base[0], channels, *alone, *rest))
        view = self._cut(view, (*alone, *((),) * len(rest)), False)
        return self.steps.arranged(view, (view.base[0], channels, *rest))

    def _as_map(self, view: View, chosen: set[object]) -> View:
        """The view on a value whose axes of places are those that a file tells apart, where all are chosen.

        So each place of what a map was flattened to is a row of the same things as a place of the map.
        """
        places: list[Axis] = []
        for axis in view.base[2:]:
            places += [(atom,) for atom in axis] if axis and set(axis) <= chosen else [axis]
        if not len(view.base) - 2 < len(places) <= _PLACES:
            return view
        return self.steps.arranged(view, (*view.base[:2], *places))

    def _cut(self, view: View, counts: Axes, spaced: bool) -> View:
        chosen = set(flat(counts))
        sizes = tuple(tuple(a for a in axis if a not in chosen) for axis in view.base[2:])
        key = (id(view.wire), view.base[0], view.base[2:], counts, spaced)
        wire = self._known.get(key)
        if not 0 < len(sizes) <= _PLACES:
            raise Unsaid("it cuts what has too many axes for a map")
        if wire is None:
            shape = [view.wire.sizes[0], *map(size_of, sizes)]
            wire = self.steps.step("partition", [view.wire], shape)
            assert wire.step is not None
            part = Parting(view.wire, counts, sizes, spaced, wire.step, [])
            self.made.append(part)
            wire.cuts = (*view.wire.cuts, part)
            self._known[key] = wire
        base = ((*view.base[0], *flat(counts)), view.base[1], *sizes)
        return View(wire, base, view.axes)

    # --- putting together

    def _put_together(self, view: View) -> View:
        """The view on the map that was cut last."""
        if not view.wire.cuts:
            raise Unsaid("its samples are taken apart")
        part = view.wire.cuts[-1]
        counts = tuple(pieces(view.base[0], axis) for axis in part.counts)
        if sum(map(len, counts)) + sum(a.batch for a in view.base[0]) > len(view.base[0]):
            raise Unsaid("its samples are taken apart")
        view = self._as_part(view, part)
        sizes = view.base[2:] or ((),) * len(counts)
        pairs = zip(counts, sizes, strict=True)
        places = tuple((*s, *c) if part.spaced else (*c, *s) for c, s in pairs)
        shape = [view.wire.sizes[0], *map(size_of, places)]
        wire = self.steps.step(
            "reassemble", [view.wire, part.whole], shape, cuts=view.wire.cuts[:-1]
        )
        assert wire.step is not None
        part.joins.append(wire.step)
        if any(part.shift):
            wire = self.steps.step(rolling([-step for step in part.shift]), [wire], shape)
        rows = tuple(a for a in view.base[0] if a not in set(flat(counts)))
        return View(wire, (rows, view.base[1], *places), view.axes)

    def _as_part(self, view: View, part: Parting) -> View:
        """The view on a value whose places are the axes of a part, or none."""
        places = flat(view.base[2:])
        if not places and not any(part.shift) and len(view.base) <= 2:
            return view
        own = tuple(pieces(flat(view.base[1:]), axis) for axis in part.sizes)
        if sum(map(len, own)) and prod_of(own) == prod_of(part.sizes):
            channels = tuple(a for a in flat(view.base[1:]) if a not in set(flat(own)))
            same = len(own) == len(view.base) - 2 and own == view.base[2:]
            return view if same else self.steps.arranged(view, (view.base[0], channels, *own))
        if len(view.base) - 2 == len(part.sizes):
            return view
        left = list(view.base[2:])
        if len(left) != sum(map(bool, part.sizes)):
            raise Unsaid("its parts have other axes than the map that was cut")
        axes = tuple(left.pop(0) if axis else () for axis in part.sizes)
        return self.steps.arranged(view, (*view.base[:2], *axes))


def _listed(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"({', '.join(map(str, numbers))})"


def _shift(part: Parting) -> str:
    """The shift, of which nothing is said along an axis that is one part."""
    moved = {s for s, axis in zip(part.shift, part.counts, strict=True) if axis}
    return str(moved.pop()) if len(moved) == 1 else _listed(part.shift)


def rolled_by(part: Parting) -> tuple[int, ...] | None:
    """How far the map that was cut had been rolled back along each axis; None if it had not."""
    step = part.whole.step
    if step is None or part.joins or not step.head.startswith("roll("):
        return None
    found = tuple(-by % size for by, size in zip(rolls(step), part.whole.sizes[1:], strict=True))
    fits = all(by < size_of(axis) for by, axis in zip(found, part.sizes, strict=True))
    return found if fits else None


def rolls(step: Step) -> tuple[int, ...]:
    """How far a step rolls along each axis."""
    return tuple(map(int, re.findall(r"-?\d+", step.head)))


def rolling(steps: Sequence[int]) -> str:
    """The step that rolls a map so far along each axis."""
    return f"roll({steps[0] if len(steps) == 1 else tuple(steps)})"


def prod_of(axes: Axes) -> int:
    """How many places some axes have together."""
    return size_of(flat(axes))


def _ends(axis: Axis, chosen: set[object]) -> tuple[Axis, Axis] | None:
    """The atoms chosen at the start and at the end of an axis; None where there are others."""
    inside = [i for i, atom in enumerate(axis) if atom not in chosen]
    if not inside:
        return axis, ()
    first, last = inside[0], inside[-1] + 1
    return (axis[:first], axis[last:]) if last - first == len(inside) else None


def pieces(atoms: Axis, wholes: Axis) -> Axis:
    """The atoms that some others were taken apart into, in the order that they lie in those."""
    return tuple(
        atom
        for whole in wholes
        for atom in sorted((a for a in atoms if a.lies_in(whole)), key=lambda a: -a.step)
    )

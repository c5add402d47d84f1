"""Steps written one after another: what each tensor is by now, and how it gets to lie otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from netspec.importing.files.program import Array, Input, Node, Program
from netspec.importing.recognise.parts.parting import Parts
from netspec.importing.recognise.sources.held import held, in_order
from netspec.importing.recognise.steps import Names, Step, Unsaid, Wire, sizes
from netspec.importing.recognise.views import (
    Atom,
    Axes,
    Axis,
    View,
    copies,
    flat,
    refined,
    renamed,
    size_of,
)

__all__ = ["Unsaid", "Writer"]

# Axes of places that layers of maps take.
_PLACES = 3


class Writer:
    """The steps of a program so far, and the view that each of its tensors is."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants, self.shapes = program.constants, program.shapes
        self.batch = Atom(program.batch, batch=True)
        self.steps: list[Step] = []
        # When each step was written.
        self._when: dict[int, int] = {}
        self.views: dict[str, View] = {}
        # What nodes without a step make, of sizes that no input can stand in for.
        self.unknown: set[str] = set()
        # The recurrences so far, by a step and by what is given at the end, and what is made at their steps.
        self.passes: dict[str, Any] = {}
        self.stepped: frozenset[str] = frozenset()
        self.parts = Parts(self)
        self._arranged: dict[tuple[int, Axes, Axes], Wire] = {}
        self._settled: list[tuple[int, str, View]] = []
        self._shared: dict[tuple[tuple[int, ...], bytes], Wire] = {}
        self._given: dict[tuple[tuple[int, ...], bytes, str | None], Wire] = {}
        names = [re.sub(r"\W+", "_", item.name, flags=re.ASCII) for item in program.inputs]
        self.names = Names(())
        self.readers = program.readers()
        self.node = Node("", (), ("",))
        self.inputs = [
            self._input(item, name) for item, name in zip(program.inputs, names, strict=True)
        ]
        # Names that are kept for the steps that outputs come from.
        several = dict.fromkeys(program.outputs) if len(program.outputs) > 1 else ()
        self.called = {name: self.names.free([name], "result") for name in several}

    def _input(self, item: Input, wanted: str) -> Wire:
        shape = self.shapes[item.name]
        free = wanted if re.fullmatch(r"[A-Za-z]\w*", wanted) else "data"
        free = "input" if len(self.program.inputs) == 1 else self.names.free([free], "data")
        rows = (self.batch,)
        if item.regions:
            rows = (Atom(shape[0], batch=True),)
        elif not shape or shape[item.batch] != self.program.batch:
            raise Unsaid(f"the input {item.name} has no batch of its own")
        others = item.of_sample(self.shapes)
        # One number for each sample has an axis of one in a spec.
        wire = Wire(free, others or (1,))
        base = (rows, *self.axes(others))
        axes = (*base[1 : item.batch + 1], base[0], *base[item.batch + 1 :])
        self.views[item.name] = View(wire, base, axes)
        return wire

    def whole(self, wire: Wire, rows: Axis) -> View:
        """The view of a value as it stands, its batch being these rows."""
        base = (rows, *self.axes(wire.sizes))
        return View(wire, base, base)

    @staticmethod
    def axes(shape: Iterable[int]) -> Axes:
        """New axes of these sizes."""
        return tuple((Atom(size),) if size != 1 else () for size in shape)

    def copied(self, name: str, place: int = 0) -> View:
        """What a tensor is, wherever its samples lie; a constant is a parameter, its samples at `place`.

        Axes of the view may be copies: atoms that the value itself does not have.
        """
        found = self.views.get(name)
        if found is None and name not in self.constants:
            raise Unsaid("it is what a node gives beside its first output, and no step gives that")
        return held(self, self.constants[name], self.batch, name, place) if found is None else found

    def settled(self, name: str, across: int | None = None) -> View:
        """What a tensor is, of the batch that it has in the file; its axes may be copies.

        Channels of the axis `across` are those of the value before parts of it are: they are no places.
        """
        found = self.copied(name)
        if across is not None:
            found = self._turned(found, found.axes[across])
        return self._kept(name, self.parts.settled(found))

    def _turned(self, view: View, channels: Axis) -> View:
        """The view on a value that has these as channels, where they are one of its axes of places."""
        own = [axis for axis in view.base[2:] if channels and set(channels) <= set(axis)]
        if not own:
            return view
        order = flat(view.axes)
        others = sorted(
            (axis for axis in view.base[1:] if axis is not own[0]),
            key=lambda axis: min((order.index(a) for a in axis if a in order), default=len(order)),
        )
        return self.arranged(view, (view.base[0], own[0], *others))

    def view(self, name: str) -> View:
        """The same without copies."""
        found = self.settled(name)
        return self._kept(name, self.repeated(found)) if copies(found) else found

    def _kept(self, name: str, view: View) -> View:
        if name in self.views and view is not self.views[name]:
            self._settled.append((len(self.steps), name, self.views[name]))
            self.views[name] = view
        return view

    def repeated(self, view: View) -> View:
        """The view on a value that has the copies of a view, of which there are some."""
        if not view.base[0] and self.batch in flat(view.axes):
            wire = self.step("expand", [view.wire, self.flowing()], view.wire.sizes, cuts=())
            view = View(wire, ((self.batch,), *view.base[1:]), view.axes)
            if not copies(view):
                return view
        many = {id(atom) for atom in copies(view)}
        runs: list[Axis] = [()]
        for atom in flat(view.axes):
            if atom in view.base[0]:
                continue
            if id(atom) in many:
                runs += [(atom,), ()]
            else:
                runs[-1] = (*runs[-1], atom)
        runs[1:] = [run for run in runs[1:] if run]
        # The axes as they are, where a map has as many and no channels repeat.
        own = [axis for axis in view.axes if axis and axis[0] not in view.base[0]]
        mixed = any(0 < sum(id(a) in many for a in axis) < len(axis) for axis in own)
        if not mixed and 1 < len(own) <= _PLACES + 1 and id(own[0][0]) not in many:
            runs = own
        alone = tuple(() if run and id(run[0]) in many else run for run in runs)
        wire = self.arranged(View(view.wire, view.base, view.base), (view.base[0], *alone)).wire
        factors = [size_of(r) if not a else 1 for r, a in zip(runs[1:], alone[1:], strict=True)]
        wire = self.step(f"upsample({sizes(factors)})", [wire], [size_of(run) for run in runs])
        return View(wire, (view.base[0], *runs), view.axes)

    # --- steps

    def step(
        self,
        head: str,
        inputs: Sequence[Wire],
        shape: Sequence[int],
        *given: str,
        named: Mapping[str, Wire] | None = None,
        weights: Mapping[str, Array] | None = None,
        outputs: int = 1,
        shared: bool = False,
        cuts: tuple[Any, ...] | None = None,
    ) -> Wire:
        """Adds a step of the node at hand; its value, of these sizes, cut as what it reads if not said."""
        word = re.match(r"[a-z_]+", head)[0]  # type: ignore[index]
        for wire in (*inputs, *(named or {}).values()):
            if wire.only not in ("", word):
                raise Unsaid(f"it reads places that only {wire.only} takes")
        name = self.names.free(self._called(), word)
        step = Step(
            name, head, tuple(inputs), tuple(given), named or {}, weights or {}, self.node.scopes
        )
        step.source = self.node.output
        step.made = tuple(
            Wire(
                name if outputs == 1 else self.names.free([f"{name}_{i + 1}"], word),
                tuple(shape),
                step,
                shared,
                max((w.cuts for w in inputs), key=len)
                if cuts is None and not shared
                else cuts or (),
            )
            for i in range(outputs)
        )
        self.steps.append(step)
        self._when[id(step)] = len(self._when)
        return step.made[0]

    def ahead(self, step: Step, head: str, source: Wire) -> Wire:
        """Adds a step in front of one that is there already, of the same sizes as what it reads."""
        made = self.step(head, [source], source.sizes)
        self.steps.insert(self.steps.index(step), self.steps.pop())
        return made

    def _called(self) -> list[str]:
        """The parts of the node's name that say where it stands and what it is."""
        scopes = [scope.name for scope in self.node.scopes]
        own = self.node.name.rpartition("/")[2].rpartition(".")[2]
        own = re.sub(r"^node_|_\d+$", "", own).lower()
        return (
            [*scopes, own]
            if own and not scopes
            else (scopes if _layer(self.node) else [*scopes, own])
        )

    def forget(self, number: int) -> None:
        """Drops the steps after the first `number`, which a rule began and could not end."""
        del self.steps[number:]
        self._arranged.clear()
        self.parts.forget()
        while self._settled and self._settled[-1][0] > number:
            _, name, view = self._settled.pop()
            self.views[name] = view
        self._shared.clear()
        self._given.clear()

    def parameter(self, array: Array, like: Wire | None = None, of: str = "") -> Wire:
        """A step that gives trained numbers, the same for every sample; one for all that read the same.

        Numbers that are all equal, as before training, are the same if they are `of` one constant.
        """
        key = self._key(array, of)
        if key not in self._given:
            self._given[key] = self.step(
                f"parameter({'x'.join(map(str, array.shape))})",
                [like or self.flowing()],
                array.shape,
                weights={"weight": array},
                shared=True,
            )
        return self._given[key]

    @staticmethod
    def _key(array: Array, of: str) -> tuple[tuple[int, ...], bytes, str | None]:
        return array.shape, array.tobytes(), of if (array == array.flat[0]).all() else None

    def gives(self, array: Array, of: str) -> bool:
        """Whether a step gives these numbers already, as where a file repeats them for each sample."""
        return self._key(array, of) in self._given

    def flowing(self) -> Wire:
        """A value with a row for each sample that is of numbers: an input, or what is first made of ids."""
        pairs = zip(self.program.inputs, self.inputs, strict=True)
        made = (step.made[0] for step in self.steps if step.made and _flows(step.made[0]))
        return next(
            chain((wire for item, wire in pairs if not item.integers), made), self.inputs[0]
        )

    def shared(self, array: Array, like: Wire, make: Callable[[], Wire]) -> Wire:
        """What `make` gives of numbers that may be read several times, made once.

        It reads `like`, or where others read it too, the first of what that comes from in as many places.
        """
        key = (array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = make()
            return self._shared[key]
        found = self._shared[key]
        ids = {id(self.views[name].wire) for name in self.program.integers & set(self.views)}
        while like.step is not None and id(like.step.inputs[0]) not in ids:
            before = like.step.inputs[0]
            if before.sizes[1:] != like.sizes[1:]:
                break
            like = before
        assert found.step is not None
        found.step.inputs = (like,)
        return found

    # --- other orders of numbers

    def arranged(self, view: View, target: Axes) -> View:
        """The view on a value whose axes are `target`: its steps are written where it is not that yet."""
        if view.base == target:
            return view
        if view.base[0] != target[0]:
            raise Unsaid("it puts parts of a map into the batch")
        # What several read is put in order once.
        key = (id(view.wire), view.base, target)
        if key not in self._arranged:
            self._arranged[key] = self._laid_out(view, target)
        return View(self._arranged[key], target, view.axes)

    def _laid_out(self, view: View, target: Axes) -> Wire:
        numbers = in_order(self, view, target)
        if numbers is not None:
            return numbers
        view, target = _merged(view, target)
        wire, base, wanted = view.wire, view.base[1:], target[1:]
        if not wanted:
            raise Unsaid("it has no axis but that of samples")
        if flat(base) != flat(wanted):
            return self._permuted(wire, base, wanted)
        return self._reshaped(wire, base, wanted)

    def plain(self, view: View) -> Wire:
        """The value that is the view as the file has it: batch first, then its axes in order."""
        view = self.parts.settled(view, everything=True)
        if not view.axes or view.axes[0] != view.base[0]:
            raise Unsaid("its first axis is not the batch")
        return self.arranged(view, view.axes).wire

    def sized(self, wire: Wire, axes: Axes) -> Wire:
        """The value with these axes and no others of one element."""
        return self._reshaped(wire, (), axes[1:]) if len(wire.sizes) > len(axes) - 1 else wire

    def channelled(self, view: View, axis: int) -> View:
        """The view on a value whose channels are this axis."""
        view = view.alone(axis)
        atoms = view.axes[axis]
        if len(view.base) > 1 and view.base[1] == atoms:
            return view
        if view.base[0] == atoms:
            raise Unsaid("it computes along the batch")
        places = (a for i, a in enumerate(view.axes) if i != axis)
        others = tuple(
            left for a in places if (left := tuple(x for x in a if x not in view.base[0]))
        )
        return self.arranged(view, (view.base[0], atoms, *others))

    def _reshaped(self, wire: Wire, base: Axes, target: Axes) -> Wire:
        """The same numbers in order, in other axes."""
        shape = [size_of(axis) for axis in target]
        if tuple(shape) == wire.sizes:
            return wire
        if not target:
            raise Unsaid("it is one number for each sample, without an axis")
        if len(target) == 1:
            return self.step("flatten", [wire], shape)
        if base[:1] == target[:1] and len(target) == 2 and 2 < len(base) <= _PLACES + 1:
            return self.step("sequence", [wire], shape)
        if base[:1] == target[:1] and len(base) == 2 and 2 < len(target) <= _PLACES + 1:
            return self.step(f"grid({'x'.join(map(str, shape[1:]))})", [wire], shape)
        return self.step(f"reshape({'x'.join(map(str, shape))})", [wire], shape)

    def _permuted(self, wire: Wire, base: Axes, target: Axes) -> Wire:
        """Numbers in another order: a shuffle, pixels, or axes permuted, taken apart before and after."""
        if base[1:] == target[1:] and len(base[0]) == 2 and target[0] == base[0][::-1]:
            return self.step(f"shuffle({base[0][0].size})", [wire], wire.sizes)
        pixels = self._pixels(wire, base, target)
        if pixels is not None:
            return pixels
        wanted = flat(target)
        # As few axes as the order of the numbers needs.
        if sorted(map(id, flat(base))) != sorted(map(id, wanted)):
            raise Unsaid("it reads other elements than there are")
        apart: Axes = tuple((atom,) for atom in flat(base))
        whole = tuple(axis for axis in base if axis)
        if all(
            any(axis == wanted[i : i + len(axis)] for i in range(len(wanted))) for axis in whole
        ):
            apart = _runs(whole, target)
        wire = self._reshaped(wire, base, apart)
        places = sorted(
            range(len(apart)), key=lambda i: [id(a) for a in wanted].index(id(apart[i][0]))
        )
        moved = tuple(apart[i] for i in places)
        head = "transpose" if places == [1, 0] else f"transpose(({', '.join(map(str, places))}))"
        wire = self.step(head, [wire], [size_of(axis) for axis in moved])
        return self._reshaped(wire, moved, target)

    def _pixels(self, wire: Wire, base: Axes, target: Axes) -> Wire | None:
        """The wire with channels made pixels or pixels channels, where that is what the order says."""
        if len(base) != len(target) or len(base) < 2:
            return None
        for word, small, large in (
            ("pixel_shuffle", target, base),
            ("pixel_unshuffle", base, target),
        ):
            pairs = small[1:]
            rank = len(pairs)
            if len(large[0]) != rank + 1 or any(len(axis) != 2 for axis in pairs):
                continue
            if len(small[0]) != 1 or tuple((axis[0],) for axis in pairs) != large[1:]:
                continue
            inner = tuple(axis[1] for axis in pairs)
            factors = {atom.size for atom in inner}
            orders = {
                "": (*small[0], *inner),
                "rows": (*inner, *small[0]),
                "columns": (*inner[::-1], *small[0]),
            }
            for layout, order in orders.items():
                if len(factors) == 1 and large[0] == order:
                    more = f", layout={layout}" if layout else ""
                    shape = [size_of(axis) for axis in target]
                    return self.step(f"{word}({inner[0].size}{more})", [wire], shape)
        return None

    # --- tensors that meet

    def together(self, one: View, other: View) -> tuple[View, View]:
        """Two views with as many axes, whose values meet element by element as the views do."""
        if copies(one) and copies(other):
            one, other = self.repeated(one), self.repeated(other)
        rank = max(len(one.axes), len(other.axes))
        one, other = (
            View(v.wire, v.base, ((),) * (rank - len(v.axes)) + v.axes) for v in (one, other)
        )
        if one.base[0] and other.base[0] and len(one.base[0]) != len(other.base[0]):
            one, other = (self.parts.settled(v, everything=True) for v in (one, other))
        found = refined(one, other) or refined(one.whole(), other.whole())
        if found is not None:
            large, small = found
            if copies(large) or (
                len(flat(small.axes)) > len(flat(large.axes)) and not copies(small)
            ):
                large, small = small, large
            named = renamed(large, small)
            if named is not None and _meets(large, named):
                return (large, named) if large.wire is found[0].wire else (named, large)
            if named is not None and (met := self._met(large, named)) is not None:
                return met if large.wire is found[0].wire else met[::-1]
        one, other = (self.repeated(v) if copies(v) else v for v in (one, other))
        rows = [
            i for v in (one, other) for i, axis in enumerate(v.axes) if axis and axis == v.base[0]
        ]
        first = rows[0] if rows else 0
        order = (first, *(i for i in range(rank) if i != first))
        return self._straight(one, order), self._straight(other, order)

    def _met(self, large: View, small: View) -> tuple[View, View] | None:
        """Two views of the same atoms, or one of some of the other's, whose values lie in one order then.

        It is that of the larger, or of the earlier: what flows on around a branch stays as it is. Of two
        branches it is that of fewer axes, where that is all: which of them a file has first says nothing.
        """
        held = set(flat(small.base))
        if not large.base[0] or large.base[0] != small.base[0] or copies(large) or copies(small):
            return None
        if held == set(flat(large.base)):
            keeps = self.earlier(large.wire, small.wire)
            fewer = len(small.base) - len(large.base)
            if fewer and flat(large.base) == flat(small.base):
                before, after = (large, small) if keeps else (small, large)
                keeps = keeps if self._leads(before.wire, after.wire) else fewer > 0
            if keeps:
                return large, self.arranged(small, large.base)
            return self.arranged(large, small.base), small
        target = tuple(axis if set(axis) <= held else () for axis in large.base)
        return (large, self.arranged(small, target)) if set(flat(target)) == held else None

    def earlier(self, one: Wire, other: Wire) -> bool:
        """Whether a value is there before another."""
        if one.step is None or other.step is None:
            return one.step is None
        return self._when[id(one.step)] <= self._when[id(other.step)]

    def _leads(self, one: Wire, other: Wire) -> bool:
        """Whether a value is made of one that is there before it."""
        waiting, seen = [other], set[int]()
        while waiting:
            wire = waiting.pop()
            if wire is one:
                return True
            if id(wire) not in seen and wire.step is not None and self.earlier(one, wire):
                waiting += (*wire.step.inputs, *wire.step.named.values())
            seen.add(id(wire))
        return False

    def _straight(self, view: View, order: Sequence[int]) -> View:
        """The view on a value whose axes are the view's in this order, that of the samples first."""
        view = self.parts.settled(view, everything=True)
        wanted = view.moved(order)
        if view.base[0] or wanted.axes[0]:
            self.plain(wanted)
        return self.arranged(view, wanted.axes)


def _runs(axes: Axes, target: Axes) -> Axes:
    """Axes with those made one that follow each other inside of one axis of the target too."""
    found: list[Axis] = []
    for axis in axes:
        last = found[-1] if found else ()
        joined = last + axis
        if last and any(
            joined == inside[i : i + len(joined)] for inside in target for i in range(len(inside))
        ):
            found[-1] = joined
        else:
            found.append(axis)
    return tuple(found)


def _layer(node: Node) -> bool:
    """Whether the last scope around a node is the module that it is."""
    return node.op in _MODULES


_MODULES = frozenset(
    {"Conv", "ConvTranspose", "BatchNormalization", "Linear", "LayerNormalization"}
)


def _merged(view: View, target: Axes) -> tuple[View, Axes]:
    """The view and target with atoms that stand side by side in all of them made one."""
    places = [view.base, target, view.axes]
    follows: list[dict[int, int]] = []
    for axes in places:
        found: dict[int, int] = {}
        for axis in axes:
            found |= {id(a): id(b) for a, b in pairwise(axis)}
        follows.append(found)
    atoms = {id(a): a for axes in places for axis in axes for a in axis}
    second = {
        b: a
        for a, b in follows[0].items()
        if all(f.get(a) == b for f in follows) and not atoms[a].batch and not atoms[b].batch
    }
    if not second:
        return view, target
    heads: dict[int, Atom] = {}
    for key, atom in atoms.items():
        if key in second or key not in second.values():
            continue
        size, current = atom.size, key
        while (after := follows[0].get(current)) is not None and second.get(after) == current:
            size, current = size * atoms[after].size, after
        heads[key] = Atom(size)

    def merged(axes: Axes) -> Axes:
        return tuple(
            tuple(heads.get(id(a), a) for a in axis if id(a) not in second) for axis in axes
        )

    return View(view.wire, merged(view.base), merged(view.axes)), merged(target)


def _meets(large: View, small: View) -> bool:
    """Whether a merge of two values is that of their views: sizes agree, 1 or a vector is repeated."""
    if small.base[0] and small.base[0] != large.base[0]:
        return False
    if len(small.base) == len(large.base):
        pairs = zip(small.base[1:], large.base[1:], strict=True)
        return all(not a or not b or a == b for a, b in pairs)
    return len(small.base) == 2 and len(large.base) > 1 and small.base[1] == large.base[1]


def _flows(wire: Wire) -> bool:
    """Whether a value has numbers for each sample."""
    return not wire.shared and not wire.only

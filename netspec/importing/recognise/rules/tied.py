"""Steps that use the weights of another: a file holds the same numbers for both, or one tensor for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netspec.importing.files.places import equal, some
from netspec.importing.files.places import place as place_of
from netspec.importing.files.program import Array
from netspec.importing.recognise.steps import Step
from netspec.ops.registry import REGISTRY

# So many different ones are no pattern, such as that of a blur.
_DRAWN = 64
_FEWEST = 4


def tied(steps: Sequence[Step]) -> None:
    """Gives the steps an owner that have the weights of an earlier one.

    Numbers that were drawn or trained are the same for no other reason. Those that any layer starts with, as
    a norm with ones and zeros, must be one tensor of the file; where a file holds nothing twice, as
    exporters write it that look for the same numbers, the step before must also have what another has.
    """
    _Tied(steps).run()


class _Tied:
    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.order = {id(step): number for number, step in enumerate(steps)}
        # The steps that read what one makes, in each place of theirs.
        self.readers: dict[tuple[int, int], list[Step]] = {}
        for step in steps:
            for place, wire in enumerate(step.inputs):
                if wire.step is not None:
                    self.readers.setdefault((id(wire.step), place), []).append(step)
        # The earlier step that does what a later one does, by the later.
        self.twins: dict[int, Step] = {}
        # One more of each kind of weights: drawn ones by what they are, others by where they lie.
        self.known: dict[object, list[Step]] = {}
        self.drawn = {id(step): _drawn(step.weights) for step in steps}
        self.twice = self._twice()

    def run(self) -> None:
        for step in self.steps:
            if not step.inputs:
                continue
            first = self._first(step)
            if first is not None:
                self.twins[id(step)] = first
                step.owner = first if step.weights else None
        self._plain()

    def _plain(self) -> None:
        """Leaves out the ones and zeros of norms that have nothing else in common: a file holds such once."""
        users: dict[int, list[Step]] = {}
        for step in self.steps:
            if step.owner is not None and _is_plain(step):
                users.setdefault(id(step.owner), []).append(step)
        for others in users.values():
            first = others[0].owner
            assert first is not None
            if not any(self._is_again(step, first) for step in others):
                for step in (first, *others):
                    step.given, step.weights = (*step.given, "affine=no"), {}
                    step.owner = None

    def _is_again(self, step: Step, first: Step) -> bool:
        """Whether what stands before or behind a step does what stands there of another."""
        after = [self.twins.get(id(reader)) for reader in self.readers.get((id(step), 0), ())]
        return self._beside(step) is first or any(
            twin is not None and twin in self.readers.get((id(first), 0), ()) for twin in after
        )

    def _first(self, step: Step) -> Step | None:
        drawn = self.drawn[id(step)]
        if not drawn and (not step.weights or not self.twice):
            return self._beside(step)
        others = self.known.setdefault(_key(step.weights) if drawn else _places(step.weights), [])
        first = next((other for other in others if _same(step.weights, other.weights)), None)
        others += [step] if first is None else []
        return first

    def _beside(self, step: Step) -> Step | None:
        """The step that does the same with what the twin of the one before makes."""
        made = [
            (self.order[id(wire.step)], place)
            for place, wire in enumerate(step.inputs)
            if wire.step is not None
        ]
        if not made:
            return None
        # Of what a sum joins, what was made last: what came by a shortcut says nothing of these steps.
        place = max(made)[1]
        twin = self.twins.get(id(step.inputs[place].step))
        for other in () if twin is None else self.readers.get((id(twin), place), ()):
            alike = (other.head, other.given) == (step.head, step.given)
            if alike and other is not step and _places(step.weights) == _places(other.weights):
                return other
        return None

    def _twice(self) -> bool:
        """Whether a file holds the same numbers in two places: then one tensor is one weight."""
        places: dict[object, object] = {}
        return any(
            places.setdefault((array.shape, array.tobytes()), place_of(array)) != place_of(array)
            for step in self.steps
            if not self.drawn[id(step)]
            for array in step.weights.values()
        )


def _is_plain(step: Step) -> bool:
    """Whether a step is a norm that is scaled by ones and shifted by zeros."""
    word = step.head.partition("(")[0]
    if word not in REGISTRY or "affine" not in REGISTRY[word].params:
        return False
    return all((array == float(name == "weight")).all() for name, array in step.weights.items())


def _drawn(weights: Mapping[str, Array]) -> bool:
    """Whether these are numbers that no two layers have by chance, or from the start."""
    looked = [some(array) for array in weights.values() if array.dtype.kind == "f"]
    values = np.concatenate(looked) if looked else np.zeros(0)
    different = len(np.unique(values))
    return len(values) >= _FEWEST and different >= min(_DRAWN, 0.75 * len(values))


def _key(weights: Mapping[str, Array]) -> object:
    return tuple(
        (name, a.shape, a.dtype.str, some(a).tobytes()) for name, a in sorted(weights.items())
    )


def _places(weights: Mapping[str, Array]) -> object:
    return tuple((name, place_of(a)) for name, a in sorted(weights.items()))


def _same(mine: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    return mine.keys() == others.keys() and all(equal(a, others[name]) for name, a in mine.items())

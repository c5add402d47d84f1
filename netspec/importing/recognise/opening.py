"""Sizes that a file leaves open as symbols: from what was read of it at one size and at another.

A step that says the same at both says it at every size, as far as two can tell; one that resizes or cuts to
a size refers to what has that size. All else that differs, as a table of positions does, keeps the sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from netspec.graph.written import input_sizes
from netspec.importing.files.places import equal, place
from netspec.importing.files.program import Input, Program
from netspec.importing.recognise.recognising import Recognised, written
from netspec.importing.recognise.steps import Step, Wire

# Sizes of the second reading: those that nothing divides, then those that strides divide.
TRIES = ((197, 229, 211, 241), (256, 320, 288, 352))
# The usual size; of files that cannot be read at it they are near what they were read at.
TRIED = 224
_SPATIAL = {1: "T", 2: "HW", 3: "DHW"}
_OTHERS = "KLMPQSUVXYZ"
_RESIZE = re.compile(r"upsample\((?:size=)?\d+(?:x\d+)*((?:, \w+=\w+)*)\)")
_CROP = re.compile(r"crop\([^=]*\)|crop\(size=[\dx]+\)")
_RESHAPE = re.compile(r"(?:reshape|grid)\([\dx]+\)")
_SLICE = re.compile(r"slice\((\d+), (\d+)((?:, \w+=\w+)*)\)")
_REST = re.compile(r"slice\((\d+)((?:, \w+=\w+)*)\)")
_WORDS = {2: ("time",), 3: ("height", "width"), 4: ("depth", "height", "width")}


def open_sizes(program: Program) -> list[str]:
    """The names of the sizes that a file leaves open, those of batches left out."""
    found = (name for item in program.inputs for name in item.symbols[1:] if name)
    return list(dict.fromkeys(found))


def tries(names: Sequence[str], read: int = TRIED) -> Iterator[dict[str, int]]:
    """Sizes to read a file at again that was read at one, by the names of what it leaves open."""
    if not names:
        return
    near = [tuple(max(1, read * part // 8 + i) for i in range(4)) for part in (6, 4, 2, 12)]
    near += [tuple(max(1, read * part // 4) for part in (3, 2, 1))]
    for sizes in TRIES if read == TRIED else near:
        if len(names) <= len(sizes):
            yield dict(zip(names, sizes, strict=False))


def opened(one: Recognised, other: Recognised, program: Program) -> Recognised | None:
    """What was read at one size, `program`'s, with symbols for the open ones; None where steps differ."""
    pairs: list[tuple[Wire, Wire]] = list(zip(one.given, other.given, strict=True))
    twins = {id(b): a for a, b in pairs}
    steps: list[Step] = []
    # Arrays of the one that are those of the other: many steps may have the same ones.
    known: set[object] = set()
    if len(one.steps) != len(other.steps):
        return None
    for a, b in zip(one.steps, other.steps, strict=True):
        read = [(*step.inputs, *step.named.values()) for step in (a, b)]
        if [id(wire) for wire in read[0]] != [id(twins.get(id(wire))) for wire in read[1]]:
            return None
        if not _alike(a, b, known):
            return None
        step = a if (a.head, a.given) == (b.head, b.given) else _sized(a, b, pairs)
        if step is None or (len(a.made), len(a.aside)) != (len(b.made), len(b.aside)):
            return None
        steps.append(step)
        pairs += zip(a.made, b.made, strict=True)
        given = zip((*a.made, *a.aside), (*b.made, *b.aside), strict=True)
        twins |= {id(y): x for x, y in given}
    return written(replace(one, steps=tuple(steps)), program, _texts(one, program.inputs))


def _alike(a: Step, b: Step, known: set[object]) -> bool:
    """Whether two steps have the same weights; pairs that are `known` to be the same are added to."""
    if a.weights.keys() != b.weights.keys():
        return False
    for key, array in a.weights.items():
        pair = (place(array), place(b.weights[key]))
        if pair not in known and not equal(array, b.weights[key]):
            return False
        known.add(pair)
    return True


def _sized(a: Step, b: Step, pairs: Sequence[tuple[Wire, Wire]]) -> Step | None:
    """A step whose size differs, by what has the same; None where it differs otherwise."""
    if a.given != b.given or len(a.inputs) != 1:
        return None
    found = [_RESIZE.fullmatch(step.head) for step in (a, b)]
    if found[0] and found[1] and found[0][1] == found[1][1]:
        like = _of_size(a, b, pairs)
        given = tuple(filter(None, found[0][1].split(", ")))
        return replace(a, head="upsample", inputs=(*a.inputs, like), given=given) if like else None
    if all(_CROP.fullmatch(step.head) for step in (a, b)):
        like = _of_size(a, b, pairs)
        return replace(a, head="crop", inputs=(*a.inputs, like)) if like else None
    if all(_RESHAPE.fullmatch(step.head) for step in (a, b)):
        both = [step.made[0].sizes for step in (a, b)]
        shape = [str(one) if one == other else "-1" for one, other in zip(*both, strict=False)]
        # The one size that is open is what is left.
        whole = shape.count("-1") == 1 and len(both[0]) == len(both[1])
        return replace(a, head=f"reshape(({', '.join(shape)}))") if whole else None
    found = [_SLICE.fullmatch(step.head) for step in (a, b)]
    if found[0] and found[1] and (found[0][1], found[0][3]) == (found[1][1], found[1][3]):
        pairs_of = zip((a, b), found, strict=True)
        left = {_left(step, int(m[2]), m[3]) for step, m in pairs_of if m}
        if len(left) == 1:
            return replace(a, head=f"slice({found[0][1]}, -{left.pop()}{found[0][3]})")
    found = [_REST.fullmatch(step.head) for step in (a, b)]
    if found[0] and found[1] and found[0][2] == found[1][2]:
        pairs_of = zip((a, b), found, strict=True)
        left = {_left(step, int(m[1]), m[2]) for step, m in pairs_of if m}
        if len(left) == 1:
            return replace(a, head=f"slice(-{left.pop()}{found[0][2]})")
    return None


def _of_size(a: Step, b: Step, pairs: Sequence[tuple[Wire, Wire]]) -> Wire | None:
    """The first tensor of the size that a step makes, in both readings."""
    sizes = (a.made[0].sizes[1:], b.made[0].sizes[1:])
    return next((x for x, y in pairs if (x.sizes[1:], y.sizes[1:]) == sizes), None)


def _left(step: Step, at: int, given: str) -> int:
    """How many elements of the axis that a slice is along stand from one on."""
    shape = step.inputs[0].sizes
    word = re.search(r"axis=(\w+)", given)
    places = _WORDS.get(len(shape), ())
    axis = places.index(word[1]) + 1 if word and word[1] in places else 0
    return shape[axis] - at


def _texts(found: Recognised, inputs: Sequence[Input]) -> Mapping[str, str]:
    """The sizes of each input as text, with a letter for each that is open."""
    letters: dict[str, str] = {}
    texts = {}
    for item, wire in zip(inputs, found.given, strict=True):
        sizes = [str(size) for size in wire.sizes]
        # Places stand behind the channels, or before them if their size is open and that of the last not.
        leading = item.symbols[1:2] != ("",) and item.symbols[-1:] == ("",)
        first = 0 if leading else item.places - 1
        wanted = _SPATIAL.get(len(sizes) - (first or item.places - 1), "")
        for axis, name in enumerate(item.symbols[1:]):
            if name:
                usual = wanted[axis - first : axis - first + 1]
                free = (c for c in (*usual, *_OTHERS) if c not in letters.values())
                sizes[axis] = letters.setdefault(name, next(free))
        texts[wire.name] = input_sizes(sizes)
    return texts

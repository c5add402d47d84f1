"""Chains of steps that one operator says: what files write out where ONNX has no node, or one says less.

Each rule looks at a step and at those that lead to it and to nothing else. If they are one operator, the
step becomes that and reads what the first of them read; what it leaves is unused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from math import prod

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.steps import Step, Wire, number, sizes
from netspec.ops.declare.patterns import codes

Read = Callable[[Wire], "Step | None"]

_HEAD = re.compile(r"([a-z_]+)(?:\((.*)\))?")
_POOL = re.compile(r"avgpool([\dx]+)/([\dx]+)")
_CONV = re.compile(r"(?:dw)?conv\d.*")
_PADDED = re.compile(r"pad\((.*), mode=(\w+)\)")
_PAIR = re.compile(r"\((\d+), (\d+)\)")
# Whole-map pools, that give a number for each channel or a map of one place.
_WHOLE = frozenset({"gap", "gmp", "gsp"})


def chained(steps: Sequence[Step], outputs: Collection[Wire]) -> None:
    """Makes one step of each chain that one operator says, in place."""
    reads = Counter(id(wire) for step in steps for wire in (*step.inputs, *step.named.values()))
    reads.update(map(id, outputs))

    def before(wire: Wire) -> Step | None:
        """The step that makes a tensor which is read once."""
        return wire.step if reads[id(wire)] == 1 else None

    for step in steps:
        word, _ = _parts(step)
        for rule in _RULES.get(word, ()):
            if rule(step, before):
                break


def _parts(step: Step) -> tuple[str, list[str]]:
    """A step's word, and what stands in its head's brackets; the shorthand is of neither."""
    found = _HEAD.fullmatch(step.head)
    if found is None:
        return re.match(r"[a-z_]+", step.head)[0], []  # type: ignore[index]
    return found[1], found[2].split(", ") if found[2] else []


def _factor(step: Step | None) -> float | None:
    """What a step multiplies with, if that is all it does."""
    if step is None:
        return None
    word, given = _parts(step)
    return float(Fraction(given[0])) if word == "scaled" and len(given) == 1 else None


def _power(step: Step | None) -> float | None:
    """The power that a step raises to."""
    if step is None:
        return None
    word, given = _parts(step)
    if word == "pow" and len(given) == 1:
        return float(Fraction(given[0]))
    return {"square": 2.0, "sqrt": 0.5}.get(word) if not given else None


def _inverse(one: float, other: float) -> bool:
    """Whether one number is what single precision makes of one over the other."""
    return bool(one and other) and np.float32(1 / one) == np.float32(other)


def _kept(step: Step, before: Read) -> bool:
    """`gap(keep=yes)`: what a map was pooled to, as a map of one place."""
    inner = step.inputs[0].step
    if inner is None or inner.head not in _WHOLE or inner.given:
        return False
    source, made = inner.inputs[0], step.made[0].sizes
    if made != (source.sizes[0], *(1,) * (len(source.sizes) - 1)):
        return False
    step.head, step.given, step.inputs = inner.head, ("keep=yes",), inner.inputs
    return True


def _bent(step: Step, before: Read) -> bool:
    """`tanh(1.7159, 0.6667)`, `celu(2)`, `softplus(2)`: a function of what is scaled, scaled."""
    after, bent = _factor(step), before(step.inputs[0])
    first = before(bent.inputs[0]) if bent is not None and not bent.given else None
    inside = _factor(first)
    if after is None or inside is None or bent is None or first is None:
        return False
    if bent.head == "tanh":
        head = f"tanh({number(after)}, {number(inside)})"
    elif bent.head == "elu" and after > 0 and _inverse(after, inside):
        head = f"celu({number(after)})"
    elif bent.head == "softplus" and inside > 0 and _inverse(inside, after):
        head = f"softplus({number(inside)})"
    else:
        return False
    step.head, step.inputs = head, first.inputs
    return True


def _summed(step: Step | None, before: Read) -> tuple[Step, str, str] | None:
    """The pool whose means a step makes sums of the windows, its kernel and stride."""
    pool = before(step.inputs[0]) if step is not None else None
    found = _POOL.fullmatch(pool.head) if pool is not None else None
    if pool is None or found is None or "count_pad=no" in pool.given:
        return None
    rank, kernel = len(pool.inputs[0].sizes) - 1, [int(size) for size in found[1].split("x")]
    taps = prod(kernel) if len(kernel) > 1 else kernel[0] ** rank
    return (pool, found[1], found[2]) if _factor(step) == taps else None


def _subsampled(step: Step, before: Read) -> bool:
    """`subsampling2`: sums of windows, each channel's times a number and moved by one."""
    found = _summed(before(step.inputs[0]), before)
    if step.given or "bias" not in step.weights or found is None or found[0].given:
        return False
    pool, kernel, stride = found
    step.head = f"subsampling{kernel}" + f"/{stride}" * (stride != kernel)
    step.inputs = pool.inputs
    return True


def _rooted(step: Step, before: Read) -> bool:
    """`lppool`: roots of sums of powers of magnitudes."""
    root, found = _power(step), _summed(before(step.inputs[0]), before)
    powers = before(found[0].inputs[0]) if found is not None else None
    sizeless = before(powers.inputs[0]) if powers is not None else None
    power = _power(powers)
    if root is None or power is None or found is None or sizeless is None:
        return False
    if sizeless.head != "abs" or power != int(power) or not _inverse(power, root):
        return False
    pool, kernel, stride = found
    step.head, step.inputs = f"lppool{kernel}/{stride}", sizeless.inputs
    step.given = (*pool.given, *[f"p={int(power)}"] * (power != 2))
    return True


def _distances(step: Step, before: Read) -> bool:
    """`rbf`: sums of squared distances to the patterns that it has if nothing is said of them."""
    square = before(step.inputs[0])
    apart = before(square.inputs[0]) if square is not None and square.head == "square" else None
    if apart is None or apart.head != "sub" or step.given:
        return False
    (values, patterns), table = apart.inputs, apart.inputs[1].step
    row = before(values)
    if row is None or _parts(row)[0] != "reshape" or values.sizes[0] != 1 or table is None:
        return False
    held = table.weights.get("weight")
    if _parts(table)[0] != "parameter" or held is None or not _are_codes(held):
        return False
    step.head, step.inputs = f"rbf-{patterns.sizes[0]}", row.inputs
    return True


def _are_codes(table: Array) -> bool:
    """Whether patterns are those of `rbf` where nothing is said of them."""
    return table.ndim == 2 and np.array_equal(codes(np, 0, len(table), table.shape[1]), table)


def _bordered(step: Step, before: Read) -> bool:
    """A convolution of what was mirrored, repeated or put round at its border, and that adds none."""
    pad = before(step.inputs[0])
    found = _PADDED.fullmatch(pad.head) if pad is not None else None
    plain = not any(given.startswith("pad") for given in step.given)
    if pad is None or found is None or not plain or not _CONV.fullmatch(step.head):
        return False
    step.given = (f"pad={found[1]}", f"pad_mode={found[2]}", *step.given)
    step.inputs = pad.inputs
    return True


def _stacked(step: Step, before: Read) -> bool:
    """`stack`: tensors joined along the channels, of which each then has its place behind them."""
    apart = before(step.inputs[0])
    joined = (
        before(apart.inputs[0]) if apart is not None and _parts(apart)[0] == "reshape" else None
    )
    if apart is None or joined is None or joined.head != "concat" or joined.given:
        return False
    one, made = joined.inputs[0].sizes, step.made[0].sizes
    many = len(joined.inputs)
    if any(wire.sizes != one for wire in joined.inputs) or apart.made[0].sizes != (many, *one):
        return False
    if made != (one[0], many, *one[1:]) or step.head != _SWAPS.get(len(made)):
        return False
    step.head, step.inputs = "stack", joined.inputs
    return True


def _nearest(step: Step, before: Read) -> bool:
    """Rows repeated and then columns: `upsample` of both. What is alone is repeated whatever lies between."""
    inner = before(step.inputs[0])
    if inner is None or _parts(inner)[0] != "upsample" or "mode=" in inner.head:
        return False
    if len(step.inputs) > 1 or len(inner.inputs) > 1 or "align" in step.head or "anti" in step.head:
        return False
    shapes = [wire.sizes[1:] for wire in (inner.inputs[0], step.inputs[0], step.made[0])]
    if any(a != b and b != c for a, b, c in zip(*shapes, strict=True)):
        return False
    mode = [given for given in _parts(step)[1] if given.startswith("mode=")]
    if mode and any(a not in (1, b) for a, b in zip(*shapes[:2], strict=True)):
        return False
    step.head, step.inputs = nearest(shapes[0], shapes[2], *mode), inner.inputs
    return True


def nearest(old: Sequence[int], new: Sequence[int], *given: str) -> str:
    """The step that takes maps from sizes to others, each place as the nearest one if not said otherwise."""
    size = f"size={'x'.join(map(str, new))}"
    if all(b % a == 0 for a, b in zip(old, new, strict=True)):
        size = sizes([b // a for a, b in zip(old, new, strict=True)])
    return f"upsample({', '.join([size, *given])})"


def _filled(step: Step, before: Read) -> bool:
    """`pixel_unshuffle(2, fill=yes)` of a map whose ends were padded to whole factors."""
    pad, (_, given) = before(step.inputs[0]), _parts(step)
    ends = _PAIR.findall(pad.head) if pad is not None and pad.head.startswith("pad(((") else []
    if pad is None or not ends or "=" in pad.head or "fill=yes" in given:
        return False
    if any(int(first) or not int(more) < int(given[0]) for first, more in ends):
        return False
    step.head, step.inputs = f"pixel_unshuffle({', '.join([*given, 'fill=yes'])})", pad.inputs
    return True


# How the first two axes change places, by how many there are.
_SWAPS = {2: "transpose", 3: "transpose((1, 0, 2))", 4: "transpose((1, 0, 2, 3))"}
_RULES: Mapping[str, Sequence[Callable[[Step, Read], bool]]] = {
    "reshape": (_kept,),
    "transpose": (_stacked,),
    "scaled": (_bent,),
    "affine": (_subsampled,),
    "sqrt": (_rooted,),
    "pow": (_rooted,),
    "gsp": (_distances,),
    "conv": (_bordered,),
    "dwconv": (_bordered,),
    "upsample": (_nearest,),
    "pixel_unshuffle": (_filled,),
}

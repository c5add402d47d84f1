"""Random networks of the families that people publish, small, with equal widths on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from support.generated_layers import Group, Layer, Node, Step
from support.generated_sequences import SequenceMaker
from support.generated_units import ACTS, TOKENS, act, gap, pool

SIZE = 8
MAPS = "chain basic bottleneck preact repvgg inception dense squeezed separable gated".split()
SEQUENCES = "transformer mixer gated_layer".split()
FAMILIES = [*MAPS, "mixed", "towers", *SEQUENCES, "vectors"]


@dataclass
class Net:
    """A network, the sizes of its inputs, and whether automatic projections have a norm."""

    tree: Group
    inputs: list[str]
    normed: bool
    family: str


def network(family: str, random: Random) -> Net:
    """A network of a family."""
    maker = SequenceMaker(random)
    if family == "vectors":
        trunk, inputs = _vectors(maker), ["6"]
    elif family in SEQUENCES:
        trunk, inputs = _sequence(maker, family)
    elif family == "towers":
        trunk, inputs = _towers(maker), [f"3x{SIZE}x{SIZE}"] * 2
    else:
        trunk = _trunk(maker, MAPS if family == "mixed" else [family])
        inputs = [f"3x{SIZE}x{SIZE}"]
    return Net(Group(trunk, "net"), inputs, maker.normed, family)


def _stem(maker: SequenceMaker) -> tuple[Group, int]:
    random, width = maker.random, maker.width
    stride = random.choice([1, 2])
    parts = [*maker.conv(3, width, random.choice([3, 3, 5]), stride, role="stem"), maker.on()]
    if random.random() < 0.3:
        parts += [*maker.conv(width, width, role="stem"), maker.on()]
    if stride == 1 and random.random() < 0.5:
        parts.append(pool())
        stride = 2
    return Group(parts, "stem"), SIZE // stride


def _body(maker: SequenceMaker, units: list[str], most: int) -> tuple[list[Node], int, int]:
    """A stem and stages: the parts, their width and the size of the map."""
    random = maker.random
    stem, size = _stem(maker)
    into, stages = maker.width, []
    for stage in range(random.choice([1, 2, 2, 3])):
        count = min(random.choice([1, 2, 2, 3, 4]), most)
        if not count:
            break
        most -= count
        out = into * 2 if stage and into < 9 and random.random() < 0.3 else into
        stride = 2 if stage and size > 2 and random.random() < 0.6 else 1
        made: list[Node] = []
        kind = random.choice(units)
        for i in range(count):
            kind = random.choice(units) if random.random() < 0.3 else kind
            made.append(getattr(maker, kind)(into, out, stride if i == 0 else 1))
            into = out
        size //= stride
        stages.append(Group(made, "stage"))
    return [stem, *stages], into, size


def _trunk(maker: SequenceMaker, units: list[str]) -> list[Node]:
    parts, width, size = _body(maker, units, maker.random.choice([2, 2, 3, 4]))
    last: list[Node] = []
    if "preact" in units and maker.normed:
        last = [Layer("bn", width, width, role="last"), maker.on()]
    elements = size * size * width
    if elements <= 200 and maker.random.random() < 0.3:
        return [*parts, *last, _head(maker, elements, (width, size, size))]
    return [*parts, *last, gap(), _head(maker, width)]


def _head(maker: SequenceMaker, width: int, flat: tuple[int, ...] = ()) -> Group:
    """Linear layers, several of them equal, to 3 or 5 classes."""
    random, parts = maker.random, list[Node]()
    for _ in range(random.choice([0, 0, 0, 1, 2, 3])):
        inner = maker.width if flat else width
        parts += [Layer("linear", width, inner, bias=True, role="head", flat=flat), maker.on()]
        width, flat = inner, ()
    classes = random.choice([3, 5])
    return Group(
        [*parts, Layer("linear", width, classes, bias=True, role="head", flat=flat)], "head"
    )


def _towers(maker: SequenceMaker) -> list[Node]:
    random, sides = maker.random, list[Node]()
    state, width = random.getstate(), 0
    for _ in range(2):
        random.setstate(state)
        parts, width, _size = _body(maker, ["chain", "basic", "separable"], 2)
        sides.append(Group([*parts, act("tanh")], "tower"))
    merge = random.choice(["add", "concat"])
    out = width * (2 if merge == "concat" else 1)
    return [Group(sides, merge=merge), gap(), _head(maker, out)]


def _sequence(maker: SequenceMaker, family: str) -> tuple[list[Node], list[str]]:
    random, width, into = maker.random, maker.width, maker.width
    stem: list[Node] = []
    if random.random() < 0.6:
        into = 3
        stem = [Group([maker.linear(into, width, "stem")], "stem")]
    units: list[Node] = [getattr(maker, family)(width) for _ in range(random.choice([1, 2, 2, 3]))]
    last: list[Node] = []
    if random.random() < 0.7:
        last = [Layer(maker.norm, width, width, role="last")]
    parts = [*stem, Group(units, "stage"), *last, gap(), _head(maker, width)]
    return parts, [f"{into}x{TOKENS}"]


def _vectors(maker: SequenceMaker) -> list[Node]:
    """Linear layers in a row, some of them around a residual."""
    random, width, into, parts = maker.random, maker.width, 6, list[Node]()
    normed, adds = random.random() < 0.5, random.random() < 0.5
    for i in range(random.choice([2, 3, 4, 5])):
        main: list[Node] = [maker.linear(into, width, "vector")]
        main += [Layer("ln", width, width)] if normed else []
        main += [Step("relu", ACTS["relu"])]
        if adds and i:
            written = random.choice(["residual", "branches", "reversed"])
            side: list[Node] = [Group(main), Group([])]
            parts.append(Group([Group(side, merge="add", written=written)], "unit"))
        else:
            parts += main
        into = width
    return [*parts, _head(maker, width)]

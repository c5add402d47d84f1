"""Units of the families that people publish, with random details and equal widths on purpose."""

from __future__ import annotations

from random import Random

import torch.nn.functional as F
from support.generated_layers import Group, Layer, Node, Step

ACTS = {"relu": F.relu, "tanh": F.tanh, "sigmoid": F.sigmoid, "silu": F.silu, "gelu": F.gelu}
TOKENS = 5


def act(name: str) -> Step:
    """An activation by netspec's name."""
    return Step(name, ACTS[name])


def gap() -> Step:
    """The mean over each channel."""
    return Step("gap", lambda x: x.flatten(2).mean(2))


def pool() -> Step:
    """Half the size."""
    return Step("maxpool2", lambda x: F.max_pool2d(x, 2))


def identity() -> Group:
    """A branch that does nothing."""
    return Group([])


class Maker:
    """Makes units of one style: with or without batch norms, one activation."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.normed = random.random() < 0.75
        self.act = random.choice(["relu", "relu", "silu", "tanh"])
        self.width = random.choice([4, 6, 8])
        self.norm = random.choice(["ln", "ln", "rms"])
        self.gate = random.choice(["silu", "sigmoid"])

    def conv(
        self, into: int, out: int, kernel: int = 3, stride: int = 1, *, plain: bool = False,
        role: str = "", kind: str = "conv",
    ) -> list[Node]:  # fmt: skip
        """A convolution, with its norm in nets with norms."""
        normed = self.normed and not plain
        conv = Layer(kind, into, out, kernel, stride, bias=not self.normed, role=role)
        norm = Layer("bn", out, out, role=role, norm_of=conv)
        return [conv, norm] if normed else [conv]

    def on(self) -> Step:
        return act(self.act)

    def residual(
        self, main: list[Node], into: int, out: int, stride: int, *, plain: bool = False
    ) -> Node:
        """What flows in, through a projection where shapes differ and now and then where not."""
        same = into == out and stride == 1
        forced = same and self.random.random() < 0.25
        writing = self.random.choice(["residual", "branches", "reversed"])
        if same and not forced:
            return Group([Group(main), identity()], merge="add", written=writing)
        side = Group(self.conv(into, out, 1, stride, plain=plain, role="shortcut"), "shortcut")
        if writing == "residual" and plain and self.normed:
            writing = "branches"  # an automatic projection would have the default's norm
        if writing == "residual" and forced:
            writing = "residual(shortcut=project)"
        return Group([Group(main), side], merge="add", written=writing)

    def basic(self, into: int, out: int, stride: int) -> Group:
        main = [*self.conv(into, out, 3, stride), self.on(), *self.conv(out, out)]
        return Group([self.residual(main, into, out, stride), self.on()], "unit")

    def bottleneck(self, into: int, out: int, stride: int) -> Group:
        inner = self.random.choice([out, out, max(out // 2, 2)])
        main = [
            *self.conv(into, inner, 1, role="reduce"), self.on(),
            *self.conv(inner, inner, 3, stride), self.on(),
            *self.conv(inner, out, 1, role="expand"),
        ]  # fmt: skip
        return Group([self.residual(main, into, out, stride), self.on()], "unit")

    def preact(self, into: int, out: int, stride: int) -> Group:
        main: list[Node] = []
        for i, width in enumerate((into, out)):
            main += [Layer("bn", width, width)] if self.normed else []
            step = stride if i == 0 else 1
            main += [self.on(), *self.conv(width, out, 3, step, plain=True)]
        return Group([self.residual(main, into, out, stride, plain=True)], "unit")

    def repvgg(self, into: int, out: int, stride: int) -> Group:
        sides = [Group(self.conv(into, out, kernel, stride), "branch") for kernel in (3, 1)]
        if into == out and stride == 1 and self.normed:
            sides.insert(self.random.choice([0, 0, 2]), Group([Layer("bn", out, out)], "branch"))
        return Group([Group([*sides], merge="add"), self.on()], "unit")

    def inception(self, into: int, out: int, stride: int) -> Group:
        count = self.random.choice([2, 2, 4])
        width = max(out // count, 1)
        kernel = self.random.choice([1, 3])
        deep = self.random.random() < 0.5
        sides: list[Node] = []
        for i in range(count):
            parts = [*self.conv(into, width, kernel), act("tanh" if i % 2 else "relu")]
            parts += [*self.conv(width, width), self.on()] if deep and i else []
            sides.append(Group(parts, "branch"))
        joined = Group(sides, merge="concat")
        mixed = self.conv(width * count, out, 1, stride)
        return Group([joined, *mixed, self.on()], "unit")

    def dense(self, into: int, out: int, stride: int) -> Group:
        parts: list[Node] = []
        width = into
        for _ in range(self.random.choice([2, 3])):
            grown = [*self.conv(width, 4), self.on()]
            parts.append(Group([identity(), Group(grown, "branch")], merge="concat"))
            width += 4
        return Group(
            [*parts, *self.conv(width, out, 1, stride, role="transition"), self.on()], "unit"
        )

    def squeezed(self, into: int, out: int, stride: int) -> Group:
        inner = self.random.choice([out, max(out // 2, 2)])
        gate = [
            gap(), Layer("linear", out, inner, bias=True, role="vector"), act("relu"),
            Layer("linear", inner, out, bias=True, role="vector"), act("sigmoid"),
        ]  # fmt: skip
        scaled = Group([identity(), Group(gate, "se")], merge="mul")
        main = [*self.conv(into, out, 3, stride), self.on(), *self.conv(out, out), scaled]
        return Group([self.residual(main, into, out, stride), self.on()], "unit")

    def separable(self, into: int, out: int, stride: int) -> Group:
        parts: list[Node] = []
        for width, step in ((into, stride), (out, 1)):
            parts += [*self.conv(width, width, 3, step, kind="dwconv"), self.on()]
            parts += [*self.conv(width, out, 1), self.on()]
        return Group(parts, "unit")

    def gated(self, into: int, out: int, stride: int) -> Group:
        sides = [
            Group([*self.conv(into, out, 3, stride), act("sigmoid")], "branch"),
            Group([*self.conv(into, out, 3, stride), act("tanh")], "branch"),
        ]
        merge = self.random.choice(["mul", "add"])
        return Group([Group([*sides], merge=merge), *self.conv(out, out, 1), self.on()], "unit")

    def chain(self, into: int, out: int, stride: int) -> Group:
        parts = [*self.conv(into, out, 3, stride), self.on()]
        for _ in range(self.random.choice([0, 1, 2])):
            parts += [*self.conv(out, out), self.on()]
        return Group(parts, "unit")

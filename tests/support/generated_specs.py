"""Specs drawn at random, over every operator and everything the language has.

`spec(seed)` is a text that `build` accepts. It grows piece by piece: a piece that is refused where
it stands is drawn again. Each seed is about one operator, in turn, among others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from support.generated_steps import input_like, varied

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.source import Source
from netspec.elaborate.build import attempted
from netspec.graph.checked import Graph
from netspec.ops.declare.operator import Operator
from netspec.ops.registry import REGISTRY

OPERATORS = tuple(dict.fromkeys(REGISTRY.values()))
# Nets that run in milliseconds.
SMALL = Limits(nodes=150, tensor=60_000, parameters=200_000, activations=4_000_000)

_SAME_SIZE = (
    "relu", "tanh", "sigmoid", "hardswish", "gelu", "softplus", "elu(0.7)", "prelu", "affine", "bn",
    "layernorm", "scaled(0.5, 0.1)", "leaky(0.2)", "dropout(0.3)", "identity", "softsign", "l2norm",
    "conv1-C", "conv3-C(pad=same)", "conv3-C(pad=same, act=relu)", "dwconv3(pad=same)",
    "fc-C(over=channels)", "flip", "rnn-C", "conv1-C(norm=bn, act=silu, bias=no)", "lrn(3)", "groupnorm(1)",
)  # fmt: skip
_MERGES = ("add", "concat", "mul", "mean", "maximum", "minimum", "sub")
_OPEN = {1: "T", 2: "HxW", 3: "DxHxW"}
# What leads from so many axes of place to so many.
_BRIDGES = {
    (2, 1): ("sequence", "gap(keep=yes); sequence", "reshape((C, H*W))"),
    (3, 1): ("sequence",),
    (2, 0): ("gap", "flatten", "gmp", "pyramid_level(2)"),
    (3, 0): ("gap", "flatten"),
    (1, 0): ("gap", "flatten", "slice(-1, axis=time); flatten"),
    (1, 2): ("reshape((C, 1, T))", "reshape((1, C, T))"),
    (0, 1): ("reshape((C, 1))", "reshape((1, C))"),
    (0, 2): ("reshape((C, 1, 1))", "fc-16; reshape(1x4x4)"),
    (2, 3): ("reshape((C, 1, H, W))",),
    (3, 2): ("reshape((C, D*H, W))",),
}


@dataclass
class Spec:
    """A text, its graph, and which kinds of pieces it is made of."""

    seed: int
    text: str
    graph: Graph
    pieces: Counter[str]
    refused: int


@dataclass
class _Writer:
    """Writes pieces for what flows; `blocks` are those that the piece at hand needs."""

    random: Random
    about: type[Operator]
    rank: int = 2
    names: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    counter: int = 0

    def fresh(self, letter: str) -> str:
        self.counter += 1
        return f"{letter}{self.counter}"

    def pick(self, *items: str) -> str:
        return self.random.choice(items)

    # --- steps

    def operator(self, kind: type[Operator] | None = None) -> str:
        """An operator's example with other parameters, led to from what flows."""
        random = self.random
        kind = kind or random.choice(OPERATORS)
        ranks = {}
        for declared, step in kind.examples:
            if re.fullmatch(r"[0-9]+(x[0-9A-Z]+)*", declared):
                ranks.setdefault(declared.count("x"), []).append(step)
        if not ranks:
            return random.choice(_SAME_SIZE)
        rank = self.rank if self.rank in ranks or random.random() < 0.3 else random.choice([*ranks])
        steps = ranks.get(rank) or [step for held in ranks.values() for step in held]
        step = self.step(kind, random.choice(steps), rank)
        bridge = _BRIDGES.get((self.rank, rank))
        return f"{random.choice(bridge)}; {step}" if bridge else step

    def step(self, kind: type[Operator], step: str, rank: int) -> str:
        """An example's step, its names unlike those of others."""
        with suppress(StopIteration):  # the example calls it by another word
            step = varied(kind, step, rank, self.random)
        for name in re.findall(r"\bas (\w+)", step):
            fresh = self.fresh(name)
            step = re.sub(rf"(\bas |@){name}\b", rf"\g<1>{fresh}", step)
        return step

    def same(self, most: int = 2) -> str:
        """Steps that keep the shape."""
        return "; ".join(self.random.choices(_SAME_SIZE, k=self.random.randint(1, most)))

    def chain(self, depth: int = 0) -> str:
        random = self.random
        links = []
        for _ in range(random.choice([1, 1, 2, 3])):
            if depth < 2 and random.random() < 0.2:
                links.append(getattr(self, random.choice(_KINDS))(depth + 1))
            elif random.random() < 0.6:
                links.append(random.choice(_SAME_SIZE))
            else:
                links.append(self.operator())
        return "; ".join(links)

    # --- branches and bundles

    def merge(self, depth: int = 0) -> str:
        """Branches under a merge word."""
        first = self.chain(depth + 1)
        same = [self.same() for _ in range(self.random.choice([1, 1, 2]))]
        # The same text in both branches gives the same shape, whatever it is.
        others = same if self.random.random() < 0.5 else [first] * len(same)
        branches = [self.pick(first, "identity", self.same()), *others]
        self.random.shuffle(branches)
        return f"{self.pick(*_MERGES)} {{ | {' | '.join(branches)} }}"

    def fork(self, depth: int = 0) -> str:
        """Branches that stay apart for a while."""
        a, b = self.same(), self.pick(self.same(), self.chain(depth + 1))
        again = self.pick("", f"{{ | {self.same()} | identity }}; ")
        return f"{{ | {a} | {b} }}; {again}{self.pick(*_MERGES)}"

    def halves(self, depth: int = 0) -> str:
        even = self.pick("", "pad_channels(C+C%2); ")
        return f"{even}split(2); {{ | {self.same()} | {self.same()} }}; {self.pick(*_MERGES)}"

    def gate(self, depth: int = 0) -> str:
        return self.pick(
            "mul { | identity | gap; fc-C(act=sigmoid) }",
            "squeeze_excite(2)",
            "squeeze_excite(hidden=3, gate=hardsigmoid)",
            "add { | identity | over_channels(mean) }",
            "mul { | identity | gap(keep=yes); conv1-C; softmax }",
            "div { | identity | abs; scaled(1, 1) }",
        )

    def residual(self, depth: int = 0) -> str:
        way = self.pick("", "", "(shortcut=project)", "(shortcut=pad)", "(shortcut=same)")
        width = self.pick("C", "2*C", "6")
        inner = self.pick(
            self.same(3),
            f"conv3-({width})/2(pad=1); relu",
            f"conv1-({width})",
            f"maxpool2; conv1-({width})",
        )
        return f"residual{way} {{ {inner} }}"

    def library(self, depth: int = 0) -> str:
        return self.pick(
            "bottleneck(3)", "bottleneck(2, 2, stride_at=3)", "basic(C)", "basic(6, 2)",
            "stage(basic, 4, 2)", "inception(2, 1, 3, 1, 2, 1)", "depthwise_separable3-5/2",
            "depthwise_separable3-C", "pyramid_level(2)",
            "concat { | pyramid_level(2) | pyramid_level(1) }",
        )  # fmt: skip

    # --- names

    def named(self, depth: int = 0) -> str:
        name = self.fresh("n")
        self.names.append(name)
        return f"{self.chain(depth + 1)} as {name}"

    def reference(self, depth: int = 0) -> str:
        """Something that reads a step before, or goes on from it."""
        if not self.names:
            return self.named(depth)
        name = self.random.choice(self.names)
        word = self.pick("add", "concat", "mul", "maximum", "crop", "upsample", "sub")
        return self.pick(
            f"{word}(@{name})",
            f"{{ | @{name} | identity }}; {word}",
            f"conv1-(@{name}.C); upsample(@{name}); {word}(@{name})",
            f"attention(1, @{name})",
            f"{word} {{ | @{name}; {self.same()} | @{name} }}",
            f"{{ | @{name}; gap | gap }}; concat",
        )

    def shared(self, depth: int = 0) -> str:
        name = self.fresh("w")
        step = self.pick("conv3-C(pad=same%s)", "fc-C(over=channels%s)", "bn%s", "rnn-C%s")
        first = step % "" if "(" in step else step.replace("%s", "")
        again = ", " if "(" in step else "("
        close = "" if "(" in step else ")"
        again = step % f"{again}weights=@{name}{close}"
        return f"{first} as {name}; {self.same()}; {again}"

    # --- blocks and what repeats

    def block(self, depth: int = 0) -> str:
        """A block of one's own, and a call of it."""
        name = self.fresh("b")
        inline = self.pick("", "", "inline ")
        body = self.chain(depth + 1)
        end = f" x{self.random.randint(0, 3)}"
        match self.random.randrange(8):
            case 0:
                self.blocks.append(f"{inline}block {name} {{ {body} }}")
                return name
            case 1:
                self.blocks.append(
                    f"{inline}block {name}(n, k=1, act=relu) {{ conv(kernel=k, width=n, pad=same); act }}"
                )
                return self.pick(f"{name}(C)", f"{name}(5, k=3)", f"{name}(C, act=tanh)") + end
            case 2:
                self.blocks.append(f"{inline}block {name}(body) {{ body; {self.same()}; body }}")
                return f"{name} {{ {self.same()} }}"
            case 3:
                self.blocks.append(
                    f"block {name} of p, q {{ {self.pick(*_MERGES)} {{ | @p | @q; {self.same()} }} }}"
                )
                return f"{{ | identity | {self.same()} }}; {name}"
            case 4:
                self.blocks.append(
                    f"block {name}(n) {{ if n > 0 {{ {self.same()}; {name}(n-1) }} "
                    f"else {{ {self.same()} }} }}"
                )
                return f"{name}({self.random.randint(0, 3)})"
            case 5:
                self.blocks.append(
                    f"block {name}(unit, n) {{ unit x n; unit }}".replace("x n", "x(n)")
                )
                return f"{name}({self.pick('relu', 'bn', 'leaky(0.3)', 'identity')}, 2)"
            case 6:
                self.blocks.append(
                    f"block {name}(kernel, width=C, stride=1) "
                    "{ default conv(pad=same, bias=no, norm=bn); conv-width(kernel=kernel, stride=stride) }"
                )
                return f"{name}3-4" + self.pick("", "/2")
            case _:
                inner = self.fresh("i")
                self.blocks.append(f"block {name} {{ {self.same()} as {inner}; {self.same()} }}")
                call = self.fresh("c")
                return f"{name} as {call}; {self.same()}; add(@{call}.{inner})"

    def repeated(self, depth: int = 0) -> str:
        step = self.pick(*(s for s in _SAME_SIZE if s != "identity"))
        return f"{step} x{self.pick('2', '3', '(1+1)', '0')}"

    def control(self, depth: int = 0) -> str:
        variable = self.fresh("i")
        return self.pick(
            f"for {variable} in 1..{self.random.randint(0, 3)} {{ {self.same()} }}",
            f"for {variable} in 1..2 {{ conv1-(2+{variable}) }}",
            f"if C > 3 {{ {self.chain(depth + 1)} }} else {{ {self.same()} }}",
            f"if C%2 == 0 and C >= 2 {{ {self.same()} }}",
            f"freeze {{ {self.same()}; conv1-C }}",
            f"every {{ {self.same()}; {self.same()} x2 }}; {self.pick('add', 'concat', 'mean', 'maximum')}",
            f"conv1-(max(C//2, 1) if C > 2 else 2)(act={self.pick('relu', 'none', 'leaky(0.1)')})",
            f"default conv(pad=same, act=tanh); conv3-{self.random.randint(1, 6)}",
            f"head {self.fresh('h')}(loss=0.3) {{ {self.same()}; gap; fc-3 }}",
            f"fc-{self.random.randint(1, 5)}(frozen=yes)",
            "conv1-round8(C*2)".replace("round8(C*2)", "(round8(C*2))"),
        )


_KINDS = ("merge", "fork", "halves", "gate", "residual", "library", "named", "reference", "shared",
          "block", "repeated", "control")  # fmt: skip


def _inputs(about: type[Operator], random: Random) -> tuple[list[str], str]:
    """Input lines, and the steps that make one tensor of them."""
    declared, step = random.choice(about.examples)
    if "\n" in declared or "ids" in declared:
        if "\n" in declared:
            first, second = declared.split("\n")
            image = f"{random.randint(1, 4)}x{random.choice(['9x11', 'HxW', '12x12'])}"
            if "image" in first:
                return [f"input image: {image}", second], step
        return [f"input {declared}"], step
    kind = random.randrange(12)
    if kind < 6:
        return [f"input {input_like(declared, random)}"], ""
    if kind < 9:
        rank = random.choice([0, 1, 2, 2, 2, 3])
        sizes = [str(random.randint(2, 5 if rank == 3 else 10)) for _ in range(rank)]
        return [f"input {'x'.join([random.choice(['1', '3', '4', '6', '8']), *sizes])}"], ""
    if kind == 9:
        rank = random.choice([1, 2, 2, 3])
        return [f"input {random.choice(['1', '4', '6'])}x{_OPEN[rank]}"], ""
    size = random.choice(["4x6x6", "3x8x5", "4xHxW", "4x9", "6"])
    other = size.replace("H", "K").replace("W", "L") if kind == 10 else size
    lines = [f"input left: {size}", f"input right: {other}"]
    merge = random.choice(_MERGES)
    start = random.choice(
        [merge, f"{merge} {{ | @left | @right; relu }}", f"{{ | relu | tanh }}; {merge}"]
    )
    return lines, start


def spec(seed: int) -> Spec:
    """The spec of a seed; the same for the same seed, on any machine."""
    random = Random(f"spec {seed}")
    about = OPERATORS[seed % len(OPERATORS)]
    for _ in range(20):
        made = _grown(seed, about, random)
        if made is not None:
            return made
    raise AssertionError(f"nothing is accepted for seed {seed}")


def _grown(seed: int, about: type[Operator], random: Random) -> Spec | None:
    lines, start = _inputs(about, random)
    writer = _Writer(random, about)
    steps = [writer.step(about, start, 2)] if start else []
    blocks: list[str] = []
    pieces: Counter[str] = Counter()
    refused = 0
    text = _text(lines, blocks, steps or ["relu"])
    graph = _accepted(text)
    if graph is None:
        return None
    wanted = random.randint(1, 5)
    own = random.randrange(wanted)
    for place in range(wanted):
        for _ in range(8 if place == own else 4):
            made = graph.outputs[0].value.type if graph.outputs else None
            writer.rank = len(made.spatial) if made is not None else 2
            writer.blocks, names = [], list(writer.names)
            kind = "operator" if place == own else random.choice(("operator", "operator", *_KINDS))
            write: Callable[..., str] = getattr(writer, kind)
            piece = write(about) if place == own else write()
            more = _text(lines, blocks + writer.blocks, [*steps, piece])
            found = _accepted(more)
            if found is not None:
                text, graph = more, found
                steps.append(piece)
                blocks += writer.blocks
                pieces[kind] += 1
                break
            refused += 1
            writer.names = names
    if random.random() < 0.2 and writer.names:
        chosen = random.sample(writer.names, random.randint(1, len(writer.names)))
        last = writer.fresh("end")
        named = (
            _text(lines, blocks, [*steps, f"relu as {last}"])
            + f"output {', '.join([last, *chosen])}\n"
        )
        found = _accepted(named)
        if found is not None:
            text, graph = named, found
    return Spec(seed, text, graph, pieces, refused)


def _text(inputs: list[str], blocks: list[str], steps: list[str]) -> str:
    return "\n".join([*blocks, *inputs, *steps]) + "\n"


def _accepted(text: str) -> Graph | None:
    return attempted(Source("<generated>", text), SMALL)

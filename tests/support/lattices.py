"""Random nets that go back and forth between resolutions, as detectors and nested U's do."""

from __future__ import annotations

from random import Random

BLOCKS = """
default conv(pad=same, act=relu)
block unit(n) { residual { conv3-n; conv3-n } }
block up(n) { conv1-n; upsample(2) }
block exchange(n) of a, b {
  { | add { | identity | @b; up(n) } | add { | @a; conv3-n/2 | @b } }
}
block three(n) of a, b, c {
  {
    | add { | @a | @b; up(n) | @c; conv1-n; upsample(4) }
    | add { | @a; conv3-n/2 | @b | @c; up(n) }
    | add { | @a; conv3-n/2 x2 | @b; conv3-n/2 | @c }
  }
}
"""


def random_lattice(rng: Random) -> str:
    """The text of a net of three levels or more, of 8 channels each, whose tensors are read again later."""
    return _Maker(rng).text()


class _Maker:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.count = 0
        self.lines = [BLOCKS, "input 3x64x64; conv3-8 as t0"]
        depth = rng.randint(3, 5)
        self.levels: list[list[str]] = [["t0"]]
        for _ in range(depth - 1):
            way = rng.choice(["conv3-8/2", "maxpool2; unit(8)", "maxpool2; conv3-8 x2"])
            self.levels.append([])
            self.step(f"@{self.levels[-2][-1]}; {way}", depth=len(self.levels) - 1)

    def step(self, text: str, depth: int) -> None:
        self.count += 1
        self.lines.append(f"{text} as t{self.count}")
        self.levels[depth].append(f"t{self.count}")

    def some(self, level: int) -> str:
        return self.rng.choice(self.levels[level][-3:])

    def text(self) -> str:
        moves = [self.rise, self.fall, self.along, self.join, self.exchange, self.three]
        moves += [self.jump, self.halves, self.aside]
        for _ in range(self.rng.randint(4, 16)):
            self.rng.choice(moves)()
        return "\n".join([*self.lines, self.end()])

    def rise(self) -> None:
        level = self.rng.randrange(len(self.levels) - 1)
        way = self.rng.choice(["upsample(2)", "up(8)"])
        merge = self.rng.choice(["add", "concat"])
        text = f"@{self.some(level + 1)}; {way}; {merge} {{ | identity | @{self.some(level)} }}; conv3-8"
        self.step(text, level)

    def fall(self) -> None:
        level = self.rng.randrange(1, len(self.levels))
        way = self.rng.choice(["conv3-8/2", "maxpool2"])
        self.step(
            f"@{self.some(level - 1)}; {way}; add {{ | identity | @{self.some(level)} }}", level
        )

    def jump(self) -> None:
        level = self.rng.randrange(len(self.levels) - 2)
        self.step(
            f"@{self.some(level + 2)}; upsample(4); add {{ | identity | @{self.some(level)} }}",
            level,
        )

    def halves(self) -> None:
        level = self.rng.randrange(len(self.levels))
        names = [f"t{self.count + 1}", f"t{self.count + 2}"]
        self.count += 2
        self.lines.append(f"@{self.some(level)}; conv1-16; split(2) as {', '.join(names)}")
        self.levels[level] += names

    def aside(self) -> None:
        """A head for training only."""
        self.count += 1
        level = self.rng.randrange(len(self.levels))
        self.lines.append(f"@{self.some(level)}; head aux{self.count} {{ gap; fc-3 }}")

    def along(self) -> None:
        level = self.rng.randrange(len(self.levels))
        way = self.rng.choice(["unit(8)", "unit(8) x3", "conv3-8", "conv1-8; conv3-8"])
        self.step(f"@{self.some(level)}; {way}", level)

    def join(self) -> None:
        level = self.rng.randrange(len(self.levels))
        names = list(dict.fromkeys(self.rng.choice(self.levels[level]) for _ in range(4)))
        if len(names) > 1:
            read = " ".join(f"| @{name}" for name in names)
            self.step(f"concat {{ {read} }}; conv1-8", level)

    def exchange(self) -> None:
        level = self.rng.randrange(len(self.levels) - 1)
        times = self.rng.choice(["", " x3"])
        self.streams([level, level + 1], f"exchange(8){times}")

    def three(self) -> None:
        level = self.rng.randrange(len(self.levels) - 2)
        self.streams([level, level + 1, level + 2], "three(8)")

    def streams(self, levels: list[int], block: str) -> None:
        read = " ".join(f"| @{self.some(level)}" for level in levels)
        names = []
        for level in levels:
            self.count += 1
            names.append(f"t{self.count}")
            self.levels[level].append(names[-1])
        given = " ".join(f"| identity as {name}" for name in names)
        self.lines.append(f"{{ {read} }}; {block}; {{ {given} }}")

    def end(self) -> str:
        """Heads at each level, or all brought to the finest one."""
        last = [(level, names[-1]) for level, names in enumerate(self.levels)]
        if self.rng.random() < 0.5:
            lines = [f"@{name}; conv1-4 as out{level}" for level, name in last]
            outs = ", ".join(f"out{level}" for level, _ in last)
            return "\n".join([*lines, f"output {outs}"])
        read = " ".join(
            f"| @{name}; upsample({2**level})" if level else f"| @{name}" for level, name in last
        )
        return f"concat {{ {read} }}; conv1-2; gap; softmax"

"""How long reading spec text takes, and whether it grows with the text alone.

    python benchmarks/parse.py [-o benchmarks/results/parse.json]

Three texts, each at a quarter, a half and a whole MiB: plain chains, six steps on a line; the
shipped specs, comments, arguments, blocks and all, one after the other; and blocks in blocks with
arguments and comments. Figures are seconds of one core for a MiB of text, the least of the rounds,
the texts in turns. `shipped` is the time of every shipped spec, parsed one by one.
"""

from __future__ import annotations

import time

from report import machine, options, write

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.syntax.files import read_spec, shipped_names
from netspec.syntax.parse import parse

MIB = 2**20
LIMITS = Limits(statements=10**7)
PLAIN = "conv3-64; relu; conv3-64; relu; maxpool2/2; bn\n"
NESTED = """\
# A stage: the first block halves the picture, the others keep it.
block stage(width, count, stride=2) {
  unit(width, stride) as entry   # with a projection
  for i in 2..count { unit(width, 1) }
  if count > 3 { dropout(0.5 if width >= 512 else 0.25) } else { identity }
  residual(shortcut=projection(4*width)) {
    conv1-width/stride(bias=no); bn; relu
    concat {
      | conv3-(width//2)(pad=same, groups=32, bias=no) x2
      | add { | maxpool3/1(pad=1) | avgpool3/1(pad=1, count_pad=no) }; conv1-(width//2)
    }
    bn; conv1-(4*width)(bias=no, init=normal(0, 0.01)); bn
  }
}
"""


def text(of: str, size: int) -> str:
    """At least `size` characters, whole statements."""
    shipped = "\n".join(
        read_spec(name).text for name in (shipped_names("lectures") + shipped_names("blocks"))
    )
    unit = {"plain": PLAIN, "specs": shipped, "nested": NESTED}[of]
    return unit * -(-size // len(unit))


def seconds(source: Source) -> float:
    """Of one core, to read a text that has no mistake."""
    collector = Collector()
    start = time.process_time()
    parse(source, collector, LIMITS)
    spent = time.process_time() - start
    collector.raise_errors()
    return spent


def main() -> None:
    parser = options(__doc__, 5)
    chosen = parser.parse_args()
    texts = {
        f"{of}, {size // 1024} KiB": Source(of, text(of, size))
        for of in ("plain", "specs", "nested")
        for size in (MIB // 4, MIB // 2, MIB)
    }
    sources = [read_spec(name) for name in (shipped_names("lectures") + shipped_names("blocks"))]
    seconds(sources[0])
    rounds = [
        {name: seconds(source) for name, source in texts.items()} for _ in range(chosen.rounds)
    ]
    shipped = [sum(map(seconds, sources)) for _ in range(chosen.rounds)]
    found = {
        "machine": machine("lark"),
        "seconds_per_mib": {
            name: round(min(r[name] for r in rounds) / len(source.text) * MIB, 2)
            for name, source in texts.items()
        },
        "shipped": {"specs": len(sources), "seconds": round(min(shipped), 3)},
    }
    write(found, chosen.output)


if __name__ == "__main__":
    main()

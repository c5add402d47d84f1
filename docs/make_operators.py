"""Writes what follows from the operators' declarations: `python docs/make_operators.py`.

That is docs/operators.md, and netspec/ops/words.py, which says what to import for a word.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from pkgutil import walk_packages
from textwrap import wrap

import netspec.ops
from netspec.analysis.costs import costs
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.declare.operator import DECLARED, Operator
from netspec.ops.declare.params import MISSING
from netspec.ops.declare.schemes import arguments
from netspec.ops.declare.values import show
from netspec.ops.declare.weight import Scheme
from netspec.ops.registry import REGISTRY

PAGE = Path(__file__).parent / "operators.md"
WORDS = Path(netspec.ops.__path__[0]) / "words.py"

_INDEX = '''\
"""Which module declares each operator, so that a net imports those it uses and no others.

Written by `python docs/make_operators.py`; edit the declarations in netspec/ops.
"""

# Modules under `netspec.ops`, and the words of the operators in each.'''
_HOMES = '{word: f"netspec.ops.{at}" for at, words in MODULES.items() for word in words.split()}'

_INTRODUCTION = """\
<!-- Written by `python docs/make_operators.py`; edit the declarations in netspec/ops. -->

# Operators

Every word a step may start with, apart from blocks. Sizes are those of one sample, channels first:
(C, H, W) for a map, (C, T) for a sequence, (C) for a vector. Where a step is written with a kernel,
a width or a stride, `conv3-64/2` is `conv(kernel=3, width=64, stride=2)`. Arguments without a name
fill the parameters listed under "in order". Every step also takes `frozen=yes` and `weights=@name`.
"""


def page() -> str:
    """The whole page."""
    families: dict[str, list[type[Operator]]] = {}
    for kind in dict.fromkeys(REGISTRY.values()):
        families.setdefault(kind.__module__, []).append(kind)
    lines = [_INTRODUCTION]
    for module, kinds in sorted(families.items(), key=lambda item: item[0].rpartition(".")[2]):
        lines += [f"## {_sentence(sys.modules[module].__doc__)}", ""]
        for kind in kinds:
            lines += [*_operator(kind), ""]
    lines += [*_schemes()]
    return "\n".join(lines).rstrip() + "\n"


def _operator(kind: type[Operator]) -> Iterator[str]:
    yield f"### {kind.spelling}"
    yield ""
    if kind.aliases:
        yield f"Also {', '.join(f'`{word}`' for word in kind.aliases)}."
        yield ""
    yield from _prose(kind.__doc__)
    if kind.params:
        yield ""
        yield "| parameter | default | takes | meaning |"
        yield "| --- | --- | --- | --- |"
        for name, param in kind.params.items():
            default = "must be given" if param.default is MISSING else f"`{show(param.default)}`"
            yield f"| `{name}` | {default} | {cell(param.expects)} | {cell(param.doc)} |"
    notes = list(_notes(kind))
    if notes:
        yield ""
        yield " ".join(notes)
    yield ""
    yield "| input | step | output | parameters | MACs |"
    yield "| --- | --- | --- | --- | --- |"
    for declared, step in kind.examples:
        yield example(declared, step)


def _notes(kind: type[Operator]) -> Iterator[str]:
    if kind.order:
        yield f"In order: {', '.join(f'`{name}`' for name in kind.order)}."
    if kind.follows:
        yield f"Followed by the layers given as {' and '.join(f'`{n}`' for n in kind.follows)}."
    if kind.defaults_of:
        yield f"`default {kind.defaults_of}(...)` holds for it too."
    if kind.joins:
        yield "Takes branches in braces, or joins what the wire carries."
    if kind.random:
        yield "Draws random numbers in training."


def example(declared: str, step: str) -> str:
    """A row of a table of examples: what flows in, the step, what comes out, its costs."""
    graph = build(Source("<example>", f"input {declared}\n{step}\n"))
    total = costs(graph)
    inputs = "; ".join(declared.replace("\n", " ").split(" input "))
    shapes = ", ".join(str(output.value.type) for output in graph.outputs)
    macs = _number(graph, total.macs)
    return f"| `{inputs}` | {_code(step)} | `{shapes}` | {total.params:,} | {macs} |"


def _number(graph: Graph, value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"


def _schemes() -> Iterator[str]:
    yield "## Initialisations"
    yield ""
    yield "What `init` and `bias_init` take. A number is `constant(number)`. Numbers in lists fill the last"
    yield "axes of a weight and are repeated along those before. `fixed` takes lists, and what is not drawn."
    yield ""
    yield "| word | arguments | drawn | meaning |"
    yield "| --- | --- | --- | --- |"
    for word, kind in sorted(Scheme.SCHEMES.items()):
        given = ", ".join(f"`{item.name}={item.default:.6g}`" for item in arguments(kind))
        meaning = " ".join(cleandoc(kind.__doc__ or "").split())
        yield f"| `{word}` | {given} | {'yes' if kind().drawn else 'no'} | {cell(meaning)} |"


def _prose(text: str | None) -> Iterator[str]:
    for line in cleandoc(text or "").splitlines():
        yield escaped(line)


def _sentence(text: str | None) -> str:
    return escaped(cleandoc(text or "").split("\n\n")[0].replace("\n", " ").rstrip("."))


def escaped(text: str) -> str:
    """Stars as stars, outside code."""
    parts = text.split("`")
    return "`".join(part if i % 2 else part.replace("*", "\\*") for i, part in enumerate(parts))


def cell(text: str) -> str:
    """A text as it stands in a cell of a table."""
    return escaped(text).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def words() -> str:
    """The index of the modules of `netspec.ops` by the words they declare."""
    for module in walk_packages(netspec.ops.__path__, "netspec.ops."):
        import_module(module.name)
    homes: dict[str, list[str]] = {}
    for word, kind in DECLARED.items():
        homes.setdefault(kind.__module__.removeprefix("netspec.ops."), []).append(word)
    lines = [_INDEX, "MODULES = {"]
    for module in sorted(homes):
        first, *more = wrap(" ".join(homes[module]), 60)
        lines.append(
            f'    "{module}": "{first}"' + "".join(f'\n    " {line}"' for line in more) + ","
        )
    lines += ["}", f"HOMES = {_HOMES}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    WORDS.write_text(words(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")

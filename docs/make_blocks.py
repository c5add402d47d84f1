"""Writes docs/blocks.md from the shipped blocks: `python docs/make_blocks.py`.

The comment that a file of netspec/library begins with says what its block is, then what each
parameter means (`#   width: of every map`), then where it is used (`# Example: input 8x4x4; basic(8)`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

from make_operators import cell, escaped, example

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.foundation.records import record
from netspec.syntax import ast
from netspec.syntax.files import LIBRARY
from netspec.syntax.parse import parse

PAGE = Path(__file__).parent / "blocks.md"

_INTRODUCTION = """\
<!-- Written by `python docs/make_blocks.py`; edit the comments in netspec/library. -->

# Blocks

The shipped blocks, which a spec uses without an import. They are written in the language:
`netspec show bottleneck` prints one. Their `default` lines hold where the net has none of its own, so
that a net's activation and normalisation go into them. What is usual in nets and has no block here is an
operator ([operators.md](operators.md)): a layer scale is `affine(bias=no, init=1e-6)`.

| block | is |
| --- | --- |"""

_PARAMETER = re.compile(r" {3}(\w+): (.*)")
_GOES_ON = " " * 5
_EXAMPLE = re.compile(r" Example: input (\S+); (.*)")


@record
class Described:
    """What the comment above a block says: sentences, parameters, and (input, steps) of examples."""

    prose: str
    parameters: dict[str, str]
    examples: tuple[tuple[str, str], ...]


def described(text: str) -> Described:
    """The comment that a library file begins with, taken apart; raises ValueError where it cannot be."""
    prose: list[str] = []
    parameters: dict[str, str] = {}
    examples: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        said = line[1:]
        if found := _PARAMETER.fullmatch(said):
            parameters[found[1]] = found[2]
        elif said.startswith(_GOES_ON) and parameters:
            parameters[next(reversed(parameters))] += f" {said.strip()}"
        elif found := _EXAMPLE.fullmatch(said):
            examples.append((found[1], found[2]))
        elif parameters or examples:
            raise ValueError(f"neither a parameter nor an example: {line}")
        else:
            prose.append(said.strip())
    return Described(" ".join(prose), parameters, tuple(examples))


def page() -> str:
    """The whole page."""
    paths = sorted(LIBRARY.glob("*.ns"))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    lines = [_INTRODUCTION]
    for name, text in texts.items():
        first, _, _ = described(text).prose.partition(". ")
        lines.append(f"| [`{name}`](#{name}) | {cell(first.partition(': ')[0].rstrip('.'))} |")
    for name, text in texts.items():
        lines += ["", *_block(name, text)]
    return "\n".join(lines) + "\n"


def _block(name: str, text: str) -> Iterator[str]:
    said, block = described(text), _declared(name, text)
    if list(said.parameters) != [p.name for p in block.parameters] or not said.examples:
        raise ValueError(f"{name}.ns: its comment names other parameters, or shows no example")
    operands = f" of {', '.join(block.inputs)}" if block.inputs else ""
    given = ", ".join(text[slice(*p.extent)] for p in block.parameters)
    yield f"## {name}"
    yield ""
    yield f"`{name}{f'({given})' if given else ''}{operands}`"
    yield ""
    yield from wrap(escaped(said.prose), 100)
    if block.parameters:
        yield ""
        yield "| parameter | default | meaning |"
        yield "| --- | --- | --- |"
    for parameter in block.parameters:
        default = _default(parameter, text)
        yield f"| `{parameter.name}` | {default} | {cell(said.parameters[parameter.name])} |"
    yield ""
    yield "| input | steps | output | parameters | MACs |"
    yield "| --- | --- | --- | --- | --- |"
    for declared, steps in said.examples:
        yield example(declared, steps)


def _default(parameter: ast.Parameter, text: str) -> str:
    if parameter.name == "body":
        return "in braces"
    if parameter.default is None:
        return "must be given"
    return f"`{text[slice(*parameter.default.extent)]}`"


def _declared(name: str, text: str) -> ast.Block:
    """The block of a library file that has the file's name."""
    collector = Collector()
    items = parse(Source(name, text), collector).items
    collector.raise_errors()
    return next(item for item in items if isinstance(item, ast.Block) and item.name == name)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

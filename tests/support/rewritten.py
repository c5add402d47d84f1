"""Specs written otherwise that say the same net, by kind, from a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from support import rewritten_arguments as arguments
from support.planted_parts import Edit, parts
from support.rewritten_arguments import edited, tree_of, whole

from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.syntax import ast
from netspec.syntax.lexer import Lexer
from netspec.syntax.parse import terminals

# Parameters that a call spells by place, and the braces at a call.
_SPELT = ("kernel", "width", "stride", "body")


def _tokens(text: str) -> list[Any]:
    source = Source("rewritten", text)
    return list(Lexer(terminals(), source, Collector(), DEFAULT, set()).tokens())


def _block(text: str, block: ast.Block) -> tuple[int, int]:
    return block.extent[0], block.body.extent[1]


def layout(text: str, chance: random.Random) -> str:
    """Other line ends, comments, empty lines and indents."""
    depth, edits = 0, []
    for token in _tokens(text):
        word, (start, end) = text[slice(*token.extent)], token.extent
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
        if word == ";" and depth == 0 and chance.random() < 0.5:
            edits.append((start, end, chance.choice(("\n", "  # so\n\n", "\n      "))))
        elif word in ",=" and depth:
            edits.append((start, end, chance.choice((f"{word} ", f" {word} ", word))))
    return "# Written anew.\n\n" + edited(text, edits)


def names(text: str, chance: random.Random) -> str:
    """Other names of steps, blocks, their parameters and the indices of loops."""
    tree = tree_of(text)
    found = [part for part, _ in parts(tree)]
    edits: list[Edit] = []
    blocks = {part.name: part for part in found if isinstance(part, ast.Block)}
    inner = {p for part in found if isinstance(part, ast.Reference) for p in part.parts[1:]}
    seen = {n for part in found if isinstance(part, ast.Output) for n, _ in part.names}
    given_to = [a for part in found if isinstance(part, ast.Head) for a in part.arguments]
    untils = [a.value for a in given_to if a.name == "until"]
    reached = {value.name for value in untils if isinstance(value, ast.Variable)}
    given = {n for part in found if isinstance(part, ast.Step) for n, _ in part.named}
    bound = {n for part in found if isinstance(part, ast.Block) for n in part.inputs}
    free = given - inner - seen - reached - bound
    for part in found:
        match part:
            case ast.Step():
                edits += [(*at, f"{n}_mine") for n, at in part.named if n in free]
            case ast.Reference() if part.parts[0] in free:
                start = part.extent[0] + 1
                edits.append((start, start + len(part.parts[0]), f"{part.parts[0]}_mine"))
            case ast.Block():
                edits += _renamed(text, part, found)
            case ast.Head() | ast.Call():
                word = part.word if isinstance(part, ast.Head) else part.name
                stem = next((b for b in blocks if re.fullmatch(rf"{b}[0-9x]*", word)), None)
                if stem is not None:
                    start = part.extent[0]
                    edits.append((start, start + len(stem), f"my_{stem}"))
            case ast.Variable() if part.name in blocks:
                edits.append((*part.extent, f"my_{part.name}"))
    return edited(text, edits)


def _renamed(text: str, block: ast.Block, everything: list[Any]) -> Iterator[Edit]:
    """A block's own name and its parameters, where nothing in it has a name that is one of theirs."""
    at = re.compile(rf"\b{block.name}\b").search(text, block.extent[0])
    assert at is not None
    yield at.start(), at.end(), f"my_{block.name}"
    body = [part for part, _ in parts(block.body)]
    own = {p.name for p in block.parameters if p.name not in _SPELT}
    taken = {w for p in body if isinstance(p, ast.For) for w in p.variables}
    own -= taken
    for parameter in block.parameters:
        if parameter.name in own:
            start = parameter.extent[0]
            yield start, start + len(parameter.name), f"{parameter.name}_mine"
    for part in [*body, *(p for q in block.parameters for p, _ in parts(q))]:
        if isinstance(part, ast.Variable) and part.name in own:
            yield *part.extent, f"{part.name}_mine"
        elif isinstance(part, ast.Head) and part.word in own:
            yield *part.word_extent, f"{part.word}_mine"
    for part in everything:
        if isinstance(part, ast.Head | ast.Call):
            word = part.word if isinstance(part, ast.Head) else part.name
            if re.fullmatch(rf"{block.name}[0-9x]*", word):
                for argument in part.arguments:
                    if argument.name in own:
                        start = argument.extent[0]
                        yield start, start + len(argument.name), f"{argument.name}_mine"


def order(text: str, chance: random.Random) -> str:
    """Blocks in another order, behind the steps."""
    blocks = [item for item in tree_of(text).items if isinstance(item, ast.Block)]
    variations = [i for i in tree_of(text).items if isinstance(i, ast.Net) and i.base is not None]
    said = [text[slice(*_block(text, block))] for block in blocks]
    chance.shuffle(said)
    rest = edited(text, [(*_block(text, block), "") for block in blocks])
    if variations:
        return "\n".join([*_front(rest), *said, *_front(rest, behind=True)])
    return rest.rstrip() + "\n" + "\n".join(said) + "\n"


def _front(text: str, *, behind: bool = False) -> list[str]:
    lines = text.split("\n")
    at = next((i for i, line in enumerate(lines) if re.match(r"net \w+ = ", line)), len(lines))
    return lines[at:] if behind else lines[:at]


def copies(text: str, chance: random.Random) -> str:
    """What is repeated so many times written so many times."""
    edits = []
    for part, _ in parts(tree_of(text)):
        if isinstance(part, ast.Step) and isinstance(part.repeat, ast.Number) and part.repeat.value:
            once = text[slice(*whole(text, part.action.extent))]
            last = f"{once} as {part.name}" if part.name else once
            if not part.parts:
                edits.append(
                    (*part.extent, "; ".join([once] * (int(part.repeat.value) - 1) + [last]))
                )
    return edited(text, edits)


def by_hand(text: str, chance: random.Random) -> str:
    """What `residual` does written by hand, where shapes agree."""
    return edited(
        text,
        [
            (*part.extent, f"add {{ | {_inside(text, part)} | identity }}")
            for part, _ in parts(tree_of(text))
            if _is_residual(part)
        ],
    )


def _is_residual(part: Any) -> bool:
    is_one = isinstance(part, ast.Head) and part.word == "residual" and not part.arguments
    return is_one and isinstance(part.body, ast.Chain)


def _inside(text: str, head: ast.Head) -> str:
    assert head.body is not None
    return text[slice(*head.body.extent)].strip().removeprefix("{").removesuffix("}").strip()


def bundled(text: str, chance: random.Random) -> str:
    """Two steps of the file put into a block."""
    items = tree_of(text).items
    plain = [
        isinstance(i, ast.Step) and isinstance(i.action, ast.Head) and not i.named for i in items
    ]
    at = [i for i, both in enumerate(pairwise(plain)) if all(both)]
    if not at:
        return text
    k = chance.choice(at)
    start, end = items[k].extent[0], whole(text, items[k + 1].extent)[1]
    inside = text[start:end]
    inline = chance.choice(("inline ", ""))
    block = f"{inline}block pack {{ {inside} }}\n"
    out = text[:start] + "pack" + text[end:]
    first = next(i for i in items if isinstance(i, ast.Step | ast.Default))
    return out[: first.extent[0]] + "\n" + block + out[first.extent[0] :]


def turned(text: str, chance: random.Random) -> str:
    """The branches of what is added or multiplied in another order."""
    edits = []
    for part, around in parts(tree_of(text)):
        if (
            isinstance(part, ast.Branches)
            and isinstance(around, ast.Head)
            and around.word in ("add", "mul")
        ):
            chains = [text[slice(*c.extent)] for c in part.chains]
            if len(chains) == 2 and all(c.links for c in part.chains):
                edits += [(*c.extent, t) for c, t in zip(part.chains, chains[::-1], strict=True)]
    return edited(text, edits)


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    kind.__name__: kind
    for kind in (
        layout,
        names,
        order,
        copies,
        arguments.idle,
        arguments.spread,
        arguments.named,
        arguments.shorthand,
        by_hand,
        bundled,
        arguments.apart,
        arguments.shuffled,
        turned,
    )
}


def moved_out(text: str) -> tuple[str, str] | None:
    """The spec without its blocks, which it imports, and the file of the blocks; None if it has none."""
    tree = tree_of(text)
    blocks = [item for item in tree.items if isinstance(item, ast.Block)]
    if not blocks:
        return None
    imports = [text[slice(*i.extent)] for i in tree.items if isinstance(i, ast.Import)]
    rest = edited(text, [(*_block(text, block), "") for block in blocks])
    line = f"import block {', '.join(b.name for b in blocks)} from moved_parts\n"
    bodies = "\n".join([*imports, *(text[slice(*_block(text, b))] for b in blocks)]) + "\n"
    return _before_inputs(rest, line), bodies


def _before_inputs(text: str, line: str) -> str:
    at = next(item for item in tree_of(text).items if isinstance(item, ast.Input)).extent[0]
    return text[:at] + line + text[at:]

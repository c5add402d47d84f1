"""Names for steps and blocks: the file's own where they say something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netspec.graph.checked import Graph, Value
from netspec.graph.written import RESERVED
from netspec.importing.scopes import Scope
from netspec.importing.structure.stages import BLOCK, STAGE, alone
from netspec.importing.structure.terms import SIZES, Chain, Mark, Piece
from netspec.importing.structure.unify import Block
from netspec.ops.registry import REGISTRY
from netspec.syntax.files import LIBRARY

LONGEST = 48
# What a block is called whose file does not say, by what is in it.
_CONTENTS = (
    ("attention", "layer"),
    ("residual", "unit"),
    ("concat", "module"),
    ("add", "cell"),
    ("mul", "gate"),
    ("dwconv", "separable"),
)
_GENERIC = {
    "",
    "sequential",
    "modulelist",
    "module",
    "features",
    "model",
    "node",
    "val",
    "body",
    "tensor",
    "op",
    "layers",
}


class Names:
    """Hands out the names of one file."""

    def __init__(self, graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> None:
        self.scopes = scopes
        # How many nodes stand in each scope.
        self.held: Counter[tuple[Scope, ...]] = Counter()
        for outer in scopes.values():
            self.held.update(outer[: number + 1] for number in range(len(outer)))
        self.taken = {*RESERVED, *SIZES, "input", "output", "x", "body", "identity", "residual"}
        # A block called like a shipped one would be read as that.
        self.taken |= {path.stem for path in LIBRARY.glob("*.ns")}
        self.taken |= {node.path for node in graph.inputs}
        self.taken |= {output.name for output in graph.outputs}
        self.taken |= {head.name for head in graph.heads}

    def free(self, wanted: str) -> str:
        """A name that nothing has, this one if it can be."""
        word = re.sub(r"\W", "_", wanted)[:LONGEST].strip("_") or "t"
        word = f"t_{word}" if word[0].isdigit() else word
        number, name = 1, "t1" if word == "t" else word
        while name in self.taken or name.lower() in RESERVED or re.fullmatch(r"x[0-9]*", name):
            number += 1
            name = f"{word}_{number}" if word[-1].isdigit() else f"{word}{number}"
        self.taken.add(name)
        return name

    def steps(self, chain: Chain) -> dict[Value, str]:
        """Names of the steps that need one."""
        found: dict[Value, str] = {}
        for item in chain.walk():
            if isinstance(item.label, Value):
                found[item.label] = self.free(self._said(item.label))
        return found

    def _said(self, value: Value) -> str:
        for scope in reversed(self.scopes.get(value.node.path, ())):
            if says(scope.name):
                return scope.name
        return "t"

    def whole(self, piece: Piece) -> bool:
        """Whether a piece is all of what the file has under one name."""
        paths = [n.path for top in piece.items for i in top.walk() for n in i.nodes]
        common = _common([self.scopes.get(path, ()) for path in dict.fromkeys(paths)])
        return bool(common) and self.held[common] == len(set(paths))

    def scoped(self, chain: Chain, blocks: dict[str, Block]) -> dict[Any, str]:
        """Names steps that are all of what the file has under a name, units of one width as stages."""
        held = self.held
        found: dict[Any, str] = {}
        for place, item in enumerate(chain.items):
            common = _common([self.scopes.get(node.path, ()) for node in item.nodes])
            while common and held[common] == len(item.nodes) and not _named(common[-1], blocks):
                common = common[:-1]
            if not common or held[common] != len(item.nodes) or item.label is not None:
                continue
            if item.word not in blocks:
                continue
            stage = alone(item, blocks) if blocks.get(STAGE, BLOCK) is BLOCK else None
            if stage is not None:
                blocks[STAGE] = BLOCK
                chain.items[place] = item = stage
            if item.times == 1:
                item.label = Mark()
                found[item.label] = self.free(common[-1].name)
        return found

    def pieces(self, pieces: Sequence[Piece]) -> str:
        """A name for the block that these pieces become."""
        kinds: Counter[str] = Counter()
        for piece in pieces:
            paths = [n.path for top in piece.items for i in top.walk() for n in i.nodes]
            common = _common([self.scopes.get(path, ()) for path in paths])
            if common and common[-1].kind:
                kinds[common[-1].kind] += 1
        words = {item.word for piece in pieces[:1] for top in piece.items for item in top.walk()}
        otherwise = next((name for word, name in _CONTENTS if word in words), "part")
        return self.block([kind for kind, _ in kinds.most_common()], otherwise)

    def block(self, kinds: Iterable[str], otherwise: str) -> str:
        """A block's name: the file's word for what it is, or what is in it."""
        for kind in kinds:
            if kind.lower() not in _GENERIC:
                word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower().strip("_")
                word = re.sub(r"_*[0-9]+\Z", "", word)
                if word and word not in REGISTRY:
                    return self.free(word)
        return self.free(otherwise)


def _common(paths: Sequence[tuple[Scope, ...]]) -> tuple[Scope, ...]:
    """The scopes that all stand in."""
    found = paths[0] if paths else ()
    for other in paths[1:]:
        number = 0
        while number < min(len(found), len(other)) and found[number] == other[number]:
            number += 1
        found = found[:number]
    return found


def _named(scope: Scope, blocks: Mapping[str, Block]) -> bool:
    """Whether a scope has a name of its own, and not that of its kind with a number."""
    word = scope.name.lower().rstrip("0123456789").rstrip("_")
    return says(scope.name) and word not in blocks and word != (scope.kind or "").lower()


def says(name: str) -> bool:
    """Whether a name says more than a number or an operator's word does."""
    word = name.lower().rstrip("0123456789").rstrip("_")
    return name.isidentifier() and len(word) > 1 and word not in _GENERIC and word not in REGISTRY

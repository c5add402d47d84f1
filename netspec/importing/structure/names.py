"""Names for steps and blocks: the file's own where they say something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from netspec.graph.checked import Graph, Value
from netspec.graph.written import RESERVED
from netspec.importing.scopes import Scope
from netspec.importing.structure.terms import Chain, Piece
from netspec.ops.registry import REGISTRY

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
SIZES = frozenset("CDHWTL")
_NUMBERED = re.compile(r"[a-z]{0,6}_?[0-9]+")
_GENERIC = {"", "sequential", "modulelist", "module", "features", "model", "node", "val", "body"}


class Names:
    """Hands out the names of one file."""

    def __init__(self, graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> None:
        self.scopes = scopes
        self.taken = {*RESERVED, *SIZES, "input", "output", "x", "body", "identity", "residual"}
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


def says(name: str) -> bool:
    """Whether a name says more than a number does."""
    return name.isidentifier() and name.lower() not in _GENERIC and not _NUMBERED.fullmatch(name)

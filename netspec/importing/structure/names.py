"""Names for steps and blocks: the file's own where they say something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netspec.graph.checked import Graph, Node
from netspec.graph.written import RESERVED
from netspec.importing.scopes import Scope
from netspec.importing.structure.stages import BLOCK, STAGE, alone
from netspec.importing.structure.terms import (
    FOR,
    IDENTITY,
    ONE,
    RESIDUAL,
    SIZES,
    WINDOWS,
    Chain,
    Item,
    Mark,
    Piece,
)
from netspec.importing.structure.unify import Block
from netspec.ops.declare.values import Layer
from netspec.ops.registry import REGISTRY
from netspec.ops.words import MODULES

LONGEST = 48
# What a block is called whose file does not say, by what is in it.
_CONTENTS = (
    ("attention", "layer"),
    ("residual", "unit"),
    ("concat", "module"),
    ("add", "cell"),
    ("mul", "gate"),
    ("upsample", "up"),
    ("deconv", "up"),
    ("maxpool", "down"),
    ("avgpool", "down"),
    ("dwconv", "separable"),
)
_ORDERING = ("transpose", "reshape", "sequence", "grid", "flatten", "partition", "reassemble")
# What a step is called that needs a name, by what it does.
_NOUNS = {
    "maps": {"conv", "dwconv", "tableconv", "deformconv"},
    "up": {"deconv", "upsample", "unpool"},
    "down": {"maxpool", "avgpool", "lppool", "subsample", "subsampling"},
    "pooled": {"gap", "gmp", "gsp", "adaptive_avgpool", "adaptive_maxpool", "max_over_time"},
    "units": {"fc"},
    "normed": set(MODULES["elementwise.norm"].split()),
    "active": set(MODULES["elementwise.activation"].split()) - {"softmax", "log_softmax"},
    "joined": {"concat", "stack"},
    "sum": {"add", RESIDUAL},
    "product": {"mul"},
    "heads": {"attention", "attend"},
    "vectors": {"embedding", "position", "token"},
    "states": {"lstm", "gru", "rnn"},
    "piece": {"slice", "pick", "crop"},
    "parts": {"partition", "split"},
    "order": set(_ORDERING),
    "last": {FOR},
    "start": {IDENTITY},
}
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
    WINDOWS,
}


class Names:
    """Hands out the names of one file."""

    def __init__(self, graph: Graph, scopes: Mapping[str, tuple[Scope, ...]]) -> None:
        self.scopes = scopes
        # How many nodes stand in each scope, and how many that put no numbers in another order.
        self.held: Counter[tuple[Scope, ...]] = Counter()
        self.surely: Counter[tuple[Scope, ...]] = Counter()
        for node in (node for node in graph.nodes if node not in graph.inputs):
            outer = scopes.get(node.path, ())
            every = [outer[: number + 1] for number in range(len(outer))]
            self.held.update(every)
            if node.op.spelling not in _ORDERING:
                self.surely.update(every)
        # What blocks would be called if nothing else were, by what they are.
        self.wanted: dict[str, str] = {}
        self.taken = {
            *RESERVED,
            *SIZES,
            "input",
            "output",
            "x",
            "body",
            "identity",
            RESIDUAL,
            STAGE,
            WINDOWS,
            ONE,
        }
        # The last node in each scope, which gives what the scope gives.
        self.last = {
            outer[: number + 1]: node.path
            for node in graph.nodes
            for outer in (scopes.get(node.path, ()),)
            for number in range(len(outer))
        }
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

    def steps(self, chain: Chain, known: Mapping[Any, str]) -> dict[Any, str]:
        """Names of the steps that need one and have none."""
        found: dict[Any, str] = {}
        for item in chain.walk():
            if item.word == FOR:
                sequence, step = (value.value for value in item.values)
                name = found.get(sequence) or known[sequence]
                found[step] = self.free(f"{name}t" if name.endswith("_t") else f"{name}_t")
            if item.label is not None and item.label not in known:
                found[item.label] = self.free(self._said(item) or _noun(item))
        return found

    def numbered(self, chain: Chain, ordered: list[Block], blocks: dict[str, Block]) -> None:
        """Numbers the blocks that would be called the same in the order in which they are read."""
        again: dict[str, str] = {}
        self.taken -= {block.word for block in ordered}
        for block in ordered:
            again[block.word] = self.free(self.wanted[block.word])
        for body in (chain, *(block.body for block in ordered if block.body)):
            for item in body.walk():
                item.word = again.get(item.word, item.word)
                item.values = tuple(
                    Layer(again.get(v.name, v.name), v.positional, v.named)
                    if isinstance(v, Layer)
                    else v
                    for v in item.values
                )
        for block in ordered:
            del blocks[block.word]
        for block in ordered:
            block.word = again[block.word]
            blocks[block.word] = block

    def own(self, block: Block) -> dict[Any, str]:
        """Names of the steps in a block, which sees no others."""
        outside = set(self.taken)
        self.taken |= {name for name, _ in block.parameters}
        assert block.body is not None
        found = {
            item.label: self.free(_noun(item))
            for item in block.body.walk()
            if item.label is not None
        }
        self.taken = outside
        return found if block.given is None else {block.given: "x", **found}

    def _said(self, item: Item) -> str:
        """What the file calls that of which a step is the last."""
        path = item.nodes[-1].path if item.nodes else ""
        # A call is what all of it stands in, or of a repeat the last; a step also what it is the last of.
        if item.word in REGISTRY or item.word == RESIDUAL:
            around = self.scopes.get(path, ())
        else:
            times = item.times if isinstance(item.times, int) else 1
            around = self._common(item.nodes)
            if self.last.get(around) != path:
                around = self._common(item.nodes[-(len(item.nodes) // times) :])
        ends = (scope for n, scope in enumerate(around) if self.last[around[: n + 1]] == path)
        name = next((scope.name for scope in ends if _telling(scope)), "")
        # The last of a repeat bears the name with how many there are.
        return name.removesuffix(f"_{item.times}") if item.times != 1 else name

    def _common(self, nodes: Sequence[Node]) -> tuple[Scope, ...]:
        return _common([self.scopes.get(node.path, ()) for node in nodes])

    def scoped(self, chain: Chain, blocks: dict[str, Block]) -> dict[Any, str]:
        """Names steps that are all of what the file has under a name, units of one width as stages."""
        held = self.held
        found: dict[Any, str] = {}
        for place, item in enumerate(chain.items):
            common = _common([self.scopes.get(node.path, ()) for node in item.nodes])
            while common and held[common] == len(item.nodes) and not _telling(common[-1]):
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
            nodes = [n for top in piece.items for i in top.walk() for n in i.nodes]
            common = self._common(nodes)
            # Where numbers are put in another order is not known to the node: it has no say.
            sure = [n for n in nodes if n.op.spelling not in _ORDERING]
            if sure and (not common or self.held[common] > len(nodes)):
                whole = self._common(sure)
                inner = range(len(common) + 1, len(whole) + 1)
                # The outermost that holds nothing else, or the next.
                alone = (n for n in inner if self.surely[whole[:n]] == len(sure))
                common = whole[: next(alone, len(common) + 1)]
            # Steps that only put numbers in another order are said to be of whatever is around them.
            told = sure or (common and self.held[common] == len(nodes))
            if common and common[-1].kind and told:
                kinds[common[-1].kind] += 1
        words = {item.word for piece in pieces[:1] for top in piece.items for item in top.walk()}
        plain = "order" if words.issubset(_ORDERING) else "part"
        otherwise = next((name for word, name in _CONTENTS if word in words), plain)
        return self.block([kind for kind, _ in kinds.most_common()], otherwise)

    def block(self, kinds: Iterable[str], otherwise: str) -> str:
        """A block's name: the file's word for what it is, or what is in it."""
        for kind in kinds:
            if kind.lower() not in _GENERIC:
                word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower().strip("_")
                if word and word not in REGISTRY:
                    return self._block(word)
        return self._block(otherwise)

    def _block(self, wanted: str) -> str:
        name = self.free(wanted)
        self.wanted[name] = wanted
        return name


def _common(paths: Sequence[tuple[Scope, ...]]) -> tuple[Scope, ...]:
    """The scopes that all stand in."""
    found = paths[0] if paths else ()
    for other in paths[1:]:
        number = 0
        while number < min(len(found), len(other)) and found[number] == other[number]:
            number += 1
        found = found[:number]
    return found


def _telling(scope: Scope) -> bool:
    """Whether a scope has a name of its own, and not that of its kind with a number."""
    kind = re.escape((scope.kind or "").lower())
    return says(scope.name) and not re.fullmatch(rf"{kind}[_0-9]*", scope.name.lower())


def _noun(item: Item) -> str:
    """What a step that the file has no name for is called: after what it makes."""
    noun = next((noun for noun, words in _NOUNS.items() if item.word in words), "")
    word = re.sub(r"_?[0-9]+\Z", "", item.word)
    return noun or (word if word.isidentifier() else "t")


def says(name: str) -> bool:
    """Whether a name says more than a number or an operator's word does."""
    word = name.lower().rstrip("0123456789").rstrip("_")
    return name.isidentifier() and len(word) > 1 and word not in _GENERIC and word not in REGISTRY

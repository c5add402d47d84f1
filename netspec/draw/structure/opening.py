"""What of a net is opened by hand: all blocks of a name, single ones, repeats copy by copy.

A repeat is known by its first copy's path, `stage2.bottleneck1`, or by where that begins and ends,
`conv1..pool1`, where a copy is several elements. Nothing that is opened alone is folded together with
others, and no copy of a repeat that is opened with another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    leaves_of,
    nodes_of,
)
from netspec.draw.structure.labels import spelling
from netspec.draw.structure.reading import structure
from netspec.draw.structure.repeats import fold
from netspec.draw.structure.sharing import sharing
from netspec.draw.structure.telling import NOTHING, Telling
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node

Names = frozenset[str]


@record
class Opening:
    """Blocks to open by their name, single ones by their path, and repeats to show copy by copy."""

    names: Names = frozenset()
    paths: Names = frozenset()
    repeats: Names = frozenset()

    def __or__(self, other: Opening) -> Opening:
        return Opening(
            self.names | other.names, self.paths | other.paths, self.repeats | other.repeats
        )

    def __bool__(self) -> bool:
        return bool(self.names or self.paths or self.repeats)


CLOSED = Opening()


@record(eq=False)
class Run:
    """A repeat and where it stands: in blocks of which names, at which paths, outermost first."""

    repeat: Repeat
    around: tuple[Block, ...]

    @property
    def key(self) -> str:
        """What the repeat is known by."""
        return key_of(self.repeat)

    def is_of(self, name: str) -> bool:
        """Whether blocks of this name are repeated."""
        return any(isinstance(e, Block) and e.call.block == name for e in _parts(self.repeat))

    def has(self, path: str) -> bool:
        """Whether what is at this path is repeated."""
        return any(path_of(part) == path for part in _parts(self.repeat))

    def is_in(self, path: str) -> bool:
        """Whether it is what the block at this path repeats."""
        return any(block.path == path for block in self.around[-1:])

    def matches(self, glob: str) -> bool:
        """Whether a name or path of what is repeated, or of the block it is in, is of this form."""
        return any(
            fnmatchcase(name, glob)
            for part in (*_parts(self.repeat), *self.around[-1:])
            for name in _names(part)
        )


# What a word may mean, the first that fits anything.
_FITS = (Run.is_of, Run.has, Run.is_in, Run.matches)


def copies_of(repeat: Repeat) -> list[tuple[Element, ...]]:
    """The copies, each as the elements it consists of."""
    size = max(1, len(repeat.copies) // repeat.count)
    return [repeat.copies[i : i + size] for i in range(0, len(repeat.copies), size)]


def key_of(repeat: Repeat) -> str:
    """What a repeat is known by: its first copy's path, or where that begins and ends."""
    first = copies_of(repeat)[0]
    ends = [path_of(first[0]), *(path_of(item) for item in first[-1:] if len(first) > 1)]
    return "..".join(ends)


def spanned(first: str, last: str) -> str:
    """The paths from one to another that differ in their number, as one: `bottleneck1…3`."""
    stem = last.rstrip("0123456789")
    return f"{first}…{last[len(stem) :] if first.startswith(stem) else last}"


def path_of(element: Element) -> str:
    """The path of a layer or block, and of what is neither that of its first layer."""
    match element:
        case Block():
            return element.path
        case Repeat():
            return path_of(element.copies[0])
    return next((node.path for node in nodes_of(element)), "")


def runs(element: Element, around: tuple[Block, ...] = ()) -> Iterator[Run]:
    """Every repeat in an element, those in the copies of others too."""
    match element:
        case Repeat():
            yield Run(element, around)
            # What is drawn once is folded further than the copies that it stands for.
            alike = element.copies[-1] is element.element
            inside = element.copies if alike else (element.element,)
            for item in inside:
                yield from runs(item, around)
        case Block():
            yield from runs(element.body, (*around, element))
        case Series():
            aside = (block for _, block in element.asides)
            for item in (*element.items, *aside, *element.makers):
                yield from runs(item, around)
        case Parallel():
            for branch in element.branches:
                yield from runs(branch, around)
        case Tangle():
            for item in element.items:
                yield from runs(item, around)


def expanded(graph: Graph, globs: Sequence[str]) -> Opening:
    """The blocks that `globs` open, with those around them.

    One that is a block's name opens all of that name, one that is a full path that block alone, any
    other all of the names of which it matches a block's name, its call's or its path. So does the word
    or the path of an operator that papers draw in parts, where no block has it.
    """
    found = CLOSED
    for glob in globs:
        chains = _chains(graph)
        named = [chain for chain in chains if chain[-1].block == glob]
        alone = [chain for chain in chains if _path(chain) == glob]
        if named or not alone:
            matching = named or [c for c in chains if any(fnmatchcase(n, glob) for n in _said(c))]
            found |= Opening(names=frozenset(call.block for c in matching for call in c))
            found |= CLOSED if matching else _layers(graph, glob)
        else:
            found |= Opening(paths=_prefixes(glob))
    return found


def _layers(graph: Graph, word: str) -> Opening:
    """The layers of an operator with parts, or the one at a path, with the blocks around them."""
    named = [node for node in graph.nodes if spelling(node.op) == word]
    for node in named or [node for node in graph.nodes if node.path == word]:
        if not node.op.figure(*node.input_types):
            return CLOSED
    if named:
        calls = {c for n in named if n.call for c in n.call.ancestors() if c.component}
        return Opening(names=frozenset({word, *(call.block for call in calls)}))
    alone = any(node.path == word for node in graph.nodes)
    return Opening(paths=_prefixes(word)) if alone else CLOSED


def unfolded(graph: Graph, globs: Sequence[str]) -> Opening:
    """The repeats that `globs` show copy by copy, with the blocks around them.

    One that is the path of something repeated means that repeat, or where it is a block's those in
    it; any other all repeats of which it matches a name, or that of the block they are in.
    """
    found = CLOSED
    for glob in globs:
        found |= _unfolded(graph, glob)
    return found


def _unfolded(graph: Graph, glob: str) -> Opening:
    seen = list(runs(apart(graph, CLOSED)))
    fits = next((fits for fits in _FITS if any(fits(run, glob) for run in seen)), None)
    if fits is None:
        return CLOSED
    alone = fits in (Run.has, Run.is_in)
    keys: Names = frozenset()
    around: dict[Block, None] = {}
    while fresh := [run for run in seen if run.key not in keys and fits(run, glob)]:
        keys |= {run.key for run in fresh}
        around |= dict.fromkeys(block for run in fresh for block in run.around)
        # In what was folded there may be repeats that were not seen.
        seen = list(runs(apart(graph, Opening(repeats=keys))))
    if alone:
        return Opening(paths=frozenset(block.path for block in around), repeats=keys)
    return Opening(names=frozenset(block.call.block for block in around), repeats=keys)


def apart(
    graph: Graph,
    opening: Opening,
    marks: Mapping[Node, str] | None = None,
    *,
    named: bool = True,
) -> Series:
    """The net with repeats folded, but for what `opening` shows alone.

    With `marks`, what is marked differently is not folded either. Where nothing is `named`, what many
    places read has a line to each.
    """
    told = telling(graph) if named else NOTHING
    series, found = _shown(graph, opening.repeats, told)
    if opening.paths or marks:
        own = dict(found)
        for node, mark in (marks or {}).items():
            own[node] = own.get(node, "") + mark
        for path in sorted(opening.paths):
            for node in _inside(graph).get(path, ()):
                own[node] = f"{own.get(node, '')}{path};"
        series = fold(structure(graph, opening.repeats, told), own)
    return series


@lru_cache(maxsize=64)
def _shown(graph: Graph, repeats: Names, told: Telling) -> tuple[Series, dict[Node, str]]:
    """The net with these repeats copy by copy, and the marks that keep their copies apart."""
    # Layers that share weights are told apart from those that are like them otherwise.
    marks = dict(sharing(graph).marks(graph.nodes))
    for run in runs(fold(structure(graph, telling=told), marks)) if repeats else ():
        if run.key in repeats and _is_recurrence(run.repeat):
            _tell_apart(run.repeat, marks)
    done: set[str] = set()
    while True:
        series = fold(structure(graph, repeats, told), marks)
        found = {run.key: run for run in runs(series) if run.key in repeats} if repeats else {}
        fresh = [run for key, run in found.items() if key not in done]
        if not fresh:
            return series, marks
        for run in fresh:
            _tell_apart(run.repeat, marks)
        done |= found.keys()


def _is_recurrence(repeat: Repeat) -> bool:
    """Whether its copies are passes, which a graph without them as one does not have as a repeat."""
    return any(isinstance(item, Block) and item.call.recurrent for item in repeat.copies)


def _tell_apart(repeat: Repeat, marks: dict[Node, str]) -> None:
    for i, item in enumerate(repeat.copies):
        for node in nodes_of(item):
            marks[node] = f"{marks.get(node, '')}{i};"


def repeated(graph: Graph) -> list[str]:
    """What can be shown copy by copy, in words: `stage2.bottleneck1 (×4)`, in the order of use."""
    return [
        f"{run.key.partition('..')[0]} (×{run.repeat.count})" for run in runs(apart(graph, CLOSED))
    ]


def blocks(graph: Graph) -> list[str]:
    """The names of the net's blocks, in the order of use."""
    return list(dict.fromkeys(chain[-1].block for chain in _chains(graph)))


def paths(graph: Graph) -> list[str]:
    """The paths of the net's blocks, in the order of use."""
    return [_path(chain) for chain in _chains(graph)]


# --- calls and their names


@lru_cache(maxsize=16)
def _held(graph: Graph) -> dict[Call, list[Node]]:
    """The nodes of each call that is part of a path."""
    found: dict[Call, list[Node]] = {}
    for node in graph.nodes:
        for call in reversed(list(node.call.ancestors()) if node.call else ()):
            if call.component:
                found.setdefault(call, []).append(node)
    return found


@lru_cache(maxsize=16)
def _inside(graph: Graph) -> dict[str, list[Node]]:
    """The nodes of each block call, by its path."""
    return {_path(chain): _held(graph)[chain[-1]] for chain in _chains(graph)}


@lru_cache(maxsize=16)
def _chains(graph: Graph) -> tuple[tuple[Call, ...], ...]:
    """Each block call that is part of a path, after those around it."""
    return tuple(
        tuple(reversed([c for c in call.ancestors() if c.component])) for call in _held(graph)
    )


def _path(chain: tuple[Call, ...]) -> str:
    return ".".join(str(call.component) for call in chain)


def _said(chain: tuple[Call, ...]) -> tuple[str, str, str]:
    return chain[-1].block, str(chain[-1].component), _path(chain)


def _prefixes(path: str) -> Names:
    parts = path.split(".")
    return frozenset(".".join(parts[: i + 1]) for i in range(len(parts)))


def _parts(repeat: Repeat) -> Iterator[Step | Block]:
    for copy in repeat.copies:
        yield from leaves_of(copy)


def _names(part: Step | Block) -> tuple[str, ...]:
    if isinstance(part, Block):
        return part.call.block, part.name, part.path
    return spelling(part.node.op), part.node.name, part.node.path

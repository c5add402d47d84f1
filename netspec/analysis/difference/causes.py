"""For each fact the place in the text that it follows from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netspec.analysis.difference.facts import Became, Fact, Fed, Only, Reads, Told, Trained
from netspec.analysis.difference.marks import Bundle, Side
from netspec.analysis.difference.origins import Origins, Place, Where
from netspec.analysis.difference.pairing import Alignment
from netspec.analysis.difference.said import argument_of, words_in
from netspec.analysis.difference.texts import Texts, extent_of
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node
from netspec.syntax import ast


@record
class Cause:
    """What was written otherwise: `new` where the place is in the second spec.

    `kind` is a place's, or inserted, removed or rewired. `sure` is false where no text was found to
    differ: the fact may follow from another.
    """

    kind: str
    place: Place
    new: bool
    sure: bool = True


class _Half:
    """One of two sides: its texts, and for what it holds what the other side has in its place."""

    def __init__(
        self, side: Side, texts: Texts, nodes: dict[Node, Node], calls: dict[Call, Call], new: bool
    ) -> None:
        self.origins = Origins(texts)
        self.new = new
        self.calls = calls
        # The step of a node that follows it, and the step at a place of the text, in a call.
        self.firsts: dict[Node, Node] = {}
        self.steps: dict[tuple[object, Call | None], Node] = {}
        self.twins: dict[object, Node | Call] = {}
        for items in side.children.values():
            for item in items:
                if isinstance(item, Bundle):
                    self.firsts.update(dict.fromkeys(item.nodes, item.nodes[0]))
        for node in side.graph.nodes:
            self.steps.setdefault((key(node.span), node.call), node)
        for mine, other in nodes.items():
            self.twins.setdefault(key(mine.span), other)
        for call, there in calls.items():
            self.twins.setdefault(key(call.span), there)

    def first(self, item: Node | Call) -> Node | Call:
        """The step that a node or a call follows; itself where it follows none."""
        if isinstance(item, Node):
            return self.firsts.get(item, item)
        return self.steps.get((key(item.span), item.parent), item)

    def twin(self, where: Where) -> Node | Call | None:
        """What the other side has of a step."""
        return self.twins.get(key(Span(where.text.source, *where.head.extent)))


def key(span: Span) -> object:
    """Equal for places of one file."""
    return span.source.key, span.start, span.end


class Causes:
    """Finds causes between two aligned graphs."""

    def __init__(self, found: Alignment, a: Texts, b: Texts) -> None:
        self.a = _Half(found.a, a, found.ahead, found.calls, new=False)
        self.b = _Half(found.b, b, found.back, found.calls_back, new=True)

    def of(self, fact: Fact) -> Cause:
        """The cause of a fact."""
        if isinstance(fact, Only):
            return self._of_presence(fact)
        sides = (self.b, fact.y), (self.a, fact.x)
        cause = _decisive((half, self._places(half, node, fact)) for half, node in sides)
        return cause or Cause("step", _own(self.b, fact.y), new=True, sure=False)

    def _places(self, half: _Half, node: Node, fact: Fact) -> Iterator[Place]:
        if isinstance(fact, Fed):
            yield from half.origins.input(node)
            return
        main = half.first(node)
        where = half.origins.where(main)
        if where is None:
            return
        if isinstance(fact, Reads):
            for level in _outwards(half, where):
                yield from half.origins.reads(level)
            yield from self._conditions(half, where)
        elif isinstance(fact, Trained):
            yield from self._frozen(half, where)
        elif isinstance(main, Node) and main is not node:
            yield from _following(half, main, where)
        elif isinstance(fact, Told):
            places = half.origins.argument(where, node.op, fact.name)
            # What both steps say in the same words does not differ here, but where those get their values.
            same = self._said(self.a, fact.x, fact.name) == self._said(self.b, fact.y, fact.name)
            yield from (p for p in places if not (same and p.whole is where.head))
        elif isinstance(fact, Became):
            yield from half.origins.word(where)
            yield from self._conditions(half, where)

    def _said(self, half: _Half, node: Node, name: str) -> object:
        """The words of what a step gives a parameter; of what it gives none, something equal to nothing."""
        where = half.origins.where(node)
        value = argument_of(where.head, name, type(node.op).order) if where else None
        if where is None or value is None or not any(words_in(value)):
            return object()
        return where.text.said(value.extent)

    def _conditions(self, half: _Half, where: Where) -> Iterator[Place]:
        """What decides that a step is run, up to the file's own steps."""
        for level in _outwards(half, where):
            if level is not where:
                yield from half.origins.call(level)
            yield from half.origins.presence(level)

    def _frozen(self, half: _Half, where: Where) -> Iterator[Place]:
        for level in _outwards(half, where):
            yield from half.origins.trained(level)

    # --- what only one graph has

    def _of_presence(self, fact: Only) -> Cause:
        half, other = (self.b, self.a) if fact.new else (self.a, self.b)
        main = half.first(fact.item)
        where = half.origins.where(main)
        kind = "inserted" if fact.new else "removed"
        if where is None:
            own = _own(half, fact.item)
            return Cause(kind, own, fact.new, sure=own.is_changed)
        current: Where | None = where
        if isinstance(main, Node) and main is not fact.item and half.twin(where) is not None:
            twin = half.twin(where)
            theirs = other.origins.where(twin) if twin else None
            places = [(half, _following(half, main, where))]
            if theirs is not None and isinstance(twin, Node):
                places.append((other, _following(other, twin, theirs)))
            cause = _decisive(places)
            if cause is not None:
                return cause
        while current is not None:
            unrun = _unrun(half, other, current)
            if half.twin(current) is None and unrun is None:
                return Cause(kind, self._outermost(half, other, current), fact.new)
            twin = half.twin(current)
            theirs = other.origins.where(twin) if twin is not None else unrun
            cause = _decisive(
                (side, side.origins.presence(at))
                for side, at in ((half, current), (other, theirs))
                if at is not None
            )
            if cause is not None:
                return cause
            current, cause = self._outward(half, other, current)
            if cause is not None:
                return cause
        return Cause(kind, _own(half, main), fact.new, sure=False)

    def _outermost(self, half: _Half, other: _Half, where: Where) -> Place:
        """A step that only one text has, or the call that it is in where the other has not that."""
        while True:
            call = half.origins.around(where)
            calling = half.origins.where(call) if call else None
            if calling is None or half.twin(calling) is not None or _unrun(half, other, calling):
                return Place(where.text, "step", where.head.extent, where.head)
            where = calling

    def _outward(
        self, half: _Half, other: _Half, where: Where
    ) -> tuple[Where | None, Cause | None]:
        """The call of the block that a step is written in, or what was changed in it."""
        call = half.origins.around(where)
        calling = half.origins.where(call) if call else None
        if call is None or calling is None or half.twin(calling) is None:
            return calling, None
        twin = half.calls.get(call) or half.twin(calling)
        theirs = other.origins.where(twin) if twin is not None else None
        return calling, _decisive(
            (side, side.origins.call(at))
            for side, at in ((half, calling), (other, theirs))
            if at is not None
        )


def _own(half: _Half, item: Node | Call) -> Place:
    """The statement that made a node or a call."""
    where = half.origins.where(half.first(item))
    if where is not None:
        return Place(where.text, "step", where.head.extent, where.head)
    text = half.origins.texts.of(item.span.source)
    extent = extent_of(item.span)
    kinds = (ast.TrainingHead, ast.Input)
    lines = (text.find(kind, extent[0]) for kind in kinds)
    return Place(text, "input", extent, next(filter(None, lines), ast.Broken(extent)))


def _unrun(half: _Half, other: _Half, where: Where) -> Where | None:
    """The same step in the other text, where it stands though nothing came of it."""
    at = where.text.counterpart(where.head.extent[0])
    head = None if at is None or where.text.other is None else where.text.other.find(ast.Head, at)
    if head is None or where.text.other is None:
        return None
    found = Where(where.text.other, head, half.calls.get(where.call) if where.call else None)
    return found if other.twin(found) is None else None


def _following(half: _Half, main: Node, where: Where) -> Iterator[Place]:
    """Where the layers that follow a step are said."""
    for name in main.op.follows:
        yield from half.origins.argument(where, main.op, name)
    yield from half.origins.word(where)


def _decisive(places: Iterable[tuple[_Half, Iterable[Place]]]) -> Cause | None:
    """The first place that the other spec does not say."""
    for half, found in places:
        for place in found:
            if place.is_changed:
                return Cause(place.kind, place, half.new)
    return None


def _outwards(half: _Half, where: Where) -> Iterator[Where]:
    """A place, and those of the calls around it, up to the file's own steps."""
    current: Where | None = where
    while current is not None:
        yield current
        call = half.origins.around(current)
        current = half.origins.where(call) if call else None

"""The parts of a lowered model that may become functions: its blocks, and repeats of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from re import compile as pattern

from netspec.backends.onnx.options import path_pattern
from netspec.diagnostics.messages.backends import NoSuchBlock
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest, renew_budget
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node

# Blocks that are named where a glob names none.
_SHOWN = 8


@record(eq=False)
class Scope:
    """A block call, or the copies that `x n` makes of one: then `repeat` is n and `call` the first.

    `within` is the scope around it, `prefix` the path that what is inside is named by: the block's own,
    and for copies that of the block around them.
    """

    call: Call
    within: Scope | None
    prefix: str
    repeat: int = 0
    inner: list[Scope] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What a call of it is named: the block's path, or that of the first copy to the last."""
        if not self.repeat:
            return self.prefix
        copies = [str(scope.call.component) for scope in self.inner]
        around = f"{self.prefix}." if self.prefix else ""
        return f"{around}{copies[0]}-{copies[-1]}"

    @property
    def kind(self) -> str:
        """What a function of it is called, unless another of that name is there: `dense`, `dense.x12`."""
        return f"{self.call.block}.x{self.repeat}" if self.repeat else self.call.block

    def __str__(self) -> str:
        """The call as it is written, `unit(8, s=2)` or `unit(8) x3`."""
        return f"{self.call} x{self.repeat}" if self.repeat else str(self.call)


class Scopes:
    """The scopes of a model's nodes, by the steps that they are for; those inside another come first."""

    def __init__(self, owners: Sequence[Node | None]) -> None:
        self._blocks: dict[str, Scope] = {}
        # By what is repeated and where, the copies so far and the number of the last one.
        self._repeats: dict[object, tuple[Scope, int]] = {}
        self._top: list[Scope] = []
        calls: dict[Call | None, Scope | None] = {None: None}
        self.of: list[Scope | None] = []
        for owner in owners:
            call = None if owner is None else owner.call
            if call not in calls:
                calls[call] = self._innermost(call)
            self.of.append(calls[call])

    def __iter__(self) -> Iterator[Scope]:
        # A net may nest deeper than Python does.
        pending, found = list(self._top), []
        while pending:
            scope = pending.pop()
            found.append(scope)
            pending += scope.inner
        return reversed(found)

    def _innermost(self, call: Call | None) -> Scope | None:
        scope: Scope | None = None
        for step in reversed(list(call.ancestors()) if call else []):
            if step.component is None:
                continue
            around = "" if scope is None else scope.prefix
            path = f"{around}.{step.component}" if around else step.component
            if path not in self._blocks:
                within = (
                    scope if step.copy is None else self._repeat(step, step.copy, scope, around)
                )
                self._blocks[path] = self._add(Scope(step, within, path))
            scope = self._blocks[path]
        return scope

    def _repeat(
        self, call: Call, copy: tuple[int, int], within: Scope | None, around: str
    ) -> Scope:
        """The repeat that a copy is of: another one where the copies begin anew, as in a loop."""
        key = (within, call.parent, call.block, call.span)
        repeat, last = self._repeats.get(key, (None, copy[0]))
        if repeat is None or copy[0] <= last:
            repeat = self._add(Scope(call, within, around, repeat=copy[1]))
        self._repeats[key] = repeat, copy[0]
        return repeat

    def _add(self, scope: Scope) -> Scope:
        (self._top if scope.within is None else scope.within.inner).append(scope)
        return scope


def named(scopes: Scopes, globs: Sequence[str]) -> set[Scope]:
    """The blocks that globs name by path or by block; raises NetspecError for one that names none."""
    blocks = [scope for scope in scopes if not scope.repeat]
    found: set[Scope] = set()
    for glob in globs:
        path = pattern(path_pattern(glob))
        these = [
            scope
            for scope in blocks
            if path.fullmatch(f"{scope.prefix}.") or fnmatchcase(scope.call.block, glob)
        ]
        if not these:
            raise NetspecError(NoSuchBlock(glob, _advice(glob, blocks)), status=2)
        found.update(these)
    return found


def _advice(glob: str, blocks: Sequence[Scope]) -> str:
    if not blocks:
        return "the net has no blocks"
    renew_budget()
    words = sorted({scope.call.block for scope in blocks})
    near = closest(glob, {*words, *(scope.prefix for scope in blocks)})
    if near:
        return f"did you mean {near}?"
    return f"its blocks are {', '.join(words[:_SHOWN])}{', ...' if len(words) > _SHOWN else ''}"

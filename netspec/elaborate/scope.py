"""What a step can see: parameters, names, defaults, and where its nodes go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.diagnostics.messages.names import UnknownName, UnknownReference
from netspec.diagnostics.messages.shapes import WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record
from netspec.ops.declare.values import Name, show
from netspec.sizes.asked import SIZES, ask, size_of
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType
from netspec.syntax import ast
from netspec.syntax.words import words_of

if TYPE_CHECKING:
    from netspec.diagnostics.source import Span
    from netspec.graph.checked import Call, Value
    from netspec.syntax.units import Unit

# What flows: tensors, or None after a mistake, so that one mistake costs one message.
Wire: TypeAlias = "tuple[Value, ...] | None"

_INTO_BRANCH = "which flows into this branch"


@record
class Default:
    """One value of a `default` line, with where it was written."""

    value: Any
    span: Span


# By the spelling of a layer, or by the block that they are for.
Defaults = Mapping[str | ast.Block, Mapping[str, Default]]


@record(frozen=False, eq=False)
class Binding:
    """What `as name` names: tensors, and for a block call the names inside it and its path.

    `make` gives tensors that are made where they are first asked for, if they are.
    """

    wire: tuple[Value, ...] | None
    span: Span
    path: str
    inner: dict[str, Binding] | None = None
    make: Callable[[], Wire] | None = None

    def made(self) -> Binding:
        """The binding, its tensors made."""
        if self.make is not None:
            make, self.make = self.make, None
            self.wire = make()
        return self

    def __str__(self) -> str:
        return " and ".join(str(value.type) for value in self.wire or ())


@record(frozen=False, eq=False)
class Body:
    """Braces given to a block: they run where the block says, and see what they saw."""

    braces: ast.Chain | ast.Branches
    scope: Scope


class Level:
    """One level of the path: hands out the names of the nodes and calls in it."""

    __slots__ = ("_counters", "_reserved", "_taken", "heads", "prefix")

    def __init__(self, prefix: str, reserved: Iterable[str] = ()) -> None:
        self.prefix = prefix
        self.heads: dict[str, Span] = {}
        self._counters: dict[str, int] = {}
        self._reserved: set[str] = set(reserved)
        self._taken: set[str] = set(self._reserved)

    def reserve(self, names: Iterable[str]) -> None:
        """Keeps names that steps of this level are given, so that no number makes them."""
        self._reserved.update(names)
        self._taken.update(self._reserved)

    def numbered(self, word: str) -> str:
        """The next free `word1`, `word2`, ..."""
        number = self._counters.get(word, 0) + 1
        while f"{word}{number}" in self._taken:
            number += 1
        self._counters[word] = number
        name = f"{word}{number}"
        self._taken.add(name)
        return name

    def named(self, name: str) -> str:
        """`name`, or `name_2`, `name_3` where it has been used, as in a repeat."""
        number = self._counters.get(f"as {name}", 0) + 1
        known = name in self._reserved or name not in self._taken
        self._counters[f"as {name}"] = number
        if number == 1 and known:
            self._taken.add(name)
            return name
        word, number = f"{name}_", max(number, 2)
        while f"{word}{number}" in self._taken:
            number += 1
        self._taken.add(f"{word}{number}")
        return f"{word}{number}"


@record(frozen=False, eq=False)
class Stop:
    """The step after which a net that is used as a block ends, and whether that has run."""

    name: str
    reached: bool = False

    def after(self, step: str | None) -> bool:
        """Whether the net ends after a step of this name, or inside it."""
        self.reached = self.reached or step == self.name
        return self.reached


@record(frozen=False, eq=False)
class Scope:
    """The surroundings of one step. Braces make a copy with another `entry`.

    `until` is where a net ends early: none where ending would leave a branch, a repeat or a block's
    braces half run. `headless` leaves training heads out: in a net that is stopped early, or is used
    in a head. `moved` are the steps of these braces from a reference on that left what flows in, `around`
    is what the braces outside start from, where these start from a reference. `naming` is what the last
    step of these braces is called if it has no name of its own, and no weights that are known by another.
    `kept` takes what each step of these braces makes, where all of it flows on. `inside` is the `for` or
    `if` whose braces the steps stand in, which are none of their own, and what flows into those.
    """

    unit: Unit
    level: Level
    variables: Mapping[str, Any]
    names: dict[str, Binding]
    defaults: Defaults
    entry: tuple[Value, ...] | None = ()
    call: Call | None = None
    head: str | None = None
    frozen: bool = False
    shared: tuple[str, str] | None = None
    until: Stop | None = None
    headless: bool = False
    moved: tuple[ast.Link, ...] = ()
    around: tuple[Value, ...] | None = None
    naming: str | None = None
    kept: list[Wire] | None = None
    inside: tuple[str, Wire] | None = None

    def keep(self, link: ast.Link, wire: Wire) -> None:
        """Takes what a step made, where all of it flows on.

        Steps in the braces of `if` and `for` are steps of these; a training head makes nothing.
        """
        if self.kept is None:
            return
        action = link.action if isinstance(link, ast.Step) else None
        looked_into = isinstance(action, ast.If | ast.For) and wire is not None
        beside = isinstance(action, ast.For) and isinstance(action.body, ast.Branches)
        if not isinstance(action, ast.TrainingHead) and (beside or not looked_into):
            self.kept.append(wire)

    @property
    def recurring(self) -> bool:
        """Whether the step runs at every step of a sequence."""
        return self.call is not None and any(call.recurrent for call in self.call.ancestors())

    # the Values protocol of netspec.elaborate.evaluate

    def variable(self, node: ast.Variable) -> Any:
        """The value of a word: of a parameter, a size of what flows in, or the word itself."""
        if node.name in self.variables:
            value = self.variables[node.name]
            if value is UNKNOWN:
                raise Poisoned
            if isinstance(value, Unset):
                raise Rejection(UnknownName(node.name, value.advice, self.unit.source.name))
            return value
        if node.name in SIZES:
            if self.entry is None:
                raise Poisoned
            if self.entry:
                return asked_of(node.name, self.entry[0])
        return Name(node.name, self.unit, self, node.extent)

    def reference(self, node: ast.Reference) -> Any:
        """What `@name` stands for, or the size that is asked of it; raises Rejection."""
        binding, rest = self.find(node)
        if not rest:
            return binding
        return asked_of(rest, self._single(binding, "@" + node.parts[0]))

    def tensor(self, value: Any) -> TensorType | None:
        """The type of a referenced tensor; None for a value that is no reference."""
        return self._single(value, "a reference").type if isinstance(value, Binding) else None

    def stride_told(self, tensors: Sequence[Any]) -> None:
        """Takes note that the stride from one referenced tensor to another was asked for."""
        values = [b.wire[0] for b in tensors if isinstance(b, Binding) and b.wire]
        if len(values) == 2:
            ask("", *values)

    def _single(self, binding: Binding, shown: str) -> Value:
        wire = binding.made().wire
        if wire is None:
            raise Poisoned
        if len(wire) != 1:
            raise Rejection(WrongCount(shown, "one tensor", f"{len(wire)}"))
        return wire[0]

    def sizes_elsewhere(self, last: ast.Step, wire: Wire) -> tuple[Label, ...]:
        """Where a step asks for sizes that are not those of the `wire` into it, and whose they are.

        Behind a reference that left what flows in, the steps in between are looked at too.
        """
        if not self.entry or wire is None:
            return ()
        if wire[:1] == self.entry[:1]:
            return self._sizes_of_start(last)
        steps: list[ast.Link] = [last]
        of = ""
        if self.moved and isinstance(self.moved[0], ast.Step):
            reference = self.moved[0].action
            assert isinstance(reference, ast.Reference)
            of = "@" + ".".join(reference.parts)
            steps = [link for link in self.moved[1:] if link.extent[0] < last.extent[0]] + steps
        asked = {node.name: node for step in steps for node in words_of(step) if node.name in SIZES}
        start = f"that of {self.entry[0].type}, which flows into these braces"
        return tuple(
            Label(
                self.unit.span(node.extent),
                f"{name} is {start}" + (f"; `{of}.{name}` is that of `{of}`" if of else ""),
            )
            for name, node in asked.items()
            if name not in self.variables
        )

    def sizes_in_branches(self, step: ast.Step, wire: Wire) -> tuple[Label, ...]:
        """Where a shape at the end of a branch is given by sizes, `parameter((C, H))`, and whose they are.

        A branch that starts from a reference is left out: its sizes are those of the reference.
        """
        body = step.action.body if isinstance(step.action, ast.Head) else None
        if not isinstance(body, ast.Branches) or not wire or len(wire) not in (1, len(body.chains)):
            return ()
        flows = wire * (len(body.chains) // len(wire))
        ends = {
            chain.links[-1]: value
            for chain, value in zip(body.chains, flows, strict=True)
            if chain.links
            and not isinstance(getattr(chain.links[0], "action", None), ast.Reference)
        }
        return tuple(
            Label(
                self.unit.span(word.extent), f"{word.name} is that of {value.type}, {_INTO_BRANCH}"
            )
            for end, value in ends.items()
            if isinstance(end, ast.Step) and isinstance(end.action, ast.Head)
            for word in {word.name: word for word in words_of(end.action.arguments)}.values()
            if self.is_size(word.name)
        )

    def _sizes_of_start(self, step: ast.Step) -> tuple[Label, ...]:
        """Where a step asks for sizes that are others outside the braces, which start from a reference."""
        if not self.entry or not self.around:
            return ()
        here, outside = self.entry[0].type, self.around[0].type
        asked = {node.name: node for node in words_of(step) if node.name in SIZES}
        return tuple(
            Label(
                self.unit.span(node.extent),
                f"{name} is that of {here}, which these braces start from; outside it is that of {outside}",
            )
            for name, node in asked.items()
            if name not in self.variables and size_of(name, here) != size_of(name, outside)
        )

    def is_size(self, word: str) -> bool:
        """Whether a word is a size of what flows in, and no parameter."""
        return word in SIZES and word not in self.variables

    def names_step(self, word: str) -> bool:
        """Whether a word is the name of a step, which is read with `@`."""
        return word in self.names

    def unit_of_names(self) -> Unit:
        """The file whose names words are looked up in."""
        return self.unit

    def find(self, node: ast.Reference) -> tuple[Binding, str]:
        """The binding of `@a.b`, and the size asked of it (`C`, `H`, ...) or nothing."""
        first, *rest = node.parts
        binding = self.names.get(first)
        if binding is None:
            value = self.variables.get(first)
            if first in self.unit.lost:
                raise Poisoned
            if not isinstance(value, Binding):
                near = closest(first, self.names)
                advice = f"did you mean {near}?" if near else ""
                if isinstance(value, Name):
                    told = f"a step is given as `{first}=@{value}`"
                    advice = f"`{first}` is the word `{value}` here, and no step: {told}"
                elif first in self.variables and value is not UNKNOWN:
                    advice = f"`{first}` is {show(value)} here, and no step"
                elif not near and self.call is not None and not self.call.recurrent:
                    advice = "a block sees the names in it only: give it others as arguments"
                raise Rejection(UnknownReference(first, advice))
            binding = value
        for i, part in enumerate(rest):
            inner = binding.inner or {}
            if part in inner:
                binding = inner[part]
            elif part in SIZES and i == len(rest) - 1:
                return binding, part
            else:
                if part in self.unit.lost or (binding.wire is None and binding.inner is None):
                    raise Poisoned
                advice = names_inside("@" + ".".join(node.parts[: i + 1]), part, inner)
                raise Rejection(UnknownReference(".".join(node.parts), advice))
        return binding, ""


class Poisoned(Exception):
    """A value depends on a step that is wrong; the mistake has been reported there."""


@record
class Unset:
    """The value of a parameter that has none here; `advice` is what to do about it."""

    advice: str


class _Unknown:
    """A value that cannot be known where steps are only counted."""


UNKNOWN = _Unknown()


def asked_of(letter: str, value: Value) -> Dim:
    """`C`, `D`, `H`, `W` of a map; `T` or `L` of a sequence; raises Rejection where it has none."""
    size = size_of(letter, value.type)
    if size is None:
        raise Rejection(UnknownName(letter, f"what flows in here is {value.type}"))
    ask(letter, value)
    return size


def names_inside(owner: str, wanted: str, names: Iterable[str]) -> str:
    """Advice on a name that a call does not have inside: the nearest, or all there are."""
    known = sorted(names)
    if near := closest(wanted, known):
        return f"did you mean {near}?"
    if known:
        return f"named in `{owner}`: {', '.join(known)}"
    return f"no step in `{owner}` has a name: give it one there, `... as {wanted}`"


def reserved_names(chain: ast.Chain | ast.Branches) -> frozenset[str]:
    """Every name given with `as` in braces, block bodies of other blocks excluded."""
    found: set[str] = set()
    pending: list[Any] = [chain]
    while pending:
        match pending.pop():
            case ast.Branches() as branches:
                pending.extend(branches.chains)
            case ast.Chain() as chain:
                pending.extend(chain.links)
            case ast.Step() as step:
                found.update(name for name, _ in step.named)
                pending.append(step.action)
            case ast.Head() as head:
                pending.append(head.body)
            case ast.If() as branch:
                pending.extend((branch.then, branch.otherwise))
            case ast.TrainingHead() as training:
                found.add(training.name)
            case ast.For() | ast.Recurrence() | ast.Freeze() | ast.Every() as holder:
                pending.append(holder.body)
            case _:
                pass
    return frozenset(found)


@record
class Given:
    """The arguments of one step, evaluated: shorthand and named by name, the others in order."""

    named: dict[str, Any] = field(default_factory=dict)
    positional: tuple[tuple[Any, ast.Extent], ...] = ()
    extents: dict[str, ast.Extent] = field(default_factory=dict)

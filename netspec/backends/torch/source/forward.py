"""The statements of a `forward`: what is computed, in the order of the text, with names for tensors.

A value that the next statement alone reads is written into it, as long as the line holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netspec.backends.torch.source.code import (
    WIDTH,
    Bin,
    Code,
    Const,
    Fn,
    Get,
    Item,
    Neg,
    Seq,
    Slot,
    Text,
    flat,
    mapped,
    parts,
    slots,
    statement,
)
from netspec.backends.torch.source.templates import Part, Steps, as_parameter
from netspec.backends.torch.source.trace import Line

_NAMES = ("x", "y", "z", "u", "v", "w", "p", "q", "r", "s", "t", "a", "b", "c", "d", "e", "g", "h")


class Body:
    """Writes the statements of one function. `inputs` are the names of its tensors."""

    def __init__(self, inputs: Sequence[str], indent: int, reserved: Iterable[str] = ()) -> None:
        self.indent = indent
        self.reserved = {*reserved, *inputs, "draws", "heads", "self", "i"}
        self.names: dict[int, str] = dict(enumerate(inputs))
        self.lines: list[str] = []
        # Expressions that are not written yet, by slot, in order: each is read once, by what follows.
        self.pending: dict[int, Code] = {}
        self.left: dict[int, int] = {}
        # Which names a type checker knows to be tensors: those of which it is said, and those whose last
        # value was known to be one. And the statement that gave each its first value, if it alone.
        self.typed: dict[str, bool] = dict.fromkeys(inputs, True)
        self._said = set(inputs)
        self._firsts: dict[str, tuple[int, Code, int] | None] = {}
        self._before: dict[str, bool] = {}
        self._last_guard = -1
        self._kept = ""
        self._following: tuple[Code, ...] = ()
        # What tensors had best be called, by slot.
        self._wished: dict[int, str] = {}
        # What is needed as long as steps run, by slot.
        self._held: list[int] = []

    @property
    def is_stepping(self) -> bool:
        """Whether what is written now runs at every step of a sequence."""
        return bool(self._held)

    def count(self, codes: Iterable[Code], returns: Sequence[int]) -> None:
        """Says what all statements read, before they are written."""
        for code in codes:
            for slot in slots(code):
                self.left[slot] = self.left.get(slot, 0) + 1
        for slot in returns:
            self.left[slot] = self.left.get(slot, 0) + 1

    def line(self, line: Line) -> None:
        """Adds one statement, or puts it off until what reads it is written."""
        code = self._filled(line.code)
        if len(line.gives) == 1 and self.left.get(line.gives[0], 0) == 1:
            self.pending[line.gives[0]] = code
        else:
            self.flush(code)
            self._assign(line.gives, code, line.inner)

    def guarded(self, line: Line) -> None:
        """Adds one statement that runs in training alone; else it gives None."""
        code = self.settled(line.code)
        names = self._new_names(line.gives)
        for name in names:
            self._firsts.setdefault(name, None)
            self._learn(name, False)
        none = ", ".join(["None"] * len(names))
        pad = " " * self.indent
        self.lines.append(f"{pad}{', '.join(names)} = {flat(code)} if self.training else {none}")

    def head(self, name: str, line: Line) -> None:
        """Adds one statement that gives a training-only head."""
        code = self.settled(line.code)
        pad = " " * self.indent
        guard = f"{pad}if self.training:"
        if self._last_guard != len(self.lines):
            self.lines.append(guard)
        self.lines += statement(f'heads["{name}"] = ', code, self.indent + 4)
        self._last_guard = len(self.lines)

    def loop(self, over: str, word: str, line: Line) -> None:
        """Adds the parts that repeat, called `word` and a number, as a loop."""
        code = self.settled(line.code)
        assert isinstance(code, Fn)
        (start,) = code.args
        (name,) = self._new_names(line.gives)
        pad = " " * self.indent
        if flat(start) != name:
            self._say(name, start)
        self.lines.append(f"{pad}for i in {over}:")
        self.lines.append(f'{pad}    {name} = self.get_submodule(f"{word}{{i}}")({name})')
        self._learn(name, name in self._said)

    def begin(self, steps: Steps, inner: Iterable[Code]) -> None:
        """Starts what runs at every step of a sequence, in which `inner` is computed."""
        self.flush()
        made = set(steps.begun)
        # What is read at every step is needed to the last, by its name.
        read = {slot for code in inner for slot in slots(code)} & self.names.keys()
        self._held = [*(read - made), steps.sequence]
        for slot in self._held:
            self.left[slot] = self.left.get(slot, 0) + 1
        for state in steps.states:
            self.left[state.start] -= 1
            name = self.names[state.start]
            if self.left[state.start] > 0:
                name = self._free()
                self._say(name, Text(self.names[state.start]))
            self.names[state.begun] = name
            self._wished[state.carried] = self._wished[state.final] = name
        pad = " " * self.indent
        self.lines += [f"{pad}{name}: list[Tensor] = []" for name in steps.lists]
        step = as_parameter(steps.variable) if self.left.get(steps.step) else "_"
        self.names[steps.step] = step
        self._said.add(step)
        self._learn(step, True)
        self.lines.append(f"{pad}for {step} in {self.names[steps.sequence]}.unbind({steps.axis}):")
        self.indent += 4

    def end(self, steps: Steps) -> None:
        """Ends it: keeps what the step made, and hands on what flows into the next."""
        self.flush()
        pad = " " * self.indent
        for name, (made, _) in zip(steps.lists, steps.joined, strict=True):
            self.lines.append(f"{pad}{name}.append({self.names[made]})")
        pairs = [(self.names[s.begun], self.names[s.carried]) for s in steps.states]
        moved = [(state, value) for state, value in pairs if state != value]
        if moved:
            states, values = (", ".join(names) for names in zip(*moved, strict=True))
            self.lines.append(f"{pad}{states} = {values}")
            for state, value in moved:
                self._learn(state, self.typed.get(value, False))
        self.indent -= 4
        ends = (*(state.carried for state in steps.states), *(made for made, _ in steps.joined))
        for slot in (*self._held, steps.sequence, *ends):
            self.left[slot] -= 1
        self._held.clear()
        for each in steps.states:
            self.names[each.final] = self._wished[each.final]
        self._wished.clear()
        for name, (_, whole) in zip(steps.lists, steps.joined, strict=True):
            stack = Fn(Text("torch.stack"), (Text(name),), (("dim", Const(2)),))
            self.line(Line((whole,), stack))

    def choose(self, flag: str, instead: int, gives: int, inside: int) -> None:
        """Starts parts that are there where the flag says so; else what they give is `instead`.

        They read that so often `inside`.
        """
        self.flush()
        held = self.names[instead]
        self.left[instead] -= 1
        later = self.left.get(instead, 0) - inside
        if later > 0:
            self.names[gives] = self._free()
            self._say(self.names[gives], Text(held))
        else:
            self.names[gives] = held
        self._kept = self.names[gives]
        self.lines.append(f"{' ' * self.indent}if {flag}:")
        self.indent += 4
        self._before = dict(self.typed)

    def chosen(self, gives: int) -> None:
        """Ends them."""
        if gives in self.pending:
            code = self.pending.pop(gives)
            self.flush()
            self._say(self._kept, code)
        else:
            self.flush()
            if self.names[gives] != self._kept:
                self._say(self._kept, Text(self.names[gives]))
        self.names[gives] = self._kept
        self._kept = ""
        self.indent -= 4
        self.typed |= {name: known and self.typed[name] for name, known in self._before.items()}

    def settled(self, code: Code) -> Code:
        """An expression of tensors that all have names."""
        self.flush()
        return self._named(code, {})

    def _filled(self, code: Code) -> Code:
        """The expression with what was put off written into it, where order and width allow."""
        waiting = [slot for slot in slots(code) if slot in self.pending]
        if not waiting:
            return self._named(code, {})
        if list(self.pending)[-len(waiting) :] == waiting:
            inside = {slot: self.pending[slot] for slot in waiting}
            whole = mapped(code, lambda c: inside.get(c.index) if isinstance(c, Slot) else None)
            tried = self._shown(whole)
            if (
                self.indent + len("out: Tensor = ") + len(flat(tried)) <= WIDTH
                and _depth(tried) <= _DEEPEST
            ):
                for slot in waiting:
                    del self.pending[slot]
                return self._named(code, inside)
        self.flush()
        return self._named(code, {})

    def _shown(self, code: Code) -> Code:
        return mapped(code, lambda c: Text(self.names[c.index]) if isinstance(c, Slot) else None)

    def _named(self, code: Code, inside: dict[int, Code]) -> Code:
        def change(part: Code) -> Code | None:
            if not isinstance(part, Slot):
                return None
            if part.index in inside:
                return inside[part.index]
            self.left[part.index] -= 1
            return Text(self.names[part.index])

        return mapped(code, change)

    def flush(self, *following: Code) -> None:
        """Writes everything that was put off, before what follows, of which no name is taken."""
        self._following = following
        while self.pending:
            slot = next(iter(self.pending))
            code = self.pending.pop(slot)
            self._assign((slot,), code)
        self._following = ()

    def _assign(self, gives: Sequence[int], code: Code, inner: int = 0) -> None:
        names = self._new_names(gives)
        if len(names) == 1:
            self._say(names[0], code)
            return
        for name in names:
            self._firsts.setdefault(name, None)
            self._learn(name, is_typed(code, self.typed))
        if inner:
            held = names[-inner:]
            whole = "_" if set(held) == {"_"} else f"({', '.join(held)})"
            names = [*names[:-inner], whole]
        self.lines += statement(f"{', '.join(names)} = ", code, self.indent)

    def _say(self, name: str, code: Code) -> None:
        """Writes that a name is a tensor that is computed so."""
        self._firsts.setdefault(name, (len(self.lines), code, self.indent))
        self._learn(name, is_typed(code, self.typed))
        self.lines += statement(f"{name} = ", code, self.indent)

    def _learn(self, name: str, known: bool) -> None:
        self.typed[name] = known or name in self._said

    def _new_names(self, gives: Sequence[int]) -> list[str]:
        found = []
        for slot in gives:
            name = "_" if self.left.get(slot, 0) == 0 else self._free(self._wished.get(slot, ""))
            self.names[slot] = name
            found.append(name)
        return found

    def _free(self, wished: str = "") -> str:
        """A name that nothing needs any more: the one that is wished, if it is."""
        live = {name for slot, name in self.names.items() if self.left.get(slot, 0) > 0}
        live.add(self._kept)
        live |= {
            part.text
            for code in (*self.pending.values(), *self._following)
            for part in _texts(code)
        }
        if wished and wished not in live:
            return wished
        live.update(self._wished.values())
        number = 0
        while True:
            number += 1
            for name in _NAMES:
                tried = name if number == 1 else f"{name}{number}"
                if tried not in live and (
                    tried in self.names.values() or tried not in self.reserved
                ):
                    return tried

    def ends(self, returns: Sequence[int], name: str = "out") -> None:
        """Writes the return of these tensors, by a `name` where a checker does not know the type."""
        if len(returns) == 1 and list(self.pending) == [returns[0]]:
            code = self.pending.pop(returns[0])
            if is_typed(code, self.typed):
                self.lines += statement("return ", code, self.indent)
            else:
                self.lines += statement(f"{name}: Tensor = ", code, self.indent)
                self.lines.append(f"{' ' * self.indent}return {name}")
            return
        if len(returns) > 1 and list(self.pending) == [s for s in returns if s in self.pending]:
            codes = [self.pending.get(slot) or Text(self.names[slot]) for slot in returns]
            line = f"{' ' * self.indent}return {', '.join(map(flat, codes))}"
            if len(line) <= WIDTH:
                self.pending.clear()
                self.lines.append(line)
                return
        self.lines.append(f"{' ' * self.indent}return {', '.join(self.known(returns, name))}")

    def known(self, returns: Sequence[int], name: str = "out") -> list[str]:
        """The names of tensors, all written; of one alone a name that a checker knows to be one."""
        names = self.named(returns)
        if len(names) == 1 and not self.typed.get(names[0], True):
            names = [self._declared(names[0], name)]
        return names

    def _declared(self, name: str, other: str) -> str:
        """The name, said to be a tensor where it is first given a value, or else another one that is."""
        first = self._firsts[name]
        if first is None:
            self.lines.append(f"{' ' * self.indent}{other}: Tensor = {name}")
            return other
        at, code, indent = first
        count = len(statement(f"{name} = ", code, indent))
        self.lines[at : at + count] = statement(f"{name}: Tensor = ", code, indent)
        self._said.add(name)
        return name

    def named(self, returns: Sequence[int]) -> list[str]:
        """The names of tensors, all written."""
        self.flush()
        return [self.names[slot] for slot in returns]


def _texts(code: Code) -> list[Text]:
    return [part for part in parts(code) if isinstance(part, Text)]


# Calls in each other that a reader takes in.
_DEEPEST = 5


def _depth(code: Code) -> int:
    match code:
        case Fn(target, args, named):
            inner = max((_depth(c) for c in (*args, *(v for _, v in named))), default=0)
            return max(1 + inner, _depth(target))
        case Bin(_, left, right):
            return max(_depth(left), _depth(right))
        case Neg(_, operand):
            return _depth(operand)
        case Get(base) | Item(base):
            return _depth(base)
        case Seq(items):
            return max(map(_depth, items), default=0)
    return 0


def is_typed(code: Code, names: Mapping[str, bool]) -> bool:
    """Whether a type checker knows that an expression is a tensor, of names that it does or does not know.

    What a module gives, it does not; of torch's functions those that choose another one at run time.
    """
    match code:
        case Text(text):
            return names.get(text, False)
        case Fn(Text(text)):
            return text.startswith(("torch.", "F.")) and "max_pool" not in text
        case Fn(Get(base)) | Item(base) | Neg(_, base):
            return is_typed(base, names)
        case Bin(_, left, right):
            sides = [side for side in (left, right) if not isinstance(side, Const)]
            return all(is_typed(side, names) for side in sides)
    return False


def all_codes(found: Iterable[Part]) -> list[Code]:
    """Every expression of the parts' statements."""
    return [line.code for part in found for line in part.lines]

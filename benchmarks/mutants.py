"""Small mistakes, made on purpose in a source text: one node of its tree is changed at a time.

Only what stands in functions is changed, so that a process that has imported the module can be given
the mistake. Words of messages, declarations and assertions are left alone.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_TURNED = {ast.Break: ast.Continue, ast.Continue: ast.Break}


@dataclass(frozen=True)
class Mutant:
    """A changed place: the kind of change, the lines of its statement (up to where a block in it
    begins), the functions around it, dotted, and both texts of it.
    """

    number: int
    module: str
    function: str
    kind: str
    first: int
    last: int
    before: str
    after: str
    again: int = 0

    @property
    def name(self) -> str:
        """Says where it is without line numbers, so that it lives as long as its statement."""
        again = f" ({self.again + 1})" if self.again else ""
        return f"{self.module}:{self.function}: {self.before} -> {self.after}{again}"


def mutants(module: str, text: str) -> list[Mutant]:
    """All mutants of a source text, in order."""
    return list(_Changes(module).run(ast.parse(text)))


def mutated(mutant: Mutant, text: str) -> ast.Module:
    """The tree of a source text with the change made; lines are those of the text."""
    tree = ast.parse(text)
    for made in _Changes(mutant.module).run(tree):
        if made.number == mutant.number:
            return ast.fix_missing_locations(tree)
    raise ValueError(f"{mutant.module} has no mutant {mutant.number}")


@dataclass
class _Changes:
    """Walks a tree, changes it at one place, tells of it, and mends it before it goes on."""

    module: str
    number: int = 0
    scopes: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    lines: tuple[int, int] = (0, 0)

    def run(self, tree: ast.Module | ast.ClassDef) -> Iterator[Mutant]:
        """Changes what stands in functions: a class or module is made once, on import."""
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef):
                yield from self._statement(statement)
            elif isinstance(statement, ast.ClassDef):
                self.scopes.append(statement.name)
                yield from self.run(statement)
                self.scopes.pop()

    def _told(self, kind: str, before: str, after: str) -> Mutant:
        self.number += 1
        key = ".".join(self.functions), before, after
        self.seen[key] += 1
        return Mutant(
            self.number, self.module, key[0], kind, *self.lines, before, after, self.seen[key] - 1
        )

    # --- statements

    def _block(self, statements: list[ast.stmt]) -> Iterator[Mutant]:
        for at, statement in enumerate(statements):
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.Assert):
                continue
            self.lines = _lines(statement)
            if self._may_go(statement):
                statements[at] = ast.copy_location(ast.Pass(), statement)
                yield self._told("statement left out", _short(statement), "pass")
            if isinstance(statement, ast.Break | ast.Continue):
                statements[at] = ast.copy_location(_TURNED[type(statement)](), statement)
                yield self._told("loop", _short(statement), _short(statements[at]))
            statements[at] = statement
            yield from self._statement(statement)

    def _may_go(self, statement: ast.stmt) -> bool:
        """Whether leaving it out is a mistake that hides: not where a name is left without a
        value, which any run shows.
        """
        match statement:
            case ast.Expr(value):
                return not isinstance(value, ast.Constant)
            case ast.Assign(targets):
                return all(
                    not isinstance(target, ast.Name) or self.stored[target.id] > 1
                    for target in targets
                )
        return isinstance(statement, ast.AugAssign | ast.Delete | ast.Raise)

    def _statement(self, statement: ast.stmt) -> Iterator[Mutant]:
        match statement:
            case ast.FunctionDef():
                kept = self.scopes, self.stored
                self.functions.append(".".join([*self.scopes, statement.name]))
                self.scopes, self.stored = [], _stored(statement)
                yield from self._block(statement.body)
                self.scopes, self.stored = kept
                self.functions.pop()
                return
            case ast.AnnAssign():
                yield from self._children(statement, ("value",))
                return
            case ast.If(test) | ast.While(test) if not isinstance(test, ast.Compare | ast.UnaryOp):
                statement.test = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
                yield self._told("condition", ast.unparse(test), ast.unparse(statement.test))
                statement.test = test
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                before = _short(statement)
                statement.value = ast.copy_location(ast.Constant(None), value)
                yield self._told("returned", before, _short(statement))
                statement.value = value
        for name, held in ast.iter_fields(statement):
            if name in ("body", "orelse", "finalbody"):
                yield from self._block(held)
            elif name == "handlers":
                for handler in held:
                    yield from self._block(handler.body)
            elif name == "cases":
                for case in held:
                    yield from self._children(case, ("guard",))
                    yield from self._block(case.body)
            else:
                yield from self._children(statement, (name,))

    # --- expressions

    def _children(self, node: ast.AST, names: tuple[str, ...]) -> Iterator[Mutant]:
        for name in names:
            held = getattr(node, name)
            children = held if isinstance(held, list) else [held]
            for child in children:
                if isinstance(child, ast.expr):
                    yield from self._expression(child)
                elif isinstance(child, ast.AST):
                    yield from self._children(child, child._fields)
            for at, child in enumerate(children):
                for kind, other in _others(child):
                    changed = ast.copy_location(other, child)
                    if isinstance(held, list):
                        held[at] = changed
                    else:
                        setattr(node, name, changed)
                    texts = ast.unparse(child), ast.unparse(changed)
                    if texts[0] != texts[1]:
                        yield self._told(kind, *texts)
                if isinstance(held, list):
                    held[at] = child
                else:
                    setattr(node, name, held)

    def _expression(self, node: ast.expr) -> Iterator[Mutant]:
        # The parts of a formatted text are words, and a lambda is no function of its own here.
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from self._children(part, ("value",))
            return
        yield from self._children(node, node._fields)


def _others(node: object) -> Iterator[tuple[str, ast.expr]]:
    """What may stand in the place of an expression by mistake, and what kind of mistake it is."""
    match node:
        case ast.Compare(left, ops, right):
            for at, op in enumerate(ops):
                for kind in _COMPARED[type(op)]:
                    yield "compared", ast.Compare(left, [*ops[:at], kind(), *ops[at + 1 :]], right)
        case ast.BoolOp(op, values):
            yield "and, or", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield "condition", operand
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "computed", operand
        case ast.BinOp(left, op, right) if type(op) in _COMPUTED and not _are_texts(node):
            yield "computed", ast.BinOp(left, _COMPUTED[type(op)](), right)
        case ast.IfExp(test, then, otherwise):
            yield "condition", ast.IfExp(test, otherwise, then)
        case ast.Constant(bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(int() as value):
            yield "constant", ast.Constant(value + 1)
        case ast.Call(function, [first, second, *more], keywords):
            plain = not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred)
            if plain and not (isinstance(function, ast.Name) and function.id in _NO_ORDER):
                yield "arguments", ast.Call(function, [second, first, *more], keywords)


# Of these the arguments have no order, or the second is a type that a swap would only crash on.
_NO_ORDER = {"isinstance", "issubclass", "min", "max", "getattr", "cast", "zip"}


def _lines(statement: ast.stmt) -> tuple[int, int]:
    inner = [
        part.lineno
        for part in ast.walk(statement)
        if isinstance(part, ast.stmt) and part is not statement
    ]
    return statement.lineno, max(
        statement.lineno, min(inner) - 1
    ) if inner else statement.end_lineno or 0


def _stored(function: ast.FunctionDef) -> Counter[str]:
    """How often each name gets a value in a function."""
    names = (node for node in ast.walk(function) if isinstance(node, ast.Name))
    stored = Counter(name.id for name in names if isinstance(name.ctx, ast.Store))
    stored.update(argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg))
    return stored


def _are_texts(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _short(node: ast.stmt) -> str:
    return " ".join(ast.unparse(node).split())

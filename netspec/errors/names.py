"""NS2xx: names that mean nothing here, and arguments a step cannot take."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class UnknownLayer(Problem):
    code = "NS201"
    title = "no layer or block is called `{name}`"
    help = "{advice_text}"
    name: str
    advice_text: str = ""


@dataclass(frozen=True)
class UnknownName(Problem):
    code = "NS202"
    title = "`{name}` is not a parameter or index here"
    help = "{advice_text}"
    name: str
    advice_text: str = ""


@dataclass(frozen=True)
class UnknownReference(Problem):
    code = "NS203"
    title = "no step above is named `{name}`"
    help = "{advice_text}"
    name: str
    advice_text: str = ""


@dataclass(frozen=True)
class NameTaken(Problem):
    code = "NS204"
    title = "the name `{name}` is already given here"
    name: str


@dataclass(frozen=True)
class UnknownArgument(Problem):
    code = "NS210"
    title = "`{op}` has no parameter `{name}`"
    help = "{usage}"
    op: str
    name: str
    usage: str


@dataclass(frozen=True)
class MissingArgument(Problem):
    code = "NS211"
    title = "`{op}` needs {name}"
    help = "{usage}"
    op: str
    name: str
    usage: str


@dataclass(frozen=True)
class RepeatedArgument(Problem):
    code = "NS212"
    title = "`{op}` gets {name} twice"
    op: str
    name: str


@dataclass(frozen=True)
class TooManyArguments(Problem):
    code = "NS213"
    title = "`{op}` takes at most {limit} values in order, got {count}"
    help = "{usage}"
    op: str
    limit: int
    count: int
    usage: str


@dataclass(frozen=True)
class BadArgument(Problem):
    code = "NS214"
    title = "`{op}`: {name} must be {expected}, got {value}"
    op: str
    name: str
    expected: str
    value: str


@dataclass(frozen=True)
class BadValue(Problem):
    """A value of the wrong kind, before the step and parameter are known."""

    code = "NS215"
    title = "expected {expected}, got {value}"
    expected: str
    value: str


@dataclass(frozen=True)
class BadArithmetic(Problem):
    code = "NS216"
    title = "cannot compute {text}: {reason}"
    text: str
    reason: str


@dataclass(frozen=True)
class BadCondition(Problem):
    code = "NS217"
    title = "a condition must be yes or no, got {value}"
    value: str


@dataclass(frozen=True)
class BadRepeat(Problem):
    code = "NS218"
    title = "a repeat must be a whole number of at least 0, got {value}"
    value: str


@dataclass(frozen=True)
class NoBraces(Problem):
    code = "NS219"
    title = "`{op}` takes no braces"
    help = "{advice_text}"
    op: str
    advice_text: str = ""


@dataclass(frozen=True)
class NeedsBraces(Problem):
    code = "NS220"
    title = "`{op}` needs a body in braces: `{op} {{ ... }}`"
    op: str


@dataclass(frozen=True)
class NoSuchSetting(Problem):
    code = "NS221"
    title = "`{net}` has no parameter `{name}` to set"
    help = "{advice_text}"
    net: str
    name: str
    advice_text: str


@dataclass(frozen=True)
class NotASymbol(Problem):
    code = "NS222"
    title = "{text} is not a shape: {reason}"
    text: str
    reason: str


@dataclass(frozen=True)
class UnknownMetadata(Problem):
    code = "NS223"
    title = "`{key}` is not a kind of metadata"
    help = "{advice_text}"
    key: str
    advice_text: str


@dataclass(frozen=True)
class UnknownImport(Problem):
    code = "NS224"
    title = "no spec called `{name}` beside this one or among the shipped specs"
    help = "{advice_text}"
    name: str
    advice_text: str = ""


@dataclass(frozen=True)
class NotInFile(Problem):
    code = "NS225"
    title = "`{origin}` holds no {name}"
    origin: str
    name: str


@dataclass(frozen=True)
class UnknownScheme(Problem):
    code = "NS226"
    title = "no initialisation is called `{name}`"
    help = "{advice_text}"
    name: str
    advice_text: str


@dataclass(frozen=True)
class UnknownInput(Problem):
    code = "NS227"
    title = "`{name}` is not an input of this net"
    help = "inputs: {inputs}"
    name: str
    inputs: str


@dataclass(frozen=True)
class ImportCycle(Problem):
    code = "NS228"
    title = "imports go in a circle: {path}"
    path: str

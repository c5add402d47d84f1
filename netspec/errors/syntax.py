"""NS1xx: the text cannot be read as a spec."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class IllegalCharacter(Problem):
    code = "NS101"
    title = "{name} is not allowed in a spec"
    help = "{advice_text}"
    explain = (
        "Specs are UTF-8 text. Control characters, byte-order marks inside the text, characters that "
        "change the direction of text, and letters that look like ASCII but are not, are refused "
        "because what a reader sees would differ from what netspec reads."
    )
    name: str
    advice_text: str


@dataclass(frozen=True)
class NotUtf8(Problem):
    code = "NS102"
    title = "the file is not UTF-8: byte 0x{byte:02x} at offset {offset}"
    help = "save the file as UTF-8"
    byte: int
    offset: int


@dataclass(frozen=True)
class UnterminatedText(Problem):
    code = "NS103"
    title = "this text has no closing quote on its line"
    help = 'end it with "'


@dataclass(frozen=True)
class BadNumber(Problem):
    code = "NS104"
    title = "{text} is not a number netspec can hold"
    help = "integers have at most 18 digits, fractions must be finite"
    text: str


@dataclass(frozen=True)
class NameTooLong(Problem):
    code = "NS105"
    title = "this name has {length} characters, names have at most 64"
    length: int


@dataclass(frozen=True)
class Unbalanced(Problem):
    code = "NS106"
    title = "`{bracket}` has no matching `{partner}`"
    bracket: str
    partner: str


@dataclass(frozen=True)
class UnexpectedText(Problem):
    code = "NS110"
    title = "did not expect {found} here; expected {expected}"
    help = "{advice_text}"
    found: str
    expected: str
    advice_text: str = ""


@dataclass(frozen=True)
class MisplacedDeclaration(Problem):
    code = "NS111"
    title = "`{what}` must stand at the top of a file, outside every brace"
    what: str


@dataclass(frozen=True)
class DuplicateDeclaration(Problem):
    code = "NS112"
    title = "`{what}` is declared twice"
    what: str


@dataclass(frozen=True)
class NoNet(Problem):
    code = "NS113"
    title = "the file holds no net: {missing}"
    help = "{advice_text}"
    missing: str
    advice_text: str

"""The canonical layout of a spec: lines and comments stay, what is between tokens is settled.

Braces indent by two spaces, steps are separated by `; `, arithmetic is written tight as in
`conv1-(4*n)`, comparisons and the words of the language stand between spaces. Blank lines are kept
one at a time. Where a line ends is the author's choice.
"""

from __future__ import annotations

import re
from dataclasses import field

from netspec.diagnostics.arguments import advising
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.foundation.records import record
from netspec.syntax.parse import parse, terminals

_INDENT = 2
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_TIGHT = frozenset(
    {"+", "-", "*", "/", "//", "%", "**", "..", "=", "(", "[", ")", "]", ",", ";", ":"}
)
_COMPARISONS = frozenset({"==", "!=", "<=", ">=", "<", ">"})
_COMMENT_GAP = "  "
_TRAILING = re.compile(r"[ \t\r]+\Z")


@advising
def format_text(text: str, name: str = "<spec>") -> str:
    """`text` in canonical layout; the net it describes is the same. Idempotent.

    Raises NetspecError where the text cannot be read.
    """
    collector = Collector()
    parse(Source(name, text), collector)
    collector.raise_errors()
    layout = _Layout()
    for tokens in _lines(text):
        layout.line(tokens)
    return layout.text()


def _lines(text: str) -> list[list[str]]:
    """The tokens of each line, comments included, as they are spelt."""
    lines: list[list[str]] = [[]]
    for found in terminals().master.finditer(text):
        token = found.group()
        if found.lastgroup == "_SEP":
            if token.startswith(";"):
                lines[-1].append(";")
            lines.extend([] for _ in range(token.count("\n")))
        elif token[0] == "#":
            lines[-1].append(_TRAILING.sub("", token))
        elif not token.isspace():
            lines[-1].append(token)
    return lines


@record(frozen=False, slots=False)
class _Bracket:
    """An open bracket: the indentation of its line, and whether it holds branches."""

    indent: int
    branches: bool = False


@record(frozen=False, slots=False)
class _Layout:
    """Lines laid out so far, and the indentation that open brackets ask for."""

    done: list[str] = field(default_factory=list)
    _open: list[_Bracket] = field(default_factory=list)
    _blank: bool = False

    def line(self, tokens: list[str]) -> None:
        comment = tokens.pop() if tokens and tokens[-1][0] == "#" else ""
        tokens = self._without_stray_separators(tokens)
        if not tokens and not comment:
            self._blank = True
            return
        closes = bool(tokens) and tokens[0] in _CLOSING
        if self._blank and self.done and not closes and not self._opens_here():
            self.done.append("")
        self._blank = False
        indent = self._indent(tokens[0] if tokens else "")
        code = self._code(tokens, indent)
        gap = _COMMENT_GAP if code and comment else ""
        self.done.append(" " * indent + code + gap + comment)

    def text(self) -> str:
        return "\n".join(self.done) + "\n" if self.done else ""

    def _opens_here(self) -> bool:
        return self.done[-1].endswith(("{", "(", "["))

    def _without_stray_separators(self, tokens: list[str]) -> list[str]:
        """Drops each `;` that separates nothing, as at the end of a line."""
        kept: list[str] = []
        for i, token in enumerate(tokens):
            before = kept[-1] if kept else ";"
            after = tokens[i + 1] if i + 1 < len(tokens) else ";"
            if token == ";" and (before in ";{|" or after in ";}|"):
                continue
            kept.append(token)
        return kept

    def _indent(self, first: str) -> int:
        if not self._open:
            return 0
        bracket = self._open[-1]
        if first in _CLOSING:
            return bracket.indent
        bracket.branches |= first == "|"
        continues = bracket.branches and first != "|"
        return bracket.indent + (2 * _INDENT if continues else _INDENT)

    def _code(self, tokens: list[str], indent: int) -> str:
        text = ""
        heading = tokens[0] == "net" if tokens else False
        before = ""
        for token in tokens:
            if before and (self._around_base(before, token, heading) or spaced(before, token)):
                text += " "
            text += token
            if token in _OPENING:
                self._open.append(_Bracket(indent))
            elif token in _CLOSING and self._open:
                self._open.pop()
            before = token
        return text

    def _around_base(self, before: str, token: str, heading: bool) -> bool:
        """Whether a `=` is that of a variation, `net slim = mobilenet_v1(alpha=0.5)`."""
        return heading and "=" in (before, token) and not self._open


def spaced(before: str, token: str) -> bool:
    """Whether a space stands between two tokens in canonical layout, where none is a net's heading."""
    if token in (",", ";", ":", ")", "]"):
        return False
    if before in (",", ";", ":") or {before, token} & {"{", "}", "|"}:
        return before not in ("(", "[")
    keywords = terminals().keywords
    if before in keywords or token in keywords or {before, token} & _COMPARISONS:
        return before not in ("(", "[", "=")
    if token in ("(", "["):
        return False
    if before in (")", "]"):
        return token not in _TIGHT
    return before not in _TIGHT and token not in _TIGHT


__all__ = ["format_text", "spaced"]

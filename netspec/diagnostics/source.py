"""Spec text and positions in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from typing import Any

from netspec.foundation.records import record

# A change of a source: where from, where to, what instead.
Change = tuple[int, int, str]


@record(slots=False)
class Source:
    """One spec file: the name shown in messages and the text.

    `path` is the file the text was read from, or None for text given directly. `net` is the variation
    in it that is meant; empty for the file's own net. With a `tree`, a revision of git, `path` is in that.
    """

    name: str
    text: str
    path: str | None = None
    shipped: bool = False
    net: str = ""
    tree: Any = None

    @property
    def key(self) -> str:
        """Equal for sources of one file."""
        return f"{self.tree.id}:{self.path}" if self.tree else self.path or self.name

    @cached_property
    def line_starts(self) -> list[int]:
        """Where each line starts, as places in the text."""
        starts = [0]
        starts.extend(i + 1 for i, ch in enumerate(self.text) if ch == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """1-based line and column of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its newline."""
        start = self.line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@record
class Span:
    """A half-open range of characters in a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        """The text that the span covers."""
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        """The line it starts in, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column it starts in, in characters from 1."""
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"

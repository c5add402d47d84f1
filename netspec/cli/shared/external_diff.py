"""What git calls to show what changed in a file, by `diff.<driver>.command`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from netspec.cli.shared.common import Options
from netspec.diagnostics.messages.syntax import NoNet
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.diagnostics.source import Source
from netspec.syntax.files import read_file
from netspec.system.reading import open_regular

# Arguments of a file that both have, and of one that was renamed.
_PLAIN, _RENAMED = 7, 9
# Pairs of lines, one of each file, among which those that are the same are looked for.
_MOST_PAIRS = 10**7


def shown(arguments: Sequence[str], options: Options, color: bool) -> str:
    """The text for git's arguments: path, old file, hash and mode, new file, hash and mode; of a renamed
    file its new path and a header besides; of an unmerged one the path alone.

    Files that a spec imports are those beside the path, for both versions. Where one of them is no valid
    spec, the lines that changed are shown, as git would.
    """
    if len(arguments) == 1:
        return f"{printable(arguments[0])}: unmerged\n"
    if len(arguments) not in (_PLAIN, _RENAMED):
        raise click.UsageError("--git takes the arguments that git gives to an external diff")
    path, old, _, _, new = arguments[:5]
    after = arguments[7] if len(arguments) == _RENAMED else path
    try:
        a = _source(old, f"a/{path}", path, options)
        b = _source(new, f"b/{after}", after, options)
        if a is None or b is None:
            return f"{printable(after)}: {'added' if a is None else 'removed'}\n"
        from netspec.analysis.difference.difference import difference

        found = difference(*(options.graph(spec, expectations=False) for spec in (a, b)))
    except NetspecError as error:
        was, is_now = (_read(file, options.limits.source) for file in (old, new))
        return "".join(_lines(was, is_now, f"a/{path}", f"b/{after}", error))
    return found.to_text(color=color)


def _source(file: str, name: str, path: str, options: Options) -> Source | None:
    """A version of a file, which imports what stands beside its path; None where there is none."""
    if file == os.devnull:
        return None
    return replace(read_file(Path(file), options.limits, shown=name), path=path)


def _lines(
    old: list[str] | None, new: list[str] | None, before: str, after: str, error: NetspecError
) -> Iterator[str]:
    """The lines that changed, after what is wrong with the spec; that they did, where they are not shown."""
    from difflib import unified_diff

    from netspec.diagnostics.render import render

    # A file of blocks that others import never held a net, and nothing is wrong with it.
    if any(
        not isinstance(found.problem, NoNet)
        or found.span is None
        or found.span.source.name != before
        for found in error.diagnostics
    ):
        yield f"{render(error.diagnostics, error.more, compact=True)}\n"
    if old is None or new is None or _too_many(old, new):
        if old != new or old is None:
            yield f"{printable(before)} and {printable(after)} differ\n"
        return
    for line in unified_diff(old, new, printable(before), printable(after)):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _too_many(old: list[str], new: list[str]) -> bool:
    """Whether finding which lines changed would take long: the search is quadratic in those that may have."""
    same = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        same += 1
    return (len(old) - same) * (len(new) - same) > _MOST_PAIRS


def _read(file: str, most: int) -> list[str] | None:
    """A file's lines, free of what a terminal would obey; None of what is large, or no text."""
    if file == os.devnull:
        return []
    try:
        with open_regular(file) as opened:
            data = opened.read(most + 1)
    except OSError:
        return None
    if len(data) > most or b"\0" in data:
        return None
    lines = data.decode("utf-8", "replace").split("\n")
    shown = ["\t".join(map(printable, line.removesuffix("\r").split("\t"))) for line in lines]
    return [f"{line}\n" for line in shown[:-1]] + ([shown[-1]] if shown[-1] else [])

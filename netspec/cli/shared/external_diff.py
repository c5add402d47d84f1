"""What git calls to show what changed in a file, by `diff.<driver>.command`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from netspec.cli.shared.common import Options
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.syntax.files import read_file

# Arguments of a file that both have, and of one that was renamed.
_PLAIN, _RENAMED = 7, 9


def shown(arguments: Sequence[str], options: Options, color: bool) -> str:
    """The text for git's arguments: path, old file, hash and mode, new file, hash and mode; of a renamed
    file its new path and a header besides; of an unmerged one the path alone.

    Files that a spec imports are those beside the path, for both versions. Where one of them is no valid
    spec, the lines that changed are shown, as git would.
    """
    if len(arguments) == 1:
        return f"{arguments[0]}: unmerged\n"
    if len(arguments) not in (_PLAIN, _RENAMED):
        raise click.UsageError("--git takes the arguments that git gives to an external diff")
    path, old, _, _, new = arguments[:5]
    after = arguments[7] if len(arguments) == _RENAMED else path
    try:
        a = _source(old, f"a/{path}", path, options)
        b = _source(new, f"b/{after}", after, options)
        if a is None or b is None:
            return f"{after}: {'added' if a is None else 'removed'}\n"
        from netspec.analysis.difference.difference import difference

        found = difference(*(options.graph(spec, expectations=False) for spec in (a, b)))
    except NetspecError as error:
        return "".join(_lines(old, new, f"a/{path}", f"b/{after}", error))
    return found.to_text(color=color)


def _source(file: str, name: str, path: str, options: Options) -> Source | None:
    """A version of a file, which imports what stands beside its path; None where there is none."""
    if file == os.devnull:
        return None
    return replace(read_file(Path(file), options.limits, shown=name), path=path)


def _lines(old: str, new: str, before: str, after: str, error: NetspecError) -> Iterator[str]:
    """The lines that changed, after what is wrong with the spec."""
    from difflib import unified_diff

    from netspec.diagnostics.render import render

    yield f"{render(error.diagnostics, error.more, compact=True)}\n"
    for line in unified_diff(_read(old), _read(new), before, after):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _read(file: str) -> list[str]:
    if file == os.devnull:
        return []
    return Path(file).read_text("utf-8", "replace").splitlines(keepends=True)

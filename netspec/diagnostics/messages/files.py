"""NS5xx: files that cannot be read or written."""

from __future__ import annotations

from netspec.diagnostics.records import Problem


class NoSuchSpec(Problem):
    code = "NS501"
    title = "there is no file or shipped spec `{name}`"
    help = "{advice_text}"
    explain = "SPEC is a path, `-` for standard input, or the name of a shipped spec."
    name: str
    advice_text: str


class CannotRead(Problem):
    code = "NS502"
    title = "cannot read `{path}`: {reason}"
    explain = (
        "The file could not be opened or is not a regular file. Pipes and devices are not read as "
        "specs; `-` reads standard input."
    )
    path: str
    reason: str


class CannotWrite(Problem):
    code = "NS504"
    title = "cannot write `{path}`: {reason}"
    help = "the file that was there, if any, is unchanged"
    explain = (
        "Files are written beside their place and then renamed into it, so an interrupted command "
        "leaves the old file whole."
    )
    path: str
    reason: str

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
        "leaves the old file whole. A link is replaced by the file; folders, sockets, disks and "
        "read-only files are not."
    )
    path: str
    reason: str


class Overwrites(Problem):
    code = "NS505"
    title = "cannot write `{path}`: it is {what}"
    help = "name another file with -o"
    explain = (
        "The file to write is one of those that were read: the spec, one that it imports, its "
        "weights or their map, by this name or by another, or two outputs have the same name. One would "
        "be lost, so nothing is written."
    )
    path: str
    what: str


class CannotStream(Problem):
    code = "NS506"
    title = "cannot write to `{path}`: {reason}"
    explain = (
        "Pipes and devices get the bytes one after the other, when all are there. What they were "
        "given before the failure cannot be taken back. Terminals are given text only."
    )
    path: str
    reason: str

"""NS5xx: files that cannot be read or written."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Problem


@dataclass(frozen=True)
class NoSuchSpec(Problem):
    code = "NS501"
    title = "there is no file or shipped spec `{name}`"
    help = "{advice_text}"
    name: str
    advice_text: str


@dataclass(frozen=True)
class CannotRead(Problem):
    code = "NS502"
    title = "cannot read `{path}`: {reason}"
    path: str
    reason: str


@dataclass(frozen=True)
class OutsideFolder(Problem):
    code = "NS503"
    title = "an import names a spec, beside this one or shipped; `{name}` is not one"
    name: str


@dataclass(frozen=True)
class CannotWrite(Problem):
    code = "NS504"
    title = "cannot write `{path}`: {reason}"
    help = "the file that was there, if any, is unchanged"
    path: str
    reason: str

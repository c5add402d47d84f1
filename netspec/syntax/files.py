"""Where specs come from: paths, standard input, the shipped specs and the shipped blocks."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from errno import EBADF
from functools import cache
from pathlib import Path

from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.files import CannotRead, NoSuchSpec
from netspec.diagnostics.messages.limits import SourceTooLarge
from netspec.diagnostics.messages.syntax import NotUtf8
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Source, Span
from netspec.diagnostics.suggest import closest
from netspec.system import git

PACKAGE = Path(__file__).parent.parent
LIBRARY = PACKAGE / "library"


@cache
def shipped_folder() -> Path:
    """The folder of the shipped specs: inside the wheel, or beside the package in a checkout."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


# A shelf's folder in that of the shipped specs, and what its names begin with.
SHELVES = {"lectures": (".", ""), "today": ("today", ""), "blocks": ("blocks", "blocks/")}
_VARIATION = re.compile(r"^net ([A-Za-z_][A-Za-z0-9_]*) = ", re.MULTILINE)


@cache
def _shelf(shelf: str) -> Mapping[str, tuple[Path, str]]:
    """What stands on a shelf by name: the file and, where it is not the file's own, the net in it.

    Files are searched for the lines of variations, which are as `netspec fmt` writes them; none is parsed.
    """
    place, prefix = SHELVES[shelf]
    found: dict[str, tuple[Path, str]] = {}
    for path in (shipped_folder() / place).glob("*.ns"):
        found[prefix + path.stem] = (path, "")
        if shelf == "today":
            for name in _VARIATION.findall(path.read_text(encoding="utf-8")):
                found.setdefault(name, (path, name))
    return found


@cache
def shipped_names(shelf: str = "") -> tuple[str, ...]:
    """The names of the shipped specs, sorted: all, or those of one shelf.

    `lectures` are the nets of the lectures, `today` those that today's libraries ship, families with
    their variations; `blocks` are building blocks, with that prefix.
    """
    shelves = [shelf] if shelf else list(SHELVES)
    return tuple(sorted(name for shelf in shelves for name in _shelf(shelf)))


def shipped_file(name: str) -> tuple[Path, str] | None:
    """The file that the shipped spec called `name` stands in, and the net of it that is meant.

    The net is empty where it is the file's own; None where no spec is called so.
    """
    return next((_shelf(shelf)[name] for shelf in SHELVES if name in _shelf(shelf)), None)


@cache
def _shown_path(path: str) -> str:
    full = Path(path).resolve()
    for folder, prefix in ((shipped_folder(), ""), (LIBRARY, "library/")):
        if full.is_relative_to(folder.resolve()):
            return prefix + full.relative_to(folder.resolve()).as_posix()
    return full.name


def shown_place(span: Span) -> str:
    """A place for those who have other folders: `resnet50.ns:12:3`, `library/residual.ns:4:5`.

    The file is named as it is shipped, else without its folder, which it shares with all it imports.
    """
    source = span.source
    file = _shown_path(source.path) if source.path else Path(source.name).name
    return f"{file}:{span.line}:{span.column}"


def read_spec(name: str, limits: Limits = DEFAULT) -> Source:
    """The spec called `name`: `-` for standard input, a path, or the name of a shipped spec.

    `file.ns:net` is a variation that stands in the file, `HEAD~1:file.ns` a file as git has it.
    """
    if name == "-":
        return _decode("<stdin>", _standard_input(limits), None, limits)
    file, _, net = name.rpartition(":")
    if file.endswith(".ns") and net.isidentifier() and not os.path.exists(name):
        return replace(read_spec(file, limits), net=net)
    path = Path(name)
    is_path = path.suffix == ".ns" or "/" in name
    # Unlike Path's, these take names that no file can have.
    if os.path.exists(path):
        return read_file(path, limits)
    if shipped_file(name):
        return read_shipped(name, limits)
    if ".ns" in name and (place := git.tree_of(name)) is not None:
        return read_at(*place, limits)
    if is_path:
        return read_file(path, limits)
    raise NetspecError(NoSuchSpec(name, _nearest(path)))


def read_at(tree: git.Tree, path: str, limits: Limits = DEFAULT) -> Source:
    """A file of a revision of git as a source; raises NetspecError where there is none."""
    name = f"{tree.name}:{path}"
    source = _decode(name, git.content(tree, path, limits.source), None, limits)
    return replace(source, path=path, tree=tree)


def read_shipped(name: str, limits: Limits = DEFAULT) -> Source:
    """The shipped spec called `name`, whatever files lie around; raises NetspecError where none is."""
    place = shipped_file(name)
    if place is None:
        raise NetspecError(NoSuchSpec(name, _nearest(Path(name))))
    path, net = place
    return replace(read_file(path, limits, shipped=True), net=net)


def _standard_input(limits: Limits) -> bytes:
    try:
        if sys.stdin is None:  # closed before Python started
            raise OSError(EBADF, os.strerror(EBADF))
        return sys.stdin.buffer.read(limits.source + 1)
    except OSError as error:
        raise NetspecError(CannotRead("<stdin>", error.strerror or "unreadable")) from None


def _nearest(path: Path) -> str:
    """Advice where there is no spec called so: the file or the shipped specs it may mean."""
    if path.suffix != ".ns" and os.path.isfile(f"{path}.ns"):
        return f"did you mean `{path}.ns`?"
    near = closest(path.stem, shipped_names())
    return f"did you mean {near}?" if near else "`netspec list` shows the shipped specs"


def read_file(
    path: Path, limits: Limits = DEFAULT, *, shipped: bool = False, shown: str = ""
) -> Source:
    """One regular file as a source, called as it is `shown`; raises NetspecError with what is wrong."""
    shown = shown or (str(path) if not shipped else path.name)
    try:
        # Opened without blocking, so that a pipe in place of a file cannot hold netspec up.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise NetspecError(NoSuchSpec(shown, _nearest(path))) from None
    except (OSError, ValueError) as error:  # a name with a NUL byte
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NetspecError(CannotRead(shown, reason or "unreadable")) from None
    if path.suffix == ".onnx":
        os.close(handle)
        raise NetspecError(CannotRead(shown, "it is an ONNX model, which run and bench take"))
    mode = os.fstat(handle).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        os.close(handle)
        raise NetspecError(CannotRead(shown, "it is not a regular file"))
    with open(handle, "rb") as file:
        try:
            # A device that has nothing to give yet gives None.
            data = file.read(limits.source + 1) or b""
        except OSError as error:
            raise NetspecError(CannotRead(shown, error.strerror or "unreadable")) from None
    return _decode(shown, data, path, limits, shipped=shipped)


def text_source(shown: str, text: str) -> Source:
    """A spec that is given as a text: a byte-order mark before it says nothing, as in a file."""
    return Source(shown, text.removeprefix("\ufeff"))


def _decode(
    shown: str, data: bytes, path: Path | None, limits: Limits, *, shipped: bool = False
) -> Source:
    if len(data) > limits.source:
        raise NetspecError(_at_start(SourceTooLarge(limits.source), Source(shown, "")))
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        span = Span(Source(shown, before), error.start, error.start)
        span = Span(span.source, len(before), len(before) + 1)
        problem = NotUtf8(data[error.start], error.start)
        raise NetspecError((Diagnostic(problem, span),)) from None
    return Source(shown, text, str(path) if path else None, shipped)


def _at_start(problem: Problem, source: Source) -> tuple[Diagnostic, ...]:
    return (Diagnostic(problem, Span(source, 0, 0)),)

"""Where specs come from: paths, standard input, the shipped specs and the shipped blocks."""

from __future__ import annotations

import os
import stat
import sys
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

PACKAGE = Path(__file__).parent.parent
LIBRARY = PACKAGE / "library"


@cache
def shipped_folder() -> Path:
    """The folder of the shipped specs: inside the wheel, or beside the package in a checkout."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


@cache
def shipped_names() -> tuple[str, ...]:
    """The names of the shipped specs, sorted; those of `blocks/` with that prefix."""
    folder = shipped_folder()
    found = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.ns")]
    return tuple(sorted(found))


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
    """The spec called `name`: `-` for standard input, a path, or the name of a shipped spec."""
    if name == "-":
        return _decode("<stdin>", _standard_input(limits), None, limits)
    path = Path(name)
    is_path = path.suffix == ".ns" or "/" in name
    # Unlike Path's, these take names that no file can have.
    if os.path.exists(path) or (is_path and name not in shipped_names()):
        return read_file(path, limits)
    if name in shipped_names():
        return read_file(shipped_folder() / f"{name}.ns", limits, shipped=True)
    raise NetspecError(NoSuchSpec(name, _nearest(path)))


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


def read_file(path: Path, limits: Limits = DEFAULT, *, shipped: bool = False) -> Source:
    """One regular file as a source; raises NetspecError with what is wrong with it."""
    shown = str(path) if not shipped else path.name
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

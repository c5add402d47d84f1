"""Files as git has them: read-only, by git's own program, which runs no hook, filter or shell for it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from netspec.diagnostics.messages.files import CannotRead
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record

# A revision that is resolved or a blob that is read takes a fraction of a second, unless it hangs.
_SECONDS = 60
# Nothing is fetched, locked or asked for, and messages are in English.
_ENVIRONMENT = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# What stands before paths of the index that are in conflict: the common ancestor, ours and theirs.
_SIDES = ("1:", "2:", "3:")


@record
class Tree:
    """All files of a revision. `name` is the revision as it was typed, `id` is empty for the index."""

    name: str
    id: str


def tree_of(spec: str) -> tuple[Tree, str] | None:
    """The files of the revision in `HEAD~1:net.ns`, and the path in them; None where there is none.

    Paths are git's: from the root of the repository, or from the current folder if they begin with `./`
    or `../`. Without a revision, `:net.ns`, they are in the index. Raises NetspecError where git says no.
    """
    revision, colon, path = spec.partition(":")
    if not colon or not path or revision.startswith("-"):
        return None
    if path.startswith(("./", "../")):
        prefix = _git(spec, "rev-parse", "--show-prefix").decode(errors="surrogateescape").strip()
        path = posixpath.normpath(posixpath.join(prefix, path))
    found = _git(spec, "rev-parse", "--verify", f"{revision}^{{tree}}") if revision else b""
    return Tree(revision, found.decode().strip()), path


def beside(tree: Tree, path: str, name: str) -> str | None:
    """The path of the file of a name in the folder of a path of a revision; None where there is none.

    Beside a side of a conflict, `2:net.ns` of the index, are that side's files and those without conflict.
    """
    stage = path[:2] if not tree.id and path[:2] in _SIDES else ""
    place = posixpath.join(posixpath.dirname(path.removeprefix(stage)), name)
    return next((found for found in (stage + place, place) if _is_file(tree, found)), None)


def _is_file(tree: Tree, path: str) -> bool:
    try:
        return _git(path, "cat-file", "-t", f"{tree.id}:{path}").strip() == b"blob"
    except NetspecError:
        return False


def content(tree: Tree, path: str, most: int) -> bytes:
    """The file's bytes, up to one more than `most`; raises NetspecError where there is no such file."""
    shown, name = f"{tree.name}:{path}", f"{tree.id}:{path}"
    if int(_git(shown, "cat-file", "-s", name)) > most:
        return b" " * (most + 1)
    return _git(shown, "cat-file", "blob", name)


def _git(shown: str, *arguments: str) -> bytes:
    import subprocess

    try:
        done = subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **_ENVIRONMENT},
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise NetspecError(CannotRead(shown, "git is not installed")) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise NetspecError(CannotRead(shown, f"git failed: {error}")) from None
    if done.returncode:
        raise NetspecError(CannotRead(shown, next(_reasons(done.stderr), "git has no such thing")))
    return done.stdout


def _reasons(said: bytes) -> Iterator[str]:
    for line in said.decode(errors="replace").splitlines():
        if line.endswith("Needed a single revision"):
            yield "git has no such revision"
        elif line.startswith(("fatal: ", "error: ")):
            yield line.partition(": ")[2]

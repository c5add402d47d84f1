"""Files that hold a net more than once: beside an average of it, or beside a teacher."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.parsing import is_counter
from netspec.diagnostics.messages.weights import SeveralCopies
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic

_AVERAGE = re.compile(r"(?:^|_)(?:ema|swa|avg|averaged?)(?:_|$)")


def one_copy(file: Checkpoint, size: int) -> tuple[Checkpoint, tuple[Diagnostic, ...]]:
    """The file without further copies of a net of `size` tensors, and a warning that says so.

    Averages give way to the weights that they average. Raises NetspecError where that does not
    leave one copy.
    """
    if file.others:
        return file, (_note(file.chosen, [file.chosen, *file.others]),)
    copies = _copies(file, size)
    if len(copies) < 2:
        return file, ()
    trained = [prefix for prefix in copies if not _AVERAGE.search(prefix.rpartition(".")[2])]
    if "" in copies:
        trained = [""]
    if len(trained) != 1:
        raise NetspecError(SeveralCopies(_listed(copies)))
    gone = tuple(f"{prefix}." for prefix in copies if prefix not in trained)
    return file.without(gone), (_note(trained[0], copies),)


def _note(taken: str, copies: list[str]) -> Diagnostic:
    problem = SeveralCopies(_listed(copies), f"; those under {_listed([taken])} are taken")
    return Diagnostic(problem, None, warning=True)


def _listed(prefixes: list[str]) -> str:
    return " and ".join(f"`{prefix}`" if prefix else "no name" for prefix in prefixes)


def _copies(file: Mapping[str, Shape], size: int) -> list[str]:
    """Prefixes under which the same names are, with the same shapes, for most of such a net.

    The empty prefix is among them where names under a prefix are there without it too.
    """
    inside = [(name.split("."), shape) for name, shape in file.items() if not is_counter(name)]
    common: list[str] = []
    # One level deeper each time, as long as all that is deeper has one name there.
    while (
        len(heads := {path[len(common)] for path, _ in inside if len(path) > len(common) + 1}) == 1
    ):
        inside = [(path, shape) for path, shape in inside if len(path) > len(common) + 1]
        common += heads
    groups: dict[str, dict[str, Shape]] = {}
    for path, shape in inside:
        prefix, *rest = path[len(common) :]
        if rest:
            groups.setdefault(prefix, {})[".".join(rest)] = shape
    big = {prefix: names for prefix, names in groups.items() if 2 * len(names) > size}
    if not common:
        again = [p for p, names in big.items() if names.items() <= file.items()]
        if again:
            return ["", *again]
    same = [p for p, names in big.items() if sum(names == other for other in big.values()) > 1]
    return [".".join([*common, prefix]) for prefix in same]

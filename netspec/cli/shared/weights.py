"""Weights from a file, as the commands take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.shared.common import FILE, say, with_options
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.checkpoints import Loaded
    from netspec.graph.checked import Graph


@record(slots=False)
class WeightsFile:
    """A file of weights and how to read it; `given` are the options with their values."""

    path: Path
    given: dict[str, Any]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it stands for, which nothing may overwrite."""
        files = [self.path]
        if self.path.suffix == ".onnx":
            from netspec.backends.onnx.guard import ModelFiles

            files = list(ModelFiles(self.path))
        if self.given["mapping"] is not None:
            files.append(self.given["mapping"])
        return tuple(files)

    def read(
        self,
        graph: Graph,
        *,
        partial: bool = False,
        strict: bool = False,
        seed: int = 0,
        quiet: bool = False,
    ) -> Loaded:
        """The weights for a graph, with what is worth knowing of them said on standard error."""
        from netspec.checkpoints import load
        from netspec.diagnostics.render import render

        loaded = load(self.path, graph, partial=partial, strict=strict, seed=seed, **self.given)
        if loaded.warnings:
            say(render(loaded.warnings), quiet)
        taken, initial, unused = len(loaded.pairs), len(loaded.initial), len(loaded.unused)
        counts = f"{taken} tensors taken, {initial} left initial, {unused} unused"
        say(f"{self.path}: {counts}", quiet)
        return loaded


def weights_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --weights and how to read it; the command gets one `weights`, or None."""

    def wrapped(**values: Any) -> Any:
        path, given = values.pop("weights"), {name: values.pop(name) for name in _READING}
        for name, value in given.items():
            if path is None and value is not None:
                raise click.UsageError(f"{_READING[name]} needs --weights")
        weights = None if path is None else WeightsFile(path, given)
        return command(weights=weights, **values)

    return with_options(command, wrapped, _OPTIONS)


_READING = {
    **{"mapping": "--map", "prefix": "--prefix", "layout": "--layout"},
    **{"qkv": "--qkv", "drop_row": "--drop-row"},
}
_OPTIONS = (
    click.option(
        "--weights",
        type=FILE,
        help="Take weights from this file.",
    ),
    click.option(
        "--map",
        "mapping",
        type=FILE,
        help="Our names to the file's, as JSON.",
    ),
    click.option("--prefix", metavar="NAME", help="Take what the file has under this name."),
    click.option(
        "--layout",
        type=click.Choice(["torch", "keras"]),
        help="Whether the file's kernels have outputs first or last; told from shapes by default.",
    ),
    click.option(
        "--qkv",
        type=click.Choice(["rows", "heads"]),
        help="Whether joined queries, keys and values are ordered as a whole or head by head.",
    ),
    click.option(
        "--drop-row",
        type=int,
        metavar="ROW",
        help="Leave out this row of a classifier that has one class more than the net.",
    ),
)

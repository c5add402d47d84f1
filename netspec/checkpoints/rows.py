"""Classifiers with one class more than a net has."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Reader, Shape, Stored
from netspec.checkpoints.layers import plain
from netspec.checkpoints.parsing import parsed_file
from netspec.diagnostics.messages.weights import NoRowToDrop
from netspec.diagnostics.raised import NetspecError


def without_row(file: Checkpoint, wanted: Collection[Shape], row: int) -> Checkpoint:
    """The file without one row of each layer that fits a net with `wanted` shapes only then.

    A layer's outputs are the first axis, or the last as Keras stores them. Raises NetspecError where
    there is no such layer.
    """
    shapes = {plain(shape) for shape in wanted}
    layers: dict[tuple[str, ...], list[str]] = {}
    for name, parsed in parsed_file(file).items():
        layers.setdefault(parsed.components, []).append(name)
    changed: dict[str, Stored] = {}
    for names in layers.values():
        axes = {name: _axis(plain(file[name]), shapes, row) for name in names}
        if all(axis is not None for axis in axes.values()):
            for name, axis in axes.items():
                assert axis is not None
                shape = list(file[name])
                shape[axis] -= 1
                read = partial(_dropped, file.stored(name), row, axis)
                changed[name] = Stored(tuple(shape), read, parts=file.parts(name))
    if not changed:
        raise NetspecError(NoRowToDrop(row))
    return file.changed(changed)


def _axis(shape: Shape, wanted: Collection[Shape], row: int) -> int | None:
    """The axis on which a tensor has a row too many: it fits without, and not with it."""
    if not shape or shape in wanted or shape[::-1] in wanted:
        return None
    for axis in (0, len(shape) - 1):
        less = (*shape[:axis], shape[axis] - 1, *shape[axis + 1 :])
        if -shape[axis] <= row < shape[axis] and (less in wanted or less[::-1] in wanted):
            return axis
    return None


def _dropped(read: Reader, row: int, axis: int) -> Any:
    import numpy as np

    return np.delete(np.asarray(read()), row, axis)

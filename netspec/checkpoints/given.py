"""A map of names that the user gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.names import natural
from netspec.diagnostics.messages.weights import BadMapping
from netspec.diagnostics.raised import NetspecError

Given = Mapping[str, str | list[str]]


def settle(
    mapping: Given | str | Path | None, wanted: Mapping[str, Shape], file: Checkpoint
) -> dict[str, tuple[str, ...]]:
    """The map as each tensor's parts in the file; a layer's name stands for all of its tensors.

    A `*` stands for what differs between names that are alike: all that fit the one name are paired
    with all that fit the other, numbers in their order. Raises NetspecError where the map names what
    the net or the file does not have.
    """
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        mapping = _read(Path(mapping))
    found: dict[str, tuple[str, ...]] = {}
    for ours, theirs in _written_out(mapping, wanted, file):
        parts = (theirs,) if isinstance(theirs, str) else tuple(theirs)
        if ours in wanted:
            found[ours] = parts
            continue
        own = [name for name in wanted if name.rpartition(".")[0] == ours]
        if not own:
            raise NetspecError(BadMapping(f"the net has no tensor or layer `{ours}`"))
        for name in own:
            found[name] = tuple(f"{part}.{name.rpartition('.')[2]}" for part in parts)
    for ours, parts in found.items():
        for part in parts:
            if part not in file:
                raise NetspecError(BadMapping(f"the file has no `{part}`, named for `{ours}`"))
    return found


def _written_out(
    mapping: Given, wanted: Mapping[str, Shape], file: Mapping[str, Shape]
) -> Iterator[tuple[str, str | list[str]]]:
    """The map's pairs, those with a `*` as all that they stand for."""
    for ours, theirs in mapping.items():
        if "*" not in ours or not isinstance(theirs, str):
            yield ours, theirs
            continue
        first, second = _matching(ours, wanted), _matching(theirs, file)
        if len(first) != len(second) or not first:
            counts = (
                f"`{ours}` is {len(first)} names of the net, `{theirs}` {len(second)} of the file"
            )
            raise NetspecError(BadMapping(counts))
        yield from zip(first, second, strict=True)


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The tensors, or else the layers, whose names fit a pattern, numbers in their order."""
    fits = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    known = list(names)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in known)
    found = [name for name in known if fits.fullmatch(name)]
    return sorted(found or filter(fits.fullmatch, layers), key=natural)


def _read(path: Path) -> Given:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetspecError(BadMapping(f"{path.name}: {error.strerror}")) from None
    except (ValueError, RecursionError):
        raise NetspecError(BadMapping(f"{path.name} is not JSON")) from None
    if not isinstance(held, dict) or not all(map(_is_named, held.values())):
        raise NetspecError(BadMapping(f"{path.name} is not an object of names"))
    return held


def _is_named(value: Any) -> bool:
    parts = [value] if isinstance(value, str) else value
    return isinstance(parts, list) and bool(parts) and all(isinstance(p, str) for p in parts)

"""A map of names that the user gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from netspec.checkpoints.files import Checkpoint
from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.names import natural
from netspec.diagnostics.messages.weights import BadMapping
from netspec.diagnostics.raised import NetspecError
from netspec.system.reading import open_regular, reading

# A line for each of a million tensors has less.
_LONGEST = 2**26

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
    known = list(names)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in known)
    pieces = pattern.split("*")
    found = [name for name in known if _fits(pieces, name)]
    return sorted(found or [name for name in layers if _fits(pieces, name)], key=natural)


def _fits(pieces: list[str], name: str) -> bool:
    """Whether the name has the pieces of a pattern one after another, the first and last at its ends.

    Each is taken where it is found first, so that no pattern takes long.
    """
    if len(pieces) == 1:
        return name == pieces[0]
    first, *inner, last = pieces
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    place, end = len(first), len(name) - len(last)
    for piece in inner:
        place = name.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True


def _read(path: Path) -> Given:
    def wrong(reason: str) -> NetspecError:
        return NetspecError(BadMapping(f"{path.name}: {reason}"))

    with reading(wrong), open_regular(path) as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise wrong(f"it has more than {_LONGEST:,} bytes")
    with reading(lambda reason: wrong(f"it is not JSON: {reason}")):
        held = json.loads(text.decode("utf-8"))
    if not isinstance(held, dict) or not all(map(_is_named, held.values())):
        raise NetspecError(BadMapping(f"{path.name} is not an object of names"))
    return held


def _is_named(value: Any) -> bool:
    parts = [value] if isinstance(value, str) else value
    return isinstance(parts, list) and bool(parts) and all(isinstance(p, str) for p in parts)

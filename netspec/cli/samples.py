"""Samples of what a net will see, from folders and files: what ranges are taken from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.backends.runtime import InputInfo
from netspec.cli.feeds import read_feed
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError

if TYPE_CHECKING:
    from netspec.graph.checked import Graph, Node

    Array = np.ndarray[Any, Any]

# What a folder is searched for: arrays, and images as Pillow reads them by itself.
_ENDINGS = frozenset(".bmp .gif .jpeg .jpg .npy .pgm .png .ppm .tif .tiff .webp".split())
# Runs on noise where there are no samples.
_NOISE = 8


def samples(graph: Graph, given: tuple[str, ...], seed: int = 0) -> Iterator[dict[str, Array]]:
    """Arrays by input name, one sample after the other, read when they are asked for.

    `given` are folders and files, in order for the first input or `NAME=PATH` for another; inputs that
    are given none get seeded noise. Raises NetspecError of files that are no samples at once.
    """
    files = _files(graph, given)
    for paths in files.values():
        if len(paths) != max(map(len, files.values())):
            counts = ", ".join(f"{len(paths)} for {name}" for name, paths in files.items())
            raise NetspecError(BadInput(next(iter(files)), f"samples differ in number: {counts}"))
    return _read(graph, files, seed)


def _files(graph: Graph, given: tuple[str, ...]) -> dict[str, list[Path]]:
    names = [node.path for node in graph.inputs]
    found: dict[str, list[Path]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name not in names or Path(text).exists():
            name, path = names[0], text
        place = Path(path)
        if not place.exists():
            raise NetspecError(BadInput(name, f"there is no file {path}"), status=2)
        paths = [place]
        if place.is_dir():
            paths = sorted(p for p in place.iterdir() if p.suffix.lower() in _ENDINGS)
            if not paths:
                raise NetspecError(BadInput(name, f"{path} holds no image and no array"), status=2)
        found.setdefault(name, []).extend(paths)
    return found


def _read(graph: Graph, files: dict[str, list[Path]], seed: int) -> Iterator[dict[str, Array]]:
    from netspec.verify.samples import sample_inputs

    infos = {node.path: _info(node) for node in graph.inputs}
    for index in range(max(map(len, files.values()), default=_NOISE)):
        read = {name: read_feed(infos[name], str(paths[index])) for name, paths in files.items()}
        if len(read) == len(infos):
            yield read
            continue
        batch = max((len(array) for array in read.values() if array.ndim), default=1)
        yield {**sample_inputs(graph, batch=batch, seed=seed + index), **read}


def _info(node: Node) -> InputInfo:
    tensor = node.types[0]
    sizes = tuple(size if isinstance(size, int) else str(size) for size in tensor.shape)
    return InputInfo(node.path, (tensor.batch, *sizes), np.dtype(tensor.dtype).str)

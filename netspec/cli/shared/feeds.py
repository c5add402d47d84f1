"""What a run is fed: images, arrays, seeded noise."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.analysis.preprocessing import preprocessings
from netspec.backends.images import read_image
from netspec.checkpoints.formats.npy import read_header, read_numbers
from netspec.cli.shared.common import say
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError
from netspec.system.reading import open_regular, reading
from netspec.weights.sources import shape_text

if TYPE_CHECKING:
    from netspec.analysis.preprocessing import Preprocessing
    from netspec.backends.runtime import InputInfo, Session
    from netspec.graph.checked import Graph, Node

    Array = np.ndarray[Any, Any]


def feeds(
    session: Session,
    graph: Graph | None,
    files: tuple[str, ...],
    seed: int,
    batch: int,
    sizes: tuple[str, ...] = (),
) -> dict[str, Array]:
    """Arrays by input name: from the files, in order or by name, and noise for the others.

    `sizes` are those of the noise where an ONNX file, read without a graph, leaves them free.
    """
    given: dict[str, str] = {}
    free = [info.name for info in session.inputs]
    for text in files:
        name, equals, path = text.partition("=")
        if not equals or name not in free:
            if equals and name.isidentifier() and not Path(text).exists():
                if name in given:
                    raise NetspecError(BadInput(name, "it is fed twice"), status=2)
                known = ", ".join(free) or "none"
                raise NetspecError(
                    BadInput(name, f"there is no such input to feed; there is {known}"), status=2
                )
            name, path = (free[0] if free else ""), text
        if not name:
            raise NetspecError(BadInput(text, "the model has no further input"), status=2)
        free.remove(name)
        given[name] = path
    infos = {info.name: info for info in session.inputs}
    found = {name: read_feed(infos[name], path) for name, path in given.items()}
    missing = [name for name in infos if name not in found]
    if missing:
        noise = _noise(session, graph, seed, batch, sizes)
        found.update({name: noise[name] for name in missing})
    return found


def _noise(
    session: Session, graph: Graph | None, seed: int, batch: int, given: tuple[str, ...]
) -> dict[str, Array]:
    if graph is not None:
        from netspec.verify.samples import sample_inputs

        return sample_inputs(graph, batch=batch, seed=seed)
    random = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    chosen = _chosen(session, given)
    for info in session.inputs:
        sizes = [size for size in info.shape[1:] if isinstance(size, int)]
        if info.name in chosen:
            sizes = list(chosen[info.name])
        elif len(sizes) < len(info.shape) - 1:
            example = "x".join(str(s) if isinstance(s, int) else "224" for s in info.shape[1:])
            reason = f"its size is free: say it, as with --input {info.name}:{example}"
            raise NetspecError(BadInput(info.name, reason), status=2)
        leading = [size if isinstance(size, int) else batch for size in info.shape[:1]]
        shape = (*leading, *sizes)
        if math.prod(shape) > DEFAULT.tensor:
            raise NetspecError(BadInput(info.name, f"noise of {shape_text(shape)} is too large"))
        if info.dtype == "|u1":
            found[info.name] = random.integers(0, 256, shape, np.uint8)
        elif np.dtype(info.dtype).kind == "i":
            found[info.name] = random.integers(0, 2, shape)
        else:
            found[info.name] = np.asarray(random.standard_normal(shape, dtype=np.float32))
    return found


def _chosen(session: Session, given: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The sizes given for inputs, `3x64x64` for the first or `NAME:3x64x64`."""
    names = [info.name for info in session.inputs]
    found: dict[str, tuple[int, ...]] = {}
    for text in given:
        name, colon, shape = text.rpartition(":")
        sizes = shape.split("x")
        if not all(size.isascii() and size.isdigit() and int(size[:9]) for size in sizes):
            raise NetspecError(
                BadInput(name or names[0], f"`{shape}` is not a size such as 3x64x64"), status=2
            )
        if colon and name not in names:
            raise NetspecError(BadInput(name, f"the model has inputs {', '.join(names)}"), status=2)
        found[name or names[0]] = tuple(int(size[:9]) for size in sizes)
    return found


def read_feed(info: InputInfo, path: str) -> Array:
    """The array for an input, from a `.npy` file or an image; raises NetspecError of what is neither."""
    if not Path(path).exists():
        raise NetspecError(BadInput(info.name, f"there is no file {path}"), status=2)
    return _read_array(info, path) if path.endswith(".npy") else read_image(info, path, say)


def _read_array(info: InputInfo, path: str) -> Array:
    def wrong(reason: str) -> NetspecError:
        return NetspecError(BadInput(info.name, f"{path} is not a plain array: {reason}"))

    with reading(wrong), open_regular(path) as file:
        head = read_header(file, os.fstat(file.fileno()).st_size)
        file.seek(0)
        array: Array = read_numbers(file, head)
    if array.ndim and not array.size:
        raise NetspecError(BadInput(info.name, f"{path} holds no sample"))
    if array.ndim == len(info.shape) - 1:
        array = array[None]
    return array


# --- samples: what ranges are taken from

# What a folder is searched for: arrays, and images as Pillow reads them by itself.
_ENDINGS = frozenset(".bmp .gif .jpeg .jpg .npy .pgm .png .ppm .tif .tiff .webp".split())


def samples(graph: Graph, given: tuple[str, ...], seed: int = 0) -> Iterator[dict[str, Array]]:
    """Arrays by input name, one sample after the other, read when they are asked for.

    `given` are folders and files, in order for the first input or `NAME=PATH` for another; inputs that
    are given none get seeded noise. Raises NetspecError of files that are no samples at once.
    """
    files = _sample_files(graph, given)
    for paths in files.values():
        if len(paths) != max(map(len, files.values())):
            counts = ", ".join(f"{len(paths)} for {name}" for name, paths in files.items())
            raise NetspecError(BadInput(next(iter(files)), f"samples differ in number: {counts}"))
    return _read_samples(graph, files, seed)


def _sample_files(graph: Graph, given: tuple[str, ...]) -> dict[str, list[Path]]:
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


def _read_samples(
    graph: Graph, files: dict[str, list[Path]], seed: int
) -> Iterator[dict[str, Array]]:
    from netspec.verify.samples import CALIBRATED, sample_inputs

    images = preprocessings(graph)
    infos = {node.path: _info(node, images.get(node.path)) for node in graph.inputs}
    for index in range(max(map(len, files.values()), default=CALIBRATED)):
        read = {name: read_feed(infos[name], str(paths[index])) for name, paths in files.items()}
        if len(read) == len(infos):
            yield read
            continue
        batch = max((len(array) for array in read.values() if array.ndim), default=1)
        yield {**sample_inputs(graph, batch=batch, seed=seed + index), **read}


def _info(node: Node, image: Preprocessing | None) -> InputInfo:
    from netspec.backends.runtime import InputInfo

    tensor = node.types[0]
    sizes = tuple(size if isinstance(size, int) else str(size) for size in tensor.shape)
    return InputInfo(node.path, (str(tensor.batch), *sizes), np.dtype(tensor.dtype).str, image)

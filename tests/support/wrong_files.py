"""Files of every kind that may stand where another is meant, most of them wrong wherever they stand."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Make = Callable[[Path], object]
SPEC = "net n\npreprocess mean=(0.5, 0.4, 0.3)\ninput 3x8x8\nconv3-4(act=relu); gap; fc-5\n"


def _bytes(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def _array(array: Any, most: int | None = None, **options: Any) -> Make:
    def made(path: Path) -> None:
        data = io.BytesIO()
        np.save(data, array, **options)
        path.write_bytes(data.getvalue()[:most])

    return made


def _header(text: str) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{"conv1.weight": np.zeros((4, 3, 3, 3), np.float32)})


def _deflated(path: Path) -> None:
    """Claims a gigabyte in a megabyte."""
    about = _header(repr({"descr": "<f4", "fortran_order": False, "shape": (2**26,)}) + "\n")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conv1.weight.npy", "w", force_zip64=True) as member,
    ):
        member.write(about)
        for _ in range(64):
            member.write(bytes(2**20))


def _zip(*names: str, data: bytes = b"x") -> Make:
    def made(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, data)

    return made


def _safetensors(header: str | bytes, claimed: int | None = None, data: bytes = b"") -> Make:
    text = header.encode() if isinstance(header, str) else header
    return _bytes(struct.pack("<Q", len(text) if claimed is None else claimed) + text + data)


def _png(width: int, height: int, rows: bytes = b"", end: bool = True) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    tail = chunk(b"IEND", b"") if end else b""
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + tail


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


def _circle() -> bytes:
    found: dict[str, Any] = {}
    found["self"] = found
    return pickle.dumps(found, protocol=2)


def _proto(*fields: tuple[int, bytes]) -> bytes:
    """A message of protobuf: numbers of fields and their bytes."""
    made = b""
    for number, data in fields:
        size, length = len(data), b""
        while size >= 128:
            length, size = length + bytes([size % 128 + 128]), size // 128
        made += bytes([number * 8 + 2]) + length + bytes([size]) + data
    return made


def _deep(levels: int) -> bytes:
    """An ONNX file of graphs in attributes of nodes of graphs."""
    graph = b""
    for _ in range(levels):
        graph = _proto((1, _proto((4, b"If"), (5, _proto((1, b"then_branch"), (6, graph))))))
    return b"\x08\x08" + _proto((7, graph))


def _socket(path: Path) -> None:
    bound, before = socket.socket(socket.AF_UNIX), os.getcwd()
    os.chdir(path.parent)  # where a name is short enough
    try:
        bound.bind(path.name)
    finally:
        os.chdir(before)
        bound.close()


def _looped(path: Path) -> None:
    path.mkdir()
    (path / "again").symlink_to(path)
    (path / "config.json").symlink_to("config.json")


def _folder(*names: str) -> Make:
    def made(path: Path) -> None:
        path.mkdir()
        for name in names:
            (path / name).write_text("{}")

    return made


def _pipes(path: Path) -> None:
    path.mkdir()
    for name in ("a.npy", "a.png", "config.json", "SHA256SUMS"):
        os.mkfifo(path / name)


_DEEP_JSON = b'{"a":' * 100_000
_TEXT = SPEC.encode()

KINDS: dict[str, Make] = {
    # What is no file.
    "missing": lambda path: None,
    "folder": Path.mkdir,
    "folder with files": _folder("config.json", "SHA256SUMS", "x.npy", "x.png"),
    "folder in itself": _looped,
    "folder of pipes": _pipes,
    "pipe": os.mkfifo,
    "socket": _socket,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "null": lambda path: path.symlink_to("/dev/null"),
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "full": lambda path: path.symlink_to("/dev/full"),
    "own memory": lambda path: path.symlink_to("/proc/self/mem"),
    # Bytes of no format.
    "empty": _bytes(b""),
    "newline": _bytes(b"\n"),
    "NUL": _bytes(b"\0"),
    "noise": _bytes(np.random.default_rng(1).bytes(5000)),
    "sparse": lambda path: (path.touch(), os.truncate(path, 5 * 2**30)),
    "zeros": _bytes(bytes(2**20)),
    # Texts.
    "UTF-16": _bytes(SPEC.encode("utf-16")),
    "UTF-32": _bytes(SPEC.encode("utf-32")),
    "byte order mark": _bytes(b"\xef\xbb\xbf" + _TEXT),
    "latin-1": _bytes(_TEXT + b"# caf\xe9\n"),
    "surrogate": _bytes(_TEXT + b'paper "\xed\xa0\x80"\n'),
    "carriage returns": _bytes(_TEXT.replace(b"\n", b"\r")),
    "one long line": _bytes(b"a" * 2**20),
    "many lines": _bytes(b"a\n" * 2**18),
    "brackets": _bytes(b"[" * 200_000),
    "escapes": _bytes(b'\x1b]0;owned\x07\x1b[31m "\x1b[0m'),
    "digits": _bytes(b"9" * 20_000),
    "spec": _bytes(_TEXT),
    # JSON.
    "JSON object": _bytes(b"{}"),
    "JSON list": _bytes(b"[]"),
    "JSON null": _bytes(b"null"),
    "JSON numbers": _bytes(b'{"conv1.weight": 1e999, "a": NaN}'),
    "JSON long number": _bytes(b'{"format_version": ' + b"9" * 5000 + b"}"),
    "JSON lists": _bytes(b'{"conv1.weight": ["a", ["b"]], "fc1.bias": {"c": null}}'),
    "JSON twice": _bytes(b'{"fc1.bias": "a", "fc1.bias": "b"}'),
    "JSON deep": _bytes(_DEEP_JSON),
    "JSON surrogate": _bytes(b'{"\\ud800": "\\udfff", "fc1.bias": "\\ud83d"}'),
    # Arrays.
    "array": _array(np.zeros((1, 3, 8, 8), np.float32)),
    "array cut": _array(np.zeros((1, 3, 8, 8), np.float32), 300),
    "array of objects": _array(np.array([_Evil()], dtype=object), allow_pickle=True),
    "array of texts": _array(np.array(["a", "b"])),
    "array of dates": _array(np.array(["2020-01-01"], dtype="datetime64[D]")),
    "array of records": _array(np.zeros(3, [("a", "<f4"), ("b", "<i8")])),
    "array of complex": _array(np.zeros((1, 3, 8, 8), np.complex64)),
    "array of booleans": _array(np.zeros((1, 3, 8, 8), bool)),
    "array of no rank": _array(np.float32(3)),
    "array of nothing": _array(np.zeros((0, 3, 8, 8), np.float32)),
    "array of nan": _array(np.full((1, 3, 8, 8), np.nan, np.float32)),
    "array that lies": _bytes(
        _header(repr({"descr": "<f4", "fortran_order": False, "shape": (2**40, 3, 8, 8)}) + "\n")
    ),
    "array of negative size": _bytes(
        _header(repr({"descr": "<f4", "fortran_order": False, "shape": (-1, 3, 8, 8)}) + "\n")
    ),
    "array of a deep header": _bytes(_header("{'descr': " + "(" * 9000)),
    "array of another header": _bytes(_header("{'descr': '<f4'}\n")),
    # Archives.
    "arrays": _npz,
    "arrays deflated": _deflated,
    "archive of nothing": _zip(),
    "archive of paths": _zip("../up", "/etc/absolute", "a\\b", "x/data.pkl"),
    "archive twice": lambda path: _twice(path),
    "archive of torch": _zip("m/version", "m/data.pkl", "m/byteorder", data=b"3"),
    "archive of pickles": lambda path: _pickled(path),
    "archive cut": _bytes(b"PK\x03\x04" + bytes(40)),
    "archive of exports": _zip("m/archive_format", "m/models/model.json", "m/version", data=b"pt2"),
    "archive of many": _zip(*(f"m/{i}" for i in range(20_000)), data=b""),
    "gzip": _bytes(b"\x1f\x8b\x08\0" + bytes(30)),
    "tar": _bytes(b"a".ljust(257, b"\0") + b"ustar\0" + bytes(300)),
    "xz": _bytes(b"\xfd7zXZ\0" + bytes(30)),
    "HDF5": _bytes(b"\x89HDF\r\n\x1a\n" + bytes(500)),
    # Pickles.
    "pickle": _bytes(pickle.dumps({"conv1.weight": [1.0]}, protocol=2)),
    "pickle that runs": _bytes(pickle.dumps(_Evil(), protocol=2)),
    "pickle in itself": _bytes(_circle()),
    "pickle cut": _bytes(b"\x80\x02}q\x00X"),
    # Tensors.
    "safetensors": _safetensors("{}"),
    "safetensors of metadata": _safetensors('{"__metadata__": {"format": "pt"}}'),
    "safetensors of 2**63": _safetensors("{}", 2**63),
    "safetensors of 2**27": _safetensors(b" " * 100, 2**27),
    "safetensors that lie": _safetensors(
        json.dumps({"a": {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}})
    ),
    "safetensors deep": _safetensors(_DEEP_JSON),
    "safetensors of numbers": _safetensors('{"a": 3, "b": [1], "c": null}'),
    "safetensors of surrogates": _safetensors(
        '{"\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', data=bytes(4)
    ),
    "safetensors of long names": _safetensors(
        json.dumps({"a." * 2**18: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}),
        data=bytes(4),
    ),
    # Images.
    "image": _bytes(_png(8, 8, b"\0" * 25 * 8)),
    "image cut": _bytes(_png(8, 8, b"\0" * 25 * 8)[:60]),
    "image of one row": _bytes(_png(8, 8, b"\0" * 25)),
    "image of 2**31": _bytes(_png(2**31 - 1, 2**31 - 1)),
    "image of a gigabyte": _bytes(_png(20_000, 20_000, bytes(2**20))),
    "image of nothing": _bytes(_png(0, 0)),
    "image without end": _bytes(_png(8, 8, b"\0" * 25 * 8, end=False)),
    "JPEG cut": _bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + bytes(40)),
    "GIF": _bytes(b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(20)),
    "TIFF": _bytes(b"II*\0\x08\0\0\0\xff\xff" + bytes(50)),
    "WebP": _bytes(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30)),
    "ICO": _bytes(b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0" + bytes(40)),
    "EPS": _bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
    "PDF": _bytes(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"),
    "SVG": _bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "XML bomb": _bytes(b"<!DOCTYPE a [<!ENTITY b 'cc'><!ENTITY d '&b;&b;'>]><a>&d;</a>"),
    # Models.
    "ONNX of nothing": _bytes(b"\x08\x08"),
    "ONNX of an empty graph": _bytes(b"\x08\x08" + _proto((7, _proto((2, b"g"))))),
    "ONNX deep": _bytes(_deep(40)),
    "ONNX deeper": _bytes(_deep(3000)),
    "ONNX of a long name": _bytes(
        b"\x08\x08" + _proto((7, _proto((1, _proto((4, b"a" * 2**20), (2, b"y"))))))
    ),
    "ONNX of bad letters": _bytes(b"\x08\x08" + _proto((7, _proto((1, _proto((4, b"\xff\xfe"))))))),
    # Others.
    "key": _bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    "YAML bomb": _bytes(b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
    "ELF": _bytes(b"\x7fELF\x02\x01\x01" + bytes(60)),
    "program": _bytes(b"#!/bin/sh\ntouch ran\n"),
}


def _twice(path: Path) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _zip("m/data.pkl", "m/data.pkl")(path)


def _pickled(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(_Evil(), protocol=2))
        archive.writestr("m/version", "3")
        archive.writestr("m/byteorder", "little")


def _linked(name: str) -> Make:
    return lambda path: path.symlink_to(name + path.suffix * (not name.startswith("good")))


def _hard(name: str) -> Make:
    return lambda path: os.link(path.parent / name, path)


def _twice_linked(path: Path) -> None:
    (path.parent / "mid").symlink_to("end" + path.suffix)
    path.symlink_to("mid")


# What may stand where something is to be written, beside files of all kinds.
PLACES: dict[str, Make] = {
    "link to the spec": _linked("good.ns"),
    "link to the model": _linked("good.onnx"),
    "spec by another name": _hard("good.ns"),
    "model by another name": _hard("good.onnx"),
    "weights by another name": _hard("good.safetensors"),
    "another spec by another name": _hard("other.ns"),
    "link to where nothing is written": _linked("/proc/nothing"),
    "link into no folder": _linked("nofolder/file"),
    "link to a link": _twice_linked,
    "link to what is not open": lambda path: path.symlink_to("/dev/fd/99"),
    "link to standard input": lambda path: path.symlink_to("/dev/fd/0"),
    "file of no permissions": lambda path: (path.write_text("x"), path.chmod(0)),
}


def put(kind: str, path: Path) -> None:
    """A file of a kind in the place of whatever is there."""
    remove(path)
    {**KINDS, **PLACES}[kind](path)


def remove(path: Path) -> None:
    """Removes a file or a folder; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()

"""Arrays and images that a run is fed: broken ones get a message with their name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.backends.runtime import InputInfo
from netspec.cli.shared.feeds import read_feed
from netspec.diagnostics.raised import NetspecError

INFO = InputInfo("input", ("N", 3, 8, 8), "<f4")


def array(text: bytes, numbers: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + numbers


HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04N.",
        array(HUGE, bytes(4)),
        array(b"{'descr': '<f4', 'fortran_order': False, 'shape': ("),
        array(b"(" * 5000),
        array(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
        array(b"{'descr': '<U0', 'fortran_order': False, 'shape': (1152921504606846976,), }\n"),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31),
    ],
)
def test_a_broken_array_is_refused_with_its_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(NetspecError, match=r"NS604.*x\.npy is not a plain array"):
        read_feed(INFO, str(path))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i8", "<f2"])
def test_whole_arrays_come_back(order: str, dtype: str, tmp_path: Path) -> None:
    numbers = np.asarray(np.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8), dtype, order=order)
    np.save(tmp_path / "x.npy", numbers)
    found = read_feed(INFO, str(tmp_path / "x.npy"))
    assert found.dtype == numbers.dtype
    assert np.array_equal(found, numbers)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot identify"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "cannot identify"),
        (png(20_000, 20_000), "pixels"),
        (png(100, 100), "image"),
    ],
)
def test_a_broken_image_is_refused_with_its_file(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(NetspecError, match=r"NS604.*x\.png is not an image") as caught:
        read_feed(INFO, str(path))
    assert says in str(caught.value)


def test_a_strip_of_pixels_is_not_enlarged(tmp_path: Path) -> None:
    Image.new("RGB", (100_000, 1)).save(tmp_path / "x.png")
    with pytest.raises(NetspecError, match="too long a strip"):
        read_feed(InputInfo("input", ("N", 3, 224, 224), "<f4"), str(tmp_path / "x.png"))

"""PDF: text that can be selected, in fonts that are embedded."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from base64 import a85decode
from collections.abc import Callable
from pathlib import Path
from zlib import decompress

import pytest
from support.shelves import shipped

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.draw.formats.pdf import pdf
from netspec.draw.scene import Box, Polygon, Scene, Words
from netspec.graph.checked import Graph

HOSTILE = "<IMG> (a) \\) %%EOF ß Жα → −"

pytest.importorskip("reportlab")


def drawn(graph: Graph, **choices: object) -> bytes:
    picture = draw([graph], format="pdf", **choices)  # type: ignore[arg-type]
    assert isinstance(picture, bytes)
    return picture


def streams(content: bytes) -> list[bytes]:
    """The streams of a PDF as ReportLab packs them: compressed, then in base 85."""
    found = re.findall(rb"ASCII85Decode[^>]*>>\s*stream\r?\n(.*?)~>endstream", content, re.S)
    return [decompress(a85decode(part)) for part in found]


def test_every_font_is_embedded_and_none_is_taken_for_granted() -> None:
    content = drawn(shipped("resnet50"))
    names = re.findall(rb"/BaseFont /(\S+)", content)
    assert sorted(names) == [b"AAAAAA+NetspecSans-Bold", b"AAAAAA+NetspecSans-Regular"]
    assert content.count(b"/FontFile2") == len(names)
    assert content.count(b"/ToUnicode") == len(names)
    assert len(content) < 60_000


def test_it_is_the_same_each_time_and_has_no_date_of_today(net: Callable[..., Graph]) -> None:
    graph = net("conv3-8; relu; gap")
    content = drawn(graph)
    assert content == drawn(graph)
    assert set(re.findall(rb"Date \(D:(\d{4})", content)) == {b"2000"}


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
def test_its_text_is_that_of_the_picture(net: Callable[..., Graph], tmp_path: Path) -> None:
    graph = net("conv3-8; relu; gap").replace(name=HOSTILE)
    (tmp_path / "x.pdf").write_bytes(drawn(graph))
    command = ["pdftotext", "-layout", "x.pdf", "-"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    text = done.stdout.decode()
    assert HOSTILE in text
    assert "3×3 conv, 8" in text


def test_hostile_text_is_nothing_but_text(net: Callable[..., Graph]) -> None:
    plain, hostile = (drawn(net("conv3-8").replace(name=name)) for name in ("x", HOSTILE))
    assert hostile.count(b"endobj") == plain.count(b"endobj")
    assert hostile.rstrip().endswith(b"%%EOF")
    assert hostile.count(b"%%EOF") == 1


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
def test_signs_that_cannot_be_seen_are_named(net: Callable[..., Graph], tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(drawn(net("conv3-8").replace(name="a\u202e\x07\nb")))
    done = subprocess.run(
        ["pdftotext", "x.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
    )
    assert "a\\u202e\\x07\\nb" in done.stdout.decode()


def test_what_is_drawn_has_its_place_and_its_colour() -> None:
    shape = Polygon(((150, 20), (180, 20), (165, 60)), "conv-front")
    scene = Scene(
        (Box(20, 30, 100, 40, "leaf", "conv", 0), Words(70, 55, "x"), shape), 200, 100, "t", "d"
    )
    content = pdf(scene)
    assert b"/MediaBox [ 0 0 150 75 ]" in content
    page = next(stream for stream in streams(content) if b"BT" in stream)
    assert b".75 0 0 -0.75 0 75 cm" in page
    # The fill of a convolution, as shares of one.
    assert b".85098 .921569 .972549 rg" in page
    assert b"70 55 Tm" in page
    assert b"150 20 m 180 20 l 165 60 l h" in b" ".join(page.split())


def test_a_page_is_at_most_as_long_as_readers_take() -> None:
    content = pdf(Scene((), 100_000, 10, "t", "d"))
    found = re.search(rb"/MediaBox \[ 0 0 (\S+) (\S+) \]", content)
    assert found is not None
    assert float(found[1]) == 14_000


def test_it_says_how_to_install_what_it_needs(
    net: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)
    with pytest.raises(NetspecError, match="pip install") as caught:
        draw([net("conv3-8")], format="pdf")
    assert caught.value.status == 3

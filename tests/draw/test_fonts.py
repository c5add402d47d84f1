"""Text is drawn as wide as the layout measured it, on every machine."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.browser import CHROMIUM, browser
from support.shelves import shipped

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.draw.formats.png import png
from netspec.draw.formats.svg import svg
from netspec.draw.metrics import font_path, letters, text_width
from netspec.draw.scene import BOLD, SIZES, Scene, Words
from netspec.draw.truetype import widths
from netspec.graph.checked import Graph

SAMPLES = (
    "VAT fi ffl 1×1 conv, 64 · bn, relu",
    "iiiiiiiiiiiiiiiiiiiiiiiiiiii",
    "WWWWWWWWWWWWWWWW → − ± … ≤ ∞",
    "Größe, Ångström, Łódź, Việt, αβγ, Жизнь",
)


def scene(*items: Words, width: float = 400, height: float = 40) -> Scene:
    return Scene(items, width, height, "a title", "a description")


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_those_of_the_shipped_font(bold: bool) -> None:
    reader = pytest.importorskip("fontTools.ttLib")
    font = reader.TTFont(io.BytesIO(font_path(bold=bold).read_bytes()))
    em = font["head"].unitsPerEm
    expected = {
        chr(code): round(font["hmtx"][glyph][0] * 1000 / em)
        for code, glyph in font.getBestCmap().items()
    }
    assert letters(bold=bold) == expected
    assert not {"kern", "GPOS", "GSUB"} & set(font.keys())
    # The licence reserves these names.
    assert not {"Liberation", "Arimo"} & {str(font["name"].getBestFamilyName())}


def test_in_ascii_they_are_those_of_helvetica_too() -> None:
    folder = Path(pytest.importorskip("matplotlib").get_data_path()) / "fonts" / "pdfcorefonts"
    for name, bold in (("Helvetica", False), ("Helvetica-Bold", True)):
        text = (folder / f"{name}.afm").read_text("latin-1")
        rows = re.findall(r"^C (\d+) ; WX (\d+) ;", text, re.M)
        # Adobe's quotes in ASCII are curly, and its names of the signs are those of 1985.
        quotes = {39, 96}
        found = {
            chr(int(c)): int(w) for c, w in rows if 32 <= int(c) < 127 and int(c) not in quotes
        }
        assert len(found) == 93
        assert {ch: letters(bold=bold)[ch] for ch in found} == found


def test_a_font_without_the_map_that_is_read_is_refused() -> None:
    font = bytearray(font_path().read_bytes())
    at = font.index(b"\x00\x03\x00\x01", int.from_bytes(font[12 + 8 : 12 + 12], "big"))
    (table,) = (
        int.from_bytes(font[i + 8 : i + 12], "big")
        for i in range(12, 12 + 16 * font[5], 16)
        if font[i : i + 4] == b"cmap"
    )
    at = font.index(b"\x00\x03\x00\x01", table)
    font[at : at + 2] = b"\x00\x07"
    with pytest.raises(ValueError, match="format 4"):
        widths(bytes(font))


@pytest.mark.parametrize("size", ["label", "head"])
@pytest.mark.parametrize("text", SAMPLES)
def test_a_png_draws_text_as_wide_as_it_was_measured(text: str, size: str) -> None:
    pytest.importorskip("resvg_py")
    images = pytest.importorskip("PIL.Image")
    # Without the widths that SVG states, which would make any font fit.
    free = re.sub(
        r' textLength="[^"]*" lengthAdjust="[^"]*"', "", svg(scene(Words(10, 25, text, size)))
    )
    assert "textLength" not in free
    image = images.open(io.BytesIO(png(free, 4))).convert("L")
    left, _, right, _ = image.point(lambda value: 255 if value < 128 else 0).getbbox()
    width = text_width(text, SIZES[size], bold=size in BOLD)
    # Letters leave some room at their sides.
    assert width - 2.5 <= (right - left) / 4 <= width + 0.5


def test_svg_says_how_wide_its_words_are_but_for_what_the_font_lacks() -> None:
    text, foreign = "1×1 conv, 64", "漢字"
    root = ElementTree.fromstring(svg(scene(Words(10, 15, text), Words(10, 35, foreign))))
    known, other = root.iter("{http://www.w3.org/2000/svg}text")
    assert float(known.attrib["textLength"]) == pytest.approx(text_width(text, 11), abs=0.05)
    assert "textLength" not in other.attrib


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_with_whatever_fonts_keeps_to_these_widths(tmp_path: Path) -> None:
    words = [Words(10, 20 + 20 * i, text, size) for i, text in enumerate(SAMPLES) for size in SIZES]
    (tmp_path / "x.svg").write_text(svg(scene(*words, height=120)), "utf-8")
    with browser() as window:
        window.open(tmp_path / "x.svg")
        window.wait("document.querySelectorAll('text').length")
        found = window.value(
            "[...document.querySelectorAll('text')].map(text => text.getBBox().width)"
        )
    expected = [text_width(w.text, SIZES[w.size], bold=w.size in BOLD) for w in words]
    assert found == pytest.approx(expected, abs=1)


def test_a_png_has_the_scale_that_it_is_asked_for(net: Callable[..., Graph]) -> None:
    pytest.importorskip("resvg_py")
    images = pytest.importorskip("PIL.Image")
    graph = net("conv3-8")

    def size(**choices: float) -> tuple[int, int]:
        picture = draw([graph], format="png", **choices)  # type: ignore[arg-type]
        assert isinstance(picture, bytes)
        found: tuple[int, int] = images.open(io.BytesIO(picture)).size
        return found

    one = size(scale=1)
    assert size() == size(scale=2)
    for scale in (0.5, 2, 3):
        assert size(scale=scale) == pytest.approx([scale * side for side in one], abs=3)


@pytest.mark.parametrize(
    ("form", "scale"), [("svg", 2.0), ("pdf", 1.0), ("png", 0.0), ("png", 99.0)]
)
def test_a_scale_is_refused_where_it_has_no_meaning(
    form: str, scale: float, net: Callable[..., Graph]
) -> None:
    with pytest.raises(NetspecError, match="scale") as caught:
        draw([net("conv3-8")], format=form, scale=scale)
    assert caught.value.status == 2


def test_a_png_that_no_memory_holds_is_refused(net: Callable[..., Graph]) -> None:
    # Of other widths, so that nothing is shown once for all.
    graph = net("; ".join(f"conv3-{width}(pad=same)" for width in range(8, 308)))
    with pytest.raises(NetspecError, match="pixels, the limit is") as caught:
        draw([graph], style="flow", format="png", scale=10)
    assert caught.value.status == 1


def test_png_says_how_to_install_what_it_needs(
    net: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(NetspecError, match="pip install") as caught:
        draw([net("conv3-8")], format="png")
    assert caught.value.status == 3


def test_png_shows_what_only_fonts_of_the_machine_have(net: Callable[..., Graph]) -> None:
    pytest.importorskip("resvg_py")
    graph = net("conv3-8")
    plain, foreign = (draw([graph.replace(name=name)], format="png") for name in ("x", "x漢"))
    assert plain != foreign


def test_a_net_of_the_zoo_is_the_same_png_each_time() -> None:
    pytest.importorskip("resvg_py")
    graph = shipped("vgg16")
    assert draw([graph], format="png") == draw([graph], format="png")

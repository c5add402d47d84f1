"""The gallery shows what the program draws today."""

from __future__ import annotations

import pytest
from support.pictures import DOCS, gallery

from netspec.draw import CHARTS

GALLERY = gallery()
OTHERS_DRAW = (*CHARTS, "flow")
NATIVE = [picture for picture in GALLERY.PICTURES if picture.style not in OTHERS_DRAW]


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == GALLERY.page()
    for picture in GALLERY.PICTURES:
        assert (DOCS / "images" / f"{picture.name}.svg").is_file()


# What matplotlib and Graphviz write differs between their versions: those are not compared.
@pytest.mark.parametrize("picture", NATIVE, ids=lambda picture: picture.name)
def test_the_pictures_are_up_to_date(picture: object) -> None:
    file = DOCS / "images" / f"{picture.name}.svg"  # type: ignore[attr-defined]
    again = "run `python docs/make_gallery.py`"
    assert file.read_text(encoding="utf-8") == picture.content(), again  # type: ignore[attr-defined]

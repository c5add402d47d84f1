"""The gallery shows what the program draws today."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.pictures import DOCS, gallery

from netspec.cli.main import main
from netspec.draw import CHARTS

GALLERY = gallery()
# What matplotlib and Graphviz write differs between their versions: that is drawn and not compared.
OTHERS_DRAW = (*CHARTS, "flow")


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == GALLERY.page()
    for picture in GALLERY.PICTURES:
        assert (DOCS / "images" / f"{picture.name}.svg").is_file()


@pytest.mark.parametrize("picture", GALLERY.PICTURES, ids=lambda picture: picture.name)
def test_the_command_on_the_page_draws_the_picture(
    picture: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(picture.command)  # type: ignore[attr-defined]
    assert program == "netspec"
    if picture.style not in CHARTS:  # type: ignore[attr-defined]
        words += ["--theme", "auto"]  # on the page it is as light or dark as what is around it
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    file = f"{picture.name}.svg"  # type: ignore[attr-defined]
    drawn = Path(file).read_text(encoding="utf-8")
    if picture.style not in OTHERS_DRAW:  # type: ignore[attr-defined]
        again = "run `python docs/make_gallery.py`"
        assert (DOCS / "images" / file).read_text(encoding="utf-8") == drawn, again

"""Every shipped net draws in fold without overlaps, and nothing runs where it should not."""

from __future__ import annotations

import pytest
from pictures import Picture, read_picture

from netspec.build import build
from netspec.draw import draw
from netspec.files import read_spec, shipped_names


def folded(name: str, **choices: object) -> str:
    picture = draw([build(read_spec(name))], **choices)  # type: ignore[arg-type]
    assert isinstance(picture, str)
    return picture


@pytest.mark.parametrize("name", shipped_names())
def test_a_net_fits_one_screen_and_nothing_overlaps_or_runs_through_a_box(name: str) -> None:
    picture = read_picture(folded(name))
    assert picture.view.right <= 1600
    assert picture.view.bottom <= 1000
    assert picture.leaves
    assert list(picture.faults()) == []
    assert picture.without_source == []


def test_text_is_at_least_8_points_high() -> None:
    picture = read_picture(folded("googlenet"))
    assert picture.smallest_text * 0.75 >= 8


def test_the_check_finds_an_overlap_a_crossing_and_what_sticks_out() -> None:
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">'
    box = '<g data-line="1"><rect class="leaf" x="{}" y="10" width="20" height="20"/></g>'
    apart, over, out = box.format(10), box.format(25), box.format(90)
    line = '<path class="w" d="M5 20L60 20"/>'

    def faults(body: str) -> list[str]:
        picture: Picture = read_picture(f"{head}{body}</svg>")
        return list(picture.faults())

    assert faults(apart) == []
    assert len(faults(apart + over)) == 1
    assert len(faults(out)) == 1
    assert len(faults(apart + line)) == 1

"""The zoo's page and pictures are those of the shipped specs."""

from __future__ import annotations

import sys

from support.places import DOCS

sys.path.insert(0, str(DOCS))

import make_zoo


def test_the_page_is_current():
    assert make_zoo.PAGE.read_text() == make_zoo.page(), "run `python docs/make_zoo.py`"


def test_every_picture_is_current_and_no_other_is_there():
    drawn = dict(make_zoo.pictures())
    assert set(make_zoo.PICTURES.iterdir()) == set(drawn)
    for path, text in drawn.items():
        assert path.read_text() == text, "run `python docs/make_zoo.py`"

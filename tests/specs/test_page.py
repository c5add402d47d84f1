"""The zoo's page and pictures are those of the shipped specs."""

from __future__ import annotations

import sys

from support.places import DOCS

sys.path.insert(0, str(DOCS))

import make_zoo
import zoo_figures

from netspec.syntax.files import shipped_names


def test_the_page_is_current():
    assert make_zoo.PAGE.read_text() == make_zoo.page(), "run `python docs/make_zoo.py`"


def test_every_picture_is_current_and_no_other_is_there():
    drawn = dict(make_zoo.pictures())
    assert set(make_zoo.PICTURES.iterdir()) == set(drawn)
    for path, text in drawn.items():
        assert path.read_text() == text, "run `python docs/make_zoo.py`"


def test_what_is_printed_elsewhere_is_held_against_the_spec():
    differing = {(figure.spec, figure.says) for figure in zoo_figures.FIGURES if figure.differs}
    assert differing == {
        ("bn_inception", "13.6M parameters"),
        ("fractalnet20", "38.6M parameters"),
        ("inception_reduced", "358M multiply-adds"),
        ("inception_v3", "42 layers"),
        ("mobilenet_v2", "3.4M parameters"),
        ("prelunet_c", "53.0G multiply-adds"),
        ("se_resnet50", "3.87G multiply-adds"),
        ("shufflenet_v2", "146M multiply-adds"),
    }
    assert {figure.spec for figure in zoo_figures.FIGURES} <= set(shipped_names("lectures"))


def test_each_row_says_what_its_net_was_held_against_and_no_more():
    rows = [line for line in make_zoo.PAGE.read_text().splitlines() if line.startswith("| [")]
    said = {line.split("]")[0].removeprefix("| ["): line.split(" | ")[-1] for line in rows}
    assert said["vgg16"] == "torchvision 0.28.0; 138M parameters (paper, Table 2) |"
    assert said["resnet50"] == "3.8G multiply-adds (paper, Table 1) when truncated |"
    assert said["densenet121"] == "torchvision 0.28.0 |"
    assert said["fractalnet20"] == (
        "38.6M parameters (paper, Table 1) **differs by +14.5 %**: the widths it gives make fewer |"
    )
    assert {said[name] for name in ("zfnet", "zfnet_paper", "captioning", "lenet5")} == {
        "nothing published |"
    }

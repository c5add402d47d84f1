"""Published figures: what lines say, which one stands for a net, the listing of all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from support.shelves import LECTURES, shipped

from netspec.analysis.compare import compare
from netspec.analysis.published import headline, ordinal, published
from netspec.analysis.statements import STATEMENTS
from netspec.analysis.summary import summarize
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

SCHEMA = json.loads(files("netspec").joinpath("schemas/published.json").read_text())
NETS = LECTURES


def net(*lines: str) -> Graph:
    said = "\n".join(lines)
    return build(Source("<test>", f"net t\n{said}\ninput 3x8x8\nconv3-8\n"))


def listed(*args: str) -> str:
    command = [sys.executable, "-m", "netspec", "list", "--errors", *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_line_keeps_all_that_it_says() -> None:
    (item,) = published(
        net(
            'score mean_iu=62, points=-3.5, on="VOC", evaluation=both, models=2, crops=4, '
            'train_scale=[256, 384], test_scale="256 to 512", external_data="COCO", '
            'method="CRF", note="twice", source="paper"'
        ).metadata
    )
    assert item.figures() == ["mean IU 62", "points -3.5"]
    assert item.about() == (
        "VOC, of CRF, trained at 256/384, 2 models, 4 crops, crops and dense, scale 256 to 512, "
        "with COCO, twice"
    )
    said = item.as_json()
    assert (said["train_scale"], said["test_scale"]) == ((256, 384), "256 to 512")
    assert (said["models"], said["crops"], said["place"]) == (2, 4, None)


def test_crops_are_an_evaluation_and_one_model_goes_without_saying() -> None:
    lines = ('error top1=3, crops=10, source="a"', 'error top1=3, evaluation=crops, source="a"')
    first, second = (item.protocol for item in published(net(*lines).metadata))
    assert (str(first), str(second)) == ("10 crops", "several crops")
    assert first.models == 1
    (entry,) = published(
        net('entry challenge="C", year=2012, team="T", top5=3, source="a"').metadata
    )
    assert entry.as_json()["models"] is None


def test_the_figure_of_a_net_is_its_own_alone_and_an_error_before_a_score() -> None:
    lines = [
        'score accuracy=90, on="a", source="s"',
        'error top1=1, models=2, source="s"',
        'error top1=2, method="another", source="s"',
        'error top1=3, source="s"',
        'error top1=4, source="s"',
        'entry challenge="C", year=2012, team="T", top1=5, source="s"',
    ]
    found = headline(net(*lines).metadata)
    assert found is not None
    assert found.value("top1") == 3
    assert headline(net(lines[0]).metadata) == published(net(lines[0]).metadata)[0]
    assert headline(net(*lines[1:3], lines[5]).metadata) is None
    row = compare([summarize(net(*lines))]).to_csv().splitlines()[1]
    assert row.split(",")[-2:] == ["3", ""]


def test_places_are_read_as_ordinals() -> None:
    assert [ordinal(place) for place in (1, 2, 3, 4, 11, 22)] == [
        f"{place} place" for place in ("1st", "2nd", "3rd", "4th", "11th", "22nd")
    ]


@pytest.mark.parametrize("line", STATEMENTS)
def test_every_required_key_is_asked_for(line: str) -> None:
    example = {
        "error": {"top1": "3", "source": '"s"'},
        "score": {"iu": "3", "on": '"o"', "source": '"s"'},
        "entry": {
            "top5": "3",
            "challenge": '"c"',
            "year": "2012",
            "team": '"t"',
            "source": '"s"',
        },
    }[line]
    net(f"{line} " + ", ".join(f"{key}={value}" for key, value in example.items()))
    for left_out in example:
        pairs = [f"{key}={value}" for key, value in example.items() if key != left_out]
        with pytest.raises(NetspecError, match="lacks") as caught:
            net(f"{line} {', '.join(pairs)}")
        assert [item.code for item in caught.value.diagnostics] == ["NS707"]


def test_a_line_that_takes_pairs_says_so() -> None:
    for line in STATEMENTS:
        with pytest.raises(NetspecError, match="`name=value` pairs"):
            net(f"{line} 3")


@pytest.mark.parametrize("name", NETS)
def test_a_shipped_figure_names_its_data_set(name: str) -> None:
    for item in published(shipped(name).metadata):
        assert item.challenge or item.protocol.on


def test_the_tables_of_the_papers_are_whole() -> None:
    def rows(name: str, source: str) -> list[tuple[float | None, float | None]]:
        found = published(shipped(name).metadata)
        return [(i.value("top1"), i.value("top5")) for i in found if i.source == source]

    table = {
        "vgg11": [(29.6, 10.4)],
        "vgg11_lrn": [(29.7, 10.5)],
        "vgg13": [(28.7, 9.9)],
        "vgg16_c": [(28.1, 9.4), (28.1, 9.3), (27.3, 8.8)],
        "vgg16": [(27.0, 8.8), (26.8, 8.7), (25.6, 8.1)],
        "vgg19": [(27.3, 9.0), (26.9, 8.7), (25.5, 8.0)],
    }
    assert {name: rows(name, "paper, Table 3") for name in table} == table
    crops = rows("googlenet", "paper, Table 3")
    assert [top5 for _, top5 in crops] == [10.07, 9.15, 7.89, 8.09, 7.62, 6.67]
    single = {"resnet34": (21.84, 5.71), "resnet34_c": (21.53, 5.6), "resnet50": (20.74, 5.25)}
    single |= {"resnet101": (19.87, 4.6), "resnet152": (19.38, 4.49)}
    assert {name: rows(name, "paper, Table 4")[0] for name in single} == single


def test_the_listing_fits_80_columns_and_its_json_the_schema() -> None:
    from netspec.cli import list_

    stated = [item for name in NETS for item in published(shipped(name).metadata)]
    lines = [line for item in stated for line in list_._lines(item, 80)]
    assert max(map(len, lines)) <= 80
    document: Any = json.loads(listed("--shelf", "lectures", "--json"))
    jsonschema.validate(document, SCHEMA)
    assert len(document["figures"]) == len(stated)


def test_the_listing_has_a_net_above_its_figures() -> None:
    text = listed("--family", "googlenet")
    assert text.startswith("googlenet\n  error  top-5 10.07")
    # Lines are broken where the terminal ends.
    stated = "ILSVRC 2014, GoogLeNet, 1st place, 7 models, 144 crops; paper, Table 2"
    assert stated in " ".join(text.split())
    wrong = [sys.executable, "-m", "netspec", "list", "--errors", "--names"]
    assert subprocess.run(wrong, capture_output=True, check=False).returncode == 2

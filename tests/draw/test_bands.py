"""Strips of one resolution hold what gives maps of that resolution, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import pytest
from support.pictures import Area
from support.shelves import shelved, shipped

from netspec.draw import draw
from netspec.graph.checked import Graph

_SVG = "{http://www.w3.org/2000/svg}"


def area(rect: ElementTree.Element, name: str) -> Area:
    x, y, w, h = (float(rect.get(key, "0")) for key in ("x", "y", "width", "height"))
    return Area(x, y, x + w, y + h, name)


def bands(root: ElementTree.Element) -> list[Area]:
    """The strips, each with the name that is written in it, or in its part before something."""
    items = [*root]
    found: list[Area] = []
    for i, rect in enumerate(items):
        if (rect.get("class") or "").startswith("band"):
            named = items[i + 1].tag == f"{_SVG}text"
            found.append(area(rect, (items[i + 1].text or "") if named else found[-1].name))
    return found


def maps(root: ElementTree.Element) -> Iterator[Area]:
    """The boxes that give maps, each with their resolution, as hovering tells it."""
    for group in root.iter(f"{_SVG}g"):
        hint = group.findtext(f"{_SVG}title") or ""
        found = re.search(r": [^×,:]+×([^ ,]+)(?:, |$)", hint)
        rect = group.find(f"{_SVG}rect[@class]")
        if found is not None and rect is not None and " ids" not in hint:
            yield area(rect, found[1])


def misplaced(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    strips = bands(root)
    return [
        f"{box} meets the band {strip}"
        for box in maps(root)
        for strip in strips
        if strip.meets(box) and not (strip.holds(box) and strip.name == box.name)
    ]


def drawn(graph: Graph, **choices: object) -> str:
    svg = draw([graph], **choices)  # type: ignore[arg-type]
    assert isinstance(svg, str)
    return svg


def names(svg: str) -> list[str]:
    return [band.name for band in bands(ElementTree.fromstring(svg))]


@pytest.mark.parametrize("name", shelved())
def test_every_box_lies_in_the_band_of_what_it_gives_or_in_none(name: str) -> None:
    graph = shipped(name)
    for choice in ({}, {"depth": 0}, {"depth": 1}):
        assert misplaced(drawn(graph, **choice)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nasnet_mobile", ["224×224", "111×111", "56×56", "28×28", "14×14", "7×7"]),
        ("fractalnet20", ["32×32", "8×8", "4×4", "2×2", "1×1"]),
        ("c3d", ["16×112×112", "16×56×56", "8×28×28", "4×14×14", "2×7×7", "1×4×4"]),
        ("resnet50", ["224×224", "112×112", "56×56", "28×28", "14×14", "7×7"]),
    ],
)
def test_the_bands_of_a_net_are_its_resolutions(name: str, expected: list[str]) -> None:
    found = names(drawn(shipped(name)))
    assert {*found} == {*expected}


def test_each_side_of_a_u_has_its_own_bands_where_maps_shrink() -> None:
    found = names(drawn(shipped("fcn8s")))
    assert {"500×500", "698×698", "349×349", "175×175", "88×88", "16×16", "568×568"} <= {*found}


def test_a_level_of_one_resolution_is_one_band(net: Callable[..., Graph]) -> None:
    graph = net(
        "default conv(pad=same); conv3-8 as x; maxpool2; conv3-8; conv3-8; deconv2-8/2; "
        "concat { | @x | identity }; conv3-8"
    )
    root = ElementTree.fromstring(drawn(graph))
    assert misplaced(drawn(graph)) == []
    wide = max(bands(root), key=lambda band: band.right - band.left)
    assert sum(wide.holds(box) for box in maps(root)) >= 4


def test_a_head_of_another_resolution_lies_in_no_band(net: Callable[..., Graph]) -> None:
    text = "default conv(pad=same); conv3-8; conv3-8/2; head aux { upsample(2) }; conv3-8; conv3-8"
    svg = drawn(net(text), depth=0)
    assert misplaced(svg) == []
    assert "16×16" in names(svg)


def test_the_check_finds_a_box_in_a_foreign_band() -> None:
    leaf = '<rect class="leaf" x="20" y="20" width="9" height="9"/>'
    box = f"<g><title>conv: 8×{{}}</title>{leaf}</g>"
    band = '<rect class="band even" x="0" y="0" width="60" height="60"/><text>4×4</text>'
    svg = '<svg xmlns="http://www.w3.org/2000/svg">{}{}</svg>'
    assert misplaced(svg.format(band, box.format("4×4, 3 params"))) == []
    assert len(misplaced(svg.format(band, box.format("2×2")))) == 1

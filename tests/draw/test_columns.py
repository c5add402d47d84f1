"""Columns that go on beside each other, and the order of the resolutions that nets share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from random import Random

import pytest
from support.pictures import Area, Picture, Point, read_picture
from support.shelves import LECTURES, shelved, shipped
from support.witness import unlike

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.draw.formats.svg import svg
from netspec.draw.scene import Group, Item, Scene, Words
from netspec.draw.structure.flattened import flattened
from netspec.draw.structure.opening import apart
from netspec.draw.styles.columns.chain import Band
from netspec.draw.styles.columns.order import ordered
from netspec.draw.styles.columns.page import columns
from netspec.draw.view import View
from netspec.graph.checked import Graph

Net = Callable[..., Graph]


def picture_of(*graphs: Graph, **choices: object) -> Picture:
    picture = read_picture(str(draw(graphs, style="columns", **choices)))  # type: ignore[arg-type]
    assert [*picture.faults(), *picture.without_source] == []
    return picture


def named(picture: Picture, text: str) -> list[Area]:
    return [label for label in picture.labels if label.name == text]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes the screen so many points high, so that small nets go on beside each other too."""

    def of(height: float) -> None:
        for module in ("page", "sheets"):
            name = f"netspec.draw.styles.columns.{module}.SCREEN"
            monkeypatch.setattr(name, (1.6 * height, height))

    return of


# --- sheets


@pytest.mark.parametrize(
    "names",
    [
        "densenet121",
        "resnet152",
        "googlenet",
        "inception_v4",
        "nasnet_mobile",
        "vgg19 plain34 resnet34",
    ],
)
def test_what_is_taller_than_a_screen_goes_on_beside_it(names: str) -> None:
    picture = picture_of(*map(shipped, names.split()))
    w, h = picture.view.right, picture.view.bottom
    assert w <= 1.15 * 1600
    assert h <= 1.1 * 1000


def test_what_fits_a_screen_stays_one_column() -> None:
    picture = picture_of(shipped("vgg16"))
    assert picture.view.bottom <= 1000
    # One line through all boxes of the net.
    assert len({round(leaf.left + leaf.right) for leaf in picture.leaves}) == 1


@pytest.mark.parametrize("height", [120])
@pytest.mark.parametrize("name", shelved())
def test_wherever_a_net_is_cut_it_is_drawn_as_it_is(
    name: str, height: float, screen: Callable[[float], None]
) -> None:
    graph = shipped(name)
    screen(height)
    try:
        scene = columns([View(graph)])
    except NetspecError as refusal:
        assert "draw it with --style fold" in str(refusal)
        return
    assert unlike(scene, graph) == []
    assert list(read_picture(svg(scene)).faults()) == []


@pytest.mark.parametrize("seed", range(12))
def test_nets_side_by_side_are_cut_without_overlaps(
    seed: int, screen: Callable[[float], None]
) -> None:
    rng = Random(seed)
    screen(rng.choice([150.0, 400.0, 1000.0]))
    graphs: list[Graph] = []
    while len(graphs) < 3:
        graph = shipped(rng.choice(LECTURES))
        try:
            draw([*graphs, graph], style="columns")
        except NetspecError:
            continue
        graphs.append(graph)
    picture_of(*graphs)


def test_a_net_that_begins_on_a_later_sheet_has_its_heading_there() -> None:
    graphs = [shipped(name) for name in ("tdnn", "densenet121")]
    picture = picture_of(*graphs)
    (heading,) = named(picture, "tdnn")
    (first, *others) = sorted(named(picture, "densenet121"), key=lambda a: a.left)
    assert others
    assert heading.left > first.right
    assert named(picture, "6.07 k MACs · 2 layers")


def crossings(wires: list[list[Point]]) -> Iterator[tuple[Point, Point]]:
    """Where an upright and a level part of two lines cross inside both."""
    for one, other in combinations(wires, 2):
        for a, b in ((one, other), (other, one)):
            for (x, y1), (x2, y2) in pairwise(a):
                for (x3, y), (x4, y4) in pairwise(b):
                    upright, level = abs(x - x2) < 0.1, abs(y - y4) < 0.1
                    low, high, left, right = min(y1, y2), max(y1, y2), min(x3, x4), max(x3, x4)
                    if upright and level and low + 1 < y < high - 1 and left + 1 < x < right - 1:
                        yield (x, y), (x4, y4)


@pytest.mark.parametrize(
    "names", ["vgg19 plain34 resnet34", "resnet50", "vgg16 resnet18 mobilenet_v1"]
)
def test_what_leads_from_sheet_to_sheet_crosses_nothing(names: str) -> None:
    picture = picture_of(*map(shipped, names.split()))
    turned = [wire for wire in picture.wires if len(wire) > 8]
    assert len(turned) >= len(names.split())
    assert list(crossings(picture.wires)) == []


def test_a_skip_from_one_sheet_to_the_next_arrives(
    net: Net, screen: Callable[[float], None]
) -> None:
    steps = "conv3-8 as a\nconv3-8 as b\nconv3-8 x2\nadd { | relu | @a }\nadd { | conv3-8 | @b }"
    graph = net(f"input 3x16x16\ndefault conv(pad=same)\n{steps}\ngap")
    screen(200)
    scene = columns([View(graph)])
    assert unlike(scene, graph) == []
    picture = read_picture(svg(scene))
    assert list(picture.faults()) == []
    # The chain itself and both skips.
    assert len([wire for wire in picture.wires if len(wire) > 8]) >= 3


def test_of_a_very_long_chain_few_places_to_cut_are_looked_at(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.draw.styles.columns import sheets

    seen: list[int] = []
    division = sheets._division

    def watched(cuts: list[sheets.Cut], count: int) -> list[sheets.Cut] | None:
        seen.append(len(cuts))
        return division(cuts, count)

    monkeypatch.setattr(sheets, "_division", watched)
    steps = "\n".join(f"conv1-{3 + i % 89}; conv1-{2 + i % 97}" for i in range(600))
    picture_of(net(steps))
    assert seen
    assert max(seen) <= 242


# --- the order of resolutions


def test_resolutions_follow_each_other_as_in_the_nets() -> None:
    def order(*nets: str) -> list[str] | None:
        found = ordered([[Band(name) for name in net.split()] for net in nets])
        return None if found is None else [band.name for band in found]

    assert order("224 112 56", "112 28", "300") == ["300", "224", "112", "56", "28"]
    assert order("14×14 196 197 1", "14×14 7×7") == ["14×14", "196", "197", "7×7", "1"]
    # Larger first is a taste, the nets' own order is not.
    assert order("4 8 16", "8 2") == ["4", "8", "16", "2"]
    assert order("4 8", "8 4") is None


def test_transformers_and_convnets_are_aligned_where_they_meet() -> None:
    picture = picture_of(shipped("vit_b_16"), shipped("mixer_b16"))
    strips = [named(picture, name)[0] for name in ("224×224", "14×14", "196", "197")]
    places = [(strip.left, strip.top) for strip in strips]
    assert places == sorted(places)
    patches = named(picture, "16×16 conv, 768, /16")
    assert len(patches) == 2
    assert len({patch.top for patch in patches}) == 1


def test_nets_in_different_orders_are_refused(net: Net) -> None:
    up = net("net up\ninput 3x8x8\nupsample(2); conv3-4")
    down = net("net down\ninput 3x16x16\nmaxpool2; conv3-4")
    with pytest.raises(NetspecError, match="up and down go through their resolutions in different"):
        draw([up, down], style="columns")
    tops = [named(picture_of(up), name)[0].top for name in ("8×8", "16×16", "14×14")]
    assert tops == sorted(tops)


@pytest.mark.parametrize("name", ["hrnet_w18", "unetpp", "yolov8n"])
def test_what_goes_back_and_forth_between_resolutions_is_refused(name: str) -> None:
    with pytest.raises(NetspecError, match=f"{name} rises again\n.*--style fold"):
        draw([shipped(name)], style="columns")


def test_what_comes_back_to_a_resolution_is_refused_with_its_name(net: Net) -> None:
    graph = net("net again\ninput 3x8x8\nconv3-4(pad=same); conv3-4; pad(1); conv3-4(pad=same)")
    with pytest.raises(NetspecError, match="again comes back to 8×8"):
        draw([graph], style="columns")


def test_no_strip_is_named_behind_inputs_of_other_sizes() -> None:
    picture = picture_of(shipped("captioning"))
    (strip,) = named(picture, "17")
    (joined,) = [a for a in picture.labels if a.name.startswith("concat, along time")]
    assert strip.top > joined.bottom


def test_tokens_stand_in_the_strip_of_what_they_become(net: Net) -> None:
    inputs = "input words: T ids(90)\ninput kinds: T ids(2)"
    text = f"{inputs}\nadd {{ | @words; embedding-8 | @kinds; embedding-8 }}; fc-8(over=channels)"
    picture = picture_of(net(text))
    (strip,) = named(picture, "T")
    (words,) = named(picture, "words")
    assert strip.top <= words.bottom


# --- what stands around


def test_nets_share_one_scale_of_heat_and_its_key(net: Net) -> None:
    small = net("net small\ninput 8x4x4\nconv1-8; relu")
    large = net("net large\ninput 8x4x4\nconv1-80; relu")
    looks = []
    for graphs in ([small], [large], [small, large]):
        text = str(draw(graphs, style="columns", heat="params"))
        looks.append(re.findall(r'class="leaf (h\d)"', text))
        assert len(re.findall(r'class="key h\d"', text)) == 6
        assert ("720 parameters" in text) is (large in graphs)
    # On its own scale the small net's layer is the hottest, beside the large one's it is not.
    assert looks[0][1] == looks[1][1] == "h5"
    assert looks[2][1] != "h5"


def test_a_line_of_words_is_no_wider_than_the_picture(net: Net) -> None:
    graph = net(
        "net n\ninput 3x8x8\n" + "; ".join(f"conv1-3(act={a})" for a in ("relu", "silu", "gelu"))
    )
    picture = picture_of(graph.replace(metadata=(("paper", "A long title, " * 12),)))
    assert picture.view.right < 300


# --- nothing goes without a word


def closed(scene: Scene) -> set[str]:
    """The names of the blocks that have a box, and none that shows what they do."""
    found: dict[str, bool] = {}

    def visit(items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Group):
                shows = any(isinstance(member, Group) for member in item.members)
                found[item.toggles] = found.get(item.toggles, False) or shows
                visit(item.members)

    visit(scene.items)
    return {name for name, shows in found.items() if name and not shows}


@pytest.mark.parametrize("name", LECTURES)
def test_a_block_whose_inside_is_nowhere_is_named_below(name: str) -> None:
    graph = shipped(name)
    try:
        scene = columns([View(graph)])
    except NetspecError:
        return
    words = " ".join(item.text for item in scene.items if isinstance(item, Words))
    _, _, said = words.partition("blocks drawn as one: ")
    flat = {part.block.call.block for part in flattened(apart(graph, View(graph).opening)).parts}
    for block in closed(scene) - flat:
        assert re.search(rf"\b{block}\b", said), block


def test_blocks_that_columns_close_are_named_and_those_shown_elsewhere_are_not() -> None:
    text = str(draw([shipped("wrn28_10")], style="columns"))
    assert re.search(r">[^<]*blocks drawn as one:[^>]*>\s*<[^>]*>convs|drawn as one: convs", text)
    # ShuffleNet's bottlenecks are closed in its units, and one is open where the net goes down.
    assert "drawn as one" not in str(draw([shipped("shufflenet_v1")], style="columns"))


def test_a_tower_says_whose_weights_it_uses() -> None:
    picture = picture_of(shipped("alexnet_ten_crops"))
    told = [label.name for label in picture.labels if label.name.endswith("weights of centre")]
    assert told == [f"mirrored{i}, weights of centre" for i in range(1, 5)]


def test_a_block_that_is_a_part_of_the_chain_says_whose_weights_it_uses(net: Net) -> None:
    text = """
    input 8x16x16
    default conv(pad=same)
    block pair { conv3-8; relu; conv3-8 }
    pair as left; relu; pair(weights=@left); gap; fc-10
    """
    assert any("weights of left" in label.name for label in picture_of(net(text)).labels)

"""The interactive page: what it holds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support.pages import every, hostile, packed, page_of, pictures, toggles, words
from support.pictures import printed_by_seeds
from support.shelves import others, shipped

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.draw.formats.reach import leading_on
from netspec.draw.formats.states import State, states
from netspec.draw.view import View
from netspec.graph.checked import Graph

LARGEST = 200_000
PLAIN = ("unet", "alexnet", "squeezenet1_1", "captioning", "fcn8s")


def dead_ends(page: str) -> list[tuple[set[str], str]]:
    """The signs in a page that lead to no picture it holds: the open blocks and the name."""
    held = pictures(page)
    found = []
    for opened, picture in held.items():
        for name in toggles(picture):
            wanted = opened ^ {name}
            if not any(o <= wanted and (name in o) == (name in wanted) for o in held):
                found.append((set(opened), name))
    return found


# --- what the page holds


@pytest.mark.parametrize("name", [*PLAIN, *others(PLAIN)])
def test_every_shipped_net_opens_and_closes_without_dead_ends(name: str) -> None:
    page = page_of(shipped(name))
    assert len(page.encode()) <= LARGEST
    # Without JavaScript too there is a picture.
    assert page.count("<svg") == 1
    assert dead_ends(page) == []


def test_a_picture_whose_blocks_lead_nowhere_is_left_out_and_so_is_what_led_to_it_alone() -> None:
    scene = states(View(shipped("lenet5")), "fold")[0].scene

    def state(names: str, *opened: str) -> State:
        return State(frozenset(opened), scene, {}, tuple(names.split()))

    first = (
        state("a b", "*a"),
        state("a"),
        state("a b c", "*a", "*b"),
        state("a b c", "*a", "*b", "*c"),
    )
    # Here `b` shows, and no picture opens it without opening what is closed.
    lost = state("a b", ".a1"), state("a b", ".a1", ".a2")
    assert leading_on([*first, *lost]) == [*first]
    # What opens a block in a picture that is left out alone goes with it.
    led = state("e", ".a1"), state("e b", ".a1", "*e")
    assert leading_on([*first, *led]) == [*first]
    assert leading_on([*first, led[0], state("e", ".a1", "*e")])[4:] == [
        led[0],
        state("e", ".a1", "*e"),
    ]


@pytest.mark.parametrize(
    "name", ["googlenet", pytest.param("inception_v4", marks=pytest.mark.slow)]
)
def test_opening_a_block_leaves_the_others_as_they_are(name: str) -> None:
    held = pictures(page_of(name))
    first = next(iter(held))
    for block in toggles(held[first]):
        assert first ^ {block} in held
        for other in toggles(held[first ^ {block}]) - first:
            assert (first ^ {block}) | {other} in held


@pytest.mark.parametrize("style", ["fold", "flow"])
@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_every_block_of_the_first_picture_opens_alone(name: str, style: str) -> None:
    graph = shipped(name)
    held = pictures(page_of(graph, style=style, depth=0))
    assert next(iter(held)) == frozenset()
    paths = set(re.findall(r'data-path="([^"]*)" data-block', held[frozenset()]))
    assert len(paths) > 3
    opened = {sign[1:] for signs in held for sign in signs if sign[0] == "."}
    assert paths <= opened | {"aux1", "aux2"}
    for path in paths & opened:
        words_of_one = words(str(draw([graph], style=style, expand=(path,))))
        assert words(held[frozenset({f".{path}"})]) == words_of_one


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("vgg16", {"conv1", "conv3", "conv5", "conv8", "conv11", "fc1"}),
        ("resnet50", {f"stage{i}.bottleneck1" for i in range(1, 5)}),
        ("swin_t", {"stage1.layer1", "stage3.layer1..stage3.layer2"}),
    ],
)
def test_every_repeat_of_the_first_picture_unfolds(name: str, repeats: set[str]) -> None:
    graph = shipped(name)
    page = page_of(name)
    held = pictures(page)
    first = next(iter(held))
    assert repeats - {"fc1"} <= {key for key, *_ in packed(page)["pictures"][0][2].values()}
    for key in repeats - {"fc1"}:
        assert first | {f"×{key}"} in held
    depth = 3 if first else 0
    key = min(repeats)
    one = draw([graph], depth=depth, unfold=(key.partition("..")[0],))
    assert words(held[first | {f"×{key}"}]) == words(str(one))


def test_a_page_tells_windows_and_shapes_of_every_layer() -> None:
    told = packed(page_of("resnet50"))["facts"]
    layers = {node.path for node in shipped("resnet50").nodes}
    assert {path for path in layers if not re.search(r"(bn|relu)\d*$", path)} <= set(told)
    assert told["conv1"].split("\n") == [
        "7×7 conv, 64, /2",
        "kernel 7×7 · stride 2 · padding 3",
        "3×224×224 → 64×112×112",
        "then bn, relu",
        "9,536 parameters · 118 M MACs",
    ]
    assert told["stage2.bottleneck1"].startswith(
        "block bottleneck(128, 2)\n256×56×56 → 512×28×28\n"
    )


def test_a_held_picture_is_the_one_that_is_drawn_elsewhere() -> None:
    graph = shipped("resnet50")
    held = pictures(page_of("resnet50"))
    assert words(held[frozenset()]) == words(str(draw([graph], depth=0)))
    assert words(held[every("stage", "bottleneck")]) == words(str(draw([graph], depth=2)))


def test_the_page_opens_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 1)
    graph = shipped("inception_v3")
    for choices in ({"depth": 0}, {"depth": 1}, {"expand": ("module_a*",)}):
        first = page_of(graph, **choices).partition("<svg")[2].partition("</svg>")[0]
        assert words(first) == words(str(draw([graph], **choices))), choices


def test_pages_are_the_same_from_run_to_run() -> None:
    script = (
        "import sys, hashlib, netspec; from netspec.draw import draw;"
        "from netspec.draw.formats import states; states.MOST_WORK = 3000;"
        "p = draw([netspec.load('googlenet').graph], format='html');"
        "print(hashlib.sha256(p.encode()).hexdigest())"
    )
    assert len(printed_by_seeds(script)) == 1


def test_a_page_loads_nothing() -> None:
    page = page_of("resnet18", theme="auto")
    assert not re.search(r"""\b(?<!data-)(src|href)\s*=|@import|url\((?!#)""", page)
    assert re.findall(r"https?://[^\"]*", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "default-src 'none'" in page


def test_user_text_stays_text() -> None:
    page = page_of(hostile())
    assert "<img" not in page.lower()
    assert "\u202e" not in page
    assert page.count("</script>") == 2
    assert all("<img" not in picture for picture in pictures(page).values())


def test_several_nets_side_by_side_are_one_picture_with_all_their_specs() -> None:
    nets = [shipped(name) for name in ("vgg19", "plain34", "resnet34")]
    page = page_of(*nets, style="columns")
    assert words(pictures(page)[frozenset()]) == words(str(draw(nets, style="columns")))
    assert {"vgg19.ns", "plain34.ns", "resnet34.ns"} <= set(re.findall(r"<h2>([^<]*)", page))


@pytest.mark.parametrize("style", ["columns", "volumes"])
def test_a_page_on_which_nothing_opens_says_which_style_opens_blocks(style: str) -> None:
    said = "a page of --style fold opens them"
    assert said in page_of("resnet18", style=style)
    # What has no blocks has nothing to open.
    assert said not in page_of("vgg16", style=style)
    assert said not in page_of("resnet18")


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_a_chart_is_no_page(style: str) -> None:
    with pytest.raises(NetspecError, match="is a chart, which is svg, png, pdf or tikz") as caught:
        page_of("alexnet", style=style)
    assert caught.value.status == 2


def test_thousands_of_boxes_fit_a_page(net: Callable[..., Graph]) -> None:
    graph = net("\n".join(f"conv1-{3 + i % 89}" for i in range(1800)))
    page = page_of(graph)
    assert len(page.encode()) <= LARGEST
    assert sum(text.startswith("1×1 conv") for text in words(pictures(page)[frozenset()])) == 1800


def test_what_a_page_has_no_room_for_closes_other_blocks(
    net: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 6_000)
    blocks = [
        f"block b{i} {{ {'; '.join(f'conv1-{3 + i + k}' for k in range(9))} }}" for i in range(24)
    ]
    calls = [f"b{i} as call{i}" for i in range(24)]
    graph = net("\n".join([*blocks, *calls]))
    page = page_of(graph)
    assert len(page.encode()) <= LARGEST
    assert dead_ends(page) == []


def test_a_picture_too_large_for_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.draw.formats.html.LARGEST", 15_000)
    with pytest.raises(NetspecError, match=r"the limit is 15,000") as caught:
        page_of(shipped("resnet152"), style="flow")
    assert caught.value.status == 1

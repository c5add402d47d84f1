"""The interactive page: what it holds, and what a reader can do with it."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest
from support.browser import CHROMIUM, Browser, browser
from support.pictures import printed_by_seeds
from support.shelves import shelved

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

LARGEST = 200_000
HOSTILE = "</script><img src=x onerror='window.hacked=1'>\"';&{0} \u05d0\u05d1"


def shipped(name: str) -> Graph:
    return build(read_spec(name))


def page_of(*graphs: Graph, **choices: Any) -> str:
    page = draw(graphs, format="html", **choices)
    assert isinstance(page, str)
    return page


def pictures(page: str) -> dict[frozenset[str], str]:
    """The pictures a page holds, whole, by the names of the blocks that are open."""
    found = re.search(r'id="pictures">([^<]*)<', page)
    assert found
    held = json.loads(decompress(b64decode(found[1])))

    def whole(text: str) -> str:
        return re.sub(
            r"<u (\d+) \S+ [^>]+>", lambda u: "<g" + whole(held["parts"][int(u[1])]), text
        )

    return {frozenset(opened): whole(text) for opened, text in held["pictures"]}


def toggles(picture: str) -> set[str]:
    return set(re.findall(r'data-block="([^"]*)"', picture))


def words(text: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)", text)


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


@pytest.mark.parametrize("name", shelved())
def test_every_shipped_net_opens_and_closes_without_dead_ends(name: str) -> None:
    page = page_of(shipped(name))
    assert len(page.encode()) <= LARGEST
    assert dead_ends(page) == []


@pytest.mark.parametrize("name", ["googlenet", "inception_v4"])
def test_opening_a_block_leaves_the_others_as_they_are(name: str) -> None:
    held = pictures(page_of(shipped(name)))
    for opened, picture in held.items():
        for block in toggles(picture) - opened:
            assert opened | {block} in held


def test_a_held_picture_is_the_one_that_is_drawn_elsewhere() -> None:
    graph = shipped("resnet50")
    held = pictures(page_of(graph))
    assert words(held[frozenset()]) == words(str(draw([graph], depth=0)))
    assert words(held[frozenset({"stage", "bottleneck"})]) == words(str(draw([graph], depth=2)))


def test_the_page_opens_what_was_asked_for() -> None:
    graph = shipped("inception_v3")
    for choices in ({"depth": 0}, {"depth": 1}, {"expand": ("module_a*",)}):
        first = page_of(graph, **choices).partition("<svg")[2].partition("</svg>")[0]
        assert words(first) == words(str(draw([graph], **choices))), choices


def test_pages_are_the_same_from_run_to_run() -> None:
    script = (
        "import sys, hashlib, netspec; from netspec.draw import draw;"
        "p = draw([netspec.load('googlenet').graph], format='html');"
        "print(hashlib.sha256(p.encode()).hexdigest())"
    )
    assert len(printed_by_seeds(script)) == 1


def test_a_page_loads_nothing() -> None:
    page = page_of(shipped("googlenet"), theme="auto")
    assert not re.search(r"""\b(?<!data-)(src|href)\s*=|@import|url\((?!#)""", page)
    assert re.findall(r"https?://[^\"]*", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "default-src 'none'" in page


def test_user_text_stays_text(hostile: Graph) -> None:
    page = page_of(hostile)
    assert "<img" not in page.lower()
    assert "\u202e" not in page
    assert page.count("</script>") == 2
    assert all("<img" not in picture for picture in pictures(page).values())


def test_several_nets_side_by_side_are_one_picture_with_all_their_specs() -> None:
    nets = [shipped(name) for name in ("vgg19", "plain34", "resnet34")]
    page = page_of(*nets, style="columns")
    assert words(pictures(page)[frozenset()]) == words(str(draw(nets, style="columns")))
    assert {"vgg19.ns", "plain34.ns", "resnet34.ns"} <= set(re.findall(r"<h2>([^<]*)", page))


@pytest.mark.parametrize("style", ["bars", "bubble", "depth"])
def test_a_chart_is_no_page(style: str) -> None:
    with pytest.raises(NetspecError, match="is a chart, which is svg, png, pdf or tikz") as caught:
        page_of(shipped("alexnet"), style=style)
    assert caught.value.status == 2


def test_thousands_of_boxes_fit_a_page(net: Callable[..., Graph]) -> None:
    graph = net("\n".join(f"conv1-{3 + i % 89}" for i in range(1800)))
    page = page_of(graph)
    assert len(page.encode()) <= LARGEST
    assert sum(text.startswith("1×1 conv") for text in words(pictures(page)[frozenset()])) == 1800


def test_what_a_page_has_no_room_for_closes_other_blocks(
    net: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.formats.html._MOST_WORK", 6_000)
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


@pytest.fixture
def hostile(net: Callable[..., Graph]) -> Graph:
    text = f"# {HOSTILE}\nblock b {{ conv3-8 as c1; relu }}\ninput 3x16x16\nb; gap"
    graph = build(Source("</style>.ns", text))
    turned = HOSTILE + "\u202e"
    return graph.replace(name=turned, metadata=(("paper", turned),))


# --- what a reader does


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium to run the page's script")
    with browser() as found:
        yield found


Opens = Callable[..., Browser]


@pytest.fixture
def opened(window: Browser, tmp_path: Path) -> Iterator[Opens]:
    def show(page: str, width: int = 1400, height: int = 900, **choices: Any) -> Browser:
        file = tmp_path / "page.html"
        file.write_text(page, encoding="utf-8")
        window.open(file, width, height, **choices)
        window.wait("document.body && document.body.dataset.ready === ''")
        return window

    yield show
    assert window.errors == []
    assert window.requests == [(tmp_path / "page.html").as_uri()]


def place(path: str) -> str:
    return f"document.querySelector('#stage g[data-path=\"{path}\"]')"


def knob(path: str) -> str:
    return f"{place(path)}.querySelector(':scope > .knob')"


SHOWN = "[...document.querySelectorAll('#stage text:not(.knob text)')].map(e => e.textContent)"
FOCUSED = "document.activeElement.dataset.path"
HINT = "(document.getElementById('hint').hidden ? '' : document.getElementById('hint').textContent)"
LINE = "document.querySelector('li.here')?.textContent"


def test_a_click_on_the_sign_opens_and_closes_every_block_of_that_name(opened: Opens) -> None:
    graph = shipped("resnet50")
    held = pictures(page_of(graph))
    page = opened(page_of(graph, depth=0))
    assert page.value(SHOWN) == words(held[frozenset()])
    page.click(*page.middle(knob("stage1")))
    assert page.value(SHOWN) == words(held[frozenset({"stage"})])
    page.click(*page.middle(knob("stage2.bottleneck4")))
    assert page.value(SHOWN) == words(held[frozenset({"stage", "bottleneck"})])
    page.click(*page.middle(knob("stage3")))
    assert page.value(SHOWN) == words(held[frozenset()])


def test_the_buttons_open_and_close_everything(opened: Opens) -> None:
    graph = shipped("nasnet_mobile")
    page = page_of(graph)
    held = pictures(page)
    reader = opened(page)
    for button, picture in (("open", held[max(held, key=len)]), ("close", held[frozenset()])):
        reader.click(*reader.middle(f"document.getElementById('{button}')"))
        assert reader.value(SHOWN) == words(picture)


def test_pointing_at_a_box_tells_its_path_shape_and_cost(opened: Opens) -> None:
    page = opened(page_of(shipped("resnet50")))
    page.point(*page.middle(place("stage2.bottleneck4.conv2")))
    told = page.value(HINT)
    assert told.startswith("stage2.bottleneck4.conv2")
    assert "128×28×28 · 147,712 params · 116 M MACs" in told
    page.point(700, 880)
    assert page.value(HINT) == ""


def test_a_click_on_a_box_shows_its_line(opened: Opens) -> None:
    page = opened(page_of(shipped("resnet50")), height=400)
    page.click(*page.middle(place("conv1")))
    assert page.value(LINE) == "conv7-64/2; maxpool3/2(pad=1)"
    page.click(*page.middle(place("stage1.bottleneck3.conv2")))
    assert page.value(LINE).strip().startswith("conv3-(widen*n)")
    assert page.value("document.querySelectorAll('li.here').length") == 1
    _, y = page.middle("document.querySelector('li.here')")
    assert 0 < y < 400


def test_a_click_on_a_line_shows_the_boxes_it_made(opened: Opens) -> None:
    page = opened(page_of(shipped("vgg16")))
    line = "[...document.querySelectorAll('li')].find(e => /conv3-256/.test(e.textContent))"
    _, y = page.middle(line)
    page.click(page.value(f"{line}.getBoundingClientRect().left") + 20, y)
    picked = page.value("[...document.querySelectorAll('.picked')].map(e => e.dataset.path)")
    assert len(picked) == 2
    assert picked[1] == "pool3"


def test_the_keyboard_does_all_that_the_pointer_does(opened: Opens) -> None:
    graph = shipped("resnet50")
    held = pictures(page_of(graph))
    page = opened(page_of(graph, depth=0))
    page.press("Tab")
    while page.value(FOCUSED) is None:
        page.press("Tab")
    assert page.value(FOCUSED) == "input"
    assert "3×224×224" in page.value(HINT)
    for path in ("conv1", "maxpool1", "stage1"):
        page.press("ArrowDown")
        assert page.value(FOCUSED) == path
    page.press("ArrowUp")
    page.press("ArrowDown")
    page.press("Enter")
    assert page.value(SHOWN) == words(held[frozenset({"stage"})])
    assert page.value(FOCUSED) == "stage1"
    assert page.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.press(" ")
    assert page.value(LINE) == "stage(bottleneck, 64, 3, s=1) as stage1"
    page.press("Escape")
    assert page.value(LINE) is None
    assert page.value(HINT) == ""
    page.press("Enter")
    assert page.value(SHOWN) == words(held[frozenset()])


def test_focus_is_visible_and_everything_has_a_name(opened: Opens) -> None:
    page = opened(page_of(shipped("googlenet")))
    page.value(f"{place('conv1')}.focus({{focusVisible: true}})")
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    nameless = (
        "[...document.querySelectorAll('[tabindex]')].filter(e => !e.getAttribute('aria-label'))"
    )
    assert page.value(f"{nameless}.length") == 0


def test_the_picture_fits_the_window_or_is_shown_at_any_size(opened: Opens) -> None:
    page = opened(page_of(shipped("googlenet")))
    width = "document.querySelector('#stage svg').clientWidth"
    full = page.value("document.querySelector('#stage svg').viewBox.baseVal.width")
    fitted = page.value(width)
    assert fitted <= page.value("document.getElementById('stage').clientWidth") < full
    for button, wanted in (("full", full), ("more", full * 1.25), ("fit", fitted)):
        page.click(*page.middle(f"document.getElementById('{button}')"))
        assert page.value(width) == pytest.approx(wanted, abs=1)
    page.click(*page.middle("document.getElementById('spec')"))
    assert page.value(width) > fitted


def test_a_phone_shows_the_picture_above_the_spec(opened: Opens) -> None:
    page = opened(page_of(shipped("resnet50")), width=390, height=844)
    _, picture = page.middle("document.getElementById('stage')")
    _, spec = page.middle("document.getElementById('text')")
    assert picture < spec < 844
    assert page.value("document.documentElement.scrollWidth") <= 390


def test_colours_follow_the_reader(opened: Opens) -> None:
    page = page_of(shipped("vgg16"), theme="auto")
    background = "getComputedStyle(document.body).backgroundColor"
    assert opened(page).value(background) == "rgb(255, 255, 255)"
    assert opened(page, dark=True).value(background) == "rgb(15, 19, 25)"


def test_hostile_text_does_nothing_but_stand_there(opened: Opens, hostile: Graph) -> None:
    page = opened(page_of(hostile))
    page.click(*page.middle("document.getElementById('open')"))
    page.point(*page.middle(place("b1.c1")))
    assert page.value("window.hacked") is None
    assert page.value("document.images.length") == 0
    assert HOSTILE in page.value("document.title")
    assert page.value("document.querySelector('li').textContent") == f"# {HOSTILE}"


def test_without_its_script_the_page_shows_the_picture_and_the_spec(opened: Opens) -> None:
    page = page_of(shipped("resnet50"))
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    reader = opened(bare.replace("<body>", '<body data-ready="">'))
    assert reader.value(SHOWN) == words(str(draw([shipped("resnet50")], depth=2)))
    assert reader.value("document.querySelectorAll('li').length") > 17


def test_a_picture_of_thousands_of_boxes_opens(opened: Opens, net: Callable[..., Graph]) -> None:
    page = opened(page_of(net("\n".join(f"conv1-{3 + i % 89}" for i in range(1800)))))
    assert page.value("document.querySelectorAll('#stage rect.leaf').length") == 1801


def test_what_has_to_close_for_a_block_to_open_is_said(
    opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = shipped("inception_v4")
    monkeypatch.setattr("netspec.draw.formats.html._MOST_WORK", 600)
    page = opened(page_of(graph, depth=0))
    for path in ("stem1", "module_a4", "module_b7", "module_c3"):
        page.click(*page.middle(knob(path)))
        assert page.value(f"{place(path)}.getAttribute('aria-expanded')") == "true"
    assert "closed to make room: " in page.value("document.getElementById('help').textContent")


def test_a_block_whose_picture_is_not_in_the_page_has_no_sign(
    opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.formats.html._MOST_WORK", 1)
    page = opened(page_of(shipped("resnet50"), depth=0))
    assert page.value("document.querySelectorAll('[data-block]').length") > 0
    assert page.value("document.querySelectorAll('.knob, [aria-expanded]').length") == 0
    assert page.value("document.getElementById('blocks').hidden") is True

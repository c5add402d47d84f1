"""What a reader does with the interactive page, in a headless Chromium where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import CHROMIUM, Browser, browser
from support.pages import (
    FOCUSED,
    HINT,
    HOSTILE,
    LINE,
    SHOWN,
    every,
    hostile,
    knob,
    line,
    page_of,
    pictures,
    place,
    words,
)
from support.shelves import shipped

from netspec.draw import draw
from netspec.graph.checked import Graph


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


def test_a_click_on_the_sign_opens_and_closes_every_block_of_that_name(opened: Opens) -> None:
    graph = shipped("resnet50")
    held = pictures(page_of(graph))
    page = opened(page_of(graph, depth=0))
    assert page.value(SHOWN) == words(held[frozenset()])
    page.click(*page.middle(knob("stage1")))
    assert page.value(SHOWN) == words(held[every("stage")])
    page.click(*page.middle(knob("stage2.bottleneck4")))
    assert page.value(SHOWN) == words(held[every("stage", "bottleneck")])
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
    page = opened(page_of("resnet50"))
    page.point(*page.middle(place("stage2.bottleneck4.conv2")))
    told = page.value(HINT)
    assert told.startswith("stage2.bottleneck1…4.conv2")
    assert "kernel 3×3 · stride 1 · padding 1" in told
    assert "128×28×28 → 128×28×28" in told
    assert "147,712 parameters · 116 M MACs" in told
    page.point(700, 880)
    assert page.value(HINT) == ""


def test_a_click_on_a_box_shows_its_line(opened: Opens) -> None:
    page = opened(page_of("resnet50"), height=400)
    page.click(*page.middle(place("conv1")))
    assert page.value(LINE) == "conv7-64/2; maxpool3/2(pad=1)"
    page.click(*page.middle(place("stage1.bottleneck3.conv2")))
    assert page.value(LINE).strip().startswith("conv3-(widen*n)")
    assert page.value("document.querySelectorAll('li.here').length") == 1
    _, y = page.middle("document.querySelector('li.here')")
    assert 0 < y < 400


def test_a_click_on_a_line_shows_the_boxes_it_made(opened: Opens) -> None:
    page = opened(page_of("vgg16"))
    line = "[...document.querySelectorAll('li')].find(e => /conv3-256/.test(e.textContent))"
    page.value(f"{line}.scrollIntoView()")
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
    assert page.value(SHOWN) == words(held[every("stage")])
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
    page = opened(page_of("googlenet"))
    page.value(f"{place('conv1')}.focus({{focusVisible: true}})")
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    nameless = (
        "[...document.querySelectorAll('[tabindex]')].filter(e => !e.getAttribute('aria-label'))"
    )
    assert page.value(f"{nameless}.length") == 0


def test_the_picture_fits_the_window_or_is_shown_at_any_size(opened: Opens) -> None:
    page = opened(page_of("googlenet"))
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
    page = opened(page_of("resnet50"), width=390, height=844)
    _, picture = page.middle("document.getElementById('stage')")
    _, spec = page.middle("document.getElementById('text')")
    assert picture < spec < 844
    assert page.value("document.documentElement.scrollWidth") <= 390


def test_colours_follow_the_reader(opened: Opens) -> None:
    page = page_of("vgg16", theme="auto")
    background = "getComputedStyle(document.body).backgroundColor"
    assert opened(page).value(background) == "rgb(255, 255, 255)"
    assert opened(page, dark=True).value(background) == "rgb(15, 19, 25)"


def test_hostile_text_does_nothing_but_stand_there(opened: Opens) -> None:
    page = opened(page_of(hostile()))
    page.click(*page.middle("document.getElementById('open')"))
    page.point(*page.middle(place("b1.c1")))
    assert page.value("window.hacked") is None
    assert page.value("document.images.length") == 0
    assert HOSTILE in page.value("document.title")
    assert page.value("document.querySelector('li').textContent") == f"# {HOSTILE}"


def test_without_its_script_the_page_shows_the_picture_and_the_spec(opened: Opens) -> None:
    page = page_of("resnet50")
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
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 1600)
    page = opened(page_of(graph, depth=0))
    for path in ("stem1", "module_a4", "module_b7", "module_c3"):
        page.click(*page.middle(knob(path)))
        assert page.value(f"{place(path)}.getAttribute('aria-expanded')") == "true"
    assert "closed to make room: " in page.value("document.getElementById('help').textContent")


def test_a_block_whose_picture_is_not_in_the_page_has_no_sign(
    opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 1)
    page = opened(page_of(shipped("resnet50"), depth=0))
    assert page.value("document.querySelectorAll('[data-block]').length") > 0
    assert (
        page.value("document.querySelectorAll('#stage .knob, #stage [aria-expanded]').length") == 0
    )
    assert page.value("document.getElementById('blocks').hidden") is True


OPENED = "[...document.querySelectorAll('#stage g[aria-expanded=true]')].map(e => e.dataset.path)"


def test_a_sign_opens_one_block_alone_and_shift_does_too(opened: Opens) -> None:
    page = opened(page_of("resnet50", depth=1))
    stages = [f"stage{i}" for i in range(1, 5)]
    assert page.value(OPENED) == stages
    page.point(*page.middle(place("stage2.bottleneck4")))
    page.click(*page.middle(knob("stage2.bottleneck4", "alone")))
    assert page.value(OPENED) == [*stages[:2], "stage2.bottleneck1", *stages[2:]]
    assert page.value(SHOWN).count("bottleneck ×3") == 1
    page.click(*page.middle(knob("stage2.bottleneck1")), shift=True)
    assert page.value(OPENED) == stages
    page.value(f"{place('stage3.bottleneck6')}.focus()")
    page.press("Enter", shift=True)
    assert "stage3.bottleneck1" in page.value(OPENED)
    assert page.value(FOCUSED) == "stage3.bottleneck1"


def test_a_repeat_unfolds_and_folds_again(opened: Opens) -> None:
    graph = shipped("vgg16")
    page = opened(page_of(graph))
    before = page.value(SHOWN)
    page.click(*page.middle(knob("conv4", "copies")))
    assert page.value(SHOWN) == words(str(draw([graph], unfold=("conv3",))))
    assert "3×3 conv, 128 ×2" not in page.value(SHOWN)
    page.value(f"{place('conv3')}.focus()")
    page.press("u")
    assert page.value(SHOWN) == before


def test_pointing_at_a_repeat_tells_one_copy_and_all(opened: Opens) -> None:
    page = opened(page_of("vgg16"))
    page.point(*page.middle(place("conv7")))
    told = page.value(HINT).split("\n")
    assert told[0] == "conv5…7 ×3"
    assert "590,080 parameters · 1.85 G MACs" in told
    assert told[-1] == "all 3: 1,475,328 parameters · 4.62 G MACs"


def test_pointing_at_a_line_tells_what_it_carries(opened: Opens) -> None:
    page = opened(page_of("resnet50"))
    middle = f"{line('conv1', 'maxpool1')}.nextElementSibling"
    page.point(*page.middle(middle))
    assert page.value(HINT).split("\n") == ["64×112×112", "conv1 → maxpool1"]
    page.value(f"{place('conv1')}.focus()")
    page.press("ArrowRight")
    while page.value(FOCUSED) is None and "conv1 → maxpool1" not in page.value(HINT):
        page.press("ArrowRight")
    assert page.value(HINT).split("\n") == ["64×112×112", "conv1 → maxpool1"]


def test_the_wheel_zooms_to_where_the_pointer_is(opened: Opens) -> None:
    page = opened(page_of("googlenet"), width=900, height=600)
    spot = place("inception4a")
    page.click(*page.middle("document.getElementById('full')"))
    page.value(f"{spot}.scrollIntoView({{block: 'center', inline: 'center'}})")
    width = "document.querySelector('#stage svg').clientWidth"
    before, (x, y) = page.value(width), page.middle(spot)
    page.wheel(x, y, -240)
    page.wait(f"{width} > {before}")
    assert page.middle(spot) == pytest.approx((x, y), abs=3)
    page.wheel(x, y, 240)
    page.wait(f"Math.abs({width} - {before}) < 2")
    for key, factor in (("+", 1.25), ("-", 1.0)):
        page.press(key)
        assert page.value(width) == pytest.approx(before * factor, abs=2)
    page.press("0")
    size, stage = (
        page.value(f"(e => [e.clientWidth, e.clientHeight])(document.querySelector('{what}'))")
        for what in ("#stage svg", "#stage")
    )
    assert size[0] <= stage[0]
    assert size[1] <= stage[1]


def test_the_picture_is_dragged_and_the_click_that_ends_it_is_none(opened: Opens) -> None:
    page = opened(page_of("googlenet"), width=900, height=600)
    page.click(*page.middle("document.getElementById('full')"))
    x, y = page.middle(place("conv1"))
    page.drag(x, y, -120, -60)
    assert page.middle(place("conv1")) == pytest.approx((x - 120, y - 60), abs=2)
    assert page.value(LINE) is None
    page.click(*page.middle(place("maxpool1")))
    assert page.value(LINE) is not None


def test_two_fingers_zoom(opened: Opens) -> None:
    page = opened(page_of("googlenet"), width=390, height=844)
    width = "document.querySelector('#stage svg').clientWidth"
    before = page.value(width)
    page.pinch(180, 300, 40, 80)
    assert page.value(width) == pytest.approx(2 * before, rel=0.02)


def test_what_is_searched_is_marked_counted_and_gone_through(opened: Opens) -> None:
    page = opened(page_of("resnet50", depth=1), width=1000, height=500)
    marked = "[...document.querySelectorAll('#stage .hit')].map(e => e.dataset.path)"
    now = "document.querySelector('#stage .now').dataset.path"
    count = "document.getElementById('count').textContent"
    page.press("/")
    page.write("conv 3x3 128x28x28")
    assert page.value(marked) == ["stage2.bottleneck4"]
    assert page.value(count) == "4 found, 4 of them in what is closed"
    page.value("document.getElementById('search').select()")
    page.write("pool")
    assert page.value(marked) == ["maxpool1", "gap1"]
    assert page.value(count) == "2 found"
    for path, said in (("maxpool1", "1 of 2"), ("gap1", "2 of 2"), ("maxpool1", "1 of 2")):
        page.press("Enter")
        assert (page.value(now), page.value(count)) == (path, said)
        assert page.value(HINT).startswith(path)
        x, y = page.middle(place(path))
        assert 0 < x < 1000
        assert 0 < y < 500
    page.press("Enter", shift=True)
    assert page.value(now) == "gap1"
    page.value("document.getElementById('search').select()")
    page.write("lstm")
    assert (page.value(marked), page.value(count)) == ([], "nothing found")
    page.press("Escape")
    assert page.value("document.getElementById('search').value") == ""


def test_the_reader_turns_the_light_on_and_off(opened: Opens) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    box = "getComputedStyle(document.querySelector('#stage rect.conv')).fill"
    pressed = "document.getElementById('theme').getAttribute('aria-pressed')"
    light, night = "rgb(255, 255, 255)", "rgb(15, 19, 25)"
    asked: list[tuple[dict[str, str], bool]] = [({}, True), ({}, False)]
    asked += [({"theme": "light"}, True), ({"theme": "dark"}, False)]
    for choices, dark in asked:
        page = opened(page_of("vgg16", **choices), dark=dark)
        starts_dark = choices.get("theme", "dark" if dark else "light") == "dark"
        assert page.value(background) == (night if starts_dark else light)
        assert page.value(pressed) == str(starts_dark).lower()
        fill = page.value(box)
        page.click(*page.middle("document.getElementById('theme')"))
        assert page.value(background) == (light if starts_dark else night)
        assert page.value(box) != fill


def test_the_spec_wraps_and_closes(opened: Opens) -> None:
    page = opened(page_of("resnet50"))
    text = "document.getElementById('text')"
    assert page.value(f"{text}.scrollWidth <= {text}.clientWidth")
    shown = page.value("document.getElementById('stage').clientWidth")
    page.click(*page.middle("document.getElementById('shut')"))
    assert page.value("document.getElementById('stage').clientWidth") > shown
    assert page.value("document.activeElement.id") == "spec"
    page.press("Enter")
    assert page.value("document.getElementById('stage').clientWidth") == shown


def test_in_flow_blocks_open_alone(opened: Opens) -> None:
    page = opened(page_of("googlenet", style="flow", depth=0))
    page.point(*page.middle(place("inception4b")))
    page.click(*page.middle(knob("inception4b", "alone")))
    assert page.value(OPENED) == ["inception4b"]
    page.point(*page.middle(place("inception4b.conv2")))
    assert "kernel 1×1" in page.value(HINT)


@pytest.mark.parametrize("style", ["fold", "flow"])
def test_no_sign_is_cut_or_covered(opened: Opens, style: str) -> None:
    """What lies at the middle of each sign is the sign, of which the picture shows all."""
    page = opened(page_of("googlenet", style=style, depth=0))
    found = page.value("""[...document.querySelectorAll("#stage .knob")].map((knob) => {
      const b = knob.getBoundingClientRect();
      const all = document.querySelector("#stage svg").getBoundingClientRect();
      const top = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
      const whole = b.left >= all.left && b.right <= all.right && b.top >= all.top;
      return [knob.contains(top), whole];
    })""")
    assert len(found) > 10
    assert all(seen and whole for seen, whole in found)


def test_the_sign_of_copies_covers_no_figure_of_a_card_of_two_blocks(
    opened: Opens, net: Callable[..., Graph]
) -> None:
    text = "block unit { conv3-8(pad=same); relu; conv1-8 }\nblock three { unit x3 }\n"
    page = opened(page_of(net(f"{text}three; maxpool2; three; gap"), depth=1))
    # By how much a sign reaches below the upper edge of a line of words beside it, in pixels.
    found = page.value("""[...document.querySelectorAll("#stage .knob.copies")].flatMap((knob) => {
      const b = knob.getBoundingClientRect();
      return [...document.querySelectorAll("#stage text:not(.knob text)")]
        .map((text) => text.getBoundingClientRect())
        .filter((t) => t.left < b.right && b.left < t.right && t.top < b.bottom && b.top < t.bottom)
        .map((t) => (b.bottom - t.top) / t.height);
    })""")
    assert page.value('document.querySelectorAll("#stage .knob.copies").length') == 2
    assert all(share < 0.5 for share in found)


def test_nets_side_by_side_are_told_apart(opened: Opens) -> None:
    nets = [shipped(name) for name in ("vgg19", "resnet34")]
    page = opened(page_of(*nets, style="columns"))
    for path, kernel in (("conv2", "kernel 3×3 · stride 1 · padding 1"), ("conv1", "kernel 7×7")):
        page.point(*page.middle(f"document.querySelector('g[data-path={path}]')"))
        assert kernel in page.value(HINT)
    told = "[...document.querySelectorAll('path.w')].map(e => e.getAttribute('aria-label'))"
    assert "64×112×112: conv1 → maxpool1" in page.value(told)
    assert "64×224×224: conv2 → maxpool1" in page.value(told)
    assert "input → conv2" in page.value(told)[0]

"""What is opened by hand: blocks by name or alone, repeats copy by copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from support.pages import words
from support.pictures import read_picture
from support.shelves import shipped

from netspec.diagnostics.raised import NetspecError
from netspec.draw import draw
from netspec.graph.checked import Graph


def shown(graph: Graph, **choices: Any) -> list[str]:
    """The words of a picture below its title."""
    return words(str(draw([graph], **choices)))[3:]


def titled(found: list[str], name: str) -> list[str]:
    """The titles among words that begin with a block's name: what it is told has commas."""
    return [text for text in found if text.startswith(name) and "," not in text]


def opened(graph: Graph, **choices: Any) -> list[str]:
    """The paths of the blocks that show what they hold, in fold."""
    picture = str(draw([graph], **choices))
    block = r'data-path="([^"]*)" data-block="[^"]*"><title>[^<]*</title>'
    return re.findall(rf'{block}<rect[^>]* class="block open"', picture)


@pytest.mark.parametrize("style", ["fold", "flow"])
def test_a_full_path_opens_one_block_and_what_is_around_it(style: str) -> None:
    graph = shipped("resnet50")
    assert opened(graph, expand=("stage3.bottleneck3",), style=style) == [
        "stage3",
        "stage3.bottleneck3",
    ]
    assert opened(shipped("googlenet"), expand=("inception4b",), style=style) == ["inception4b"]


def test_a_name_or_a_glob_opens_all_of_that_name() -> None:
    graph = shipped("resnet50")
    found = shown(graph, expand=("stage",))
    assert titled(found, "stage") == [
        f"stage{i}: bottleneck ×{n}" for i, n in enumerate((3, 4, 6, 3), 1)
    ]
    for glob in ("stage[12]", "*age2"):
        assert shown(graph, expand=(glob,)) == found


def test_the_repeat_around_what_is_open_alone_is_folded_on_both_sides() -> None:
    found = shown(shipped("resnet50"), expand=("stage3.bottleneck4",))
    assert titled(found, "bottleneck") == ["bottleneck ×3", "bottleneck4", "bottleneck ×2"]
    assert "first: /2, + projection" in found
    first = shown(shipped("resnet50"), expand=("stage3.bottleneck1",))
    assert titled(first, "bottleneck") == ["bottleneck1", "bottleneck ×5"]
    last = shown(shipped("resnet50"), expand=("stage3.bottleneck6",))
    assert titled(last, "bottleneck") == ["bottleneck ×5", "bottleneck6"]


def test_connections_past_what_is_open_alone_are_kept(net: Callable[..., Graph]) -> None:
    """Units that read all before them still do, on both sides of the one that is open."""
    text = "block unit { concat { | conv3-4 } }\nunit x6\ngap; fc-3"
    graph = net(text)
    picture = read_picture(str(draw([graph], expand=("unit3",))))
    assert list(picture.faults()) == []
    assert titled(shown(graph, expand=("unit3",)), "unit") == [
        "unit ×2",
        "unit3",
        "unit ×3",
    ]


@pytest.mark.parametrize("unfold", ["stage2", "stage2.bottleneck1", "stage2.bottleneck4"])
def test_a_repeat_is_unfolded_by_a_copy_or_by_the_block_it_is_in(unfold: str) -> None:
    graph = shipped("resnet50")
    found = shown(graph, unfold=(unfold,), depth=1)
    assert titled(found, "bottleneck") == ["bottleneck"] * 4
    assert [t for t in found if "×" in t and "bottleneck" in t] == [
        "stage1: bottleneck ×3",
        "stage3: bottleneck ×6",
        "stage4: bottleneck ×3",
    ]


def test_a_name_unfolds_all_repeats_of_it() -> None:
    found = shown(shipped("resnet50"), unfold=("bottleneck",), depth=0)
    assert found.count("bottleneck") == 3 + 4 + 6 + 3
    assert shown(shipped("resnet50"), unfold=("stage*",), depth=0) == found


def test_repeated_layers_unfold() -> None:
    found = shown(shipped("vgg16"), unfold=("conv1",))
    assert found.count("3×3 conv, 64") == 2
    assert "3×3 conv, 128 ×2" in found
    every = shown(shipped("vgg16"), unfold=("conv*",))
    assert sum(t.startswith("3×3 conv") for t in every) == 13


def test_layers_that_take_turns_unfold_one_by_one() -> None:
    found = shown(shipped("swin_t"), unfold=("stage3.layer3",), depth=0)
    assert titled(found, "layer") == ["layer"] * 6 + ["layer norm"]


RECURRENT = """input x: 8x6
input h: 5
block cell(x) of h { { | @x | @h }; concat; fc-5; tanh }
@h
for x_t in @x { cell(@x_t) as c }
fc-3"""


@pytest.mark.parametrize("style", ["fold", "flow"])
def test_the_passes_of_a_recurrence_unfold(style: str, net: Callable[..., Graph]) -> None:
    graph = net(RECURRENT)
    picture = str(draw([graph], unfold=("x_t1",), style=style, depth=0))
    paths = set(re.findall(r'data-path="(x_t\d)"', picture))
    assert paths == {f"x_t{i}" for i in range(1, 7)}
    folded = str(draw([graph], depth=0))
    assert "x_t ×6" in folded
    assert "x_t ×6" not in picture


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"expand": ("stge",)}, "no block matches `stge`.*its blocks are stage, bottleneck"),
        ({"unfold": ("stage9",)}, r"no repeat matches `stage9`.*stage1.bottleneck1 \(×3\)"),
    ],
)
def test_what_nothing_matches_is_refused_with_what_there_is(
    choice: dict[str, Any], said: str
) -> None:
    with pytest.raises(NetspecError, match=re.compile(said, re.DOTALL)) as caught:
        draw([shipped("resnet50")], **choice)
    assert caught.value.status == 2


def test_a_net_without_blocks_or_repeats_says_so(net: Callable[..., Graph]) -> None:
    with pytest.raises(NetspecError, match="the net has no blocks"):
        draw([net("relu")], expand=("x",))
    with pytest.raises(NetspecError, match="nothing in the net is repeated"):
        draw([net("relu")], unfold=("x",))


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("resnet50", {"unfold": ("bottleneck",)}),
        ("resnet50", {"expand": ("stage3.bottleneck4",)}),
        ("densenet121", {"unfold": ("dense1",)}),
        ("swin_t", {"unfold": ("layer",)}),
        ("nasnet_mobile", {"unfold": ("*",)}),
        ("inception_v4", {"expand": ("module_b4",), "unfold": ("module_c",)}),
        ("wrn28_10", {"unfold": ("*",)}),
    ],
)
def test_nothing_overlaps_in_what_is_opened(name: str, choices: dict[str, Any]) -> None:
    picture = read_picture(str(draw([shipped(name)], **choices)))
    assert list(picture.faults()) == []


def test_marks_and_what_is_open_alone_do_not_fold_into_the_first_of_a_run() -> None:
    """The first of a run may differ from the others; what is open alone is none of the others."""
    found = shown(shipped("resnet50"), expand=("stage1.bottleneck2",))
    assert titled(found, "bottleneck") == [
        "bottleneck",
        "bottleneck2",
        "bottleneck",
    ]


def test_columns_unfold_what_they_fold() -> None:
    graph = shipped("resnet101")
    folded = read_picture(str(draw([graph], style="columns")))
    opened = read_picture(str(draw([graph], style="columns", unfold=("stage3",))))
    assert len(opened.leaves) > len(folded.leaves) + 60
    assert list(opened.faults()) == []


def test_dot_text_opens_the_same() -> None:
    graph = shipped("resnet50")
    folded = str(draw([graph], format="dot", depth=1))
    unfolded = str(draw([graph], format="dot", depth=1, unfold=("stage2",)))
    assert folded.count("bottleneck ×4") == 1
    assert "bottleneck ×4" not in unfolded
    assert unfolded.count("bottleneck ×6") == folded.count("bottleneck ×6") == 1


def test_repeats_of_a_block_that_holds_one_other_are_open_without_that_one(
    net: Callable[..., Graph],
) -> None:
    text = "block inner { conv3-8(pad=same); conv1-8 }\nblock unit { inner }\nblock three { unit x3 }\n"
    graph = net(f"{text}three; unit; gap")

    def shown(*names: str, depth: int = 0) -> list[str]:
        picture = str(draw([graph], expand=names, depth=depth))
        return [text for text in words(picture) if "conv" in text]

    assert shown("three", "unit") == []
    assert len(shown("three", "unit", "inner")) == 4
    assert len(shown("three", "inner")) == 4
    assert shown(depth=2) == ["3×3 conv, 8", "1×1 conv, 8"]
    assert len(shown(depth=3)) == 4

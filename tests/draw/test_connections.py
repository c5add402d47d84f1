"""Every line of a picture is known by what it comes from, what it leads to and what it carries."""

from __future__ import annotations

import pytest
from support.pages import packed, page_of, pictures
from support.shelves import others, shipped

from netspec.draw.formats.carrying import Carrying
from netspec.draw.formats.connections import Connection, _Shape, connections
from netspec.draw.formats.facts import Facts
from netspec.draw.formats.states import Folded
from netspec.draw.scene import Box, Group, Scene, Wire
from netspec.draw.structure.reading import _Reader
from netspec.draw.styles.flow import flow
from netspec.draw.view import View
from netspec.elaborate.build import build
from netspec.syntax.files import read_spec

PLAIN = (
    "resnet50",
    "googlenet",
    "unet",
    "nasnet_mobile",
    "densenet121",
    "fractalnet20",
    "unetpp",
)


@pytest.mark.parametrize("name", [*PLAIN, *others(PLAIN)])
def test_every_line_of_a_page_carries_something_of_the_net(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shape is only told where the net has a connection between what the line joins."""
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 4000)
    lines = packed(page_of(shipped(name), depth=1))["lines"]
    assert lines
    # What is drawn above the net's inputs carries nothing.
    assert [text for text in lines if "\n" not in text and "what enters the net" not in text] == []


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_every_line_of_flow_is_a_connection_of_the_graph(name: str) -> None:
    view = View(shipped(name))
    carrying = Carrying(Facts(view), {})
    found = connections(flow(view)).values()
    assert len(found) > 20
    for connection in found:
        assert connection.sources
        assert connection.targets
        assert "\n" in carrying.of(connection)


def test_a_line_of_flow_to_what_is_shown_once_says_what_all_copies_read() -> None:
    lines = packed(page_of(shipped("densenet121"), style="flow", depth=1))["lines"]
    assert lines
    assert [text for text in lines if "\n" not in text and "what enters the net" not in text] == []


def test_what_is_folded_reads_itself_and_what_is_before_it() -> None:
    facts = Facts(View(shipped("resnet50")))
    copies = {"stage2.bottleneck4": Folded("", tuple(f"stage2.bottleneck{i}" for i in range(1, 5)))}
    inner = Connection(("stage1",), ("stage2.bottleneck4.conv1",), ("stage2", "stage2.bottleneck4"))
    told = "256×56×56 or 512×28×28\nstage1 and stage2.bottleneck1…4 → stage2.bottleneck1…4.conv1"
    assert Carrying(facts, copies).of(inner) == told
    assert Carrying(facts, {}).of(Connection((), ("conv1",), ())) == "what enters the net → conv1"


def box(path: str, x: float, y: float, *inner: Group | Wire, h: float = 20) -> Group:
    return Group((Box(x, y, 40, h, "block", "open"), *inner), None, path)


def scene(*items: Group | Wire) -> Scene:
    return Scene(items, 400, 400, "", "")


def joined(picture: Scene) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(c.sources, c.targets) for c in connections(picture).values()]


def test_lines_are_followed_over_forks_joins_and_borders() -> None:
    a, b, c = box("a", 0, 0), box("b", 0, 60), box("c", 80, 60)
    trunk = Wire(((20, 20), (20, 40)), arrow=False)
    forks = Wire(((20, 40), (20, 60))), Wire(((20, 40), (100, 40), (100, 60)))
    assert joined(scene(a, b, c, trunk, *forks)) == [
        (("a",), ("b", "c")),
        (("a",), ("b",)),
        (("a",), ("c",)),
    ]
    side = Wire(((20, 30), (100, 30), (100, 60)))
    assert joined(scene(a, b, c, Wire(((20, 20), (20, 60))), side)) == [
        (("a",), ("b",)),
        (("a",), ("c",)),
    ]
    inner = Wire(((20, 82), (20, 90)))
    outer = box("outer", 0, 60, inner, box("outer.x", 0, 90), h=80)
    assert joined(scene(a, outer, Wire(((20, 20), (20, 60))))) == [
        (("a",), ("outer.x",)),
        (("a",), ("outer",)),
    ]


def test_lines_that_lead_round_in_a_circle_end() -> None:
    square = [(0.0, 0.0), (50.0, 0.0), (50.0, 50.0), (0.0, 50.0), (0.0, 0.0)]
    sides = [Wire((square[i], square[i + 1])) for i in range(4)]
    assert joined(scene(*sides)) == [((), ())] * 4


def test_a_line_is_compared_with_what_is_near_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows as the picture does: open blocks are not compared with all lines."""
    looked = []
    is_met = _Shape.is_met
    monkeypatch.setattr(_Shape, "is_met", lambda self, at: looked.append(at) or is_met(self, at))

    def work(count: int) -> int:
        blocks = [
            box(f"b{i}", 0, 100 * i, Wire(((20, 100 * i), (20, 100 * i + 30))), h=60)
            for i in range(count)
        ]
        wires = [Wire(((20, 100 * i + 60), (20, 100 * i + 100))) for i in range(count - 1)]
        looked.clear()
        joined(scene(*blocks, *wires))
        return len(looked)

    assert work(400) < 2.1 * work(200)


def test_a_net_is_read_once_for_all_pictures_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat that is shown copy by copy makes no other net of it, but where it is a recurrence."""
    read = []
    whole = _Reader.whole
    monkeypatch.setattr(_Reader, "whole", lambda self: read.append(self) or whole(self))
    monkeypatch.setattr("netspec.draw.formats.states.MOST_WORK", 4000)
    held = pictures(page_of(build(read_spec("resnet50"))))
    assert any("×" in sign for signs in held for sign in "".join(signs))
    assert len(read) == 1

"""A net that is used as a block gives what its `output` line names."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec
from netspec.diagnostics.raised import NetspecError

HEADS = """net heads(n=4)
input 3x8x8
conv1-n as a
conv1-5 as b; conv1-6
{ | identity | relu } as both
output a, both, b

net wider = heads(n=7)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "heads.ns").write_text(HEADS)
    return tmp_path


def channels(folder: Path, text: str) -> list[int]:
    """The channels of each output of a net that is written beside `heads.ns`."""
    path = folder / "user.ns"
    path.write_text(text)
    return [output.value.type.shape[0] for output in netspec.load(path).graph.outputs]


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("heads", [4, 6, 6, 5]),
        ("heads(n=9)", [9, 6, 6, 5]),
        ("heads(until=b)", [5]),
        ("heads; concat", [21]),
        ("heads as h; @h.a", [4]),
        ("heads as one; @input; heads", [4, 6, 6, 5]),
    ],
)
def test_a_net_as_a_block_gives_its_outputs(folder: Path, step: str, found: list[int]) -> None:
    """What flowed out at its end was given before, and the others nothing read, in silence."""
    assert channels(folder, f"import heads\ninput 3x8x8\n{step}\n") == found


def test_a_variation_as_a_block_gives_the_outputs_of_its_net(folder: Path) -> None:
    text = "import wider from heads\ninput 3x8x8\nwider as w, x, y, z\noutput w, z\n"
    assert channels(folder, text) == [7, 5]


def test_an_output_that_is_not_there_is_said_where_it_is_named(folder: Path) -> None:
    text = HEADS.partition("\nnet wider")[0].replace("output a, both", "output a, bth")
    (folder / "heads.ns").write_text(text)
    with pytest.raises(NetspecError) as error:
        channels(folder, "import heads\ninput 3x8x8\nheads; concat\n")
    assert "`bth`" in str(error.value)
    assert "did you mean" in str(error.value)
    assert "heads.ns:6" in str(error.value)

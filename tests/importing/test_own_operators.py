"""Every operator's own examples, written as files and read again: the same steps, and a fixed point.

What does not come back is listed in `support.own_examples` by why, so that a new operator comes back or
is listed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.differential import OPERATORS
from support.own_examples import (
    LONGER,
    REFUSED,
    SHORTER,
    SIZES,
    SPELLINGS,
    TRAINED,
    Example,
)

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.graph.same import same
from netspec.importing.imported import import_file
from netspec.importing.same_files import same_files
from netspec.importing.structure.text import tokens
from netspec.passes.deploy import deploy

EXAMPLES = [(kind.spelling, *example) for kind in OPERATORS for example in kind.examples]
SAME_FILE = TRAINED | SIZES | SPELLINGS
OTHERWISE = {*SAME_FILE, *SHORTER, *LONGER}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example[0]}: {example[2]}")
def test_an_example_comes_back(example: Example, tmp_path: Path) -> None:
    _, declared, step = example
    net = netspec.load(f"input {declared}\n{step}\n")
    net.to_onnx(tmp_path / "net.onnx", optimize=False)
    if example in REFUSED:
        with pytest.raises(NetspecError, match="no step does anything"):
            import_file(tmp_path / "net.onnx")
        return
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    assert (same(deploy(net.graph), found.graph) is not None) == (example not in OTHERWISE)
    if example in OTHERWISE:
        found.save_weights(tmp_path / "net.safetensors")
        again = netspec.load(found.text)
        again.to_onnx(tmp_path / "again.onnx", optimize=False, weights=tmp_path / "net.safetensors")
        alike = same_files(tmp_path / "net.onnx", tmp_path / "again.onnx")
        steps = found.text.split("\n", 3)[3]
        longer = tokens(steps) > tokens(step)
        assert (alike, longer and not alike) == (example in SAME_FILE, example in LONGER)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example[0]}: {example[2]}")
def test_what_comes_back_is_a_fixed_point(example: Example, tmp_path: Path) -> None:
    if example in REFUSED:
        pytest.skip("nothing comes back")
    _, declared, step = example
    netspec.load(f"input {declared}\n{step}\n").to_onnx(tmp_path / "net.onnx", optimize=False)
    first = import_file(tmp_path / "net.onnx")
    netspec.load(first.text).to_onnx(tmp_path / "again.onnx", optimize=False)
    again = import_file(tmp_path / "again.onnx")
    assert same(first.graph, again.graph) is not None


def test_what_is_listed_is_an_example_once() -> None:
    every = [*REFUSED, *TRAINED, *SIZES, *SPELLINGS, *SHORTER, *LONGER]
    assert len(set(every)) == len(every)
    assert set(every) <= set(EXAMPLES)

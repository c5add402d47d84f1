"""Sums that run along a sequence come back as `scan`: of any decay, and in nets made of them.

Of the files of nets those whose names say nothing are plain: what is found in them is found with names too.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from support.onnx_files import scrambled

import netspec
from netspec.importing.imported import Imported, import_file
from netspec.ops.vectors.scan import Scan

# What decays, and the text that it comes back as.
DECAYS = {
    "a tensor": "conv1-4(act=sigmoid) as k",
    "one at all places": "gap; sigmoid; reshape((4, 1, 1)) as k",
    "one for each row": "parameter(4x3); sigmoid; reshape((4, 3, 1)) as k",
    "numbers of each channel": "parameter(4); sigmoid; reshape((4, 1, 1)) as k",
    "numbers of each step": "parameter(1x3x7); sigmoid as k",
    "one number": "constant(0.5, shape=1); reshape((1, 1, 1)) as k",
}
OPEN = {word: text for word, text in DECAYS.items() if "7" not in text}
slow = pytest.mark.slow
NETS = {
    "rwkv4_169m": {"n": 8, "layers": 2, "words": 20},
    "mamba_130m": {"n": 32, "layers": 2, "words": 20},
}


def read(net: netspec.Net, folder: Path, *, blind: bool = False) -> Imported:
    folder.mkdir(exist_ok=True)
    path = folder / "net.onnx"
    net.to_onnx(path, optimize=False)
    if blind:
        scrambled(path, path)
    return import_file(path)


def fixed(net: netspec.Net, folder: Path, *, blind: bool = False) -> Imported:
    """What a net's file is read as, proven, and as which its own file is read too."""
    found = read(net, folder, blind=blind)
    assert found.proof is not None
    assert read(netspec.load(found.text), folder / "again").text == found.text
    return found


@pytest.mark.parametrize("decay", DECAYS)
def test_a_scan_of_known_length_comes_back(decay: str, tmp_path: Path) -> None:
    text = f"input 4x3x7\nrelu as x; {DECAYS[decay]}; @x; scan(@k)\n"
    found = fixed(netspec.load(text), tmp_path)
    assert isinstance(found.graph.nodes[-1].op, Scan)


# One of tensors of the net's and one of weights; what others decay by is in those of known length.
@pytest.mark.parametrize(
    "decay",
    [
        decay if decay in ("a tensor", "one for each row") else pytest.param(decay, marks=slow)
        for decay in OPEN
    ],
)
def test_a_scan_of_any_length_comes_back(decay: str, tmp_path: Path) -> None:
    text = f"input 4x3xT\nrelu as x; {DECAYS[decay]}; @x; scan(@k)\n"
    found = fixed(netspec.load(text), tmp_path)
    assert isinstance(found.graph.nodes[-1].op, Scan)
    assert not found.held


def test_numbers_that_are_no_products_of_each_other_are_no_scan(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    text = "input 4x7\nrelu as x; parameter(4x1); sigmoid as k; @x; scan(@k)\n"
    netspec.load(text).to_onnx(path, optimize=False)
    assert "scan(" in import_file(path).text
    model = onnx.load(path)
    products = [node for node in model.graph.node if node.op_type == "Mul"]
    share = next(node for node in products if node.output[0] in model.graph.node[-1].input)
    kept = next(node for node in products if node.output[0] == share.input[0])
    kept.input[1] = next(node for node in products if node.output[0] == kept.input[0]).input[0]
    onnx.save(model, path)
    assert "scan" not in import_file(path).text


@pytest.mark.parametrize("blind", [pytest.param(False, marks=slow), True])
@pytest.mark.parametrize("name", NETS)
def test_nets_of_scans_come_back(name: str, blind: bool, tmp_path: Path) -> None:
    net = netspec.load(name, **NETS[name])
    found = fixed(net, tmp_path, blind=blind)
    many = [sum(isinstance(n.op, Scan) for n in graph.nodes) for graph in (net.graph, found.graph)]
    assert many[0] == many[1] > 0

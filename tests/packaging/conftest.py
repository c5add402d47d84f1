"""A package of a small net, in every precision, that the tests read or copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from netspec.backends.quantize.quantize import Quantization, quantizing
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.packaging.package import Request, package
from netspec.syntax.files import read_spec
from netspec.verify.samples import noise
from netspec.weights.sources import Seeded

SPEC = """net small(n=8)
paper "Nobody, A small net, 2026"
error top1=12.5, on="CIFAR-10 test", source="nowhere"
preprocess resize=20, crop=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3)
import block unit from parts
input 3x16x16
unit(n); gap; fc-5; softmax
"""
PARTS = "block unit(n) { conv3-n(pad=1, norm=bn, act=relu); residual { conv3-n(pad=1) } }\n"


@pytest.fixture(scope="session")
def spec_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("specs")
    (folder / "small.ns").write_text(SPEC)
    (folder / "parts.ns").write_text(PARTS)
    return folder


@pytest.fixture(scope="session")
def graph(spec_folder: Path) -> Graph:
    return build(read_spec(str(spec_folder / "small.ns")))


def request(graph: Graph, **changes: Any) -> Request:
    """What is asked for: every precision, not verified."""
    stage = quantizing(noise(graph, 0, 8), Quantization())
    usual = {"weights": "initial, seed 0", "trained": False, "dtypes": ("fp32", "fp16")}
    return Request(**{**usual, "quantize": stage, "verify": False, **changes})


@pytest.fixture(scope="session")
def written(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that no test changes."""
    folder = tmp_path_factory.mktemp("packages") / "small"
    package(graph, folder, Seeded(0), request(graph, verify=True, license="mit"))
    return folder


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(written, tmp_path / "small"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

"""The package in a browser's Python: Pyodide, run by node, makes the same bytes as this one.

It needs node and, in the checkout, the package that `npm install --no-save pyodide@314.0.7` brings.
Pyodide 314 is Python 3.14.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import lark
import pytest
from support.places import ROOT
from support.shelves import BLOCKS, LECTURES

PYODIDE = ROOT / "node_modules" / "pyodide"
SCRIPT = "tests/light/digests.py"
# Small nets that hold every operator and every block of the library that the lectures' nets and their
# building blocks hold, and the shapes of picture that there are: columns, a lattice, long ways around.
# Which pictures are made of one follows from its place: those whose pages are large stand where no page is.
PLAIN = """
    alexnet captioning deconvnet fast_rcnn fractalnet20 googlenet_bn inception_reduced lecun1989 lenet5_1998
    neocognitron prelunet_a resnet20_cifar se_resnet50 sentence_cnn shufflenet_v1 tdnn shufflenet_v2 unet vae
    vgg_ensemble window_tagger
    blocks/contrast_norm blocks/inverted_bottleneck blocks/shuffle_unit blocks/sobel blocks/squeeze_excite
""".split()

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not PYODIDE.is_dir(),
    reason="needs node and `npm install --no-save pyodide@314.0.7`",
)


def _printed(command: list[str]) -> Any:
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(
            [name for name in LECTURES + BLOCKS if name not in PLAIN],
            id="others",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_shipped_spec_is_checked_counted_and_drawn_alike(
    tmp_path: Path, names: list[str]
) -> None:
    # Only what the core may import: nothing else is there to be found.
    for package in (click, lark):
        folder = Path(package.__file__).parent
        shutil.copytree(folder, tmp_path / folder.name)
    runner = ROOT / "tests" / "light" / "pyodide.mjs"
    theirs = _printed(["node", str(runner), str(PYODIDE), str(tmp_path), str(ROOT), SCRIPT, *names])
    ours = _printed([sys.executable, str(ROOT / SCRIPT), *names])
    assert [*ours] == names
    assert theirs == ours

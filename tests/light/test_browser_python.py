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
from support.shelves import BLOCKS, LECTURES, SIBLINGS

PYODIDE = ROOT / "node_modules" / "pyodide"
SCRIPT = "tests/light/digests.py"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not PYODIDE.is_dir(),
    reason="needs node and `npm install --no-save pyodide@314.0.7`",
)


def _printed(command: list[str]) -> Any:
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([name for name in LECTURES + BLOCKS if name not in SIBLINGS], id="others"),
        pytest.param(sorted(SIBLINGS), id="siblings", marks=pytest.mark.slow),
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

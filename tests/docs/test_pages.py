"""Every code block of the README and the documentation runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from support.places import ROOT
from support.tools import tools

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?P<marks>(?:<!--[^>]*-->\s*\n)*)```(?P<language>\w+)\n(?P<text>.*?)```", re.S
)


def blocks(*languages: str, elsewhere: tuple[str, ...] = ()) -> list[object]:
    """The blocks in these languages; those under `<!-- not run: why -->` are left out.

    So are those of pages that are run `elsewhere`.
    """
    found = []
    for page in PAGES:
        if page.name in elsewhere:
            continue
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            if block["language"] in languages and "not run" not in block["marks"]:
                line = text[: block.start("text")].count("\n") + 1
                found.append(pytest.param(block["text"], id=f"{page.name}:{line}"))
    return found


@pytest.fixture
def shell(tmp_path):
    """Runs a script where `netspec` and `python` are those of `support/tools.py`."""
    for name in ("specs", "examples", "benchmarks", "docs"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    environment = {**os.environ, "PATH": f"{tools()}{os.pathsep}{os.environ['PATH']}"}

    def run(script: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


# The gallery's commands are run where what they draw is compared: `tests/draw/test_gallery.py`.
@pytest.mark.parametrize("text", blocks("bash", elsewhere=("gallery.md",)))
def test_commands_run(text, shell):
    done = shell(["bash", "-euo", "pipefail", "-c", text])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text, shell):
    done = shell(["python", "-c", text])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("ns"))
def test_specs_build(text):
    """A block without an input is built on a small image."""
    inputs = () if re.search(r"^\s*input\b", text, re.M) or "net " in text else ("16x32x32",)
    build(Source("<documentation>", text), {}, inputs)


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"

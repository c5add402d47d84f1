"""Every code block of the README and the documentation runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from support.places import ROOT

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(?P<marks>(?:<!--[^>]*-->\s*\n)*)```(?P<language>\w+)\n(?P<text>.*?)```", re.S
)


def blocks(*languages: str) -> list[object]:
    """The blocks in these languages; those under `<!-- not run: why -->` are left out."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            if block["language"] in languages and "not run" not in block["marks"]:
                line = text[: block.start("text")].count("\n") + 1
                found.append(pytest.param(block["text"], id=f"{page.name}:{line}"))
    return found


@pytest.fixture
def shell(tmp_path):
    """Runs a script where `netspec` and `python` are those of these tests."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, arguments in (("netspec", "-m netspec "), ("python", "")):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        tool.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("specs", "examples", "benchmarks", "docs"):
        if (ROOT / name).exists():
            (work / name).symlink_to(ROOT / name)
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }

    def run(script: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            script, cwd=work, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize("text", blocks("bash"))
def test_commands_run(text, shell):
    done = shell(["bash", "-euo", "pipefail", "-c", text])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text, shell):
    done = shell([sys.executable, "-c", text])
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

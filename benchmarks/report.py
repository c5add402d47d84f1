"""What the benchmarks share: the machine they ran on, their options, the JSON they write."""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from netspec.backends.switches import cores, processor
from netspec.system.atomic import write_text


def machine(*packages: str) -> dict[str, Any]:
    """The machine, and the versions of netspec and of these distributions."""
    return {
        "processor": processor(),
        "cores": cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        "netspec": version("netspec-networks"),
        **{package: version(package) for package in packages},
    }


def options(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """A parser with `--output` and `--rounds`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, help="write the figures here as JSON")
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def kept(output: Path | None) -> dict[str, Any]:
    """What the file that figures go to holds already; nothing where there is none."""
    found: dict[str, Any] = {}
    if output and output.exists():
        found = json.loads(output.read_text(encoding="utf-8"))
    return found


def write(found: dict[str, Any], output: Path | None, *, quiet: bool = False) -> None:
    """Prints the figures unless `quiet`, and writes them where a file is given, whole or not at all."""
    text = json.dumps(found, indent=2)
    if not quiet:
        print(text)
    if output:
        output.parent.mkdir(exist_ok=True)
        write_text(output, text + "\n")

"""Files of torch's exporters read as specs: `python benchmarks/imports.py FILE.onnx... [-o imports.json]`.

Each file is read as it is and with all its names scrambled. For each: nodes, steps and tokens of the text,
seconds, and what was proven or why nothing was.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.onnx_files import scrambled

from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.importing.imported import import_file
from netspec.syntax.lexer import Lexer
from netspec.syntax.parse import terminals


def tokens(text: str) -> int:
    """The tokens of a spec, as the language has them; ends of lines are none."""
    words = Lexer(terminals(), Source("", text), Collector(), DEFAULT, set()).tokens()
    return sum(word.type != "_SEP" for word in words)


def figures(path: Path) -> dict[str, Any]:
    """What reading one file gives."""
    start = time.perf_counter()
    try:
        found = import_file(path)
    except NetspecError as refusal:
        return {"refused": str(refusal).splitlines()[0].replace(str(path), path.name)[:400]}
    return {
        "nodes": found.nodes,
        "steps": len(found.graph.nodes) - len(found.graph.inputs),
        "tokens": tokens(found.text),
        "seconds": round(time.perf_counter() - start, 2),
        "proof": None if found.proof is None else found.proof.as_json(),
    }


def main() -> None:
    """Reads the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("benchmarks/results/imports.json")
    )
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in given.files:
            blind = Path(folder) / "blind.onnx"
            scrambled(path, blind)
            results[path.stem] = {"named": figures(path), "scrambled": figures(blind)}
            print(path.stem, json.dumps(results[path.stem]), file=sys.stderr)
    given.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

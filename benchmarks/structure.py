"""Shipped nets written as ONNX files and read back: how short the specs are, how fast, and whether proven.

`python benchmarks/structure.py [NET ...] [--forms plain,...] [--light] [--proven N]` reads the file of each
net, with its names and with all of them replaced by numbers, and the file of the text that this gives: the
same text again. It adds what it finds to benchmarks/results/structure.json; without nets it goes through
those that are not in it, so that it can be stopped. `--light` runs half as many nets: the file without names
is read and its text compared, but only the file with names is run beside its spec.

Of nets of more than `--proven` parameters the files are hollow, as `hollow.py` writes them: they are read,
but not run. Their rows have no `error`, and say with `proven_by` which smaller net of the same spec was run,
null where none was.

The forms of a file: `folded` as `netspec compile` writes it, `plain` with every step as it stands,
`opset13` and `opset22`, `blocks` with functions. `hand` counts the tokens of the net's own text and of
those that it imports.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hollow import hollow
from specs.test_length import length
from support.onnx_files import FORMS, scrambled

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.importing import imported
from netspec.importing.proof import Proof
from netspec.syntax.files import read_spec, shipped_file, shipped_names

RESULT = Path(__file__).parent / "results" / "structure.json"
# Parameters of the largest net that is run beside its spec by default.
PROVEN = 100e6


def hand(name: str) -> int:
    """Tokens that the authors of a net's spec wrote: its text, and those of the shipped files it needs."""
    found, waiting = 0, [name]
    known: set[Path] = set()
    while waiting:
        current = waiting.pop()
        file = shipped_file(current)
        if file is None or file[0] in known:
            continue
        known.add(file[0])
        text = file[0].read_text(encoding="utf-8")
        found += length(text.partition("\nnet ")[0] if text.startswith("net ") else text)
        heads = (line for line in read_spec(current).text.splitlines() if line.startswith("net "))
        for line in (*text.splitlines(), *heads):
            words = line.replace("=", " ").replace("(", " ").split()
            if words[:1] == ["import"]:
                waiting.append(words[-1])
            if words[:1] == ["net"] and len(words) > 2:
                waiting.append(words[2])
    return found


def parameters(graph: Any) -> int:
    """How many numbers a net's weights are."""
    return sum(
        math.prod(weight.shape)
        for node in graph.nodes
        if node.owner == node.path
        for weight in node.op.weights(*node.input_types)
    )


def figures(path: Path, *, proven: bool = True) -> tuple[dict[str, Any], str | None]:
    """What reading one file gives, and its text; `seconds` without the proof's."""
    spent = 0.0

    def timed(*given: Any) -> Proof | None:
        nonlocal spent
        started = time.process_time()
        proof = prove(*given) if proven else None
        spent = time.process_time() - started
        return proof

    started, prove = time.process_time(), imported.prove
    imported.prove = timed  # type: ignore[assignment]
    try:
        found = imported.import_file(path)
    except NetspecError as refusal:
        reason = str(refusal).splitlines()[0].replace(str(path), path.name)
        return {"refused": reason[:300]}, None
    finally:
        imported.prove = prove
    seconds = time.process_time() - started - spent
    row = {"nodes": found.nodes, "tokens": length(found.text), "seconds": round(seconds, 2)}
    if found.proof is not None:
        row["error"] = found.proof.error
    return row, found.text


def measured(name: str, form: str, *, light: bool = False, empty: bool = False) -> dict[str, Any]:
    """The figures of one net's file.

    `light` proves it with its names alone; `empty` files are hollow, and not proven.
    """
    net = netspec.load(name)
    row: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if empty:
            stack.enter_context(hollow())
        # The net is called after its file.
        places = [Path(folder) / part / f"{net.graph.name}.onnx" for part in ("a", "b", "c")]
        for place in places:
            place.parent.mkdir()
        net.to_onnx(places[0], **FORMS[form])
        row["named"], text = figures(places[0], proven=not empty)
        if text is None:
            return row
        scrambled(places[0], places[1], data=not empty)
        row["scrambled"], blind = figures(places[1], proven=not light and not empty)
        again: dict[str, str | None] = {}
        for own, told in (("named", text), ("scrambled", blind)):
            if told is None:
                continue
            if told not in again:
                netspec.load(told).to_onnx(places[2], optimize=False)
                again[told] = figures(places[2], proven=False)[1]
            row[own]["fixed"] = again[told] == told
    return row


def sibling(name: str, known: Mapping[str, Any], form: str) -> str | None:
    """The net with the fewest nodes of the same spec whose file was run beside its text."""
    file = shipped_file(name)
    found = [
        (row[form]["named"]["nodes"], other)
        for other, row in known.items()
        if "error" in row.get(form, {}).get("named", {})
        and (there := shipped_file(other)) is not None
        and file is not None
        and there[0] == file[0]
    ]
    return min(found)[1] if found else None


def main() -> None:
    """Measures the nets that are named, or those that are not in the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*")
    parser.add_argument("--forms", default="folded")
    parser.add_argument("--light", action="store_true", help="prove files with their names alone")
    parser.add_argument(
        "--proven", type=float, default=PROVEN, help="parameters of the largest net that is run"
    )
    given = parser.parse_args()
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    every = [*shipped_names("lectures"), *shipped_names("today")]
    sizes = {name: parameters(netspec.load(name).graph) for name in given.nets or every}
    for name in sorted(sizes, key=lambda name: sizes[name]):
        for form in given.forms.split(","):
            if not given.nets and form in known.get(name, {}):
                continue
            empty = sizes[name] > given.proven
            row = measured(name, form, light=given.light, empty=empty)
            if empty:
                row["proven_by"] = sibling(name, known, form)
            known.setdefault(name, {"hand": hand(name)})[form] = row
            print(name, form, json.dumps(row), flush=True)
            RESULT.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

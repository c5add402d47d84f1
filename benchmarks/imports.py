"""Files of torch's exporters read as specs: `python benchmarks/imports.py FOLDER [NAME...]`.

The folder's files are those that `benchmarks/import_nets.py FOLDER` writes, or `import_words_nets.py`, whose
results `-o benchmarks/results/imports_words.json` keeps. Each is read as it is and with
all its names scrambled. For each: nodes, steps and tokens of the text, tokens of the
spec written by hand, processor seconds of reading and of all of it, and what was proven or why nothing was.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.onnx_files import scrambled

import netspec.importing.imported as importing
from netspec.diagnostics.raised import NetspecError

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/imports.json"
KINDS = {"ts": "traced", "dyn": "dynamo", "open": "open", "mask": "masked", "time": "length"}
# Shipped specs of the same nets, by the names of `import_nets`, where they are called otherwise.
HAND = {
    "bert_4x256": "bert_base",
    "ghostnet_100": "ghostnet",
    "gpt2_4x256": "gpt2",
    "llama_4x256": "tinyllama",
    "mixer_s16_224": "mixer_s16",
    "nasnetalarge": "nasnet_large",
    "res2net50_26w_4s": "res2net50",
    "resnet101": "resnet101_v1_5",
    "resnet50": "resnet50_v1_5",
    "resnext101_64x4d": "resnext101_32x8d",
    "seresnet50": "se_resnet50",
    "shufflenet_v2_x1_0": "shufflenet_v2",
    "t5_encoder_4x256": "t5_small_encoder",
    "wide_resnet50_2": "wide_resnet50_2",
}


def length(text: str) -> int:
    """The tokens of a text, as the tests of the shipped specs count them: of steps, defaults and blocks."""
    sys.path.insert(0, str(ROOT / "tests/specs"))
    from test_length import length as counted

    return int(counted(text))


def by_hand(name: str) -> int | None:
    """The tokens of the shipped spec of a net, which another may be a variation of; None where none is."""
    for folder in (ROOT / "specs", ROOT / "specs/today"):
        path = folder / f"{HAND.get(name, name)}.ns"
        if path.exists():
            return length(path.read_text()) or None
    return None


def figures(path: Path) -> dict[str, Any]:
    """What reading one file gives."""
    proving = 0.0
    prove = importing.prove

    def timed(*given: Any) -> Any:
        nonlocal proving
        begin = time.process_time()
        try:
            return prove(*given)
        finally:
            proving += time.process_time() - begin

    importing.prove = timed  # type: ignore[assignment]
    start = time.process_time()
    try:
        found = importing.import_file(path)
    except NetspecError as refusal:
        reason = str(refusal).splitlines()[0].replace(str(path), path.name)
        return {"refused": re.sub(r"\S*/(\S+\.onnx)", r"\1", reason)[:400]}
    whole = time.process_time() - start
    return {
        "nodes": found.nodes,
        "steps": len(found.graph.nodes) - len(found.graph.inputs),
        "tokens": length(found.text),
        "reading": round(whole - proving, 2),
        "seconds": round(whole, 2),
        "held": list(found.held),
        "proof": None if found.proof is None else found.proof.as_json(),
    }


def apart(paths: list[Path]) -> dict[str, Any]:
    """The files of one net, as they are and scrambled, in a process that gives its memory back."""
    given = [sys.executable, __file__, "--one", *map(str, paths)]
    told = subprocess.run(given, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def both(paths: list[Path]) -> dict[str, Any]:
    """Figures of some files by how each was written."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            word, blind = KINDS[path.stem.rpartition(".")[2]], Path(folder) / "blind.onnx"
            found[word] = figures(path)
            scrambled(path, blind)
            found[f"{word}_scrambled"] = figures(blind)
    return found


def summary(nets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Figures of all the files together."""
    runs = [run for net in nets.values() for run in net.values() if isinstance(run, dict)]
    proven = [run for run in runs if run.get("proof")]
    return {
        "nets": len(nets),
        "files": len(runs) // 2,
        "read": len(runs),
        "proven": len(proven),
        "bitwise": sum(run["proof"]["bitwise"] for run in proven),
        "worst": max((run["proof"]["error"] for run in proven), default=0.0),
        "slowest_reading": max((run["reading"] for run in proven if "reading" in run), default=0.0),
    }


def main() -> None:
    """Reads the files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="nets; all by default")
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    given = parser.parse_args()
    nets: dict[str, dict[str, Any]] = {}
    if given.names and given.output.exists():
        nets = json.loads(given.output.read_text())["nets"]
    versions = json.loads((given.folder / "versions.json").read_text())
    files: dict[str, list[Path]] = {}
    for path in sorted(given.folder.glob("*.onnx")):
        name, _, kind = path.stem.rpartition(".")
        if kind in KINDS:
            files.setdefault(name, []).append(path)
    for name in given.names or files:
        nets[name] = {"hand": by_hand(name), **apart(files[name])}
        print(name, json.dumps(nets[name]), file=sys.stderr, flush=True)
        result = {
            "versions": versions,
            "summary": summary(nets),
            "nets": dict(sorted(nets.items())),
        }
        given.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(both([Path(path) for path in sys.argv[2:]])))
    else:
        main()

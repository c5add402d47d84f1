"""What Model Explorer shows of the shipped nets: its groups against the blocks of the specs.

Needs `pip install ai-edge-model-explorer model-explorer-onnx`, the viewer and its reader of ONNX files.
Run `python benchmarks/viewers.py`; the result is benchmarks/results/viewers.json. Each shipped net's
graph is read as the viewer reads it. A net passes where the groups of its nodes are the blocks
around its steps, every one. `shapes_untold` counts tensors that the viewer shows as `[?]`: of unknown
rank, or vectors of a length that nothing but the batch tells.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import netspec
from netspec.backends.onnx.compile import prepared
from netspec.backends.onnx.lowering import lower
from netspec.foundation.version import __version__
from netspec.syntax.files import shipped_names

RESULTS = Path(__file__).parent / "results" / "viewers.json"
TOOLS = ("ai-edge-model-explorer", "model-explorer-onnx", "onnx")


def blocks(paths: list[str]) -> set[str]:
    """The blocks around steps, each with those around it."""
    found = set()
    for path in paths:
        components = path.split(".")[:-1]
        found |= {"/".join(components[: i + 1]) for i in range(len(components))}
    return found


def read(name: str, path: Path) -> dict[str, Any]:
    """How the viewer sees one net."""
    from model_explorer_onnx.main import ONNXAdapter

    graph = prepared(netspec.load(name).graph)
    # Without its weights, which say nothing of groups.
    path.write_bytes(lower(graph).proto.SerializeToString())
    (shown,) = ONNXAdapter().convert(str(path), {})["graphs"]
    steps = [node for node in shown.nodes if node.label not in ("Initializer", "Input", "Output")]
    # The viewer puts all of a graph into a group of its own.
    inside = {node.id: node.namespace.partition("/")[2] for node in steps}
    groups = set()
    for namespace in filter(None, inside.values()):
        parts = namespace.split("/")
        groups |= {"/".join(parts[: i + 1]) for i in range(len(parts))}
    untold = [
        node.id
        for node in steps
        for item in node.outputsMetadata
        if not any(attr.key == "tensor_shape" and "[?]" not in attr.value for attr in item.attrs)
    ]
    return {
        "nodes": len(steps),
        "groups": len(groups),
        "groups_are_blocks": groups == blocks([n.path for n in graph.nodes if n.inputs]),
        "shapes_untold": len(untold),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="nets to look at; all shipped ones by default")
    args = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.names or (shipped_names("lectures") + shipped_names("blocks")):
            found[name] = read(name, Path(folder) / "model.onnx")
            print(name, found[name], flush=True)
    wrong = [n for n, x in found.items() if not x["groups_are_blocks"]]
    tools = {"netspec": __version__, **{tool: version(tool) for tool in TOOLS}}
    if not args.names:
        RESULTS.write_text(json.dumps({"tools": tools, "nets": found}, indent=1) + "\n")
    print(f"{len(found) - len(wrong)} of {len(found)} nets show their blocks")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""How short specs become from flat graphs: tokens by hand, with scopes and without names; seconds.

`python benchmarks/structure.py [NET ...]` writes benchmarks/results/structure.json and prints the table.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from importing.structure.test_structured import built, flat, original, scopes_of, scrambled
from specs.test_length import length

from netspec.graph.same import same
from netspec.importing.structure.find import structured
from netspec.syntax.files import read_spec

NETS = (
    "resnet50 googlenet vgg16 densenet121 mobilenet_v2 inception_v3 unet swin_t nasnet_large "
    "resnet1202_cifar resnet50_v1_5 resnext50_32x4d se_resnet50 shufflenet_v2 fractalnet20 hrnet_w18 "
    "unetpp yolov8n efficientnet_b0 convnext_tiny vit_b_16 maxvit_t detr_resnet50 fasterrcnn_resnet50_fpn"
).split()
RESULT = Path(__file__).parent / "results" / "structure.json"


def measured(name: str) -> dict[str, object]:
    """The figures of one net."""
    graph = flat(original(name))
    cases = {
        "kinds": (graph, scopes_of(original(name), graph, kinds=True)),
        "scopes": (graph, scopes_of(original(name), graph, kinds=False)),
        "nothing": (scrambled(graph), {}),
    }
    row: dict[str, object] = {"net": name, "nodes": len(graph.nodes)}
    row["hand"] = length(read_spec(name).text) or None
    for case, (given, scopes) in cases.items():
        started = time.process_time()
        text = structured(given, scopes)
        seconds = time.process_time() - started
        assert same(given, built(text)) is not None
        row[case] = {"tokens": length(text), "seconds": round(seconds, 2)}
    return row


def main() -> None:
    """Measures the nets that are named, or those that the results hold."""
    rows = []
    for name in sys.argv[1:] or NETS:
        row = measured(name)
        rows.append(row)
        print(json.dumps(row), flush=True)
    if not sys.argv[1:]:
        RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

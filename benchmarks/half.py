"""Half precision over every shipped net: how far it is off, what stays in single, how large the file is.

    python benchmarks/half.py -o benchmarks/results/half.json
    python benchmarks/half.py lenet5 resnet50

For each net, with weights under which every layer's values have size 1 and without its last softmax: the
largest difference of the file in half precision from PyTorch in double, relative to the largest output;
that of PyTorch with every layer rounded to half; the steps that stay in float32 with what demanded them;
the file's bytes over those of the file in single precision; and the nodes of both, by operator. A net of
more than 40 billion multiply-adds is taken at a smaller input, as `netspec verify` does. Nets that the
output file has already are not run again. Each net runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from report import kept, machine, options


def measured(name: str) -> dict[str, Any]:
    """One net's figures."""
    import netspec
    from netspec.backends.onnx.compile import compile_graph, prepared
    from netspec.backends.onnx.guard import check_model
    from netspec.backends.onnx.options import FileOptions
    from netspec.backends.ranges import measuring
    from netspec.backends.runtime import Session
    from netspec.verify.compare import Reference
    from netspec.verify.samples import noise, sample_inputs
    from netspec.verify.size import reduced
    from netspec.verify.tolerance import HALF
    from netspec.verify.weights import fitted

    start = time.perf_counter()
    graph = netspec.load(name).graph
    small = reduced(graph)
    net = prepared(small.graph if small else graph, logits=True)
    source = fitted(net)
    found: dict[str, Any] = {"net": name, "input": small.change if small else None}
    with tempfile.TemporaryDirectory() as folder:
        plain, half = Path(folder) / "plain.onnx", Path(folder) / "half.onnx"
        bytes_ = []
        for path, file in ((plain, FileOptions()), (half, FileOptions(dtype="fp16"))):
            written = compile_graph(net, path, file, source=source, measure=measuring(noise(net)))
            bytes_.append(sum(p.stat().st_size for p in (path, *written.data)))
        precision = written.precision
        assert precision is not None
        nodes = [Counter(n.op_type for n in check_model(p).graph.node) for p in (plain, half)]
        inputs = sample_inputs(net, seed=7)
        outputs = Session(half, most=None).run(inputs).outputs
        single = Session(plain, most=None).run(inputs).outputs
    reference = Reference(net, source, limits=HALF)
    cases = reference.cases(outputs, inputs, 1, 7)
    exact = Reference(net, source).cases(single, inputs, 1, 7)
    return found | {
        "error": max(case.error for case in cases),
        "error_of_rounding_every_layer": max(case.torch_error for case in cases),
        "error_in_single": max(case.error for case in exact),
        "steps": precision.steps,
        "fp32": [str(island) for island in precision.islands],
        "size_ratio": bytes_[1] / bytes_[0],
        "nodes": dict(nodes[0]),
        "casts": nodes[1]["Cast"] - nodes[0]["Cast"],
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> None:
    """Measures nets, each in a process of its own, and writes the figures as they come."""
    parser = options(__doc__, 1)
    parser.add_argument("nets", nargs="*", help="shipped nets; all by default")
    parser.add_argument("--one", help="the figures of one net, for the benchmark itself")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one)))
        return
    from netspec.syntax.files import shipped_names

    nets = given.nets or [*shipped_names("lectures"), *shipped_names("today")]
    rows = kept(given.output).get("nets", [])
    for name in nets:
        if any(row["net"] == name for row in rows):
            continue
        run = [sys.executable, __file__, "--one", name]
        done = subprocess.run(run, capture_output=True, text=True)
        row = json.loads(done.stdout) if not done.returncode else None
        rows.append(row or {"net": name, "failed": done.stderr.strip().splitlines()[-1:]})
        print(json.dumps(rows[-1]), flush=True)
        if given.output:
            about = machine("onnx", "onnxruntime-gpu", "torch", "numpy")
            figures = {"machine": about, "nets": sorted(rows, key=lambda r: str(r["net"]))}
            given.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How long `netspec compile` and `netspec check` take, as whole processes, beside what else there is.

    python -m pip install -c constraints.txt ".[torch]" onnxscript
    python benchmarks/compile.py [-o benchmarks/results/compile.json]

For each net, in one run and in turns, so that a busy machine is busy for all: `netspec compile`;
PyTorch building the same net and writing it with each of its two exporters; and the floor, a bare
interpreter that imports numpy and onnx, draws as many normals and writes as many bytes. Then
`netspec check` against a bare interpreter, and chains of 1,000, 10,000 and 100,000 layers.
Times are the least of the rounds, in seconds; memory is the peak of the process, in MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import machine, options, write

HERE = Path(__file__).parent
NETS = ("resnet50", "vgg16", "densenet121", "resnet152")
FLOOR = """
import sys, numpy as np, onnx
count, path = int(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(0)
with open(path, "wb") as file:
    for start in range(0, count, 1 << 20):
        file.write(random.standard_normal(min(1 << 20, count - start), dtype=np.float32).data)
"""


def measure(command: list[str], cwd: str) -> tuple[float, float]:
    """Seconds and peak MiB of one process."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    messages = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{messages.decode()}")
    return seconds, usage.ru_maxrss / 1024


def least(commands: dict[str, list[str]], rounds: int, cwd: str) -> dict[str, dict[str, float]]:
    """The least time and memory of each command over the rounds, the commands in turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].append(measure(command, cwd))
    return {
        name: {
            "seconds": round(min(s for s, _ in runs), 3),
            "peak_mib": round(min(m for _, m in runs), 1),
        }
        for name, runs in found.items()
    }


def netspec(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "netspec", *arguments]


def compile_times(name: str, rounds: int, folder: str) -> dict[str, Any]:
    measure(netspec("compile", name, "-o", "net.onnx"), folder)
    size = (Path(folder) / "net.onnx").stat().st_size
    export = "from plain_torch import export; export({!r}, {!r}, {})"
    commands = {
        "netspec": netspec("compile", name, "-o", "net.onnx"),
        "floor": [sys.executable, "-c", FLOOR, str(size // 4), "floor.bin"],
        "torch_torchscript": [sys.executable, "-c", export.format(name, "ts.onnx", False)],
        "torch_dynamo": [sys.executable, "-c", export.format(name, "dynamo.onnx", True)],
    }
    found: dict[str, Any] = least(commands, rounds, folder)
    ours = found["netspec"]["seconds"]
    exporters = [found[k]["seconds"] for k in ("torch_torchscript", "torch_dynamo")]
    found["bytes"] = size
    found["times_floor"] = round(ours / found["floor"]["seconds"], 2)
    found["faster_than_exporter"] = round(min(exporters) / ours, 2)
    return found


def chain_times(count: int, rounds: int, folder: str) -> dict[str, Any]:
    text = "net chain\ninput 4x8x8\n" + "conv1-4\n" * count
    (Path(folder) / "chain.ns").write_text(text)
    flags = ["--max-nodes", "200000", "--max-statements", "200000"]
    commands = {
        "check": netspec("check", "chain.ns", *flags),
        "compile": netspec("compile", "chain.ns", "-o", "chain.onnx", *flags),
    }
    found: dict[str, Any] = least(commands, rounds, folder)
    found["layers"] = count
    return found


def main() -> None:
    parser = options(__doc__, 3)
    parser.add_argument("--nets", nargs="*", default=NETS, choices=NETS)
    parser.add_argument("--chains", nargs="*", type=int, default=[1000, 10_000, 100_000])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "bare": [sys.executable, "-c", "pass"],
            "check_resnet152": netspec("check", "resnet152"),
        }
        found: dict[str, Any] = {
            "machine": machine("torch", "onnx", "numpy", "lark"),
            "check": least(commands, 2 * chosen.rounds, folder),
            "compile": {n: compile_times(n, chosen.rounds, folder) for n in chosen.nets},
            "chains": [chain_times(n, max(1, chosen.rounds - 1), folder) for n in chosen.chains],
        }
    write(found, chosen.output)


if __name__ == "__main__":
    main()

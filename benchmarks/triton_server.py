"""A Triton server on the loopback, from the wheel `nvidia-pytriton`; see serve.py.

The wheel has no backend for ONNX Runtime. `benchmarks/triton_backend.py` builds it; without it the server's
backend for Python runs the very same files through the onnxruntime package, and of a configuration
only the words that name the backend and the file differ.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY = 240.0

# Joins the requests that it is given, as the backend for ONNX Runtime does.
STAND_IN = """\
import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        config = json.loads(args["model_config"])
        self.joins = config["max_batch_size"] > 0
        self.inputs = {item["name"]: "reshape" in item for item in config["input"]}
        self.outputs = [item["name"] for item in config["output"]]

    def execute(self, requests):
        groups = [requests] if self.joins else [[request] for request in requests]
        return [response for group in groups for response in self._run(group)]

    def _run(self, requests):
        arrays = {
            name: [triton.get_input_tensor_by_name(r, name).as_numpy() for r in requests]
            for name in self.inputs
        }
        counts = [len(array) for array in next(iter(arrays.values()))]
        feeds = {
            name: (np.concatenate(held)[..., 0] if self.inputs[name] else np.concatenate(held))
            for name, held in arrays.items()
        }
        given = self.session.run(self.outputs, feeds)
        if len(requests) == 1:
            parts = [given]
        else:
            cuts = np.cumsum(counts)[:-1]
            parts = zip(*(np.split(array, cuts) for array in given))
        return [
            triton.InferenceResponse([triton.Tensor(n, a) for n, a in zip(self.outputs, part)])
            for part in parts
        ]
"""


class Server:
    """A running server: its ports, and what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], http: int, grpc: int, log: Path) -> None:
        self.process, self.log = process, log
        self.http, self.grpc = f"127.0.0.1:{http}", f"127.0.0.1:{grpc}"

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")


def stand_in(repository: Path) -> None:
    """Makes every ONNX model of a repository one of the backend for Python."""
    for config in repository.glob("*/config.pbtxt"):
        text = config.read_text()
        if 'backend: "onnxruntime"' in text:
            text = text.replace('backend: "onnxruntime"', 'backend: "python"')
            text = text.replace('filename: "model.onnx"', 'filename: "model.py"')
            config.write_text(text)
            for version in config.parent.glob("[0-9]*"):
                (version / "model.py").write_text(STAND_IN)


@contextmanager
def serving(
    engine: Path,
    repositories: Sequence[Path],
    work: Path,
    *,
    onnxruntime: Path | None = None,
    mode: str = "none",
    more: Sequence[str] = (),
) -> Iterator[Server]:
    """A server of these repositories for as long as the block lasts.

    `engine` is a virtual environment with nvidia-pytriton, numpy 1.26 and onnxruntime, and `onnxruntime`
    a folder with a backend of that name.
    """
    packages = next(engine.glob("lib/python*/site-packages")).absolute()
    root = packages / "pytriton" / "tritonserver"
    backends = work / "backends"
    if not backends.exists():
        shutil.copytree(root / "backends" / "python", backends / "python")
        minor = packages.parent.name.removeprefix("python")
        stub = root / "python_backend_stubs" / minor / "triton_python_backend_stub"
        shutil.copy(stub, backends / "python")
        if onnxruntime is not None:
            (backends / "onnxruntime").symlink_to(onnxruntime.absolute())
    http, grpc = _free(), _free()
    log = work / f"server-{http}.log"
    command = [
        str(root / "bin" / "tritonserver"),
        *(f"--model-repository={path}" for path in repositories),
        f"--backend-directory={backends}",
        f"--model-control-mode={mode}",
        *("--http-address=127.0.0.1", f"--http-port={http}"),
        *("--grpc-address=127.0.0.1", f"--grpc-port={grpc}"),
        *("--allow-metrics=false", "--exit-timeout-secs=5"),
        *more,
    ]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
        "PATH": f"{engine.absolute() / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "OMP_NUM_THREADS": "1",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    server = Server(process, http, grpc, log)
    try:
        _wait(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def version(server: Server) -> str:
    """The server's version, by its own word."""
    found = re.search(r"server_version\s*\|\s*([\d.]+)", server.text)
    return found[1] if found else "unknown"


def _wait(server: Server) -> None:
    end = time.monotonic() + READY
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{server.text[-4000:]}")
        try:
            with urllib.request.urlopen(f"http://{server.http}/v2/health/live", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the server did not come up:\n{server.text[-4000:]}")


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

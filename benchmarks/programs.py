"""The programs that read netspec's files, each behind one function: a file and arrays in, arrays out.

None of them is part of netspec's environment; `python benchmarks/consumers.py` runs those that are here.
Nothing but the program itself is imported, so that each has a process of its own.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netspec.foundation.records import record

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
# Reads the file at a path, runs it on arrays by input name and gives its outputs in order.
Reads = Callable[[Path, Arrays], list[Array]]

HERE = Path(__file__).parent
# Where `npm install --no-save onnxruntime-web` puts it in a checkout.
WEB = HERE.parent / "node_modules" / "onnxruntime-web" / "package.json"


@record
class Program:
    """A program that reads ONNX files: its name in print, how it comes, and the target that it is."""

    title: str
    package: str
    module: str
    target: str
    reads: Reads

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        if self.package == "npm":
            return WEB.exists() and shutil.which("node") is not None
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """The version that is installed."""
        if self.package == "npm":
            return str(json.loads(WEB.read_text(encoding="utf-8"))["version"])
        return importlib.metadata.version(self.package)


def onnxruntime(path: Path, inputs: Arrays) -> list[Array]:
    """ONNX Runtime on the CPU, eight bits summed exactly where the processor has no VNNI."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, inputs)
    return found


def onnxsim(path: Path, inputs: Arrays) -> list[Array]:
    """The file that onnxsim makes of it, in ONNX Runtime; an error where an open size is no longer."""
    import onnx
    import onnxsim as simplifier

    before = onnx.load(path)
    after, _ = simplifier.simplify(before)
    if _open_sizes(before) != _open_sizes(after):
        raise RuntimeError(f"open sizes {_open_sizes(before)} became {_open_sizes(after)}")
    with tempfile.TemporaryDirectory() as folder:
        simple = Path(folder) / "simple.onnx"
        onnx.save(after, simple)
        return onnxruntime(simple, inputs)


def _open_sizes(model: Any) -> dict[str, list[str]]:
    return {
        item.name: [dim.dim_param for dim in item.type.tensor_type.shape.dim]
        for item in model.graph.input
    }


def openvino(path: Path, inputs: Arrays) -> list[Array]:
    """OpenVINO on the CPU, told to compute in float32."""
    import openvino as ov

    core = ov.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    compiled = core.compile_model(core.read_model(path), "CPU", hints)
    known = {name for item in compiled.inputs for name in item.get_names()}
    found = compiled({name: array for name, array in inputs.items() if name in known})
    return [np.asarray(found[output]) for output in compiled.outputs]


def opencv(path: Path, inputs: Arrays) -> list[Array]:
    """OpenCV's dnn module."""
    import cv2
    import onnx

    names = [item.name for item in onnx.load(path, load_external_data=False).graph.output]
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(path))
    for name, array in inputs.items():
        net.setInput(array, name)
    return [np.asarray(found) for found in net.forward(names)]


def onnx2torch(path: Path, inputs: Arrays) -> list[Array]:
    """onnx2torch: a file made a module of PyTorch again."""
    import onnx
    import torch

    if "torchvision" not in sys.modules:
        # It is imported for two operators that netspec does not write, and has to fit torch.
        stub, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        vars(stub)["ops"] = ops
        vars(ops).update(nms=None, roi_align=None)
        sys.modules |= {"torchvision": stub, "torchvision.ops": ops}
    from onnx2torch import convert

    torch.set_num_threads(1)
    module = convert(onnx.load(path)).eval()
    with torch.no_grad():
        found = module(*(torch.from_numpy(array) for array in inputs.values()))
    return [item.numpy() for item in (found if isinstance(found, (tuple, list)) else (found,))]


_NODE: list[subprocess.Popen[str]] = []


def web(path: Path, inputs: Arrays) -> list[Array]:
    """ONNX Runtime Web in node: the WebAssembly that browsers run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feeds = {}
        for number, (key, array) in enumerate(inputs.items()):
            array.tofile(folder / f"in{number}")
            feeds[key] = {"type": array.dtype.name, "dims": array.shape, "file": f"in{number}"}
        (folder / "feeds.json").write_text(json.dumps(feeds), encoding="utf-8")
        said = _asked(f"{path}\t{name}\n")
        if said != "done":
            raise RuntimeError(said[-400:] or "node ended")
        found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        return [
            np.fromfile(folder / item["file"], item["type"]).reshape(item["dims"]) for item in found
        ]


def _asked(line: str) -> str:
    """What a node process, kept for all files, says to a line; empty where it ended."""
    if not _NODE:
        command = ["node", str(HERE / "programs_web.mjs")]
        pipe = subprocess.PIPE
        _NODE.append(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        )
    stdin, stdout = _NODE[0].stdin, _NODE[0].stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write(line)
    stdin.flush()
    said = stdout.readline()
    if not said:
        _NODE.pop().wait()
    return said.strip()


PROGRAMS: Mapping[str, Program] = {
    "onnxruntime": Program("ONNX Runtime", "onnxruntime-gpu", "onnxruntime", "ort", onnxruntime),
    "web": Program("ONNX Runtime Web", "npm", "", "web", web),
    "openvino": Program("OpenVINO", "openvino", "openvino", "openvino", openvino),
    "opencv": Program("OpenCV", "opencv-python-headless", "cv2", "opencv", opencv),
    "onnx2torch": Program("onnx2torch", "onnx2torch", "onnx2torch", "onnx2torch", onnx2torch),
    "onnxsim": Program("onnxsim", "onnxsim", "onnxsim", "ort", onnxsim),
}


def run(program: str, path: str, folder: str) -> None:
    """Runs a file in a program on `inputs.npz` of a folder; its outputs go to `PROGRAM.npz` there."""
    with np.load(Path(folder) / "inputs.npz") as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    found = PROGRAMS[program].reads(Path(path), inputs)
    np.savez(Path(folder) / f"{program}.npz", *found)

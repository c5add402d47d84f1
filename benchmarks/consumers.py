"""Which programs read netspec's files, and whether they compute what PyTorch does in double precision.

    python benchmarks/consumers.py                      every consumer that is installed
    python benchmarks/consumers.py openvino -k pool     one, on the cases with a word
    python benchmarks/consumers.py --nets --json FILE   shipped nets, the table as JSON

Each case is written in the form of the consumer's target (`netspec compile --for`), with weights
of which no two are alike, and its outputs are held to the module in float64: relative to the
largest value, within 32 times what PyTorch errs in float32 plus 1e-5. Consumers that are not
installed are left out; those run here are openvino==2026.4.1, opencv-python-headless==5.0.0.93 and
onnx2torch==1.5.15, in an environment of their own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import multiprocessing
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import netspec
from netspec.backends.onnx.compile import prepared
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.targets import target_named
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.differential import OPERATORS, Varied, inputs_for, legal, snippet

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]
# Reads the file at a path, runs it on arrays by input name and gives its outputs in order.
Accepts = Callable[[Path, Arrays], list[Array]]

# Nets with a layer of every kind that shipped nets have, none of which takes long.
NETS = (
    "alexnet",
    "autoencoder",
    "captioning",
    "densenet40_12",
    "fractalnet20",
    "googlenet",
    "inception_v3",
    "lenet5_1998",
    "mobilenet_v2",
    "nasnet_mobile",
    "neocognitron",
    "nin_cifar",
    "resnet50",
    "resnext50_32x4d",
    "se_resnet50",
    "sentence_cnn",
    "shufflenet_v1",
    "shufflenet_v2",
    "tdnn",
    "unet",
    "zfnet",
)


@record
class Consumer:
    """A program that reads ONNX files: the package it comes in, and the target that it is."""

    package: str
    module: str
    target: str
    accepts: Accepts

    @property
    def installed(self) -> bool:
        """Whether it can be imported here."""
        return importlib.util.find_spec(self.module) is not None


# --- consumers


def onnxruntime(path: Path, inputs: Arrays) -> list[Array]:
    """ONNX Runtime on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = ort.InferenceSession(str(path), options)
    found: list[Array] = session.run(None, inputs)
    return found


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

    net = cv2.dnn.readNetFromONNX(str(path))
    for name, array in inputs.items():
        net.setInput(array, name)
    return [np.asarray(found) for found in net.forward(_outputs(path))]


def onnx2torch(path: Path, inputs: Arrays) -> list[Array]:
    """onnx2torch: a file made a module of PyTorch again."""
    import onnx

    if "torchvision" not in sys.modules:
        # It is imported for two operators that netspec does not write, and has to fit torch.
        stub, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        vars(stub)["ops"] = ops
        vars(ops).update(nms=None, roi_align=None)
        sys.modules |= {"torchvision": stub, "torchvision.ops": ops}
    from onnx2torch import convert

    module = convert(onnx.load(path)).eval()
    with torch.no_grad():
        found = module(*(torch.from_numpy(array) for array in inputs.values()))
    return [item.numpy() for item in (found if isinstance(found, (tuple, list)) else (found,))]


CONSUMERS = {
    "onnxruntime": Consumer("onnxruntime-gpu", "onnxruntime", "ort", onnxruntime),
    "openvino": Consumer("openvino", "openvino", "openvino", openvino),
    "opencv": Consumer("opencv-python-headless", "cv2", "opencv", opencv),
    "onnx2torch": Consumer("onnx2torch", "onnx2torch", "onnx2torch", onnx2torch),
}


def _outputs(path: Path) -> list[str]:
    import onnx

    return [item.name for item in onnx.load(path).graph.output]


# --- cases


def cases(nets: bool, word: str) -> Iterator[tuple[str, Graph]]:
    """The cases with a word in their name: shipped nets, or every operator's examples."""
    if nets:
        for name in NETS:
            if word in name:
                yield name, netspec.load(name).graph
        return
    for kind in OPERATORS:
        for declared, step in kind.examples:
            name = f"input {declared.replace(chr(10), '; ')}; {step}"
            if word in name:
                yield name, snippet(declared, step)


@record
class Outcome:
    """How a consumer took a case: `right`, `refused` by netspec, `wrong` or `failed`, and why."""

    name: str
    state: str
    reason: str = ""


def outcome(consumer: Consumer, name: str, graph: Graph) -> Outcome:
    """Writes a case for a consumer, runs it there and compares; refused before writing is an outcome."""
    net, source = prepared(graph), Varied()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            target = target_named(consumer.target)
            write(lower(net, target=target), path, source)
        except NetspecError as error:
            return Outcome(name, "refused", error.diagnostics[0].problem.headline)
        arrays = inputs_for(net, 2, legal(net)[0])
        named = {node.path: array for node, array in zip(net.inputs, arrays, strict=True)}
        read = {value.node.path for node in net.nodes for value in node.inputs}
        read |= {output.value.node.path for output in net.outputs}
        try:
            found = consumer.accepts(path, {n: a for n, a in named.items() if n in read})
        except Exception as error:  # each program has exceptions of its own
            return Outcome(name, "failed", " ".join(str(error).split())[:300])
    return _compared(name, net, source, arrays, found)


def _compared(
    name: str, net: Graph, source: Any, arrays: list[Array], found: list[Array]
) -> Outcome:
    tensors = [torch.from_numpy(array) for array in arrays]
    single, double = to_module(net, source).eval(), to_module(net, source).eval().double()
    with torch.no_grad():
        ours = _listed(single(*tensors))
        exact = _listed(double(*(t.double() if t.is_floating_point() else t for t in tensors)))
    worst = 0.0
    for mine, truth, theirs in zip(ours, exact, found, strict=True):
        if truth.shape != theirs.shape:
            return Outcome(name, "wrong", f"its shape is {theirs.shape}, not {truth.shape}")
        scale = float(np.abs(truth).max(initial=0)) or 1.0
        allowed = 32 * float(np.abs(mine - truth).max(initial=0)) / scale + 1e-5
        error = float(np.abs(theirs - truth).max(initial=0)) / scale
        if not error <= allowed:
            return Outcome(name, "wrong", f"off by {error:.2g} of the largest value")
        worst = max(worst, error)
    return Outcome(name, "right", f"{worst:.1g}")


def _listed(outputs: Any) -> list[Array]:
    found = outputs if isinstance(outputs, tuple) else (outputs,)
    return [tensor.numpy() for tensor in found]


# --- the table


def _child(who: str, nets: bool, word: str, skip: int, pipe: Any) -> None:
    torch.set_num_threads(1)
    for index, (name, graph) in enumerate(cases(nets, word)):
        if index >= skip:
            pipe.send(name)
            pipe.send(outcome(CONSUMERS[who], name, graph))
    pipe.send(None)


def outcomes(who: str, nets: bool, word: str) -> Iterator[Outcome]:
    """How a consumer took each case, in a process beside: one that dies costs its case only."""
    context = multiprocessing.get_context("spawn")
    done = 0
    while True:
        here, there = context.Pipe()
        child = context.Process(target=_child, args=(who, nets, word, done, there))
        child.start()
        there.close()
        name = ""
        try:
            while (name := here.recv()) is not None:
                found = here.recv()
                done += 1
                yield found
            return
        except EOFError:
            done += 1
            yield Outcome(name, "failed", "the process died")
        finally:
            child.join()


def main() -> None:
    """Prints what is not right of each consumer, then a line of counts; the table goes to a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("consumer", nargs="*", help=", ".join(CONSUMERS))
    parser.add_argument("-k", dest="word", default="", help="only cases with this in their name")
    parser.add_argument("--nets", action="store_true", help="shipped nets instead of operators")
    parser.add_argument("--json", type=Path, help="where the table goes")
    given = parser.parse_args()
    table = {}
    for who in given.consumer or [name for name, item in CONSUMERS.items() if item.installed]:
        found = []
        for item in outcomes(who, given.nets, given.word):
            found.append(item)
            if item.state != "right":
                print(f"{who}: {item.state}: {item.name}: {item.reason}", flush=True)
        counts = Counter(item.state for item in found)
        version = importlib.metadata.version(CONSUMERS[who].package)
        print(
            f"{who} {version}: {', '.join(f'{n} {state}' for state, n in sorted(counts.items()))}"
        )
        rest = {
            item.name: f"{item.state}: {item.reason}" for item in found if item.state != "right"
        }
        table[who] = {"version": version, "counts": dict(sorted(counts.items())), "rest": rest}
    if given.json:
        given.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What the programs of `benchmarks/programs.py` are given: files, arrays, and what is right.

A case is an example of an operator, a shipped net, or a shipped net in another form of file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import netspec
from netspec.analysis.preprocessing import preprocessings
from netspec.backends.onnx.compile import compile_graph, optimized, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.targets import target_named
from netspec.backends.quantize.quantize import Quantization, decibels, quantizing
from netspec.backends.ranges import measuring
from netspec.diagnostics.raised import NetspecError
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.verify.compare import Reference
from netspec.verify.numbers import outputs
from netspec.verify.samples import Images, Run, noise, sample_inputs
from netspec.verify.size import multiply_adds, reduced
from netspec.verify.tolerance import HALF, SINGLE
from netspec.verify.weights import fitted
from netspec.weights.sources import WeightSource, named_weights

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.differential import OPERATORS, Varied, inputs_for, legal, snippet

ROOT = Path(__file__).parent.parent
# How far an output may be off, relative to the largest value of it in double precision.
LIMIT = 1e-4
# Samples at once: none of the programs may take the batch for one.
BATCH = 2
SEED = 7
# Drawn by 7, two neighbours of a point are within a rounding of each other: chance chooses.
SEEDS = {"dgcnn": 8}
# Signal to noise of an output in eight bits: weights that are not trained keep less than others.
DECIBELS = 15.0
# Multiply-adds of a sample above which a net is given a smaller image where it can, and is left out.
LARGE, TOO_LARGE = 1e9, 4e10
# Weights above which a net is left out: a program can hold them several times, and those nets have no
# layers that smaller ones lack.
MOST_WEIGHTS = 7e7

# Shipped nets in forms of file other than the default, which all of them have.
FORM_NETS = ("lenet5", "googlenet", "mobilenet_v2", "resnet18", "shufflenet_v1")
FORMS: Mapping[str, FileOptions] = {
    "-O0": FileOptions(optimize=False),
    "--opset 13": FileOptions(opset=13),
    "--batch 2": FileOptions(batch=BATCH),
    "--dynamic H,W": FileOptions(),
    "--preprocess": FileOptions(preprocess=True),
    "--tap": FileOptions(),
    "--dtype fp16": FileOptions(dtype="fp16", logits=True),
    "--dtype fp16 --io fp16": FileOptions(dtype="fp16", io="fp16", logits=True),
    "--quantize int8": FileOptions(logits=True),
}


def names(group: str) -> list[str]:
    """The names of the cases of `examples`, `nets` or `forms`."""
    if group == "examples":
        return list(_examples())
    if group == "nets":
        folders = (ROOT / "specs", ROOT / "specs" / "today")
        return sorted(path.stem for folder in folders for path in folder.glob("*.ns"))
    return [f"{net} {form}" for net in FORM_NETS for form in FORMS if _has(net, form)]


def _examples() -> dict[str, tuple[str, str]]:
    return {
        f"input {declared.replace(chr(10), '; ')}; {step}": (declared, step)
        for kind in OPERATORS
        for declared, step in kind.examples
    }


def _has(net: str, form: str) -> bool:
    # The weights of their fully connected layers are of one size of map.
    return not (net in ("lenet5", "googlenet") and form == "--dynamic H,W")


def make(group: str, name: str, targets: Sequence[str], folder: str) -> dict[str, str]:
    """Writes a case for each target, with what goes in and what should come out, into a folder.

    Returns why targets have no file: `refused: ...`, or `skipped: ...` for all of them.
    """
    torch.set_num_threads(1)
    if group == "examples":
        graph = snippet(*_examples()[name])
        return _Case(graph, FileOptions(optimize=False), Varied()).write(targets, Path(folder))
    net, _, form = name.partition(" ")
    graph = netspec.load(net).graph
    count = sum(weight.size for weight in named_weights(graph).values())
    if count > MOST_WEIGHTS:
        return dict.fromkeys(targets, f"skipped: {count / 1e6:,.0f} million weights")
    if form == "--dynamic H,W":
        channels = graph.inputs[0].types[0].shape[0]
        images = (f"{graph.inputs[0].path}:{channels}xHxW",)
        graph = build(graph.source, dict(graph.parameters), images)
    small = reduced(graph, above=LARGE)
    graph = small.graph if small else graph
    if multiply_adds(graph) > TOO_LARGE:
        macs = f"skipped: {multiply_adds(graph) / 1e9:,.0f} billion multiply-adds"
        return dict.fromkeys(targets, macs)
    options = FORMS.get(form, FileOptions(logits=True))
    return _Case(graph, options, None, form).write(targets, Path(folder))


class _Case:
    """A graph and the form of its file; weights of its own are fitted where none are given."""

    def __init__(
        self, graph: Graph, options: FileOptions, source: WeightSource | None, form: str = ""
    ) -> None:
        self.graph, self.options, self.form = graph, options, form
        self.example = source is not None
        net = prepared(graph, logits=options.logits)
        if form == "--tap":
            steps = [node.path for node in net.nodes[1:-1]]
            self.options = options = replace(options, taps=tuple(steps[:: max(1, len(steps) // 4)]))
            net = prepared(graph, taps=options.taps)
        self.net = net
        # What an output keeps of itself in eight bits, as the file was made, in decibels.
        self.kept = float("inf")
        self.source = source or fitted(net)

    def write(self, targets: Sequence[str], folder: Path) -> dict[str, str]:
        """The files and arrays; why targets have none."""
        rest, written = {}, dict[Any, Path]()
        for target in dict.fromkeys(targets):
            path = folder / f"{target}.onnx"
            try:
                form = self._form(target)
                if form in written:
                    os.link(written[form], path)
                else:
                    self._file(target, path)
                    written[form] = path
            except NetspecError as error:
                rest[target] = f"refused: {error.diagnostics[0].problem.headline}"
        inputs = self._inputs()
        limits = HALF if self.options.dtype == "fp16" else SINGLE
        reference = Reference(self.net, self.source, limits=limits)
        exact = outputs(reference.double, self.net, inputs)
        rounded = outputs(reference.rounded, self.net, inputs)
        judged = [self._judged(exact[name], rounded[name]) for name in exact]
        np.savez(folder / "exact.npz", *exact.values())
        np.savez(folder / "inputs.npz", **self._given(inputs))  # type: ignore[arg-type]
        (folder / "limits.json").write_text(json.dumps(judged), encoding="utf-8")
        return rest

    def _form(self, target: str) -> Any:
        """All that a target changes of a file but its name in the metadata: one file serves all alike."""
        graph = optimized(self.net, optimize=self.options.optimize).graph
        model = lower(
            graph,
            opset=self.options.opset,
            target=target_named(target),
            batch=self.options.batch,
        )
        return model.graph, model.head.opset_import[0].version, self._eight_bits(target)

    def _eight_bits(self, target: str) -> Quantization | None:
        return Quantization.for_reader(target) if self.form == "--quantize int8" else None

    def _file(self, target: str, path: Path) -> None:
        how = self._eight_bits(target)
        written = compile_graph(
            self.graph,
            path,
            replace(self.options, target=target),
            source=self.source,
            measure=measuring(noise(self.net)),
            quantize=quantizing(noise(self.net), how) if how else None,
        )
        if written.quantized is not None:
            self.kept = min(self.kept, written.quantized.decibels)

    def _inputs(self) -> dict[str, Any]:
        if self.example:
            arrays = inputs_for(self.net, BATCH, legal(self.net)[0])
            return dict(zip((node.path for node in self.net.inputs), arrays, strict=True))
        seed = SEEDS.get(self.net.name, SEED)
        inputs = sample_inputs(self.net, batch=BATCH, seed=seed)
        if self.options.preprocess:
            return dict(self._images.in_place((Run(seed, BATCH, inputs),))[0].inputs)
        if self.form == "--dynamic H,W":
            # Height and width differ, where the net lets them.
            image = self.net.inputs[0].path
            height, width = inputs[image].shape[2:]
            for more in (32, 64, 96, 0):
                if self.net.legality.allows({"H": height, "W": width + more}):
                    inputs[image] = np.pad(inputs[image], [(0, 0)] * 3 + [(0, more)], "reflect")
                    break
        return inputs

    @property
    def _images(self) -> Images:
        return Images(preprocessings(self.graph))

    def _given(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the file is given: only what is read, in the precision that it takes."""
        read = {value.node.path for node in self.net.nodes for value in node.inputs}
        read |= {output.value.node.path for output in self.net.outputs}
        given = self._images.taken(inputs) if self.options.preprocess else inputs
        half = self.options.io == "fp16"
        return {
            name: array.astype(np.float16) if half and array.dtype.kind == "f" else array
            for name, array in given.items()
            if name in read
        }

    def _judged(self, exact: Any, rounded: Any) -> dict[str, float]:
        """What an output is held to: how far it may be off, or how many decibels it keeps.

        Where PyTorch itself is far off in the precision of the file, that is what counts, as in
        `netspec verify`.
        """
        if self.form == "--quantize int8":
            return {"decibels": min(DECIBELS, self.kept - 3)}
        off = apart(rounded, exact)
        if self.options.dtype == "fp16":
            return {"limit": HALF.allowed(off)}
        return {"limit": max(LIMIT, SINGLE.times * off)}


def apart(found: Any, exact: Any) -> float:
    """The largest difference, relative to the largest value; what is infinite has to be so in both."""
    fine = np.isfinite(exact)
    if not np.array_equal(found[~fine], exact[~fine].astype(found.dtype), equal_nan=True):
        return float("inf")
    scale = float(np.abs(exact[fine]).max(initial=0)) or 1.0
    off = np.abs(found[fine].astype(np.float64) - exact[fine]).max(initial=0) / scale
    return float(off) if np.isfinite(off) else float("inf")


def compare(folder: str, program: str) -> str:
    """How the outputs of a program are: `right: how far off`, or `wrong: why`."""
    with np.load(Path(folder) / "exact.npz") as held:
        exact = [held[name] for name in held.files]
    with np.load(Path(folder) / f"{program}.npz") as held:
        found = [held[name] for name in held.files]
    limits = json.loads((Path(folder) / "limits.json").read_text(encoding="utf-8"))
    if len(found) != len(exact):
        return f"wrong: {len(found)} outputs instead of {len(exact)}"
    worst, least = 0.0, float("inf")
    for truth, theirs, judged in zip(exact, found, limits, strict=True):
        if truth.shape != theirs.shape:
            return f"wrong: its shape is {theirs.shape}, not {truth.shape}"
        if "decibels" in judged:
            least = min(least, decibels(truth, theirs))
            if not least >= judged["decibels"]:
                return f"wrong: {least:.1f} dB"
            continue
        error = apart(theirs, truth)
        if not error <= judged["limit"]:
            return f"wrong: off by {error:.2g} of the largest value, {judged['limit']:.2g} allowed"
        worst = max(worst, error)
    return f"right: {worst:.1g}" if worst or least == float("inf") else f"right: {least:.0f} dB"

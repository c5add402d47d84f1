"""Writing a package: each file by the part that knows it, then digests and signature; whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.files import CannotWrite
from netspec.diagnostics.messages.packages import CannotPackage
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.packaging import layout
from netspec.packaging.card import Card
from netspec.packaging.config import config
from netspec.packaging.facts import Facts, facts
from netspec.packaging.hub import front_matter
from netspec.packaging.images import Unsaid, processor
from netspec.packaging.mlflow import mlflow_files
from netspec.packaging.report import kept, verified
from netspec.packaging.spec import PackagedSpec, packaged
from netspec.packaging.state import write_state
from netspec.packaging.sums import check_sums, write_sums
from netspec.serving.labels import dataset_labels
from netspec.system.atomic import Paths, write_text
from netspec.system.extras import need
from netspec.system.folders import replacing_folder
from netspec.weights.sources import WeightSource

if TYPE_CHECKING:
    from netspec.backends.onnx.compile import Quantize, Written

# What is told of a package that is being written: the stage it is at.
Progress = Callable[[str], None]
_PRECISIONS = {"fp32": "single precision", "fp16": "half precision", "int8": "eight bits"}


@record
class Request:
    """What a package is to hold and to say.

    `weights` says in words where the numbers come from, and `trained` whether they are more than initial.
    `dtypes` are the precisions, `fp32` and `fp16`; `quantize` makes eight bits too, where given. Each file is
    held to PyTorch unless `verify` is off. `labels` are the names of classes, by default those of the
    spec's dataset; `key` signs.
    """

    weights: str
    trained: bool
    dtypes: tuple[str, ...] = ("fp32",)
    quantize: Quantize | None = None
    logits: bool = False
    verify: bool = True
    name: str = ""
    license: str = ""
    labels: tuple[str, ...] = ()
    key: Path | None = None


def package(
    graph: Graph,
    folder: Path,
    source: WeightSource,
    request: Request,
    *,
    keep: Paths = (),
    progress: Progress = lambda stage: None,
) -> tuple[str, ...]:
    """Writes a net with its weights as a package; returns the names of its files.

    The folder appears whole or not at all, and takes the place of a package that is as it was written, of
    nothing else. The same call gives the same bytes, but those of a signature. Raises NetspecError, where
    nothing was written: also of a file that does not agree with PyTorch.
    """
    from netspec.packaging.signature import signer

    need("torch", "packaging a net")
    told = facts(graph)
    _check_labels(graph, told, request.labels)
    spec = packaged(graph)
    sign = None if request.key is None else signer(request.key)
    held = [*graph.files, *keep, *([request.key] if request.key else [])]
    with replacing_folder(folder, _gives_way, keep=held) as draft:
        writing = _Writing(graph, told, spec, source, request, draft, progress)
        writing.write()
        if sign is not None:
            progress("signing")
            sign(draft)
        write_sums(draft)
        return check_sums(draft)


def _gives_way(folder: Path) -> None:
    """Raises NetspecError unless a folder is a package as it was written, which holds nothing of anyone's."""
    try:
        check_sums(folder)
    except NetspecError as error:
        wanted = "a folder gives way only if it is a package as it was written"
        reason = f"{wanted}; {error.diagnostics[0].problem}"
        raise NetspecError(CannotWrite(str(folder), reason)) from None


def _check_labels(graph: Graph, told: Facts, labels: tuple[str, ...]) -> None:
    if not labels:
        return
    reason = ""
    if len(labels) != told.classes:
        reason = (
            f"it tells {told.classes or 'no'} classes apart, and there are {len(labels)} labels"
        )
    elif len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        reason = f"two classes are called {twice}"
    if reason:
        raise NetspecError(CannotPackage(graph.name, reason), status=2)


class _Writing:
    """One package on its way: the files so far with what they are, and what was found of them."""

    def __init__(
        self,
        graph: Graph,
        told: Facts,
        spec: PackagedSpec,
        source: WeightSource,
        request: Request,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.graph, self.told, self.spec = graph, told, spec
        self.source, self.request = source, request
        self.folder, self.progress = folder, progress
        self.files: dict[str, str] = {}
        self.found: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, str] = {}

    def write(self) -> None:
        self.spec.write(self.folder, self.graph)
        self.files |= dict.fromkeys(self.spec.files, "the net as a spec of netspec")
        (self.folder / layout.ONNX).mkdir()
        models = {}
        for dtype in self.request.dtypes:
            models[dtype] = layout.MODELS[dtype]
            self._model(dtype, None)
        if self.request.quantize is not None:
            models["int8"] = layout.MODELS["int8"]
            self._model("int8", self.request.quantize)
        self.progress("writing weights")
        write_state(self.graph, self.source, self.folder / layout.WEIGHTS)
        self.files[layout.WEIGHTS] = "weights, by the names of the PyTorch module"
        self._picture()
        report = self._report()
        self._text(layout.REPORT, _as_json(report), "what was verified, and how")
        about = config(
            self.graph,
            self.told,
            self.spec,
            labels=self._labels(),
            logits=self.request.logits,
            models=models,
            weights=self.request.weights,
        )
        self._text(layout.CONFIG, _as_json(about), "what the net is, for programs")
        unprepared = self._processor()
        self._mlflow(next(iter(models.values())))
        self._card(report, unprepared)

    def _model(self, dtype: str, quantize: Quantize | None) -> None:
        from netspec.backends.onnx.compile import compile_graph
        from netspec.backends.ranges import measuring
        from netspec.verify.samples import noise

        name = layout.MODELS[dtype]
        self.progress(f"writing {name}")
        options = FileOptions(
            logits=self.request.logits, dtype="fp16" if dtype == "fp16" else "fp32"
        )
        self.found[name] = {}
        written = compile_graph(
            self.graph,
            self.folder / name,
            options,
            source=self.source,
            check=self._check(name, options) if self.request.verify and quantize is None else None,
            measure=measuring(noise(self.graph)),
            quantize=quantize,
        )
        self._add(name, dtype, written)

    def _add(self, name: str, dtype: str, written: Written) -> None:
        self.files[name] = f"ONNX, {_PRECISIONS[dtype]}, opset {written.opset}"
        for path in written.data:
            self.files[f"{layout.ONNX}/{path.name}"] = f"weights of {name}"
        if written.quantized is not None:
            self.found[name] = kept(written.quantized)

    def _check(self, name: str, options: FileOptions) -> Callable[[Path], None]:
        from netspec.verify import require_file

        def check(path: Path) -> None:
            self.progress(f"verifying {name}")
            report = require_file(self.graph, path, weights=self.source, options=options)
            self.found[name] = verified(report)
            self.versions = dict(report.versions)

        return check

    def _picture(self) -> None:
        from netspec.diagnostics.messages.draw import CannotDraw
        from netspec.draw import draw

        try:
            picture = str(draw([self.graph], style="fold", format="svg"))
        except NetspecError as error:
            if not isinstance(error.diagnostics[0].problem, CannotDraw):
                raise
            return  # a net too tangled for a screen goes without
        self._text(layout.PICTURE, picture, "the net drawn")

    def _labels(self) -> tuple[str, ...]:
        """The names of the classes that were given, or else those of the spec's dataset."""
        known = dataset_labels(self.graph)
        return self.request.labels or (known if len(known) == self.told.classes else ())

    def _report(self) -> dict[str, Any]:
        from netspec.verify.report import versions

        return {
            "format_version": 1,
            "net": self.graph.name,
            "files": self.found,
            "versions": self.versions or dict(versions()),
        }

    def _processor(self) -> str:
        """Writes how transformers prepares images; returns why it cannot, empty if there are none."""
        inputs = self.told.inputs
        how = self.told.images.get(inputs[0].name)
        if how is None:
            return ""
        try:
            said = processor(how)
        except Unsaid as reason:
            return str(reason)
        self._text(
            layout.PROCESSOR, _as_json(said), "how an image becomes an input, for transformers"
        )
        return ""

    def _mlflow(self, main: str) -> None:
        digest = hashlib.sha256((self.folder / layout.CONFIG).read_bytes())
        with (self.folder / layout.WEIGHTS).open("rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
        model = main.removeprefix(f"{layout.ONNX}/")
        for name, text in mlflow_files(self.told, model, digest.hexdigest()).items():
            self._text(f"{layout.ONNX}/{name}", text, "of the MLflow model")

    def _card(self, report: dict[str, Any], unprepared: str) -> None:
        request = self.request
        name = request.name or self.graph.name
        front = front_matter(
            self.graph, self.told, name=name, license=request.license, trained=request.trained
        )
        listed = {**self.files, layout.SUMS: "the digest of each file"}
        if request.key is not None:
            listed[layout.SIGNATURE] = "an OpenSSF signature over all files but the digests"
        card = Card(
            self.graph,
            self.told,
            self.spec,
            name,
            front,
            request.weights,
            listed,
            report,
            unprepared,
        )
        write_text(self.folder / layout.CARD, card.text())

    def _text(self, name: str, text: str, what: str) -> None:
        write_text(self.folder / name, text)
        self.files[name] = what


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

"""The README of a package: what the Hub shows of it, and whoever opens the folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.analysis.published import published
from netspec.analysis.summary import summarize
from netspec.foundation.records import record
from netspec.foundation.version import __version__
from netspec.graph.checked import Graph
from netspec.packaging import layout
from netspec.packaging.facts import Facts
from netspec.packaging.spec import PackagedSpec
from netspec.packaging.yaml import as_yaml

# Lines of a table that is read from end to end.
_LONG = 100


@record
class Card:
    """What a card is written from.

    `front` is its front matter. `files` are the package's files with what they are. `report` is what the
    verification found, as its file has it; `unprepared` says why transformers cannot prepare the images.
    """

    graph: Graph
    told: Facts
    spec: PackagedSpec
    name: str
    front: dict[str, Any]
    weights: str
    files: dict[str, str]
    report: dict[str, Any]
    unprepared: str

    def text(self) -> str:
        """The card as Markdown behind its front matter."""
        parts = [f"---\n{as_yaml(self.front)}---\n", f"# {_plain(self.name)}\n", *self._about()]
        if layout.PICTURE in self.files:
            parts.append(f"![{self.graph.name}]({layout.PICTURE})\n")
        parts += ["## Use\n", *self._use(), "## Files\n", *self._files()]
        parts += ["## Layers\n", self._layers()]
        parts += ["## Verification\n", *self._verified(), *self._published(), *self._whole()]
        return "\n".join(parts)

    def _about(self) -> Iterator[str]:
        said = dict(self.graph.metadata)
        for key in ("title", "paper", "note"):
            if key in said:
                yield f"{_plain(said[key])}\n"
        yield f"Weights: {_plain(self.weights)}.\n"
        rows = [("input", item) for item in self.told.inputs]
        rows += [("output", item) for item in self.told.outputs]
        lines = [f"| {what} | `{item.name}` | {item.dtype} | {item.sizes} |" for what, item in rows]
        yield "\n".join(["| | name | type | size |", "| --- | --- | --- | --- |", *lines, ""])

    def _layers(self) -> str:
        """The table of layers, with as many levels of blocks open as leave it short."""
        text = ""
        for depth in (None, 2, 1, 0):
            text = summarize(self.graph, depth=depth).to_markdown()
            if text.count("\n") <= _LONG:
                break
        return text

    def _use(self) -> Iterator[str]:
        main = next(iter(self.report["files"]))
        feeds = ", ".join(f'"{item.name}": {item.name}' for item in self.told.inputs)
        yield _code(
            "import onnxruntime",
            "",
            f'session = onnxruntime.InferenceSession("{main}")',
            f"outputs = session.run(None, {{{feeds}}})",
        )
        yield "PyTorch, with [netspec](https://pypi.org/project/netspec-networks/):\n"
        yield _code(
            "import netspec",
            "",
            f'model = netspec.load({self.spec.arguments()}).to_torch(weights="{layout.WEIGHTS}").eval()',
        )
        if layout.PROCESSOR in self.files:
            yield "Images, as the net wants them:\n"
            yield _code(
                "from transformers import AutoImageProcessor",
                "",
                'processor = AutoImageProcessor.from_pretrained(".", use_fast=False)',
                f'{self.told.inputs[0].name} = processor(image, return_tensors="np")["pixel_values"]',
            )
            yield (
                "It rounds the place of the crop down, where timm and netspec take the nearest: along a "
                "side that is longer than the crop by 3, 7, 11 and so on, it lies one pixel beside.\n"
            )
        for name, how in self.told.images.items():
            yield f"How an image becomes `{name}`: {how}.\n"
        if self.unprepared:
            yield f"There is no {layout.PROCESSOR}: {self.unprepared}, which it has no keys for.\n"
        yield f"MLflow takes the folder `{layout.ONNX}`:\n"
        yield _code(
            "import mlflow",
            "",
            f'model = mlflow.pyfunc.load_model("{layout.ONNX}")',
            f"outputs = model.predict({{{feeds}}})",
        )

    def _files(self) -> Iterator[str]:
        lines = [f"| [{name}]({name}) | {what} |" for name, what in sorted(self.files.items())]
        yield "\n".join(["| file | is |", "| --- | --- |", *lines, ""])

    def _verified(self) -> Iterator[str]:
        lines = []
        for name, found in self.report["files"].items():
            if "decibels" in found:
                lines.append(
                    f"- `{name}` keeps {found['decibels']:g} dB of the output's signal in fp32."
                )
            elif found:
                lines.append(
                    f"- `{name}` agrees with PyTorch in double precision: largest difference "
                    f"{found['error']:.1e} of the largest value, {found['allowed']:.1e} allowed; "
                    f"{found['weights']}."
                )
            else:
                lines.append(f"- `{name}` was not verified.")
        versions = ", ".join(f"{n} {v}" for n, v in self.report["versions"].items())
        yield "\n".join([*lines, "", f"By {versions}; [all figures]({layout.REPORT}).\n"])

    def _published(self) -> Iterator[str]:
        found = [item for item in published(self.graph.metadata) if item.values]
        if not found:
            return
        yield "## Published figures\n\nOf the net with the weights of their sources, not of this package.\n"
        lines = [
            f"| {_plain(', '.join(item.figures()))} | {_plain(item.about())} | {_plain(item.source)} |"
            for item in found
        ]
        yield "\n".join(["| figures | on | source |", "| --- | --- | --- |", *lines, ""])

    def _whole(self) -> Iterator[str]:
        yield "## Integrity\n"
        signed = layout.SIGNATURE in self.files
        key = " --key PUBLIC.pem" if signed else ""
        yield _code(f"netspec verify .{key}", language="bash")
        if signed:
            yield "With the public key of who signed it, no byte can differ from what they signed.\n"
        yield (
            f"Digests alone (`sha256sum -c {layout.SUMS}`) tell accidents, not intent.\n\n"
            f"Packaged by netspec {__version__}."
        )


def _code(*lines: str, language: str = "python") -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


def _plain(value: object) -> str:
    """A text of a spec as Markdown shows it: no mark of it means anything."""
    text = " ".join(str(value).split())
    return "".join(f"\\{ch}" if ch in r"\`*_[]<>#|" else ch for ch in text)

"""Writes docs/zoo.md, a row for each shipped spec: `python docs/make_zoo.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from zoo_figures import FIGURES

from netspec.analysis.costs import costs
from netspec.analysis.published import headline
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.elaborate.metadata import metadata_of
from netspec.elaborate.settings import bases
from netspec.elaborate.steps import Elaborator
from netspec.graph.checked import Graph
from netspec.syntax.files import read_shipped, read_spec, shipped_file, shipped_names
from netspec.syntax.units import Loader, variation_text

HERE = Path(__file__).parent
PAGE = HERE / "zoo.md"
PICTURES = HERE / "images" / "zoo"
GOLDENS = HERE.parent / "tests" / "data" / "goldens"
FIGURES_TODAY = HERE.parent / "tests" / "data" / "today.json"
GOLDENS_TODAY = FIGURES_TODAY.parent / "goldens2"
DEVIATIONS = HERE.parent / "benchmarks" / "results" / "today.json"

HEADER = """# The zoo

<!-- Written by `python docs/make_zoo.py`; a test holds it current. -->

Every shipped spec of the lectures, with what `netspec check` holds it to. Parameters are trained
elements of the deployed net; MACs are multiply-adds of one sample at the spec's own input; depth is
weight layers on the longest path. The published figure is that of one net; `netspec list --errors`
prints all, with the averages of several nets and the entries of challenges. The last column says what
else a spec was proven against:

- a library and its version: that library's published network, loaded from its checkpoint by
  structure, gives the same logits through PyTorch and ONNX Runtime;
- a figure that is printed, and where: the spec has it to the precision it is printed with, rounded
  or cut off (*when truncated*). Where it **differs**, the column says by how much, and why if we know;
- *nothing published*: no publication that we know of prints a size of this net. What the row says
  was counted from the layers that the paper, or the code that is named, describes;
- every net, besides: PyTorch, ONNX Runtime and double precision agree.

[Networks of today's libraries](#networks-of-todays-libraries) stand on a shelf of their own, below.

"""
COLUMNS = (
    "| spec | picture | paper | year | parameters | MACs | depth | published figure | proven against |\n"
    "| --- | --- | --- | --- | ---: | ---: | ---: | --- | --- |\n"
)


TODAY = """
## Networks of today's libraries

A second shelf, `specs/today/`: all of torchvision's families of classifiers, its segmenting nets and
detectors, families of timm, language models, generators, flow, audio and points. A family is a
file with variations, each found by its name: `netspec summary regnet_y_16gf`. Where the last column names
a library, parameters and buffers are those that its network has, and from its weights a net answers as it
does, through PyTorch and ONNX Runtime, to 1e-4 of the output's norm and to a hundredth of what other
inputs do to it ([recorded](../benchmarks/results/today.json) by `python benchmarks/today.py`, or held by
`tests/checkpoints/test_published_today.py`, there at a few layers for the larger language models).
`netspec draw` draws them; the pictures of this page, the gallery, the table of initialisations and the
lectures' figures are of the first shelf.

"""
TODAY_COLUMNS = (
    "| spec | paper | year | parameters | MACs | published figure | proven against |\n"
    "| --- | --- | --- | ---: | ---: | --- | --- |\n"
)
# What nobody's checkpoint was loaded into, and the published count it has.
COUNTED = {
    "conformer_large": "transformers 5.24.0, its Wav2Vec2ConformerEncoder without the layer that never runs; "
    "answers of a small one",
    "detr_resnet50": "transformers 5.24.0, answers; 41,524,768 parameters there, with 53,120 of the "
    "backbone's norms, frozen here, as buffers",
    "detr_resnet101": "built only",
    "fasterrcnn_resnet50_fpn": "torchvision 0.28.0, whose norms' 53,120 gains and shifts are buffers",
    "dgcnn": "a module written out in PyTorch; 1,809,576 parameters, the authors' code's",
    **{
        f"dit_{size}": f"a module written out in PyTorch; {count}, {macs} G (the paper's Table 4)"
        for size, count, macs in (
            ("s_2", "33 M", "6.06"),
            ("b_2", "130 M", "23.01"),
            ("l_2", "458 M", "80.71"),
            ("xl_2", "675 M", "118.64"),
        )
    },
    **{
        f"wav2vec2_{size}": "transformers 5.24.0, where positions' weight is apart from its length and which "
        "has a vector for masked steps; answers of a small one"
        for size in ("base", "large")
    },
    "luong_attention": "a module written out in PyTorch",
    **{
        f"yolov5{size}": f"{count:,} parameters (ultralytics, release 6)"
        for size, count in zip(
            "nsmlx", (1872157, 7235389, 21190557, 46563709, 86749405), strict=True
        )
    },
    "cyclegan": "11.378 M parameters (the authors' code)",
    "dcgan": "3,576,704 parameters (pytorch/examples)",
    "dcgan_discriminator": "2,765,568 parameters (pytorch/examples)",
    "pointnet": "a module written out in PyTorch",
    **{
        f"whisper_{size}_encoder": "transformers 5.24.0, counts; answers of a small one"
        for size in ("tiny", "base", "small", "medium", "large")
    },
    "unetpp": "9,041,601 parameters (the authors' helper_functions.py) on grey images with `deep=no`",
    **{
        f"yolov8{size}": f"{count:,} parameters (ultralytics), of which 16 fixed ones decode distances"
        for size, count in zip(
            "nsmlx", (3157200, 11166560, 25902640, 43691520, 68229648), strict=True
        )
    },
}


def today() -> Iterator[str]:
    """The section of the second shelf. What a spec says is read; no net is built."""
    yield TODAY + TODAY_COLUMNS
    recorded = json.loads(FIGURES_TODAY.read_text())
    measured = json.loads(DEVIATIONS.read_text())
    held = {json.loads(path.read_text())["spec"] for path in GOLDENS_TODAY.glob("*.json")}
    against = {
        figures["spec"]: library
        if name in measured or figures["spec"] in held
        else f"{library}, counts alone"
        for library, nets in recorded.items()
        for name, figures in nets.items()
    }
    for name in shipped_names("today"):
        file, _ = shipped_file(name) or (Path(), "")
        about = said(name)
        counts = dict(re.findall(r"(\w+)=([^,\s]+)", variation_text(read_shipped(name))))
        cells = (
            f"[{name}](../specs/today/{file.name})",
            str(dict(about).get("paper", "")),
            str(dict(about).get("year", "")),
            f"{int(counts['params']):,}",
            f"{int(macs):,}" if (macs := counts["macs"]).isdigit() else f"`{macs}`",
            stated(about),
            COUNTED.get(name) or against[name],
        )
        yield "| " + " | ".join(cells) + " |\n"
    yield "\ntorchvision's other classifiers are the lectures' nets:\n\n"
    yield "| torchvision | spec |\n| --- | --- |\n"
    (library,) = (key for key in recorded if key.startswith("torchvision"))
    for constructor, figures in recorded[library].items():
        if figures["spec"] not in shipped_names("today"):
            yield f"| {constructor} | `{figures['spec']}` |\n"


def said(name: str) -> tuple[tuple[str, object], ...]:
    """What a spec's file says of it."""
    collector = Collector()
    loader = Loader(collector, DEFAULT)
    unit = loader.load(read_shipped(name))
    reporter = Elaborator(loader, collector, DEFAULT).reporter
    return metadata_of(bases(unit), {}, reporter)


def proofs() -> dict[str, list[str]]:
    """The published implementations each spec was held to, by the spec's name."""
    found: dict[str, list[str]] = {}
    for path in sorted(GOLDENS.glob("*.json")):
        golden = json.loads(path.read_text())
        found.setdefault(golden["spec"], []).append(golden["library"])
    return found


def row(name: str, graph: Graph, proven: dict[str, list[str]]) -> str:
    total = costs(graph)
    about = dict(graph.metadata)
    against = [*sorted(set(proven.get(name, ()))), *(str(f) for f in FIGURES if f.spec == name)]
    cells = (
        f"[{name}](../specs/{name}.ns)",
        picture(name),
        str(about.get("paper", "")),
        str(about.get("year", "")),
        f"{total.params:,}" + (f" + {total.params_frozen:,} frozen" if total.params_frozen else ""),
        f"{total.macs:,}",
        str(total.depth),
        figure(graph),
        "; ".join(against) or "nothing published",
    )
    return "| " + " | ".join(cells) + " |\n"


def picture(name: str) -> str:
    return f'<a href="images/zoo/{name}.svg"><img src="images/zoo/{name}.svg" height="120"></a>'


def figure(graph: Graph) -> str:
    """The published figure of one net with how it was measured: `top-1 27, top-5 8.8 % (...)`."""
    return stated(graph.metadata)


def stated(metadata: tuple[tuple[str, object], ...]) -> str:
    first = headline(metadata)
    if first is None:
        return ""
    unit = "" if first.value("points") is not None else " %"
    how = "; ".join(part for part in (str(first.protocol), first.note, first.source) if part)
    return f"{', '.join(first.figures())}{unit} ({how})"


def page() -> str:
    proven = proofs()
    rows = [row(name, build(read_spec(name)), proven) for name in shipped_names("lectures")]
    blocks = shipped_names("blocks")
    text = HEADER + COLUMNS + "".join(rows)
    text += (
        "\n## Building blocks\n\nThe blocks the lectures calculate with, each a net of its own.\n\n"
    )
    text += "| spec | parameters | MACs |\n| --- | ---: | ---: |\n"
    for name in blocks:
        total = costs(build(read_spec(name)))
        text += f"| [{name}](../specs/{name}.ns) | {total.params:,} | {total.macs:,} |\n"
    return text + "".join(today())


def pictures() -> Iterator[tuple[Path, str]]:
    """Each shipped net's picture, with the file it is kept in."""
    for name in shipped_names("lectures"):
        yield PICTURES / f"{name}.svg", str(draw([build(read_spec(name))], theme="auto"))


if __name__ == "__main__":
    PAGE.write_text(page())
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in PICTURES.glob("*.svg"):
        path.unlink()
    for path, text in pictures():
        path.write_text(text)

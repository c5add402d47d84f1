"""Writes docs/zoo.md, a row for each shipped spec: `python docs/make_zoo.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zoo_figures import FIGURES

from netspec.analysis.costs import costs
from netspec.analysis.published import headline
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec, shipped_names

HERE = Path(__file__).parent
PAGE = HERE / "zoo.md"
PICTURES = HERE / "images" / "zoo"
GOLDENS = HERE.parent / "tests" / "data" / "goldens"

HEADER = """# The zoo

<!-- Written by `python docs/make_zoo.py`; a test holds it current. -->

Every shipped spec, with what `netspec check` holds it to. Parameters are trained elements of the
deployed net; MACs are multiply-adds of one sample at the spec's own input; depth is weight layers
on the longest path. The published figure is that of one net; `netspec list --errors` prints all, with
the averages of several nets and the entries of challenges. The last column says what else a spec was
proven against:

- a library and its version: that library's published network, loaded from its checkpoint by
  structure, gives the same logits through PyTorch and ONNX Runtime;
- a figure that is printed, and where: the spec has it to the precision it is printed with, rounded
  or cut off (*when truncated*). Where it **differs**, the column says by how much, and why if we know;
- *nothing published*: no publication that we know of prints a size of this net. What the row says
  was counted from the layers that the paper, or the code that is named, describes;
- every net, besides: PyTorch, ONNX Runtime and double precision agree.

"""
COLUMNS = (
    "| spec | picture | paper | year | parameters | MACs | depth | published figure | proven against |\n"
    "| --- | --- | --- | --- | ---: | ---: | ---: | --- | --- |\n"
)


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
    stated = headline(graph.metadata)
    if stated is None:
        return ""
    unit = "" if stated.value("points") is not None else " %"
    how = "; ".join(part for part in (str(stated.protocol), stated.note, stated.source) if part)
    return f"{', '.join(stated.figures())}{unit} ({how})"


def page() -> str:
    proven = proofs()
    rows = [
        row(name, build(read_spec(name)), proven) for name in shipped_names() if "/" not in name
    ]
    blocks = [name for name in shipped_names() if "/" in name]
    text = HEADER + COLUMNS + "".join(rows)
    text += (
        "\n## Building blocks\n\nThe blocks the lectures calculate with, each a net of its own.\n\n"
    )
    text += "| spec | parameters | MACs |\n| --- | ---: | ---: |\n"
    for name in blocks:
        total = costs(build(read_spec(name)))
        text += f"| [{name}](../specs/{name}.ns) | {total.params:,} | {total.macs:,} |\n"
    return text


def pictures() -> Iterator[tuple[Path, str]]:
    """Each shipped net's picture, with the file it is kept in."""
    for name in shipped_names():
        if "/" not in name:
            yield PICTURES / f"{name}.svg", str(draw([build(read_spec(name))], theme="auto"))


if __name__ == "__main__":
    PAGE.write_text(page())
    PICTURES.mkdir(parents=True, exist_ok=True)
    for path in PICTURES.glob("*.svg"):
        path.unlink()
    for path, text in pictures():
        path.write_text(text)

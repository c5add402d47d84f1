"""Writes docs/initialisation.md, how each shipped net starts: `python docs/make_initialisation.py`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.declare.params import SchemeParam
from netspec.ops.declare.schemes import Constant, arguments
from netspec.ops.declare.weight import Scheme
from netspec.syntax.files import read_spec, shipped_names

PAGE = Path(__file__).parent / "initialisation.md"

HEADER = """\
# How the nets start

<!-- Written by `python docs/make_initialisation.py`; a test holds it current. -->

A shipped spec starts its weights as its paper says, or else as the code that the authors, or those
who rebuilt the net, published: `init=` and `bias_init=`, mostly on a `default` line, with the source
behind it in a comment. [operators.md](operators.md#initialisations) lists the schemes. A test draws
every net and compares the moments with the sources' numbers.

Where a source is silent, so is the spec. Weights then start as operators do by default: kernels and
matrices `he`, recurrent matrices `lecun`, attention `xavier`, embeddings `gaussian(1)`, positions
`gaussian(0.02)`, slopes of PReLU 0.25, biases zero, scales of norms one. So do, from a seed, backbones that a
paper takes trained from another net (FCN, Fast R-CNN, the deconvolution net, the dilated front
end); nets that import `vgg16` have VGG's.

| net | what the spec says | source |
| --- | --- | --- |
"""
_SOURCE = re.compile(r"# init: (.*)")
_BASE = re.compile(r"^net \w+ = (\w+)\(|^import \w+ from (\w+)|^import ([\w, ]+)$", re.M)


def sources(name: str) -> list[str]:
    """What a spec, and the specs that it is made from, give as sources, in order."""
    text = read_spec(name).text
    found = _SOURCE.findall(text)
    for match in _BASE.finditer(text):
        for base in re.findall(r"\w+", match[1] or match[2] or match[3]):
            found += [s if s in found or match[1] else f"{base}: {s}" for s in sources(base)]
    return list(dict.fromkeys(found))


def starts(graph: Graph) -> Iterator[str]:
    """What the layers of a net say, a kind of layer at a time: `conv gaussian(0.01)`."""
    found: dict[str, Counter[str]] = {}
    total: Counter[str] = Counter()
    for node in graph.nodes:
        for name, param in type(node.op).params.items():
            if isinstance(param, SchemeParam):
                what = f"{node.op.spelling} biases" if name == "bias_init" else node.op.spelling
                total[what] += 1
                stated = getattr(node.op, name)
                if stated is not None:
                    found.setdefault(what, Counter())[shown(stated)] += 1
    for what, schemes in found.items():
        if len(schemes) == 1 and schemes.total() == total[what]:
            yield f"{what} `{next(iter(schemes))}`"
        else:
            each = (f"`{scheme}` ({n} of {total[what]})" for scheme, n in schemes.items())
            yield f"{what} {', '.join(each)}"


def shown(scheme: Scheme) -> str:
    """A scheme as a spec writes it, numbers in figures."""
    if isinstance(scheme, Constant):
        return f"{scheme.constant():g}"
    given = []
    for item in arguments(type(scheme)):
        number = getattr(scheme, item.name)
        if item.kw_only and number:
            given.append(f"{item.name}={Fraction(number)}")
        elif not item.kw_only and (number != item.default or item.name in ("deviation", "bound")):
            given.append(f"{number:.6g}")
    return f"{scheme.word}({', '.join(given)})" if given else scheme.word


def page() -> str:
    """The whole page."""
    rows, silent = [], []
    for name in shipped_names("lectures"):
        graph = build(read_spec(name))
        said = "; ".join(starts(graph))
        link = f"[{name}](../specs/{name}.ns)"
        if said:
            rows.append(f"| {link} | {said} | {'; '.join(sources(name))} |\n")
        else:
            silent.append(link)
    return f"{HEADER}{''.join(rows)}\nSilent: {', '.join(silent)}.\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

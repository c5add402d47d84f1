"""The names of classes, which a server gives with the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from netspec.diagnostics.messages.serving import BadLabels
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest
from netspec.graph.checked import Graph
from netspec.serving.interface import Interface, Tensor
from netspec.system.reading import open_regular, reading

_DIGITS = tuple("0123456789")
_CIFAR_10 = ("airplane automobile bird cat deer dog frog horse ship truck").split()
# The classes of datasets, in their usual order, by what a spec's `dataset` line calls them.
DATASETS: Mapping[str, Sequence[str]] = {
    "MNIST": _DIGITS,
    "USPS zip code digits": _DIGITS,
    "CIFAR-10": _CIFAR_10,
}
_LONGEST = 2**24


def labels_of(
    graph: Graph, interface: Interface, given: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The names of classes by output, from files or else from the spec's dataset.

    A file is given as `FILE`, for the one output that has as many elements as it has lines, or as
    `OUTPUT=FILE`. Raises NetspecError where they do not go together.
    """
    found: dict[str, tuple[str, ...]] = {}
    outputs = {output.name: output for output in interface.outputs}
    for item in given:
        name, equals, path = item.partition("=")
        if not equals or (name not in outputs and Path(item).is_file()):
            name, path = "", item
        lines = read_labels(path)
        if not name:
            name = _only(path, lines, interface)
        elif name not in outputs:
            near = closest(name, outputs) or ", ".join(outputs)
            raise _bad(path, f"there is no output `{name}`: {near}")
        _check(path, lines, outputs[name])
        found[name] = lines
    if not given:
        classes = dataset_labels(graph)
        fitting = [o for o in interface.outputs if classes and _elements(o) == len(classes)]
        if len(fitting) == 1:
            found[fitting[0].name] = classes
    return found


def read_labels(path: str | Path) -> tuple[str, ...]:
    """The lines of a text file, in the order of the classes; raises NetspecError of what is none."""
    with reading(lambda reason: _bad(path, reason)), open_regular(path) as file:
        data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise ValueError("the file is too large")
        lines = tuple(data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n"))
    for number, line in enumerate(lines, 1):
        if not line.strip() or not line.isprintable():
            raise _bad(path, f"line {number} is no label")
    return lines


def dataset_labels(graph: Graph) -> tuple[str, ...]:
    """The classes of the spec's dataset, where they are known by it."""
    return tuple(DATASETS.get(str(dict(graph.metadata).get("dataset")), ()))


def _only(path: str, lines: Sequence[str], interface: Interface) -> str:
    fitting = [o.name for o in interface.outputs if _elements(o) == len(lines)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        reason = f"{', '.join(fitting)} have {len(lines)} elements each: write OUTPUT={path}"
    else:
        sizes = ", ".join(f"{o.name} has {_elements(o) or 'open sizes'}" for o in interface.outputs)
        reason = f"it has {len(lines)} lines, and no output so many elements: {sizes}"
    raise _bad(path, reason)


def _check(path: str, lines: Sequence[str], output: Tensor) -> None:
    if (count := _elements(output)) != len(lines):
        has = f"has {count} elements" if count else "has open sizes"
        raise _bad(path, f"it has {len(lines)} lines, and {output.name} {has}")


def _elements(output: Tensor) -> int:
    """How many numbers an output has for each row; 0 where that is open."""
    sizes = output.sizes[1:]
    return (
        prod(s for s in sizes if isinstance(s, int))
        if all(isinstance(size, int) for size in sizes)
        else 0
    )


def _bad(path: str | Path, reason: str) -> NetspecError:
    return NetspecError(BadLabels(str(path), reason), status=2)

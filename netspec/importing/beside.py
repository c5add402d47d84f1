"""A spec beside a file: they are compared by what files hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from netspec.analysis.difference.difference import Difference, difference
from netspec.analysis.difference.record import Tensors
from netspec.analysis.difference.tensors import shapes
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.passes.folding.draft import Folded
from netspec.passes.folding.fold import fold, literal


def differing(a: Graph | Path, b: Graph | Path) -> Difference:
    """What the second net computes otherwise than the first: graphs, or ONNX files by their paths.

    A file says nothing of how weights start and holds nothing that acts in training only, and whoever wrote
    it may have folded layers into each other. So a spec is compared with a file as it is deployed, and
    folded where that is nearer to the file. The file that is written of the spec is no other net; any other
    is read as a spec. Raises NetspecError for a file that cannot be read.
    """
    match a, b:
        case Graph(), Graph():
            return difference(a, b)
        case Path(), Path():
            return difference(_read(a), _read(b), starts=False)
        case Graph(), Path():
            return _beside(a, b, is_first=True)
        case Path(), Graph():
            return _beside(b, a, is_first=False)
    raise AssertionError((a, b))


def _beside(spec: Graph, path: Path, *, is_first: bool) -> Difference:
    """A spec, which is the first or the second net, and a file."""
    from netspec.importing.own_file import own_names

    forms = list(_forms(spec))
    for form, note in forms:
        names = own_names(path, form)
        if names is not None:
            return replace(_same(form.graph, path, names, is_first=is_first), note=note)
    file = _read(path)
    found: list[Difference] = []
    # What does nothing is in some files and left out of others.
    for (form, note), there in zip(forms, (file, fold(file).graph), strict=True):
        pair = (form.graph, there) if is_first else (there, form.graph)
        found.append(replace(difference(*pair, starts=False), note=note))
        if not found[-1]:
            break
    return min(found, key=_distance)


def _read(path: Path) -> Graph:
    # What reads files takes long to import, and two specs need none of it.
    from netspec.importing.imported import import_file

    return import_file(path).graph


def _same(spec: Graph, path: Path, names: dict[str, str], *, is_first: bool) -> Difference:
    """The difference of a net and its own file, whose tensors are called by `names`."""
    file = spec.replace(source=replace(spec.source, name=f"<{path.name}>"))
    found = difference(*((spec, file) if is_first else (file, spec)), starts=False)
    turned = names if is_first else {other: mine for mine, other in names.items()}
    same = tuple(name for name, other in turned.items() if name == other)
    renamed = tuple((name, other) for name, other in turned.items() if name != other)
    known = shapes(spec)
    old = {(mine if is_first else other): known[mine] for mine, other in names.items()}
    misled = tuple(other for name, other in renamed if old.get(other) == old[name])
    return replace(found, tensors=Tensors(same, renamed, (), (), (), misled))


def _distance(found: Difference) -> int:
    """How many layers only one net has, or are told otherwise."""
    alone = len(found.a.nodes) + len(found.b.nodes) - 2 * len(found.pairs)
    return alone + sum(len(change.changed) for change in found.changes)


def _forms(spec: Graph) -> Iterator[tuple[Folded, str]]:
    """The net as it is deployed and as it is folded, with what was done to it in words."""
    deployed = deploy(spec)
    said = f"{spec.source.name} is compared as it is deployed"
    yield literal(deployed), said if len(deployed.nodes) < len(spec.nodes) else ""
    yield fold(deployed), f"{said}, with layers folded into each other"
